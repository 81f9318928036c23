//! Users, roles and sessions for tests, made as any client makes them: by signed calls of IAM and STS.

use presign::{
    Credentials, Endpoint, ExpiresIn, Presign, Presigner, SecretAccessKey, SessionToken,
    SignedPayload,
};

use crate::harness::{Answer, Ask, HOST, World, ask, credentials, sha256};

/// The account of the root.
pub(crate) const ACCOUNT: &str = "000000000000";

/// What somebody signs with.
#[derive(Clone, Debug)]
pub(crate) struct Key {
    pub(crate) id: String,
    pub(crate) secret: String,
    pub(crate) token: Option<String>,
}

impl Key {
    /// The root of the first account.
    pub(crate) fn root() -> Self {
        let root = credentials();
        Self {
            id: root.access_key_id,
            secret: root.secret_access_key.expose().to_owned(),
            token: None,
        }
    }

    /// From an answer that holds a new key or session.
    pub(crate) fn of(answer: &Answer) -> Self {
        assert_eq!(answer.status, 200, "{}", answer.text());
        let token = answer.element("SessionToken");
        Self {
            id: answer.element("AccessKeyId"),
            secret: answer.element("SecretAccessKey"),
            token: (!token.is_empty()).then_some(token),
        }
    }

    pub(crate) fn credentials(&self) -> Credentials {
        Credentials {
            access_key_id: self.id.clone(),
            secret_access_key: SecretAccessKey::new(self.secret.as_str()),
            session_token: self.token.as_deref().map(SessionToken::new),
        }
    }
}

/// One statement as a whole policy.
pub(crate) fn policy(statement: &str) -> String {
    format!("{{\"Version\":\"2012-10-17\",\"Statement\":[{statement}]}}")
}

/// A trust policy that lets one principal assume a role.
pub(crate) fn trusts(principal: &str) -> String {
    policy(&format!(
        "{{\"Effect\":\"Allow\",\"Principal\":{{\"AWS\":\"{principal}\"}},\"Action\":\"sts:AssumeRole\"}}"
    ))
}

pub(crate) fn user_arn(name: &str) -> String {
    format!("arn:aws:iam::{ACCOUNT}:user/{name}")
}

pub(crate) fn role_arn(name: &str) -> String {
    format!("arn:aws:iam::{ACCOUNT}:role/{name}")
}

impl World {
    /// Signs by header and sends.
    pub(crate) async fn send_as(&self, key: &Key, ask: Ask) -> Answer {
        let payload = SignedPayload::Sha256(sha256(&ask.body));
        self.send_raw(self.sign_for(&key.credentials(), "s3", ask, payload)).await
    }

    /// A call of the Query protocol.
    pub(crate) async fn query(
        &self,
        key: &Key,
        service: &'static str,
        parameters: &[(&str, &str)],
    ) -> Answer {
        let ask = query_ask(service, parameters);
        let payload = SignedPayload::Sha256(sha256(&ask.body));
        self.send_raw(self.sign_for(&key.credentials(), service, ask, payload)).await
    }

    /// A call of IAM by the root, which must succeed.
    pub(crate) async fn iam(&self, parameters: &[(&str, &str)]) -> Answer {
        let answer = self.query(&Key::root(), "iam", parameters).await;
        assert_eq!(answer.status, 200, "{parameters:?}: {}", answer.text());
        answer
    }

    /// Another account, by the key of its root.
    pub(crate) async fn tenant(&self) -> Key {
        let body = r#"{"name":"n","id":"000000000003","access_key_id":"AKIATENANT","secret_access_key":"their-secret"}"#;
        let made = self.send(ask("POST", "/_valet/api/v1/accounts").body(body)).await;
        assert_eq!(made.status, 201, "{}", made.text());
        Key { id: "AKIATENANT".to_owned(), secret: "their-secret".to_owned(), token: None }
    }

    /// A new user with a key and, unless it is empty, an inline policy `p`.
    pub(crate) async fn user(&self, name: &str, policy: &str) -> Key {
        self.iam(&[("Action", "CreateUser"), ("UserName", name)]).await;
        if !policy.is_empty() {
            self.put_user_policy(name, policy).await;
        }
        self.key_of(name).await
    }

    pub(crate) async fn key_of(&self, name: &str) -> Key {
        Key::of(&self.iam(&[("Action", "CreateAccessKey"), ("UserName", name)]).await)
    }

    pub(crate) async fn put_user_policy(&self, name: &str, policy: &str) {
        self.iam(&[
            ("Action", "PutUserPolicy"),
            ("UserName", name),
            ("PolicyName", "p"),
            ("PolicyDocument", policy),
        ])
        .await;
    }

    /// A new role with an inline policy `p`.
    pub(crate) async fn role(&self, name: &str, trust: &str, policy: &str) {
        self.iam(&[
            ("Action", "CreateRole"),
            ("RoleName", name),
            ("AssumeRolePolicyDocument", trust),
        ])
        .await;
        self.put_role_policy(name, "p", policy).await;
    }

    pub(crate) async fn put_role_policy(&self, name: &str, policy_name: &str, policy: &str) {
        self.iam(&[
            ("Action", "PutRolePolicy"),
            ("RoleName", name),
            ("PolicyName", policy_name),
            ("PolicyDocument", policy),
        ])
        .await;
    }

    /// A session of a role, called `ses`.
    pub(crate) async fn assume(&self, key: &Key, role: &str, more: &[(&str, &str)]) -> Key {
        let arn = role_arn(role);
        let mut parameters =
            vec![("Action", "AssumeRole"), ("RoleArn", &arn), ("RoleSessionName", "ses")];
        parameters.extend_from_slice(more);
        Key::of(&self.query(key, "sts", &parameters).await)
    }

    /// A SigV4 link for an hour, as path and query.
    pub(crate) fn link_by(&self, key: &Key, method: &str, object: &str) -> Ask {
        self.link_for(key, method, object, 3600)
    }

    /// The same with parameters in its query.
    pub(crate) fn link_saying(
        &self,
        key: &Key,
        method: &str,
        object: &str,
        query: &[(&str, &str)],
    ) -> Ask {
        let endpoint = Endpoint::parse(&format!("http://{HOST}")).unwrap();
        let life = ExpiresIn::from_seconds(3600).unwrap();
        let presign = Presign::new(method, &endpoint, "bucket", object.as_bytes(), life);
        let mut presigner = Presigner::new(key.credentials(), self.region());
        let link = presigner.presign(&presign.with_query(query), self.now).unwrap();
        ask(method, link.url.strip_prefix(&format!("http://{HOST}")).unwrap())
    }

    pub(crate) fn link_for(&self, key: &Key, method: &str, object: &str, seconds: u32) -> Ask {
        let endpoint = Endpoint::parse(&format!("http://{HOST}")).unwrap();
        let presign = Presign::new(
            method,
            &endpoint,
            "bucket",
            object.as_bytes(),
            ExpiresIn::from_seconds(seconds.into()).unwrap(),
        );
        let mut presigner = Presigner::new(key.credentials(), self.region());
        let link = presigner.presign(&presign, self.now).unwrap();
        ask(method, link.url.strip_prefix(&format!("http://{HOST}")).unwrap())
    }

    /// Sets the policy of `bucket`, as the root.
    pub(crate) async fn bucket_policy(&self, policy: &str) {
        let answer = self.send(crate::harness::put("/bucket?policy", policy)).await;
        assert_eq!(answer.status, 204, "{}", answer.text());
    }
}

/// The form, not yet signed.
pub(crate) fn query_ask(service: &str, parameters: &[(&str, &str)]) -> Ask {
    let version = if service == "iam" { "2010-05-08" } else { "2011-06-15" };
    let encode = |text: &str| presign::encode_component(text.as_bytes());
    let mut pairs: Vec<String> =
        parameters.iter().map(|(n, v)| format!("{}={}", encode(n), encode(v))).collect();
    if !parameters.iter().any(|(name, _)| *name == "Version") {
        pairs.push(format!("Version={version}"));
    }
    ask("POST", "/")
        .header("content-type", "application/x-www-form-urlencoded; charset=utf-8")
        .body(pairs.join("&"))
}

/// Status, code and message of a refusal of the Query protocol.
pub(crate) fn query_refusal(answer: &Answer) -> String {
    assert!(answer.text().starts_with("<ErrorResponse xmlns=\""), "{}", answer.text());
    assert_eq!(answer.header("content-type"), "text/xml");
    format!("{} {} {}", answer.status, answer.element("Code"), answer.element("Message"))
}

impl World {
    /// A link of the root's to any path.
    pub(crate) fn link_raw(&self, method: &str, path: &str) -> Ask {
        let endpoint = Endpoint::parse(&format!("http://{HOST}")).unwrap();
        let (bucket, key) = path.trim_start_matches('/').split_once('/').unwrap();
        let presign = Presign::new(
            method,
            &endpoint,
            bucket,
            key.as_bytes(),
            ExpiresIn::from_seconds(3600).unwrap(),
        );
        let mut presigner = Presigner::new(credentials(), self.region());
        let link = presigner.presign(&presign, self.now).unwrap();
        ask(method, link.url.strip_prefix(&format!("http://{HOST}")).unwrap())
    }
}
