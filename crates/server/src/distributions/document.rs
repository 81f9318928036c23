//! The documents in which resources of distributions are kept: a configuration, and perhaps tags.

use std::sync::Arc;

use store::{DistributionResource, Distributions, ResourceKind, Tag};

use crate::xml::Element;

/// The stored document of a resource: its configuration, and its tags if it has any.
pub(crate) fn config_of(resource: &DistributionResource) -> Option<Element> {
    let mut document = Element::parse(resource.document.as_bytes())?;
    if document.children.is_empty() { None } else { Some(document.children.swap_remove(0)) }
}

pub(crate) fn document_of(config: &Element, tags: &[Tag]) -> Arc<str> {
    let mut children = vec![config.clone()];
    if !tags.is_empty() {
        let tag = |tag: &Tag| {
            let text = Element::of_text;
            Element::of(
                "Tag",
                vec![text("Key", tag.key.as_str()), text("Value", tag.value.as_str())],
            )
        };
        children.push(Element::of("Tags", tags.iter().map(tag).collect()));
    }
    Element::of("Document", children).to_text().into()
}

/// The tags of a stored distribution.
pub(crate) fn tags_of(resource: &DistributionResource) -> Vec<Tag> {
    let document = Element::parse(resource.document.as_bytes());
    let tags = document.as_ref().and_then(|document| document.child("Tags"));
    tags.map_or_else(Vec::new, |tags| tags.children.iter().map(tag_of).collect())
}

/// One tag of a document.
pub(crate) fn tag_of(element: &Element) -> Tag {
    let text = |name| element.text_at(&[name]).to_owned();
    Tag { key: text("Key"), value: text("Value") }
}

/// How many invalidations of a distribution are remembered: everything that was cached before the oldest of so many counts
/// as stale, whatever its path.
pub(crate) const INVALIDATIONS_KEPT: usize = 100;

/// What an invalidation is about.
pub(crate) struct KeptInvalidation {
    pub(crate) distribution: String,
    pub(crate) batch: Element,
}

/// Reads the stored document of an invalidation.
pub(crate) fn kept_invalidation(resource: &DistributionResource) -> Option<KeptInvalidation> {
    let document = Element::parse(resource.document.as_bytes())?;
    let distribution = document.text_at(&["DistributionId"]).to_owned();
    Some(KeptInvalidation { distribution, batch: document.child("InvalidationBatch")?.clone() })
}

/// The ids of a distribution's invalidations, the oldest first.
pub(crate) fn invalidations_of(all: &Distributions, id: &str) -> Vec<String> {
    let of_id = |resource: &&Arc<DistributionResource>| {
        kept_invalidation(resource).is_some_and(|kept| kept.distribution == id)
    };
    let mut found: Vec<_> = all.all_of(ResourceKind::Invalidation).filter(of_id).collect();
    found.sort_by(|one, other| (one.created_at, &one.id).cmp(&(other.created_at, &other.id)));
    found.into_iter().map(|resource| resource.id.clone()).collect()
}
