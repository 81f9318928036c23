//! `valet get` and `valet put` by short links, against a server that answers from a script.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

#[path = "support/script.rs"]
#[expect(dead_code, reason = "not every file of tests needs all of it")]
mod script;

use std::fs;
use std::path::Path;

use md5::{Digest as _, Md5};
use script::{Script, Told, answer, assert_told, refusal, valet_with};
use serde_json::{Value, json};
use tempfile::TempDir;

const BODY: &str = "0123456789";
const ETAG: &str = "\"781e5e245d69b566979b86e28d23f2c7\"";
const ID: &str = "AAAAAAAAAAAAAAAAAAAAAA";
const JSON: [&str; 1] = ["Content-Type: application/json"];
const HTML: [&str; 1] = ["Content-Type: text/html; charset=utf-8"];
const VERIFIED: &str = "note: 10 B; MD5 verified\n";

fn url_of(script: &Script) -> String {
    format!("http://{}/_valet/s/{ID}", script.address)
}

/// To the object, whose name is `x.txt`.
fn sends_on(status: &str) -> String {
    let disposition = "attachment%3B%20filename%3D%22x.txt%22";
    let to =
        format!("Location: /b/k?response-content-disposition={disposition}&X-Amz-Signature=s3cr3t");
    answer(status, &[&to], "")
}

fn whole() -> String {
    answer("200 OK", &[&format!("ETag: {ETAG}")], BODY)
}

fn page() -> String {
    answer("200 OK", &HTML, "<!DOCTYPE html>")
}

/// Runs `valet get LINK BEHIND ARGUMENTS` in a folder with `files`; returns the requests and what is left in the folder.
fn get(
    answers: Vec<String>,
    files: &[&str],
    (behind, arguments): (&str, &[&str]),
    expected: Told<'_>,
) -> (Vec<String>, Vec<(String, String)>) {
    let folder = TempDir::new().unwrap();
    for name in files {
        fs::write(folder.path().join(name), "mine").unwrap();
    }
    let script = Script::play(answers);
    let link = format!("{}{behind}", url_of(&script));
    let variables = [("VALET_PASSPHRASE", "open sesame")];
    let words = [&["get", &link], arguments].concat();
    assert_told(&valet_with(folder.path(), &words, "", &variables), expected);
    (script.requests(), left(folder.path()))
}

fn left(folder: &Path) -> Vec<(String, String)> {
    let entries = fs::read_dir(folder).unwrap().map(Result::unwrap);
    let mut left: Vec<(String, String)> = entries
        .map(|entry| {
            let name = entry.file_name().into_string().unwrap();
            (name, fs::read_to_string(entry.path()).unwrap())
        })
        .collect();
    left.sort();
    left
}

fn file(name: &str, text: &str) -> Vec<(String, String)> {
    vec![(name.to_owned(), text.to_owned())]
}

#[test]
fn a_name_is_learned_before_a_use_is_spent() {
    let told = (0, "x.txt\n", VERIFIED);
    let (requests, left) = get(vec![sends_on("302 Found"), whole()], &[], ("", &[]), told);
    assert_eq!(left, file("x.txt", BODY));
    assert!(requests[1].starts_with("get /b/k?"), "{requests:?}");

    let exists = (2, "", "error: x.txt exists; name a FILE to replace it\n");
    let (requests, left) = get(vec![sends_on("302 Found")], &["x.txt"], ("", &[]), exists);
    assert_eq!((requests.len(), left), (1, file("x.txt", "mine")));

    // The head of a zip opens no use.
    let zip =
        ["Content-Type: application/zip", "Content-Disposition: attachment; filename=kit.zip"];
    let head = || answer("200 OK", &zip, "");
    let exists = (2, "", "error: kit.zip exists; name a FILE to replace it\n");
    let (requests, _) = get(vec![head()], &["kit.zip"], ("?zip", &[]), exists);
    assert!(requests[0].starts_with("head /_valet/s/"), "{requests:?}");
    let note = "note: 10 B; not verified: the link does not ask for the checksum\n";
    let zipped = answer("200 OK", &zip, BODY);
    let (_, left) = get(vec![head(), zipped], &[], ("?zip", &[]), (0, "kit.zip\n", note));
    assert_eq!(left, file("kit.zip", BODY));
}

#[test]
fn a_page_is_never_taken_for_a_file() {
    let listed = answer("200 OK", &JSON, r#"{"folders":[],"files":[]}"#);
    let told =
        "error: this link is one to a folder: 'LINK?zip' gets all of it, and LINK/NAME one file\n";
    assert_eq!(get(vec![listed], &[], ("", &[]), (1, "", told)).1, []);

    let told = "error: this link is one by which files are sent: valet put FILE LINK\n";
    let itself = answer("303 See Other", &[&format!("Location: /_valet/s/{ID}")], "");
    assert_eq!(get(vec![page(), itself], &[], ("", &["f"]), (1, "", told)).1, []);
    // It asks for its passphrase on a page as well.
    assert_eq!(get(vec![page(), page()], &[], ("", &["f"]), (1, "", told)).1, []);

    // Where everybody sees a page first, its button is pressed.
    let answers = vec![page(), sends_on("303 See Other"), whole()];
    let (requests, left) = get(answers, &[], ("", &[]), (0, "x.txt\n", VERIFIED));
    assert_eq!(left, file("x.txt", BODY));
    assert!(requests[1].starts_with("post /_valet/s/"), "{requests:?}");
}

#[test]
fn a_passphrase_is_given_in_a_header_or_the_form() {
    let needs = || refusal("403 Forbidden", "AccessDenied", "Link needs a passphrase", "");
    let told = "error: 403 AccessDenied: Link needs a passphrase\nAdd --passphrase.\n";
    get(vec![needs()], &[], ("", &[]), (3, "", told));
    let wrong = refusal("403 Forbidden", "AccessDenied", "Passphrase is wrong", "");
    let told = "error: 403 AccessDenied: Passphrase is wrong\nAsk whoever sent you the link.\n";
    let (requests, _) = get(vec![wrong], &[], ("", &["--passphrase"]), (3, "", told));
    assert!(requests[0].contains("\r\nx-valet-passphrase: open sesame\r\n"), "{requests:?}");
    let answers = vec![page(), sends_on("303 See Other"), whole()];
    let told = (0, "f\n", VERIFIED);
    let (requests, _) = get(answers, &[], ("", &["f", "--passphrase"]), told);
    assert!(requests[1].ends_with("\r\n\r\npassphrase=open%20sesame"), "{requests:?}");
    let folder = TempDir::new().unwrap();
    let other = ["get", "http://127.0.0.1:1/b/k", "--passphrase"];
    let told = "error: a passphrase is for a short link, and this is another\n";
    assert_told(&valet_with(folder.path(), &other, "", &[]), (2, "", told));
}

fn progress(uploaded: &[u16], done: bool) -> String {
    let progress =
        json!({"file": ID, "size": 10, "part_size": 5, "uploaded": uploaded, "done": done});
    answer("200 OK", &JSON, &progress.to_string())
}

fn part_link(number: u16) -> String {
    let offset = (number - 1) * 5;
    let url = format!("/b/part?partNumber={number}&X-Amz-Signature=s3cr3t");
    let links = json!([{"number": number, "offset": offset, "size": 5, "url": url}]);
    answer("200 OK", &JSON, &links.to_string())
}

fn stored(part: &str) -> String {
    let md5 = Md5::digest(part.as_bytes())
        .iter()
        .fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"));
    answer("200 OK", &[&format!("ETag: \"{md5}\"")], "")
}

fn put(folder: &Path, link: &str, more: &[&str], expected: Told<'_>) {
    let words = [&["put", "f", link], more].concat();
    assert_told(&valet_with(folder, &words, "", &[("VALET_PASSPHRASE", "sesame")]), expected);
}

#[test]
fn a_file_that_was_interrupted_goes_on() {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("f"), BODY).unwrap();
    let revoked = || refusal("403 Forbidden", "AccessDenied", "Link has been revoked", "");
    let script = Script::play(vec![
        // The first run: one part is stored.
        progress(&[], false),
        part_link(1),
        stored("01234"),
        revoked(),
        // The second run sends the other one.
        progress(&[1], false),
        part_link(2),
        stored("56789"),
        progress(&[], true),
        // A third run begins anew, and is refused.
        revoked(),
    ]);
    let link = url_of(&script);
    let told = "note: 1 of 2 parts are stored: run the same command to go on, or add --abort to give the upload up\n\
                error: 403 AccessDenied: Link has been revoked\nThe link was taken back: ask for a new one.\n";
    put(folder.path(), &link, &[], (3, "", told));
    assert_eq!(left(folder.path()).len(), 2);
    let told =
        "note: 1 of 2 parts are there already\nnote: 10 B sent; MD5 of every part verified\n";
    put(folder.path(), &link, &[], (0, "f\n", told));
    assert_eq!(left(folder.path()), file("f", BODY));
    let told = "error: 403 AccessDenied: Link has been revoked\nThe link was taken back: ask for a new one.\n";
    put(folder.path(), &link, &[], (3, "", told));
    let requests = script.requests();
    let asked = format!("get /_valet/s/{ID}/files/{ID} ").to_lowercase();
    assert!(requests[4].starts_with(&asked), "{}", requests[4]);
    assert!(requests[6].starts_with("put /b/part?partnumber=2&"), "{}", requests[6]);
    assert!(requests[6].ends_with("\r\n\r\n56789"), "{}", requests[6]);
}

/// A part that is not known to be the same is sent again, and a file that has changed from its beginning.
#[test]
fn what_an_earlier_run_has_sent_is_no_more_than_what_is_the_same() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("f");
    let begin = |text: &str| fs::write(&path, text).unwrap();
    begin(BODY);
    let gone = || refusal("404 Not Found", "NoSuchUpload", "Gone", "");
    let refused = || refusal("400 Bad Request", "InvalidRequest", "No.", "");
    let script = Script::play(vec![
        progress(&[], false),
        refused(),
        // The server has a part of which nothing is known here.
        progress(&[1], false),
        refused(),
        // The file has changed: the upload is given up, and another one begins.
        answer("200 OK", &JSON, "{}"),
        progress(&[], false),
        refused(),
        // The server has forgotten it.
        gone(),
        refused(),
        // The user gives it up.
        answer("200 OK", &JSON, "{}"),
    ]);
    let link = url_of(&script);
    let stored = "note: 0 of 2 parts are stored: run the same command to go on, or add --abort to give the upload up\n";
    let error = "error: 400 InvalidRequest: No.\n";
    let told = format!("{stored}{error}");
    put(folder.path(), &link, &[], (1, "", &told));
    put(folder.path(), &link, &[], (1, "", &told));
    begin("abcdefghij");
    let changed = format!("note: the file has changed: starting over\n{told}");
    put(folder.path(), &link, &[], (1, "", &changed));
    put(folder.path(), &link, &[], (1, "", error));
    let given_up = "note: the upload is given up; its parts are discarded\n";
    put(folder.path(), &link, &["--abort"], (0, "", given_up));
    let told = "error: no upload of this file by this link was begun here\n";
    put(folder.path(), &link, &["--abort"], (2, "", told));
    let requests = script.requests();
    let sent: Value = serde_json::from_str(requests[3].split("\r\n\r\n").nth(1).unwrap()).unwrap();
    assert_eq!(sent, json!({"parts": [1]}));
    for abort in [&requests[4], &requests[9]] {
        let asked = format!("post /_valet/s/{ID}/files/{ID}/abort ").to_lowercase();
        assert!(abort.starts_with(&asked), "{abort}");
    }
}

#[test]
fn whoever_sends_a_file_is_told_what_is_missing() {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("f"), BODY).unwrap();
    let check = |answers: Vec<String>, words: &[&str], expected: Told<'_>| {
        let script = Script::play(answers);
        let link = url_of(&script);
        let words: Vec<&str> =
            words.iter().map(|word| if *word == "LINK" { &*link } else { word }).collect();
        let variables = [("VALET_PASSPHRASE", "sesame")];
        assert_told(&valet_with(folder.path(), &words, "0123456789", &variables), expected);
        script.requests()
    };
    let name = || refusal("400 Bad Request", "InvalidRequest", "Please give your name.", "");
    let told = "error: 400 InvalidRequest: Please give your name.\nAdd --sender NAME.\n";
    check(vec![name()], &["put", "f", "LINK"], (1, "", told));
    let needs = || refusal("403 Forbidden", "AccessDenied", "Link needs a passphrase", "");
    let told = "error: 403 AccessDenied: Link needs a passphrase\nAdd --passphrase.\n";
    check(vec![needs()], &["put", "f", "LINK"], (3, "", told));
    let told = "error: 403 AccessDenied: Passphrase is wrong\nAsk whoever sent you the link.\n";
    check(vec![needs()], &["put", "f", "LINK", "--passphrase"], (3, "", told));
    let told = "error: a file that is sent by such a link has a name: --filename NAME\n";
    check(vec![], &["put", "-", "LINK"], (2, "", told));
    let done = vec![
        progress(&[], false),
        part_link(1),
        stored("01234"),
        part_link(2),
        stored("56789"),
        progress(&[], true),
    ];
    let words = ["put", "-", "LINK", "--filename", "x.txt", "-H", "x-valet-passphrase: pw"];
    let told = "note: 10 B sent; MD5 of every part verified\n";
    let requests = check(done, &words, (0, "x.txt\n", told));
    assert!(requests[0].contains("\r\nx-valet-passphrase: pw\r\n"), "{}", requests[0]);
    assert!(requests[0].contains("\"name\":\"x.txt\""), "{}", requests[0]);
}
