//! The XML of the Query protocol: pretty-printed, in the namespace of its service.

use std::fmt::{Display, Write};

use hyper::StatusCode;
use hyper::header::{CONTENT_TYPE, HeaderValue};

use super::error::QueryError;
use crate::authentication::Service;
use crate::respond::{Reply, ReplyBody};

/// The namespace of refusals before the operation is known.
const DISPATCH_NAMESPACE: &str = "http://webservices.amazon.com/AWSFault/2005-15-09";

/// The XML namespace of a service.
pub(crate) fn namespace(service: Service) -> &'static str {
    match service {
        Service::Iam => "https://iam.amazonaws.com/doc/2010-05-08/",
        Service::Sts | Service::S3 | Service::CloudFront => {
            "https://sts.amazonaws.com/doc/2011-06-15/"
        }
    }
}

/// The API version of a service.
pub(crate) fn version(service: Service) -> &'static str {
    match service {
        Service::Iam => "2010-05-08",
        Service::Sts | Service::S3 | Service::CloudFront => "2011-06-15",
    }
}

/// Writes elements as these services do: each on a line of its own, indented by two blanks a level.
#[derive(Debug)]
pub(crate) struct QueryXml {
    out: String,
    depth: usize,
}

impl QueryXml {
    fn new() -> Self {
        Self { out: String::new(), depth: 0 }
    }

    /// The number of bytes written so far.
    pub(crate) fn len(&self) -> usize {
        self.out.len()
    }

    /// `<name>` around what `content` writes.
    pub(crate) fn element(&mut self, name: &str, content: impl FnOnce(&mut Self)) {
        self.indent();
        let _ = writeln!(self.out, "<{name}>");
        self.depth += 1;
        content(self);
        self.depth -= 1;
        self.indent();
        let _ = writeln!(self.out, "</{name}>");
    }

    /// A list: one `<member>` for each item.
    pub(crate) fn list<T>(
        &mut self,
        name: &str,
        items: impl IntoIterator<Item = T>,
        mut write: impl FnMut(&mut Self, T),
    ) {
        self.element(name, |xml| {
            for item in items {
                xml.element("member", |xml| write(xml, item));
            }
        });
    }

    /// A list of plain texts.
    pub(crate) fn texts<'t>(&mut self, name: &str, items: impl IntoIterator<Item = &'t str>) {
        self.element(name, |xml| {
            for item in items {
                xml.text("member", item);
            }
        });
    }

    /// `<name>value</name>`, escaped.
    pub(crate) fn text(&mut self, name: &str, value: &str) {
        self.indent();
        let _ = write!(self.out, "<{name}>");
        self.escape(value);
        let _ = writeln!(self.out, "</{name}>");
    }

    /// As [`Self::text`], when there is a value.
    pub(crate) fn optional(&mut self, name: &str, value: Option<&str>) {
        if let Some(value) = value {
            self.text(name, value);
        }
    }

    /// Writes a number, or other text that needs no escaping.
    pub(crate) fn plain(&mut self, name: &str, value: impl Display) {
        self.text(name, &value.to_string());
    }

    fn indent(&mut self) {
        for _ in 0..self.depth {
            self.out.push_str("  ");
        }
    }

    /// Writes text with quotes unescaped (semantics 4.1.7c). A character that XML 1.0 cannot express is
    /// replaced, so that every client can parse the list whatever it contains.
    fn escape(&mut self, value: &str) {
        for character in value.chars() {
            match character {
                '&' => self.out.push_str("&amp;"),
                '<' => self.out.push_str("&lt;"),
                '>' => self.out.push_str("&gt;"),
                '\r' => self.out.push_str("&#xD;"),
                '\n' | '\t' => self.out.push(character),
                '\u{0}'..' ' | '\u{fffe}' | '\u{ffff}' => {
                    self.out.push(char::REPLACEMENT_CHARACTER);
                }
                other => self.out.push(other),
            }
        }
    }
}

/// The answer of an operation: the content of its result element, if its API has one.
#[derive(Debug)]
pub(crate) struct QueryReply(Option<String>);

impl QueryReply {
    /// The answer without a result element.
    pub(crate) fn empty() -> Self {
        Self(None)
    }

    /// The answer with these elements in its result.
    pub(crate) fn result(content: impl FnOnce(&mut QueryXml)) -> Self {
        let mut xml = QueryXml { out: String::new(), depth: 2 };
        content(&mut xml);
        Self(Some(xml.out))
    }
}

/// The whole answer of an operation.
pub(super) fn success(
    service: Service,
    action: &str,
    reply: QueryReply,
    request_id: &str,
) -> Reply {
    let mut xml = QueryXml::new();
    let _ = writeln!(xml.out, "<{action}Response xmlns=\"{}\">", namespace(service));
    xml.depth = 1;
    if let Some(result) = reply.0 {
        xml.indent();
        let _ = writeln!(xml.out, "<{action}Result>\n{result}  </{action}Result>");
    }
    xml.element("ResponseMetadata", |xml| xml.text("RequestId", request_id));
    let _ = writeln!(xml.out, "</{action}Response>");
    reply_of(StatusCode::OK, xml.out)
}

/// A refusal. Before the operation is known, it has the namespace of neither service.
pub(super) fn refusal(service: Option<Service>, error: &QueryError, request_id: &str) -> Reply {
    let status = error.code().status();
    let kind = if status.is_server_error() { "Receiver" } else { "Sender" };
    let mut xml = QueryXml::new();
    let namespace = service.map_or(DISPATCH_NAMESPACE, namespace);
    let _ = writeln!(xml.out, "<ErrorResponse xmlns=\"{namespace}\">");
    xml.depth = 1;
    xml.element("Error", |xml| {
        xml.text("Type", kind);
        xml.text("Code", error.code().wire());
        if !error.message().is_empty() {
            xml.text("Message", error.message());
        }
    });
    xml.text("RequestId", request_id);
    xml.out.push_str("</ErrorResponse>\n");
    reply_of(status, xml.out)
}

fn reply_of(status: StatusCode, xml: String) -> Reply {
    let mut reply = Reply::new(status);
    reply.set(CONTENT_TYPE, HeaderValue::from_static("text/xml"));
    reply.body = ReplyBody::Full(xml.into());
    reply
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_answer_can_be_parsed() {
        let mut xml = QueryXml::new();
        let all: String =
            ('\u{0}'..='\u{a0}').chain("\u{fffd}\u{fffe}\u{ffff}\u{10ffff}".chars()).collect();
        xml.text("T", &all);
        let legal = |letter: char| matches!(letter, '\t' | '\n' | ' '..='\u{fffd}' | '\u{10000}'..='\u{10ffff}');
        assert!(xml.out.chars().all(legal), "{:?}", xml.out);
        let references: Vec<_> = xml.out.split("&#").skip(1).collect();
        assert!(references.len() == 1 && references[0].starts_with("xD;"), "{references:?}");
    }
}
