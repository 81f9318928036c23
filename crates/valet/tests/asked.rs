//! Commands that ask a server, against one that answers from a script.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

#[path = "support/script.rs"]
#[expect(dead_code, reason = "not every file of tests needs all of it")]
mod script;

use script::{Script, answer, assert_told, refusal, valet_with};
use serde_json::{Value, json};
use tempfile::TempDir;

const KEY: [(&str, &str); 3] =
    [("AWS_ACCESS_KEY_ID", "AK"), ("AWS_SECRET_ACCESS_KEY", "s3cr3t"), ("AWS_REGION", "us-east-1")];

const REFUSED: &str = "the link would be refused: its signer may not do this";
const OPEN: &str =
    "whether the link works depends on aws:sourceip, which nobody knows until it is used";

/// The members of a link's JSON that say what the server said, and standard error.
fn presigned(said: &str, words: &[&str], input: &str) -> (Value, String) {
    let folder = TempDir::new().unwrap();
    let body =
        format!(r#"{{"effective_expires_at":"2999-01-01T00:00:00Z","limited_by":[],{said}}}"#);
    let script = Script::play(vec![answer("200 OK", &["Content-Type: application/json"], &body)]);
    let endpoint = format!("http://{}", script.address);
    let words = [words, &["--endpoint-url", &endpoint]].concat();
    let output = valet_with(folder.path(), &words, input, &KEY);
    assert!(script.requests()[0].starts_with("post /_valet/api/v1/expiry "));
    assert_eq!(output.status.code(), Some(0));
    let printed: Value = serde_json::from_slice(&output.stdout).unwrap();
    let told = ["allowed", "works", "missing"];
    let told =
        told.into_iter().filter_map(|name| Some((name.to_owned(), printed.get(name)?.clone())));
    (Value::Object(told.collect()), String::from_utf8(output.stderr).unwrap())
}

#[test]
fn a_links_json_says_what_the_server_said() {
    for (said, members, note) in [
        (r#""allowed":true,"works":"yes""#, json!({"allowed": true, "works": "yes"}), ""),
        (r#""allowed":false,"works":"no""#, json!({"allowed": false, "works": "no"}), REFUSED),
        (
            r#""allowed":false,"works":"unknown","missing":["aws:sourceip"]"#,
            json!({"allowed": false, "works": "unknown", "missing": ["aws:sourceip"]}),
            OPEN,
        ),
    ] {
        let note = if note.is_empty() { String::new() } else { format!("note: {note}\n") };
        let one = presigned(said, &["presign", "s3://b/k", "--json"], "");
        assert_eq!(one, (members.clone(), note.clone()), "{said}");
        // A line is asked for only if it has to hold.
        let line = presigned(said, &["presign", "-", "--trim"], "{\"uri\":\"s3://b/k\"}\n");
        assert_eq!(line, (members, String::new()), "{said}");
        let form = presigned(said, &["presign-post", "s3://b/k"], "");
        assert_eq!(form.1, note, "{said}");
    }
}

#[test]
fn who_joined_a_group_or_left_it_is_told_when_another_cannot() {
    let missing = "The user with name bob cannot be found.";
    for (word, done) in [("add", "was added"), ("remove", "was removed")] {
        let told = |users: &[&str], expected: &str| {
            let folder = TempDir::new().unwrap();
            let body = format!(
                "<ErrorResponse><Error><Type>Sender</Type><Code>NoSuchEntity</Code><Message>{missing}</Message></Error></ErrorResponse>"
            );
            let refused = answer("404 Not Found", &["Content-Type: text/xml"], &body);
            let mut answers = vec![answer("200 OK", &[], ""); users.len() - 1];
            answers.push(refused);
            let script = Script::play(answers);
            let endpoint = format!("http://{}", script.address);
            let words =
                [&["group", word, "readers"][..], users, &["--endpoint-url", &endpoint]].concat();
            let output = valet_with(folder.path(), &words, "", &KEY);
            assert_told(&output, (1, "", expected));
            assert_eq!(script.requests().len(), users.len());
        };
        let because = format!("404 NoSuchEntity: {missing}\n");
        told(&["bob"], &format!("error: {because}"));
        told(&["alice", "bob"], &format!("error: `alice` {done}, and then this failed: {because}"));
        let were = done.replace("was", "were");
        told(
            &["alice", "carol", "bob"],
            &format!("error: `alice`, `carol` {were}, and then this failed: {because}"),
        );
    }
}

#[test]
fn an_answer_that_refuses_the_question_is_told() {
    let folder = TempDir::new().unwrap();
    let script = Script::play(vec![refusal("403 Forbidden", "AccessDenied", "Access Denied", "")]);
    let endpoint = format!("http://{}", script.address);
    let words = ["account", "create", "ann", "--email", "no at", "--endpoint-url", &endpoint];
    let output = valet_with(folder.path(), &words, "", &KEY);
    assert_told(&output, (3, "", "error: 403 AccessDenied: Access Denied\n"));
    assert!(script.requests()[0].ends_with(r#"{"name":"ann","email":"no at"}"#));
}
