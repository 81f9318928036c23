//! Invalidations: orders to forget what is cached below paths. They are kept, so that whatever cached something before
//! them knows that it is stale, on whichever node.

use std::sync::Arc;

use iam::AccountId;
use jiff::Timestamp;
use store::{DistributionEdit, DistributionResource, Distributions, ResourceKind};

use super::call::{
    ControlAccess, ControlOperation, ControlReply, ControlRequest, ListStyle, Page, own, time,
};
use super::documents::INVALIDATION_BATCH;
use super::error::{ControlCode, ControlError};
use super::id::{new_etag, new_id};
use crate::distributions::{INVALIDATIONS_KEPT, invalidations_of, kept_invalidation};
use crate::xml::{Element, XmlWriter};

fn write(xml: &mut XmlWriter, resource: &DistributionResource, batch: &Element) {
    xml.text("Id", &resource.id);
    xml.text("Status", "Completed");
    xml.text("CreateTime", &time(resource.created_at));
    batch.write(xml);
}

fn arn(account: &AccountId, distribution: &str) -> String {
    format!("arn:aws:cloudfront::{account}:distribution/{distribution}")
}

fn check_distribution(
    all: &Distributions,
    account: &AccountId,
    id: &str,
) -> Result<(), ControlError> {
    let found = own(all.resource(id), account, ResourceKind::Distribution);
    found.map(drop).ok_or_else(|| ControlError::new(ControlCode::NoSuchDistribution))
}

/// `CreateInvalidation`
pub(super) struct CreateInvalidation {
    distribution: String,
    batch: Element,
}

impl ControlOperation for CreateInvalidation {
    const ACTION: &'static str = "cloudfront:CreateInvalidation";

    fn read(request: &ControlRequest<'_>) -> Result<Self, ControlError> {
        let batch = request.document("InvalidationBatch", INVALIDATION_BATCH)?;
        let mut paths = batch.items(&["Paths"]).peekable();
        if paths.peek().is_none() {
            return Err(ControlError::invalid("Paths names no path: /* is everything."));
        }
        for path in paths {
            let path = &path.text;
            let star = path.find('*').is_some_and(|at| at + 1 != path.len());
            if !path.starts_with('/') || star {
                return Err(ControlError::invalid(format!(
                    "Your request contains one or more invalid invalidation paths: {path} must begin with a slash, and a * stands at its end."
                )));
            }
        }
        Ok(Self { distribution: request.id(), batch })
    }

    fn resource(&self, account: &AccountId) -> String {
        arn(account, &self.distribution)
    }

    async fn run(self, access: ControlAccess) -> Result<ControlReply, ControlError> {
        let Self { distribution, batch } = self;
        let account = access.account()?;
        let (id, etag, now) = (new_id(ResourceKind::Invalidation)?, new_etag()?, access.now());
        let now = Timestamp::from_millisecond(now.as_millisecond()).unwrap_or(now);
        let document = Element::of(
            "Document",
            vec![batch.clone(), Element::of_text("DistributionId", &*distribution)],
        );
        let document: Arc<str> = document.to_text().into();
        let reference = batch.text_at(&["CallerReference"]);
        let made = access.change(now, |edit: &mut DistributionEdit| {
            let all = edit.distributions();
            check_distribution(all, account, &distribution)?;
            let before = invalidations_of(all, &distribution);
            for id in &before {
                let Some(found) = all.resource(id) else { continue };
                let Some(other) = kept_invalidation(found) else { continue };
                if other.batch.text_at(&["CallerReference"]) == reference {
                    // The same order again is the one that was given.
                    return if other.batch == batch {
                        Ok(found.as_ref().clone())
                    } else {
                        Err(ControlError::invalid(
                            "CallerReference is that of another invalidation: choose a new one.",
                        ))
                    };
                }
            }
            let resource = DistributionResource {
                id: id.clone(),
                account: account.clone(),
                kind: ResourceKind::Invalidation,
                etag: etag.clone(),
                created_at: now,
                changed_at: now,
                hosts: Vec::new(),
                document: Arc::clone(&document),
            };
            let over = (before.len() + 1).saturating_sub(INVALIDATIONS_KEPT);
            before.iter().take(over).for_each(|id| edit.remove(id));
            edit.put(resource.clone()).map_err(|error| {
                if error == store::DistributionError::TooLong {
                    ControlError::new(ControlCode::BatchTooLarge)
                } else {
                    error.into()
                }
            })?;
            Ok(resource)
        });
        let made = made.await?;
        let path = format!("distribution/{distribution}/invalidation/{}", made.id);
        Ok(ControlReply::document("Invalidation", |xml| write(xml, &made, &batch)).made(path))
    }
}

/// `GetInvalidation`
pub(super) struct GetInvalidation {
    distribution: String,
    id: String,
}

impl ControlOperation for GetInvalidation {
    const ACTION: &'static str = "cloudfront:GetInvalidation";

    fn read(request: &ControlRequest<'_>) -> Result<Self, ControlError> {
        let [distribution, id] = request.ids;
        Ok(Self { distribution: distribution.to_owned(), id: id.to_owned() })
    }

    fn resource(&self, account: &AccountId) -> String {
        arn(account, &self.distribution)
    }

    async fn run(self, access: ControlAccess) -> Result<ControlReply, ControlError> {
        let op = self;
        let (account, all) = (access.account()?, access.distributions());
        check_distribution(&all, account, &op.distribution)?;
        let missing = || ControlError::new(ControlCode::NoSuchInvalidation);
        let found = own(all.resource(&op.id), account, ResourceKind::Invalidation);
        let found = found.ok_or_else(missing)?;
        let of_it = kept_invalidation(&found).filter(|kept| kept.distribution == op.distribution);
        let batch = of_it.ok_or_else(missing)?.batch;
        Ok(ControlReply::document("Invalidation", |xml| write(xml, &found, &batch)))
    }
}

/// `ListInvalidations`: the latest first, as AWS lists them.
pub(super) struct ListInvalidations {
    distribution: String,
    page: Page,
}

impl ControlOperation for ListInvalidations {
    const ACTION: &'static str = "cloudfront:ListInvalidations";

    fn read(request: &ControlRequest<'_>) -> Result<Self, ControlError> {
        Ok(Self { distribution: request.id(), page: request.page()? })
    }

    fn resource(&self, account: &AccountId) -> String {
        arn(account, &self.distribution)
    }

    async fn run(self, access: ControlAccess) -> Result<ControlReply, ControlError> {
        let op = self;
        let (account, all) = (access.account()?, access.distributions());
        check_distribution(&all, account, &op.distribution)?;
        let ids = invalidations_of(&all, &op.distribution);
        let mut found: Vec<_> = ids.iter().rev().filter_map(|id| all.resource(id)).collect();
        found = op.page.skip(found, |resource| &resource.id);
        Ok(ControlReply::document("InvalidationList", |xml| {
            op.page.write_rest(
                (xml, ListStyle::Told),
                found,
                |resource| &resource.id,
                |xml, resource| {
                    xml.element("InvalidationSummary", |xml| {
                        xml.text("Id", &resource.id);
                        xml.text("CreateTime", &time(resource.created_at));
                        xml.text("Status", "Completed");
                    });
                },
            );
        }))
    }
}
