//! What revocations match, and that the index of them misses nothing.

use proptest::prelude::*;

use super::*;
use crate::contract::{at, key};

fn bucket(name: &str) -> BucketName {
    BucketName::parse(name).unwrap()
}

fn id(digit: char) -> AccountId {
    AccountId::parse(&String::from(digit).repeat(12)).unwrap()
}

fn revocation(links: RevokedLinks, account: char, signer: Option<&str>) -> Revocation {
    Revocation {
        links,
        scope: RevocationScope { account: id(account), signer: signer.map(str::to_owned) },
        signed_until: at(10),
        lives_until: at(100),
        revoked_at: at(10),
        revoked_by: String::new(),
    }
}

fn fingerprint(text: &str) -> Fingerprint {
    Fingerprint::of_signature(text.as_bytes())
}

/// The link "mine" of the user AIDA with the key AKID of account 1, signed at second 5, used for `pics/a/b.jpg` in a
/// bucket of account 2.
fn matches(revocation: &Revocation, change: impl FnOnce(&mut PresentedLink<'_>)) -> bool {
    let (account, owner, bucket, key) = (id('1'), id('2'), bucket("pics"), key("a/b.jpg"));
    let mut link = PresentedLink {
        fingerprint: fingerprint("mine"),
        access_key_id: "AKID",
        account: &account,
        signer: "AIDA",
        signed_at: Some(at(5)),
    };
    change(&mut link);
    let target = LinkTarget { bucket: &bucket, key: Some(&key) };
    revocation.matches(&link, Some((target, Some(&owner))), at(50))
}

#[test]
fn a_revocation_matches_what_it_says() {
    let check = |links: RevokedLinks, expected: bool| {
        assert_eq!(matches(&revocation(links.clone(), '1', None), |_| {}), expected, "{links:?}");
    };
    let link = |text: &str, target: Option<(&str, &str)>| RevokedLinks::Link {
        fingerprint: fingerprint(text),
        target: target.map(|(name, text)| (bucket(name), key(text))),
    };
    let prefix = |name: &str, text: &str| RevokedLinks::Prefix(bucket(name), text.to_owned());
    check(link("mine", None), true);
    check(link("yours", None), false);
    check(link("mine", Some(("pics", "a/b.jpg"))), true);
    check(link("mine", Some(("pics", "a/c.jpg"))), false);
    check(link("mine", Some(("other", "a/b.jpg"))), false);
    check(RevokedLinks::AccessKey("AKID".to_owned()), true);
    check(RevokedLinks::AccessKey("akid".to_owned()), false);
    check(RevokedLinks::Object(bucket("pics"), key("a/b.jpg")), true);
    check(RevokedLinks::Object(bucket("pics"), key("a/b.jp")), false);
    check(RevokedLinks::Object(bucket("other"), key("a/b.jpg")), false);
    check(prefix("pics", ""), true);
    check(prefix("pics", "a"), true);
    check(prefix("pics", "a/"), true);
    check(prefix("pics", "a/b.jpg"), true);
    check(prefix("pics", "a/b.jpg/"), false);
    check(prefix("pics", "b"), false);
    check(prefix("other", ""), false);
}

#[test]
fn nobody_revokes_what_is_not_theirs() {
    let all = || RevokedLinks::Link { fingerprint: fingerprint("mine"), target: None };
    let check = |account: char, signer: Option<&str>, expected: bool| {
        let one = revocation(all(), account, signer);
        assert_eq!(matches(&one, |_| {}), expected, "{account} {signer:?}");
    };
    check('1', None, true);
    check('1', Some("AIDA"), true);
    check('1', Some("AIDB"), false);
    // Of the bucket's owner.
    check('2', None, true);
    check('2', Some("AIDA"), false);
    check('3', None, false);
}

#[test]
fn a_revocation_is_of_links_that_were_signed_until_then() {
    let one = revocation(RevokedLinks::AccessKey("AKID".to_owned()), '1', None);
    let signed = |second: i64| matches(&one, |link| link.signed_at = Some(at(second)));
    assert!(signed(10) && !signed(11));
    assert!(matches(&one, |link| link.signed_at = None));
    let ended = Revocation { lives_until: at(49), ..one.clone() };
    assert!(!matches(&ended, |_| {}));
    assert!(matches(&Revocation { lives_until: at(50), ..one }, |_| {}));
}

#[test]
fn what_is_in_no_bucket_has_no_object() {
    let account = id('1');
    let link = PresentedLink {
        fingerprint: fingerprint("mine"),
        access_key_id: "AKID",
        account: &account,
        signer: "AIDA",
        signed_at: None,
    };
    let check = |links: RevokedLinks, expected: bool| {
        assert_eq!(
            revocation(links.clone(), '1', None).matches(&link, None, at(50)),
            expected,
            "{links:?}"
        );
    };
    check(RevokedLinks::AccessKey("AKID".to_owned()), true);
    check(RevokedLinks::Prefix(bucket("pics"), String::new()), false);
    check(RevokedLinks::Object(bucket("pics"), key("a")), false);
}

/// Names that are beginnings of each other, or nearly.
fn name() -> impl Strategy<Value = String> {
    "[aä/]{0,5}"
}

proptest! {
    /// Whatever matches is looked up, before and after the index is complete; and once it is, only what has a revoked
    /// name.
    #[test]
    fn the_index_misses_nothing(
        revoked in prop::collection::vec((0..4_u8, name(), 0..20_i64, 0..100_i64), 0..20),
        asked in prop::collection::vec((name(), 0..20_i64, 0..100_i64), 1..20),
        is_complete: bool,
    ) {
        let index = RevocationIndex::default();
        let names = ["pics", "pic", "pics-2"].map(bucket);
        let object = |text: &str| key(if text.is_empty() { "x" } else { text });
        let revocations: Vec<Revocation> = revoked.into_iter().map(|(kind, text, signed, lives)| {
            let links = match kind {
                0 => RevokedLinks::Link { fingerprint: fingerprint(&text), target: None },
                1 => RevokedLinks::AccessKey(text),
                2 => RevokedLinks::Object(names[0].clone(), object(&text)),
                _ => RevokedLinks::Prefix(names[text.len() % 3].clone(), text),
            };
            let one = revocation(links, '1', None);
            Revocation { signed_until: at(signed), lives_until: at(lives), ..one }
        }).collect();
        for one in &revocations {
            index.add(one);
        }
        if is_complete {
            index.is_complete();
        }
        let account = id('1');
        for (text, signed, now) in asked {
            let key = object(&text);
            let link = PresentedLink {
                fingerprint: fingerprint(&text),
                access_key_id: &text,
                account: &account,
                signer: "",
                signed_at: Some(at(signed)),
            };
            for bucket in &names {
                for key in [None, Some(&key)] {
                    let target = LinkTarget { bucket, key };
                    let (found, others) = index.of_signer(&link, &[target], at(now));
                    prop_assert!(!others);
                    let dead = revocations.iter().filter(|one| one.matches(&link, Some((target, None)), at(now)));
                    for one in dead {
                        prop_assert!(found.contains(&one.subject()), "{one:?} {target:?}");
                    }
                    if is_complete {
                        let known = |subject: &Subject| revocations.iter().any(|one| one.subject() == *subject);
                        prop_assert!(found.iter().all(known));
                    }
                }
            }
        }
        // What ended is forgotten, and nothing else.
        let left = RevokedKinds { links: true, access_keys: true, objects: true };
        let scope = RevocationScope { account: account.clone(), signer: None };
        index.forget(at(50), vec![(scope, left)]);
        for one in revocations.iter().filter(|one| one.lives_until >= at(50)) {
            let RevokedLinks::AccessKey(id) = &one.links else { continue };
            let link = PresentedLink {
                fingerprint: fingerprint("none"), access_key_id: id, account: &account, signer: "", signed_at: None,
            };
            prop_assert!(!index.of_signer(&link, &[], at(50)).0.is_empty());
        }
    }
}
