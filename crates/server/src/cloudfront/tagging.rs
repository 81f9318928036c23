//! Tags of distributions.

use std::sync::Arc;

use iam::AccountId;
use store::{DistributionResource, ResourceKind, Tag};

use super::call::{
    ControlAccess, ControlOperation, ControlReply, ControlRequest, distribution_id, own,
};
use super::documents::{TAG_KEYS, TAGS};
use super::error::{ControlCode, ControlError};
use crate::distributions::{config_of, document_of, tag_of, tags_of};
use crate::xml::Element;

/// How many tags a distribution has at most.
const TAGS_MAX: usize = 50;

/// Tags as they come in documents.
pub(super) mod read_tags {
    use super::{ControlCode, ControlError, ControlRequest, Element, TAGS, Tag, tag_of};
    use crate::cloudfront::schema::{self, Field};

    /// A configuration and its tags, of a document that has both.
    pub(crate) fn with_config(
        request: &ControlRequest<'_>,
        config: &str,
        fields: &[Field],
    ) -> Result<(Element, Vec<Tag>), ControlError> {
        let root = format!("{config}WithTags");
        if request.body.is_empty() {
            return Err(ControlError::new(ControlCode::MissingBody));
        }
        let malformed = || ControlError::new(ControlCode::MalformedXML);
        let document = Element::parse(request.body).filter(|document| document.name == root);
        let document = document.ok_or_else(malformed)?;
        let [one, two] = document.children.as_slice() else { return Err(malformed()) };
        let both = if one.name == config { (one, two) } else { (two, one) };
        if both.0.name != config || both.1.name != "Tags" {
            return Err(malformed());
        }
        Ok((schema::check(both.0, fields)?, of(&schema::check(both.1, TAGS)?)?))
    }

    /// The tags of a document, each key once.
    pub(super) fn of(document: &Element) -> Result<Vec<Tag>, ControlError> {
        let tags: Vec<Tag> = document.items(&[]).map(tag_of).collect();
        for (place, tag) in tags.iter().enumerate() {
            let is_twice = tags.iter().take(place).any(|other| other.key == tag.key);
            if is_twice || tag.key.is_empty() || tag.key.starts_with("aws:") {
                return Err(ControlError::new(ControlCode::InvalidTagging));
            }
        }
        Ok(tags)
    }
}

fn resource_of(request: &ControlRequest<'_>) -> Result<String, ControlError> {
    let arn = request.query.get("Resource").filter(|arn| !arn.is_empty());
    arn.map(str::to_owned).ok_or_else(|| ControlError::invalid("Resource names no ARN."))
}

/// Changes the tags of a distribution.
async fn change_tags(
    access: &ControlAccess,
    arn: &str,
    change: impl Fn(&mut Vec<Tag>) + Sync,
) -> Result<ControlReply, ControlError> {
    let account = access.account()?;
    let missing = || ControlError::new(ControlCode::NoSuchResource);
    let id = distribution_id(arn, account).ok_or_else(missing)?;
    let changed = access.change(access.now(), |edit| {
        let found = own(edit.distributions().resource(id), account, ResourceKind::Distribution);
        let found = found.ok_or_else(missing)?;
        let config = config_of(&found).ok_or_else(missing)?;
        let mut tags = tags_of(&found);
        change(&mut tags);
        if tags.len() > TAGS_MAX {
            return Err(ControlError::new(ControlCode::InvalidTagging));
        }
        let document: Arc<str> = document_of(&config, &tags);
        edit.put(DistributionResource { document, ..found.as_ref().clone() })?;
        Ok(())
    });
    changed.await?;
    Ok(ControlReply::done())
}

/// `TagResource`
pub(super) struct TagResource {
    arn: String,
    tags: Vec<Tag>,
}

impl ControlOperation for TagResource {
    const ACTION: &'static str = "cloudfront:TagResource";

    fn read(request: &ControlRequest<'_>) -> Result<Self, ControlError> {
        let tags = read_tags::of(&request.document("Tags", TAGS)?)?;
        Ok(Self { arn: resource_of(request)?, tags })
    }

    fn resource(&self, _account: &AccountId) -> String {
        self.arn.clone()
    }

    fn tags(&self) -> &[Tag] {
        &self.tags
    }

    async fn run(self, access: ControlAccess) -> Result<ControlReply, ControlError> {
        let op = self;
        let change = |tags: &mut Vec<Tag>| {
            tags.retain(|tag| op.tags.iter().all(|new| new.key != tag.key));
            tags.extend(op.tags.iter().cloned());
        };
        change_tags(&access, &op.arn, change).await
    }
}

/// `UntagResource`
pub(super) struct UntagResource {
    arn: String,
    keys: Vec<String>,
}

impl ControlOperation for UntagResource {
    const ACTION: &'static str = "cloudfront:UntagResource";

    fn read(request: &ControlRequest<'_>) -> Result<Self, ControlError> {
        let document = request.document("TagKeys", TAG_KEYS)?;
        let keys = document.items(&[]).map(|key| key.text.clone()).collect();
        Ok(Self { arn: resource_of(request)?, keys })
    }

    fn resource(&self, _account: &AccountId) -> String {
        self.arn.clone()
    }

    fn tag_keys(&self) -> &[String] {
        &self.keys
    }

    async fn run(self, access: ControlAccess) -> Result<ControlReply, ControlError> {
        let op = self;
        let change = |tags: &mut Vec<Tag>| tags.retain(|tag| !op.keys.contains(&tag.key));
        change_tags(&access, &op.arn, change).await
    }
}

/// `ListTagsForResource`
pub(super) struct ListTagsForResource {
    arn: String,
}

impl ControlOperation for ListTagsForResource {
    const ACTION: &'static str = "cloudfront:ListTagsForResource";

    fn read(request: &ControlRequest<'_>) -> Result<Self, ControlError> {
        Ok(Self { arn: resource_of(request)? })
    }

    fn resource(&self, _account: &AccountId) -> String {
        self.arn.clone()
    }

    async fn run(self, access: ControlAccess) -> Result<ControlReply, ControlError> {
        let op = self;
        let (account, all) = (access.account()?, access.distributions());
        let id = distribution_id(&op.arn, account).unwrap_or_default();
        let found = own(all.resource(id), account, ResourceKind::Distribution);
        let found = found.ok_or_else(|| ControlError::new(ControlCode::NoSuchResource))?;
        let tags = tags_of(&found);
        Ok(ControlReply::document("Tags", |xml| {
            xml.element("Items", |xml| {
                for Tag { key, value } in &tags {
                    xml.element("Tag", |xml| {
                        xml.text("Key", key);
                        xml.text("Value", value);
                    });
                }
            });
        }))
    }
}
