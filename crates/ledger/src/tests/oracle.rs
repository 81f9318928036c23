//! Every filter, in both orders, against a list that is searched from end to end.

use std::cell::Cell;

use proptest::prelude::*;

use super::sample::{
    Sample, at, expected_of, facts_of, link_of, runtime, scope_of, through_text, use_of,
};
use crate::{LinkFacts, LinkName, LinkQuery, LinkScope, LinkSubject, LinkUse, UseOrder, UseQuery};

/// A link's number, the time of a use, and its status.
type Told = (u32, i64, u16);

fn told() -> impl Strategy<Value = Vec<Told>> {
    let status = prop_oneof![4 => Just(200_u16), 1 => Just(403_u16)];
    proptest::collection::vec((0..40_u32, 0..500_i64, status), 0..2500).prop_map(|mut uses| {
        // Times rise, but not quite: requests end in another order than they began.
        for (place, (_, milliseconds, _)) in (0..).zip(&mut uses) {
            *milliseconds += 100 * place;
        }
        uses
    })
}

/// Each filter by itself and in pairs, of links that are there and of some that are not.
fn queries() -> Vec<UseQuery> {
    let mut queries = Vec::new();
    for number in [0, 7, 33, 39, 99] {
        let facts = facts_of(number);
        let account = UseQuery::new(LinkScope::of_account(&facts.signer.account));
        let own = LinkScope::of_account(&facts.signer.account).signed_by(&facts.signer.user_id);
        let object = LinkSubject::Object { bucket: facts.bucket.clone(), key: facts.key.clone() };
        let inner = LinkSubject::Object {
            bucket: facts.bucket.clone(),
            key: "folder-1/inner/a".to_owned(),
        };
        let under = |prefix: &str| {
            let (bucket, prefix) = (facts.bucket.clone(), prefix.to_owned());
            Some(LinkSubject::Prefix { bucket, prefix })
        };
        let signer = |text: &str| UseQuery { signer: Some(text.to_owned()), ..account.clone() };
        let label = facts.label.as_ref().map(|label| label.as_str().to_owned());
        queries.extend([
            account.clone(),
            UseQuery::new(own.clone()),
            UseQuery { link: Some(LinkName::Whole(link_of(number))), ..account.clone() },
            UseQuery { subject: Some(object.clone()), ..account.clone() },
            UseQuery { subject: Some(inner), ..account.clone() },
            UseQuery { subject: Some(object), ..UseQuery::new(own.clone()) },
            UseQuery { subject: under(""), ..account.clone() },
            UseQuery { subject: under("folder-1/"), ..account.clone() },
            UseQuery { subject: under("folder-1/"), ..UseQuery::new(own) },
            UseQuery { subject: under("folder-9/"), ..account.clone() },
            signer(&facts.signer.arn),
            signer(&facts.signer.user_id),
            signer(&facts.signer.access_key_id),
            UseQuery { label: label.clone(), ..signer(&facts.signer.arn) },
            UseQuery { label, subject: under("folder-0/"), ..account.clone() },
            UseQuery { since: Some(at(9_000)), until: Some(at(60_000)), ..account.clone() },
            UseQuery { until: Some(at(40_000)), ..signer(&facts.signer.access_key_id) },
        ]);
    }
    queries
}

/// Whether a link is one that may be seen and that is asked for.
fn is_asked_for(query: &UseQuery, number: u32, facts: &LinkFacts) -> bool {
    let LinkScope { account, user_id } = &query.scope;
    let seen = match user_id {
        Some(user) => facts.signer.account == *account && facts.signer.user_id == *user,
        None => facts.signer.account == *account || facts.bucket_account == *account,
    };
    let of_subject = query.subject.as_ref().is_none_or(|subject| match subject {
        LinkSubject::Object { bucket, key } => facts.bucket == *bucket && facts.key == *key,
        LinkSubject::Prefix { bucket, prefix } => {
            facts.bucket == *bucket && facts.key.starts_with(prefix)
        }
    });
    let of_signer = query.signer.as_ref().is_none_or(|text| {
        let signer = &facts.signer;
        [&signer.arn, &signer.user_id, &signer.access_key_id].contains(&text)
    });
    let labelled = query
        .label
        .as_ref()
        .is_none_or(|label| facts.label.as_ref().is_some_and(|of| of.as_str() == *label));
    let named = query.link.is_none_or(|name| name == LinkName::Whole(link_of(number)));
    seen && of_subject && of_signer && labelled && named
}

fn expected(query: &UseQuery, told: &[Told]) -> Vec<LinkUse<'static>> {
    let in_time = |at| {
        query.since.is_none_or(|since| at >= since) && query.until.is_none_or(|until| at < until)
    };
    let uses = told.iter().filter(|(number, milliseconds, status)| {
        let mut facts = facts_of(*number);
        if let Some(key) = use_of(*number, *milliseconds, *status).key {
            facts.key = key.to_owned();
        }
        is_asked_for(query, *number, &facts) && in_time(at(*milliseconds))
    });
    let mut uses: Vec<_> = uses
        .map(|(number, milliseconds, status)| use_of(*number, *milliseconds, *status))
        .collect();
    if query.order == UseOrder::NewestFirst {
        uses.reverse();
    }
    uses
}

async fn check_uses(sample: &Sample, told: &[Told], limit: usize) {
    for query in queries() {
        for order in [UseOrder::NewestFirst, UseOrder::OldestFirst] {
            let query = UseQuery { order, limit, ..query.clone() };
            let expected: Vec<_> =
                expected(&query, told).iter().map(|told| expected_of(told)).collect();
            assert_eq!(sample.uses(&query).await, expected, "{query:?}");
        }
    }
}

/// The links that were used, with their sums, in the order of their first uses.
async fn check_links(sample: &Sample, told: &[Told], limit: usize) {
    for query in queries() {
        if query.link.is_some() || query.since.is_some() || query.until.is_some() {
            continue;
        }
        for (lives_at, ended_at) in
            [(None, None), (Some(at(20_000)), None), (None, Some(at(20_000)))]
        {
            let mut expected: Vec<(u32, u64, u64, u64)> = Vec::new();
            for (number, _, status) in told {
                let facts = facts_of(*number);
                let lives = lives_at.is_none_or(|at| facts.ends_at.is_none_or(|end| end > at));
                let ended = ended_at.is_none_or(|at| facts.ends_at.is_some_and(|end| end <= at));
                if !is_asked_for(&query, *number, &facts) || !lives || !ended {
                    continue;
                }
                let known = expected.iter().position(|(known, _, _, _)| known == number);
                let place = known.unwrap_or_else(|| {
                    expected.push((*number, 0, 0, 0));
                    expected.len() - 1
                });
                expected[place].1 += u64::from(*status < 400);
                expected[place].2 += u64::from(*status >= 400);
                expected[place].3 += u64::from(*number) * 1000;
            }
            expected.reverse();
            let links = LinkQuery {
                scope: query.scope.clone(),
                subject: query.subject.clone(),
                signer: query.signer.clone(),
                label: query.label.clone(),
                lives_at,
                ended_at,
                after: None,
                limit,
            };
            let found: Vec<_> = sample
                .links(&links)
                .await
                .iter()
                .map(|entry| (entry.link.fingerprint, entry.served, entry.refused, entry.bytes))
                .collect();
            let expected: Vec<_> = expected
                .into_iter()
                .map(|(number, served, refused, bytes)| (link_of(number), served, refused, bytes))
                .collect();
            assert_eq!(found, expected, "{links:?}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    #[test]
    fn every_query_finds_what_a_search_finds(told in told(), limit in 1..700_usize, batch in 1..900_usize) {
        let sample = Sample::new();
        runtime().block_on(async {
            for uses in told.chunks(batch) {
                for (number, milliseconds, status) in uses {
                    sample.record(&use_of(*number, *milliseconds, *status));
                }
                sample.ledger.flush().await;
            }
            check_uses(&sample, &told, limit.max(40)).await;
            check_links(&sample, &told, limit % 17 + 1).await;
        });
    }
}

#[test]
fn pages_go_on_while_new_uses_come() {
    let sample = Sample::new();
    runtime().block_on(async {
        let scope = || scope_of(0);
        let mut newest = UseQuery { limit: 100, ..UseQuery::new(scope()) };
        let mut oldest = UseQuery { order: UseOrder::OldestFirst, ..newest.clone() };
        let (mut back, mut watched, count) = (Vec::new(), Vec::new(), Cell::new(0));
        let record = |uses: i64| {
            for _ in 0..uses {
                sample.record(&use_of(3, count.get(), 200));
                count.set(count.get() + 1);
            }
        };
        record(1000);
        sample.ledger.flush().await;
        for _ in 0..40 {
            let page = sample.ledger.uses(newest.clone()).await.unwrap();
            back.extend(page.uses.iter().map(|used| used.at));
            let next = page.next;
            let page = sample.ledger.uses(oldest.clone()).await.unwrap();
            watched.extend(page.uses.iter().map(|used| used.at));
            oldest.after = Some(through_text(page.next.unwrap()));
            record(70);
            sample.ledger.flush().await;
            match next {
                Some(next) => newest.after = Some(through_text(next)),
                None => break,
            }
        }
        assert_eq!(back, (0..1000).rev().map(at).collect::<Vec<_>>());
        let mut before = None;
        while before != oldest.after {
            before = oldest.after;
            let page = sample.ledger.uses(oldest.clone()).await.unwrap();
            watched.extend(page.uses.iter().map(|used| used.at));
            oldest.after = page.next;
        }
        assert_eq!(watched, (0..count.get()).map(at).collect::<Vec<_>>());
        // Whoever is at the end stays there until there is more.
        assert!(sample.ledger.uses(oldest.clone()).await.unwrap().uses.is_empty());
        record(1);
        sample.ledger.flush().await;
        let page = sample.ledger.uses(oldest).await.unwrap();
        assert_eq!(page.uses.iter().map(|used| used.at).collect::<Vec<_>>(), [at(count.get() - 1)]);
    });
}
