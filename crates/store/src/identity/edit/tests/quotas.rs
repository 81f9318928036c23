//! Quotas: what they allow holds to the last, and not one more.

use super::*;

/// Fills up to the quota, which holds; one more does not.
fn full<T: std::fmt::Debug>(
    quota: Quota,
    name: &str,
    step: impl Fn(&mut DirectoryEdit, usize) -> Result<T, IdentityError>,
) {
    let mut edit = one_of_each();
    for n in 0..quota.max() {
        step(&mut edit, n).unwrap();
    }
    let over = step(&mut edit, quota.max()).map(drop);
    assert_eq!(over, Err(IdentityError::OverQuota { quota, name: name.to_owned() }));
}

#[test]
fn quotas_of_one_entity_hold_to_the_last() {
    let own = |n: usize| format!("arn:aws:iam::000000000000:policy/p{n}");
    full(Quota::AccessKeys, "Ann", |edit, _| edit.create_key("ann"));
    full(Quota::GroupsOfUser, "Bob", |edit, n| {
        if n == 0 {
            edit.create_user("Bob", "/", None, Vec::new())?;
        }
        edit.create_group(&format!("g{n}"), "/")?;
        edit.add_to_group(&format!("g{n}"), "bob")
    });
    full(Quota::AttachedPolicies, "Ann", |edit, n| {
        edit.create_policy(new_policy(&format!("p{n}")))?;
        edit.change_user("Ann", |user| Ok(user.attached.insert(own(n))))
    });
    full(Quota::AttachedPolicies, "Staff", |edit, n| {
        edit.create_policy(new_policy(&format!("p{n}")))?;
        edit.change_group("Staff", |group| Ok(group.attached.insert(own(n))))
    });
    full(Quota::AttachedPolicies, "Job", |edit, n| {
        edit.create_policy(new_policy(&format!("p{n}")))?;
        edit.change_role("Job", |role| Ok(role.attached.insert(own(n))))
    });
    full(Quota::PolicyVersions, "Own", |edit, n| match n {
        0 => Ok(1),
        _ => edit.create_policy_version(OWN, policy_of(0), Counts::NotYet),
    });
    full(Quota::RolesOfProfile, "Box", |edit, n| {
        if n == 0 {
            edit.create_instance_profile("Box", "/", Vec::new())?;
        }
        edit.add_role_to_profile("Box", "Job")
    });
    full(Quota::Tags, "Bob", |edit, n| {
        if n == 0 {
            edit.create_user("Bob", "/", None, Vec::new())?;
        }
        edit.change_user("Bob", |user| set(&mut user.tags, tags(n + 1)))
    });
}

#[test]
fn tags_are_counted_wherever_they_are() {
    let over = |name: &str| IdentityError::OverQuota { quota: Quota::Tags, name: name.to_owned() };
    let many = || tags(Quota::Tags.max() + 1);
    refused(|edit| edit.create_user("Bob", "/", None, many()), over("Bob"));
    refused(|edit| edit.create_role(NewRole { tags: many(), ..new_role("Task") }), over("Task"));
    refused(
        |edit| edit.create_policy(NewManagedPolicy { tags: many(), ..new_policy("Other") }),
        over("Other"),
    );
    refused(|edit| edit.create_instance_profile("Box", "/", many()), over("Box"));
    refused(
        |edit| edit.create_oidc_provider(NewOidcProvider { tags: many(), ..new_provider("x.y") }),
        over("x.y"),
    );
}

#[test]
fn quotas_of_an_account_hold_to_the_last() {
    let over = |quota, name: &str| Err(IdentityError::OverQuota { quota, name: name.to_owned() });
    let mut edit = edit();
    let (group, user) = ((0..Quota::Groups.max()), (0..Quota::Users.max()));
    group.for_each(|n| drop(edit.create_group(&format!("g{n}"), "/").unwrap()));
    assert_eq!(edit.create_group("over", "/").map(drop), over(Quota::Groups, "over"));
    user.for_each(|n| drop(edit.create_user(&format!("u{n}"), "/", None, Vec::new()).unwrap()));
    let user = edit.create_user("over", "/", None, Vec::new()).map(drop);
    assert_eq!(user, over(Quota::Users, "over"));
    for n in 0..Quota::Roles.max() {
        edit.create_role(new_role(&format!("r{n}"))).unwrap();
    }
    assert_eq!(edit.create_role(new_role("over")).map(drop), over(Quota::Roles, "over"));
    for n in 0..Quota::Policies.max() {
        edit.create_policy(new_policy(&format!("p{n}"))).unwrap();
    }
    assert_eq!(edit.create_policy(new_policy("over")).map(drop), over(Quota::Policies, "over"));
    for n in 0..Quota::InstanceProfiles.max() {
        edit.create_instance_profile(&format!("i{n}"), "/", Vec::new()).unwrap();
    }
    let profile = edit.create_instance_profile("over", "/", Vec::new()).map(drop);
    assert_eq!(profile, over(Quota::InstanceProfiles, "over"));
    for n in 0..Quota::OidcProviders.max() {
        edit.create_oidc_provider(new_provider(&format!("{n}.example"))).unwrap();
    }
    let provider = edit.create_oidc_provider(new_provider("over"));
    assert_eq!(provider, over(Quota::OidcProviders, "over"));
}

/// Puts a policy of a length somewhere.
type Put = fn(&mut DirectoryEdit, usize) -> Result<(), IdentityError>;

#[test]
fn policies_are_measured_without_white_space() {
    let over = |quota, name: &str| IdentityError::OverQuota { quota, name: name.to_owned() };
    let rows: [(Quota, &str, Put); 5] = [
        (Quota::InlineOfUser, "Ann", |edit, size| {
            let name = "p".to_owned();
            edit.change_user("Ann", |user| Ok(user.inline.insert(name, policy_of(size)))).map(drop)
        }),
        (Quota::InlineOfGroup, "Staff", |edit, size| {
            let name = "p".to_owned();
            edit.change_group("Staff", |group| Ok(group.inline.insert(name, policy_of(size))))
                .map(drop)
        }),
        (Quota::InlineOfRole, "Job", |edit, size| {
            let name = "p".to_owned();
            edit.change_role("Job", |role| Ok(role.inline.insert(name, policy_of(size)))).map(drop)
        }),
        (Quota::ManagedPolicy, "Other", |edit, size| {
            let document = policy_of(size);
            edit.create_policy(NewManagedPolicy { document, ..new_policy("Other") }).map(drop)
        }),
        (Quota::TrustPolicy, "Task", |edit, size| {
            edit.create_role(NewRole { trust: trust_of(size), ..new_role("Task") }).map(drop)
        }),
    ];
    for (quota, name, put) in rows {
        put(&mut one_of_each(), quota.max()).unwrap();
        refused(|edit| put(edit, quota.max() + 1), over(quota, name));
    }
    // All inline policies of one together.
    let half = |edit: &mut DirectoryEdit| {
        ["p", "q"].into_iter().try_for_each(|name| {
            edit.change_user("Ann", |user| {
                user.inline.insert(name.to_owned(), policy_of(1200));
                Ok(())
            })
        })
    };
    refused(half, over(Quota::InlineOfUser, "Ann"));
}

/// What is kept is all of it: white space, and each byte of a long character, count four to one.
#[test]
fn policies_are_measured_in_bytes_too() {
    let over = |quota, name: &str| IdentityError::OverQuota { quota, name: name.to_owned() };
    let spaced = |bytes: usize| {
        let plain = policy_of(0).text().to_owned();
        let blanks = " ".repeat(bytes - plain.len());
        Arc::new(Policy::parse(&plain.replacen('{', &format!("{{{blanks}"), 1)).unwrap())
    };
    let put = |edit: &mut DirectoryEdit, document: Arc<Policy>| {
        edit.change_user("Ann", |user| Ok(user.inline.insert("p".to_owned(), document))).map(drop)
    };
    let bytes = 4 * Quota::InlineOfUser.max();
    put(&mut one_of_each(), spaced(bytes)).unwrap();
    refused(|edit| put(edit, spaced(bytes + 1)), over(Quota::InlineOfUser, "Ann"));
    let version = |edit: &mut DirectoryEdit, bytes| {
        edit.create_policy_version(OWN, spaced(bytes), Counts::NotYet).map(drop)
    };
    let bytes = 4 * Quota::ManagedPolicy.max();
    version(&mut one_of_each(), bytes).unwrap();
    refused(|edit| version(edit, bytes + 1), over(Quota::ManagedPolicy, "Own"));
}

/// A directory weighs what was put into it, and an account has no more than fits the cache.
#[test]
fn an_account_has_a_weight() {
    let weight = |edit: DirectoryEdit| edit.finish().unwrap().directory.weight_bytes();
    let bare = weight(one_of_each());
    let tagged = |count| {
        let mut edit = one_of_each();
        edit.change_user("Ann", |user| set(&mut user.tags, tags(count))).unwrap();
        weight(edit)
    };
    assert!(tagged(50) >= bare + 50 * size_of::<Tag>());
    let mut edit = one_of_each();
    let long = "x".repeat(4000);
    edit.change_user("Ann", |user| {
        user.inline.insert("p".to_owned(), policy_of(2000));
        Ok(())
    })
    .unwrap();
    edit.create_policy_version(OWN, policy_of(6000), Counts::FromNowOn).unwrap();
    edit.create_policy_version(OWN, policy_of(6000), Counts::NotYet).unwrap();
    let both = weight(edit);
    // The one that counts is there as text and compiled, the other as text.
    assert!(both >= bare + 2 * 2000 + 2 * 6000 + 6000, "{bare} {both}");
    // Past the bound: only what makes it lighter is done.
    let mut heavy = one_of_each();
    let many = Quota::Account.max() / long.len();
    heavy
        .change_oidc_provider("issuer.example", |provider| {
            provider.client_ids.extend(std::iter::repeat_n(long.clone(), many));
            Ok(())
        })
        .unwrap();
    let over = IdentityError::OverQuota { quota: Quota::Account, name: "000000000000".to_owned() };
    assert_eq!(heavy.finish().map(drop), Err(over));
}

/// Only the version that counts is compiled, and another one is when it comes to count.
#[test]
fn a_version_is_read_again_when_it_counts() {
    let mut edit = one_of_each();
    let number = edit.create_policy_version(OWN, policy_of(500), Counts::NotYet).unwrap();
    let counting = |edit: &DirectoryEdit| edit.managed_policy(OWN).unwrap().document.text().len();
    let before = counting(&edit);
    edit.set_default_version(OWN, number).unwrap();
    assert_eq!(counting(&edit), policy_of(500).text().len());
    edit.set_default_version(OWN, 1).unwrap();
    assert_eq!(counting(&edit), before);
}
