//! `valet ls` against a server that answers from a script.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::string_slice, reason = "tests")]

#[path = "support/script.rs"]
mod script;

use script::{Script, answer, assert_told, refusal, valet, valet_with};
use tempfile::TempDir;

const KEY: [(&str, &str); 3] =
    [("AWS_ACCESS_KEY_ID", "AK"), ("AWS_SECRET_ACCESS_KEY", "s3cr3t"), ("AWS_REGION", "us-east-1")];

fn page(name: &str, token: &str) -> String {
    let bucket = format!(
        "<Bucket><Name>{name}</Name><CreationDate>2026-01-02T03:04:05.000Z</CreationDate></Bucket>"
    );
    let body = format!(
        "<ListAllMyBucketsResult><Buckets>{bucket}</Buckets>{token}</ListAllMyBucketsResult>"
    );
    answer("200 OK", &["Content-Type: application/xml"], &body)
}

#[test]
fn a_list_of_buckets_is_told_page_by_page() {
    let more = "<ContinuationToken>t</ContinuationToken>";
    let first = r#"{"buckets":[{"name":"a","created_at":"2026-01-02T03:04:05.000Z"}"#;
    let second = r#",{"name":"b","created_at":"2026-01-02T03:04:05.000Z"}"#;
    let line = |name: &str| format!("2026-01-02T03:04:05Z {name}\n");
    let check = |answers: Vec<String>, form: &[&str], expected: (i32, &str, &str)| {
        let folder = TempDir::new().unwrap();
        let script = Script::play(answers);
        let endpoint = format!("http://{}", script.address);
        let words = [&["ls", "--endpoint-url", &endpoint], form].concat();
        assert_told(&valet_with(folder.path(), &words, "", &KEY), expected);
        script.requests()
    };
    let whole = || vec![page("a", more), page("b", "")];
    let requests = check(whole(), &["--json"], (0, &format!("{first}{second}]}}\n"), ""));
    assert!(requests[1].starts_with("get /?continuation-token=t http/1.1\r\n"), "{}", requests[1]);
    check(whole(), &[], (0, &(line("a") + &line("b")), ""));
    let none = answer("200 OK", &[], "<ListAllMyBucketsResult></ListAllMyBucketsResult>");
    check(vec![none], &["--json"], (0, "{\"buckets\":[]}\n", ""));

    // What came before a failure has been told.
    let refused = || refusal("403 Forbidden", "AccessDenied", "Access Denied", "");
    let told = "error: 403 AccessDenied: Access Denied\n";
    check(vec![page("a", more), refused()], &["--json"], (3, first, told));
    check(vec![page("a", more), refused()], &[], (3, &line("a"), told));
    check(vec![refused()], &["--json"], (3, "", told));
}

#[test]
fn a_list_without_a_server_says_how_to_name_one() {
    let folder = TempDir::new().unwrap();
    let told = "error: no server is configured: set AWS_ENDPOINT_URL, `endpoint_url` in the profile, or \
                --endpoint-url\n";
    assert_told(&valet(folder.path(), &["ls"], ""), (2, "", told));
}
