//! Files of requests: never more, nor larger ones, than a request takes.

use presign::Fingerprint;

use super::*;

fn file(link: u8, size: u64) -> RequestFile {
    RequestFile {
        id: RequestFile::new_id().unwrap(),
        link: Fingerprint::of_signature(&[link]),
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

const RESERVED: ReserveFile = ReserveFile::Reserved { given_up: Vec::new() };

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
            assert!(answer == RESERVED || answer == ReserveFile::TooManyFiles);
            reserved += u32::from(answer == RESERVED);
        }
        assert_eq!(reserved, 3);
        let totals = engine.request_totals(&Fingerprint::of_signature(&[1])).await.unwrap();
        assert_eq!(totals, RequestTotals { files: 3, bytes: 6, done: 0 });
        let reserve = async |size| engine.reserve_file(file(2, size), ROOM).await.unwrap();
        assert_eq!(reserve(11).await, ReserveFile::TooManyBytes(10));
        assert_eq!(reserve(8).await, RESERVED);
        assert_eq!(reserve(3).await, ReserveFile::TooManyBytes(2));
        assert_eq!(reserve(0).await, RESERVED);
    });
}

#[test]
fn a_file_is_followed_until_it_is_done_or_given_up() {
    every_engine(|engine| async move {
        let begun = file(1, 4);
        engine.reserve_file(begun.clone(), ROOM).await.unwrap();
        let find = async || engine.request_file(&begun.link, begun.id).await.unwrap();
        assert_eq!(find().await.as_ref(), Some(&begun));
        let upload = Some(UploadId::parse(&"A".repeat(32)).unwrap());
        let sent = RequestFile { upload, touched_at: at(100), ..begun.clone() };
        assert!(engine.change_file(sent.clone()).await.unwrap());
        assert_eq!(find().await.as_ref(), Some(&sent));
        assert_eq!(engine.release_idle_files(at(100)).await.unwrap(), 0);
        let done = RequestFile { is_done: true, ..sent.clone() };
        assert!(engine.change_file(done.clone()).await.unwrap());
        assert!(!engine.change_file(done.clone()).await.unwrap(), "once");
        assert!(!engine.release_file(&done.link, done.id).await.unwrap());
        assert_eq!(engine.release_idle_files(at(200)).await.unwrap(), 0);
        let totals = engine.request_totals(&done.link).await.unwrap();
        assert_eq!(totals, RequestTotals { files: 1, bytes: 4, done: 1 });
        assert!(engine.reopen_file(&done.link, done.id).await.unwrap());
        assert!(engine.release_file(&done.link, done.id).await.unwrap());
        assert!(!engine.release_file(&done.link, done.id).await.unwrap());
        assert_eq!(find().await, None);
        assert!(!engine.change_file(sent).await.unwrap());
        let idle = file(1, 4);
        engine.reserve_file(idle.clone(), ROOM).await.unwrap();
        assert_eq!(engine.release_idle_files(at(0)).await.unwrap(), 0);
        assert_eq!(engine.release_idle_files(at(1)).await.unwrap(), 1);
        let other = Fingerprint::of_signature(&[9]);
        assert_eq!(engine.request_file(&other, idle.id).await.unwrap(), None);
    });
}

#[test]
fn what_stands_still_makes_room_for_what_needs_it() {
    every_engine(|engine| async move {
        let sent =
            |link: u8, size, second| RequestFile { touched_at: at(second), ..file(link, size) };
        let room = |second| RequestRoom { idle_before: at(second), ..ROOM };
        let reserve = async |file: RequestFile, second| {
            engine.reserve_file(file, room(second)).await.unwrap()
        };
        let (old, older) = (sent(1, 2, 20), sent(1, 3, 10));
        for one in [&old, &older] {
            assert_eq!(reserve(one.clone(), 100).await, RESERVED, "there was room");
        }
        let done = sent(1, 1, 0);
        assert_eq!(reserve(done.clone(), 0).await, RESERVED);
        assert!(engine.change_file(RequestFile { is_done: true, ..done.clone() }).await.unwrap());
        // Of these three files one is done, and the others move.
        assert_eq!(reserve(sent(1, 1, 30), 10).await, ReserveFile::TooManyFiles);
        // One that stands still is enough; and what is too large for all of them takes none of them away.
        assert_eq!(reserve(sent(1, 11, 30), 100).await, ReserveFile::TooManyFiles);
        let given_up = vec![older.clone()];
        assert_eq!(reserve(sent(1, 4, 30), 100).await, ReserveFile::Reserved { given_up });
        assert_eq!(engine.request_file(&older.link, older.id).await.unwrap(), None);
        assert!(!engine.change_file(RequestFile { is_done: true, ..older }).await.unwrap());
        let totals = engine.request_totals(&done.link).await.unwrap();
        assert_eq!(totals, RequestTotals { files: 3, bytes: 7, done: 1 });
        // The bytes of both are needed, and what is done stays.
        assert_eq!(reserve(sent(1, 10, 40), 100).await, ReserveFile::TooManyFiles);
        let answer = reserve(sent(1, 9, 40), 100).await;
        let ReserveFile::Reserved { given_up } = answer else { panic!("{answer:?}") };
        assert_eq!(given_up.iter().map(|one| one.size).collect::<Vec<_>>(), [2, 4]);
        let totals = engine.request_totals(&done.link).await.unwrap();
        assert_eq!(totals, RequestTotals { files: 2, bytes: 10, done: 1 });
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
