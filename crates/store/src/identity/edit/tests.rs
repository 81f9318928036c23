//! What each change means and why it is refused, as rows over a directory in memory.

mod quotas;

use std::sync::Arc;

use iam::{AccountId, Policy};
use jiff::Timestamp;
use presign::SecretAccessKey;

use crate::identity::{DirectoryChanges, DirectoryParts};
use crate::*;

const READ_ONLY: &str = "arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess";
const OWN: &str = "arn:aws:iam::000000000000:policy/Own";

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).unwrap()
}

fn edit() -> DirectoryEdit {
    let account = AccountId::parse("000000000000").unwrap();
    DirectoryEdit::new(&Directory::new(account, DirectoryParts::default()), at(0))
}

/// A policy of so many characters that are not white space, and some that are; of the shortest length if
/// that is longer.
fn policy_of(characters: usize) -> Arc<Policy> {
    let around = r#"{"Version":"2012-10-17","Statement":{"Sid":"","Effect":"Allow","Action":"*","Resource":"*"}}"#;
    let sid = "s".repeat(characters.saturating_sub(around.len()));
    let text = format!(
        r#"{{ "Version": "2012-10-17", "Statement": {{ "Sid": "{sid}", "Effect": "Allow",
            "Action": "*", "Resource": "*" }} }}"#
    );
    Arc::new(Policy::parse(&text).unwrap())
}

fn trust_of(characters: usize) -> BoundPolicy {
    let document = policy_of(characters);
    BoundPolicy { bound: Arc::clone(&document), document }
}

fn tags(count: usize) -> Vec<Tag> {
    (0..count).map(|n| Tag { key: n.to_string(), value: String::new() }).collect()
}

fn new_role(name: &str) -> NewRole {
    NewRole {
        name: name.to_owned(),
        path: "/".to_owned(),
        description: None,
        max_session_seconds: 3600,
        trust: trust_of(0),
        boundary: None,
        tags: Vec::new(),
    }
}

fn new_policy(name: &str) -> NewManagedPolicy {
    NewManagedPolicy {
        name: name.to_owned(),
        path: "/".to_owned(),
        description: None,
        document: policy_of(0),
        tags: Vec::new(),
    }
}

fn new_provider(url: &str) -> NewOidcProvider {
    NewOidcProvider {
        url: url.to_owned(),
        client_ids: vec!["app".to_owned()],
        thumbprints: Vec::new(),
        tags: Vec::new(),
    }
}

/// One of each: user `Ann` in group `Staff`, role `Job` in profile `Machine`, policy `Own`, provider
/// `issuer.example`.
fn one_of_each() -> DirectoryEdit {
    let mut edit = edit();
    edit.create_user("Ann", "/", None, Vec::new()).unwrap();
    edit.create_group("Staff", "/").unwrap();
    edit.create_role(new_role("Job")).unwrap();
    edit.create_policy(new_policy("Own")).unwrap();
    edit.create_instance_profile("Machine", "/", Vec::new()).unwrap();
    edit.create_oidc_provider(new_provider("issuer.example")).unwrap();
    edit.add_to_group("Staff", "Ann").unwrap();
    edit.add_role_to_profile("Machine", "Job").unwrap();
    edit
}

/// Runs a step over one of each; it must be refused so, and change nothing that is written.
fn refused<T: std::fmt::Debug>(
    step: impl FnOnce(&mut DirectoryEdit) -> Result<T, IdentityError>,
    expected: IdentityError,
) {
    let mut edit = one_of_each();
    let outcome = step(&mut edit).map(|value| format!("{value:?}"));
    // Some of what a step names is looked up at the end.
    let outcome = outcome.and_then(|value| edit.finish().map(|_| value));
    assert_eq!(outcome, Err(expected));
}

#[expect(clippy::unnecessary_wraps, reason = "it is what a change answers")]
fn set<T>(field: &mut T, value: T) -> Result<(), IdentityError> {
    *field = value;
    Ok(())
}

fn no_such(kind: EntityKind, name: &str) -> IdentityError {
    IdentityError::NoSuch { kind, name: name.to_owned() }
}

#[test]
fn what_is_not_there_is_not_changed() {
    let none = || "arn:aws:iam::000000000000:policy/None".to_owned();
    let ok = |_: &mut User| Ok(());
    refused(|edit| edit.change_user("Bob", ok), no_such(EntityKind::User, "Bob"));
    refused(|edit| edit.rename_user("Bob", None, None), no_such(EntityKind::User, "Bob"));
    refused(|edit| edit.delete_user("Bob"), no_such(EntityKind::User, "Bob"));
    refused(|edit| edit.create_key("Bob"), no_such(EntityKind::User, "Bob"));
    refused(|edit| edit.add_to_group("Staff", "Bob"), no_such(EntityKind::User, "Bob"));
    refused(|edit| edit.add_to_group("Crew", "Ann"), no_such(EntityKind::Group, "Crew"));
    refused(|edit| edit.remove_from_group("Crew", "Ann"), no_such(EntityKind::Group, "Crew"));
    refused(|edit| edit.change_group("Crew", |_| Ok(())), no_such(EntityKind::Group, "Crew"));
    refused(|edit| edit.rename_group("Crew", None, None), no_such(EntityKind::Group, "Crew"));
    refused(|edit| edit.delete_group("Crew"), no_such(EntityKind::Group, "Crew"));
    refused(|edit| edit.change_role("Task", |_| Ok(())), no_such(EntityKind::Role, "Task"));
    refused(|edit| edit.delete_role("Task"), no_such(EntityKind::Role, "Task"));
    refused(|edit| edit.add_role_to_profile("Machine", "Task"), no_such(EntityKind::Role, "Task"));
    refused(
        |edit| edit.remove_role_from_profile("Machine", "Task"),
        no_such(EntityKind::Role, "Task"),
    );
    let profile = || no_such(EntityKind::InstanceProfile, "Box");
    refused(|edit| edit.add_role_to_profile("Box", "Job"), profile());
    refused(|edit| edit.change_instance_profile("Box", |_| Ok(())), profile());
    refused(|edit| edit.delete_instance_profile("Box"), profile());
    let provider = || no_such(EntityKind::OidcProvider, "other.example");
    refused(|edit| edit.change_oidc_provider("other.example", |_| Ok(())), provider());
    refused(|edit| edit.delete_oidc_provider("other.example"), provider());
    let policy = || no_such(EntityKind::Policy, &none());
    refused(|edit| edit.delete_policy(&none()), policy());
    refused(|edit| edit.check_attachable(&none()), policy());
    refused(|edit| edit.change_policy_at(&none(), |_| Ok(())), policy());
    refused(|edit| edit.create_policy_version(&none(), policy_of(0), Counts::NotYet), policy());
    let version = || no_such(EntityKind::PolicyVersion, "v2");
    refused(|edit| edit.set_default_version(OWN, 2), version());
    refused(|edit| edit.delete_policy_version(OWN, 2), version());
    let key = || no_such(EntityKind::AccessKey, "AKID");
    refused(|edit| edit.set_key_status("Ann", "AKID", KeyStatus::Inactive), key());
    refused(|edit| edit.delete_key("Ann", "AKID"), key());
    let boundary = || no_such(EntityKind::Boundary, &none());
    refused(|edit| edit.create_user("Bob", "/", Some(none()), Vec::new()), boundary());
    refused(
        |edit| edit.create_role(NewRole { boundary: Some(none()), ..new_role("Task") }),
        boundary(),
    );
}

/// Whatever a change leaves behind names only what is there: a policy that is named and missing could
/// be one that denies.
#[test]
fn a_change_leaves_nothing_that_names_what_is_not_there() {
    let none = || "arn:aws:iam::000000000000:policy/None".to_owned();
    let policy = || no_such(EntityKind::Policy, &none());
    let attach_to_user = |user: &mut User| Ok(user.attached.insert(none()));
    refused(|edit| edit.change_user("Ann", attach_to_user), policy());
    let attach_to_group = |group: &mut Group| Ok(group.attached.insert(none()));
    refused(|edit| edit.change_group("Staff", attach_to_group), policy());
    let attach_to_role = |role: &mut Role| Ok(role.attached.insert(none()));
    refused(|edit| edit.change_role("Job", attach_to_role), policy());
    let bound = |user: &mut User| set(&mut user.boundary, Some(none()));
    refused(|edit| edit.change_user("Ann", bound), no_such(EntityKind::Boundary, &none()));
    let join = |user: &mut User| Ok(user.groups.insert("crew".to_owned()));
    refused(|edit| edit.change_user("Ann", join), no_such(EntityKind::Group, "crew"));
    let carry = |profile: &mut InstanceProfile| set(&mut profile.role, Some("task".to_owned()));
    refused(
        |edit| edit.change_instance_profile("Machine", carry),
        no_such(EntityKind::Role, "task"),
    );
    let another = |policy: &mut ManagedPolicy| set(&mut policy.default_version, 7);
    refused(|edit| edit.change_policy("Own", another), no_such(EntityKind::PolicyVersion, OWN));
}

#[test]
fn what_is_there_is_not_made_again_in_any_case_of_letters() {
    let exists = |kind, name: &str| IdentityError::Exists { kind, name: name.to_owned() };
    refused(|edit| edit.create_user("ANN", "/", None, Vec::new()), exists(EntityKind::User, "ANN"));
    refused(|edit| edit.create_group("staff", "/p/"), exists(EntityKind::Group, "staff"));
    refused(|edit| edit.create_role(new_role("JOB")), exists(EntityKind::Role, "JOB"));
    refused(|edit| edit.create_policy(new_policy("own")), exists(EntityKind::Policy, "own"));
    refused(
        |edit| edit.create_instance_profile("machine", "/", Vec::new()),
        exists(EntityKind::InstanceProfile, "machine"),
    );
    refused(
        |edit| edit.create_oidc_provider(new_provider("ISSUER.example")),
        exists(EntityKind::OidcProvider, "ISSUER.example"),
    );
    let rename = |edit: &mut DirectoryEdit| {
        edit.create_user("Bob", "/", None, Vec::new())?;
        edit.rename_user("Bob", Some("ann"), None)
    };
    refused(rename, exists(EntityKind::User, "ann"));
    let rename = |edit: &mut DirectoryEdit| {
        edit.create_group("Crew", "/")?;
        edit.rename_group("Crew", Some("STAFF"), None)
    };
    refused(rename, exists(EntityKind::Group, "STAFF"));
    let given = || GivenKey { id: "AKID".to_owned(), secret: SecretAccessKey::new("secret") };
    let twice = |edit: &mut DirectoryEdit| {
        edit.create_given_key("Ann", given())?;
        edit.create_given_key("Ann", given())
    };
    refused(twice, exists(EntityKind::AccessKey, "AKID"));
}

#[test]
fn what_something_depends_on_stays() {
    let hindered = |hindrance| IdentityError::InTheWay { hindrance };
    let inline = |edit: &mut DirectoryEdit| {
        edit.remove_from_group("Staff", "Ann")?;
        edit.change_user("Ann", |user| Ok(user.inline.insert("p".to_owned(), policy_of(0))))?;
        edit.delete_user("Ann")
    };
    refused(inline, hindered(Hindrance::InlinePolicies));
    let attached = |edit: &mut DirectoryEdit| {
        edit.change_user("Ann", |user| Ok(user.attached.insert(OWN.to_owned())))?;
        edit.delete_user("Ann")
    };
    refused(attached, hindered(Hindrance::AttachedPolicies));
    let keys = |edit: &mut DirectoryEdit| {
        edit.create_key("Ann")?;
        edit.delete_user("Ann")
    };
    refused(keys, hindered(Hindrance::AccessKeys));
    refused(|edit| edit.delete_user("Ann"), hindered(Hindrance::Groups));
    refused(|edit| edit.delete_group("Staff"), hindered(Hindrance::Members));
    refused(|edit| edit.delete_role("Job"), hindered(Hindrance::InstanceProfiles));
    refused(|edit| edit.delete_instance_profile("Machine"), hindered(Hindrance::InstanceProfiles));
    let attached = |edit: &mut DirectoryEdit| {
        edit.change_role("Job", |role| Ok(role.attached.insert(OWN.to_owned())))?;
        edit.delete_policy(OWN)
    };
    refused(attached, hindered(Hindrance::Attachments));
    let bounding = |edit: &mut DirectoryEdit| {
        edit.change_user("Ann", |user| set(&mut user.boundary, Some(OWN.to_owned())))?;
        edit.delete_policy(OWN)
    };
    refused(bounding, hindered(Hindrance::Attachments));
    let versions = |edit: &mut DirectoryEdit| {
        edit.create_policy_version(OWN, policy_of(0), Counts::NotYet)?;
        edit.delete_policy(OWN)
    };
    refused(versions, hindered(Hindrance::Versions));
    refused(|edit| edit.delete_policy_version(OWN, 1), hindered(Hindrance::DefaultVersion));
}

#[test]
fn policies_of_aws_are_attached_and_never_changed() {
    let unmodifiable = || IdentityError::Unmodifiable { arn: READ_ONLY.to_owned() };
    refused(|edit| edit.delete_policy(READ_ONLY), unmodifiable());
    refused(|edit| edit.set_default_version(READ_ONLY, 1), unmodifiable());
    let version = |edit: &mut DirectoryEdit| {
        edit.create_policy_version(READ_ONLY, policy_of(0), Counts::FromNowOn)
    };
    refused(version, unmodifiable());
    refused(|edit| edit.change_policy_at(READ_ONLY, |_| Ok(())), unmodifiable());
    let mut edit = one_of_each();
    edit.change_user("Ann", |user| Ok(user.attached.insert(READ_ONLY.to_owned()))).unwrap();
    let policies = edit.policies_of_user(edit.user("ann").unwrap());
    assert_eq!(policies.iter().map(|policy| &*policy.name).collect::<Vec<_>>(), [READ_ONLY]);
    edit.finish().unwrap();
}

#[test]
fn a_renamed_user_stays_who_it_is() {
    let mut edit = one_of_each();
    let key = edit.create_key("Ann").unwrap();
    let id = edit.user("ann").unwrap().id.clone();
    assert_eq!(key.owner, KeyOwner::User { id: id.clone() });
    edit.rename_user("ann", Some("Bea"), Some("/a/")).unwrap();
    let DirectoryChanges { directory, records, keys } = edit.finish().unwrap();
    assert!(directory.user("Ann").is_none() && keys.len() == 1);
    let user = directory.user_by_id(&id).unwrap();
    assert_eq!((user.name.as_str(), user.path.as_str()), ("Bea", "/a/"));
    assert_eq!(directory.keys_of(user).len(), 1);
    let names = records.iter().filter(|((kind, _), _)| *kind == EntityKind::User);
    let names = names.map(|((_, name), entity)| (name.as_str(), entity.is_some()));
    assert_eq!(names.collect::<Vec<_>>(), [("ann", false), ("bea", true)]);

    // Its name is free for another one.
    let mut edit = DirectoryEdit::new(&directory, at(1));
    let other = edit.create_user("Ann", "/", None, Vec::new()).unwrap();
    edit.rename_user("Bea", Some("bea"), None).unwrap();
    let directory = edit.finish().unwrap().directory;
    assert_ne!(other.id, id);
    assert_eq!(directory.user_by_id(&other.id).unwrap().name, "Ann");
    assert_eq!(directory.user_by_id(&id).unwrap().name, "bea");
}

#[test]
fn users_follow_their_group_when_it_is_renamed() {
    let mut edit = one_of_each();
    let name = "p".to_owned();
    edit.change_group("Staff", |group| Ok(group.inline.insert(name, policy_of(0)))).unwrap();
    edit.rename_group("STAFF", Some("Crew"), None).unwrap();
    let DirectoryChanges { directory, .. } = edit.finish().unwrap();
    let user = directory.user("Ann").unwrap();
    assert_eq!(directory.policies_of_user(user).len(), 1);
    assert_eq!(directory.members(directory.group("crew").unwrap()).len(), 1);
    assert!(directory.group("Staff").is_none());
}

#[test]
fn somebody_made_anew_is_another_one() {
    let mut edit = one_of_each();
    let role = edit.role("Job").unwrap().id.clone();
    edit.remove_role_from_profile("Machine", "Job").unwrap();
    edit.delete_role("Job").unwrap();
    let again = edit.create_role(new_role("job")).unwrap();
    let directory = edit.finish().unwrap().directory;
    assert!(again.id.starts_with("AROA") && again.id.len() == 21);
    assert!(directory.role_by_id(&role).is_none());
    assert_eq!(directory.role_by_id(&again.id).unwrap().name, "job");
}

#[test]
fn the_default_version_of_a_policy_is_what_counts() {
    let mut edit = one_of_each();
    edit.change_user("Ann", |user| Ok(user.attached.insert(OWN.to_owned()))).unwrap();
    let deny = r#"{"Statement":{"Effect":"Deny","Action":"*","Resource":"*"}}"#;
    let deny = Arc::new(Policy::parse(deny).unwrap());
    let counting = |edit: &DirectoryEdit| {
        edit.policies_of_user(edit.user("Ann").unwrap())[0].policy.text().to_owned()
    };
    let first = counting(&edit);
    assert_eq!(edit.create_policy_version(OWN, Arc::clone(&deny), Counts::NotYet), Ok(2));
    assert_eq!(counting(&edit), first);
    edit.set_default_version(OWN, 2).unwrap();
    assert_eq!(counting(&edit), deny.text());
    edit.delete_policy_version(OWN, 1).unwrap();
    edit.set_default_version(OWN, 2).unwrap();
    // A number is not given twice.
    assert_eq!(edit.create_policy_version(OWN, policy_of(0), Counts::FromNowOn), Ok(3));
    edit.delete_policy_version(OWN, 2).unwrap();
    assert_eq!(edit.create_policy_version(OWN, deny, Counts::NotYet), Ok(4));
    edit.finish().unwrap();
}

#[test]
fn a_boundary_bounds_as_long_as_it_is_set() {
    let mut edit = one_of_each();
    edit.change_user("Ann", |user| set(&mut user.boundary, Some(READ_ONLY.to_owned()))).unwrap();
    let boundary = edit.user("Ann").unwrap().boundary.clone();
    assert_eq!(&*edit.boundary(boundary.as_deref()).unwrap().name, READ_ONLY);
    assert_eq!((edit.bounded(READ_ONLY), edit.attachments(READ_ONLY)), (1, 0));
    assert!(edit.boundary(None).is_none());
}

/// Whoever was judged for one identity changes no other that goes by its name by then.
#[test]
fn what_was_judged_is_what_is_changed() {
    let mut edit = edit();
    for name in ["ann", "boss"] {
        edit.create_user(name, "/", None, Vec::new()).unwrap();
    }
    edit.create_group("staff", "/").unwrap();
    edit.create_role(new_role("reader")).unwrap();
    let changed = Err(IdentityError::Changed);
    let [ann, none, group, role] = [
        edit.known(EntityKind::User, "ANN"),
        edit.known(EntityKind::User, "none"),
        edit.known(EntityKind::Group, "staff"),
        edit.known(EntityKind::Role, "reader"),
    ];
    assert_eq!(ann.facts().unwrap().arn, "arn:aws:iam::000000000000:user/ann");
    for known in [&ann, &none, &group, &role] {
        assert_eq!(edit.expect(known), Ok(()));
    }
    // A policy more or less changes nothing that was judged.
    let put = |user: &mut User| {
        user.inline.insert("p".to_owned(), policy_of(0));
        Ok(())
    };
    edit.change_user("ann", put).unwrap();
    assert_eq!(edit.expect(&ann), Ok(()));
    edit.create_user("none", "/", None, Vec::new()).unwrap();
    assert_eq!(edit.expect(&none), changed, "one was made");
    edit.rename_group("staff", None, Some("/high/")).unwrap();
    assert_eq!(edit.expect(&group), changed, "it was moved");
    edit.delete_role("reader").unwrap();
    assert_eq!(edit.expect(&role), changed, "it is gone");
    edit.create_role(new_role("reader")).unwrap();
    assert_eq!(edit.expect(&role), changed, "it was made anew");
    let tag = |user: &mut User| {
        user.tags = tags(1);
        Ok(())
    };
    edit.change_user("ann", tag).unwrap();
    assert_eq!(edit.expect(&ann), changed, "it was tagged");
    edit.rename_user("ann", Some("ex"), None).unwrap();
    edit.rename_user("boss", Some("ann"), None).unwrap();
    assert_eq!(edit.expect(&ann), changed, "it is somebody else");
}
