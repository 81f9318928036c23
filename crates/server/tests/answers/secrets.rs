//! What a log may say: who did what to which object, and nothing that would let its reader do the same.

use std::fmt::Write;
use std::sync::{Arc, Mutex};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::DefaultGuard;
use tracing::{Dispatch, Event, Metadata, Subscriber};

use crate::harness::{Ask, KEY_ID, SECRET, World, ask, get, put};
use crate::people::Key;

/// Keeps every event and span, fields and all, as text.
#[derive(Clone, Default)]
struct Capture(Arc<Mutex<String>>);

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        write!(self.0, " {field}={value:?}").unwrap();
    }
}

impl Capture {
    fn keep(&self, line: &Line) {
        let mut kept = self.0.lock().unwrap();
        kept.push_str(&line.0);
        kept.push('\n');
    }

    fn take(&self) -> String {
        std::mem::take(&mut *self.0.lock().unwrap())
    }
}

impl Subscriber for Capture {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        let mut line = Line(span.metadata().name().to_owned());
        span.record(&mut line);
        self.keep(&line);
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, values: &Record<'_>) {
        let mut line = Line(String::new());
        values.record(&mut line);
        self.keep(&line);
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut line = Line(format!("{} {}", event.metadata().level(), event.metadata().target()));
        event.record(&mut line);
        self.keep(&line);
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

/// Hands this thread's events to the capture, until what is returned is dropped.
///
/// With one subscriber alone, an event that another thread is the first to reach would be switched
/// off for good, since that thread has none; with a second one all are asked.
fn listen(capture: &Capture) -> (Dispatch, DefaultGuard) {
    (Dispatch::new(Capture::default()), tracing::subscriber::set_default(capture.clone()))
}

/// What a query or header of the request says after `name`.
fn value(text: &str, name: &str) -> Option<String> {
    let (_, rest) = text.split_once(name)?;
    Some(rest.split(['&', ',', ' ']).next()?.to_owned())
}

/// Everything in a request that the log must not repeat.
fn secrets_of(ask: &Ask) -> Vec<String> {
    let mut secrets = vec![SECRET.to_owned(), "canary".to_owned()];
    let authorization = ask.headers.iter().find(|(name, _)| name == "authorization");
    let authorization = authorization.map(|(_, value)| value.as_str()).unwrap_or_default();
    secrets.extend(value(authorization, "Signature="));
    if let Some((_, query)) = ask.target.split_once('?') {
        secrets.push(query.to_owned());
        for name in ["X-Amz-Signature=", "X-Amz-Credential=", "&Signature="] {
            let Some(encoded) = value(query, name) else { continue };
            let decoded = presign::decode_component(&encoded).into_owned();
            secrets.push(String::from_utf8(decoded).unwrap());
            secrets.push(encoded);
        }
    }
    secrets.retain(|secret| !secret.is_empty());
    secrets
}

/// The log without what it repeats of a refused request on purpose: what the client was told, which has
/// neither signature nor token in it, and whose key the request claimed.
fn apart_from_what_is_told(log: &str) -> String {
    let mut rest = log.to_owned();
    for field in [" reason=\"", " claimed_access_key_id=\""] {
        while let Some((before, after)) = rest.split_once(field) {
            let mut escaped = false;
            let end = after.find(|character| {
                let ends = character == '"' && !escaped;
                escaped = character == '\\' && !escaped;
                ends
            });
            rest = format!("{before}{}", &after[end.unwrap() + 1..]);
        }
    }
    rest
}

/// Sends one request, and gives what was logged of it once it is clear that no secret was.
async fn logged(world: &World, capture: &Capture, ask: Ask) -> String {
    let secrets = secrets_of(&ask);
    let token = ask.headers.iter().find(|(name, _)| name == "x-amz-security-token");
    let token = token.map(|(_, token)| token.clone());
    let what = format!("{} {}", ask.method, ask.target);
    let answer = world.send_raw(ask).await;
    // The answer's body may show a canonical request to its sender; the line is written when it is gone.
    drop(answer);
    tokio::task::yield_now().await;
    let log = capture.take();
    let untold = apart_from_what_is_told(&log);
    for secret in secrets {
        let log = if secret == "canary" { &untold } else { &log };
        assert!(!log.contains(&secret), "{what} logged {secret}:\n{log}");
    }
    assert!(token.is_none_or(|token| !log.contains(&token)), "{what} logged its token:\n{log}");
    for name in ["X-Amz-", "AWS4-HMAC-SHA256", "AWSAccessKeyId=", "Signature="] {
        assert!(!untold.contains(name), "{what} logged {name}:\n{log}");
    }
    for name in ["X-Amz-Signature=", "X-Amz-Credential=", "Signature="] {
        assert!(!log.contains(name), "{what} logged {name}:\n{log}");
    }
    log
}

#[tokio::test]
async fn no_secret_of_what_is_accepted_is_logged() {
    let world = World::with_bucket().await;
    let capture = Capture::default();
    let _guard = listen(&capture);
    let accepted = [
        world.sign(put("/bucket/k", "canary")),
        world.sign(get("/bucket/k?x-canary=canary")),
        world.link("PUT", "k").body("canary"),
        world.link("GET", "k"),
        world.link_v2("GET", "k"),
        world.link_with(
            "GET",
            "k",
            &[],
            &[("response-content-type", "canary"), ("x-tag", "canary")],
        ),
        world.link_with("PUT", "k", &[], &[("x-amz-meta-canary", "canary")]).body("x"),
        world.sign(put("/bucket/k", "x").header("x-amz-meta-a", "canary")),
        world.sign(get("/bucket?prefix=canary")),
        world.sign(ask("DELETE", "/bucket/k")),
    ];
    for ask in accepted {
        let what = format!("{} {}", ask.method, ask.target);
        let log = logged(&world, &capture, ask).await;
        assert!(log.contains("INFO valet::request"), "{what}:\n{log}");
        assert!(log.contains(&format!("access_key_id=\"{KEY_ID}\"")), "{what}:\n{log}");
        assert!(log.contains("client=\"192.0.2.7\""), "{what}:\n{log}");
    }
}

#[tokio::test]
async fn no_secret_of_what_is_refused_is_logged() {
    let mut world = World::with_bucket().await;
    let capture = Capture::default();
    let _guard = listen(&capture);
    let long = "canary".repeat(400);
    let mut added = world.link("GET", "k");
    added.target += "&x-id=canary";
    let mut added_v2 = world.link_v2("GET", "k");
    added_v2.target += "&versionId=canary";
    let document = |target: &str, body: &str| world.sign(put(target, body));
    let refused = [
        added,
        added_v2,
        world.link("GET", "k").tamper(KEY_ID, "AKIACANARYcanary"),
        world.link("GET", "k").tamper("us-east-1", "canary"),
        world.link("GET", "k").tamper("Expires=3600", "Expires=canary"),
        world.link("GET", "k").tamper("X-Amz-Date=2026", "X-Amz-Date=canary"),
        world.link("GET", "k").header("x-amz-canary", "canary"),
        world.link("GET", "k").header("authorization", "AWS4-HMAC-SHA256 Signature=canary"),
        world.link_with("GET", "k", &[], &[("x-valet-uses", "canary")]),
        world.link_with("GET", "k", &[], &[("versionId", "canary")]),
        world.link_with("GET", "k", &[], &[("response-expires", "canary\u{20ac}")]),
        world.link_with("PUT", "k", &[], &[("x-amz-copy-source", "canary")]),
        world.link("PUT", "k").body("canary").header("content-md5", "canary"),
        world.link("PUT", "k").body("canary").header("content-length", "7"),
        world.sign_with_token(get("/bucket/k"), "canary"),
        world.sign(get("/bucket/k")).header("authorization", "canary"),
        world.sign(put("/bucket/k", "x").header("x-amz-meta-a", &long)),
        world.sign(put("/bucket/k", "x").header("x-amz-checksum-crc32", "canary")),
        world.sign(put("/bucket/k", "x").header("x-amz-storage-class", "canary")),
        world.sign(get("/bucket?list-type=2&continuation-token=canary")),
        world.sign(get("/bucket?max-keys=canary")),
        world.sign(get("/bucket?prefix=canary%80")),
        document(
            "/bucket?versioning",
            "<VersioningConfiguration><Status>canary</Status></VersioningConfiguration>",
        ),
        document(
            "/bucket?versioning",
            "<VersioningConfiguration><canary></VersioningConfiguration>",
        ),
        document("/bucket?versioning", "<canary/>"),
        document("/bucket?versioning", "canary &canary;"),
        document("/bucket?canary&acl", "canary"),
        world.sign(
            ask("POST", "/bucket?delete")
                .body("<Delete><Quiet>canary</Quiet><Object><Key>k</Key></Object></Delete>")
                .header("content-md5", "p2nWcoURZM6S6VJvJxPgKw=="),
        ),
        get("/bucket/k?canary=canary"),
    ];
    for ask in refused {
        let what = format!("{} {}", ask.method, ask.target);
        let log = logged(&world, &capture, ask).await;
        assert!(log.contains("INFO valet::request"), "{what}:\n{log}");
        assert!(log.contains("DEBUG server::audit"), "{what}:\n{log}");
    }
    let expired = world.link("GET", "k");
    world.now = "2026-06-15T14:00:00Z".parse().unwrap();
    let log = logged(&world, &capture, expired).await;
    assert!(log.contains("code=\"AccessDenied\""), "{log}");
}

#[tokio::test]
async fn a_link_is_named_by_its_fingerprint() {
    let world = World::with_bucket().await;
    world.send(put("/bucket/k", "hello")).await;
    let capture = Capture::default();
    let _guard = listen(&capture);
    let link = world.link("GET", "k");
    let signature = value(&link.target, "X-Amz-Signature=").unwrap();
    let fingerprint = presign::payload_hash(signature.as_bytes());
    let log = logged(&world, &capture, link.clone()).await;
    assert!(log.contains(&format!("link=\"{}\"", &fingerprint[..16])), "{log}");
    for part in [
        "operation=\"GetObject\"",
        "method=\"GET\"",
        "status=200",
        "bucket=\"bucket\"",
        "key=\"k\"",
        "bytes_out=5",
        "whole=true",
    ] {
        assert!(log.contains(part), "{part} in {log}");
    }
    // A proxy that is not trusted names no client.
    let through = link.header("x-forwarded-for", "203.0.113.1");
    let log = logged(&world, &capture, through.clone()).await;
    assert!(log.contains("client=\"192.0.2.7\""), "{log}");
    let mut config = crate::harness::config();
    config.trusted_proxies = vec!["192.0.2.0/24".parse().unwrap()];
    let trusting = World::with(config, store::Encryption::On).await;
    for (forwarded, client) in [
        ("203.0.113.1", "203.0.113.1"),
        ("evil, 203.0.113.1", "203.0.113.1"),
        ("203.0.113.9, 203.0.113.1, 192.0.2.8", "203.0.113.1"),
        ("[2001:db8::1]:443", "2001:db8::1"),
        ("203.0.113.1:1234", "203.0.113.1"),
        ("unknown", "192.0.2.7"),
    ] {
        let ask = get("/").header("x-forwarded-for", forwarded);
        let log = logged(&trusting, &capture, ask).await;
        assert!(log.contains(&format!("client=\"{client}\"")), "{forwarded}: {log}");
    }
}

#[tokio::test]
async fn a_refused_request_is_named_by_what_it_claims() {
    let mut world = World::with_bucket().await;
    let capture = Capture::default();
    let _guard = listen(&capture);
    let link = world.link("GET", "k");
    let name = |ask: &Ask| {
        let signature = value(&ask.target, "Signature=").unwrap();
        let signature = presign::decode_component(&signature).into_owned();
        format!("link=\"{}\"", &presign::payload_hash(&signature)[..16])
    };
    let (v2, mut wrong) = (world.link_v2("GET", "k"), link.clone());
    wrong.target.push('0');
    let claimed = format!("claimed_access_key_id=\"{KEY_ID}\"");
    let nobody = "claimed_access_key_id=\"-\"".to_owned();
    let no_link = "link=\"-\"".to_owned();
    let mismatch = "The request signature we calculated does not match";
    let header = world.sign(get("/bucket/k"));
    let unknown = link.clone().tamper(KEY_ID, "AKIAUNKNOWN000000000");
    let of_unknown = "claimed_access_key_id=\"AKIAUNKNOWN000000000\"".to_owned();
    let malformed = link.clone().tamper("Expires=3600", "Expires=no");
    let mut other_path = header.clone();
    other_path.target = "/bucket/other".to_owned();
    let rows = [
        (wrong.clone(), "link", name(&wrong), &claimed, mismatch),
        (unknown.clone(), "link", name(&unknown), &of_unknown, "The AWS Access Key Id"),
        (malformed, "link", no_link.clone(), &nobody, "X-Amz-Expires"),
        (other_path, "header", no_link.clone(), &claimed, mismatch),
        (get("/bucket/k"), "none", no_link.clone(), &nobody, "Access Denied"),
    ];
    for (ask, way, link, claimed, reason) in rows {
        let what = ask.target.clone();
        let log = logged(&world, &capture, ask).await;
        let line = log.lines().find(|line| line.contains("INFO valet::request")).unwrap();
        for part in [format!("authentication=\"{way}\""), link, claimed.clone()] {
            assert!(line.contains(&part), "{what}: {part} in {line}");
        }
        assert!(line.contains(" access_key_id=\"-\""), "{what}: {line}");
        assert!(line.contains(reason), "{what}: {line}");
    }
    // What is accepted says how, and only what is passed on has a name.
    for (ask, way, link) in [
        (world.sign(put("/bucket/k", "x")), "header", no_link.clone()),
        (link.clone(), "link", name(&link)),
        (v2.clone(), "link", name(&v2)),
    ] {
        let log = logged(&world, &capture, ask).await;
        for part in [format!("authentication=\"{way}\""), link, nobody.clone()] {
            assert!(log.contains(&part), "{part} in {log}");
        }
    }
    world.now = "2026-06-15T14:00:00Z".parse().unwrap();
    let log = logged(&world, &capture, link.clone()).await;
    for part in [name(&link), claimed.clone(), "reason=\"Request has expired\"".to_owned()] {
        assert!(log.contains(&part), "{part} in {log}");
    }
}

#[tokio::test]
async fn a_form_is_named_by_its_fingerprint_and_its_fields_by_nothing() {
    let world = World::with_bucket().await;
    let capture = Capture::default();
    let _guard = listen(&capture);
    let meta = [("x-amz-meta-a", "canary")];
    let v4 = world.form_with(&Key::root(), "k", &meta, &[]);
    let v2 = world.form_v2(&Key::root(), "k", &meta);
    for (form, field) in [(v4, "x-amz-signature"), (v2, "signature")] {
        let fingerprint = presign::payload_hash(form.value(field).as_bytes());
        let proofs = [form.value(field), form.value("policy")];
        for (form, status) in [
            (form.clone(), 204),
            (form.clone().field("canary", "canary"), 403),
            (form.clone().set("x-amz-meta-a", "canary canary"), 403),
            (form.clone().file(Some("canary")).set("key", "canary"), 403),
        ] {
            let log = logged(&world, &capture, form.ask()).await;
            for part in [
                format!("link=\"{}\"", &fingerprint[..16]),
                format!("access_key_id=\"{KEY_ID}\""),
                format!("status={status}"),
                "operation=\"PostObject\" method=\"POST\"".to_owned(),
            ] {
                assert!(log.contains(&part), "{part} in {log}");
            }
            assert!(proofs.iter().all(|proof| !log.contains(proof)), "{log}");
        }
        // Until its signature holds it is nobody's, and has the name of what it claims.
        let fingerprint = presign::payload_hash(b"other");
        let log = logged(&world, &capture, form.set(field, "other").ask()).await;
        for part in [
            format!("link=\"{}\"", &fingerprint[..16]),
            format!("claimed_access_key_id=\"{KEY_ID}\""),
            " access_key_id=\"-\"".to_owned(),
            "authentication=\"form\"".to_owned(),
            "status=403".to_owned(),
        ] {
            assert!(log.contains(&part), "{part} in {log}");
        }
    }
}
