//! Identities: kept whole, felt by the next read.

mod access_keys;
pub(super) mod accounts;
mod signers;

use iam::Policy;

use super::*;
use crate::identity::IdentityChange;
use accounts::create_account;

pub(super) type Refused<T> = Result<T, IdentityError>;

pub(super) fn other() -> AccountId {
    AccountId::parse("111111111111").unwrap()
}

pub(super) fn policy(action: &str) -> Arc<Policy> {
    let text = format!(
        r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Action":"{action}","Resource":"*"}}]}}"#
    );
    Arc::new(Policy::parse(&text).unwrap())
}

pub(super) fn bound(action: &str) -> BoundPolicy {
    BoundPolicy { document: policy(action), bound: policy("s3:Bound") }
}

pub(super) async fn change(
    engine: &impl Metadata,
    account: &AccountId,
    change: impl FnOnce(&mut DirectoryEdit) -> Refused<()> + Clone + Send + Sync + 'static,
) -> Refused<()> {
    let change: IdentityChange = Box::new(move |edit| change.clone()(edit));
    engine.change_identities(account, change, at(1)).await.unwrap()
}

pub(super) fn tag(key: &str) -> Tag {
    Tag { key: key.to_owned(), value: format!("{key} value") }
}

/// One of each kind, with everything that it can hold.
pub(super) fn make_one_of_each(edit: &mut DirectoryEdit) -> Refused<()> {
    edit.create_policy(NewManagedPolicy {
        name: "Own".to_owned(),
        path: "/p/".to_owned(),
        description: Some("own".to_owned()),
        document: policy("s3:GetObject"),
        tags: vec![tag("policy")],
    })?;
    let own = "arn:aws:iam::000000000000:policy/p/Own".to_owned();
    edit.create_policy_version(&own, policy("s3:PutObject"), Counts::FromNowOn)?;
    edit.create_user("Ann", "/a/", Some(own.clone()), vec![tag("user")])?;
    edit.create_group("Staff", "/")?;
    edit.create_role(NewRole {
        name: "Job".to_owned(),
        path: "/".to_owned(),
        description: Some("job".to_owned()),
        max_session_seconds: 7200,
        trust: bound("sts:AssumeRole"),
        boundary: Some(own.clone()),
        tags: vec![tag("role")],
    })?;
    edit.create_instance_profile("Machine", "/", vec![tag("profile")])?;
    edit.create_oidc_provider(NewOidcProvider {
        url: "issuer.example/Realm".to_owned(),
        client_ids: vec!["one".to_owned(), "two".to_owned()],
        thumbprints: vec!["ab".repeat(20)],
        tags: vec![tag("provider")],
    })?;
    let inline = || ("In".to_owned(), policy("s3:ListBucket"));
    let of_user = own.clone();
    edit.change_user("Ann", |user| {
        user.inline.extend([inline()]);
        user.attached.insert(of_user);
        Ok(())
    })?;
    let of_group = own.clone();
    edit.change_group("Staff", |group| {
        group.inline.extend([inline()]);
        group.attached.insert(of_group);
        Ok(())
    })?;
    edit.change_role("Job", |role| {
        role.inline.extend([inline()]);
        role.attached.insert(own);
        Ok(())
    })?;
    edit.add_to_group("Staff", "Ann")?;
    edit.add_role_to_profile("Machine", "Job")?;
    edit.create_key("Ann").map(drop)
}

/// Everything in it as text; policies as their text.
fn show(directory: &Directory) -> String {
    let policies = |policies: Vec<AttachedPolicy>| {
        policies
            .into_iter()
            .map(|known| known.name.to_string() + known.policy.text())
            .collect::<Vec<_>>()
    };
    let users = directory.users().map(|user| {
        let inline = user.inline.iter().map(|(name, policy)| (name, policy.text()));
        let bare = User { inline: std::collections::BTreeMap::new(), ..User::clone(user) };
        let keys = directory.keys_of(user);
        let policies = policies(directory.policies_of_user(user));
        let by_id = directory.user_by_id(&user.id).map(|user| &user.name);
        format!("{bare:?} {:?} {keys:?} {policies:?} {by_id:?}", inline.collect::<Vec<_>>())
    });
    let groups = directory.groups().map(|group| {
        let bare = Group { inline: std::collections::BTreeMap::new(), ..Group::clone(group) };
        format!("{bare:?} {:?}", policies(directory.policies_of_group(group)))
    });
    let roles = directory.roles().map(|role| {
        let Role { name, path, id, created_at, description, tags, boundary, attached, .. } =
            &**role;
        let (document, bound) = (role.trust.document.text(), role.trust.bound.text());
        let by_id = directory.role_by_id(id).map(|role| &role.name);
        format!(
            "{name} {path} {id} {created_at} {description:?} {} {tags:?} {boundary:?} {attached:?}
             {document} {bound} {:?} {by_id:?}",
            role.max_session_seconds,
            policies(directory.policies_of_role(role)),
        )
    });
    let managed = directory.managed_policies().map(|policy| {
        let versions = policy.versions.iter();
        let versions =
            versions.map(|(n, version)| (n, version.created_at, &*version.text));
        let ManagedPolicy { name, path, id, arn, created_at, updated_at, description, .. } =
            &**policy;
        let (default, next) = (policy.default_version, policy.next_version);
        format!(
            "{name} {path} {id} {arn} {created_at} {updated_at} {description:?} {:?} {default} {next} {:?}",
            policy.tags,
            versions.collect::<Vec<_>>(),
        )
    });
    let profiles = directory.instance_profiles().map(|profile| format!("{profile:?}"));
    let providers = directory.oidc_providers().map(|provider| format!("{provider:?}"));
    let all = users.chain(groups).chain(roles).chain(managed).chain(profiles).chain(providers);
    all.collect::<Vec<_>>().join("\n")
}

#[test]
fn identities_are_read_as_they_were_written() {
    let dir = tempfile::tempdir().unwrap();
    let open = || sqlite(dir.path());
    let written = runtime().block_on(async {
        let engine = open();
        change(&engine, &account(), make_one_of_each).await.unwrap();
        show(&engine.directory(&account()).await.unwrap())
    });
    assert_eq!(written.lines().count(), 7, "{written}");
    runtime().block_on(async {
        let engine = open();
        assert_eq!(show(&engine.directory(&account()).await.unwrap()), written);
        assert!(engine.directory(&other()).await.unwrap().is_empty());
    });
}

#[test]
fn a_change_is_felt_by_the_very_next_read() {
    every_engine(|engine| async move {
        assert!(engine.directory(&account()).await.unwrap().is_empty());
        change(&*engine, &account(), make_one_of_each).await.unwrap();
        let before = engine.directory(&account()).await.unwrap();
        let user = before.user("ann").unwrap();
        let key = before.keys_of(user)[0].id.clone();
        let found = engine.access_key(&key).await.unwrap().unwrap();
        assert_eq!(found.owner, KeyOwner::User { id: user.id.clone() });
        assert_eq!((found.status, &found.account), (KeyStatus::Active, &account()));

        let id = key.clone();
        let off =
            move |edit: &mut DirectoryEdit| edit.set_key_status("Ann", &id, KeyStatus::Inactive);
        change(&*engine, &account(), off).await.unwrap();
        let found = engine.access_key(&key).await.unwrap().unwrap();
        assert_eq!(found.status, KeyStatus::Inactive);
        let after = engine.directory(&account()).await.unwrap();
        assert_eq!(after.keys_of(user)[0].status, KeyStatus::Inactive);
        // Who has the old one keeps it; what was not touched is shared.
        assert_eq!(before.keys_of(user)[0].status, KeyStatus::Active);
        let (old, new) = (before.role("Job").unwrap(), after.role("Job").unwrap());
        assert!(Arc::ptr_eq(old, new));

        let id = key.clone();
        let delete = move |edit: &mut DirectoryEdit| edit.delete_key("Ann", &id);
        change(&*engine, &account(), delete).await.unwrap();
        assert!(engine.access_key(&key).await.unwrap().is_none());
        let after = engine.directory(&account()).await.unwrap();
        assert!(after.keys_of(user).is_empty() && after.user("Ann").is_some());
    });
}

#[test]
fn a_refused_change_writes_nothing() {
    every_engine(|engine| async move {
        let given = |id: &str| GivenKey { id: id.to_owned(), secret: SecretAccessKey::new("s") };
        let make = move |name: &'static str, key: &'static str| {
            move |edit: &mut DirectoryEdit| {
                edit.create_user(name, "/", None, Vec::new())?;
                edit.create_given_key(name, given(key)).map(drop)
            }
        };
        change(&*engine, &other(), make("Elsewhere", "AKID")).await.unwrap();
        let seen = engine.changes_since(0, 10).await.unwrap();

        // Somebody has that key: known only when it is written.
        let (kind, name) = (EntityKind::AccessKey, "AKID".to_owned());
        let refused = change(&*engine, &account(), make("Ann", "AKID")).await;
        assert_eq!(refused, Err(IdentityError::Exists { kind, name }));
        // A step of several, refused at the last.
        let refused = move |edit: &mut DirectoryEdit| {
            make("Ann", "AKIE")(edit)?;
            edit.delete_user("Ann")
        };
        let refused = change(&*engine, &account(), refused).await;
        let hindrance = Hindrance::AccessKeys;
        assert_eq!(refused, Err(IdentityError::InTheWay { hindrance }));

        for fresh in [false, true] {
            // Also what the engine reads anew, after another change has put its own in the cache.
            if fresh {
                let key = root_key(&account(), "AKIR");
                engine.put_access_key(key).await.unwrap();
            }
            let directory = engine.directory(&account()).await.unwrap();
            assert!(directory.is_empty(), "{directory:?}");
            assert!(engine.access_key("AKIE").await.unwrap().is_none());
        }
        let found = engine.access_key("AKID").await.unwrap().unwrap();
        assert_eq!(found.account, other());
        let after = engine.changes_since(0, 10).await.unwrap();
        assert_eq!(after[..seen.len()], seen);
        assert_eq!(after.len(), seen.len() + 1, "only the root's key");
    });
}

#[test]
fn changes_at_once_see_one_another() {
    every_engine(|engine| async move {
        let jobs = (0..64).map(|n| {
            let engine = Arc::clone(&engine);
            tokio::spawn(async move {
                let make = move |edit: &mut DirectoryEdit| {
                    if n % 4 == 3 {
                        // Refused: the batch that it shares with others goes on.
                        return edit.delete_user("Nobody");
                    }
                    edit.create_user(&format!("u{n}"), "/", None, Vec::new()).map(drop)
                };
                change(&*engine, &account(), make).await
            })
        });
        for (n, job) in jobs.collect::<Vec<_>>().into_iter().enumerate() {
            assert_eq!(job.await.unwrap().is_ok(), n % 4 != 3);
        }
        let directory = engine.directory(&account()).await.unwrap();
        assert_eq!(directory.users().count(), 48);
    });
}

/// What readers see while users are made is never older than what they saw before.
#[test]
fn readers_never_see_an_older_directory_again() {
    every_engine(|engine| async move {
        let done = Arc::new(std::sync::atomic::AtomicBool::new(false));
        let readers = (0..4).map(|_| {
            let (engine, done) = (Arc::clone(&engine), Arc::clone(&done));
            tokio::spawn(async move {
                let mut seen = 0;
                while !done.load(std::sync::atomic::Ordering::SeqCst) {
                    let now = engine.directory(&account()).await.unwrap().users().count();
                    assert!(now >= seen, "{now} after {seen}");
                    seen = now;
                    tokio::task::yield_now().await;
                }
            })
        });
        let readers = readers.collect::<Vec<_>>();
        for n in 0..100_usize {
            let make = move |edit: &mut DirectoryEdit| {
                edit.create_user(&format!("u{n}"), "/", None, Vec::new()).map(drop)
            };
            change(&*engine, &account(), make).await.unwrap();
            // A key of the root takes the directory out of the cache, so that readers fill it.
            if n % 5 == 0 {
                engine.put_access_key(root_key(&account(), "AKIR")).await.unwrap();
            }
            assert_eq!(engine.directory(&account()).await.unwrap().users().count(), n + 1);
        }
        done.store(true, std::sync::atomic::Ordering::SeqCst);
        for reader in readers {
            reader.await.unwrap();
        }
    });
}

pub(super) fn root_key(account: &AccountId, id: &str) -> AccessKey {
    AccessKey {
        id: id.to_owned(),
        secret: SecretAccessKey::new("secret"),
        account: account.clone(),
        owner: KeyOwner::Root,
        status: KeyStatus::Active,
        created_at: at(1),
    }
}

#[test]
fn identities_and_accounts_are_in_the_change_sequence() {
    every_engine(|engine| async move {
        create_account(&*engine, &other(), "AKIR").await;
        let make = |edit: &mut DirectoryEdit| {
            edit.create_user("Ann", "/", None, Vec::new())?;
            let secret = SecretAccessKey::new("secret");
            edit.create_given_key("Ann", GivenKey { id: "AKIU".to_owned(), secret }).map(drop)
        };
        change(&*engine, &account(), make).await.unwrap();
        let seen = subjects(&*engine, 0).await;
        let key = |id: &str| ChangeSubject::AccessKey(id.to_owned());
        let (made, identities) =
            (ChangeSubject::Account(other()), ChangeSubject::Identities(account()));
        assert_eq!(seen.0, [key("AKIR"), made.clone(), key("AKIU"), identities.clone()]);

        let off =
            |edit: &mut DirectoryEdit| edit.set_key_status("Ann", "AKIU", KeyStatus::Inactive);
        change(&*engine, &account(), off).await.unwrap();
        engine.delete_account(&other()).await.unwrap();
        let after = subjects(&*engine, seen.1).await;
        assert_eq!(after.0, [key("AKIU"), identities.clone(), key("AKIR"), made]);

        let rename = |edit: &mut DirectoryEdit| edit.rename_user("Ann", None, Some("/x/"));
        change(&*engine, &account(), rename).await.unwrap();
        assert_eq!(subjects(&*engine, after.1).await.0, [identities]);
    });
}

/// What changed after a number, and the last number of it.
async fn subjects(engine: &impl Metadata, after: u64) -> (Vec<ChangeSubject>, u64) {
    let changes = engine.changes_since(after, 100).await.unwrap();
    let last = changes.last().unwrap().number;
    (changes.into_iter().map(|change| change.subject).collect(), last)
}

/// An account that is full of users is read once, and changed in a few milliseconds.
#[test]
fn thousands_of_users_are_read_once_and_changed_one_by_one() {
    every_engine(|engine| async move {
        let fill = |edit: &mut DirectoryEdit| {
            (0..Quota::Users.max() - 1).try_for_each(|n| {
                let name = format!("user-{n:04}");
                edit.create_user(&name, "/", None, vec![tag("team")])?;
                let document = policy(&format!("s3:{}", "x".repeat(1800)));
                edit.change_user(&name, |user| Ok(user.inline.insert("In".to_owned(), document)))?;
                if n % 10 == 0 { edit.create_key(&name).map(drop) } else { Ok(()) }
            })
        };
        change(&*engine, &account(), fill).await.unwrap();
        engine.put_access_key(root_key(&account(), "AKIR")).await.unwrap();
        let clock = std::time::Instant::now();
        let one = engine.directory(&account()).await.unwrap();
        let read = clock.elapsed();
        let two = engine.directory(&account()).await.unwrap();
        assert!(Arc::ptr_eq(&one, &two), "it is not kept in memory");
        let clock = std::time::Instant::now();
        let last = |edit: &mut DirectoryEdit| {
            edit.create_user("last", "/", None, Vec::new())?;
            edit.create_key("last").map(drop)
        };
        change(&*engine, &account(), last).await.unwrap();
        let changed = clock.elapsed();
        let three = engine.directory(&account()).await.unwrap();
        assert_eq!(three.users().count(), Quota::Users.max());
        let (old, new) = (one.user("user-0000").unwrap(), three.user("user-0000").unwrap());
        assert!(Arc::ptr_eq(old, new));
        // Generous: builds that tests run on are slow, and machines are busy.
        let seconds = std::time::Duration::from_secs;
        assert!(read < seconds(10) && changed < seconds(2), "{read:?} {changed:?}");
    });
}
