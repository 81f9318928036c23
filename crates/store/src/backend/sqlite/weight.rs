//! How much memory cached records take, about.

use std::sync::Arc;

use super::cache::Weigh;
use crate::body::may_be_resident;
use crate::{AccessKey, Bucket, Directory, ManagedLink, Object};

impl Weigh for Arc<Object> {
    /// Counts a small body as if it were in memory already, since the next read brings it there.
    fn weight_bytes(&self) -> u64 {
        let texts = self.attributes.metadata.iter().map(|(name, value)| name.len() + value.len());
        let tags = self.attributes.tags.iter().map(|tag| tag.key.len() + tag.value.len() + 64);
        let redirect = self.attributes.website_redirect.as_ref().map_or(0, String::len);
        let records = self.parts.len().saturating_add(self.body.blobs().len());
        let about = size_of::<Object>()
            .saturating_add(self.key.as_bytes().len().saturating_mul(2))
            .saturating_add(texts.chain(tags).sum::<usize>().saturating_add(redirect + 256))
            .saturating_add(records.saturating_mul(192));
        let resident = if may_be_resident(&self.body, self.size) { self.size } else { 0 };
        u64::try_from(about).unwrap_or(u64::MAX).saturating_add(resident)
    }
}

impl Weigh for Arc<Bucket> {
    fn weight_bytes(&self) -> u64 {
        let policy = self.policy.as_ref().map_or(0, |policy| policy.weight_bytes());
        let tags: usize = self.tags.iter().map(|tag| tag.key.len() + tag.value.len() + 64).sum();
        let texts = self.cors.iter().flat_map(|rule| {
            rule.allowed_origins.iter().chain(&rule.allowed_headers).chain(&rule.expose_headers)
        });
        let cors: usize = texts.map(|text| text.len() + 32).sum();
        let cors = cors + self.cors.len() * 256;
        let website = self.website.as_ref().map_or(0, |website| website.weight_bytes());
        let about = size_of::<Bucket>() + self.region.len() + policy + tags + cors + website + 256;
        u64::try_from(about).unwrap_or(u64::MAX)
    }
}

impl Weigh for Arc<Directory> {
    fn weight_bytes(&self) -> u64 {
        u64::try_from(Directory::weight_bytes(self)).unwrap_or(u64::MAX)
    }
}

/// The number of a change.
impl Weigh for u64 {
    fn weight_bytes(&self) -> u64 {
        8
    }
}

impl Weigh for Arc<AccessKey> {
    fn weight_bytes(&self) -> u64 {
        let about = size_of::<AccessKey>()
            .saturating_add(self.id.len().saturating_mul(2))
            .saturating_add(self.secret.expose().len());
        u64::try_from(about).unwrap_or(u64::MAX)
    }
}

impl Weigh for Arc<ManagedLink> {
    fn weight_bytes(&self) -> u64 {
        const TEXTS_BYTES: usize = 1024;
        let session = self.creator.session.as_ref();
        let policies = session.and_then(|session| session.policies.as_ref());
        let policies = policies.into_iter().flatten();
        let policies: usize = policies.map(|policy| policy.weight_bytes()).sum();
        let tags = session.into_iter().flat_map(|session| &session.tags);
        let tags: usize = tags.map(|(key, value)| key.len() + value.len() + 64).sum();
        let notify: usize = self.notify.iter().map(|target| target.len() + 32).sum();
        let within = self.purpose.key_or_prefix().len();
        let about = size_of::<ManagedLink>() + TEXTS_BYTES + policies + tags + notify + within;
        u64::try_from(about).unwrap_or(u64::MAX)
    }
}
