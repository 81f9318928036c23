//! Roles for whom an identity provider vouches. The provider is the one thing here with a socket: the
//! server calls out for its keys.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use jiff::SignedDuration;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};
use store::Encryption;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::harness::{Answer, World, config, put};
use crate::people::{ACCOUNT, Key, policy, query_ask, query_refusal, role_arn};

const READ: &str = r#"{"Effect":"Allow","Action":"s3:*","Resource":"*"}"#;
const KEYS: &str = include_str!("../vectors/oidc/jwks.json");
const SIGNING_KEY: &[u8] = include_bytes!("../vectors/oidc/ec.p8");
/// 12:00:00 of the day of the tests.
const NOW: i64 = 1_781_524_800;

/// A provider on loopback, which counts who asks, and can be away or lie about its name.
struct Issuer {
    url: String,
    asked: Arc<AtomicUsize>,
    away: Arc<AtomicBool>,
}

impl Issuer {
    async fn start(documents: fn(&str, &str) -> Option<String>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::new(AtomicUsize::new(0));
        let away = Arc::new(AtomicBool::new(false));
        let issuer = Self { url: url.clone(), asked: Arc::clone(&asked), away: Arc::clone(&away) };
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                asked.fetch_add(1, Ordering::SeqCst);
                if !away.load(Ordering::SeqCst) {
                    answer(stream, &url, documents).await;
                }
            }
        });
        issuer
    }

    fn name(&self) -> &str {
        self.url.strip_prefix("http://").unwrap()
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    fn token(&self, more: &Value) -> String {
        let mut claims = json!({
            "iss": self.url, "sub": "alice", "aud": "client", "iat": NOW, "exp": NOW + 3600,
        });
        for (name, value) in more.as_object().unwrap() {
            if value.is_null() {
                claims.as_object_mut().unwrap().remove(name);
            } else {
                claims[name] = value.clone();
            }
        }
        sign("ec", &claims)
    }
}

fn sign(key_id: &str, claims: &Value) -> String {
    let header = Header { kid: Some(key_id.to_owned()), ..Header::new(Algorithm::ES256) };
    jsonwebtoken::encode(&header, claims, &EncodingKey::from_ec_der(SIGNING_KEY)).unwrap()
}

async fn answer(mut stream: TcpStream, url: &str, documents: fn(&str, &str) -> Option<String>) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => return,
        }
    }
    let head = String::from_utf8(head).unwrap();
    let path = head.split(' ').nth(1).unwrap();
    let answer = match documents(url, path) {
        Some(body) => {
            format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len())
        }
        None => {
            format!("HTTP/1.1 302 Found\r\nlocation: {url}/elsewhere\r\ncontent-length: 0\r\n\r\n")
        }
    };
    let _ = stream.write_all(answer.as_bytes()).await;
}

/// What an honest provider publishes.
fn honest(url: &str, path: &str) -> Option<String> {
    match path {
        "/.well-known/openid-configuration" => {
            Some(json!({"issuer": url, "jwks_uri": format!("{url}/keys")}).to_string())
        }
        "/keys" => Some(KEYS.to_owned()),
        _ => None,
    }
}

/// A server that may call loopback, and knows the provider.
async fn world(issuer: &Issuer) -> World {
    let outbound_allow = vec!["127.0.0.0/8".parse().unwrap()];
    let world =
        World::with(server::ServerConfig { outbound_allow, ..config() }, Encryption::On).await;
    world.send(put("/bucket", "")).await;
    world.send(put("/bucket/a", "hello")).await;
    register(&world, issuer.name()).await;
    world
        .role("web", &trust(issuer.name(), "sts:AssumeRoleWithWebIdentity", ""), &policy(READ))
        .await;
    world
}

async fn register(world: &World, name: &str) {
    let url = format!("https://{name}");
    world
        .iam(&[
            ("Action", "CreateOpenIDConnectProvider"),
            ("Url", &url),
            ("ClientIDList.member.1", "client"),
        ])
        .await;
}

fn provider_arn(name: &str) -> String {
    format!("arn:aws:iam::{ACCOUNT}:oidc-provider/{name}")
}

fn trust(name: &str, actions: &str, conditions: &str) -> String {
    let actions = actions.replace(',', "\",\"");
    policy(&format!(
        r#"{{"Effect":"Allow","Principal":{{"Federated":"{}"}},"Action":["{actions}"]{conditions}}}"#,
        provider_arn(name)
    ))
}

async fn assume(world: &World, role: &str, token: &str, more: &[(&str, &str)]) -> Answer {
    let arn = role_arn(role);
    let mut parameters = vec![
        ("Action", "AssumeRoleWithWebIdentity"),
        ("RoleArn", &arn),
        ("RoleSessionName", "ses"),
        ("WebIdentityToken", token),
    ];
    parameters.extend_from_slice(more);
    world.send_raw(query_ask("sts", &parameters)).await
}

#[tokio::test]
async fn a_token_opens_a_role() {
    let issuer = Issuer::start(honest).await;
    let world = world(&issuer).await;
    let answer = assume(&world, "web", &issuer.token(&json!({})), &[]).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.element("SubjectFromWebIdentityToken"), "alice");
    assert_eq!(answer.element("Audience"), "client");
    assert_eq!(answer.element("Provider"), provider_arn(issuer.name()));
    assert_eq!(answer.element("Arn"), format!("arn:aws:sts::{ACCOUNT}:assumed-role/web/ses"));
    assert_eq!(answer.element("Expiration"), "2026-06-15T13:00:00Z");
    let session = Key::of(&answer);
    assert_eq!(world.send_raw(world.link_by(&session, "GET", "a")).await.text(), "hello");
    // The keys are kept: discovery and the keys themselves were asked for once.
    assert_eq!(assume(&world, "web", &issuer.token(&json!({})), &[]).await.status, 200);
    assert_eq!(issuer.asked(), 2);
}

#[tokio::test]
async fn claims_that_are_refused() {
    let issuer = Issuer::start(honest).await;
    let world = world(&issuer).await;
    let audience = "400 InvalidIdentityToken Incorrect token audience";
    let missing =
        |claim: &str| format!("400 InvalidIdentityToken Missing a required claim: {claim}");
    let early = "403 IDPRejectedClaim Token is not yet valid";
    let expired = format!(
        "400 ExpiredTokenException Token expired: current date/time {NOW} must be before the expiration date/time {NOW}"
    );
    let tags = "400 InvalidIdentityToken The session tags of the token are not valid";
    let identity = "400 InvalidIdentityToken The source identity of the token is not valid";
    let denied = "403 AccessDenied Not authorized to perform sts:AssumeRoleWithWebIdentity";
    let tagged = |value: Value| json!({"https://aws.amazon.com/tags": value});
    let rows = [
        (json!({"aud": "other"}), audience.to_owned()),
        (json!({"aud": ["other", "another"]}), audience.to_owned()),
        (json!({"aud": null}), audience.to_owned()),
        // Another client's token, which may be shown to us.
        (json!({"azp": "other"}), audience.to_owned()),
        (json!({"exp": null}), missing("exp")),
        (json!({"exp": NOW}), expired),
        (json!({"sub": null}), missing("sub")),
        (json!({"nbf": NOW + 301}), early.to_owned()),
        (json!({"iat": NOW + 301}), early.to_owned()),
        (tagged(json!("x")), tags.to_owned()),
        (tagged(json!({"principal_tags": {"a": ["x", "y"]}})), tags.to_owned()),
        (tagged(json!({"principal_tags": {"a": ["x"], "A": ["x"]}})), tags.to_owned()),
        (tagged(json!({"principal_tags": {}, "transitive_tag_keys": ["a"]})), "400 InvalidParameterValue The specified transitive tag key must be included in the requested tags.".to_owned()),
        (json!({"https://aws.amazon.com/source_identity": "a b"}), identity.to_owned()),
        // The role does not trust it to do these.
        (tagged(json!({"principal_tags": {"a": ["x"]}})), denied.to_owned()),
        (json!({"https://aws.amazon.com/source_identity": "ann"}), denied.to_owned()),
    ];
    for (claims, expected) in rows {
        let answer = assume(&world, "web", &issuer.token(&claims), &[]).await;
        assert_eq!(query_refusal(&answer), expected, "{claims}");
    }
    for claims in [
        json!({"nbf": NOW + 300, "iat": NOW + 300}),
        json!({"exp": NOW + 1}),
        json!({"aud": ["other", "client"]}),
        json!({"aud": "other", "azp": "client"}),
    ] {
        assert_eq!(
            assume(&world, "web", &issuer.token(&claims), &[]).await.status,
            200,
            "{claims}"
        );
    }
    let none = assume(&world, "none", &issuer.token(&json!({})), &[]).await;
    assert_eq!(query_refusal(&none), denied);
    let long =
        assume(&world, "web", &issuer.token(&json!({})), &[("DurationSeconds", "3601")]).await;
    assert_eq!(
        query_refusal(&long),
        "400 ValidationError The requested DurationSeconds exceeds the MaxSessionDuration set for this role."
    );
}

#[tokio::test]
async fn conditions_on_claims() {
    let issuer = Issuer::start(honest).await;
    let world = world(&issuer).await;
    let name = issuer.name();
    let equals = |claim: &str, value: &str| {
        format!(r#","Condition":{{"StringEquals":{{"{name}:{claim}":"{value}"}}}}"#)
    };
    let rows = [
        ("sub", "alice", json!({}), true),
        ("sub", "bob", json!({}), false),
        // A claim that differs in its letters alone is another one.
        ("sub", "bob", json!({"SUB": "bob"}), false),
        ("aud", "client", json!({"aud": ["other", "client"]}), true),
        ("aud", "client", json!({"aud": "other", "azp": "client"}), true),
        ("oaud", "other", json!({"aud": "other", "azp": "client"}), true),
        ("email", "a@example.com", json!({"email": "a@example.com"}), true),
        ("email", "a@example.com", json!({}), false),
        ("Team", "blue", json!({"team": "blue"}), true),
        ("team", "blue", json!({"Team": "blue", "TEAM": "red"}), false),
    ];
    for (at, (claim, value, claims, expected)) in rows.into_iter().enumerate() {
        let role = format!("role{at}");
        let trust = trust(name, "sts:AssumeRoleWithWebIdentity", &equals(claim, value));
        world.role(&role, &trust, &policy(READ)).await;
        let answer = assume(&world, &role, &issuer.token(&claims), &[]).await;
        assert_eq!(answer.status == 200, expected, "{claim} {value} {claims}: {}", answer.text());
    }
}

#[tokio::test]
async fn tags_and_source_identity_of_a_token() {
    let issuer = Issuer::start(honest).await;
    let world = world(&issuer).await;
    let actions = "sts:AssumeRoleWithWebIdentity,sts:TagSession,sts:SetSourceIdentity";
    let condition = r#","Condition":{"StringEqualsIfExists":{"aws:RequestTag/team":"a"}}"#;
    let only = policy(
        r#"{"Effect":"Allow","Action":"s3:*","Resource":"*","Condition":{"StringEquals":{"aws:PrincipalTag/team":"a","aws:SourceIdentity":"ann"}}}"#,
    );
    world.role("tagged", &trust(issuer.name(), actions, condition), &only).await;
    let claims = |team: &str| {
        json!({
            "https://aws.amazon.com/tags": {
                "principal_tags": {"team": [team]}, "transitive_tag_keys": ["team"],
            },
            "https://aws.amazon.com/source_identity": "ann",
        })
    };
    let answer = assume(&world, "tagged", &issuer.token(&claims("a")), &[]).await;
    assert_eq!(answer.element("SourceIdentity"), "ann", "{}", answer.text());
    let session = Key::of(&answer);
    assert_eq!(world.send_raw(world.link_by(&session, "GET", "a")).await.text(), "hello");
    assert_eq!(assume(&world, "tagged", &issuer.token(&claims("b")), &[]).await.status, 403);
}

#[tokio::test]
async fn an_issuer_is_exactly_the_one_registered() {
    let issuer = Issuer::start(|url, path| match path {
        "/Tenant/.well-known/openid-configuration" | "/tenant/.well-known/openid-configuration" => {
            let tenant = path.split('/').nth(1)?;
            let issuer = format!("{url}/{tenant}");
            Some(json!({"issuer": issuer, "jwks_uri": format!("{url}/keys")}).to_string())
        }
        _ => honest(url, path),
    })
    .await;
    let world = world(&issuer).await;
    let tenant = format!("{}/Tenant", issuer.name());
    register(&world, &tenant).await;
    world.role("tenant", &trust(&tenant, "sts:AssumeRoleWithWebIdentity", ""), &policy(READ)).await;
    let token = |name: &str| issuer.token(&json!({"iss": format!("{}/{name}", issuer.url)}));
    assert_eq!(assume(&world, "tenant", &token("Tenant"), &[]).await.status, 200);
    for other in ["tenant", "TENANT", "other"] {
        let answer = assume(&world, "tenant", &token(other), &[]).await;
        let expected = format!(
            "400 InvalidIdentityToken No OpenIDConnect provider found in your account for {}/{other}",
            issuer.url
        );
        assert_eq!(query_refusal(&answer), expected);
    }
    // A provider of the account, but not the one that the role trusts.
    assert_eq!(assume(&world, "tenant", &issuer.token(&json!({})), &[]).await.status, 403);
}

const UNREACHABLE: &str = "400 IDPCommunicationError Couldn't retrieve verification key from your identity provider, please reference AssumeRoleWithWebIdentity documentation for requirements";

#[tokio::test]
async fn documents_that_are_refused() {
    let rows: [fn(&str, &str) -> Option<String>; 5] = [
        // A redirect.
        |_, _| None,
        // In somebody else's name.
        |url, path| {
            Some(honest(url, path)?.replace("\"issuer\":\"", "\"issuer\":\"https://other."))
        },
        // Keys at an address that may not be called.
        |url, path| {
            Some(honest(url, path)?.replace(&format!("{url}/keys"), "http://10.0.0.1/keys"))
        },
        // No keys.
        |url, path| if path == "/keys" { Some("[]".into()) } else { honest(url, path) },
        // Too long.
        |url, path| Some(honest(url, path)? + &" ".repeat(1024 * 1024)),
    ];
    for (at, documents) in rows.into_iter().enumerate() {
        let issuer = Issuer::start(documents).await;
        let world = world(&issuer).await;
        let answer = assume(&world, "web", &issuer.token(&json!({})), &[]).await;
        assert_eq!(query_refusal(&answer), UNREACHABLE, "{at}");
    }
}

#[tokio::test]
async fn nobody_is_called_who_may_not_be() {
    let issuer = Issuer::start(honest).await;
    let closed = server::ServerConfig { outbound_allow: Vec::new(), ..config() };
    let world = World::with(closed, Encryption::On).await;
    register(&world, issuer.name()).await;
    world
        .role("web", &trust(issuer.name(), "sts:AssumeRoleWithWebIdentity", ""), &policy(READ))
        .await;
    let answer = assume(&world, "web", &issuer.token(&json!({})), &[]).await;
    assert_eq!((query_refusal(&answer).as_str(), issuer.asked()), (UNREACHABLE, 0));
}

#[tokio::test]
async fn keys_are_fetched_again_when_it_is_time() {
    let issuer = Issuer::start(honest).await;
    let mut world = world(&issuer).await;
    let claims = json!({
        "iss": issuer.url, "sub": "alice", "aud": "client", "exp": NOW + 10 * 86_400,
    });
    let (known, unknown) = (sign("ec", &claims), sign("new", &claims));
    let signature = "400 InvalidIdentityToken The ID Token's signature is invalid";
    assert_eq!(assume(&world, "web", &known, &[]).await.status, 200);
    assert_eq!(issuer.asked(), 2);
    // An unknown key asks again once a minute, however often it is shown.
    for _ in 0..3 {
        assert_eq!(query_refusal(&assume(&world, "web", &unknown, &[]).await), signature);
    }
    assert_eq!(issuer.asked(), 2);
    world.now += SignedDuration::from_secs(60);
    for _ in 0..3 {
        assert_eq!(query_refusal(&assume(&world, "web", &unknown, &[]).await), signature);
    }
    assert_eq!(issuer.asked(), 4);
    // While the issuer is away its keys hold, but not for ever.
    issuer.away.store(true, Ordering::SeqCst);
    world.now += SignedDuration::from_hours(1);
    assert_eq!(assume(&world, "web", &known, &[]).await.status, 200);
    world.now += SignedDuration::from_hours(23);
    assert_eq!(query_refusal(&assume(&world, "web", &known, &[]).await), UNREACHABLE);
    // Back again: not before a minute has passed.
    issuer.away.store(false, Ordering::SeqCst);
    assert_eq!(query_refusal(&assume(&world, "web", &known, &[]).await), UNREACHABLE);
    world.now += SignedDuration::from_secs(60);
    assert_eq!(assume(&world, "web", &known, &[]).await.status, 200);
}
