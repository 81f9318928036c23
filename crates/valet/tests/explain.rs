//! `valet explain`, by itself and with a server that answers from a script.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

#[path = "support/script.rs"]
#[expect(dead_code, reason = "not every file of tests needs all of it")]
mod script;

use script::{Script, answer, refusal, valet_with};
use serde_json::{Value, json};
use tempfile::TempDir;

const KEY: [(&str, &str); 3] =
    [("AWS_ACCESS_KEY_ID", "AK"), ("AWS_SECRET_ACCESS_KEY", "s3cr3t"), ("AWS_REGION", "us-east-1")];
const OTHER_KEY: [(&str, &str); 3] = [
    ("AWS_ACCESS_KEY_ID", "AK2"),
    ("AWS_SECRET_ACCESS_KEY", "s3cr3t"),
    ("AWS_REGION", "us-east-1"),
];
const NO_KEY: [(&str, &str); 1] = [("AWS_EC2_METADATA_DISABLED", "true")];

struct Told {
    status: i32,
    out: String,
    err: String,
}

fn told(words: &[&str], input: &str, variables: &[(&str, &str)]) -> Told {
    let folder = TempDir::new().unwrap();
    let output = valet_with(folder.path(), words, input, variables);
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    let status = output.status.code().unwrap();
    Told { status, out: text(output.stdout), err: text(output.stderr) }
}

/// A link that was made now.
fn link(words: &[&str]) -> String {
    let words = [&["presign", "s3://photos/a.png", "--offline"], words].concat();
    told(&words, "", &KEY).out.trim().to_owned()
}

fn explained(words: &[&str], variables: &[(&str, &str)]) -> Value {
    let told = told(&[&["explain", "--json"], words].concat(), "", variables);
    assert_eq!((told.status, &*told.err), (0, ""), "{}", told.out);
    serde_json::from_str(&told.out).unwrap()
}

fn codes(explained: &Value) -> Vec<&str> {
    let causes = explained["causes"].as_array().unwrap();
    causes.iter().map(|cause| cause["code"].as_str().unwrap()).collect()
}

#[test]
fn a_link_is_explained_without_a_server() {
    let get = link(&[]);
    let known = explained(&[&get], &KEY);
    assert_eq!((known["works"].as_str(), codes(&known)), (Some("yes"), vec![]));
    assert_eq!(known["missing"], json!([]));
    let allows = &known["allows"];
    assert_eq!(allows["operation"], "GET: download the object");
    assert_eq!((&allows["bucket"], &allows["key"]), (&json!("photos"), &json!("a.png")));
    assert_eq!((&allows["signer"], &allows["limited_by"]), (&json!("AK"), &json!(["requested"])));
    assert_eq!(known["fingerprint"].as_str().unwrap().len(), 64);
    for variables in [&OTHER_KEY[..], &NO_KEY] {
        let unknown = explained(&[&get], variables);
        assert_eq!((unknown["works"].as_str(), codes(&unknown)), (Some("unknown"), vec![]));
        assert_eq!(unknown["missing"], json!(["secret"]));
        assert_eq!(unknown["allows"]["key"], "a.png");
    }
    let head = explained(&[&get, "--method", "HEAD"], &KEY);
    assert_eq!((head["works"].as_str(), codes(&head)), (Some("no"), vec!["method"]));
    let typed = link(&["--method", "PUT", "--content-type", "image/png"]);
    let put = ["--method", "PUT", "--header"];
    let sent = explained(&[&[&*typed][..], &put, &["Content-Type: image/png"]].concat(), &KEY);
    assert_eq!(sent["works"], "yes", "{sent}");
    let changed = explained(&[&[&*typed][..], &put, &["Content-Type: text/plain"]].concat(), &KEY);
    assert_eq!(codes(&changed), ["header-changed"]);
    let escaped = explained(&[&get.replace('&', "&amp;")], &KEY);
    assert_eq!(codes(&escaped), ["html-escaped"]);
    let region = explained(&[&get, "--region", "eu-west-1"], &KEY);
    assert_eq!(codes(&region), ["region"]);
}

#[test]
fn a_link_ends_with_its_session() {
    let session = |end: &'static str| {
        let more = [("AWS_SESSION_TOKEN", "token"), ("AWS_CREDENTIAL_EXPIRATION", end)];
        [&KEY[..], &more].concat()
    };
    for (end, verdict, expected, limited_by) in [
        ("2999-01-01T00:00:00Z", "yes", vec![], "requested"),
        ("2020-01-01T00:00:00Z", "no", vec!["session-ended"], "session"),
    ] {
        let variables = session(end);
        let words = ["presign", "s3://photos/a.png", "--offline"];
        let url = told(&words, "", &variables).out.trim().to_owned();
        let known = explained(&[&url], &variables);
        assert_eq!((known["works"].as_str(), codes(&known)), (Some(verdict), expected), "{known}");
        assert_eq!(known["allows"]["limited_by"], json!([limited_by]));
        // Whose session it is nobody else knows.
        let unknown = explained(&[&url], &OTHER_KEY);
        assert_eq!(unknown["allows"]["limited_by"], json!(["requested", "session-unknown"]));
    }
}

#[test]
fn people_are_told_the_verdict_first() {
    let get = link(&["--expires-in", "7d"]);
    let head = told(&["explain", &get, "--method", "HEAD"], "", &KEY);
    let lines: Vec<&str> = head.out.lines().collect();
    assert_eq!(head.status, 0);
    assert_eq!(lines[0], "The link does not work.");
    assert_eq!(lines[1], "  method: The link is signed for GET, and is used with HEAD.");
    assert!(head.out.contains("\nobject      s3://photos/a.png\n"), "{}", head.out);
    assert!(head.out.contains("\nnote        It lives for more than a day"), "{}", head.out);
    let get = told(&["explain", &get], "", &KEY);
    assert!(get.out.starts_with("The link is signed rightly and in its time;"), "{}", get.out);
    for secret in ["s3cr3t", "X-Amz-Signature", "AWS4"] {
        assert!(!head.out.contains(secret), "{}", head.out);
    }
}

#[test]
fn standard_input_has_a_link_a_line() {
    let get = link(&[]);
    let input = format!("{get}\n\n  <{get}>\n\"\"\nhello\n");
    let lines = told(&["explain", "-", "--json"], &input, &KEY);
    let read: Vec<Value> =
        lines.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(read.len(), 4, "{}", lines.out);
    assert_eq!((&read[0]["works"], &read[1]["works"]), (&json!("yes"), &json!("yes")));
    assert_eq!(read[1]["notes"].as_array().unwrap().len(), 1);
    assert_eq!(read[2], json!({"line": 4, "error": "there is no link in the text"}));
    assert_eq!(read[3], json!({"line": 5, "error": "there is no link in the text"}));
    assert_eq!((lines.status, &*lines.err), (1, "error: 2 line(s) held no link\n"));
}

#[test]
fn what_is_no_question_is_wrong_usage() {
    for (words, error) in [
        (&["explain", ""][..], "there is no link in the text"),
        (&["explain", "hello"], "there is no link in the text"),
        (&["explain", "https://h/", "--header", "x"], "`x` is not `NAME: VALUE`"),
    ] {
        let told = told(words, "", &KEY);
        assert_eq!((told.status, told.err), (2, format!("error: {error}\n")));
    }
}

#[test]
fn the_configured_server_is_asked_and_no_other() {
    let get = link(&[]);
    let body = json!({
        "works": "no",
        "causes": [{"code": "revoked", "text": "It was taken back.", "mend": "Ask\u{1b}[2J for another."}],
        "allows": null,
        "fingerprint": null,
    });
    let json_type = ["Content-Type: application/json"];
    let script = Script::play(vec![answer("200 OK", &json_type, &body.to_string())]);
    let endpoint = format!("http://{}", script.address);
    let words = ["explain", &get, "--method", "GET", "--header", "Range: bytes=0-0"];
    let asked = told(&[&words[..], &["--endpoint-url", &endpoint]].concat(), "", &KEY);
    let lines = "The link does not work.\n  revoked: It was taken back.\n    Ask[2J for another.\n";
    assert_eq!((asked.status, &*asked.out, &*asked.err), (0, lines, ""));
    let requests = script.requests();
    assert!(requests[0].starts_with("post /_valet/api/v1/explain "), "{}", requests[0]);
    let (_, sent) = requests[0].split_once("\r\n\r\n").unwrap();
    let sent: Value = serde_json::from_str(sent).unwrap();
    assert_eq!(sent, json!({"url": get, "method": "GET", "headers": {"Range": "bytes=0-0"}}));
}

#[test]
fn without_the_servers_answer_a_link_is_explained_here() {
    let get = link(&[]);
    for (answers, words) in [
        (vec![refusal("404 Not Found", "NoSuchKey", "x", "")], "the server does not explain links"),
        (
            vec![answer("200 OK", &[], "{}")],
            "the server could not be asked about the link: its answer cannot be read",
        ),
    ] {
        let script = Script::play(answers);
        let endpoint = format!("http://{}", script.address);
        let words = format!("note: {words}; this is what is known without it\n");
        let input = format!("{get}\n{get}\n");
        let asked = told(&["explain", "-", "--json", "--endpoint-url", &endpoint], &input, &KEY);
        assert_eq!((asked.status, asked.err), (0, words));
        assert_eq!(asked.out.matches("\"works\":\"yes\"").count(), 2, "{}", asked.out);
        assert_eq!(script.requests().len(), 1);
    }
    // Nothing listens there, and nothing is asked.
    let words = ["explain", &get, "--json", "--offline", "--endpoint-url", "http://127.0.0.1:1"];
    let offline = told(&words, "", &KEY);
    assert_eq!((offline.status, &*offline.err), (0, ""));
}
