//! What else signs for Amazon S3 in Rust. Each is used as its documentation shows, and gets its
//! request already parsed and encoded.

use std::hint::black_box;
use std::pin::pin;
use std::task::{Context as TaskContext, Poll, Waker};
use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{
    PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SignatureLocation,
    SigningInstructions, SigningParams, SigningSettings, UriPathNormalizationMode, sign,
};
use aws_sigv4::sign::v4;
use aws_smithy_runtime_api::client::identity::Identity;
use http::request::Parts;
use reqsign_aws_v4::{Credential, RequestSigner};
use reqsign_core::{Context, SignRequest as _};

use crate::{ACCESS_KEY_ID, EXPIRES_IN_SECONDS, HOST, ORIGIN, PATH, REGION, SECRET_ACCESS_KEY};

const EXPIRES_IN: Duration = Duration::from_secs(EXPIRES_IN_SECONDS);

/// Signs and writes the parameters into the request's URI.
pub(crate) fn aws_sigv4_presign() -> impl FnMut() {
    let (uri, identity) = (uri(), aws_identity());
    move || {
        black_box(aws_sigv4_link(black_box(&uri), &identity));
    }
}

/// It cannot verify: this is the part that a verifier made of it would spend on signing again.
pub(crate) fn aws_sigv4_sign() -> impl FnMut() {
    let (uri, identity) = (uri(), aws_identity());
    move || {
        black_box(aws_sigv4_instructions(black_box(&uri), &identity));
    }
}

#[cfg(test)]
pub(crate) fn aws_sigv4_url() -> String {
    aws_sigv4_link(&uri(), &aws_identity())
}

fn aws_sigv4_link(uri: &str, identity: &Identity) -> String {
    let instructions = aws_sigv4_instructions(uri, identity);
    let mut request = http::Request::get(uri).header("host", HOST).body(()).unwrap();
    instructions.apply_to_request_http1x(&mut request);
    request.uri().to_string()
}

fn aws_sigv4_instructions(uri: &str, identity: &Identity) -> SigningInstructions {
    let mut settings = SigningSettings::default();
    settings.percent_encoding_mode = PercentEncodingMode::Single;
    settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
    settings.payload_checksum_kind = PayloadChecksumKind::NoHeader;
    settings.signature_location = SignatureLocation::QueryParams;
    settings.expires_in = Some(EXPIRES_IN);
    let parameters: SigningParams<'_> = v4::SigningParams::builder()
        .identity(identity)
        .region(REGION)
        .name("s3")
        .time(SystemTime::now())
        .settings(settings)
        .build()
        .unwrap()
        .into();
    let headers = std::iter::once(("host", HOST));
    let request = SignableRequest::new("GET", uri, headers, SignableBody::UnsignedPayload).unwrap();
    sign(request, &parameters).unwrap().into_parts().0
}

fn aws_identity() -> Identity {
    Credentials::new(ACCESS_KEY_ID, SECRET_ACCESS_KEY, None, None, "bench").into()
}

pub(crate) fn reqsign_presign() -> impl FnMut() {
    let (signer, context, credential) = reqsign_parts();
    let template = request_parts();
    move || {
        let mut request = black_box(&template).clone();
        reqsign_sign(&signer, &context, &credential, &mut request);
        black_box(request.uri.to_string());
    }
}

#[cfg(test)]
pub(crate) fn reqsign_url() -> String {
    let (signer, context, credential) = reqsign_parts();
    let mut request = request_parts();
    reqsign_sign(&signer, &context, &credential, &mut request);
    request.uri.to_string()
}

fn reqsign_parts() -> (RequestSigner, Context, Credential) {
    let credential = Credential {
        access_key_id: ACCESS_KEY_ID.to_owned(),
        secret_access_key: SECRET_ACCESS_KEY.to_owned(),
        ..Credential::default()
    };
    (RequestSigner::new("s3", REGION), Context::new(), credential)
}

/// Signing is asynchronous in form only: it is done at the first poll.
fn reqsign_sign(
    signer: &RequestSigner,
    context: &Context,
    credential: &Credential,
    request: &mut Parts,
) {
    let signing = pin!(signer.sign_request(context, request, Some(credential), Some(EXPIRES_IN)));
    match signing.poll(&mut TaskContext::from_waker(Waker::noop())) {
        Poll::Ready(signed) => signed.unwrap(),
        Poll::Pending => panic!("reqsign waited for something"),
    }
}

fn request_parts() -> Parts {
    http::Request::get(uri()).body(()).unwrap().into_parts().0
}

fn uri() -> String {
    format!("{ORIGIN}{PATH}")
}
