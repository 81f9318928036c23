//! `valet presign` as a user runs it: the built binary, its output and its exit status.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use std::fs;
use std::io::Write as _;
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

/// A user with a home of their own, and nothing else in the environment.
struct User {
    home: TempDir,
    variables: Vec<(&'static str, String)>,
}

impl User {
    fn new() -> Self {
        Self { home: TempDir::new().unwrap(), variables: Vec::new() }
    }

    fn with_key() -> Self {
        Self::new().set("AWS_ACCESS_KEY_ID", "AKIA1").set("AWS_SECRET_ACCESS_KEY", "secret")
    }

    fn set(mut self, name: &'static str, value: &str) -> Self {
        self.variables.push((name, value.to_owned()));
        self
    }

    fn file(self, path: &str, text: &str) -> Self {
        let path = self.home.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
        self
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_valet"));
        command
            .args(arguments)
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("HOME", self.home.path())
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .envs(self.variables.iter().map(|(name, value)| (name, value)));
        command
    }

    fn run(&self, arguments: &[&str], input: &str) -> Output {
        let mut child = self
            .command(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // A command that refuses its arguments does not read.
        drop(child.stdin.take().unwrap().write_all(input.as_bytes()));
        child.wait_with_output().unwrap()
    }

    /// Standard output of a command that succeeds without saying anything else.
    fn prints(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments, "");
        assert_eq!((text(&output.stderr), output.status.code()), (String::new(), Some(0)));
        text(&output.stdout)
    }

    fn json(&self, arguments: &[&str]) -> Value {
        serde_json::from_str(&self.prints(arguments)).unwrap()
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// A server that nobody runs, and that is not asked.
const LOCAL: [&str; 3] = ["--endpoint-url", "http://localhost:9000", "--offline"];

#[test]
fn wrong_usage_exits_2_and_prints_no_link() {
    let check = |user: &User, arguments: &[&str], expected: &str| {
        let output = user.run(&[&["presign"], arguments].concat(), "");
        let found = (output.status.code(), text(&output.stdout), text(&output.stderr));
        assert_eq!(found, (Some(2), String::new(), expected.to_owned()), "{arguments:?}");
    };
    let user = User::with_key();
    let more = "\n\nFor more information, try '--help'.\n";
    let lifetime = |text: &str, why: &str| {
        format!("error: invalid value '{text}' for '--expires-in <DURATION>': {why}{more}")
    };
    let week = "error: S3 refuses every link that lives longer than 7 days (604800 seconds); --trim \
                shortens it\n";
    let object = "s3://b/k";
    check(&user, &[object, "--expires-in", "8d"], week);
    check(&user, &[object, "--expires-in", "604801"], week);
    check(&user, &[object, "--expires-in", "8d", "--strict"], week);
    let second = "a link must live for at least 1 second";
    check(&user, &[object, "--expires-in", "0"], &lifetime("0", second));
    let malformed = "expected seconds or a duration such as 15m, 1h30m or 7d";
    check(&user, &[object, "--expires-in", "soon"], &lifetime("soon", malformed));
    check(&user, &["s3://"], "error: an S3 URI names a bucket: s3://bucket/key\n");
    let endpoint =
        "error: the endpoint `localhost:9000`: an endpoint begins with http:// or https://\n";
    check(&user, &[object, "--endpoint-url", "localhost:9000"], endpoint);
    let reserved = "error: query parameter \"X-Amz-Date\" is the signature's own\n";
    check(&user, &[object, "--query", "X-Amz-Date=1"], reserved);
    let bulk = "error: `-` writes JSON: --curl and --qr are for one link\n";
    check(&user, &["-", "--qr"], bulk);
    let in_parts = |more: &[&str], expected: &str| {
        check(&user, &[&["--multipart", "--size", "9MiB"], more].concat(), expected);
    };
    in_parts(&["-"], "error: --multipart is for one object, and not for `-`\n");
    in_parts(&["s3://b"], "error: --multipart is for an object, and the URI names a bucket\n");
    let part = "error: a part has 5 MiB to 5 GiB\n";
    in_parts(&[object, "--part-size", "4MiB"], part);
    in_parts(&[object, "--expires-in", "8d"], week);
    // What would be lost between the beginning of an upload and its end.
    for name in ["If-None-Match", "if-match", "X-Amz-Server-Side-Encryption-Customer-Key"] {
        let lost = format!(
            "error: a bundle cannot keep `{name}`: the links of its parts, or of its completion, would need \
             it\n"
        );
        in_parts(&[object, "--header", &format!("{name}: *")], &lost);
    }
    let checksum = "error: a bundle cannot keep the checksums of its parts: add --header \
                    'x-amz-checksum-type: FULL_OBJECT'\n";
    in_parts(&[object, "--header", "x-amz-checksum-algorithm: SHA256"], checksum);
    let many = "error: an upload has 10,000 parts at most: make them larger\n";
    check(&user, &[object, "--multipart", "--size", "50001GiB"], many);
    let nobody = "error: no credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or name a \
                  profile of ~/.aws with --profile\n";
    check(&User::new(), &[object], nobody);
}

#[test]
fn the_url_alone_is_printed() {
    let check = |user: User, arguments: &[&str], start: &str, part: &str| {
        let url = user.prints(&[&["presign"], arguments].concat());
        assert!(url.starts_with(start) && url.contains(part), "{arguments:?}: {url}");
        assert_eq!(url.matches('\n').count(), 1, "{url}");
    };
    let key = User::with_key;
    let aws = "https://b-1.s3.amazonaws.com/k?X-Amz-Algorithm=AWS4-HMAC-SHA256&";
    check(key(), &["s3://b-1/k"], aws, "%2Fus-east-1%2Fs3%2F");
    check(key(), &["s3://b-1/k", "--expires-in", "15m"], aws, "&X-Amz-Expires=900&");
    check(key(), &["s3://b-1/k", "--expires-in", "7d"], aws, "&X-Amz-Expires=604800&");
    let west = "https://b-1.s3.eu-west-1.amazonaws.com/k?";
    check(key(), &["s3://b-1/k", "--region", "eu-west-1"], west, "%2Feu-west-1%2Fs3%2F");
    check(key().set("AWS_REGION", "eu-west-1"), &["s3://b-1/k"], west, "%2Feu-west-1%2F");
    check(key().set("AWS_DEFAULT_REGION", "eu-west-1"), &["s3://b-1/k"], west, "%2Feu-west-1%2F");
    let local = "http://localhost:9000/b-1/k?";
    let typed = ["s3://b-1/k", LOCAL[0], LOCAL[1], LOCAL[2]];
    check(key(), &typed, local, "X-Amz-SignedHeaders=host&X-Amz-Signature=");
    let endpoint = ("AWS_ENDPOINT_URL", "http://localhost:9000");
    let named = ["s3://b-1/k", "--offline"];
    check(key().set(endpoint.0, endpoint.1), &named, local, "");
    let both = key().set(endpoint.0, "http://other").set("AWS_ENDPOINT_URL_S3", endpoint.1);
    check(both, &named, local, "");
    check(key().set("AWS_ENDPOINT_URL_S3", "http://other"), &typed, local, "");
    let bucket = ["s3://b-1", "--method", "put", LOCAL[0], LOCAL[1], LOCAL[2]];
    check(key(), &bucket, "http://localhost:9000/b-1?", "");
}

#[test]
fn profiles_give_credentials_region_and_endpoint() {
    let config = "[default]\nregion = eu-west-1\n\
                  [profile local]\nregion = eu-west-2\nservices = s\n\
                  credential_process = sh -c \"cat $HOME/process.json\"\n\
                  [services s]\ns3 =\n  endpoint_url = http://localhost:9000\n";
    let credentials = "[default]\naws_access_key_id = AKIADEFAULT\naws_secret_access_key = s\n";
    let process = r#"{"Version": 1, "AccessKeyId": "AKIAPROCESS", "SecretAccessKey": "s",
        "SessionToken": "t", "Expiration": "2999-01-01T00:00:00Z"}"#;
    let user = || {
        User::new()
            .file(".aws/config", config)
            .file(".aws/credentials", credentials)
            .file("process.json", process)
    };
    let check = |user: User, arguments: &[&str], start: &str, credential: &str| {
        let url = user.prints(&[&["presign", "s3://b-1/k", "--offline"], arguments].concat());
        let credential = format!("X-Amz-Credential={credential}%2F");
        assert!(url.starts_with(start) && url.contains(&credential), "{url}");
    };
    check(user(), &[], "https://b-1.s3.eu-west-1.amazonaws.com/k?", "AKIADEFAULT");
    let local = "http://localhost:9000/b-1/k?";
    check(user(), &["--profile", "local"], local, "AKIAPROCESS");
    check(user().set("AWS_PROFILE", "local"), &[], local, "AKIAPROCESS");
    let json = user().json(&["presign", "s3://b-1/k", "--profile", "local", "--offline", "--json"]);
    assert_eq!(json["limited_by"], serde_json::json!(["requested"]));
}

#[test]
fn a_profile_that_is_named_is_the_one_that_signs() {
    let config = "[profile empty]\nregion = eu-west-1\n\
                  [profile process]\ncredential_process = sh -c \"cat $HOME/process.json\"\n";
    let credentials = "[named]\naws_access_key_id = AKIANAMED\naws_secret_access_key = s\n";
    let process = r#"{"Version": 1, "AccessKeyId": "AKIAPROCESS", "SecretAccessKey": "s"}"#;
    let user = || {
        User::with_key()
            .file(".aws/config", config)
            .file(".aws/credentials", credentials)
            .file("process.json", process)
    };
    let words = ["presign", "s3://b/k", LOCAL[0], LOCAL[1], LOCAL[2]];
    let signs = |user: User, more: &[&str], expected: &str| {
        let url = user.prints(&[&words, more].concat());
        assert!(url.contains(&format!("X-Amz-Credential={expected}%2F")), "{more:?}: {url}");
    };
    signs(user(), &[], "AKIA1");
    signs(user(), &["--profile", "named"], "AKIANAMED");
    signs(user(), &["--profile", "process"], "AKIAPROCESS");
    signs(user().set("AWS_PROFILE", "process"), &["--profile", "named"], "AKIANAMED");
    // As for `aws`, the variable of the profile is behind those of the key.
    signs(user().set("AWS_PROFILE", "named"), &[], "AKIA1");

    let refused = |user: User, words: &[&str], expected: &str| {
        let output = user.run(words, "");
        let found = (output.status.code(), text(&output.stdout), text(&output.stderr));
        assert_eq!(found, (Some(2), String::new(), format!("error: {expected}\n")), "{words:?}");
    };
    let nobody = "there is no profile `nobody` in ~/.aws/config or ~/.aws/credentials, or in the files that \
                  AWS_CONFIG_FILE and AWS_SHARED_CREDENTIALS_FILE name";
    let commands: [&[&str]; 10] = [
        &words,
        &["presign-post", "s3://b/k"],
        &["ls"],
        &["mb", "s3://b"],
        &["rm", "s3://b/k", "--dry-run"],
        &["cp", "s3://b/k", "f"],
        &["user", "ls"],
        &["key", "ls"],
        &["account", "ls"],
        &["credentials", "print"],
    ];
    for command in commands {
        refused(user(), &[command, &["--profile", "nobody"]].concat(), nobody);
    }
    refused(user().set("AWS_PROFILE", "nobody"), &words, nobody);
    refused(User::with_key(), &[&words[..], &["--profile", "nobody"]].concat(), nobody);
    let empty = "the profile `empty` has no credentials";
    refused(user(), &[&words[..], &["--profile", "empty"]].concat(), empty);
    refused(user(), &["ls", LOCAL[0], LOCAL[1], "--profile", "empty"], empty);
}

#[test]
fn json_says_when_the_link_really_ends() {
    let arguments = ["presign", "s3://b/k", LOCAL[0], LOCAL[1], LOCAL[2], "--json"];
    let json = User::with_key().json(&arguments);
    assert_eq!(json["method"], "GET");
    assert_eq!(json["headers"], serde_json::json!({}));
    assert_eq!(json["requested_expires_at"], json["effective_expires_at"]);
    assert_eq!(json["limited_by"], serde_json::json!(["requested"]));
    assert_eq!(json["fingerprint"].as_str().unwrap().len(), 64);
    assert!(json["url"].as_str().unwrap().starts_with("http://localhost:9000/b/k?"));
    assert_eq!(json.as_object().unwrap().len(), 7);

    // Standard output carries the JSON alone; the note is for whoever looks on.
    let noted = |user: User, note: &str| -> Value {
        let output = user.run(&arguments, "");
        assert!(text(&output.stderr).starts_with(note), "{}", text(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    };
    let session = || User::with_key().set("AWS_SESSION_TOKEN", "t");
    let json = noted(session(), "note: temporary credentials sign this link, ");
    assert_eq!(json["effective_expires_at"], Value::Null);
    assert_eq!(json["limited_by"], serde_json::json!(["session-unknown"]));

    let ended = session().set("AWS_CREDENTIAL_EXPIRATION", "2020-01-01T00:00:00Z");
    let json = noted(ended, "note: the link works until 2020-01-01T00:00:00Z, when the session ");
    assert_eq!(json["effective_expires_at"], "2020-01-01T00:00:00Z");
    assert_eq!(json["limited_by"], serde_json::json!(["session"]));

    let put = ["--method", "PUT", "--content-type", "image/png", "--header", "X-Amz-Meta-A: b"];
    let json = User::with_key().json(&[&arguments[..], &put].concat());
    assert_eq!(json["method"], "PUT");
    let headers = serde_json::json!({"content-type": "image/png", "x-amz-meta-a": "b"});
    assert_eq!(json["headers"], headers);
}

#[test]
fn a_bare_url_that_may_die_early_comes_with_a_note() {
    let session = || User::with_key().set("AWS_SESSION_TOKEN", "t");
    let check = |user: User, expected: &str| {
        let output = user.run(&["presign", "s3://b/k", LOCAL[0], LOCAL[1], LOCAL[2]], "");
        assert_eq!(output.status.code(), Some(0));
        assert_eq!(text(&output.stdout).lines().count(), 1);
        assert!(text(&output.stderr).starts_with(expected), "{}", text(&output.stderr));
    };
    check(
        session(),
        "note: temporary credentials sign this link, and they do not say when they end; the link \
         ends with them\n",
    );
    check(
        session().set("AWS_CREDENTIAL_EXPIRATION", "2020-01-01T00:00:00Z"),
        "note: the link works until 2020-01-01T00:00:00Z, when the session that signs it ends, not \
         until ",
    );
    check(session().set("AWS_CREDENTIAL_EXPIRATION", "2999-01-01T00:00:00Z"), "");
}

#[test]
fn a_link_that_would_die_early_is_refused_or_shortened() {
    let check = |user: &User, arguments: &[&str], expected: (i32, &str, &str)| {
        let all = [&["presign", "s3://b/k"], &LOCAL[..], arguments].concat();
        let output = user.run(&all, "");
        let (status, url_part, words) = expected;
        assert_eq!(output.status.code(), Some(status), "{arguments:?}");
        assert!(text(&output.stdout).contains(url_part), "{arguments:?}");
        assert_eq!(output.stdout.is_empty(), url_part.is_empty(), "{arguments:?}");
        assert!(text(&output.stderr).starts_with(words), "{}", text(&output.stderr));
        assert_eq!(output.stderr.is_empty(), words.is_empty(), "{}", text(&output.stderr));
    };
    let session = || User::with_key().set("AWS_SESSION_TOKEN", "t");
    let end = |time: &str| session().set("AWS_CREDENTIAL_EXPIRATION", time);
    let hour = "X-Amz-Expires=3600&";
    check(&User::with_key(), &["--strict"], (0, hour, ""));
    check(&User::with_key(), &["--trim"], (0, hour, ""));
    let unknown = "error: no link was made: temporary credentials sign this link, and they do not \
                   say when they end";
    check(&session(), &["--strict"], (4, "", unknown));
    check(&session(), &["--trim"], (0, hour, "note: temporary credentials sign this link"));
    let dead = "error: no link was made: the link works until 2020-01-01T00:00:00Z, when the session \
                that signs it ends, not until ";
    check(&end("2020-01-01T00:00:00Z"), &["--strict"], (4, "", dead));
    check(&end("2020-01-01T00:00:00Z"), &["--trim"], (4, "", dead));
    check(&end("2999-01-01T00:00:00Z"), &["--strict"], (0, hour, ""));
    check(&end("2999-01-01T00:00:00Z"), &["--trim"], (0, hour, ""));
    let week = "note: the link works until ";
    let longest = "X-Amz-Expires=604800&";
    check(&User::with_key(), &["--trim", "--expires-in", "30d"], (0, longest, week));
}

#[test]
fn bulk_refuses_and_shortens_line_by_line() {
    let input = "{\"uri\": \"s3://b/1\", \"strict\": true}\n\
                 {\"uri\": \"s3://b/2\"}\n\
                 {\"uri\": \"s3://b/3\", \"trim\": true, \"expires_in\": \"9d\"}\n";
    let user = User::with_key().set("AWS_SESSION_TOKEN", "t");
    let output = user.run(&[&["presign", "-"], &LOCAL[..]].concat(), input);
    assert_eq!(output.status.code(), Some(4));
    let stdout = text(&output.stdout);
    let lines: Vec<Value> =
        stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(lines[0]["error"].as_str().unwrap().starts_with("no link was made: temporary"));
    assert_eq!(lines[1]["limited_by"], serde_json::json!(["session-unknown"]));
    assert!(lines[2]["url"].as_str().unwrap().contains("X-Amz-Expires=604800&"));
}

#[test]
fn a_server_that_cannot_be_asked_is_mentioned() {
    // A port that was free a moment ago.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let endpoint = format!("http://127.0.0.1:{port}");
    let arguments = ["presign", "s3://b/k", "--endpoint-url", &endpoint];
    let check = |more: &[&str], status: i32, words: &str| {
        let output = User::with_key().run(&[&arguments, more].concat(), "");
        assert_eq!(output.status.code(), Some(status));
        assert_eq!(output.stdout.is_empty(), status != 0);
        assert!(text(&output.stderr).contains(words), "{}", text(&output.stderr));
    };
    let unreached = format!(
        "the server could not be asked whether policies end the link earlier: {endpoint} cannot be reached: "
    );
    check(&[], 0, &unreached);
    check(&["--trim"], 0, &unreached);
    check(&["--strict"], 4, "error: no link was made: the server could not be asked");
    check(&["--strict", "--offline"], 0, "");
}

#[test]
fn a_reader_who_has_seen_enough_is_no_error() {
    for arguments in
        [&["presign", "s3://b/k", "--offline"][..], &["man"], &["presign", "-", "--offline"]]
    {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let user = User::with_key().file("lines", r#"{"uri":"s3://b/k"}"#);
        let input = fs::File::open(user.home.path().join("lines")).unwrap();
        let mut command = user.command(arguments);
        let output = command.stdin(input).stdout(writer).stderr(Stdio::piped()).output().unwrap();
        assert_eq!((text(&output.stderr), output.status.code()), (String::new(), Some(1)));
    }
}

#[test]
fn curl_commands() {
    let check = |uri: &str, arguments: &[&str], start: &str| {
        let all = [&["presign", uri, LOCAL[0], LOCAL[1], LOCAL[2], "--curl"], arguments].concat();
        let line = User::with_key().prints(&all);
        assert!(line.starts_with(start) && line.ends_with("'\n"), "{line}");
    };
    let url = "'http://localhost:9000/b";
    check("s3://b/a/r.pdf", &[], &format!("curl --fail --output 'r.pdf' {url}/a/r.pdf?"));
    let named = ["--filename", "it's.pdf"];
    check("s3://b/k", &named, &format!(r"curl --fail --output 'it'\''s.pdf' {url}/k?"));
    check("s3://b/-k", &[], &format!("curl --fail --output 'k' {url}/-k?"));
    check("s3://b/a/../k", &[], &format!("curl --path-as-is --fail --output 'k' {url}/a/../k?"));
    let put = ["--method", "PUT", "--content-type", "image/png"];
    let upload = "curl --fail-with-body --upload-file 'k' --header 'content-type: image/png'";
    check("s3://b/k", &put, &format!("{upload} {url}/k?"));
    check("s3://b/k", &["--method", "HEAD"], &format!("curl --head {url}/k?"));
    let delete = ["--method", "DELETE"];
    check("s3://b/k", &delete, &format!("curl --fail-with-body --request DELETE {url}/k?"));
    let create = ["--method", "PUT"];
    check("s3://b", &create, &format!("curl --fail-with-body --request PUT {url}?"));
}

#[test]
fn a_qr_code_is_drawn() {
    let code =
        User::with_key().prints(&["presign", "s3://b/k", LOCAL[0], LOCAL[1], LOCAL[2], "--qr"]);
    assert!(code.lines().count() > 20 && code.contains('█'), "{code}");
}

#[test]
fn a_line_in_is_a_line_out() {
    let input = "{\"uri\": \"s3://b/1\"}\n\
                 \n\
                 {\"uri\": \"s3://b/2\", \"method\": \"PUT\", \"expires_in\": \"15m\", \"header\": [\"A: b\"]}\n\
                 {\"uri\": \"s3://b/3\", \"expires-in\": 60, \"filename\": \"x\", \"inline\": true}\n\
                 {\"uri\": \"s3://b/4\", \"expires_in\": \"8d\"}\n\
                 {\"uri\": \"s3://b/5\", \"use\": 1}\n\
                 not JSON\n\
                 [\"s3://b/k\", null, null, null, null, null, null, null, null, null, null, null]\n\
                 {\"uri\":\n\
                 {\"uri\": \"s3://b/6\", \"method\": \"POST\"}";
    let output = User::with_key().run(&["presign", "-", LOCAL[0], LOCAL[1], LOCAL[2]], input);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(text(&output.stderr), "error: 6 line(s) made no link\n");
    let stdout = text(&output.stdout);
    let lines: Vec<Value> =
        stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 9);
    let check = |index: usize, start: &str, part: &str| {
        let url = lines[index]["url"].as_str().unwrap();
        assert!(url.starts_with(start) && url.contains(part), "{url}");
    };
    check(0, "http://localhost:9000/b/1?X-Amz", "X-Amz-Expires=3600&");
    check(1, "http://localhost:9000/b/2?X-Amz", "X-Amz-Expires=900&X-Amz-SignedHeaders=a%3Bhost&");
    check(2, "http://localhost:9000/b/3?response-content-disposition=inline", "X-Amz-Expires=60&");
    assert_eq!(lines[1]["headers"], serde_json::json!({"a": "b"}));
    let week =
        "S3 refuses every link that lives longer than 7 days (604800 seconds); --trim shortens it";
    assert_eq!(lines[3], serde_json::json!({"line": 5, "error": week}));
    let object = "a line is a JSON object";
    for (index, line, part) in [
        (4, 6, "unknown field `use`"),
        (5, 7, object),
        (6, 8, object),
        (7, 9, "EOF while parsing a value"),
        (8, 10, "`POST`"),
    ] {
        assert_eq!(lines[index]["line"], line);
        assert!(lines[index]["error"].as_str().unwrap().contains(part), "{}", lines[index]);
    }
}

#[test]
fn other_commands_answer() {
    let user = User::new();
    for shell in ["bash", "zsh", "fish"] {
        assert!(user.prints(&["completions", shell]).contains("presign"), "{shell}");
    }
    assert!(user.prints(&["--version"]).starts_with("valet "));
    let check = |user: User, arguments: &[&str], expected: &str| {
        let output = user.run(arguments, "");
        assert_eq!((output.status.code(), text(&output.stderr)), (Some(2), expected.to_owned()));
    };
    let url = ["get", "not-a-link"];
    check(User::new(), &url, "error: a link begins with http:// or https://\n");
    let region =
        "error: region: `EU`: a region's name has lower-case letters, digits and hyphens\n";
    check(User::new(), &["serve", "--region", "EU"], region);
    let later = User::new().set("VALET_METADATA", "postgres://h");
    check(later, &["serve"], "error: VALET_METADATA is not a setting of this version\n");
    let half = User::new().set("VALET_ROOT_ACCESS_KEY_ID", "root");
    check(half, &["serve"], "error: VALET_ROOT_ACCESS_KEY_ID is set without its secret\n");
}
