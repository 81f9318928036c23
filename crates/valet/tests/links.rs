//! `valet links`, with a server that answers from a script.
#![allow(clippy::unwrap_used, reason = "tests")]

#[path = "support/script.rs"]
#[expect(dead_code, reason = "not every file of tests needs all of it")]
mod script;

use script::{Script, answer, valet_with};
use serde_json::{Value, json};
use tempfile::TempDir;

const JSON: [&str; 1] = ["Content-Type: application/json"];

/// Status, standard output and standard error, and the requests that were sent.
fn run(answers: Vec<String>, words: &[&str]) -> (i32, String, String, Vec<String>) {
    let script = Script::play(answers);
    let endpoint = format!("http://{}", script.address);
    let variables = [
        ("AWS_ACCESS_KEY_ID", "AK"),
        ("AWS_SECRET_ACCESS_KEY", "s3cr3t"),
        ("AWS_REGION", "us-east-1"),
        ("AWS_ENDPOINT_URL", &*endpoint),
    ];
    let folder = TempDir::new().unwrap();
    let output = valet_with(folder.path(), &[&["links"], words].concat(), "", &variables);
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
