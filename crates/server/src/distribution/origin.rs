//! The origin of a distribution: a bucket of this server, read through the same door as by any client.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use edge::{Origin, OriginAnswer, OriginFailure, OriginFuture, OriginRequest};
use hyper::body::{Body, Frame, SizeHint};
use hyper::header::{CONTENT_LENGTH, HeaderName, HeaderValue, IF_MATCH, IF_NONE_MATCH, RANGE};
use hyper::{HeaderMap, Method, StatusCode};

use crate::body::RequestBody;
use crate::inner_request::InnerRequest;
use crate::respond::{Ids, Reply, ReplyBody, ResponseBody};

/// One object of the bucket, as one viewer's request asks for it.
#[derive(Clone, Debug)]
pub(super) struct BucketOrigin {
    /// Objects are sent as those that are no pages of the server's own origin, with the viewer's headers that the bucket is
    /// sent.
    pub(super) request: InnerRequest,
    pub(super) ids: Ids,
}

impl BucketOrigin {
    /// What the server answers to a request of the distribution; refusals of S3 are answers too.
    pub(super) async fn ask(
        &self,
        method: &Method,
        more: HeaderMap,
        body: &mut RequestBody,
    ) -> Reply {
        match self.request.ask(method, more, body).await {
            Ok(reply) => reply,
            Err(error) => {
                let ids = &self.ids;
                let mut reply = Reply::refusal(&error, ids);
                if let ReplyBody::Full(document) = &reply.body {
                    let length = HeaderValue::from(document.len());
                    reply.set(CONTENT_LENGTH, length);
                }
                reply
            }
        }
    }
}

impl Origin for BucketOrigin {
    fn fetch(&self, request: OriginRequest) -> OriginFuture {
        let origin = self.clone();
        Box::pin(async move {
            let OriginRequest { range, if_none_match, if_match } = request;
            let mut headers = HeaderMap::new();
            if let Some(range) = range {
                let text = format!("bytes={}-{}", range.start, range.end.saturating_sub(1));
                headers.extend(HeaderValue::from_str(&text).ok().map(|value| (RANGE, value)));
            }
            headers.extend(if_none_match.map(|etag| (IF_NONE_MATCH, etag)));
            headers.extend(if_match.map(|etag| (IF_MATCH, etag)));
            let mut body = RequestBody::from_memory(Bytes::new(), &headers);
            let reply = origin.ask(&Method::GET, headers, &mut body).await;
            let unavailable = [StatusCode::SERVICE_UNAVAILABLE, StatusCode::INTERNAL_SERVER_ERROR];
            if unavailable.contains(&reply.status) {
                return Err(OriginFailure::Failed(format!("the bucket answers {}", reply.status)));
            }
            let (parts, body) = reply.into_plain_response().into_parts();
            Ok(OriginAnswer {
                status: parts.status,
                headers: parts.headers,
                body: Box::pin(BucketBody(body)),
            })
        })
    }
}

/// The body of an object, as the cache takes it.
struct BucketBody(ResponseBody);

impl Body for BucketBody {
    type Data = Bytes;
    type Error = OriginFailure;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, OriginFailure>>> {
        let frame = ready!(Pin::new(&mut self.0).poll_frame(context));
        let failed = |error: store::StoreError| OriginFailure::Failed(error.to_string());
        Poll::Ready(frame.map(|frame| frame.map_err(failed)))
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.0.size_hint()
    }
}

/// Headers of a viewer that a write to the bucket needs.
pub(super) const OF_WRITES: [HeaderName; 10] = [
    hyper::header::CONTENT_TYPE,
    CONTENT_LENGTH,
    hyper::header::CONTENT_ENCODING,
    hyper::header::CONTENT_LANGUAGE,
    hyper::header::CONTENT_DISPOSITION,
    hyper::header::CACHE_CONTROL,
    hyper::header::EXPIRES,
    IF_MATCH,
    IF_NONE_MATCH,
    HeaderName::from_static("content-md5"),
];
