//! Browser forms for tests: made as a signer makes them, sent as a browser sends them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use presign::{
    AmzDay, Endpoint, ExpiresIn, PostCondition, PresignPost, PresignedPost, Presigner,
    SecretAccessKey, SigningKey,
};

use crate::harness::{Ask, HOST, World, ask};
use crate::people::Key;

pub(crate) const BOUNDARY: &str = "----WebKitFormBoundary7MA4YWxkTrZu0gW";
pub(crate) const DATE: &str = "20260615T120000Z";

/// A form: what its signer gave, and the file.
#[derive(Clone, Debug)]
pub(crate) struct Form {
    target: String,
    headers: Vec<(String, String)>,
    pub(crate) fields: Vec<(String, String)>,
    /// What stands behind `name="file"`.
    file_name: String,
    content: Vec<u8>,
}

impl Form {
    fn new(fields: Vec<(String, String)>) -> Self {
        Self {
            target: "/bucket".into(),
            headers: Vec::new(),
            fields,
            file_name: "; filename=\"cat.txt\"".into(),
            content: b"hello".to_vec(),
        }
    }

    fn of(made: &PresignedPost) -> Self {
        let fields = made.fields.iter();
        Self::new(fields.map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
    }

    /// Without any signature.
    pub(crate) fn unsigned(fields: &[(&str, &str)]) -> Self {
        Self::new(fields.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect())
    }

    pub(crate) fn field(mut self, name: &str, value: &str) -> Self {
        self.fields.push((name.into(), value.into()));
        self
    }

    /// Replaces the value of a field, which must be there.
    pub(crate) fn set(mut self, name: &str, value: &str) -> Self {
        let field = self.fields.iter_mut().find(|(known, _)| known == name);
        let field = field.unwrap_or_else(|| panic!("no field {name}"));
        value.clone_into(&mut field.1);
        self
    }

    pub(crate) fn without(mut self, name: &str) -> Self {
        self.fields.retain(|(known, _)| known != name);
        self
    }

    pub(crate) fn value(&self, name: &str) -> &str {
        &self.fields.iter().find(|(known, _)| known == name).unwrap().1
    }

    pub(crate) fn file(mut self, name: Option<&str>) -> Self {
        self.file_name = name.map_or(String::new(), |name| format!("; filename=\"{name}\""));
        self
    }

    pub(crate) fn content(mut self, content: impl Into<Vec<u8>>) -> Self {
        self.content = content.into();
        self
    }

    pub(crate) fn target(mut self, target: &str) -> Self {
        target.clone_into(&mut self.target);
        self
    }

    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// The fields as parts, then the file, then the last boundary.
    pub(crate) fn body(&self) -> Vec<u8> {
        let mut body = Vec::new();
        for (name, value) in &self.fields {
            let part = format!(
                "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n"
            );
            body.extend_from_slice(part.as_bytes());
        }
        let file = format!(
            "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"file\"{}\r\nContent-Type: text/x-part\r\n\r\n",
            self.file_name
        );
        body.extend_from_slice(file.as_bytes());
        body.extend_from_slice(&self.content);
        body.extend_from_slice(format!("\r\n--{BOUNDARY}--\r\n").as_bytes());
        body
    }

    pub(crate) fn ask(&self) -> Ask {
        self.ask_with(self.body())
    }

    /// With another body than its own.
    pub(crate) fn ask_with(&self, body: impl Into<Vec<u8>>) -> Ask {
        let mut ask = ask("POST", &self.target).body(body.into());
        ask.headers.clone_from(&self.headers);
        let typed = ask.headers.iter().any(|(name, _)| name == "content-type");
        if typed {
            return ask;
        }
        ask.header("content-type", &format!("multipart/form-data; boundary={BOUNDARY}"))
    }
}

impl World {
    /// A SigV4 form of the root's for an hour.
    pub(crate) fn form(&self, key: &str) -> Form {
        self.form_with(&Key::root(), key, &[], &[])
    }

    pub(crate) fn form_with(
        &self,
        signer: &Key,
        key: &str,
        fields: &[(&str, &str)],
        conditions: &[PostCondition<'_>],
    ) -> Form {
        let mut presigner = Presigner::new(signer.credentials(), self.region());
        let endpoint = Endpoint::parse(&format!("http://{HOST}")).unwrap();
        let form = presign_post(&endpoint, key, fields, conditions);
        Form::of(&presigner.presign_post(&form, self.now).unwrap())
    }

    /// A SigV2 form for an hour.
    pub(crate) fn form_v2(&self, signer: &Key, key: &str, fields: &[(&str, &str)]) -> Form {
        let presigner = Presigner::new(signer.credentials(), self.region());
        let endpoint = Endpoint::parse(&format!("http://{HOST}")).unwrap();
        let form = presign_post(&endpoint, key, fields, &[]);
        Form::of(&presigner.presign_post_v2(&form, self.now).unwrap())
    }

    /// A SigV4 form of the root's under any policy at all, JSON or not.
    pub(crate) fn form_under(&self, policy: &str, fields: &[(&str, &str)]) -> Form {
        self.form_under_base64(&STANDARD.encode(policy), fields)
    }

    pub(crate) fn form_under_base64(&self, policy: &str, fields: &[(&str, &str)]) -> Form {
        let root = Key::root();
        let day = AmzDay::parse("20260615").unwrap();
        let key = SigningKey::derive(&SecretAccessKey::new(root.secret), day, self.region(), "s3");
        let signature = key
            .sign(policy.as_bytes())
            .iter()
            .fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"));
        let credential = format!("{}/20260615/{}/s3/aws4_request", root.id, self.region());
        Form::unsigned(fields)
            .field("x-amz-algorithm", "AWS4-HMAC-SHA256")
            .field("x-amz-credential", &credential)
            .field("x-amz-date", DATE)
            .field("policy", policy)
            .field("x-amz-signature", &signature)
    }

    /// A form for the key `k` under these conditions besides those that any form needs.
    pub(crate) fn form_if(&self, conditions: &str, fields: &[(&str, &str)]) -> Form {
        let policy = format!(
            r#"{{"expiration":"2026-06-15T13:00:00Z","conditions":[{{"bucket":"bucket"}},{{"key":"k"}},["starts-with","$x-amz-algorithm",""],["starts-with","$x-amz-credential",""],["starts-with","$x-amz-date",""]{conditions}]}}"#
        );
        self.form_under(&policy, &[&[("key", "k")], fields].concat())
    }
}

fn presign_post<'p>(
    endpoint: &'p Endpoint,
    key: &'p str,
    fields: &'p [(&'p str, &'p str)],
    conditions: &'p [PostCondition<'p>],
) -> PresignPost<'p> {
    PresignPost::new(endpoint, "bucket", key, ExpiresIn::from_seconds(3600).unwrap())
        .with_fields(fields)
        .with_conditions(conditions)
}
