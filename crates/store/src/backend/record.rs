//! The JSON records that every engine keeps (`docs/design.md`, "Records"). The disk has structs of its own, so that
//! neither the domain nor the format is bent by the other.

mod attributes;
mod blob;
mod checksum;
mod distribution;
mod identity;
mod managed_link;
mod notice;
mod object;
mod policy;
mod revocation;
mod setting;
mod upload;
mod website;

use crate::{StoreError, Tag};

pub(crate) use checksum::{checksum_code, checksum_form};
pub(crate) use distribution::{distribution_record, parse_distribution};
pub(crate) use identity::{identity_record, kind_code, kind_of, parse_identity};
pub(crate) use managed_link::{managed_link_record, parse_managed_link};
pub(crate) use notice::{notice_record, parse_notice};
pub(crate) use object::{ObjectParts, object_record, parse_object, resealed_object, retagged};
pub(crate) use revocation::{parse_revocation, revocation_record};
pub(crate) use setting::{apply_setting, setting_record};
pub(crate) use upload::{parse_part, parse_upload, part_record, resealed_part, upload_record};

/// The version of every record that this version writes.
const RECORD_VERSION: u8 = 1;

/// The error that what is stored is nothing that a store writes.
pub(crate) fn corrupt(what: &'static str) -> StoreError {
    StoreError::Corrupt { what }
}

fn pairs_of(tags: &[Tag]) -> Vec<(String, String)> {
    tags.iter().map(|tag| (tag.key.clone(), tag.value.clone())).collect()
}

fn tags_of(pairs: Vec<(String, String)>) -> Vec<Tag> {
    pairs.into_iter().map(|(key, value)| Tag { key, value }).collect()
}
