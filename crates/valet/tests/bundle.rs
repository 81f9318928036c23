//! `valet put FILE BUNDLE` against a server that answers from a script. The bundles have one part, so
//! that the order of requests is certain.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::string_slice, reason = "tests")]

#[path = "support/script.rs"]
mod script;

use std::fs;

use script::{Script, Told, answer, assert_told, refusal, valet};
use tempfile::TempDir;

const BODY: &str = "0123456789";
const ETAG: &str = "\"781e5e245d69b566979b86e28d23f2c7\"";
const DONE: &str = "note: 10 B stored; MD5 of every part verified\n";

fn json(body: &str) -> String {
    answer("200 OK", &["Content-Type: application/json"], body)
}

fn nothing_there() -> String {
    json(r#"{"upload_id":"u","parts":[],"uploaded":[]}"#)
}

fn stored() -> String {
    answer("200 OK", &[&format!("ETag: {ETAG}")], "")
}

fn completed() -> String {
    let etag = "<ETag>&quot;5d41402abc4b2a76b9719d911017c592-1&quot;</ETag>";
    answer(
        "200 OK",
        &[],
        &format!("<CompleteMultipartUploadResult>{etag}</CompleteMultipartUploadResult>"),
    )
}

fn expired() -> String {
    refusal("403 Forbidden", "AccessDenied", "Request has expired", "")
}

/// Runs `valet put f bundle.json ARGUMENTS` with a server of that script; returns the first lines of
/// the requests, and their bodies.
fn put(answers: Vec<String>, arguments: &[&str], expected: Told<'_>) -> Vec<(String, String)> {
    put_with(|bundle| bundle, answers, arguments, expected)
}

fn put_with(
    change: impl Fn(String) -> String,
    answers: Vec<String>,
    arguments: &[&str],
    expected: Told<'_>,
) -> Vec<(String, String)> {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("f"), BODY).unwrap();
    let script = Script::play(answers);
    let at = &script.address;
    let bundle = format!(
        r#"{{"upload_id":"u","size":10,"parts":[{{"number":1,"offset":0,"size":10,"link":"http://{at}/part?s3cr3t"}}],"complete":"http://{at}/complete?s3cr3t","abort":"http://{at}/abort?s3cr3t","renew":"http://{at}/renew?s3cr3t"}}"#
    );
    let bundle = change(bundle);
    fs::write(folder.path().join("bundle.json"), &bundle).unwrap();
    let output = valet(folder.path(), &[&["put", "f", "bundle.json"], arguments].concat(), "");
    assert_told(&output, expected);
    let requests = script.requests().into_iter().map(|request| {
        let (head, body) = request.split_once("\r\n\r\n").unwrap();
        let line = head.lines().next().unwrap().replace("?s3cr3t http/1.1", "");
        (line, body.to_owned())
    });
    requests.collect()
}

fn lines(requests: &[(String, String)]) -> Vec<&str> {
    requests.iter().map(|(line, _)| line.as_str()).collect()
}

const ETAG_OF_ALL: &str = "5d41402abc4b2a76b9719d911017c592-1\n";

#[test]
fn what_was_stored_is_told_as_json_too() {
    let completed =
        completed().replace("HTTP/1.1 200 OK", "HTTP/1.1 200 OK\r\nX-Amz-Version-Id: v1");
    let json = r#"{"file":"f","size":10,"etag":"5d41402abc4b2a76b9719d911017c592-1","version_id":"v1","verified":["MD5 of every part"]}"#;
    let script = vec![nothing_there(), stored(), completed];
    put(script, &["--json"], (0, &format!("{json}\n"), DONE));
}

/// XML can carry what no header can.
#[test]
fn the_tag_of_a_completion_moves_no_terminal() {
    let etag = "<ETag>\"x&#x1b;]0;a&#x7;\u{9b}2J\u{202e}b\nerror: c\"</ETag>";
    let body = format!("<CompleteMultipartUploadResult>{etag}</CompleteMultipartUploadResult>");
    let answers = || vec![nothing_there(), stored(), answer("200 OK", &[], &body)];
    put(answers(), &[], (0, "x]0;a2Jberror: c\n", DONE));
    let json = r#"{"file":"f","size":10,"etag":"x\u001b]0;a\u0007\u009b2J\u202eb\nerror: c","verified":["MD5 of every part"]}"#;
    put(answers(), &["--json"], (0, &format!("{json}\n"), DONE));
}

#[test]
fn a_bundle_is_listed_put_and_completed() {
    let answers = vec![nothing_there(), stored(), completed()];
    let requests = put(answers, &[], (0, ETAG_OF_ALL, DONE));
    assert_eq!(lines(&requests), ["post /renew", "put /part", "post /complete"]);
    assert_eq!((&*requests[0].1, &*requests[1].1), (r#"{"parts":[]}"#, BODY));
    let part = "<Part><PartNumber>1</PartNumber><ETag>&quot;781e5e245d69b566979b86e28d23f2c7&quot;</ETag></Part>";
    assert!(requests[2].1.contains(part), "{}", requests[2].1);
}

#[test]
fn a_bundle_without_renewal_is_put_as_it_is() {
    let without = |bundle: String| {
        let (kept, _) = bundle.split_once(r#","renew":"#).unwrap();
        format!("{kept},\"renew\":null}}")
    };
    let answers = vec![stored(), completed()];
    let requests = put_with(without, answers, &[], (0, ETAG_OF_ALL, DONE));
    assert_eq!(lines(&requests), ["put /part", "post /complete"]);
}

#[test]
fn what_is_there_is_not_sent_again() {
    let there = |size: u32, etag: &str| {
        let etag = etag.replace('"', "\\\"");
        json(&format!(
            r#"{{"parts":[],"uploaded":[{{"number":1,"size":{size},"etag":"{etag}"}}]}}"#
        ))
    };
    let told = format!("note: 1 of 1 parts are there already\n{DONE}");
    let requests = put(vec![there(10, ETAG), completed()], &[], (0, ETAG_OF_ALL, &told));
    assert_eq!(lines(&requests), ["post /renew", "post /complete"]);
    for (size, etag) in [(9, ETAG), (10, "\"00000000000000000000000000000000\""), (10, "\"x\"")] {
        let answers = vec![there(size, etag), stored(), completed()];
        put(answers, &[], (0, ETAG_OF_ALL, DONE));
    }
}

#[test]
fn a_link_that_has_died_is_renewed() {
    let refused = "error: a fresh link leads to a server that the bundle does not name\n";
    let ways = "note: 0 of 1 parts are stored: run the same command to go on, or add --abort to give \
                the upload up\n";
    let elsewhere =
        json(r#"{"parts":[{"number":1,"link":"http://127.0.0.1:1/part?s3cr3t"}],"uploaded":[]}"#);
    let answers = vec![nothing_there(), expired(), elsewhere];
    let requests = put(answers, &[], (1, "", &format!("{ways}{refused}")));
    assert_eq!(lines(&requests), ["post /renew", "put /part", "post /renew"]);
    assert_eq!(requests[2].1, r#"{"parts":[1]}"#);
    // The bundle itself is dead.
    let dead = "error: 403 AccessDenied: Request has expired\nThe link died: ask for a new one.\n";
    put(vec![expired()], &[], (3, "", dead));
    put(vec![nothing_there(), expired(), expired()], &[], (3, "", &format!("{ways}{dead}")));
}

#[test]
fn what_fails_in_passing_is_tried_again() {
    let busy = || answer("503 Service Unavailable", &[], "");
    let told = format!("note: the server answered 503 Service Unavailable; trying again\n{DONE}");
    let answers = vec![nothing_there(), busy(), stored(), completed()];
    put(answers, &[], (0, ETAG_OF_ALL, &told));
    let answers = vec![nothing_there(), stored(), busy(), completed()];
    put(answers, &[], (0, ETAG_OF_ALL, &told));
    let other = answer("200 OK", &["ETag: \"00000000000000000000000000000000\""], "");
    let told =
        format!("note: what is stored is not what was sent: its MD5 differs; trying again\n{DONE}");
    put(vec![nothing_there(), other, stored(), completed()], &[], (0, ETAG_OF_ALL, &told));
}

#[test]
fn refusals_end_it() {
    let gone = || refusal("404 Not Found", "NoSuchUpload", "No upload.", "");
    let told = "error: 404 NoSuchUpload: No upload.\n\
                The upload was completed, or given up: ask for a new bundle if you still need one.\n";
    put(vec![gone()], &[], (1, "", told));
    // It may turn out to be impossible after the answer has begun.
    let late =
        answer("200 OK", &[], "<Error><Code>InternalError</Code><Message>Oh.</Message></Error>");
    put(vec![nothing_there(), stored(), late], &[], (1, "", "error: 200 InternalError: Oh.\n"));
    let moved = answer("307 Temporary Redirect", &["Location: http://127.0.0.1:1/"], "");
    put(vec![moved], &[], (1, "", "error: the server answered 307 Temporary Redirect\n"));
}

#[test]
fn an_upload_is_given_up() {
    let discarded = "note: the upload is given up; its parts are discarded\n";
    let requests = put(vec![answer("204 No Content", &[], "")], &["--abort"], (0, "", discarded));
    assert_eq!(lines(&requests), ["delete /abort"]);
}

#[test]
fn wrong_usage() {
    let check = |change: fn(String) -> String, arguments: &[&str], told: &str| {
        put_with(change, Vec::new(), arguments, (2, "", told));
    };
    let same = |bundle: String| bundle;
    let headers = "error: --content-type and -H are for a link, not for a bundle\n";
    check(same, &["-H", "a: b"], headers);
    check(same, &["--content-type", "a/b"], headers);
    check(
        |bundle| bundle.replace(r#""size":10"#, r#""size":11"#),
        &[],
        "error: the bundle is for 11 bytes, and the file has 10\n",
    );
    check(
        |bundle| bundle.replace(r#""number":1"#, r#""number":2"#),
        &[],
        "error: the bundle's parts do not follow one another\n",
    );
    let folder = TempDir::new().unwrap();
    let run = |arguments: &[&str], told: &str| {
        assert_told(&valet(folder.path(), arguments, "{"), (2, "", told));
    };
    run(&["put", "-", "-"], "error: the file and the bundle cannot both be standard input\n");
    run(
        &["put", "f", "-"],
        "error: `-` is no bundle: EOF while parsing an object at line 1 column 1\n",
    );
    run(
        &["put", "f", "http://h/k", "--abort"],
        "error: --abort is for a bundle or a link of `valet request`, and this is another link\n",
    );
    run(
        &["put", "f", "none"],
        "error: the bundle `none`: No such file or directory (os error 2)\n",
    );
}
