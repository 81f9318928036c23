//! A document as a tree of elements, for documents whose shape is a table: read with limits, and written again.

use quick_xml::Reader;
use quick_xml::escape::resolve_xml_entity;
use quick_xml::events::Event;

use super::XmlWriter;

/// Elements within elements; the deepest that is known, the name of a header in the behaviour of a distribution that is
/// created with tags, has ten.
const DEPTH_MAX: usize = 12;
/// How many elements a document has at most.
const ELEMENTS_MAX: usize = 20_000;

/// One element: its name without prefix, its text, and the elements in it. Attributes are looked over.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Element {
    pub(crate) name: String,
    pub(crate) text: String,
    pub(crate) children: Vec<Element>,
}

impl Element {
    /// An element that holds text alone.
    pub(crate) fn of_text(name: &str, text: impl Into<String>) -> Self {
        Self { name: name.to_owned(), text: text.into(), children: Vec::new() }
    }

    /// An element that holds others.
    pub(crate) fn of(name: &str, children: Vec<Element>) -> Self {
        Self { name: name.to_owned(), text: String::new(), children }
    }

    /// Reads a whole document; `None`: it is none, or larger than documents are.
    pub(crate) fn parse(document: &[u8]) -> Option<Self> {
        let mut reader = Reader::from_str(std::str::from_utf8(document).ok()?);
        reader.config_mut().expand_empty_elements = true;
        let (mut open, mut root, mut count) = (Vec::<Element>::new(), None, 0_usize);
        loop {
            match reader.read_event().ok()? {
                Event::Eof => return if open.is_empty() { root } else { None },
                Event::Start(tag) => {
                    count += 1;
                    if open.len() >= DEPTH_MAX || count > ELEMENTS_MAX || root.is_some() {
                        return None;
                    }
                    open.push(Self::of(tag.local_name().as_ref(), Vec::new()));
                }
                Event::End(_) => {
                    let mut done = open.pop()?;
                    // Between elements there is white space alone.
                    if !done.children.is_empty() {
                        if !done.text.trim_ascii().is_empty() {
                            return None;
                        }
                        done.text.clear();
                    }
                    match open.last_mut() {
                        Some(parent) => parent.children.push(done),
                        None => root = Some(done),
                    }
                }
                Event::Text(text) => match open.last_mut() {
                    Some(element) => element.text.push_str(&text),
                    None if text.trim_ascii().is_empty() => {}
                    None => return None,
                },
                Event::CData(text) => open.last_mut()?.text.push_str(&text),
                Event::GeneralRef(reference) => {
                    let element = open.last_mut()?;
                    match reference.resolve_char_ref().ok()? {
                        Some(character) => element.text.push(character),
                        None => element.text.push_str(resolve_xml_entity(&reference)?),
                    }
                }
                Event::Decl(_) | Event::PI(_) | Event::Comment(_) => {}
                Event::Empty(_) | Event::DocType(_) => return None,
            }
        }
    }

    /// The element as text.
    pub(crate) fn to_text(&self) -> String {
        let mut xml = XmlWriter::fragment();
        self.write(&mut xml);
        xml.finish()
    }

    /// Writes the element as it is.
    pub(crate) fn write(&self, xml: &mut XmlWriter) {
        if self.children.is_empty() {
            xml.text(&self.name, &self.text);
        } else {
            xml.element(&self.name, |xml| self.children.iter().for_each(|child| child.write(xml)));
        }
    }

    /// The first element of a name in this one.
    pub(crate) fn child(&self, name: &str) -> Option<&Self> {
        self.children.iter().find(|child| child.name == name)
    }

    /// The element at the end of a path of names.
    pub(crate) fn at(&self, path: &[&str]) -> Option<&Self> {
        path.iter().try_fold(self, |element, name| element.child(name))
    }

    /// The text at the end of a path; empty where there is none.
    pub(crate) fn text_at(&self, path: &[&str]) -> &str {
        self.at(path).map_or("", |element| &element.text)
    }

    /// The items of the list at the end of a path.
    pub(crate) fn items(&self, path: &[&str]) -> impl Iterator<Item = &Self> {
        let list = self.at(path).and_then(|list| list.child("Items"));
        list.into_iter().flat_map(|items| &items.children)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(element: &Element) -> String {
        let inner: String = element.children.iter().map(shown).collect();
        format!("{}[{}{inner}]", element.name, element.text)
    }

    #[test]
    fn documents_are_read_whole_or_not_at_all() {
        for (document, expected) in [
            ("<a/>", Some("a[]")),
            (
                "<?xml version=\"1.0\"?>\n<a xmlns=\"n\"> <b>x &amp; &#x79;</b>\n<n:c/> </a>\n",
                Some("a[b[x & y]c[]]"),
            ),
            ("<a><![CDATA[<x>]]></a>", Some("a[<x>]")),
            ("<a> x </a>", Some("a[ x ]")),
            ("", None),
            ("a", None),
            ("<a>", None),
            ("<a/><b/>", None),
            ("<a></b>", None),
            ("<a/>x", None),
            ("<a>x<b/></a>", None),
            ("<a>&unknown;</a>", None),
            ("<!DOCTYPE a [<!ENTITY e \"x\">]><a>&e;</a>", None),
        ] {
            let found = Element::parse(document.as_bytes());
            assert_eq!(found.as_ref().map(shown).as_deref(), expected, "{document}");
        }
        let deep = |levels: usize| format!("{}{}", "<a>".repeat(levels), "</a>".repeat(levels));
        assert!(Element::parse(deep(DEPTH_MAX).as_bytes()).is_some());
        assert!(Element::parse(deep(DEPTH_MAX + 1).as_bytes()).is_none());
        let wide = |count: usize| format!("<a>{}</a>", "<b/>".repeat(count));
        assert!(Element::parse(wide(ELEMENTS_MAX - 1).as_bytes()).is_some());
        assert!(Element::parse(wide(ELEMENTS_MAX).as_bytes()).is_none());
        assert!(Element::parse(b"<a>\xff</a>").is_none());
    }

    #[test]
    fn elements_are_found_by_their_path() {
        let document = b"<a><l><Quantity>2</Quantity><Items><n>1</n><n>2</n></Items></l></a>";
        let element = Element::parse(document).unwrap();
        assert_eq!(element.text_at(&["l", "Quantity"]), "2");
        assert_eq!(element.text_at(&["l", "no", "such"]), "");
        let items: Vec<_> = element.items(&["l"]).map(|item| &*item.text).collect();
        assert_eq!(items, ["1", "2"]);
    }
}
