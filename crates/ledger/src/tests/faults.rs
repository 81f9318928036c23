//! A disk that is full, a file that cannot be written, a process that dies.

use std::time::Duration;

use super::sample::{LIMITS, Sample, at, expected_of, facts_of, runtime, scope_of, use_of};
use crate::{Ledger, LinkQuery, UseOrder, UseQuery};

async fn check_loses_and_goes_on(break_it: &str, mend_it: &str) {
    let sample = Sample::new();
    let record = |first: u32, last: u32| {
        for number in first..last {
            sample.record(&use_of(3 * number, i64::from(number), 200));
        }
    };
    record(0, 300);
    sample.ledger.flush().await;
    sample.ledger.disturb(break_it).await;
    record(300, 5000);
    sample.ledger.flush().await;
    let counts = sample.ledger.counts();
    assert_eq!((counts.recorded, counts.lost, counts.queued), (300, 4700, 0), "{break_it}");
    let before = sample.uses(&UseQuery::new(scope_of(0))).await;
    assert_eq!(before.len(), 300, "{break_it}");
    sample.ledger.disturb(mend_it).await;
    // Their links are told again, since nobody has them.
    record(300, 900);
    sample.ledger.flush().await;
    assert_eq!((sample.ledger.counts().recorded, sample.ledger.lost()), (900, 4700), "{break_it}");
    let query = UseQuery { order: UseOrder::OldestFirst, ..UseQuery::new(scope_of(0)) };
    let after: Vec<_> = sample.uses(&query).await.iter().map(|used| used.at).collect();
    assert_eq!(after, (0..900).map(at).collect::<Vec<_>>(), "{break_it}");
}

#[test]
fn what_cannot_be_written_is_lost_and_the_rest_is_not() {
    runtime().block_on(async {
        // SQLite takes the least limit that the file has reached, and says that the disk is full.
        let full = "PRAGMA max_page_count = 1";
        check_loses_and_goes_on(full, "PRAGMA max_page_count = 1000000").await;
        check_loses_and_goes_on("PRAGMA query_only = 1", "PRAGMA query_only = 0").await;
    });
}

#[test]
fn a_copy_of_a_moment_opens_and_its_sums_are_those_of_its_uses() {
    let sample = Sample::new();
    runtime().block_on(async {
        for number in 0..4000_u32 {
            sample.record(&use_of(number % 60 * 3, i64::from(number), 200));
            if number.is_multiple_of(500) {
                sample.ledger.flush().await;
            }
        }
        // The log only grows while there is so little in it, so a copy of it is what a power cut would leave.
        let copy = sample.path.with_extension("copy");
        std::fs::copy(&sample.path, &copy).unwrap();
        let log = |path: &std::path::Path| {
            let mut path = path.as_os_str().to_owned();
            path.push("-wal");
            path
        };
        let mut bytes = std::fs::read(log(&sample.path)).unwrap();
        for _ in 0..5 {
            std::fs::write(log(&copy), &bytes).unwrap();
            check_copy(&copy).await;
            // An earlier moment, in the middle of a page.
            bytes.truncate(bytes.len() * 4 / 5);
            std::fs::remove_file(log(&copy)).ok();
            std::fs::copy(&sample.path, &copy).unwrap();
        }
    });
}

async fn check_copy(copy: &std::path::Path) {
    let ledger = Ledger::open_with(copy, 30, LIMITS, at(0)).unwrap();
    let query = UseQuery { order: UseOrder::OldestFirst, ..UseQuery::new(scope_of(0)) };
    let (mut uses, mut after) = (Vec::new(), None);
    loop {
        let page = ledger.uses(UseQuery { after, ..query.clone() }).await.unwrap();
        uses.extend(page.uses);
        if page.next == after {
            break;
        }
        after = page.next;
    }
    let times: Vec<_> = uses.iter().map(|used| used.at).collect();
    let count = i64::try_from(times.len()).unwrap();
    assert_eq!(times, (0..count).map(at).collect::<Vec<_>>());
    let (mut links, mut query_links) = (Vec::new(), LinkQuery::new(scope_of(0)));
    loop {
        let page = ledger.links(query_links.clone()).await.unwrap();
        links.extend(page.links);
        query_links.after = page.next;
        if page.next.is_none() {
            break;
        }
    }
    assert_eq!(links.is_empty(), uses.is_empty());
    for entry in &links {
        let of_link = uses.iter().filter(|used| used.link == entry.link).count();
        assert_eq!(usize::try_from(entry.served).unwrap(), of_link);
    }
    // It goes on where it ended.
    let told = use_of(3, 1_000_000, 200);
    ledger.record(&told, || Box::new(|| facts_of(3)));
    ledger.flush().await;
    let page = ledger.uses(UseQuery { after, ..query }).await.unwrap();
    assert_eq!(page.uses, [expected_of(&told)]);
    ledger.close().await;
}

#[test]
fn the_writer_looks_by_itself() {
    let sample = Sample::new();
    runtime().block_on(async {
        sample.record(&use_of(1, 1, 200));
        // Nobody asks for it, and the use is written.
        while sample.ledger.counts().recorded == 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        assert_eq!(sample.uses(&UseQuery::new(scope_of(1))).await.len(), 1);
    });
}
