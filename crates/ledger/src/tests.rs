//! Tests of the whole ledger, against a list that is searched the simple way.

mod faults;
mod oracle;
mod retention;
mod sample;

use presign::Fingerprint;

use crate::{
    Cursor, CursorError, Ledger, LedgerError, LinkName, LinkQuery, LinkScope, UseOrder, UseQuery,
};
use sample::{Sample, at, expected_of, facts_of, link_of, runtime, scope_of, use_of};

#[test]
fn a_use_is_found_as_it_was_told() {
    let sample = Sample::new();
    runtime().block_on(async {
        let told = use_of(7, 1234, 206);
        sample.record(&told);
        sample.ledger.flush().await;
        let found = sample.uses(&UseQuery::new(scope_of(7))).await;
        assert_eq!(found, [expected_of(&told)]);
        let link = sample.ledger.link(scope_of(7), told.link).await.unwrap().unwrap();
        assert_eq!((link.link.fingerprint, link.served, link.refused), (told.link, 1, 0));
        assert_eq!((link.link.facts.clone(), link.bytes), (facts_of(7), told.bytes));
        assert_eq!(link.first_used_at.zip(link.last_used_at), Some((told.at, told.at)));
    });
}

#[test]
fn facts_are_asked_for_once() {
    let sample = Sample::new();
    runtime().block_on(async {
        let told = use_of(1, 0, 200);
        sample.record(&told);
        sample.ledger.flush().await;
        sample.ledger.record(&told, || panic!("the writer has the facts of this link"));
        // What is issued and then used, and issued again, is one link.
        sample.note(1, 5);
        sample.ledger.flush().await;
        let links = sample.ledger.links(LinkQuery::new(scope_of(1))).await.unwrap().links;
        let counts: Vec<_> = links.iter().map(|link| (link.served, link.seen_at)).collect();
        assert_eq!(counts, [(2, told.at)]);
    });
}

#[test]
fn a_link_is_there_before_its_first_use() {
    let sample = Sample::new();
    runtime().block_on(async {
        sample.note(3, 10);
        sample.ledger.flush().await;
        let found = sample.ledger.link(scope_of(3), link_of(3)).await.unwrap().unwrap();
        assert_eq!((found.served, found.refused, found.last_used_at), (0, 0, None));
        assert_eq!((found.seen_at, found.link.facts.clone()), (at(10), facts_of(3)));
        assert!(sample.uses(&UseQuery::new(scope_of(3))).await.is_empty());
        assert_eq!(sample.ledger.counts().recorded, 0);
    });
}

#[test]
fn an_unproven_use_is_kept_only_of_a_link_that_is_there() {
    let sample = Sample::new();
    runtime().block_on(async {
        sample.note(1, 0);
        sample.ledger.record_known(&use_of(1, 1, 403));
        sample.ledger.record_known(&use_of(2, 2, 403));
        sample.ledger.flush().await;
        let uses = sample.uses(&UseQuery::new(scope_of(1))).await;
        assert_eq!(uses, [expected_of(&use_of(1, 1, 403))]);
        assert!(sample.ledger.link(scope_of(2), link_of(2)).await.unwrap().is_none());
        assert_eq!((sample.ledger.counts().recorded, sample.ledger.lost()), (1, 0));
    });
}

#[test]
fn links_are_found_by_the_digits_that_people_see() {
    let sample = Sample::new();
    let twin = |last: char| -> Fingerprint {
        format!("0123456789abcdef{}{last}", "0".repeat(47)).parse().unwrap()
    };
    runtime().block_on(async {
        for (link, at) in [(twin('1'), 1), (twin('2'), 2)] {
            let told = crate::LinkUse { link, ..use_of(1, at, 200) };
            sample.ledger.record(&told, || Box::new(|| facts_of(1)));
        }
        sample.ledger.flush().await;
        let check = async |scope: LinkScope, name: &str, expected: &[Fingerprint]| {
            let name: LinkName = name.parse().unwrap();
            let found = sample.ledger.links_named(scope.clone(), name).await.unwrap();
            let found: Vec<_> = found.iter().map(|link| link.link.fingerprint).collect();
            assert_eq!(found, expected, "{name:?}");
            let uses = sample.uses(&UseQuery { link: Some(name), ..UseQuery::new(scope) }).await;
            let used: Vec<_> = uses.iter().map(|used| used.link.fingerprint).collect();
            assert_eq!(used, expected, "{name:?}");
        };
        check(scope_of(1), "0123456789abcdef", &[twin('2'), twin('1')]).await;
        check(scope_of(1), &twin('1').to_string(), &[twin('1')]).await;
        check(scope_of(1), "0123456789abcdee", &[]).await;
        check(scope_of(1), &twin('3').to_string(), &[]).await;
        check(LinkScope::of_account("999999999999"), "0123456789abcdef", &[]).await;
    });
    for wrong in
        ["", "0123456789abcde", "0123456789abcdeF", "0123456789abcdef0", "+123456789abcdef"]
    {
        assert!(wrong.parse::<LinkName>().is_err(), "{wrong}");
    }
}

#[test]
fn a_cursor_of_another_list_is_refused() {
    let sample = Sample::new();
    runtime().block_on(async {
        let cursor = |text: &str| Some(text.parse::<Cursor>().unwrap());
        let links = async |after| {
            let query = LinkQuery { after, ..LinkQuery::new(scope_of(0)) };
            sample.ledger.links(query).await.map(|page| page.next)
        };
        let uses = async |order, after| {
            let query = UseQuery { order, after, ..UseQuery::new(scope_of(0)) };
            sample.ledger.uses(query).await.map(|page| page.next)
        };
        let refused = |answer: Result<_, LedgerError>| {
            assert!(matches!(answer, Err(LedgerError::Cursor(CursorError))), "{answer:?}");
        };
        refused(links(cursor("1n0000000000000001")).await);
        refused(uses(UseOrder::NewestFirst, cursor("1l0000000000000001")).await);
        refused(uses(UseOrder::NewestFirst, cursor("1o0000000000000001")).await);
        refused(uses(UseOrder::OldestFirst, cursor("1n0000000000000001")).await);
        assert_eq!(links(cursor("1l0000000000000001")).await.unwrap(), None);
        assert_eq!(uses(UseOrder::NewestFirst, cursor("1n7fffffffffffffff")).await.unwrap(), None);
        let ahead = cursor("1o7fffffffffffff00");
        assert_eq!(uses(UseOrder::OldestFirst, ahead).await.unwrap(), ahead);
    });
}

#[test]
fn nothing_is_asked_or_recorded_after_the_end() {
    let sample = Sample::new();
    runtime().block_on(async {
        sample.record(&use_of(1, 1, 200));
        sample.ledger.close().await;
        assert_eq!((sample.ledger.counts().recorded, sample.ledger.lost()), (1, 0));
        sample.record(&use_of(1, 2, 200));
        assert_eq!(sample.ledger.lost(), 1);
        sample.ledger.flush().await;
        sample.ledger.maintain(at(3)).await;
        let asked = sample.ledger.links(LinkQuery::new(scope_of(1))).await;
        assert!(matches!(asked, Err(LedgerError::Closed)));
        let again = Ledger::open(&sample.path, 30, at(4)).unwrap();
        let page = again.uses(UseQuery::new(scope_of(1))).await.unwrap();
        assert_eq!(page.uses.len(), 1);
    });
}
