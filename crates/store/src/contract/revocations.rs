//! Revocations: what is recorded is found by what it matches, until it is undone or has ended.

use presign::Fingerprint;

use super::*;
use crate::revocation::{RevokedKinds, Subject};

fn fingerprint(n: u8) -> Fingerprint {
    Fingerprint::of_signature(&[n])
}

fn revocation(links: RevokedLinks, lives_until: i64) -> Revocation {
    Revocation {
        links,
        scope: RevocationScope { account: account(), signer: None },
        signed_until: at(0),
        lives_until: at(lives_until),
        revoked_at: at(0),
        revoked_by: "arn:aws:iam::000000000000:root".to_owned(),
    }
}

fn link(n: u8) -> RevokedLinks {
    RevokedLinks::Link { fingerprint: fingerprint(n), target: None }
}

fn all_kinds() -> Vec<RevokedLinks> {
    let bucket = bucket_name();
    let target = Some((bucket.clone(), key("a/b")));
    vec![
        link(1),
        RevokedLinks::Link { fingerprint: fingerprint(2), target },
        RevokedLinks::AccessKey("AKIDEXAMPLE".to_owned()),
        RevokedLinks::Object(bucket.clone(), key("a/ä \u{1}")),
        RevokedLinks::Prefix(bucket.clone(), "a/".to_owned()),
        RevokedLinks::Prefix(bucket, String::new()),
    ]
}

async fn revoke(engine: &impl Metadata, revocation: Revocation) -> u64 {
    let answer = engine.revoke(revocation.clone()).await.unwrap();
    let Revoke::Recorded(recorded) = answer else { panic!("{answer:?}") };
    assert_eq!(recorded.revocation, revocation);
    recorded.number
}

async fn of(engine: &impl Metadata, links: &RevokedLinks) -> Vec<Revocation> {
    let subject = revocation(links.clone(), 0).subject();
    engine.revocations_of(vec![subject]).await.unwrap()
}

#[test]
fn revocations_are_found_by_what_they_match_until_they_are_undone() {
    every_engine(|engine| async move {
        let mut numbers = Vec::new();
        for links in all_kinds() {
            let one = revocation(links, 100);
            numbers.push(revoke(&*engine, one.clone()).await);
            assert_eq!(of(&*engine, &one.links).await, [one]);
        }
        assert!(numbers.is_sorted_by(|one, next| one < next));
        for (number, links) in numbers.iter().zip(all_kinds()) {
            let other = AccountId::parse("111111111111").unwrap();
            assert_eq!(engine.revocation(&other, *number).await.unwrap(), None);
            assert!(!engine.undo_revocation(&other, *number).await.unwrap());
            assert!(engine.revocation(&account(), *number).await.unwrap().is_some());
            assert!(engine.undo_revocation(&account(), *number).await.unwrap());
            assert!(!engine.undo_revocation(&account(), *number).await.unwrap());
            assert_eq!(of(&*engine, &links).await, []);
        }
        // A number is never given twice.
        assert!(revoke(&*engine, revocation(link(1), 100)).await > numbers[numbers.len() - 1]);
    });
}

/// Who revokes the same again, as often as they like, leaves one record; others leave their own.
#[test]
fn the_same_links_are_revoked_once() {
    every_engine(|engine| async move {
        let first = revoke(&*engine, revocation(link(1), 100)).await;
        let longer = revocation(link(1), 200);
        assert_eq!(revoke(&*engine, longer.clone()).await, first);
        let answer = engine.revoke(revocation(link(1), 50)).await.unwrap();
        let Revoke::Recorded(recorded) = answer else { panic!("{answer:?}") };
        assert_eq!((recorded.number, recorded.revocation.lives_until), (first, at(200)));
        assert_eq!(of(&*engine, &link(1)).await, [longer]);
        let scope = RevocationScope { account: account(), signer: Some("AIDA".to_owned()) };
        let own = Revocation { scope, ..revocation(link(1), 50) };
        assert_ne!(revoke(&*engine, own.clone()).await, first);
        assert_eq!(engine.revocations_of(vec![own.subject()]).await.unwrap(), [own]);
        assert_eq!(of(&*engine, &link(1)).await.len(), 1);
    });
}

#[test]
fn a_page_goes_on_where_the_last_one_ended() {
    every_engine(|engine| async move {
        let mut of_signer = Vec::new();
        for n in 0..5 {
            let signer = (n % 2 == 0).then(|| "AIDA".to_owned());
            let scope = RevocationScope { account: account(), signer: signer.clone() };
            let number = revoke(&*engine, Revocation { scope, ..revocation(link(n), 100) }).await;
            of_signer.extend(signer.map(|_| number));
        }
        let list = async |signer: Option<&str>, after: u64, limit: usize| {
            let signer = signer.map(str::to_owned);
            let query = ListRevocations { account: account(), signer, after, limit };
            let page = engine.revocations(query).await.unwrap();
            let numbers = page.revocations.iter().map(|one| one.number).collect::<Vec<_>>();
            (numbers, page.next)
        };
        let (first, next) = list(None, 0, 3).await;
        assert_eq!((first.len(), next), (3, first.last().copied()));
        let (second, next) = list(None, first[2], 3).await;
        assert_eq!((second.len(), next), (2, None));
        assert_eq!(list(Some("AIDA"), 0, 3).await, (of_signer, None));
        assert_eq!(list(Some("AROA"), 0, 3).await, (vec![], None));
    });
}

#[test]
fn subjects_and_prefixes_are_read_whole() {
    every_engine(|engine| async move {
        for links in all_kinds() {
            revoke(&*engine, revocation(links, 100)).await;
        }
        let is_prefix = |links: &RevokedLinks| matches!(links, RevokedLinks::Prefix(_, _));
        let (prefixes, others): (Vec<_>, Vec<_>) = all_kinds().into_iter().partition(is_prefix);
        let read = engine.revoked_prefixes().await.unwrap();
        assert_eq!(read.into_iter().map(|one| one.links).collect::<Vec<_>>(), prefixes);
        let read = engine.revoked_subjects(0).await.unwrap();
        let subjects: Vec<Subject> = read.iter().map(|(_, subject, _)| *subject).collect();
        let others = others.into_iter().map(|links| revocation(links, 0).subject());
        assert_eq!(subjects, others.collect::<Vec<_>>());
        let (second, _, _) = read[1];
        assert_eq!(engine.revoked_subjects(second).await.unwrap(), read[2..]);
    });
}

#[test]
fn what_has_ended_is_forgotten() {
    every_engine(|engine| async move {
        revoke(&*engine, revocation(link(1), 100)).await;
        revoke(&*engine, revocation(link(2), 200)).await;
        assert_eq!(engine.forget_revocations(at(100)).await.unwrap(), 0);
        assert_eq!(engine.forget_revocations(at(101)).await.unwrap(), 1);
        assert_eq!(engine.forget_revocations(at(101)).await.unwrap(), 0);
        assert_eq!(of(&*engine, &link(1)).await, []);
        assert_eq!(of(&*engine, &link(2)).await.len(), 1);
    });
}

#[test]
fn an_account_may_revoke_so_many_prefixes() {
    every_engine(|engine| async move {
        let prefix = |n: u64| RevokedLinks::Prefix(bucket_name(), format!("{n}/"));
        let jobs: Vec<_> = (0..REVOKED_PREFIXES_MAX)
            .map(|n| {
                let engine = Arc::clone(&engine);
                async move { engine.revoke(revocation(prefix(n), 100)).await.unwrap() }
            })
            .collect();
        let mut last = None;
        for job in jobs.into_iter().map(tokio::spawn).collect::<Vec<_>>() {
            let Revoke::Recorded(one) = job.await.unwrap() else { panic!("too many already") };
            last = Some(one.number);
        }
        let more = |n: u64| engine.revoke(revocation(prefix(REVOKED_PREFIXES_MAX + n), 100));
        assert_eq!(more(0).await.unwrap(), Revoke::TooMany);
        revoke(&*engine, revocation(link(1), 100)).await;
        assert!(engine.undo_revocation(&account(), last.unwrap()).await.unwrap());
        assert!(matches!(more(1).await.unwrap(), Revoke::Recorded(_)));
        assert_eq!(more(2).await.unwrap(), Revoke::TooMany);
    });
}

/// Which kinds are revoked in which scope, whatever was revoked twice, undone or has ended.
#[test]
fn scopes_say_which_kinds_they_have() {
    every_engine(|engine| async move {
        let scope = |signer: Option<&str>| RevocationScope {
            account: account(),
            signer: signer.map(str::to_owned),
        };
        let kinds = async || {
            let mut scopes = Vec::new();
            for (scope, kinds) in engine.revoked_scopes().await.unwrap() {
                assert_eq!(engine.revoked_kinds(&scope).await.unwrap(), kinds);
                let RevokedKinds { links, access_keys, objects } = kinds;
                scopes.push((scope.signer.unwrap_or_default(), links, access_keys, objects));
            }
            scopes.sort();
            scopes
        };
        let own = |signer: &str, kinds: [bool; 3]| {
            let [links, access_keys, objects] = kinds;
            (signer.to_owned(), links, access_keys, objects)
        };
        let access_key = || RevokedLinks::AccessKey("AKID".to_owned());
        let in_scope = |links: RevokedLinks, signer: Option<&str>, lives_until: i64| Revocation {
            scope: scope(signer),
            ..revocation(links, lives_until)
        };
        assert_eq!(kinds().await, []);
        let first = revoke(&*engine, in_scope(link(1), None, 100)).await;
        revoke(&*engine, in_scope(link(1), None, 100)).await;
        revoke(&*engine, in_scope(access_key(), Some("AIDA"), 200)).await;
        let prefix = RevokedLinks::Prefix(bucket_name(), String::new());
        revoke(&*engine, in_scope(prefix, Some("AIDB"), 200)).await;
        let object = RevokedLinks::Object(bucket_name(), key("k"));
        let second = revoke(&*engine, in_scope(object, Some("AIDA"), 200)).await;
        assert_eq!(
            kinds().await,
            [
                own("", [true, false, false]),
                own("AIDA", [false, true, true]),
                own("AIDB", [false; 3])
            ]
        );
        assert!(engine.undo_revocation(&account(), second).await.unwrap());
        assert!(engine.undo_revocation(&account(), first).await.unwrap());
        assert_eq!(kinds().await, [own("AIDA", [false, true, false]), own("AIDB", [false; 3])]);
        assert_eq!(engine.revoked_kinds(&scope(None)).await.unwrap(), RevokedKinds::default());
        assert_eq!(engine.forget_revocations(at(201)).await.unwrap(), 2);
        assert_eq!(kinds().await, []);
    });
}
