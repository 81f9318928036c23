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

const ROOM: RequestRoom = RequestRoom { files_max: 3, bytes_max: 10 };

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
            assert!(matches!(answer, ReserveFile::Reserved | ReserveFile::TooManyFiles));
            reserved += u32::from(answer == ReserveFile::Reserved);
        }
        assert_eq!(reserved, 3);
        let totals = engine.request_totals(&Fingerprint::of_signature(&[1])).await.unwrap();
        assert_eq!(totals, RequestTotals { files: 3, bytes: 6, done: 0 });
        let reserve = async |size| engine.reserve_file(file(2, size), ROOM).await.unwrap();
        assert_eq!(reserve(11).await, ReserveFile::TooManyBytes(10));
        assert_eq!(reserve(8).await, ReserveFile::Reserved);
        assert_eq!(reserve(3).await, ReserveFile::TooManyBytes(2));
        assert_eq!(reserve(0).await, ReserveFile::Reserved);
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
