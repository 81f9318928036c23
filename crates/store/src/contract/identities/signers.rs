//! Signers: what the directory says, of one moment, felt by the next read.

use std::sync::atomic::{AtomicBool, Ordering};

use iam::Policy;

use super::*;

const OWN: &str = "arn:aws:iam::000000000000:policy/p/Own";
const READ_ONLY: &str = "arn:aws:iam::aws:policy/ReadOnlyAccess";

fn show(policies: &[AttachedPolicy]) -> Vec<String> {
    policies.iter().map(|given| format!("{} {}", given.name, given.policy.text())).collect()
}

/// All of a signer but its number.
fn told(signer: &Signer) -> String {
    let Signer { account, kind, name, path, id, tags, policies, boundary, number: _ } = signer;
    let boundary = boundary.as_ref().map(std::slice::from_ref).map(show);
    format!("{account} {kind:?} {name} {path} {id} {tags:?} {:?} {boundary:?}", show(policies))
}

/// The same, as a directory says it.
fn told_by(directory: &Directory, id: &str) -> Option<String> {
    let account = directory.account();
    let boundary = |arn: &Option<String>| {
        directory.boundary(arn.as_deref()).as_ref().map(std::slice::from_ref).map(show)
    };
    if let Some(user) = directory.user_by_id(id) {
        let User { name, path, id, tags, .. } = &**user;
        let policies = show(&directory.policies_of_user(user));
        let boundary = boundary(&user.boundary);
        return Some(format!(
            "{account} User {name} {path} {id} {tags:?} {policies:?} {boundary:?}"
        ));
    }
    let role = directory.role_by_id(id)?;
    let Role { name, path, id, tags, .. } = &**role;
    let policies = show(&directory.policies_of_role(role));
    let boundary = boundary(&role.boundary);
    Some(format!("{account} Role {name} {path} {id} {tags:?} {policies:?} {boundary:?}"))
}

/// Asks for the signer of an id, and demands that it is what the directory says.
async fn signer(engine: &impl Metadata, id: &str) -> Option<Arc<Signer>> {
    let signer = engine.signer(&account(), id).await.unwrap();
    let directory = engine.directory(&account()).await.unwrap();
    assert_eq!(signer.as_deref().map(told), told_by(&directory, id));
    signer
}

/// The ids of a user and of a role.
async fn ids(engine: &impl Metadata, user: &str, role: &str) -> (String, String) {
    let directory = engine.directory(&account()).await.unwrap();
    (directory.user(user).unwrap().id.clone(), directory.role(role).unwrap().id.clone())
}

#[test]
fn a_signer_is_what_its_directory_says() {
    every_engine(|engine| async move {
        assert!(signer(&*engine, "AIDANOBODY").await.is_none());
        change(&*engine, &account(), make_one_of_each).await.unwrap();
        let attach = |edit: &mut DirectoryEdit| {
            edit.change_group("Staff", |group| Ok(group.attached.insert(READ_ONLY.to_owned())))?;
            edit.change_role("Job", |role| {
                role.boundary = Some(READ_ONLY.to_owned());
                Ok(())
            })
        };
        change(&*engine, &account(), attach).await.unwrap();
        let (user, role) = ids(&*engine, "Ann", "Job").await;
        // Read, put together from memory, kept.
        for _ in 0..3 {
            let ann = signer(&*engine, &user).await.unwrap();
            assert_eq!((ann.kind, ann.policies.len()), (SignerKind::User, 5), "{ann:?}");
            assert_eq!((ann.tags.as_slice(), &ann.account), ([tag("user")].as_slice(), &account()));
            let job = signer(&*engine, &role).await.unwrap();
            assert_eq!((job.kind, job.policies.len()), (SignerKind::Role, 2));
            assert_eq!(&*job.boundary.as_ref().unwrap().name, READ_ONLY);
        }
        // Nobody else signs, and nobody in another account.
        let directory = engine.directory(&account()).await.unwrap();
        let group = directory.group("Staff").unwrap().id.clone();
        let managed = directory.managed_policy(OWN).unwrap().id.clone();
        let profile = directory.instance_profile("Machine").unwrap().id.clone();
        for id in [group.as_str(), &managed, &profile, "", "ann", "Ann", "job"] {
            assert!(signer(&*engine, id).await.is_none(), "{id}");
        }
        assert!(engine.signer(&other(), &user).await.unwrap().is_none());
    });
}

type Step = fn(&mut DirectoryEdit) -> Refused<()>;

/// Every way in which what a user or a role may do comes to be another.
const STEPS: &[(&str, Step)] = &[
    ("inline policy of the user", |edit| {
        edit.change_user("Ann", |user| {
            user.inline.insert("B".into(), policy("s3:A"));
            Ok(())
        })
    }),
    ("the same, another text", |edit| {
        edit.change_user("Ann", |user| {
            user.inline.insert("B".into(), policy("s3:B"));
            Ok(())
        })
    }),
    ("attached to the user", |edit| {
        edit.change_user("Ann", |user| Ok(user.attached.insert(READ_ONLY.to_owned()))).map(drop)
    }),
    ("detached", |edit| edit.change_user("Ann", |user| Ok(user.attached.remove(OWN))).map(drop)),
    ("no boundary", |edit| {
        edit.change_user("Ann", |user| {
            user.boundary = None;
            Ok(())
        })?;
        edit.change_role("Job", |role| {
            role.boundary = None;
            Ok(())
        })
    }),
    ("a boundary", |edit| {
        edit.change_user("Ann", |user| {
            user.boundary = Some(OWN.to_owned());
            Ok(())
        })?;
        edit.change_role("Job", |role| {
            role.boundary = Some(OWN.to_owned());
            Ok(())
        })
    }),
    ("tags", |edit| {
        edit.change_user("Ann", |user| {
            user.tags.push(tag("more"));
            Ok(())
        })?;
        edit.change_role("Job", |role| {
            role.tags.push(tag("more"));
            Ok(())
        })
    }),
    ("another name and path", |edit| edit.rename_user("Ann", Some("Bea"), Some("/b/"))),
    ("the name again", |edit| edit.rename_user("Bea", Some("Ann"), None)),
    ("inline policy of the group", |edit| {
        edit.change_group("Staff", |group| {
            group.inline.insert("C".into(), policy("s3:C"));
            Ok(())
        })
    }),
    ("attached to the group", |edit| {
        edit.change_group("Staff", |group| Ok(group.attached.insert(READ_ONLY.to_owned())))
            .map(drop)
    }),
    ("another name of the group", |edit| {
        edit.rename_group("Staff", Some("People"), Some("/x/"))?;
        edit.change_group("People", |group| {
            group.inline.remove("C");
            Ok(())
        })
    }),
    ("out of the group", |edit| edit.remove_from_group("People", "Ann")),
    ("into it", |edit| edit.add_to_group("People", "Ann")),
    ("another version of the policy", |edit| {
        edit.create_policy_version(OWN, policy("s3:D"), Counts::FromNowOn).map(drop)
    }),
    ("the first version of it", |edit| edit.set_default_version(OWN, 1)),
    ("inline policy of the role", |edit| {
        edit.change_role("Job", |role| {
            role.inline.insert("E".into(), policy("s3:E"));
            Ok(())
        })
    }),
    ("attached to the role", |edit| {
        edit.change_role("Job", |role| Ok(role.attached.insert(READ_ONLY.to_owned()))).map(drop)
    }),
    ("the policy made anew under another path", |edit| {
        edit.change_user("Ann", |user| Ok((user.boundary = None, user.attached.remove(OWN))))?;
        edit.change_group("People", |group| Ok(group.attached.remove(OWN)))?;
        edit.change_role("Job", |role| Ok((role.boundary = None, role.attached.remove(OWN))))?;
        edit.set_default_version(OWN, 1)?;
        let others: Vec<u32> = edit.managed_policy(OWN).unwrap().versions.keys().copied().collect();
        for number in others.into_iter().filter(|number| *number != 1) {
            edit.delete_policy_version(OWN, number)?;
        }
        edit.delete_policy(OWN)?;
        edit.create_policy(NewManagedPolicy {
            name: "own".to_owned(),
            path: "/q/".to_owned(),
            description: None,
            document: policy("s3:F"),
            tags: Vec::new(),
        })?;
        let made = "arn:aws:iam::000000000000:policy/q/own".to_owned();
        edit.change_user("Ann", |user| Ok(user.attached.insert(made))).map(drop)
    }),
];

#[test]
fn whatever_changes_a_signer_is_felt_by_the_very_next_read() {
    every_engine(|engine| async move {
        change(&*engine, &account(), make_one_of_each).await.unwrap();
        let (user, role) = ids(&*engine, "Ann", "Job").await;
        for (what, step) in STEPS {
            let mut before = Vec::new();
            for id in [&user, &role] {
                // Twice, so that what is kept is what answers.
                signer(&*engine, id).await.unwrap();
                before.push(signer(&*engine, id).await.unwrap());
            }
            let step = *step;
            change(&*engine, &account(), step).await.unwrap();
            let mut differs = false;
            for (id, before) in [&user, &role].into_iter().zip(before) {
                let after = signer(&*engine, id).await.unwrap();
                let is_other = told(&after) != told(&before);
                assert!(!is_other || after.number > before.number, "{what}: {after:?}");
                differs |= is_other;
            }
            assert!(differs, "{what}: nobody is another");
        }
    });
}

#[test]
fn one_that_is_made_anew_under_the_same_name_is_another_signer() {
    every_engine(|engine| async move {
        let make = |edit: &mut DirectoryEdit| {
            edit.create_user("Ann", "/", None, Vec::new())?;
            let (document, trust) = (policy("s3:Get*"), bound("sts:AssumeRole"));
            edit.change_user("Ann", |user| Ok(user.inline.insert("In".to_owned(), document)))?;
            edit.create_role(NewRole {
                name: "Job".to_owned(),
                path: "/".to_owned(),
                description: None,
                max_session_seconds: 3600,
                trust,
                boundary: None,
                tags: Vec::new(),
            })
            .map(drop)
        };
        change(&*engine, &account(), make).await.unwrap();
        let (user, role) = ids(&*engine, "Ann", "Job").await;
        assert_eq!(signer(&*engine, &user).await.unwrap().policies.len(), 1);
        assert!(signer(&*engine, &role).await.is_some());
        let again = |edit: &mut DirectoryEdit| {
            edit.change_user("Ann", |user| {
                user.inline.clear();
                Ok(())
            })?;
            edit.delete_user("Ann")?;
            edit.delete_role("Job")?;
            edit.create_user("ANN", "/", None, Vec::new())?;
            edit.create_role(NewRole {
                name: "JOB".to_owned(),
                path: "/".to_owned(),
                description: None,
                max_session_seconds: 3600,
                trust: bound("sts:AssumeRole"),
                boundary: None,
                tags: Vec::new(),
            })
            .map(drop)
        };
        change(&*engine, &account(), again).await.unwrap();
        for id in [&user, &role] {
            assert!(signer(&*engine, id).await.is_none(), "{id} is gone");
        }
        let (user, role) = ids(&*engine, "Ann", "Job").await;
        assert_eq!(signer(&*engine, &user).await.unwrap().policies.len(), 0);
        assert!(signer(&*engine, &role).await.is_some());
    });
}

#[test]
fn a_refused_change_and_a_key_leave_signers_as_they_were() {
    every_engine(|engine| async move {
        change(&*engine, &account(), make_one_of_each).await.unwrap();
        let (user, _) = ids(&*engine, "Ann", "Job").await;
        let before = signer(&*engine, &user).await.unwrap();
        let refused = |edit: &mut DirectoryEdit| {
            edit.change_user("Ann", |user| {
                user.inline.clear();
                Ok(())
            })?;
            edit.delete_user("Nobody")
        };
        change(&*engine, &account(), refused).await.unwrap_err();
        let after = signer(&*engine, &user).await.unwrap();
        assert_eq!((told(&after), after.number), (told(&before), before.number));
        engine.put_access_key(root_key(&account(), "AKIR")).await.unwrap();
        change(&*engine, &account(), |edit| edit.create_key("Ann").map(drop)).await.unwrap();
        let after = signer(&*engine, &user).await.unwrap();
        assert_eq!(told(&after), told(&before));
        assert!(after.number >= before.number);
    });
}

/// More policies than any other may have, and all of them are there, whether they are read or kept.
#[test]
fn a_signer_may_have_as_much_as_quotas_allow() {
    const GROUPS: usize = 10;
    let fill = |edit: &mut DirectoryEdit| {
        edit.create_user("Ann", "/", None, Vec::new())?;
        for n in 0..GROUPS {
            let group = format!("G{n}");
            edit.create_group(&group, "/")?;
            edit.add_to_group(&group, "Ann")?;
            for m in 0..10 {
                let name = format!("P{n}-{m}");
                edit.create_policy(NewManagedPolicy {
                    name: name.clone(),
                    path: "/".to_owned(),
                    description: None,
                    document: policy(&format!("s3:{name}")),
                    tags: Vec::new(),
                })?;
                let arn = format!("arn:aws:iam::000000000000:policy/{name}");
                edit.change_group(&group, |group| Ok(group.attached.insert(arn)))?;
            }
        }
        Ok(())
    };
    every_engine(|engine| async move {
        change(&*engine, &account(), fill).await.unwrap();
        let directory = engine.directory(&account()).await.unwrap();
        let user = directory.user("Ann").unwrap().id.clone();
        for _ in 0..3 {
            let ann = signer(&*engine, &user).await.unwrap();
            assert_eq!(ann.policies.len(), GROUPS * 10);
        }
    });
}

fn denies() -> Arc<Policy> {
    let text =
        r#"{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"*","Resource":"*"}]}"#;
    Arc::new(Policy::parse(text).unwrap())
}

/// Puts a Deny at one of four places and takes it from all others: one change.
fn deny_at(edit: &mut DirectoryEdit, place: usize) -> Refused<()> {
    let says = |here: usize| if here == place { denies() } else { policy("s3:Get*") };
    edit.change_user("Ann", |user| {
        user.inline.insert("In".to_owned(), says(0));
        Ok(())
    })?;
    for (name, here) in [("First", 1), ("Second", 2)] {
        let insert = |group: &mut Group| {
            group.inline.insert("In".to_owned(), says(here));
            Ok(())
        };
        edit.change_group(name, insert)?;
    }
    let arn = "arn:aws:iam::000000000000:policy/Own";
    let default = edit.managed_policy(arn).unwrap().default_version;
    let made = edit.create_policy_version(arn, says(3), Counts::FromNowOn).map(drop);
    made.and_then(|()| edit.delete_policy_version(arn, default))
}

/// A Deny is always somewhere; whoever reads policies one by one would come to miss it.
#[test]
fn a_deny_that_moves_is_never_missed_and_no_older_signer_is_seen_again() {
    every_engine(|engine| async move {
        let make = |edit: &mut DirectoryEdit| {
            edit.create_policy(NewManagedPolicy {
                name: "Own".to_owned(),
                path: "/".to_owned(),
                description: None,
                document: policy("s3:Get*"),
                tags: Vec::new(),
            })?;
            for name in ["Ann", "Bea"] {
                edit.create_user(name, "/", None, Vec::new())?;
            }
            for name in ["First", "Second"] {
                edit.create_group(name, "/")?;
                edit.add_to_group(name, "Ann")?;
            }
            let arn = "arn:aws:iam::000000000000:policy/Own".to_owned();
            edit.change_user("Ann", |user| Ok(user.attached.insert(arn)))?;
            deny_at(edit, 0)
        };
        change(&*engine, &account(), make).await.unwrap();
        let user = engine.directory(&account()).await.unwrap().user("Ann").unwrap().id.clone();
        let done = Arc::new(AtomicBool::new(false));
        let readers = (0..4).map(|_| {
            let (engine, done, user) = (Arc::clone(&engine), Arc::clone(&done), user.clone());
            tokio::spawn(async move {
                let (mut number, mut step, mut moves) = (0, 0_usize, 0_usize);
                while !done.load(Ordering::SeqCst) {
                    let ann = engine.signer(&account(), &user).await.unwrap().unwrap();
                    let says = |given: &AttachedPolicy| given.policy.text() == denies().text();
                    let denies = ann.policies.iter().filter(|given| says(given)).count();
                    assert_eq!(denies, 1, "{:?}", show(&ann.policies));
                    let now: usize = ann.tags.first().map_or(0, |tag| tag.value.parse().unwrap());
                    assert!(ann.number >= number && now >= step, "{number} {step} before {ann:?}");
                    assert!(now == step || ann.number > number, "the number stayed at {number}");
                    moves += usize::from(now != step);
                    (number, step) = (ann.number, now);
                    tokio::task::yield_now().await;
                }
                moves
            })
        });
        let readers = readers.collect::<Vec<_>>();
        for n in 1..200_usize {
            let step = move |edit: &mut DirectoryEdit| {
                edit.change_user("Ann", |user| {
                    user.tags = vec![Tag { key: "step".to_owned(), value: n.to_string() }];
                    Ok(())
                })?;
                deny_at(edit, n % 4)
            };
            change(&*engine, &account(), step).await.unwrap();
            let ann = engine.signer(&account(), &user).await.unwrap().unwrap();
            assert_eq!(ann.tags[0].value, n.to_string(), "the very next read");
            // What does not touch Ann moves the number alone.
            if n % 7 == 0 {
                change(&*engine, &account(), |edit| {
                    edit.change_user("Bea", |user| {
                        user.tags.clear();
                        Ok(())
                    })
                })
                .await
                .unwrap();
            }
        }
        done.store(true, Ordering::SeqCst);
        for reader in readers {
            assert!(reader.await.unwrap() > 0, "the reader saw no change");
        }
    });
}
