//! The pages of a website that tell errors.

use hyper::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use maud::{Markup, PreEscaped, html};

use crate::error::S3Error;
use crate::respond::{Ids, Reply, ReplyBody};

const ERROR_CODE: HeaderName = HeaderName::from_static("x-amz-error-code");
const ERROR_MESSAGE: HeaderName = HeaderName::from_static("x-amz-error-message");

/// An error as browsers show it, in the words of S3 (semantics 6.7.4).
pub(super) struct ErrorPage<'e> {
    error: &'e S3Error,
    key: Option<&'e str>,
    /// The page that should have been answered, and why it could not be.
    of_page: Option<(&'e str, &'e S3Error)>,
}

impl<'e> ErrorPage<'e> {
    pub(super) fn of(error: &'e S3Error, key: Option<&'e str>) -> Self {
        Self { error, key, of_page: None }
    }

    /// Tells too why the website's own page could not be answered.
    pub(super) fn without(self, page: &'e str, error: &'e S3Error) -> Self {
        Self { of_page: Some((page, error)), ..self }
    }

    pub(super) fn reply(self, ids: &Ids) -> Reply {
        let status = self.error.code().status();
        let reason = status.canonical_reason().unwrap_or_default();
        let title = format!("{} {reason}", status.as_u16());
        let page = html! {
            html {
                head { title { (title) } }
                body {
                    h1 { (title) }
                    ul {
                        (facts(self.error, self.key))
                        li { "RequestId: " (ids.request_id) }
                        li { "HostId: " (ids.host_id) }
                    }
                    @if let Some((key, error)) = self.of_page {
                        h3 { "An Error Occurred While Attempting to Retrieve a Custom Error Document" }
                        ul { (facts(error, Some(key))) }
                    }
                    (PreEscaped("<hr/>"))
                }
            }
        };
        let mut reply = Reply::new(status);
        reply.set(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
        describe(&mut reply, self.error);
        reply.body = ReplyBody::Full(page.into_string().into());
        reply
    }
}

fn facts(error: &S3Error, key: Option<&str>) -> Markup {
    let details = error.details().iter().filter(|(name, _)| *name != "Key");
    html! {
        li { "Code: " (error.code().wire()) }
        li { "Message: " (error.message()) }
        @for (name, value) in details { li { (name) ": " (value) } }
        @if let Some(key) = key { li { "Key: " (key) } }
    }
}

/// Sets the headers of the error, and names it in headers of its own.
pub(super) fn describe(reply: &mut Reply, error: &S3Error) {
    for (name, value) in error.headers() {
        // What the page itself has says more of it than the error does.
        reply.headers.entry(name).or_insert_with(|| value.clone());
    }
    reply.set_text(ERROR_CODE, error.code().wire());
    reply.set_text(ERROR_MESSAGE, error.message());
}
