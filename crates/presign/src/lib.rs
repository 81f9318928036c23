//! AWS Signature Version 4 and 2 for Amazon S3, in both directions: make signed requests and
//! presigned URLs, and read, check and verify those that others made.
//!
//! Pure: no clock, I/O, async, logging, randomness or environment. The time and the secrets come in
//! as arguments, so whatever happens can be made to happen again. It works with any HTTP library,
//! and depends on none.
//!
//! | | make | verify |
//! |---|---|---|
//! | SigV4 presigned URL | [`Presigner::presign`] | [`SignatureClaim`] |
//! | SigV4 `Authorization` header | [`sign_request`] | [`SignatureClaim`] |
//! | aws-chunked body, signed or not, with or without trailers | [`ChunkEncoder`] | [`ChunkDecoder`] |
//! | SigV2 presigned URL | [`Presigner::presign_v2`] | [`SignatureClaim`] |
//! | URL or cookies of CloudFront (feature `cloudfront`) | `CloudFrontSigner` | `CloudFrontClaim` |
//! | browser form, SigV4 or SigV2 | [`Presigner::presign_post`] | [`FormDecoder`], [`SignatureClaim::from_form`], [`PostPolicy`] |
//!
//! # Making a link
//!
//! A [`Presigner`] makes the same bytes as the AWS CLI v2 and botocore, and keeps the signing key of
//! the day. The result says all that its user needs: method, URL, headers to send, and its end.
//!
//! ```
//! use presign::{Addressing, Credentials, Endpoint, ExpiresIn, Presign, Presigner, SecretAccessKey};
//!
//! let credentials = Credentials {
//!     access_key_id: "AKIAIOSFODNN7EXAMPLE".to_owned(),
//!     secret_access_key: SecretAccessKey::new("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"),
//!     session_token: None,
//! };
//! let endpoint = Endpoint::parse("https://s3.amazonaws.com")?;
//! let now = "2013-05-24T00:00:00Z".parse()?; // or jiff::Timestamp::now()
//! let link = Presigner::new(credentials, "us-east-1").presign(
//!     &Presign::new("GET", &endpoint, "examplebucket", b"test.txt", ExpiresIn::parse("1d")?)
//!         .with_addressing(Addressing::VirtualHost),
//!     now,
//! )?;
//! assert_eq!(
//!     link.url,
//!     "https://examplebucket.s3.amazonaws.com/test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256\
//!      &X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request\
//!      &X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host\
//!      &X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404"
//! );
//! assert_eq!(link.expires_at.to_string(), "2013-05-25T00:00:00Z");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Verifying a request
//!
//! Three steps, each a type, so that nothing is trusted before it is proven. A [`SignatureClaim`] is
//! what the request says. [`SignatureClaim::admit`] judges it by time and place, before any key is
//! looked up. [`AdmissibleClaim::verify`] proves it: a [`VerifiedSignature`] comes from nowhere else.
//! The order of the checks, and what each refusal tells, are those of Amazon S3.
//!
//! ```
//! use presign::{
//!     ExpectedScope, Mechanism, Payload, RequestHead, SecretAccessKey, SignatureClaim, SignedHost,
//!     VerifyingKey,
//! };
//!
//! let head = RequestHead {
//!     method: "GET",
//!     path: "/test.txt",
//!     query: "X-Amz-Algorithm=AWS4-HMAC-SHA256\
//!             &X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request\
//!             &X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host\
//!             &X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404",
//!     headers: &[("host", b"examplebucket.s3.amazonaws.com")],
//! };
//! let now = "2013-05-24T12:00:00Z".parse()?;
//!
//! let Some(claim) = SignatureClaim::from_request(&head)? else {
//!     return Err("an anonymous request".into());
//! };
//! let claim = claim.admit(&ExpectedScope::new("us-east-1", "s3"), now)?;
//!
//! // Here a server looks up the key by `claim.access_key_id()`, and judges `claim.session_token()`.
//! let secret = SecretAccessKey::new("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY");
//! let key = VerifyingKey::derive(&claim, &secret); // worth caching by `claim.key_scope()`
//!
//! let as_it_arrived = SignedHost {
//!     host: "examplebucket.s3.amazonaws.com",
//!     path: head.path,
//!     prefix: "",
//!     virtual_bucket: Some("examplebucket"),
//! };
//! let verified = claim.verify(&[as_it_arrived], &key)?;
//! assert_eq!(verified.mechanism(), Mechanism::V4Query);
//! assert_eq!(verified.payload(), &Payload::Unsigned);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! What the caller still has to do: compare the body with [`VerifiedSignature::payload`], and ask
//! whether the signer may do what is asked.
//!
//! # A body in chunks
//!
//! SDKs send bodies as aws-chunked when they do not know their hash beforehand. The decoder does no
//! I/O, copies nothing and never holds a chunk: feed it what comes, write down what it gives, and
//! publish nothing before [`ChunkEvent::End`].
//!
//! ```
//! use bytes::Bytes;
//! use presign::{
//!     ChunkEvent, Credentials, ExpectedScope, RequestHead, SecretAccessKey, SignatureClaim,
//!     SignedHost, SignedPayload, Signer, StreamingMode, VerifyingKey, sign_request,
//! };
//!
//! // A client signs the head of the request and encodes the body.
//! let credentials = Credentials {
//!     access_key_id: "AKIAIOSFODNN7EXAMPLE".to_owned(),
//!     secret_access_key: SecretAccessKey::new("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"),
//!     session_token: None,
//! };
//! let signer = Signer { credentials: &credentials, region: "us-east-1", service: "s3" };
//! let unsigned: [(&str, &[u8]); 2] =
//!     [("host", b"localhost:9000"), ("x-amz-decoded-content-length", b"5")];
//! let head = RequestHead { method: "PUT", path: "/bucket/key", query: "", headers: &unsigned };
//! let payload = SignedPayload::Streaming(StreamingMode::Signed);
//! let now = "2026-06-15T12:00:00Z".parse()?;
//! let signed = sign_request(&head, payload, &signer, now)?;
//! let mut encoder = signed.chunk_encoder().ok_or("not a streaming payload")?;
//! let mut body = encoder.chunk(Bytes::from_static(b"hello")).concat();
//! body.extend(encoder.finish(&[]));
//!
//! // A server verifies the head, then the body while it reads it.
//! let added = signed.headers.iter().map(|(name, value)| (*name, value.as_bytes()));
//! let headers: Vec<_> = unsigned.into_iter().chain(added).collect();
//! let head = RequestHead { headers: &headers, ..head };
//! let claim = SignatureClaim::from_request(&head)?.ok_or("an anonymous request")?;
//! let claim = claim.admit(&ExpectedScope::new("us-east-1", "s3"), now)?;
//! let key = VerifyingKey::derive(&claim, &credentials.secret_access_key);
//! let host =
//!     SignedHost { host: "localhost:9000", path: head.path, prefix: "", virtual_bucket: None };
//! let verified = claim.verify(&[host], &key)?;
//! let mut decoder = verified.chunk_decoder(5, &[]).ok_or("not a streaming payload")?;
//! let mut received = Vec::new();
//! for piece in body.chunks(10) {
//!     let mut piece = Bytes::copy_from_slice(piece);
//!     while let Some(event) = decoder.decode(&mut piece)? {
//!         match event {
//!             ChunkEvent::Data(data) => received.extend_from_slice(&data),
//!             ChunkEvent::End { trailers } => assert!(trailers.is_empty()),
//!         }
//!     }
//! }
//! decoder.finish()?;
//! assert_eq!(received, b"hello");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # A browser form
//!
//! A form signs its policy, and the policy says what the form may be. So a verifier takes the form
//! apart, proves the policy, and judges by it, all before the first byte of the file.
//!
//! ```
//! use bytes::Bytes;
//! use presign::{
//!     Credentials, Endpoint, ExpectedScope, ExpiresIn, FormDecoder, FormEvent, FormFields,
//!     PostCondition, PostPolicy, PresignPost, Presigner, SecretAccessKey, SignatureClaim,
//!     VerifyingKey,
//! };
//!
//! // A signer allows images of at most 1 MiB below `uploads/`.
//! let credentials = Credentials {
//!     access_key_id: "AKIAIOSFODNN7EXAMPLE".to_owned(),
//!     secret_access_key: SecretAccessKey::new("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"),
//!     session_token: None,
//! };
//! let secret = credentials.secret_access_key.clone();
//! let endpoint = Endpoint::parse("http://localhost:9000")?;
//! let form =
//!     PresignPost::new(&endpoint, "bucket", "uploads/${filename}", ExpiresIn::parse("15m")?)
//!         .with_fields(&[("Content-Type", "image/png")])
//!         .with_conditions(&[
//!             PostCondition::StartsWith("Content-Type", "image/"),
//!             PostCondition::ContentLengthRange(1, 1 << 20),
//!         ]);
//! let now = "2026-06-15T12:00:00Z".parse()?;
//! let made = Presigner::new(credentials, "us-east-1").presign_post(&form, now)?;
//! assert_eq!(made.url, "http://localhost:9000/bucket");
//!
//! // A browser sends the fields, and then the file.
//! let mut body = String::new();
//! for (name, value) in made.fields.iter() {
//!     body += &format!("--b\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n");
//! }
//! body += "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"cat.png\"\r\n\r\n";
//! body += "meow\r\n--b--\r\n";
//!
//! // A server reads it up to the file,
//! let mut decoder = FormDecoder::new("multipart/form-data; boundary=b")?;
//! let mut input = Bytes::from(body);
//! let mut fields = FormFields::default();
//! let file_name = loop {
//!     match decoder.decode(&mut input)?.ok_or("no file yet")? {
//!         FormEvent::Field { name, value } => fields.push(name, value),
//!         FormEvent::File { name } => break name,
//!         FormEvent::Data(_) | FormEvent::End => return Err("out of order".into()),
//!     }
//! };
//! // verifies who signed the policy,
//! let claim = SignatureClaim::from_form(&fields)?.ok_or("an anonymous form")?;
//! let claim = claim.admit(&ExpectedScope::new("us-east-1", "s3"), now)?;
//! let key = VerifyingKey::derive(&claim, &secret);
//! let verified = claim.verify(&[], &key)?;
//! // and judges the form by it.
//! let policy = PostPolicy::parse(verified.post_policy().ok_or("not a form")?)?;
//! let fields = fields.with_file_name(file_name.as_deref())?;
//! let sizes = policy.judge(&fields, "bucket", now)?;
//! assert_eq!(fields.get("key").as_deref(), Some("uploads/cat.png"));
//!
//! let mut received = Vec::new();
//! while let Some(FormEvent::Data(data)) = decoder.decode(&mut input)? {
//!     received.extend_from_slice(&data);
//! }
//! assert_eq!(received, b"meow");
//! assert!(sizes.contains(&4));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # A link that does not work
//!
//! [`explain()`] reads a link as somebody pasted it, and says what it allows, until when, and which one change would
//! make its signature hold.
//!
//! # What it promises
//!
//! - No input makes it panic, and none makes it do more work than its length accounts for; every
//!   list and line has a limit that is a named constant.
//! - Signatures are compared in constant time, as the text that signers write: another spelling of
//!   the same bytes is another signature.
//! - Secrets and keys are wiped when dropped. Debug output shows no secret, signature, token or
//!   presigned query.
//! - A reference such as "semantics 1.7" in the documentation leads to a clause of
//!   `docs/semantics.md` in the repository: how Amazon S3 answers.

/// The README, so that its examples are run.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

mod canonical;
mod chunked;
mod claim;
#[cfg(feature = "cloudfront")]
mod cloudfront;
mod conditions;
mod credentials;
mod encode;
mod explain;
mod form;
#[cfg(feature = "http")]
mod http_request;
mod key;
mod post;
mod presign;
mod request;
mod scope;
mod sign;
mod sigv2;

pub use chunked::{
    CHUNK_BYTES_MIN, ChunkDecoder, ChunkEncoder, ChunkError, ChunkEvent, StreamingMode,
};
pub use claim::{
    AdmissibleClaim, AuthorizationDefect, ClaimError, Echo, ExpectedScope, FormClaimError,
    Mechanism, Payload, SIGNED_HEADERS_MAX, SigV2Use, SignatureClaim, SignatureMismatch,
    SignedHost, TokenClaim, VerifiedSignature, VerifyError,
};
#[cfg(feature = "cloudfront")]
pub use cloudfront::{
    CloudFrontClaim, CloudFrontCookie, CloudFrontHash, CloudFrontKeyError, CloudFrontPolicy,
    CloudFrontPolicyError, CloudFrontPresented, CloudFrontPrivateKey, CloudFrontPublicKey,
    CloudFrontRefusal, CloudFrontSigner, CloudFrontStyle, DenialReason, SIGNED_COOKIES_BYTES_MAX,
    VerifiedPolicy,
};
pub use conditions::{
    CONDITION_PREFIX, ConditionError, ContentLengthRange, ContentLengthRangeError,
    LINK_ID_CHARS_MAX, LINK_LABEL_CHARS_MAX, LINK_RATE_MAX, LINK_RATE_MIN, LinkConditions, LinkId,
    LinkLabel, LinkNameError, SOURCE_RANGES_MAX, SourceRanges, SourceRangesError,
};
pub use credentials::{Credentials, SecretAccessKey, SessionToken};
pub use encode::{decode_component, decode_query_component, encode_component, encode_path};
pub use explain::{
    Cause, CauseCode, EXPLAIN_HASHED_BYTES_MAX, EXPLAIN_PARAMETERS_MAX, EXPLAIN_TEXT_BYTES_MAX,
    EXPLAIN_TRIES_MAX, ExpiryLimit, ExplainError, ExplainQuestion, Explanation, LinkFreedom,
    LinkGrant, LinkNote, LinkRequest, LinkVerdict, MissingFact, explain,
};
pub use form::{FORM_BYTES_BEFORE_FILE_MAX, FormDecoder, FormError, FormEvent, FormFields};
#[cfg(feature = "http")]
pub use http_request::{HttpHeadError, HttpRequestHead, sign_http_request};
pub use key::{Fingerprint, FingerprintError, SigningKey, VerifyingKey};
pub use post::{PostPolicy, PostPolicyError, PostRefusal};
pub use presign::{
    Addressing, EXPIRES_SECONDS_MAX, Endpoint, EndpointError, ExpiresIn, ExpiresInError,
    PostCondition, Presign, PresignError, PresignPost, Presigned, PresignedPost, Presigner,
};
pub use request::{QueryPairs, RequestHead};
pub use scope::{AmzDate, AmzDay, CredentialScope};
pub use sign::{SignError, SignedPayload, SignedRequest, Signer, payload_hash, sign_request};
