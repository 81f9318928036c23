//! The settings in the configuration file. A value of another type than text is refused, and the error shows
//! the form to write.

use std::fmt;

use serde::Deserializer;
use serde::de::{SeqAccess, Visitor};

pub(super) fn addresses<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<String>, D::Error> {
    from.deserialize_any(Texts(Text("an address, like \"127.0.0.1:9000\"")))
}

pub(super) fn urls<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<String>, D::Error> {
    from.deserialize_any(Texts(Text("a URL, like \"https://files.example.com\"")))
}

pub(super) fn domains<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<String>, D::Error> {
    from.deserialize_any(Texts(Text("a text, like \"s3.example.com\"")))
}

pub(super) fn bucket_domains<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<String>, D::Error> {
    from.deserialize_any(Texts(Text("a text, like \"files.example.com=files\"")))
}

pub(super) fn networks<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<String>, D::Error> {
    from.deserialize_any(Texts(Text("a network, like \"10.0.0.0/8\"")))
}

pub(super) fn address<'de, D: Deserializer<'de>>(from: D) -> Result<Option<String>, D::Error> {
    from.deserialize_any(Text("an address, like \"127.0.0.1:9000\"")).map(Some)
}

pub(super) fn account<'de, D: Deserializer<'de>>(from: D) -> Result<Option<String>, D::Error> {
    from.deserialize_any(Text("a text, like \"000000000000\"")).map(Some)
}

/// A text value, and the name of its form for errors.
#[derive(Clone, Copy)]
struct Text(&'static str);

impl Visitor<'_> for Text {
    type Value = String;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }

    fn visit_str<E>(self, text: &str) -> Result<String, E> {
        Ok(text.to_owned())
    }
}

impl<'de> serde::de::DeserializeSeed<'de> for Text {
    type Value = String;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<String, D::Error> {
        from.deserialize_any(self)
    }
}

/// A list of texts. A single text counts as a list of one.
struct Texts(Text);

impl<'de> Visitor<'de> for Texts {
    type Value = Vec<String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Text(one) = self.0;
        write!(f, "{one}, or a list of them")
    }

    fn visit_str<E>(self, text: &str) -> Result<Vec<String>, E> {
        Ok(vec![text.to_owned()])
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Vec<String>, A::Error> {
        let mut texts = Vec::new();
        while let Some(text) = sequence.next_element_seed(self.0)? {
            texts.push(text);
        }
        Ok(texts)
    }
}
