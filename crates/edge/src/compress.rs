//! Compression of answers: which are compressed, for whom, and how. Compressing the same bytes anew gives the same bytes.

use std::io::{self, Write as _};

use http::header::{ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue};

/// The lengths of bodies that are compressed, in bytes: those of CloudFront.
const LENGTHS: std::ops::RangeInclusive<u64> = 1_000..=10_000_000;

/// The types of bodies that are compressed: those of CloudFront.
const TYPES: [&str; 46] = [
    "application/dash+xml",
    "application/eot",
    "application/font",
    "application/font-sfnt",
    "application/javascript",
    "application/json",
    "application/opentype",
    "application/otf",
    "application/pdf",
    "application/pkcs7-mime",
    "application/protobuf",
    "application/rss+xml",
    "application/truetype",
    "application/ttf",
    "application/vnd.apple.mpegurl",
    "application/vnd.mapbox-vector-tile",
    "application/vnd.ms-fontobject",
    "application/wasm",
    "application/x-font-opentype",
    "application/x-font-truetype",
    "application/x-font-ttf",
    "application/x-httpd-cgi",
    "application/x-javascript",
    "application/x-mpegurl",
    "application/x-opentype",
    "application/x-otf",
    "application/x-perl",
    "application/x-ttf",
    "application/xhtml+xml",
    "application/xml",
    "font/eot",
    "font/opentype",
    "font/otf",
    "font/ttf",
    "image/svg+xml",
    "text/css",
    "text/csv",
    "text/html",
    "text/javascript",
    "text/js",
    "text/plain",
    "text/richtext",
    "text/tab-separated-values",
    "text/x-component",
    "text/x-java-source",
    "text/xml",
];

/// How a body is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Coding {
    /// `br`
    Brotli,
    /// `zstd`
    Zstd,
    /// `gzip`
    Gzip,
}

/// Which codings a behaviour allows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Codings {
    /// `gzip`
    pub gzip: bool,
    /// `br` and `zstd`
    pub modern: bool,
}

impl Coding {
    /// The best coding that the behaviour allows and the viewer takes: br before zstd before gzip.
    pub fn choose(asked: &HeaderMap, allowed: Codings) -> Option<Self> {
        let lines = asked.get_all(ACCEPT_ENCODING).iter().filter_map(|line| line.to_str().ok());
        let mut taken = [false; 3];
        for coding in lines.flat_map(|line| line.split(',')) {
            let (name, weight) = coding.split_once(';').unwrap_or((coding, ""));
            let weight = weight.trim().strip_prefix("q=").map(|q| q.trim().parse::<f32>());
            if weight.is_some_and(|weight| !weight.is_ok_and(|weight| weight > 0.0)) {
                continue;
            }
            match name.trim().to_ascii_lowercase().as_str() {
                "br" => taken[0] = true,
                "zstd" => taken[1] = true,
                "gzip" | "x-gzip" => taken[2] = true,
                _ => {}
            }
        }
        let [br, zstd, gzip] = taken;
        [
            (Self::Brotli, br && allowed.modern),
            (Self::Zstd, zstd && allowed.modern),
            (Self::Gzip, gzip && allowed.gzip),
        ]
        .into_iter()
        .find_map(|(coding, fits)| fits.then_some(coding))
    }

    /// The coding as headers spell it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Brotli => "br",
            Self::Zstd => "zstd",
            Self::Gzip => "gzip",
        }
    }

    pub(crate) fn value(self) -> HeaderValue {
        HeaderValue::from_static(self.name())
    }

    /// Compresses a body, at levels that cost about as much as the network saves.
    pub(crate) fn compress(self, body: &[u8]) -> io::Result<Vec<u8>> {
        match self {
            Self::Brotli => {
                let mut out = Vec::with_capacity(body.len() / 3);
                let mut writer = brotli::CompressorWriter::new(&mut out, 64 * 1024, 5, 22);
                writer.write_all(body)?;
                writer.flush()?;
                drop(writer);
                Ok(out)
            }
            Self::Zstd => zstd::bulk::compress(body, 6),
            Self::Gzip => {
                let out = Vec::with_capacity(body.len() / 3);
                let mut writer = flate2::write::GzEncoder::new(out, flate2::Compression::new(6));
                writer.write_all(body)?;
                writer.finish()
            }
        }
    }
}

/// Whether an answer of this type is compressed, if it is not yet and may be.
pub fn is_compressible(headers: &HeaderMap) -> bool {
    let text = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    let essence = text(CONTENT_TYPE).unwrap_or_default().split(';').next().unwrap_or_default();
    let essence = essence.trim().to_ascii_lowercase();
    let forbids =
        text(CACHE_CONTROL).is_some_and(|it| it.to_ascii_lowercase().contains("no-transform"));
    !headers.contains_key(CONTENT_ENCODING)
        && !forbids
        && TYPES.binary_search(&essence.as_str()).is_ok()
}

pub(crate) fn is_worth_it(headers: &HeaderMap, length: u64) -> bool {
    LENGTHS.contains(&length) && is_compressible(headers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_coding_that_both_know_is_chosen() {
        let all = Codings { gzip: true, modern: true };
        let gzip = Codings { gzip: true, modern: false };
        for (asked, allowed, expected) in [
            ("", all, None),
            ("gzip, deflate, br, zstd", all, Some(Coding::Brotli)),
            ("gzip, zstd", all, Some(Coding::Zstd)),
            ("gzip, br", gzip, Some(Coding::Gzip)),
            ("br", gzip, None),
            ("br;q=0, gzip;q=0.5", all, Some(Coding::Gzip)),
            ("br; q=0.0, gzip; q=1", all, Some(Coding::Gzip)),
            ("BR", all, Some(Coding::Brotli)),
            ("br;q=x", all, None),
            ("identity;q=1, *;q=0", all, None),
            ("*", all, None),
            ("gzip", Codings::default(), None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(ACCEPT_ENCODING, HeaderValue::from_static(asked));
            assert_eq!(Coding::choose(&headers, allowed), expected, "{asked}");
        }
    }

    #[test]
    fn what_is_compressed() {
        for (lines, length, expected) in [
            (vec![("content-type", "text/html; charset=utf-8")], 1_000, true),
            (vec![("content-type", "TEXT/CSS")], 10_000_000, true),
            (vec![("content-type", "text/html")], 999, false),
            (vec![("content-type", "text/html")], 10_000_001, false),
            (vec![("content-type", "video/mp4")], 5_000, false),
            (vec![], 5_000, false),
            (vec![("content-type", "text/html"), ("content-encoding", "gzip")], 5_000, false),
            (
                vec![("content-type", "text/html"), ("cache-control", "public, no-transform")],
                5_000,
                false,
            ),
        ] {
            let headers = lines
                .iter()
                .map(|(name, value)| {
                    (http::HeaderName::from_static(name), HeaderValue::from_static(value))
                })
                .collect();
            assert_eq!(is_worth_it(&headers, length), expected, "{lines:?} {length}");
        }
        assert!(TYPES.is_sorted());
    }

    #[test]
    fn the_same_bytes_are_made_again_and_read_back() {
        let body: Vec<u8> =
            (0..100_000_u32).flat_map(|n| (n / 7).to_string().into_bytes()).collect();
        for coding in [Coding::Brotli, Coding::Zstd, Coding::Gzip] {
            let made = coding.compress(&body).unwrap();
            assert_eq!(made, coding.compress(&body).unwrap());
            let mut read = Vec::new();
            match coding {
                Coding::Brotli => {
                    io::copy(&mut brotli::Decompressor::new(&made[..], 4096), &mut read).unwrap();
                }
                Coding::Zstd => read = zstd::bulk::decompress(&made, body.len()).unwrap(),
                Coding::Gzip => {
                    io::copy(&mut flate2::read::GzDecoder::new(&made[..]), &mut read).unwrap();
                }
            }
            assert!(read == body && made.len() < body.len() / 2, "{coding:?}");
        }
    }
}
