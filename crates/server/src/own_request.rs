//! The head of a request that the server makes of itself.

use hyper::Request;
use hyper::header::HOST;
use hyper::http::request::Parts;
use presign::{Endpoint, Presigned};

use crate::error::{Code, S3Error};

/// The name of this server in requests of its own: no client can be sent there.
pub(crate) const OWN_HOST: &str = "valet.internal";

/// Where requests of the server's own are signed for.
pub(crate) fn own_endpoint() -> Result<Endpoint, S3Error> {
    Endpoint::parse(&format!("http://{OWN_HOST}"))
        .map_err(|cause| S3Error::new(Code::InternalError).because(cause))
}

/// The head of a request that was signed for [`OWN_HOST`].
pub(crate) fn own_request(method: &str, signed: &Presigned) -> Result<Parts, S3Error> {
    let path = signed.url.strip_prefix("http://").and_then(|url| url.strip_prefix(OWN_HOST));
    let path = path.ok_or_else(|| S3Error::new(Code::InternalError))?;
    let mut made = Request::builder().method(method).uri(path).header(HOST, OWN_HOST);
    for (name, value) in &signed.headers {
        made = made.header(name, value);
    }
    let made = made.body(()).map_err(|cause| S3Error::new(Code::InternalError).because(cause))?;
    Ok(made.into_parts().0)
}
