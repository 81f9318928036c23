//! How an entry is written as bytes. Only the process that wrote them ever reads them.

use std::sync::Arc;

use bytes::{Buf as _, BufMut as _, Bytes};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

use crate::compress::Coding;
use crate::entry::{Entry, Slot, StoredHead};
use crate::freshness::Freshness;

const CODINGS: [Option<Coding>; 4] =
    [None, Some(Coding::Brotli), Some(Coding::Zstd), Some(Coding::Gzip)];

pub(super) fn write(entry: &Entry, out: &mut Vec<u8>) {
    let head = match entry {
        Entry::Chunk(chunk) => return out.extend_from_slice(chunk),
        Entry::Head(head) => head,
    };
    let StoredHead { key: _, version, status, headers, length, .. } = &**head;
    let StoredHead { origin_etag, coding, body, confirmed_ms, freshness, .. } = &**head;
    out.put_u16(status.as_u16());
    let Freshness { fresh_ms, stale_while_revalidate_ms, stale_if_error_ms } = freshness;
    for number in
        [version, length, confirmed_ms, fresh_ms, stale_while_revalidate_ms, stale_if_error_ms]
    {
        out.put_u64(*number);
    }
    let coding = CODINGS.iter().position(|known| known == coding);
    out.put_u8(coding.and_then(|place| u8::try_from(place).ok()).unwrap_or(u8::MAX));
    for part in [origin_etag.as_ref().map(HeaderValue::as_bytes), body.as_deref()] {
        out.put_u8(u8::from(part.is_some()));
        put(out, part.unwrap_or_default());
    }
    for (name, value) in headers {
        put(out, name.as_str().as_bytes());
        put(out, value.as_bytes());
    }
}

/// Reads what [`write()`] wrote.
pub(super) fn read(slot: &Slot, mut text: Bytes) -> Option<Entry> {
    let key = match slot {
        Slot::Chunk(..) => return Some(Entry::Chunk(text)),
        Slot::Head(key) => *key,
    };
    let status = StatusCode::from_u16(text.try_get_u16().ok()?).ok()?;
    let mut number = || text.try_get_u64().ok();
    let (version, length, confirmed_ms) = (number()?, number()?, number()?);
    let freshness = Freshness {
        fresh_ms: number()?,
        stale_while_revalidate_ms: number()?,
        stale_if_error_ms: number()?,
    };
    let coding = *CODINGS.get(usize::from(text.try_get_u8().ok()?))?;
    let value = |bytes: Bytes| HeaderValue::from_maybe_shared(bytes).ok();
    let (has_etag, etag) = (text.try_get_u8().ok()? == 1, take(&mut text)?);
    let origin_etag = if has_etag { Some(value(etag)?) } else { None };
    let (has_body, body) = (text.try_get_u8().ok()? == 1, take(&mut text)?);
    let body = has_body.then_some(body);
    let mut headers = HeaderMap::new();
    while text.has_remaining() {
        let name = HeaderName::from_bytes(&take(&mut text)?).ok()?;
        headers.append(name, value(take(&mut text)?)?);
    }
    let head = StoredHead {
        key,
        version,
        status,
        headers,
        length,
        origin_etag,
        coding,
        body,
        confirmed_ms,
        freshness,
    };
    Some(Entry::Head(Arc::new(head)))
}

/// Writes a length and so many bytes. What is longer cannot be read back.
fn put(out: &mut Vec<u8>, bytes: &[u8]) {
    out.put_u32(u32::try_from(bytes.len()).unwrap_or(u32::MAX));
    out.extend_from_slice(bytes);
}

fn take(text: &mut Bytes) -> Option<Bytes> {
    let length = usize::try_from(text.try_get_u32().ok()?).ok()?;
    (length <= text.len()).then(|| text.split_to(length))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entry::ResourceKey;

    fn head(body: Option<&'static [u8]>, etag: Option<&'static str>) -> StoredHead {
        let mut headers = HeaderMap::new();
        headers.append("content-type", HeaderValue::from_static("text/html"));
        headers.append("vary", HeaderValue::from_static("Origin"));
        headers.append("vary", HeaderValue::from_static(""));
        headers.append("x-odd", HeaderValue::from_bytes(b"\xff\xfe").unwrap());
        StoredHead {
            key: ResourceKey([7; 32]),
            version: u64::MAX,
            status: StatusCode::NOT_FOUND,
            headers,
            length: 3,
            origin_etag: etag.map(HeaderValue::from_static),
            coding: Some(Coding::Gzip),
            body: body.map(Bytes::from_static),
            confirmed_ms: 1,
            freshness: Freshness {
                fresh_ms: 2,
                stale_while_revalidate_ms: 3,
                stale_if_error_ms: 4,
            },
        }
    }

    #[test]
    fn what_is_written_is_read_back() {
        for (body, etag) in
            [(None, None), (Some(&b""[..]), Some("\"a\"")), (Some(b"abc"), Some(""))]
        {
            let head = head(body, etag);
            let (slot, shown) = (Slot::Head(head.key), format!("{head:?}"));
            let mut text = Vec::new();
            write(&Entry::Head(Arc::new(head)), &mut text);
            let Some(Entry::Head(read_back)) = read(&slot, text.clone().into()) else { panic!() };
            assert_eq!(format!("{read_back:?}"), shown);
            for cut in 0..text.len() {
                // Some cuts lie between two headers; none makes anything panic.
                let _ = read(&slot, text[..cut].to_vec().into());
            }
        }
        let slot = Slot::Chunk(1, 2);
        let mut text = Vec::new();
        write(&Entry::Chunk(Bytes::from_static(b"chunk")), &mut text);
        let Some(Entry::Chunk(chunk)) = read(&slot, text.into()) else { panic!() };
        assert_eq!(chunk, "chunk");
    }
}
