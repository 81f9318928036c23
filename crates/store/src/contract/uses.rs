//! Uses of links: never more than a link has, whoever takes them at once.

use presign::Fingerprint;

use super::*;

fn link(n: u8) -> Fingerprint {
    Fingerprint::of_signature(&[n])
}

fn wanted(n: u8, uses_max: u64, bytes_returned: u64) -> OpenUse {
    OpenUse { link: link(n), uses_max, bytes_returned, link_ends_at: at(100) }
}

#[test]
fn a_link_is_used_no_more_often_than_it_may_be() {
    every_engine(|engine| async move {
        let jobs = (0..200).map(|_| {
            let engine = Arc::clone(&engine);
            tokio::spawn(async move { engine.open_use(wanted(1, 5, 0)).await.unwrap() })
        });
        let mut opened = 0;
        for job in jobs.collect::<Vec<_>>() {
            opened += u32::from(job.await.unwrap());
        }
        assert_eq!(opened, 5);
        let uses = engine.link_uses(&link(1)).await.unwrap();
        assert_eq!(uses, Some(LinkUses { taken: 5, bytes_given_back: 0 }));
        assert!(engine.open_use(wanted(2, 1, 0)).await.unwrap());
        assert_eq!(engine.link_uses(&link(3)).await.unwrap(), None);
    });
}

#[test]
fn uses_are_given_back_within_a_budget() {
    every_engine(|engine| async move {
        let open = async |returned| engine.open_use(wanted(1, 1, returned)).await.unwrap();
        let give_back = async |bytes| engine.give_use_back(&link(1), bytes, 10).await.unwrap();
        let given =
            async || engine.link_uses(&link(1)).await.unwrap().map(|uses| uses.bytes_given_back);
        assert!(!give_back(1).await, "nothing was taken");
        assert!(open(0).await && !open(0).await);
        assert!(give_back(6).await && !give_back(1).await);
        assert_eq!(given().await, Some(6));
        // Whoever comes back to what they had taken has it taken again.
        assert!(open(6).await);
        assert_eq!(given().await, Some(0));
        assert!(give_back(10).await);
        assert!(open(0).await);
        assert!(!give_back(1).await, "the budget is spent");
        assert!(give_back(0).await);
        assert!(open(100).await);
        assert_eq!(given().await, Some(0));
    });
}

#[test]
fn uses_of_links_that_ended_are_forgotten() {
    every_engine(|engine| async move {
        assert!(engine.open_use(wanted(1, 1, 0)).await.unwrap());
        let later = OpenUse { link_ends_at: at(200), ..wanted(2, 1, 0) };
        assert!(engine.open_use(later).await.unwrap());
        assert_eq!(engine.forget_uses(at(100)).await.unwrap(), 0);
        assert_eq!(engine.forget_uses(at(101)).await.unwrap(), 1);
        assert_eq!(engine.link_uses(&link(1)).await.unwrap(), None);
        assert!(!engine.open_use(later).await.unwrap());
    });
}
