//! The XML that S3 speaks: a writer that keeps the order of elements, and a reader for small documents.

mod document;
mod element;

use std::fmt::Write;

pub(crate) use document::{parse, root_name};
pub(crate) use element::Element;

/// The namespace of S3's result documents; its errors have none.
pub(crate) const NAMESPACE: &str = "http://s3.amazonaws.com/doc/2006-03-01/";

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

    /// A part of a document.
    pub(crate) fn fragment() -> Self {
        Self { out: String::new() }
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
}
