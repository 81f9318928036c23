//! The XML documents of requests, read with care: what the parser would forgive is refused.

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};
use serde::de::DeserializeOwned;

use crate::error::{Code, S3Error};

/// Elements within elements of a request document; the deepest that is read has three.
const DEPTH_MAX: usize = 8;

/// Why a request document cannot be read. The parser's own words quote the document, which may not
/// stand in a log, so they go no further.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
enum DocumentError {
    #[error("document is not UTF-8")]
    NotUtf8,
    #[error("document is not well-formed at byte {at}")]
    Malformed { at: u64 },
    #[error("document is not one whole element of the expected name")]
    NotWhole,
    #[error("document does not have the expected elements")]
    Shape,
}

/// Reads a request document with this root. Anything that does not fit the shape is `MalformedXML`.
pub(crate) fn parse<T: DeserializeOwned>(root: &str, body: &[u8]) -> Result<T, S3Error> {
    let read = || {
        let text = text_of(body)?;
        check_document(root, text)?;
        quick_xml::de::from_str(text).map_err(|_| DocumentError::Shape)
    };
    read().map_err(|cause| S3Error::new(Code::MalformedXml).because(cause))
}

/// The name of a document's root; what is no document is `MalformedXML`.
pub(crate) fn root_name(body: &[u8]) -> Result<String, S3Error> {
    let root = text_of(body).and_then(root_of);
    root.map_err(|cause| S3Error::new(Code::MalformedXml).because(cause))
}

fn text_of(body: &[u8]) -> Result<&str, DocumentError> {
    std::str::from_utf8(body).map_err(|_| DocumentError::NotUtf8)
}

fn check_document(root: &str, text: &str) -> Result<(), DocumentError> {
    if root_of(text)? == root { Ok(()) } else { Err(DocumentError::NotWhole) }
}

/// The text must be one whole element, not too deep and without a document type. The deserializer
/// alone would take the first half of a document, and any text, for an empty one.
fn root_of(text: &str) -> Result<String, DocumentError> {
    let mut reader = Reader::from_str(text);
    let (mut depth, mut root) = (0_usize, None);
    loop {
        let event = reader.read_event();
        let event = event.map_err(|_| DocumentError::Malformed { at: reader.error_position() })?;
        let fits = match event {
            Event::Eof if depth == 0 => return root.ok_or(DocumentError::NotWhole),
            Event::Start(tag) => {
                depth += 1;
                depth <= DEPTH_MAX && (depth > 1 || is_first(&mut root, &tag))
            }
            Event::Empty(tag) => depth > 0 || is_first(&mut root, &tag),
            Event::End(_) => {
                depth = depth.saturating_sub(1);
                true
            }
            Event::Text(text) => depth > 0 || text.bytes().all(|byte| byte.is_ascii_whitespace()),
            Event::CData(_) | Event::GeneralRef(_) => depth > 0,
            Event::Eof | Event::DocType(_) => false,
            Event::Decl(_) | Event::PI(_) | Event::Comment(_) => true,
        };
        if !fits {
            return Err(DocumentError::NotWhole);
        }
    }
}

/// Notes the name of the root; a document has one.
fn is_first(root: &mut Option<String>, tag: &BytesStart<'_>) -> bool {
    root.replace(tag.local_name().as_ref().to_owned()).is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_document_is_whole_and_of_its_name() {
        use DocumentError::{Malformed, NotWhole};
        let check = |text: &str, expected: Result<(), DocumentError>| {
            assert_eq!(check_document("R", text), expected, "{text}");
        };
        check("<R/>", Ok(()));
        check("<?xml version=\"1.0\"?>\n<R xmlns=\"n\">a<b>c</b></R>\n", Ok(()));
        check("<n:R xmlns:n=\"n\"><!-- c --><![CDATA[<]]>&amp;</n:R>", Ok(()));
        check("", Err(NotWhole));
        check("R", Err(NotWhole));
        check("<R>", Err(NotWhole));
        check("<R><b></R>", Err(Malformed { at: 6 }));
        check("</R>", Err(Malformed { at: 0 }));
        check("<R/><R/>", Err(NotWhole));
        check("<R/>x", Err(NotWhole));
        check("<Q/>", Err(NotWhole));
        check("<Q></Q>", Err(NotWhole));
        check("<R></R><Q></Q>", Err(NotWhole));
        check("<!DOCTYPE R><R/>", Err(NotWhole));
        check(&format!("<R>{}{}</R>", "<a>".repeat(7), "</a>".repeat(7)), Ok(()));
        check(&format!("<R>{}{}</R>", "<a>".repeat(8), "</a>".repeat(8)), Err(NotWhole));
    }
}
