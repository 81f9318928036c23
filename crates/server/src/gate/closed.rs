//! Refuses what a request asks for and its operation does not do: nothing that changes what a request means is ignored.

use iam::AccountId;
use presign::{LinkConditions, QueryPairs, decode_query_component};

use crate::config::SseC;
use crate::context::RequestContext;
use crate::error::{Code, S3Error};
use crate::request::S3Request;
use crate::route;

/// Refuses `x-valet-*` parameters of what is no link of S3, in the query and in the fields of forms. These names are
/// those of the conditions of a link, which nothing else keeps.
pub(crate) fn refuse_link_conditions<'a>(
    pairs: impl Iterator<Item = (&'a str, &'a str)>,
) -> Result<(), S3Error> {
    for (name, value) in pairs {
        if LinkConditions::is_condition(name) {
            let message =
                "The x-valet-* conditions are for links to S3 that are signed with SigV4.";
            return Err(S3Error::invalid_argument(message, name, value));
        }
    }
    Ok(())
}

/// The same for a query as it is on the wire, on surfaces whose calls are no operations of S3.
pub(crate) fn refuse_link_conditions_in(query: &str) -> Result<(), S3Error> {
    for (name, value) in QueryPairs::new(query) {
        let [name, value] = [name, value].map(decode_query_component);
        let (name, value) = (String::from_utf8_lossy(&name), String::from_utf8_lossy(&value));
        refuse_link_conditions(std::iter::once((&*name, &*value)))?;
    }
    Ok(())
}

/// Refuses every header that changes what a request means and that the operation does not honour.
pub(super) fn refuse_unknown_meanings(
    honoured: &[&str],
    request: &S3Request<'_>,
) -> Result<(), S3Error> {
    for name in request.amz_names() {
        let Some(meaning) = route::meaning_of(&name) else { continue };
        if !honoured.contains(&meaning) {
            return Err(S3Error::not_implemented(&name));
        }
    }
    Ok(())
}

/// Refuses a customer's key over a connection without TLS, whatever it is for, unless the configuration allows
/// that.
pub(super) fn refuse_insecure_keys(
    request: &S3Request<'_>,
    context: &RequestContext,
) -> Result<(), S3Error> {
    let is_key = |name: &str| {
        let meaning = route::meaning_of(name);
        meaning.is_some_and(|meaning| [route::OBJECT_KEY, route::SOURCE_KEY].contains(&meaning))
    };
    match context.config.sse_c {
        SseC::Any => Ok(()),
        SseC::Tls if context.secure => Ok(()),
        SseC::Tls if !request.amz_names().any(|name| is_key(&name)) => Ok(()),
        SseC::Tls => Err(S3Error::invalid_request(
            "Requests specifying Server Side Encryption with Customer provided keys must be made over a secure connection.",
        )),
    }
}

/// Refuses an expected bucket owner (`x-amz-expected-bucket-owner`) that is no account id.
pub(super) fn refuse_strange_owners(request: &S3Request<'_>) -> Result<(), S3Error> {
    for name in ["x-amz-expected-bucket-owner", "x-amz-source-expected-bucket-owner"] {
        let Some(expected) = request.header(name) else { continue };
        if AccountId::parse(&expected).is_err() {
            return Err(S3Error::with_message(
                Code::InvalidBucketOwner,
                format!(
                    "The value of the expected bucket owner parameter must be an AWS Account ID... [{expected}]"
                ),
            ));
        }
    }
    Ok(())
}
