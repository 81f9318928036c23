//! Makes the answer to a viewer out of what is kept.

use std::sync::Arc;

use http::header::{ACCEPT_RANGES, AGE, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE};
use http::{HeaderValue, StatusCode};

use crate::cache::{CacheOutcome, EdgeAnswer, EdgeBody, EdgeRequest, Inner};
use crate::entry::StoredHead;
use crate::origin::Origin;
use crate::range::{Condition, Wanted, condition, wanted};
use crate::reader::EdgeReader;
use crate::stats::add;

impl Inner {
    /// The answer to a viewer out of what is kept.
    pub(crate) fn answer(
        self: &Arc<Self>,
        request: &EdgeRequest<'_>,
        head: &Arc<StoredHead>,
        origin: &Arc<dyn Origin>,
        outcome: CacheOutcome,
    ) -> EdgeAnswer {
        let mut headers = head.headers.clone();
        let age = request.now_ms.saturating_sub(head.confirmed_ms) / 1000;
        headers.insert(AGE, HeaderValue::from(age));
        let answer = |status, headers, body, outcome| EdgeAnswer { status, headers, body, outcome };
        if !head.status.is_success() {
            headers.insert(CONTENT_LENGTH, HeaderValue::from(head.length));
            let body = head.body.clone().filter(|_| !request.is_head);
            let body = body.map_or(EdgeBody::Empty, EdgeBody::Full);
            return answer(head.status, headers, body, CacheOutcome::Error);
        }
        match condition(request.headers, &head.headers) {
            Condition::Holds => {}
            Condition::NotModified => {
                headers.remove(CONTENT_TYPE);
                return answer(StatusCode::NOT_MODIFIED, headers, EdgeBody::Empty, outcome);
            }
            Condition::Failed => {
                let status = StatusCode::PRECONDITION_FAILED;
                return answer(status, headers, EdgeBody::Empty, CacheOutcome::Error);
            }
        }
        headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
        let (status, range) = match wanted(request.headers, &head.headers, head.length) {
            Wanted::Whole => (head.status, 0..head.length),
            Wanted::Part(range) => (StatusCode::PARTIAL_CONTENT, range),
            Wanted::Nothing => {
                headers.insert(CONTENT_RANGE, text(&format!("bytes */{}", head.length)));
                let status = StatusCode::RANGE_NOT_SATISFIABLE;
                return answer(status, headers, EdgeBody::Empty, CacheOutcome::Error);
            }
        };
        headers.insert(CONTENT_LENGTH, HeaderValue::from(range.end - range.start));
        if status == StatusCode::PARTIAL_CONTENT {
            let of = format!("bytes {}-{}/{}", range.start, range.end - 1, head.length);
            headers.insert(CONTENT_RANGE, text(&of));
        }
        let body = if request.is_head || range.is_empty() {
            EdgeBody::Empty
        } else {
            if outcome == CacheOutcome::Hit {
                add(&self.stats.hit_bytes, range.end - range.start);
            }
            EdgeBody::Read(Box::new(EdgeReader::new(self, head, origin, range)))
        };
        answer(status, headers, body, outcome)
    }
}

fn text(value: &str) -> HeaderValue {
    HeaderValue::from_str(value).unwrap_or(HeaderValue::from_static(""))
}
