//! Notices: each event is told of as often as it may be, to each receiver, until it is delivered or given up.

use std::collections::BTreeSet;

use presign::Fingerprint;

use super::*;

fn link(name: &str) -> Fingerprint {
    Fingerprint::of_signature(name.as_bytes())
}

fn new(event: NoticeEvent, at_seconds: i64, targets: &[&str]) -> NewNotice {
    let targets =
        targets.iter().map(|target| (NoticeId::generate().unwrap(), (*target).to_owned()));
    NewNotice {
        link: link("a"),
        account: account(),
        event,
        at: at(at_seconds),
        facts: NoticeFacts {
            label: Some("für Zoë".to_owned()),
            bucket: "bucket".to_owned(),
            key: "a/ä".to_owned(),
            bytes: Some(7),
            address: Some("2001:db8::1".parse().unwrap()),
        },
        targets: targets.collect(),
    }
}

#[test]
fn a_notice_waits_for_each_receiver_as_it_was_recorded() {
    every_engine(|engine| async move {
        let wanted = new(NoticeEvent::Upload, 5, &["mailto:a@example.com", "https://b.test/hook"]);
        assert_eq!(engine.put_notice(wanted.clone()).await.unwrap(), PutNotice::Recorded);
        assert_eq!(engine.due_notices(at(4), 10).await.unwrap(), []);
        let due = engine.due_notices(at(5), 10).await.unwrap();
        assert_eq!(due.len(), 2);
        for (id, target) in &wanted.targets {
            let notice = due.iter().find(|notice| notice.id == *id).unwrap();
            let expected = Notice {
                id: *id,
                link: wanted.link,
                account: account(),
                event: NoticeEvent::Upload,
                at: at(5),
                facts: wanted.facts.clone(),
                target: target.clone(),
                state: NoticeState::Waiting { next_at: at(5) },
                tries: 0,
                error: None,
            };
            assert_eq!(*notice, expected);
        }
        assert_eq!(engine.waiting_notices().await.unwrap(), 2);
        assert_eq!(engine.notices_of(&link("b"), 10).await.unwrap(), []);
    });
}

#[test]
fn an_event_is_told_of_as_often_as_it_may_be() {
    every_engine(|engine| async move {
        let day = 24 * 60 * 60;
        let check = async |event, at_seconds, expected| {
            let put = engine.put_notice(new(event, at_seconds, &["https://b.test"])).await.unwrap();
            assert_eq!(put, expected, "{event:?} {at_seconds}");
        };
        check(NoticeEvent::FirstUse, 1, PutNotice::Recorded).await;
        check(NoticeEvent::FirstUse, 2, PutNotice::Known).await;
        check(NoticeEvent::UsedUp, 2, PutNotice::Recorded).await;
        check(NoticeEvent::Upload, 3, PutNotice::Recorded).await;
        check(NoticeEvent::Upload, 3, PutNotice::Recorded).await;
        check(NoticeEvent::RefusedAfterEnd, 4, PutNotice::Recorded).await;
        check(NoticeEvent::RefusedAfterEnd, 3 + day, PutNotice::Known).await;
        check(NoticeEvent::RefusedAfterEnd, 4 + day, PutNotice::Recorded).await;
        check(NoticeEvent::RefusedAfterEnd, 5 + day, PutNotice::Known).await;
        let other =
            NewNotice { link: link("b"), ..new(NoticeEvent::FirstUse, 6, &["https://b.test"]) };
        assert_eq!(engine.put_notice(other).await.unwrap(), PutNotice::Recorded);
        // What was told stays known when the notices are forgotten.
        assert!(engine.forget_notices(at(100 * day)).await.unwrap() > 0);
        assert_eq!(engine.waiting_notices().await.unwrap(), 0);
        check(NoticeEvent::FirstUse, 100 * day, PutNotice::Known).await;
    });
}

#[test]
fn a_try_ends_a_notice_or_puts_it_off_with_all_for_its_receiver() {
    every_engine(|engine| async move {
        let mut ids = Vec::new();
        for target in ["https://a.test", "https://a.test", "https://b.test"] {
            let wanted = new(NoticeEvent::Upload, 1, &[target]);
            ids.push(wanted.targets[0].0);
            engine.put_notice(wanted).await.unwrap();
        }
        let due = async |now| {
            let due = engine.due_notices(at(now), 10).await.unwrap();
            due.into_iter().map(|notice| notice.id).collect::<BTreeSet<_>>()
        };
        let came = NoticeTry::PutOff { until: at(50), error: "was away".to_owned() };
        assert!(engine.end_notice_try(ids[0], came, at(2)).await.unwrap());
        assert_eq!(due(49).await, BTreeSet::from([ids[2]]));
        assert_eq!(due(50).await, BTreeSet::from([ids[0], ids[1], ids[2]]));
        assert!(engine.end_notice_try(ids[1], NoticeTry::Delivered, at(3)).await.unwrap());
        let failed = NoticeTry::Failed { error: "is gone".to_owned() };
        assert!(engine.end_notice_try(ids[2], failed, at(4)).await.unwrap());
        assert!(!engine.end_notice_try(ids[2], NoticeTry::Delivered, at(5)).await.unwrap());
        let nobody = NoticeId::generate().unwrap();
        assert!(!engine.end_notice_try(nobody, NoticeTry::Delivered, at(5)).await.unwrap());
        assert_eq!(due(1000).await, BTreeSet::from([ids[0]]));
        let all = engine.notices_of(&link("a"), 10).await.unwrap();
        let of = |id| {
            let notice = all.iter().find(|notice| notice.id == id).unwrap();
            (notice.state, notice.tries, notice.error.as_deref())
        };
        assert_eq!(of(ids[0]), (NoticeState::Waiting { next_at: at(50) }, 1, Some("was away")));
        assert_eq!(of(ids[1]), (NoticeState::Delivered, 1, None));
        assert_eq!(of(ids[2]), (NoticeState::Failed, 1, Some("is gone")));
        assert_eq!(engine.waiting_notices().await.unwrap(), 1);
        // The delivered one goes first.
        let later = |days: i64| at(5) + SignedDuration::from_hours(24 * days);
        assert_eq!(engine.forget_notices(later(6)).await.unwrap(), 0);
        assert_eq!(engine.forget_notices(later(7)).await.unwrap(), 1);
        assert_eq!(engine.forget_notices(later(30)).await.unwrap(), 2);
    });
}

#[test]
fn an_account_has_its_share_and_its_limit() {
    every_engine(|engine| async move {
        let other = AccountId::parse("111111111111").unwrap();
        let targets: Vec<String> = (0..1000).map(|n| format!("https://{n}.test")).collect();
        let targets: Vec<&str> = targets.iter().map(String::as_str).collect();
        let put = async |new| engine.put_notice(new).await.unwrap();
        let one = || new(NoticeEvent::FirstUse, 3, &["https://a.test"]);
        for about in ["1", "2", "3", "4", "5", "6", "7", "8", "9", "10"] {
            let many = new(NoticeEvent::Upload, 1, &targets);
            assert_eq!(put(NewNotice { link: link(about), ..many }).await, PutNotice::Recorded);
            let more = NewNotice { link: link(about), ..one() };
            assert_eq!(put(more).await, PutNotice::TooMany, "about one link");
        }
        assert_eq!(put(one()).await, PutNotice::TooMany, "of the account");
        let of_other = NewNotice {
            account: other.clone(),
            ..new(NoticeEvent::Upload, 9, &["https://a.test"])
        };
        assert_eq!(put(of_other).await, PutNotice::Recorded);
        let due = engine.due_notices(at(10), 3).await.unwrap();
        let accounts: Vec<_> = due.iter().map(|notice| notice.account.clone()).collect();
        assert_eq!(accounts, [account(), account(), account(), other]);
        engine.end_notice_try(due[0].id, NoticeTry::Delivered, at(10)).await.unwrap();
        // What was dropped is not taken for told.
        assert_eq!(
            put(new(NoticeEvent::FirstUse, 3, &["https://a.test"])).await,
            PutNotice::Recorded
        );
    });
}

#[test]
fn what_was_told_is_forgotten_with_its_link() {
    every_engine(|engine| async move {
        let made = managed_links::managed("bucket", 1);
        engine.put_managed_link(made.clone()).await.unwrap();
        let told = async || {
            let new = new(NoticeEvent::FirstUse, 1, &["https://a.test"]);
            engine.put_notice(NewNotice { link: made.fingerprint(), ..new }).await.unwrap()
        };
        assert_eq!(told().await, PutNotice::Recorded);
        assert_eq!(told().await, PutNotice::Known);
        let closed = ManagedLink { closed_at: Some(at(1000)), revision: 2, ..made.clone() };
        engine.close_managed_link(closed, None, at(1000)).await.unwrap();
        assert_eq!(engine.forget_managed_links(at(1001)).await.unwrap(), 1);
        assert_eq!(told().await, PutNotice::Recorded);
    });
}
