//! What a writer said about an object, as a member of its record.

use serde::{Deserialize, Serialize};

use super::{pairs_of, tags_of};
use crate::Attributes;

#[derive(Serialize, Deserialize)]
pub(super) struct AttributesRecord {
    #[serde(rename = "type", default, skip_serializing_if = "Option::is_none")]
    content_type: Option<String>,
    #[serde(rename = "encoding", default, skip_serializing_if = "Option::is_none")]
    content_encoding: Option<String>,
    #[serde(rename = "language", default, skip_serializing_if = "Option::is_none")]
    content_language: Option<String>,
    #[serde(rename = "disposition", default, skip_serializing_if = "Option::is_none")]
    content_disposition: Option<String>,
    #[serde(rename = "cache", default, skip_serializing_if = "Option::is_none")]
    cache_control: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expires: Option<String>,
    #[serde(rename = "redirect", default, skip_serializing_if = "Option::is_none")]
    website_redirect: Option<String>,
    #[serde(rename = "meta", default, skip_serializing_if = "Vec::is_empty")]
    metadata: Vec<(String, String)>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) tags: Vec<(String, String)>,
}

impl AttributesRecord {
    pub(super) fn of(attributes: &Attributes) -> Self {
        // The storage class stands elsewhere: in a column, or under a name of its own.
        let Attributes {
            content_type,
            content_encoding,
            content_language,
            content_disposition,
            cache_control,
            expires,
            storage_class: _,
            website_redirect,
            metadata,
            tags,
        } = attributes.clone();
        Self {
            content_type,
            content_encoding,
            content_language,
            content_disposition,
            cache_control,
            expires,
            website_redirect,
            metadata,
            tags: pairs_of(&tags),
        }
    }

    pub(super) fn parse(self, storage_class: Option<String>) -> Attributes {
        let Self {
            content_type,
            content_encoding,
            content_language,
            content_disposition,
            cache_control,
            expires,
            website_redirect,
            metadata,
            tags,
        } = self;
        Attributes {
            content_type,
            content_encoding,
            content_language,
            content_disposition,
            cache_control,
            expires,
            storage_class,
            website_redirect,
            metadata,
            tags: tags_of(tags),
        }
    }
}
