//! What is too old goes, and nothing else does.

use rusqlite::Connection;

use super::sample::{Sample, at, expected_of, facts_of, link_of, runtime, scope_of, use_of};
use crate::{LinkQuery, LinkUse, UseOrder, UseQuery};

const DAY: i64 = 24 * 3600 * 1000;
/// From a first use to the next one that cannot be in the same segment.
const STEP: i64 = DAY + 1000;

fn count(sample: &Sample, table: &str) -> i64 {
    let connection = Connection::open(&sample.path).unwrap();
    connection.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0)).unwrap()
}

#[test]
fn uses_and_links_go_when_they_are_too_old() {
    let sample = Sample::new();
    runtime().block_on(async {
        sample.note(999, 0);
        // 300 uses of two links a day, each link used on one day only, for fifty days.
        for day in 0..50_u32 {
            for number in 0..300_u32 {
                let link = 3 * (2 * day + number % 2);
                let milliseconds = i64::from(day) * STEP + i64::from(number);
                sample.record(&use_of(link, milliseconds, 200));
            }
        }
        sample.ledger.flush().await;
        let scope = || scope_of(0);
        let watch =
            UseQuery { order: UseOrder::OldestFirst, limit: 1000, ..UseQuery::new(scope()) };
        let days = async |days: std::ops::Range<i64>| {
            let uses = sample.uses(&UseQuery::new(scope())).await;
            let first = uses.last().map(|used| used.at);
            let expected = usize::try_from(300 * (days.end - days.start)).unwrap();
            assert_eq!((uses.len(), first), (expected, Some(at(days.start * STEP))), "{days:?}");
        };
        days(0..50).await;
        assert_eq!((count(&sample, "segments"), count(&sample, "links")), (49, 101));
        // Thirty days ago was in the middle of the uses of a day: their segment stays whole, and so do their links.
        let now = at(20 * STEP + 150 + 30 * DAY);
        sample.ledger.maintain(now).await;
        days(20..50).await;
        let links = sample.links(&LinkQuery::new(scope())).await;
        // Links end by the sample's clock: those without an end stay, and so does that which nobody used.
        let expected = |link: u32| link >= 3 * 40 || facts_of(link).ends_at.is_none();
        let kept = (0..100).map(|number| 3 * number).filter(|link| expected(*link)).count();
        assert_eq!(links.len(), kept);
        assert_eq!(links.iter().filter(|link| link.served == 150).count(), kept);
        sample.ledger.maintain(now).await;
        days(20..50).await;
        // A cursor from before goes on.
        let page = sample.ledger.uses(watch.clone()).await.unwrap();
        assert_eq!(page.uses.first().map(|used| used.at), Some(at(20 * STEP)));
        // After a long silence all is too old, also what no segment had.
        let end = {
            let mut query = watch.clone();
            loop {
                let page = sample.ledger.uses(query.clone()).await.unwrap();
                if page.next == query.after {
                    break page.next;
                }
                query.after = page.next;
            }
        };
        sample.ledger.maintain(at(500 * DAY)).await;
        assert!(sample.uses(&UseQuery::new(scope())).await.is_empty());
        let immortal =
            i64::try_from((0..100).filter(|n| facts_of(3 * n).ends_at.is_none()).count());
        assert_eq!(count(&sample, "links"), immortal.unwrap());
        assert_eq!(count(&sample, "links"), count(&sample, "objects"));
        for (table, expected) in [("blocks", 0), ("postings", 0), ("segments", 1)] {
            assert_eq!(count(&sample, table), expected, "{table}");
        }
        // Links that are told again are new ones, and whoever watches sees their uses.
        let told = use_of(3 * 99, 500 * DAY, 200);
        sample.record(&told);
        sample.ledger.flush().await;
        let page = sample.ledger.uses(UseQuery { after: end, ..watch }).await.unwrap();
        assert_eq!(page.uses, [expected_of(&told)]);
    });
}

#[test]
fn an_object_of_a_folder_stays_as_long_as_its_last_use() {
    let sample = Sample::new();
    runtime().block_on(async {
        let keys = async || {
            let uses = sample.uses(&UseQuery::new(scope_of(9))).await;
            uses.into_iter().map(|used| used.key).collect::<Vec<_>>()
        };
        // Link 9 is for many objects; 3 is for one that 9 is used for as well, and ends.
        let shared = facts_of(3).key;
        sample.record(&use_of(3, 0, 200));
        for (key, day) in [(shared.as_str(), 0), ("inner/a", 0), (&shared, 20), ("inner/b", 20)] {
            sample.record(&LinkUse { key: Some(key), ..use_of(9, day * DAY, 200) });
        }
        sample.ledger.flush().await;
        sample.ledger.maintain(at(45 * DAY)).await;
        assert_eq!(keys().await, ["inner/b", &shared]);
        assert!(
            sample
                .links(&LinkQuery::new(scope_of(3)))
                .await
                .iter()
                .all(|link| { link.link.fingerprint != link_of(3) })
        );
        let objects = || count(&sample, "objects");
        assert_eq!(objects(), 3, "two that were used, and that of the link");
        sample.ledger.maintain(at(60 * DAY)).await;
        assert!(keys().await.is_empty());
        assert_eq!(objects(), count(&sample, "links"));
    });
}

#[test]
fn a_link_with_a_use_in_no_segment_stays() {
    let sample = Sample::new();
    runtime().block_on(async {
        sample.record(&use_of(3, 0, 200));
        sample.record(&use_of(6, 0, 200));
        sample.ledger.flush().await;
        // The first uses are closed away; then one of the links is refused, long after its end.
        sample.ledger.maintain(at(2 * DAY)).await;
        sample.record(&use_of(3, 40 * DAY, 403));
        sample.ledger.flush().await;
        sample.ledger.maintain(at(40 * DAY)).await;
        let links = sample.links(&LinkQuery::new(scope_of(3))).await;
        let counts: Vec<_> =
            links.iter().map(|link| (link.link.fingerprint, link.served, link.refused)).collect();
        assert_eq!(counts, [(link_of(3), 1, 1)]);
        let uses = sample.uses(&UseQuery::new(scope_of(3))).await;
        assert_eq!(uses, [expected_of(&use_of(3, 40 * DAY, 403))]);
    });
}
