//! `valet get` and `valet put` against a server that answers from a script.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::string_slice, reason = "tests")]

#[path = "support/script.rs"]
mod script;

use std::fs;

use script::{Script, Told, answer, assert_told, refusal, valet};
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;

/// The body of the object, its `ETag` and the header lines that go with it.
const BODY: &str = "0123456789";
const ETAG: &str = "\"781e5e245d69b566979b86e28d23f2c7\"";

fn url_of(script: &Script) -> String {
    format!("http://{}/b/dir/report.txt?X-Amz-Signature=s3cr3t", script.address)
}

/// What a state says of where its object came from: the hash of the link without its query.
fn origin_of(script: &Script) -> String {
    let place = format!("http://{}/b/dir/report.txt", script.address);
    let hash = Sha256::digest(place.as_bytes());
    hash.iter().fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"))
}

fn whole(headers: &[&str]) -> String {
    answer("200 OK", &[&[&*format!("ETag: {ETAG}")], headers].concat(), BODY)
}

fn rest(from: usize) -> String {
    let range = format!("Content-Range: bytes {from}-9/10");
    answer("206 Partial Content", &[&format!("ETag: {ETAG}"), &range], &BODY[from..])
}

/// Runs `valet get URL ARGUMENTS` in a folder with `files`; returns the requests and what is left
/// in the folder.
fn get(
    answers: Vec<String>,
    files: &[(&str, &str)],
    arguments: &[&str],
    expected: Told<'_>,
) -> (Vec<String>, Vec<(String, String)>) {
    let folder = TempDir::new().unwrap();
    let script = Script::play(answers);
    let url = url_of(&script);
    for (name, text) in files {
        fs::write(folder.path().join(name), text.replace("ORIGIN", &origin_of(&script))).unwrap();
    }
    assert_told(&valet(folder.path(), &[&["get", &url], arguments].concat(), ""), expected);
    let entries = fs::read_dir(folder.path()).unwrap().map(Result::unwrap);
    let mut left: Vec<(String, String)> = entries
        .map(|entry| {
            let name = entry.file_name().into_string().unwrap();
            (name, fs::read_to_string(entry.path()).unwrap())
        })
        .collect();
    left.sort();
    (script.requests(), left)
}

fn file(name: &str, text: &str) -> Vec<(String, String)> {
    vec![(name.to_owned(), text.to_owned())]
}

/// What an interrupted run leaves of the download of `f`, as far as the fourth byte.
const STATE: &str = "valet get 2\n0123456789abcdef\nORIGIN\n\"781e5e245d69b566979b86e28d23f2c7\"\n";
const UNFINISHED: [(&str, &str); 2] =
    [(".f.valet-state", STATE), (".valet-part-0123456789abcdef", "0123")];

const VERIFIED: &str = "note: 10 B; MD5 verified\n";

#[test]
fn a_download_gets_its_name_when_it_is_whole() {
    let (requests, left) = get(vec![whole(&[])], &[], &["f"], (0, "f\n", VERIFIED));
    assert_eq!(left, file("f", BODY));
    assert!(requests[0].starts_with("get /b/dir/report.txt?x-amz-signature=s3cr3t http/1.1\r\n"));
    assert!(!requests[0].contains("range:"));

    let (_, left) = get(vec![whole(&[])], &[("f", "old")], &["f"], (0, "f\n", VERIFIED));
    assert_eq!(left, file("f", BODY));

    let (_, left) = get(vec![whole(&[])], &[], &["-"], (0, BODY, VERIFIED));
    assert_eq!(left, []);

    let plain = answer("200 OK", &[], BODY);
    let note = "note: 10 B; not verified: the link does not ask for the checksum\n";
    let (_, left) = get(vec![plain], &[], &["f"], (0, "f\n", note));
    assert_eq!(left, file("f", BODY));

    let note = "note: 0 B; not verified: the link does not ask for the checksum\n";
    let (_, left) = get(vec![answer("200 OK", &[], "")], &[], &["f"], (0, "f\n", note));
    assert_eq!(left, file("f", ""));
}

#[test]
fn the_server_names_the_file_but_overwrites_nothing() {
    let report = (0, "report.txt\n", VERIFIED);
    assert_eq!(get(vec![whole(&[])], &[], &[], report).1, file("report.txt", BODY));

    let named = || whole(&["Content-Disposition: attachment; filename=\"../x.txt\""]);
    assert_eq!(get(vec![named()], &[], &[], (0, "x.txt\n", VERIFIED)).1, file("x.txt", BODY));

    let told = (2, "", "error: x.txt exists; name a FILE to replace it\n");
    assert_eq!(get(vec![named()], &[("x.txt", "mine")], &[], told).1, file("x.txt", "mine"));
}

#[test]
fn a_broken_download_goes_on() {
    let half = || answer("200 OK", &[&format!("ETag: {ETAG}"), "Content-Length: 10"], &BODY[..4]);
    let folder = UNFINISHED;

    let script = vec![half(), rest(4)];
    let note = "note: the connection broke: end of file before message length reached; trying \
                again\nnote: 10 B; MD5 verified\n";
    let (requests, left) = get(script, &[], &["f"], (0, "f\n", note));
    assert_eq!(left, file("f", BODY));
    assert!(requests[1].contains("\r\nrange: bytes=4-\r\n"), "{}", requests[1]);
    assert!(requests[1].contains(&format!("\r\nif-match: {ETAG}\r\n")), "{}", requests[1]);

    let note = "note: going on after 4 B\nnote: 10 B; MD5 verified\n";
    let (requests, left) = get(vec![rest(4)], &folder, &["f"], (0, "f\n", note));
    assert_eq!(left, file("f", BODY));
    assert!(requests[0].contains("\r\nrange: bytes=4-\r\n"), "{}", requests[0]);

    let changed = refusal("412 Precondition Failed", "PreconditionFailed", "", "");
    let note = "note: the object has changed: starting over\nnote: 10 B; MD5 verified\n";
    let (requests, left) = get(vec![changed, whole(&[])], &folder, &["f"], (0, "f\n", note));
    assert_eq!(left, file("f", BODY));
    assert!(!requests[1].contains("range:"), "{}", requests[1]);

    let note = "note: the server sends no part of it: starting over\nnote: 10 B; MD5 verified\n";
    let (_, left) = get(vec![whole(&[])], &folder, &["f"], (0, "f\n", note));
    assert_eq!(left, file("f", BODY));

    let end = answer("416 Range Not Satisfiable", &["Content-Range: bytes */2"], "");
    let note = "note: what was begun does not fit the object: starting over\n\
                note: 10 B; MD5 verified\n";
    let (_, left) = get(vec![end, whole(&[])], &folder, &["f"], (0, "f\n", note));
    assert_eq!(left, file("f", BODY));

    // Without its ETag, nobody can know of what the part is one.
    let unknown = [(".f.valet-state", "valet get 2\n0123456789abcdef\nORIGIN\n\n"), folder[1]];
    let (requests, left) = get(vec![whole(&[])], &unknown, &["f"], (0, "f\n", VERIFIED));
    assert_eq!(left, file("f", BODY));
    assert!(!requests[0].contains("range:"), "{}", requests[0]);

    let named = || whole(&["Content-Disposition: attachment; filename=f"]);
    let note = "note: going on after 4 B\nnote: 10 B; MD5 verified\n";
    let (requests, left) = get(vec![named(), rest(4)], &folder, &[], (0, "f\n", note));
    assert_eq!(left, file("f", BODY));
    assert!(requests[1].contains("\r\nrange: bytes=4-\r\n"), "{}", requests[1]);
}

#[test]
fn an_interrupted_run_leaves_what_the_next_one_goes_on_with() {
    let folder = TempDir::new().unwrap();
    let half = answer("200 OK", &[&format!("ETag: {ETAG}"), "Content-Length: 10"], &BODY[..4]);
    let refused = refusal("403 Forbidden", "AccessDenied", "Access Denied", "");
    let script = Script::play(vec![half, refused, rest(4)]);
    let url = url_of(&script);
    assert_eq!(valet(folder.path(), &["get", &url, "f"], "").status.code(), Some(3));
    // A link that was made anew is of the same place.
    let url = url.replace("s3cr3t", "s3cr3t2");
    let note = "note: going on after 4 B\nnote: 10 B; MD5 verified\n";
    assert_told(&valet(folder.path(), &["get", &url, "f"], ""), (0, "f\n", note));
    script.requests();
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

/// Of an object that was sent in parts the `ETag` is no MD5, and an answer with the rest of it promises nothing.
#[test]
fn what_the_first_answer_promised_holds_for_the_run_that_goes_on() {
    let check = |checksum: &str, expected: Told<'_>| {
        let folder = TempDir::new().unwrap();
        let etag = "ETag: \"781e5e245d69b566979b86e28d23f2c7-2\"";
        let promise = format!("X-Amz-Checksum-Crc32: {checksum}");
        let half = answer("200 OK", &[etag, &promise, "Content-Length: 10"], &BODY[..4]);
        let refused = refusal("403 Forbidden", "AccessDenied", "Access Denied", "");
        let rest =
            answer("206 Partial Content", &[etag, "Content-Range: bytes 4-9/10"], &BODY[4..]);
        let script = Script::play(vec![half, refused, rest]);
        let url = url_of(&script);
        assert_eq!(valet(folder.path(), &["get", &url, "f"], "").status.code(), Some(3));
        assert_told(&valet(folder.path(), &["get", &url, "f"], ""), expected);
        script.requests();
    };
    let going_on = "note: going on after 4 B\n";
    check("poTHxg==", (0, "f\n", &format!("{going_on}note: 10 B; CRC-32 verified\n")));
    let told = "error: what arrived is not what is stored: its CRC-32 differs\n";
    check("31h/Yg==", (1, "", &format!("{going_on}{told}")));
}

/// The first answer of whoever wants their bytes before those of another server: a tag that is that server's, and what
/// the mixture would have.
fn forged(promise: &str) -> Vec<String> {
    let headers = [&*format!("ETag: {ETAG}"), promise, "Content-Length: 10"];
    let refused = refusal("403 Forbidden", "AccessDenied", "Access Denied", "");
    vec![answer("200 OK", &headers, "evil"), refused]
}

/// Of `evil456789`.
const FORGED: [&str; 2] =
    ["X-Amz-Checksum-Md5: ffvBNfbhfVbdnsNPyGMudA==", "X-Amz-Checksum-Crc32: npuSyg=="];

const ELSEWHERE: &str = "note: what was begun came from elsewhere: starting over\n";

#[test]
fn what_another_server_began_is_not_gone_on_with() {
    for promise in FORGED {
        let folder = TempDir::new().unwrap();
        let evil = Script::play(forged(promise));
        let output = valet(folder.path(), &["get", &url_of(&evil), "f"], "");
        assert_eq!(output.status.code(), Some(3));
        evil.requests();
        let script = Script::play(vec![whole(&[])]);
        let output = valet(folder.path(), &["get", &url_of(&script), "f"], "");
        assert_told(&output, (0, "f\n", &format!("{ELSEWHERE}{VERIFIED}")));
        assert_eq!(fs::read_to_string(folder.path().join("f")).unwrap(), BODY);
        let request = &script.requests()[0];
        assert!(!request.contains("range:") && !request.contains("if-match:"), "{request}");
    }
    // Nor where the server's name for it is what brings both together.
    let folder = TempDir::new().unwrap();
    let evil = Script::play(forged(FORGED[0]));
    assert_eq!(valet(folder.path(), &["get", &url_of(&evil), "g"], "").status.code(), Some(3));
    evil.requests();
    let script = Script::play(vec![whole(&["Content-Disposition: attachment; filename=g"])]);
    let output = valet(folder.path(), &["get", &url_of(&script)], "");
    assert_told(&output, (0, "g\n", &format!("{ELSEWHERE}{VERIFIED}")));
    assert_eq!(fs::read_to_string(folder.path().join("g")).unwrap(), BODY);
    script.requests();
}

/// A state of an earlier version does not say where its bytes came from.
#[test]
fn what_came_from_nobody_knows_where_is_not_gone_on_with() {
    let old =
        (UNFINISHED[0].0, "valet get 1\n0123456789abcdef\n\"781e5e245d69b566979b86e28d23f2c7\"\n");
    let told = format!("{ELSEWHERE}{VERIFIED}");
    let (requests, left) = get(vec![whole(&[])], &[old, UNFINISHED[1]], &["f"], (0, "f\n", &told));
    assert_eq!(left, file("f", BODY));
    assert!(!requests[0].contains("range:"), "{}", requests[0]);
}

#[test]
fn what_another_server_began_is_not_gone_on_with_by_cp() {
    let folder = TempDir::new().unwrap();
    let evil = Script::play(forged(FORGED[0]));
    assert_eq!(valet(folder.path(), &["get", &url_of(&evil), "f"], "").status.code(), Some(3));
    evil.requests();
    let script = Script::play(vec![whole(&[])]);
    let endpoint = format!("http://{}", script.address);
    let key = [
        ("AWS_ACCESS_KEY_ID", "AK"),
        ("AWS_SECRET_ACCESS_KEY", "s3cr3t"),
        ("AWS_ENDPOINT_URL", &*endpoint),
    ];
    let words = ["cp", "s3://b/dir/report.txt", "f"];
    let output = script::valet_with(folder.path(), &words, "", &key);
    assert_told(&output, (0, "f\n", &format!("{ELSEWHERE}{VERIFIED}")));
    let request = &script.requests()[0];
    assert!(!request.contains("range:") && !request.contains("if-match:"), "{request}");
}

#[test]
fn another_object_of_the_same_server_is_not_gone_on_with() {
    let folder = TempDir::new().unwrap();
    let script = Script::play([forged(FORGED[0]), vec![whole(&[])]].concat());
    let url = url_of(&script);
    let other = url.replace("report.txt", "mine.txt");
    assert_eq!(valet(folder.path(), &["get", &other, "f"], "").status.code(), Some(3));
    let output = valet(folder.path(), &["get", &url, "f"], "");
    assert_told(&output, (0, "f\n", &format!("{ELSEWHERE}{VERIFIED}")));
    script.requests();
}

/// All that is promised must hold: what the first answer promised, and what the answer with the rest does.
#[test]
fn promises_that_contradict_each_other_are_not_gone_on_with() {
    let note = "note: what is promised of the object has changed: starting over\n";
    let check = |first: &str, then: &[&str], notes: &str| {
        let folder = TempDir::new().unwrap();
        let range = ["Content-Range: bytes 4-9/10", &format!("ETag: {ETAG}")];
        let rest = answer("206 Partial Content", &[&range, then].concat(), &BODY[4..]);
        let script = Script::play([forged(first), vec![rest, whole(&[])]].concat());
        let url = url_of(&script);
        assert_eq!(valet(folder.path(), &["get", &url, "f"], "").status.code(), Some(3));
        let output = valet(folder.path(), &["get", &url, "f"], "");
        assert_told(&output, (0, "f\n", &format!("{notes}{VERIFIED}")));
        script.requests();
    };
    // The tag is an MD5 too.
    check(FORGED[0], &[], note);
    check(FORGED[1], &["X-Amz-Checksum-Crc32: poTHxg=="], note);

    // What is forged of another kind fails with the tag, though it holds itself.
    let folder = TempDir::new().unwrap();
    let script = Script::play([forged(FORGED[1]), vec![rest(4)]].concat());
    let url = url_of(&script);
    assert_eq!(valet(folder.path(), &["get", &url, "f"], "").status.code(), Some(3));
    let told =
        "note: going on after 4 B\nerror: what arrived is not what is stored: its MD5 differs\n";
    assert_told(&valet(folder.path(), &["get", &url, "f"], ""), (1, "", told));
    script.requests();

    // And in one answer.
    let both = || whole(&[FORGED[0]]);
    let told = (1, "", "error: what arrived is not what is stored: its MD5 differs\n");
    assert_eq!(get(vec![both()], &[], &["f"], told).1, []);

    // Nor within a run.
    let half = answer("200 OK", &[&format!("ETag: {ETAG}"), "Content-Length: 10"], &BODY[..4]);
    let range = ["Content-Range: bytes 4-9/10", &format!("ETag: {ETAG}"), FORGED[0]];
    let other = answer("206 Partial Content", &range, &BODY[4..]);
    let broke =
        "note: the connection broke: end of file before message length reached; trying again\n";
    let told = format!("{broke}{note}{VERIFIED}");
    let (_, left) = get(vec![half, other, whole(&[])], &[], &["f"], (0, "f\n", &told));
    assert_eq!(left, file("f", BODY));
}

#[test]
fn nothing_is_touched_that_another_made() {
    let mine = [("f.part", "0123"), ("f.part.etag", ETAG), ("f.part.valet-state", "x")];
    let kept = |left: &[(String, String)]| {
        mine.iter().all(|(name, text)| left.contains(&((*name).to_owned(), (*text).to_owned())))
    };
    let named = || whole(&["Content-Disposition: attachment; filename=f"]);
    let (requests, left) = get(vec![whole(&[])], &mine, &["f"], (0, "f\n", VERIFIED));
    assert!(kept(&left) && left.len() == 4, "{left:?}");
    assert!(!requests[0].contains("range:"), "{}", requests[0]);
    let (_, left) = get(vec![named()], &mine, &[], (0, "f\n", VERIFIED));
    assert!(kept(&left) && left.len() == 4, "{left:?}");

    // Not a state, or not of this command: it stays, and so does what it names.
    let told = "error: .f.valet-state is in the way, and no unfinished download: remove it\n";
    for text in ["mine", "\n", "valet get 1\n../../../../x\n\"e\"\n"] {
        let (_, left) = get(vec![], &[(".f.valet-state", text)], &["f"], (1, "", told));
        assert_eq!(left, file(".f.valet-state", text));
    }
}

#[test]
fn a_run_that_ended_before_it_wrote_a_word_hinders_none() {
    let (_, left) = get(vec![whole(&[])], &[(".f.valet-state", "")], &["f"], (0, "f\n", VERIFIED));
    assert_eq!(left, file("f", BODY));
}

#[test]
fn no_link_is_followed() {
    let folder = TempDir::new().unwrap();
    let path = |name: &str| folder.path().join(name);
    let run = |answers: Vec<String>, arguments: &[&str]| {
        let script = Script::play(answers);
        let url = url_of(&script);
        let output = valet(folder.path(), &[&["get", &url], arguments].concat(), "");
        script.requests();
        output
    };
    fs::write(path("victim"), "mine").unwrap();
    for name in ["f.part", "f.part.etag", ".f.valet-state"] {
        std::os::unix::fs::symlink("victim", path(name)).unwrap();
    }
    let told = "error: .f.valet-state is in the way, and no unfinished download: remove it\n";
    assert_told(&run(vec![], &["f"]), (1, "", told));
    fs::remove_file(path(".f.valet-state")).unwrap();
    // A second name of the victim is the victim.
    fs::write(path(".f.valet-state"), STATE.replace("ORIGIN", &"0".repeat(64))).unwrap();
    fs::hard_link(path("victim"), path(".valet-part-0123456789abcdef")).unwrap();
    let told = "error: .valet-part-0123456789abcdef is in the way, and no unfinished download: remove it\n";
    assert_told(&run(vec![], &["f"]), (1, "", told));
    fs::remove_file(path(".valet-part-0123456789abcdef")).unwrap();
    assert_told(&run(vec![whole(&[])], &["f"]), (0, "f\n", VERIFIED));
    assert_eq!(fs::read_to_string(path("victim")).unwrap(), "mine");
    assert_eq!(fs::read_to_string(path("f")).unwrap(), BODY);

    // A name that leads nowhere is a name too, and a folder is no file.
    std::os::unix::fs::symlink("nowhere", path("report.txt")).unwrap();
    let told = "error: report.txt exists; name a FILE to replace it\n";
    assert_told(&run(vec![whole(&[])], &[]), (2, "", told));
    assert!(!path("nowhere").exists());
    std::os::unix::fs::symlink("/dev/null", path("n")).unwrap();
    assert_told(&run(vec![whole(&[])], &["n"]), (2, "", "error: n is not a file\n"));
}

#[test]
fn a_place_that_cannot_be_a_file_is_told_before_anything_is_asked() {
    let folder = TempDir::new().unwrap();
    fs::create_dir(folder.path().join("d")).unwrap();
    fs::write(folder.path().join("f"), "mine").unwrap();
    let check = |place: &str, told: &str| {
        let script = Script::play(vec![]);
        let output = valet(folder.path(), &["get", &url_of(&script), place], "");
        assert_told(&output, (2, "", &format!("error: {told}\n")));
        assert!(script.requests().is_empty());
    };
    check("dd/", "there is no folder dd/: make it, and name the file in it: dd/report.txt");
    check("d/", "d/ is a folder: name the file in it: d/report.txt");
    check("d", "d is a folder: name the file in it: d/report.txt");
    check("no/f", "there is no folder no: make it first");
    check("f/", "f is a file: without the slash, it is replaced");
    check("f/x", "f is no folder");
    let left = fs::read_dir(folder.path()).unwrap().count();
    assert_eq!((left, fs::read_to_string(folder.path().join("f")).unwrap()), (2, "mine".into()));
}

#[test]
fn what_was_moved_is_told_as_json_too() {
    let version = "X-Amz-Version-Id: v1";
    let whole = || whole(&[version]);
    let json = r#"{"file":"f","size":10,"etag":"781e5e245d69b566979b86e28d23f2c7","version_id":"v1","verified":["MD5"]}"#;
    let json = format!("{json}\n");
    let (_, left) = get(vec![whole()], &[], &["f", "--json"], (0, &json, VERIFIED));
    assert_eq!(left, file("f", BODY));
    let rest = answer(
        "206 Partial Content",
        &[&format!("ETag: {ETAG}"), "Content-Range: bytes 4-9/10", version],
        &BODY[4..],
    );
    let note = "note: going on after 4 B\nnote: 10 B; MD5 verified\n";
    get(vec![rest], &UNFINISHED, &["f", "--json"], (0, &json, note));
    let plain = answer("200 OK", &["ETag: W/\"a\""], BODY);
    let json = "{\"file\":\"f\",\"size\":10,\"etag\":\"W/\\\"a\\\"\",\"verified\":[]}\n";
    let note = "note: 10 B; not verified: the link does not ask for the checksum\n";
    get(vec![plain], &[], &["f", "--json"], (0, json, note));
    let told = "error: --json and `-` are both for standard output\n";
    get(vec![], &[], &["-", "--json"], (2, "", told));

    let put = |answer: String, arguments: &[&str], expected: &str| {
        let folder = TempDir::new().unwrap();
        fs::write(folder.path().join("f"), BODY).unwrap();
        let script = Script::play(vec![answer]);
        let url = url_of(&script);
        let output =
            valet(folder.path(), &[&["put", arguments[0], &url], &arguments[1..]].concat(), BODY);
        assert_eq!(String::from_utf8_lossy(&output.stdout), format!("{expected}\n"));
        script.requests();
    };
    let etag = format!("ETag: {ETAG}");
    put(
        answer("200 OK", &[&etag, version], ""),
        &["f", "--json"],
        r#"{"file":"f","size":10,"etag":"781e5e245d69b566979b86e28d23f2c7","version_id":"v1","verified":["MD5"]}"#,
    );
    put(
        answer("200 OK", &["ETag: \"x\""], ""),
        &["-", "--json"],
        r#"{"size":10,"etag":"x","verified":[]}"#,
    );
}

#[test]
fn a_server_that_never_gives_the_rest_is_asked_a_few_times() {
    let named = || whole(&["Content-Disposition: attachment; filename=f"]);
    let note = "note: the server sends no part of it: starting over\nnote: 10 B; MD5 verified\n";
    let (requests, left) = get(vec![named(), named()], &UNFINISHED, &[], (0, "f\n", note));
    assert_eq!((requests.len(), left), (2, file("f", BODY)));
    assert!(requests[1].contains("\r\nrange: bytes=4-\r\n"), "{}", requests[1]);
}

#[test]
fn a_name_shows_what_it_is() {
    let check = |name: &str, expected: &str| {
        let line = format!("Content-Disposition: attachment; filename*=UTF-8''{name}");
        let told = format!("{expected}\n");
        let (_, left) = get(vec![whole(&[&line])], &[], &[], (0, &told, VERIFIED));
        assert_eq!(left, file(expected, BODY));
    };
    check("-rf", "rf");
    check("in%D8%9Cvoice%E2%80%8B.pdf%E2%80%AE", "invoice.pdf");
}

#[test]
fn what_is_wrong_is_not_kept() {
    let wrong = answer("200 OK", &[&format!("ETag: {ETAG}")], "0123456780");
    let told = (1, "", "error: what arrived is not what is stored: its MD5 differs\n");
    assert_eq!(get(vec![wrong], &[], &["f"], told).1, []);

    let other = answer(
        "206 Partial Content",
        &["ETag: \"other\"", "Content-Range: bytes 4-9/10"],
        &BODY[4..],
    );
    let folder = UNFINISHED;
    let told = (1, "", "error: the server answered with another part than the one asked for\n");
    assert_eq!(get(vec![other], &folder, &["f"], told).1.len(), 2);
}

#[test]
fn headers_go_to_the_server_of_the_link_alone() {
    let arguments = ["f", "-H", "X-Amz-Key: s3cr3t"];
    let moved = |to: &str| answer("307 Temporary Redirect", &[&format!("Location: {to}")], "");
    let (requests, _) =
        get(vec![moved("/elsewhere"), whole(&[])], &[], &arguments, (0, "f\n", VERIFIED));
    for request in requests {
        assert!(request.contains("\r\nx-amz-key: s3cr3t\r\n"), "{request}");
    }

    let other = Script::play(vec![whole(&[])]);
    let to = moved(&format!("http://{}/", other.address));
    let told = "error: the server sends elsewhere: the headers of a link are not sent to another \
                server\n";
    get(vec![to.clone()], &[], &arguments, (1, "", told));
    get(vec![to], &[], &["f"], (0, "f\n", VERIFIED));
    assert!(!other.requests()[0].contains("s3cr3t"));

    let told = "error: a header is written `Name: value`, not `no header`\n";
    get(vec![], &[], &["f", "-H", "no header"], (2, "", told));
}

#[test]
fn refusals_are_told_in_words() {
    let expired = "<Expires>2026-01-01T00:00:00Z</Expires>";
    let expired = refusal("403 Forbidden", "AccessDenied", "Request has expired", expired);
    let told = "error: 403 AccessDenied: Request has expired\n\
                The link died at 2026-01-01T00:00:00Z: ask for a new one.\n";
    assert_eq!(get(vec![expired], &[], &["f"], (3, "", told)).1, []);

    let document = "<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>";
    let hint = "x-valet-hint: used-up; This link has been used up. Ask for a new one.";
    let used_up = answer("403 Forbidden", &[hint], document);
    let told =
        "error: 403 AccessDenied: Access Denied\nThis link has been used up. Ask for a new one.\n";
    assert_eq!(get(vec![used_up], &[], &["f"], (3, "", told)).1, []);

    let opens = "<NotBefore>2026-12-24T18:00:00Z</NotBefore>";
    let early = refusal("403 Forbidden", "AccessDenied", "Request is not yet valid", opens);
    let told = "error: 403 AccessDenied: Request is not yet valid\n\
                The link opens at 2026-12-24T18:00:00Z.\n";
    assert_eq!(get(vec![early], &[], &["f"], (3, "", told)).1, []);

    let moved = answer("307 Temporary Redirect", &["Location: ftp://h/k"], "");
    let told = "error: ftp://h cannot be reached: URL scheme is not allowed\n";
    assert_eq!(get(vec![moved], &[], &["f"], (1, "", told)).1, []);

    let missing = refusal("404 Not Found", "NoSuchKey", "The specified key does not exist.", "");
    let told = "error: 404 NoSuchKey: The specified key does not exist.\n\
                Nothing is stored there (any more).\n";
    assert_eq!(get(vec![missing], &[], &["f"], (1, "", told)).1, []);

    let busy = answer("503 Service Unavailable", &["Retry-After: 0"], "");
    let told = "note: the server answered 503 Service Unavailable; trying again\n\
                note: 10 B; MD5 verified\n";
    let (_, left) = get(vec![busy, whole(&[])], &[], &["f"], (0, "f\n", told));
    assert_eq!(left, file("f", BODY));
}

#[test]
fn an_upload_is_announced_sent_and_verified() {
    let check = |answer: String, arguments: &[&str], input: &str, expected: Told<'_>| {
        let folder = TempDir::new().unwrap();
        fs::write(folder.path().join("f"), BODY).unwrap();
        let script = Script::play(vec![answer]);
        let url = url_of(&script);
        let all = [&["put", arguments[0], &url], &arguments[1..]].concat();
        assert_told(&valet(folder.path(), &all, input), expected);
        script.requests().remove(0)
    };
    let stored = || answer("200 OK", &[&format!("ETag: {ETAG}")], "");
    let etag = "781e5e245d69b566979b86e28d23f2c7\n";
    let note = "note: 10 B stored; MD5 verified\n";

    let arguments = ["f", "--content-type", "text/plain", "-H", "X-Amz-Meta-A: b"];
    let request = check(stored(), &arguments, "", (0, etag, note));
    assert!(request.starts_with("put /b/dir/report.txt?x-amz-signature=s3cr3t http/1.1\r\n"));
    for line in ["content-type: text/plain", "x-amz-meta-a: b", "content-length: 10"] {
        assert!(request.contains(&format!("\r\n{line}\r\n")), "{request}");
    }
    assert!(request.ends_with(BODY) && !request.contains("transfer-encoding"), "{request}");

    let request = check(stored(), &["-"], BODY, (0, etag, note));
    assert!(request.ends_with(BODY) && request.contains("\r\ncontent-length: 10\r\n"), "{request}");

    let told = (1, "", "error: what is stored is not what was sent: its MD5 differs\n");
    check(stored(), &["-"], "0123456780", told);

    let note = "note: 10 B stored; not verified: no MD5 was answered\n";
    check(answer("200 OK", &["ETag: \"x\""], ""), &["f"], "", (0, "x\n", note));

    // Only what a store says of what it has stored is taken for that.
    let etag_line = format!("ETag: {ETAG}");
    let elsewhere = ["Location: /elsewhere", &etag_line];
    for status in ["301 Moved Permanently", "302 Found", "303 See Other", "307 Temporary Redirect"]
    {
        let told = format!("error: the server answered {status}\n");
        check(answer(status, &elsewhere, ""), &["f"], "", (1, "", &told));
    }
    for status in ["201 Created", "202 Accepted", "204 No Content", "206 Partial Content"] {
        let told = format!("error: the server answered {status}\n");
        check(answer(status, &[&etag_line], ""), &["f"], "", (1, "", &told));
    }
    let told = "error: the server does not answer as a store does: whether it stored the file is not known\n";
    check(answer("200 OK", &[], ""), &["f"], "", (1, "", told));
    check(
        answer("200 OK", &[&etag_line], "<html>Please sign in</html>"),
        &["f"],
        "",
        (1, "", told),
    );

    let mismatch = refusal("403 Forbidden", "SignatureDoesNotMatch", "No match.", "");
    let told = "error: 403 SignatureDoesNotMatch: No match.\n\
                The link was cut or changed on its way, or it was made for another method or with \
                headers that must be sent (-H).\n";
    check(mismatch, &["f"], "", (3, "", told));
}

#[test]
fn an_upload_is_tried_again_when_that_may_help() {
    let put = |answers: Vec<String>, arguments: &[&str], expected: Told<'_>| {
        let folder = TempDir::new().unwrap();
        fs::write(folder.path().join("f"), BODY).unwrap();
        let script = Script::play(answers);
        let url = url_of(&script);
        let all = [&["put", arguments[0], &url], &arguments[1..]].concat();
        assert_told(&valet(folder.path(), &all, BODY), expected);
        let requests = script.requests();
        assert!(requests.iter().all(|request| request.ends_with(BODY)), "{requests:?}");
    };
    let stored = || answer("200 OK", &[&format!("ETag: {ETAG}")], "");
    let busy = |status: &str| answer(status, &["Retry-After: 0"], "");
    let etag = "781e5e245d69b566979b86e28d23f2c7\n";
    let said = |status: &str| format!("the server answered {status}");
    for status in ["500 Internal Server Error", "503 Service Unavailable"] {
        let told = said(status);
        let told = format!("note: {told}; trying again\nnote: 10 B stored; MD5 verified\n");
        put(vec![busy(status), stored()], &["f"], (0, etag, &told));
        // Standard input is kept, and can be sent again.
        put(vec![busy(status), stored()], &["-"], (0, etag, &told));
    }
    let status = "503 Service Unavailable";
    let again = format!("note: {}; trying again\n", said(status));
    let told = format!("{}error: given up: {}\n", again.repeat(5), said(status));
    put(vec![busy(status); 6], &["f"], (1, "", &told));

    // A connection that ends without an answer: what it carried may be stored, or may not.
    let lost = "the connection was lost before the answer came; trying again\n";
    let told = format!("note: {lost}note: 10 B stored; MD5 verified\n");
    put(vec![String::new(), stored()], &["f"], (0, etag, &told));
    let late = refusal("412 Precondition Failed", "PreconditionFailed", "At least one failed.", "");
    let told = format!(
        "note: {lost}error: 412 PreconditionFailed: At least one failed.\nAn earlier try may have \
         stored the file: the connection was lost before its answer came.\n"
    );
    put(vec![String::new(), late], &["f"], (1, "", &told));

    // Nobody is there: that is told at once.
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("f"), BODY).unwrap();
    let script = Script::play(vec![]);
    let url = url_of(&script);
    script.requests();
    let output = valet(folder.path(), &["put", "f", &url], "");
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.code() == Some(1) && !told.contains("trying again"), "{told}");
}

#[test]
fn a_mismatch_names_the_header_that_was_not_sent() {
    let check = |command: &str, query: &str, arguments: &[&str], hint: &str| {
        let folder = TempDir::new().unwrap();
        fs::write(folder.path().join("f"), BODY).unwrap();
        let mismatch = refusal("403 Forbidden", "SignatureDoesNotMatch", "No match.", "");
        let script = Script::play(vec![mismatch]);
        let url = format!("http://{}/b/k?{query}&Signature=s3cr3t", script.address);
        let words = if command == "put" { ["put", "f", &url] } else { ["get", &url, "g"] };
        let output = valet(folder.path(), &[&words, arguments].concat(), "");
        let told = "error: 403 SignatureDoesNotMatch: No match.\nThe link was cut or changed on its way, or it was \
                    made for another method or with headers that must be sent (-H).\n";
        assert_told(&output, (3, "", &format!("{told}{hint}")));
        script.requests();
    };
    let v4 = "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Signature=s3cr3t&X-Amz-SignedHeaders=host";
    let acl = ["-H", "X-Amz-Acl: private"];
    let missing = "The link demands a header that was not sent: x-amz-meta-a.\n";
    check("get", &format!("{v4}%3Bx-amz-acl%3Bx-amz-meta-a"), &acl, missing);
    check("put", &format!("{v4};x-amz-acl;x-amz-meta-a;content-length"), &acl, missing);
    check("get", &format!("{v4}%3Bx-amz-acl"), &acl, "");
    let missing = "The link demands headers that were not sent: content-type, x-amz-acl.\n";
    check("put", &format!("{v4}%3Bcontent-type%3Bx-amz-acl"), &[], missing);
    check("put", &format!("{v4}%3Bcontent-type"), &["--content-type", "text/plain"], "");

    let v2 = "AWSAccessKeyId=AK&Expires=1";
    let other = "Links of this kind (SigV2) demand the Content-Type that they were made with, and none if they \
                 were made with none; ";
    check("put", v2, &["--content-type", "text/plain"], &format!("{other}text/plain was sent.\n"));
    check("get", v2, &["-H", "Content-Type: a/b"], &format!("{other}a/b was sent.\n"));
    check("put", v2, &[], &format!("{other}none was sent.\n"));
    check("get", v2, &[], "");
}
