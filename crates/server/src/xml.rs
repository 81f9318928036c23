//! The XML that S3 speaks: a writer that keeps the order of elements, and a reader for small documents.

use std::fmt::Write;

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};
use serde::de::DeserializeOwned;

use crate::error::{Code, S3Error};

/// The namespace of S3's result documents; its errors have none.
pub(crate) const NAMESPACE: &str = "http://s3.amazonaws.com/doc/2006-03-01/";

/// Elements within elements of a request document; the deepest that is read has three.
const DEPTH_MAX: usize = 8;

/// Builds one document, element by element, in the order in which the real service sends them.
#[derive(Debug)]
pub(crate) struct XmlWriter {
    out: String,
}

impl XmlWriter {
    /// A document with its declaration line.
    pub(crate) fn document() -> Self {
        Self { out: String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n") }
    }

    /// A whole result document: declaration, root in S3's namespace, content.
    pub(crate) fn result(root: &str, content: impl FnOnce(&mut Self)) -> String {
        let mut xml = Self::document();
        xml.out.push('<');
        xml.out.push_str(root);
        xml.out.push_str(" xmlns=\"");
        xml.out.push_str(NAMESPACE);
        xml.out.push_str("\">");
        content(&mut xml);
        xml.close(root);
        xml.finish()
    }

    /// A result document whose root holds text alone.
    pub(crate) fn text_result(root: &str, value: &str) -> String {
        Self::result(root, |xml| xml.escape(value))
    }

    /// `<name>…</name>` around what `content` writes.
    pub(crate) fn element(&mut self, name: &str, content: impl FnOnce(&mut Self)) {
        self.open(name);
        content(self);
        self.close(name);
    }

    /// `<name>value</name>`, escaped.
    pub(crate) fn text(&mut self, name: &str, value: &str) {
        self.open(name);
        self.escape(value);
        self.close(name);
    }

    /// As [`Self::text`], when there is a value.
    pub(crate) fn optional(&mut self, name: &str, value: Option<&str>) {
        if let Some(value) = value {
            self.text(name, value);
        }
    }

    /// A number, a boolean or whatever needs no escaping.
    pub(crate) fn plain(&mut self, name: &str, value: impl std::fmt::Display) {
        self.open(name);
        // Writing to a `String` cannot fail.
        let _ = write!(self.out, "{value}");
        self.close(name);
    }

    /// Ready-made XML that needs attributes of its own.
    pub(crate) fn raw(&mut self, xml: &str) {
        self.out.push_str(xml);
    }

    pub(crate) fn finish(self) -> String {
        self.out
    }

    fn open(&mut self, name: &str) {
        self.out.push('<');
        self.out.push_str(name);
        self.out.push('>');
    }

    fn close(&mut self, name: &str) {
        self.out.push_str("</");
        self.out.push_str(name);
        self.out.push('>');
    }

    /// `&`, `<` and `>` only: AWS leaves quotes alone in text. Control characters are written as
    /// references, as AWS does, although XML 1.0 has no spelling for them.
    fn escape(&mut self, value: &str) {
        for character in value.chars() {
            match character {
                '&' => self.out.push_str("&amp;"),
                '<' => self.out.push_str("&lt;"),
                '>' => self.out.push_str("&gt;"),
                '\r' => self.out.push_str("&#13;"),
                '\n' | '\t' => self.out.push(character),
                control if control < ' ' => {
                    let _ = write!(self.out, "&#x{:x};", u32::from(control));
                }
                other => self.out.push(other),
            }
        }
    }
}

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
pub(crate) fn root(body: &[u8]) -> Result<String, S3Error> {
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
    fn a_result_carries_the_namespace_and_keeps_the_order() {
        let xml = XmlWriter::result("R", |r| {
            r.text("A", "\"x\" & <y>\u{1}");
            r.plain("B", 7);
            r.optional("C", None);
        });
        assert_eq!(
            xml,
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
             <R xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">\
             <A>\"x\" &amp; &lt;y&gt;&#x1;</A><B>7</B></R>"
        );
    }

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
