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

/// Runs a command against that script; returns the requests.
fn run(words: &[&str], answers: Vec<String>, expected: (i32, &str, &str)) -> Vec<String> {
    let folder = TempDir::new().unwrap();
    let script = Script::play(answers);
    let endpoint = format!("http://{}", script.address);
    let words = [words, &["--endpoint-url", &endpoint]].concat();
    assert_told(&valet_with(folder.path(), &words, "", &KEY), expected);
    script.requests()
}

/// A name is the server's word, and XML and JSON can carry in it what no header can.
#[test]
fn what_a_server_calls_something_moves_no_terminal() {
    let obeyed = "\u{9b}2J\u{202e}";
    let xml = |body: &str| answer("200 OK", &[], body);
    let user = format!(
        "<CreateUserResponse><CreateUserResult><User><Path>/</Path><UserName>u</UserName><UserId>I</UserId>\
         <Arn>arn&#x1b;]0;a&#7;{obeyed}b</Arn><CreateDate>d</CreateDate></User></CreateUserResult>\
         </CreateUserResponse>"
    );
    run(&["user", "create", "u"], vec![xml(&user)], (0, "arn]0;a2Jb\n", ""));
    let document = "%7B%22a%22%3A%0A%22%C2%9B%E2%80%AE%22%7D";
    let policy = format!(
        "<GetUserPolicyResponse><GetUserPolicyResult><UserName>u</UserName><PolicyName>p</PolicyName>\
         <PolicyDocument>{document}</PolicyDocument></GetUserPolicyResult></GetUserPolicyResponse>"
    );
    let shown = "{\"a\":\n\"\\u009b\\u202e\"}\n";
    run(&["policy", "show", "p", "--user", "u"], vec![xml(&policy)], (0, shown, ""));
    let account = format!("{{\"id\":\"1\",\"name\":\"a{obeyed}b\"}}");
    let told = "account  1\nname     a2Jb\n";
    run(&["account", "show", "1"], vec![answer("200 OK", &[], &account)], (0, told, ""));
    let refused = "<DeleteResult><Error><Key>k</Key><Code>No&#10;error: a</Code><Message>m</Message></Error></DeleteResult>";
    let list = "<ListBucketResult><Contents><Key>k</Key><LastModified>x</LastModified><Size>3</Size></Contents></ListBucketResult>";
    let told = "error: 1 not deleted, the first of them `k`: Noerror: a: m\n";
    run(&["rm", "--recursive", "s3://b"], vec![xml(list), xml(refused)], (1, "", told));
}

const BODY: &str = "0123456789";
const ETAG: &str = "ETag: \"781e5e245d69b566979b86e28d23f2c7\"";

#[test]
fn a_dry_run_says_what_would_be_deleted() {
    let list = "<ListBucketResult><Contents><Key>d/k</Key><LastModified>x</LastModified><Size>3</Size></Contents></ListBucketResult>";
    let listed = || vec![answer("200 OK", &[], list)];
    let dry = ["rm", "--dry-run", "--json"];
    let json = "{\"would_delete\":[\"s3://b/d/k\"]}\n";
    run(&[&dry[..], &["--recursive", "s3://b/d"]].concat(), listed(), (0, json, ""));
    let deleted = vec![listed().remove(0), answer("200 OK", &[], "<DeleteResult></DeleteResult>")];
    let json = "{\"deleted\":[\"s3://b/d/k\"]}\n";
    run(&["rm", "--json", "--recursive", "s3://b/d"], deleted, (0, json, ""));

    // One object is looked up.
    let there = || vec![answer("200 OK", &[], "")];
    let requests = run(&["rm", "--dry-run", "s3://b/k"], there(), (0, "s3://b/k\n", ""));
    assert!(requests[0].starts_with("head /b/k http/1.1\r\n"), "{}", requests[0]);
    let json = "{\"would_delete\":[\"s3://b/k\"]}\n";
    run(&[&dry[..], &["s3://b/k"]].concat(), there(), (0, json, ""));
    let missing = || vec![answer("404 Not Found", &[], "")];
    let note = "note: nothing is stored under s3://b/k\n";
    run(&["rm", "--dry-run", "s3://b/k"], missing(), (0, "", note));
    let json = "{\"would_delete\":[]}\n";
    run(&[&dry[..], &["s3://b/k"]].concat(), missing(), (0, json, note));
    // Who may delete need not be allowed to look.
    let refused = vec![answer("403 Forbidden", &[], "")];
    let note = "note: whether it is stored is not known: you may not look it up\n";
    run(&["rm", "--dry-run", "s3://b/k"], refused, (0, "s3://b/k\n", note));
    let refused = vec![answer("501 Not Implemented", &[], "")];
    let told = "error: the server answered 501 Not Implemented\n";
    run(&["rm", "--dry-run", "s3://b/k"], refused, (1, "", told));
}

#[test]
fn json_has_the_same_members_everywhere() {
    let version = "X-Amz-Version-Id: v1";
    let list = "<ListBucketResult><Contents><Key>k</Key><LastModified>x</LastModified><ETag>&quot;e&quot;</ETag><Size>3</Size></Contents></ListBucketResult>";
    let json = r#"{"bucket":"b","prefix":"","objects":[{"key":"k","size":3,"last_modified":"x","etag":"e"}],"folders":[]}"#;
    let told = format!("{json}\n");
    run(&["ls", "--json", "s3://b"], vec![answer("200 OK", &[], list)], (0, &told, ""));

    let folder = TempDir::new().unwrap();
    let file = folder.path().join("f");
    std::fs::write(&file, BODY).unwrap();
    let file = file.display().to_string();
    let stored = answer("200 OK", &[ETAG, version], "");
    let json = r#"{"uri":"s3://b/k","size":10,"etag":"781e5e245d69b566979b86e28d23f2c7","version_id":"v1","verified":["MD5"]}"#;
    let note = "note: 10 B stored; MD5 verified\n";
    let told = format!("{json}\n");
    run(&["cp", "--json", &file, "s3://b/k"], vec![stored.clone()], (0, &told, note));
    // Whoever wants silence has it.
    run(&["cp", "-q", &file, "s3://b/k"], vec![stored], (0, "s3://b/k\n", ""));
    let unproven = answer("200 OK", &["ETag: \"x\""], "");
    let json = "{\"uri\":\"s3://b/k\",\"size\":10,\"etag\":\"x\",\"verified\":[]}\n";
    let note = "note: 10 B stored; not verified: no MD5 was answered\n";
    run(&["cp", "--json", &file, "s3://b/k"], vec![unproven], (0, json, note));

    let copied =
        || answer("200 OK", &[version], "<CopyObjectResult><ETag>\"e\"</ETag></CopyObjectResult>");
    let json = "{\"uri\":\"s3://b/l\",\"etag\":\"e\",\"version_id\":\"v1\"}\n";
    run(&["cp", "--json", "s3://b/k", "s3://b/l"], vec![copied()], (0, json, ""));
    let list = "<ListBucketResult><Contents><Key>d/k</Key><LastModified>x</LastModified><Size>3</Size></Contents></ListBucketResult>";
    let answers = vec![answer("200 OK", &[], list), copied()];
    let json = "{\"uri\":\"s3://b/e/k\",\"size\":3,\"etag\":\"e\",\"version_id\":\"v1\"}\n";
    run(&["cp", "--json", "--recursive", "s3://b/d", "s3://b/e"], answers, (0, json, ""));
}

#[test]
fn options_that_mean_nothing_are_refused() {
    let check = |words: &[&str], told: &str| {
        run(words, vec![], (2, "", &format!("error: {told}\n")));
    };
    check(&["cp", "--json", "s3://b/k", "-"], "--json and `-` are both for standard output");
    let told = "--content-type is for what is stored: a file has no type";
    check(&["cp", "--content-type", "a/b", "s3://b/k", "f"], told);
    check(&["cp", "--content-type", "a/b", "s3://b/k", "-"], told);
    check(&["cp", "--content-type", "a/b", "--recursive", "s3://b", "."], told);
}

#[test]
fn a_region_that_the_server_names_is_what_is_wrong() {
    let body = "<ErrorResponse><Error><Type>Sender</Type><Code>SignatureDoesNotMatch</Code><Message>Credential should be \
                scoped to a valid region. This server's is 'eu-west-9'.</Message></Error></ErrorResponse>";
    let refused = answer("403 Forbidden", &[], body);
    let told = "error: 403 SignatureDoesNotMatch: Credential should be scoped to a valid region. This server's is \
                'eu-west-9'.\nThe server's region is eu-west-9: set AWS_REGION, or use --region.\n";
    run(&["user", "ls"], vec![refused], (3, "", told));
}

#[test]
fn a_bundle_of_authorities_is_no_part_of_the_usage() {
    let folder = TempDir::new().unwrap();
    let bundle = [("AWS_CA_BUNDLE", "/nowhere.pem")];
    for command in ["get", "mb", "presign"] {
        let told = valet_with(folder.path(), &[command], "", &bundle);
        let told = String::from_utf8_lossy(&told.stderr).into_owned();
        assert!(told.contains("Usage: valet") && !told.contains("ca-bundle"), "{told}");
    }
    // It is still read.
    let told = "error: the authorities in /nowhere.pem: No such file or directory (os error 2)\n";
    let output = valet_with(folder.path(), &["get", "http://127.0.0.1:9/k"], "", &bundle);
    assert_told(&output, (2, "", told));
    let words = ["get", "http://127.0.0.1:9/k", "--cacert", "/other.pem"];
    assert_told(
        &valet_with(folder.path(), &words, "", &bundle),
        (2, "", &told.replace("nowhere", "other")),
    );
}

#[test]
fn what_was_typed_the_wrong_way_round_is_told() {
    let folder = TempDir::new().unwrap();
    std::fs::write(folder.path().join("f"), BODY).unwrap();
    let link = "http://127.0.0.1:9/b/k?X-Amz-Signature=s3cr3t";
    let told = "error: the file comes first, and then the link: valet put FILE LINK\n";
    assert_told(&valet(folder.path(), &["put", link, "f"], ""), (2, "", told));
    let told = "error: the link comes first, and then the file: valet get LINK FILE\n";
    assert_told(&valet(folder.path(), &["get", "f", link], ""), (2, "", told));
    let key = [("AWS_ACCESS_KEY_ID", "AK"), ("AWS_SECRET_ACCESS_KEY", "s3cr3t")];
    let words = ["presign", "s3://b/k", "--filename", "", "--region", "us-east-1"];
    let told = "error: --filename is empty: name the file, or leave it out\n";
    assert_told(&valet_with(folder.path(), &words, "", &key), (2, "", told));
    std::fs::create_dir(folder.path().join("full")).unwrap();
    std::fs::write(folder.path().join("full/mine"), "").unwrap();
    let backup = folder.path().join("backup");
    std::fs::create_dir(&backup).unwrap();
    std::fs::write(backup.join("backup"), "valet backup 1\n").unwrap();
    std::fs::write(backup.join("metadata.sqlite"), "").unwrap();
    let words = ["restore", "backup", "--data-dir", "full"];
    let told =
        "error: full is not empty: a backup is put back into a directory that is new or empty\n";
    assert_told(&valet(folder.path(), &words, ""), (2, "", told));
}
