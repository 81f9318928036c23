//! `valet links`, with a server that answers from a script.
#![allow(clippy::unwrap_used, reason = "tests")]

#[path = "support/script.rs"]
#[expect(dead_code, reason = "not every file of tests needs all of it")]
mod script;

use script::{Script, answer, valet_with};
use serde_json::{Value, json};
use tempfile::TempDir;

/// The id of a short link, and the fingerprint that follows from it.
const ID: &str = "AAAAAAAAAAAAAAAAAAAAAA";
const OF_ID: &str = "2b89535ba2d34a7d";
const JSON: [&str; 1] = ["Content-Type: application/json"];

/// Status, standard output and standard error, and the requests that were sent.
fn run(answers: Vec<String>, words: &[&str]) -> (i32, String, String, Vec<String>) {
    run_given(answers, words, "")
}

/// The same with something on standard input.
fn run_given(
    answers: Vec<String>,
    words: &[&str],
    input: &str,
) -> (i32, String, String, Vec<String>) {
    let script = Script::play(answers);
    let endpoint = format!("http://{}", script.address);
    let variables = [
        ("AWS_ACCESS_KEY_ID", "AK"),
        ("AWS_SECRET_ACCESS_KEY", "s3cr3t"),
        ("AWS_REGION", "us-east-1"),
        ("AWS_ENDPOINT_URL", &*endpoint),
    ];
    let folder = TempDir::new().unwrap();
    let output = valet_with(folder.path(), &[&["links"], words].concat(), input, &variables);
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    let status = output.status.code().unwrap();
    (status, text(output.stdout), text(output.stderr), script.requests())
}

fn revocation(id: &str) -> Value {
    json!({
        "id": id,
        "object": "s3://b/k",
        "scope": "account",
        "signed_before": "2026-11-30T12:00:00Z",
        "lives_until": "2026-12-07T12:15:00Z",
        "revoked_at": "2026-11-30T12:00:00Z",
        "revoked_by": "arn:aws:iam::000000000000:root",
    })
}

fn page(one: &Value) -> String {
    answer("200 OK", &JSON, &json!({"revocations": [one], "next": null}).to_string())
}

fn sent(request: &str) -> Value {
    let (_, body) = request.split_once("\r\n\r\n").unwrap();
    serde_json::from_str(body).unwrap()
}

#[test]
fn what_cannot_name_links_is_wrong_usage() {
    for (words, says) in [
        (&["revoke", "hello"][..], "there is no link in the text"),
        (&["revoke", "--fingerprint", "baadfdf52ebffe21"], "the first 16 digits"),
        (&["revoke", "--fingerprint", "baadfdf52ebffe2"], "64"),
        (&["revoke", "s3://b/k"], "an S3 URI is no link: --object ends all links to it"),
        (&["revoke", "--object", "s3://"], "an S3 URI names a bucket"),
        (&["revoke", "--object", "s3://b"], "an object has a key"),
        (&["revoke", "--prefix", "s3:///k"], "an S3 URI names a bucket"),
        (&["revoke", "--object", "https://b/k"], "the scheme is s3://"),
        (&["revoke", "--key", "AK", "--before", "yesterday"], "expected a time like"),
        (&["revoke", "--key", "AK", "--until", "later"], "expected a time like"),
        (&["revoke", "--key", "AK", "--before", "99999999999999"], "beyond the calendar"),
        (&["revoke", ID, "--until", "30d"], "this is one"),
        (&["revoke", "990b90b718e0b993", "--until", "30d"], "this is one"),
        (&["change", ID], "say what is to change"),
        (&["change", "hello", "--label", "x"], "name the link by itself"),
    ] {
        let (status, out, err, _) = run(Vec::new(), words);
        assert_eq!((status, &*out), (2, ""), "{words:?} {err}");
        assert!(err.contains(says), "{words:?} {err}");
    }
    let named = json!({"error": {"code": "InvalidArgument", "message": "No.", "argument": "url"}});
    let refused = answer("400 Bad Request", &JSON, &named.to_string());
    let (status, _, err, _) = run(vec![refused], &["revoke", "https://h/b/k"]);
    assert_eq!((status, &*err), (2, "error: 400 InvalidArgument: No.\n"));
    let other = json!({"error": {"code": "InvalidRequest", "message": "No."}});
    let refused = answer("400 Bad Request", &JSON, &other.to_string());
    assert_eq!(run(vec![refused], &["revoke", "https://h/b/k"]).0, 1);
}

#[test]
fn times_are_typed_as_durations_too() {
    let made = || vec![answer("201 Created", &JSON, &revocation("7").to_string())];
    let words = ["revoke", "--object", "s3://b/k", "--before", "15m", "--until", "30d"];
    let (status, out, _, requests) = run(made(), &words);
    let said = "revoked all links to s3://b/k signed until 2026-11-30T12:00:00Z (remembered until 2026-12-07T12:15:00Z, id 7)\n";
    assert_eq!((status, &*out), (0, said));
    let sent_of = sent(requests.first().unwrap());
    let time = |name: &str| sent_of[name].as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
    let apart = time("until").duration_since(time("before"));
    assert_eq!(apart, jiff::SignedDuration::from_mins(30 * 24 * 60 + 15));
    let at = ["revoke", "--object", "b/k", "--before", "2026-11-30T13:00:00+01:00"];
    let (_, _, _, requests) = run(made(), &at);
    let expected = json!({"object": "s3://b/k", "before": "2026-11-30T12:00:00Z"});
    assert_eq!(sent(requests.first().unwrap()), expected);
}

#[test]
fn revocations_are_listed_by_name() {
    let (status, out, _, _) = run(vec![page(&revocation("7"))], &["ls", "--revocations"]);
    assert_eq!((status, out.lines().count()), (0, 2), "{out}");
}

#[test]
fn what_was_undone_is_said() {
    let gone = || answer("204 No Content", &["Content-Length: 0"], "");
    let (status, out, _, requests) = run(vec![page(&revocation("7")), gone()], &["undo", "7"]);
    assert_eq!((status, &*out), (0, "undone: the revocation 7 of all links to s3://b/k\n"));
    let asked = "get /_valet/api/v1/revocations?after=6&limit=1 ";
    assert!(requests.first().unwrap().starts_with(asked), "{requests:?}");
    let undone = "delete /_valet/api/v1/revocations/7 ";
    assert!(requests.last().unwrap().starts_with(undone), "{requests:?}");
    // Whoever may not see it is told the id.
    let answers = vec![page(&revocation("8")), gone()];
    let (_, out, _, _) = run(answers, &["undo", "7", "--json"]);
    assert_eq!(serde_json::from_str::<Value>(&out).unwrap(), json!({"undone": {"id": "7"}}));
}

fn refusal(status: &str, code: &str) -> String {
    answer(status, &JSON, &json!({"error": {"code": code, "message": "No."}}).to_string())
}

fn link(kind: &str, members: &Value) -> Value {
    let mut link = json!({
        "fingerprint": format!("990b90b718e0b993{}", "0".repeat(48)),
        "kind": kind,
        "state": "active",
        "bucket": "b",
        "key": "k",
        "signer": "arn:aws:iam::000000000000:root",
        "expires_at": "2026-12-30T12:00:00Z",
    });
    link.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    link
}

fn given(link: &Value) -> String {
    answer("200 OK", &JSON, &link.to_string())
}

/// What is not there, or another's, is never said to be revoked.
#[test]
fn a_short_link_is_revoked_by_asking_for_just_that() {
    let revoked = || answer("200 OK", &JSON, &revocation("7").to_string());
    let url = format!("https://files.test/_valet/s/{ID}");
    for (named, input) in
        [(ID, ""), (&*url, ""), (&*format!(" {url} "), ""), ("-", &*format!("{url}\n"))]
    {
        let (status, out, err, requests) = run_given(vec![revoked()], &["revoke", named], input);
        let said = "revoked all links to s3://b/k (remembered until 2026-12-07T12:15:00Z, id 7)\n";
        assert_eq!((status, &*out, &*err), (0, said, ""), "{named}");
        let asked = format!("delete /_valet/api/v1/links/{OF_ID}");
        assert!(requests.first().unwrap().starts_with(&asked), "{requests:?}");
    }
    for (status, code, exit) in
        [("404 Not Found", "NoSuchLink", 1), ("403 Forbidden", "AccessDenied", 3)]
    {
        let (ended, out, err, _) = run(vec![refusal(status, code)], &["revoke", ID]);
        assert_eq!((ended, &*out), (exit, ""), "{err}");
        assert!(err.contains(code), "{err}");
    }
}

#[test]
fn a_link_is_revoked_by_the_digits_that_lists_show() {
    let revoked = || answer("200 OK", &JSON, &revocation("7").to_string());
    let digits = "990b90b718e0b993";
    let answers = vec![given(&link("object", &json!({}))), revoked()];
    let (status, _, err, requests) = run(answers, &["revoke", digits]);
    assert_eq!((status, &*err), (0, ""));
    let asked = format!("get /_valet/api/v1/links/{digits} ");
    assert!(requests.first().unwrap().starts_with(&asked), "{requests:?}");
    let asked = format!("delete /_valet/api/v1/links/{digits}000");
    assert!(requests.last().unwrap().starts_with(&asked), "{requests:?}");
    // One that somebody has signed themselves has no record that could be deleted.
    let answers = vec![given(&link("seen", &json!({}))), revoked()];
    let (status, _, _, requests) = run(answers, &["revoke", digits]);
    assert_eq!(status, 0);
    let whole = format!("{digits}{}", "0".repeat(48));
    assert_eq!(sent(requests.last().unwrap()), json!({"fingerprint": whole}));
    let (status, _, err, _) =
        run(vec![refusal("404 Not Found", "NoSuchLink")], &["revoke", digits]);
    assert_eq!(status, 1, "{err}");
}

#[test]
fn a_link_is_changed_and_shown() {
    let notes = json!({"label": "Q3", "notes": ["No mail server is set."]});
    let changed = || given(&link("object", &notes));
    let (status, out, err, requests) =
        run(vec![changed()], &["change", ID, "--label", "Q3", "--notify", "mailto:a@example.com"]);
    assert_eq!((status, &*err), (0, "note: No mail server is set.\n"));
    assert!(out.contains("label        Q3\n"), "{out}");
    let asked = format!("patch /_valet/api/v1/links/{OF_ID}");
    assert!(requests.first().unwrap().starts_with(&asked), "{requests:?}");
    let expected = json!({"label": "Q3", "notify": ["mailto:a@example.com"]});
    assert_eq!(sent(requests.first().unwrap()), expected);
    let (_, _, _, requests) = run(vec![changed()], &["change", ID, "--label", "", "--notify", ""]);
    assert_eq!(sent(requests.first().unwrap()), json!({"label": "", "notify": []}));
    let answers = vec![changed(), changed()];
    let (_, _, _, requests) = run(answers, &["change", "990b90b718e0b993", "--expires-in", "30d"]);
    let sent = sent(requests.last().unwrap());
    assert!(sent["expires_at"].as_str().unwrap().parse::<jiff::Timestamp>().is_ok(), "{sent}");
}

#[test]
fn what_a_link_allows_is_shown() {
    let members = json!({
        "created_at": "2026-11-30T12:00:00Z",
        "not_before": "2026-12-01T12:00:00Z",
        "source_ip": ["192.0.2.0/24", "198.51.100.7/32"],
        "rate": 1024,
        "landing": "auto",
        "filename": "x.pdf",
        "notify": ["mailto:a@example.com"],
        "delete_object_at_end": true,
    });
    let shown = [
        "made at      2026-11-30T12:00:00Z",
        "opens at     2026-12-01T12:00:00Z",
        "source IP    192.0.2.0/24, 198.51.100.7/32",
        "rate         1024 bytes a second",
        "passphrase   no",
        "landing      auto",
        "saved as     x.pdf",
        "notify       mailto:a@example.com",
        "object ends  yes, with the link",
    ];
    let (status, out, _, _) = run(vec![given(&link("object", &members))], &["show", ID]);
    assert_eq!(status, 0);
    for line in shown {
        assert!(out.lines().any(|said| said == line), "{line} of {out}");
    }
    // Who took it back stands with the revocation.
    let revoked = given(&link("object", &json!({"state": "revoked", "passphrase": true})));
    let (_, out, _, _) = run(vec![revoked, page(&revocation("7"))], &["show", ID]);
    let said = "state        revoked at 2026-11-30T12:00:00Z by arn:aws:iam::000000000000:root; `valet links undo 7` undoes it\n";
    assert!(out.contains(said) && out.contains("passphrase   yes\n"), "{out}");
}

#[test]
fn what_there_is_of_uses_is_all_of_them() {
    let none = || answer("200 OK", &JSON, &json!({"uses": []}).to_string());
    let (status, _, _, requests) = run(vec![none()], &["watch", "--once"]);
    assert_eq!(status, 0);
    assert!(!requests.first().unwrap().contains("since="), "{requests:?}");
    let (_, _, _, requests) = run(vec![none()], &["watch", "--once", "--since", "1h"]);
    assert!(requests.first().unwrap().contains("since="), "{requests:?}");
}
