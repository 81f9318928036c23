//! Files of requests: never more, nor larger ones, than a request takes; and each becomes what its upload does.

use presign::Fingerprint;

use super::managed_links::managed;
use super::uploads::{begin, complete, garbage, new_upload, put_part};
use super::*;

fn file(link: u8, size: u64) -> RequestFile {
    RequestFile {
        id: RequestFile::new_id().unwrap(),
        link: Fingerprint::of_signature(&[link]),
        bucket: the_bucket(),
        key: key("in/a"),
        name: "ä.txt".to_owned(),
        size,
        upload: None,
        is_done: false,
        touched_at: at(0),
    }
}

/// Nothing stands still.
const ROOM: RequestRoom =
    RequestRoom { files_max: 3, bytes_max: 10, idle_before: Timestamp::UNIX_EPOCH };

/// A file that is sent by a link, with an upload that has begun.
async fn begun(engine: &impl Metadata, link: Fingerprint, size: u64) -> (RequestFile, Arc<Upload>) {
    let file = RequestFile { link, ..file(0, size) };
    let reserved = engine.reserve_file(file.clone(), ROOM).await.unwrap();
    assert_eq!(reserved, ReserveFile::Reserved);
    let upload = begin(engine, new_upload("in/a"), 0).await;
    assert!(engine.begin_file(&file.link, file.id, upload.id, at(0)).await.unwrap());
    (RequestFile { upload: Some(upload.id), ..file }, upload)
}

/// How many files there are, with how many bytes, and how many of them are done.
async fn totals(engine: &impl Metadata, link: &Fingerprint) -> (u64, u64, u64) {
    let RequestTotals { files, bytes, done } = engine.request_totals(link).await.unwrap();
    (files, bytes, done)
}

async fn is_under_way(engine: &impl Metadata, upload: &Upload) -> bool {
    engine.upload(&upload.bucket, &upload.key, upload.id).await.unwrap().is_some()
}

#[test]
fn a_request_takes_no_more_than_it_may_whoever_sends_at_once() {
    every_engine(|engine| async move {
        let jobs = (0..50).map(|_| {
            let engine = Arc::clone(&engine);
            tokio::spawn(async move { engine.reserve_file(file(1, 2), ROOM).await.unwrap() })
        });
        let mut reserved = 0;
        for job in jobs.collect::<Vec<_>>() {
            let answer = job.await.unwrap();
            assert!(answer == ReserveFile::Reserved || answer == ReserveFile::TooManyFiles);
            reserved += u32::from(answer == ReserveFile::Reserved);
        }
        assert_eq!(reserved, 3);
        assert_eq!(totals(&*engine, &Fingerprint::of_signature(&[1])).await, (3, 6, 0));
        let reserve = async |size| engine.reserve_file(file(2, size), ROOM).await.unwrap();
        assert_eq!(reserve(11).await, ReserveFile::TooManyBytes(10));
        assert_eq!(reserve(8).await, ReserveFile::Reserved);
        assert_eq!(reserve(3).await, ReserveFile::TooManyBytes(2));
        assert_eq!(reserve(0).await, ReserveFile::Reserved);
    });
}

#[test]
fn a_file_is_done_by_the_step_that_makes_its_object() {
    every_engine(|engine| async move {
        with_bucket(&*engine, Versioning::Unversioned).await;
        let link = Fingerprint::of_signature(&[1]);
        let begun_file = file(1, 10);
        engine.reserve_file(begun_file.clone(), ROOM).await.unwrap();
        let id = begun_file.id;
        let find = async || engine.request_file(&link, id).await.unwrap();
        assert_eq!(find().await.as_ref(), Some(&begun_file));
        let upload = begin(&*engine, new_upload("in/a"), 0).await;
        assert!(engine.begin_file(&link, id, upload.id, at(1)).await.unwrap());
        let other = begin(&*engine, new_upload("in/a"), 0).await;
        assert!(!engine.begin_file(&link, id, other.id, at(1)).await.unwrap(), "has one");
        let expected =
            RequestFile { upload: Some(upload.id), touched_at: at(1), ..begun_file.clone() };
        assert_eq!(find().await.as_ref(), Some(&expected));
        put_part(&*engine, &upload, 1, 1, None).await;
        assert_eq!(find().await.unwrap().touched_at, at(2), "by its part");
        put_part(&*engine, &other, 1, 2, None).await;
        assert!(engine.touch_file(&link, id, at(5)).await.unwrap());
        assert_eq!(find().await.unwrap().touched_at, at(5));

        // What is refused leaves the file under way, and so does the end of another upload.
        let refused = complete(&upload, &[(1, 9)]);
        let refused = engine.complete_upload(refused, at(6)).await.unwrap();
        assert!(matches!(refused, CompleteOutcome::InvalidPart { .. }), "{refused:?}");
        let done = engine.complete_upload(complete(&other, &[(1, 2)]), at(6)).await.unwrap();
        assert!(matches!(done, CompleteOutcome::Completed { .. }), "{done:?}");
        assert!(!find().await.unwrap().is_done);
        assert!(!engine.tell_file(&link, id).await.unwrap(), "nothing to tell");
        assert_eq!(totals(&*engine, &link).await, (1, 10, 0));

        for _ in 0..2 {
            let done = engine.complete_upload(complete(&upload, &[(1, 1)]), at(6)).await.unwrap();
            assert!(matches!(done, CompleteOutcome::Completed { .. }), "{done:?}");
            assert!(find().await.unwrap().is_done);
            assert_eq!(totals(&*engine, &link).await, (1, 10, 1));
        }
        assert!(engine.tell_file(&link, id).await.unwrap());
        assert!(!engine.tell_file(&link, id).await.unwrap(), "once");
        // What is done stays, whoever gives it up.
        assert!(!engine.touch_file(&link, id, at(7)).await.unwrap());
        assert!(!engine.release_file(&link, id, at(7)).await.unwrap());
        assert_eq!(engine.release_idle_files(at(100), at(100)).await.unwrap(), 0);
        assert!(find().await.unwrap().is_done);
        assert_eq!(totals(&*engine, &link).await, (1, 10, 1));
        let other = Fingerprint::of_signature(&[9]);
        assert_eq!(engine.request_file(&other, id).await.unwrap(), None);
    });
}

#[test]
fn a_file_and_its_upload_are_given_up_together() {
    every_engine(|engine| async move {
        with_bucket(&*engine, Versioning::Unversioned).await;
        let link = Fingerprint::of_signature(&[1]);
        let mut discarded = Vec::new();
        for (n, how) in ["sender", "idle", "aborted", "all idle"].into_iter().enumerate() {
            let (file, upload) = begun(&*engine, link, 10).await;
            let blob = u8::try_from(n + 1).unwrap();
            put_part(&*engine, &upload, 1, blob, None).await;
            // Its part came at 2.
            assert_eq!(engine.release_idle_files(at(2), at(3)).await.unwrap(), 0);
            match how {
                "sender" => assert!(engine.release_file(&link, file.id, at(3)).await.unwrap()),
                "aborted" => {
                    let Upload { bucket, key, id, .. } = &*upload;
                    assert!(engine.abort_upload(bucket, key, *id, at(3)).await.unwrap());
                }
                "idle" => assert_eq!(engine.release_idle_files(at(3), at(3)).await.unwrap(), 1),
                _ => {
                    let idle = IdleUpload {
                        bucket: upload.bucket.clone(),
                        key: upload.key.clone(),
                        id: upload.id,
                        idle_since: at(3),
                    };
                    assert!(engine.abort_idle_upload(idle, at(3)).await.unwrap());
                }
            }
            discarded.push(blob);
            assert!(!is_under_way(&*engine, &upload).await, "{how}");
            assert_eq!(engine.request_file(&link, file.id).await.unwrap(), None, "{how}");
            assert_eq!(garbage(&*engine).await, discarded, "{how}");
            // The room is free again, the whole of it.
            assert_eq!(totals(&*engine, &link).await, (0, 0, 0), "{how}");
            assert!(!engine.release_file(&link, file.id, at(4)).await.unwrap());
            assert!(!engine.begin_file(&link, file.id, upload.id, at(4)).await.unwrap());
        }
        // One whose upload never began, or is gone.
        let file = file(1, 10);
        engine.reserve_file(file.clone(), ROOM).await.unwrap();
        assert_eq!(engine.release_idle_files(at(1), at(1)).await.unwrap(), 1);
        assert_eq!(totals(&*engine, &link).await, (0, 0, 0));
    });
}

#[test]
fn a_link_that_is_closed_has_nothing_under_way() {
    every_engine(|engine| async move {
        with_bucket(&*engine, Versioning::Unversioned).await;
        let link = managed("bucket", 1);
        engine.put_managed_link(link.clone()).await.unwrap();
        let name = link.fingerprint();
        let (_, upload) = begun(&*engine, name, 3).await;
        put_part(&*engine, &upload, 1, 1, None).await;
        let (_, finished) = begun(&*engine, name, 3).await;
        put_part(&*engine, &finished, 1, 2, None).await;
        engine.complete_upload(complete(&finished, &[(1, 2)]), at(3)).await.unwrap();
        let (_, of_another) = begun(&*engine, Fingerprint::of_signature(&[1]), 3).await;
        let stale = ManagedLink { closed_at: Some(at(5)), revision: 3, ..link.clone() };
        let close = async |closed: &ManagedLink| {
            engine.close_managed_link(closed.clone(), None, at(5)).await.unwrap()
        };
        assert_eq!(close(&stale).await, Some(CloseManagedLink::Changed));
        assert!(is_under_way(&*engine, &upload).await, "the link was extended");
        let closed = ManagedLink { revision: 2, ..stale };
        assert_eq!(close(&closed).await, Some(CloseManagedLink::Closed(None)));
        assert!(!is_under_way(&*engine, &upload).await);
        assert!(is_under_way(&*engine, &of_another).await);
        assert_eq!(garbage(&*engine).await, [1]);
        assert_eq!(totals(&*engine, &name).await, (1, 3, 1));
        assert_ne!(look(&*engine, "in/a", None).await, "no key");
        assert_eq!(engine.forget_managed_links(at(1001)).await.unwrap(), 1);
        assert_eq!(totals(&*engine, &name).await, (0, 0, 0));
    });
}

#[test]
fn a_closing_link_gives_up_as_much_as_a_job_may() {
    every_engine(|engine| async move {
        with_bucket(&*engine, Versioning::Unversioned).await;
        let link = managed("bucket", 1);
        engine.put_managed_link(link.clone()).await.unwrap();
        let room = RequestRoom { files_max: 10_000, bytes_max: 10_000, ..ROOM };
        let jobs = (0..998).map(|_| {
            let (engine, link) = (Arc::clone(&engine), link.fingerprint());
            let file = RequestFile { link, ..file(0, 1) };
            tokio::spawn(async move { engine.reserve_file(file, room).await.unwrap() })
        });
        for job in jobs.collect::<Vec<_>>() {
            assert_eq!(job.await.unwrap(), ReserveFile::Reserved);
        }
        // A thousand files, and two parts.
        for part in [1, 2] {
            let file = RequestFile { link: link.fingerprint(), ..file(0, 1) };
            engine.reserve_file(file.clone(), room).await.unwrap();
            let upload = begin(&*engine, new_upload("in/a"), 0).await;
            assert!(engine.begin_file(&file.link, file.id, upload.id, at(0)).await.unwrap());
            put_part(&*engine, &upload, 1, part, None).await;
        }
        let closed = ManagedLink { closed_at: Some(at(5)), revision: 2, ..link.clone() };
        let mut rounds = 0;
        while engine.close_managed_link(closed.clone(), None, at(5)).await.unwrap().is_none() {
            rounds += 1;
            let found = engine.managed_link(&link.fingerprint()).await.unwrap().unwrap();
            assert_eq!(found.closed_at, None);
        }
        assert!(rounds <= 1, "{rounds}");
        assert_eq!(garbage(&*engine).await, [1, 2]);
        assert_eq!(totals(&*engine, &link.fingerprint()).await, (0, 0, 0));
    });
}

#[test]
fn a_bucket_that_goes_takes_its_files_along() {
    every_engine(|engine| async move {
        with_bucket(&*engine, Versioning::Unversioned).await;
        let link = Fingerprint::of_signature(&[1]);
        let (file, _) = begun(&*engine, link, 3).await;
        let deleted = engine.delete_bucket(&the_bucket(), at(3)).await.unwrap();
        assert!(matches!(deleted, DeleteBucket::Deleted), "{deleted:?}");
        assert_eq!(engine.request_file(&link, file.id).await.unwrap(), None);
        assert_eq!(totals(&*engine, &link).await, (0, 0, 0));
    });
}

#[test]
fn what_stands_still_makes_room_for_what_needs_it() {
    every_engine(|engine| async move {
        with_bucket(&*engine, Versioning::Unversioned).await;
        let sent =
            |link: u8, size, second| RequestFile { touched_at: at(second), ..file(link, size) };
        let room = |second| RequestRoom { idle_before: at(second), ..ROOM };
        let reserve = async |file: RequestFile, second| {
            engine.reserve_file(file, room(second)).await.unwrap()
        };
        let (old, older) = (sent(1, 2, 20), sent(1, 3, 10));
        for one in [&old, &older] {
            assert_eq!(reserve(one.clone(), 100).await, ReserveFile::Reserved, "there was room");
        }
        let done = RequestFile { is_done: true, ..sent(1, 1, 0) };
        assert_eq!(reserve(done.clone(), 0).await, ReserveFile::Reserved);
        let upload = begin(&*engine, new_upload("in/a"), 0).await;
        assert!(engine.begin_file(&older.link, older.id, upload.id, at(10)).await.unwrap());
        // Of these three files one is done, and the others move.
        assert_eq!(reserve(sent(1, 1, 30), 10).await, ReserveFile::TooManyFiles);
        // One that stands still is enough; and what is too large for all of them takes none of them away.
        assert_eq!(reserve(sent(1, 11, 30), 100).await, ReserveFile::TooManyFiles);
        let find = async |file: &RequestFile| {
            engine.request_file(&file.link, file.id).await.unwrap().is_some()
        };
        assert!(find(&older).await && is_under_way(&*engine, &upload).await);
        let newer = sent(1, 4, 30);
        assert_eq!(reserve(newer.clone(), 100).await, ReserveFile::Reserved);
        assert!(!find(&older).await && find(&old).await);
        assert!(!is_under_way(&*engine, &upload).await, "its upload goes with it");
        assert!(!engine.begin_file(&older.link, older.id, upload.id, at(30)).await.unwrap());
        assert_eq!(totals(&*engine, &done.link).await, (3, 7, 1));
        // The bytes of both are needed, and what is done stays.
        assert_eq!(reserve(sent(1, 10, 40), 100).await, ReserveFile::TooManyFiles);
        assert_eq!(reserve(sent(1, 9, 40), 100).await, ReserveFile::Reserved);
        assert!(!find(&old).await && !find(&newer).await && find(&done).await);
        assert_eq!(totals(&*engine, &done.link).await, (2, 10, 1));
    });
}

#[test]
fn what_stands_still_is_given_to_one_of_many() {
    every_engine(|engine| async move {
        let room = RequestRoom { files_max: 1, idle_before: at(10), ..ROOM };
        engine.reserve_file(file(1, 2), room).await.unwrap();
        let jobs = (0..20).map(|_| {
            let engine = Arc::clone(&engine);
            let next = RequestFile { touched_at: at(20), ..file(1, 2) };
            tokio::spawn(async move { engine.reserve_file(next, room).await.unwrap() })
        });
        let mut reserved = 0;
        for job in jobs.collect::<Vec<_>>() {
            reserved += u32::from(job.await.unwrap() != ReserveFile::TooManyFiles);
        }
        assert_eq!(reserved, 1);
    });
}
