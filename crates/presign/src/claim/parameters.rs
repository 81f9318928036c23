//! The query parameters that authenticate a request.

use crate::encode::decode_query_component;
use crate::request::RequestHead;

/// Each parameter's first occurrence, still encoded: later ones are not read (semantics 1.1.7).
#[derive(Default)]
pub(super) struct AuthParameters<'a> {
    pub v4: V4Parameters<'a>,
    pub v2: V2Parameters<'a>,
}

#[derive(Default)]
pub(super) struct V4Parameters<'a> {
    pub algorithm: Option<&'a str>,
    pub credential: Option<&'a str>,
    pub date: Option<&'a str>,
    pub expires: Option<&'a str>,
    pub signed_headers: Option<&'a str>,
    pub signature: Option<&'a str>,
    pub token: Option<&'a str>,
}

#[derive(Default)]
pub(super) struct V2Parameters<'a> {
    pub access_key_id: Option<&'a str>,
    pub expires: Option<&'a str>,
    pub signature: Option<&'a str>,
}

impl<'a> AuthParameters<'a> {
    pub(super) fn of(head: &RequestHead<'a>) -> Self {
        let mut found = Self::default();
        for (raw_name, raw_value) in head.query_pairs() {
            let parameter = match &*decode_query_component(raw_name) {
                b"X-Amz-Algorithm" => &mut found.v4.algorithm,
                b"X-Amz-Credential" => &mut found.v4.credential,
                b"X-Amz-Date" => &mut found.v4.date,
                b"X-Amz-Expires" => &mut found.v4.expires,
                b"X-Amz-SignedHeaders" => &mut found.v4.signed_headers,
                b"X-Amz-Signature" => &mut found.v4.signature,
                b"X-Amz-Security-Token" => &mut found.v4.token,
                b"AWSAccessKeyId" => &mut found.v2.access_key_id,
                b"Expires" => &mut found.v2.expires,
                b"Signature" => &mut found.v2.signature,
                _ => continue,
            };
            parameter.get_or_insert(raw_value);
        }
        found
    }
}

impl V4Parameters<'_> {
    /// Whether the query asks for SigV4 at all: one of the six is there.
    pub(super) fn any(&self) -> bool {
        let Self { algorithm, credential, date, expires, signed_headers, signature, token: _ } =
            self;
        [algorithm, credential, date, expires, signed_headers, signature]
            .into_iter()
            .any(Option::is_some)
    }

    /// Whether it does so beside another mechanism: the name that semantics 1.4.20 gives, or a signature.
    pub(super) fn is_a_mechanism(&self) -> bool {
        self.algorithm.is_some() || self.signature.is_some()
    }
}

impl V2Parameters<'_> {
    /// Whether the query asks for SigV2 at all. `Expires` alone is not enough: others use it too.
    pub(super) fn any(&self) -> bool {
        self.signature.is_some() || self.access_key_id.is_some()
    }
}
