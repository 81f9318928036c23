//! Forms as they are printed.

use presign::{Credentials, Endpoint, SecretAccessKey};

use super::*;
use crate::args;
use crate::aws::{Identity, Session};
use crate::location::{Service, Style};

const NOW: &str = "2026-06-15T12:00:00Z";

fn options() -> FormOptions {
    FormOptions {
        expires_in: args::life("15m").unwrap(),
        min_size: None,
        max_size: None,
        content_type: None,
        content_type_starts_with: None,
        field: Vec::new(),
        success_status: None,
        redirect: None,
        strict: false,
        trim: false,
        offline: true,
        bucket_domain: None,
    }
}

fn made(uri: &str, options: &FormOptions) -> (Form, Expiry, PresignedPost) {
    let form = Form::new(uri, options).unwrap();
    let endpoint = Some(Endpoint::parse("http://localhost:9000").unwrap());
    let mut signer = LinkSigner::new(Identity {
        credentials: Credentials {
            access_key_id: "AKIA1".to_owned(),
            secret_access_key: SecretAccessKey::new("secret"),
            session_token: None,
        },
        session: Session::LongTerm,
        region: "us-east-1".to_owned(),
        service: Service { endpoint, region: None, style: Style::Auto },
    });
    let now = NOW.parse().unwrap();
    let expiry = Expiry::of(form.life, Session::LongTerm, None, now);
    let made = signer.sign_form(&form, &expiry, now).unwrap();
    (form, expiry, made)
}

fn field<'a>(made: &'a PresignedPost, name: &str) -> Option<std::borrow::Cow<'a, str>> {
    made.fields.get(name)
}

/// By which a form is revoked, and found in the log.
#[test]
fn the_fingerprint_is_that_of_the_signature() {
    let (_, expiry, made) = made("s3://b/k", &options());
    let json: serde_json::Value =
        serde_json::from_str(&Json::of(&made, &expiry).write().unwrap()).unwrap();
    let signature = field(&made, "x-amz-signature").unwrap();
    let expected = presign::Fingerprint::of_signature(signature.as_bytes()).to_string();
    assert_eq!(json.get("fingerprint").unwrap(), &serde_json::json!(expected));
}

#[test]
fn keys_that_let_the_client_name_the_file() {
    let check = |uri: &str, expected: &str| {
        let (_, _, made) = made(uri, &options());
        assert_eq!(field(&made, "key").as_deref(), Some(expected), "{uri}");
    };
    check("s3://b/k", "k");
    check("s3://b/up/", "up/${filename}");
    check("s3://b/up/${filename}", "up/${filename}");
    check("s3://b/up/${filename}.bak", "up/${filename}.bak");
    check("s3://b//", "/${filename}");
}

#[test]
fn what_cannot_be_right() {
    let check = |change: fn(&mut FormOptions), expected: &str| {
        let mut options = options();
        change(&mut options);
        assert_eq!(Form::new("s3://b/k", &options).unwrap_err().to_string(), expected);
    };
    let bucket = Form::new("s3://b", &options()).unwrap_err();
    assert_eq!(bucket.to_string(), "a form makes an object, and the URI names a bucket");
    check(|o| o.field.push("a".into()), "a field is written `name=value`, not `a`");
    check(|o| o.field.push("=a".into()), "a field is written `name=value`, not `=a`");
    check(|o| (o.min_size, o.max_size) = (Some(2), Some(1)), "--min-size is more than --max-size");
    check(
        |o| o.redirect = Some("/done".into()),
        "--redirect takes a URL that begins with http:// or https://, not `/done`",
    );
    check(
        |o| o.expires_in = args::life("8d").unwrap(),
        "S3 refuses every link that lives longer than 7 days (604800 seconds); --trim shortens it",
    );
}

#[test]
fn json() {
    let options = FormOptions {
        max_size: Some(10),
        content_type_starts_with: Some("image/".into()),
        field: vec!["x-amz-meta-a=b=c".into()],
        success_status: Some(SuccessStatus::Created),
        redirect: Some("https://example.com/done".into()),
        ..options()
    };
    let (_, expiry, made) = made("s3://b/up/", &options);
    let json = Json::of(&made, &expiry).write().unwrap();
    let value: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(value["url"], "http://localhost:9000/b");
    assert_eq!(value["requested_expires_at"], "2026-06-15T12:15:00Z");
    assert_eq!(value["effective_expires_at"], "2026-06-15T12:15:00Z");
    assert_eq!(value["limited_by"], serde_json::json!(["requested"]));
    for (name, expected) in [
        ("Content-Type", "image/"),
        ("key", "up/${filename}"),
        ("x-amz-meta-a", "b=c"),
        ("success_action_status", "201"),
        ("success_action_redirect", "https://example.com/done"),
        ("x-amz-date", "20260615T120000Z"),
    ] {
        assert_eq!(value["fields"][name], expected, "{name}");
    }
    assert_eq!(value["fields"].as_object().unwrap().len(), 10);
    // Fields stand in the order in which they are to be sent.
    assert!(json.starts_with(r#"{"url":"http://localhost:9000/b","fields":{"Content-Type":"#));
}

#[test]
fn a_curl_line() {
    let options = FormOptions { field: vec!["a=@it's;type=x".into()], ..options() };
    let (form, _, made) = made("s3://b/up/", &options);
    let line = curl_line(&made, &form);
    let start = r"curl --fail-with-body --form-string 'a=@it'\''s;type=x' --form-string 'key=up/${filename}' --form-string 'x-amz-algorithm=";
    assert!(line.starts_with(start), "{line}");
    let end = r#" --form 'file=@"FILE"' 'http://localhost:9000/b'"#;
    assert!(line.ends_with(end), "{line}");
    let options = FormOptions { field: vec!["a=\u{1b}]0;x\u{7}\u{9b}".into()], ..self::options() };
    let (form, _, made) = self::made("s3://b/up/", &options);
    let line = curl_line(&made, &form);
    assert!(!line.contains(char::is_control), "{line:?}");
    assert!(
        line.contains(
            r#"'a='"$(printf '\033')"']0;x'"$(printf '\007')"''"$(printf '\302\233')"''"#
        ),
        "{line}"
    );
    let end_of = |uri: &str| {
        let (form, _, made) = self::made(uri, &self::options());
        let line = curl_line(&made, &form);
        line.rsplit_once(" --form ").unwrap().1.to_owned()
    };
    assert_eq!(end_of("s3://b/a/r.pdf"), r#"'file=@"r.pdf"' 'http://localhost:9000/b'"#);
    assert_eq!(end_of("s3://b/-"), r#"'file=@"object"' 'http://localhost:9000/b'"#);
}

#[test]
fn a_page_holds_what_it_was_given_and_nothing_more() {
    let options = FormOptions {
        min_size: Some(1),
        max_size: Some(10),
        content_type_starts_with: Some("image/".into()),
        field: vec!["x\"><script>=</form>{{url}}'&".into(), "b={{fields}}".into()],
        ..options()
    };
    // A name with a quote cannot be sent.
    let refused = Form::new("s3://b/up/", &options).unwrap();
    assert_eq!(refused.fields.len(), 3);
    let options = FormOptions {
        field: vec!["x<script>=</form>{{url}}'&\"".into(), "b={{fields}}".into()],
        ..options
    };
    let (form, expiry, made) = made("s3://b/<b>${filename}", &options);
    let page = page::of(&made, &form, &expiry);
    for part in [
        "<!doctype html>",
        "action=\"http://localhost:9000/b\" method=\"post\" enctype=\"multipart/form-data\" data-type=\"image/\" data-min=\"1\" data-max=\"10\"",
        "<input type=\"hidden\" name=\"x&lt;script&gt;\" value=\"&lt;/form&gt;{{url}}&#39;&amp;&quot;\">",
        "<input type=\"hidden\" name=\"b\" value=\"{{fields}}\">",
        "<input type=\"hidden\" id=\"type\" name=\"Content-Type\" value=\"image/\">",
        "<input type=\"file\" id=\"file\" name=\"file\" required accept=\"image/*\">",
        "<code>b/&lt;b&gt;${filename}</code>",
        "<time datetime=\"2026-06-15T12:15:00Z\">",
    ] {
        assert!(page.contains(part), "{part} in {page}");
    }
    assert_eq!(page.matches("<script>").count(), 1, "{page}");
    // The file is the last of what is sent.
    let last_field = page.rfind("type=\"hidden\"").unwrap();
    assert!(last_field < page.find("type=\"file\"").unwrap());
    assert_eq!(page.matches(" name=\"").count(), made.fields.iter().count() + 3);
}
