//! Bodies that the disk does not give back: said before an answer begins, since nobody can take a 200 back.

use std::path::PathBuf;

use crate::harness::{World, get, put};

const INTERNAL_ERROR: &str = "500 <Code>InternalError</Code><Message>We encountered an internal error. Please try again.</Message>";
/// More than is kept in memory with a record, and more than one chunk.
const SIZE: usize = 300_000;

/// The file of the only body that is one.
fn file(world: &World) -> PathBuf {
    let directories = std::fs::read_dir(world.data_dir().join("blobs")).unwrap();
    let files =
        directories.flat_map(|directory| std::fs::read_dir(directory.unwrap().path()).unwrap());
    let files: Vec<_> = files.map(|file| file.unwrap().path()).collect();
    assert_eq!(files.len(), 1, "{files:?}");
    files[0].clone()
}

#[tokio::test]
async fn a_body_that_has_no_first_byte_is_a_refusal() {
    let spoil_byte = |at: usize| {
        move |file: PathBuf| {
            let mut bytes = std::fs::read(&file).unwrap();
            bytes[at] ^= 1;
            std::fs::write(file, bytes).unwrap();
        }
    };
    let check = async |spoil: &dyn Fn(PathBuf), range: &str, expected: Option<&str>| {
        let world = World::with_bucket().await;
        assert_eq!(world.send(put("/bucket/k", &"v".repeat(SIZE))).await.status, 200);
        spoil(file(&world));
        let ask = get("/bucket/k").header("range", range);
        match expected {
            Some(refusal) => assert_eq!(world.refused(ask).await, refusal),
            None => assert_eq!(world.send(ask).await.status, 206),
        }
    };
    let whole = "bytes=0-";
    check(&|file| std::fs::remove_file(file).unwrap(), whole, Some(INTERNAL_ERROR)).await;
    check(&|file| std::fs::write(file, "").unwrap(), whole, Some(INTERNAL_ERROR)).await;
    check(&|file| std::fs::write(file, vec![0; SIZE]).unwrap(), whole, Some(INTERNAL_ERROR)).await;
    check(&spoil_byte(0), whole, Some(INTERNAL_ERROR)).await;
    check(&spoil_byte(0), "bytes=70000-70000", None).await;
    check(&spoil_byte(66_000), "bytes=70000-70000", Some(INTERNAL_ERROR)).await;
    check(&|_| (), whole, None).await;
}
