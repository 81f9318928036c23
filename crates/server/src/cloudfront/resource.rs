//! What all resources of the control API have in common: made, read, changed, removed and listed in one way, whatever
//! they are.

use std::marker::PhantomData;
use std::sync::Arc;

use iam::AccountId;
use jiff::Timestamp;
use store::{DistributionEdit, DistributionResource, Distributions, ResourceKind, Tag};

use super::call::{
    ControlAccess, ControlOperation, ControlReply, ControlRequest, ListStyle, Page, own,
};
use super::error::{ControlCode, ControlError};
use super::id::{new_etag, new_id};
use super::schema::Field;
use super::tagging::read_tags;
use crate::config::ServerConfig;
use crate::context::RequestContext;
use crate::distributions::managed::{self, MANAGED_ETAG, ManagedPolicy};
use crate::distributions::{config_of, document_of, invalidations_of, tags_of};
use crate::xml::{Element, XmlWriter};

/// A kind of resources.
pub(super) trait ResourceType: Send + Sync + Sized + 'static {
    const KIND: ResourceKind;
    /// The element that shows one; its document is `…Config`, a list `…List`.
    const ELEMENT: &'static str;
    /// The root of its document.
    const CONFIG: &'static str;
    const LIST: &'static str;
    const LIST_STYLE: ListStyle;
    /// The path below the version.
    const PATH: &'static str;
    /// The elements of its document.
    const FIELDS: &'static [Field];
    const ACTIONS: Actions;
    const CODES: Codes;
    /// Whether policies name each by its ARN.
    const HAS_ARN: bool;

    /// Refuses what the document alone or beside the others may not say. Answers the hosts that lead to the resource.
    fn check(draft: &Draft<'_>) -> Result<Vec<String>, ControlError>;

    /// Whether another resource needs it.
    fn is_used(id: &str, all: &Distributions) -> bool;

    /// Refuses to remove the resource as it is.
    fn check_removal(_config: &Element) -> Result<(), ControlError> {
        Ok(())
    }

    /// Writes the elements beside the document; `shown` is the resource.
    fn write(xml: &mut XmlWriter, shown: &Shown<'_>);

    /// Writes an item of a list.
    fn write_item(xml: &mut XmlWriter, shown: &Shown<'_>);
}

/// The actions of a kind, as policies spell them.
pub(super) struct Actions {
    pub(super) create: &'static str,
    pub(super) get: &'static str,
    pub(super) get_config: &'static str,
    pub(super) update: &'static str,
    pub(super) delete: &'static str,
    pub(super) list: &'static str,
}

/// The refusals of a kind.
pub(super) struct Codes {
    pub(super) missing: ControlCode,
    pub(super) exists: ControlCode,
    pub(super) in_use: ControlCode,
}

/// A document that is about to be put.
pub(super) struct Draft<'d> {
    pub(super) id: &'d str,
    pub(super) config: &'d Element,
    /// The document before; `None`: the resource is new.
    pub(super) before: Option<&'d Element>,
    pub(super) account: &'d AccountId,
    pub(super) all: &'d Distributions,
    pub(super) server: &'d ServerConfig,
}

impl Draft<'_> {
    /// Whether the account has a resource of this kind and id.
    pub(super) fn has(&self, kind: ResourceKind, id: &str) -> bool {
        let found = own(self.all.resource(id), self.account, kind);
        found.is_some() || managed::find(kind, id).is_some()
    }
}

/// A resource that is shown.
pub(super) struct Shown<'s> {
    pub(super) id: &'s str,
    pub(super) etag: &'s str,
    pub(super) account: &'s AccountId,
    pub(super) created_at: Timestamp,
    pub(super) changed_at: Timestamp,
    pub(super) config: &'s Element,
    pub(super) is_managed: bool,
    pub(super) all: &'s Distributions,
    pub(super) context: &'s RequestContext,
}

impl<'s> Shown<'s> {
    /// A policy that everybody has.
    fn of_managed(
        policy: &'static ManagedPolicy,
        (account, all): (&'s AccountId, &'s Distributions),
        context: &'s RequestContext,
    ) -> Self {
        let at = Timestamp::UNIX_EPOCH;
        Shown {
            id: policy.id(),
            etag: MANAGED_ETAG,
            account,
            created_at: at,
            changed_at: at,
            config: policy.config(),
            is_managed: true,
            all,
            context,
        }
    }
}

fn unreadable() -> ControlError {
    ControlError::new(ControlCode::InternalFailure)
}

fn arn<T: ResourceType>(account: &AccountId, id: &str) -> String {
    if T::HAS_ARN {
        format!("arn:aws:cloudfront::{account}:{}/{id}", T::PATH)
    } else {
        "*".to_owned()
    }
}

/// The resource of the account, with its document.
fn find<T: ResourceType>(
    all: &Distributions,
    account: &AccountId,
    id: &str,
) -> Result<(Arc<DistributionResource>, Element), ControlError> {
    let found = own(all.resource(id), account, T::KIND);
    let found = found.ok_or_else(|| ControlError::new(T::CODES.missing))?;
    let config = config_of(&found).ok_or_else(unreadable)?;
    Ok((found, config))
}

/// Puts a document in its place, if nothing speaks against it.
fn put<T: ResourceType>(
    edit: &mut DistributionEdit,
    draft: &Draft<'_>,
    resource: DistributionResource,
) -> Result<DistributionResource, ControlError> {
    let exists = || ControlError::new(T::CODES.exists);
    let name = draft.config.child("Name").map(|name| name.text.as_str());
    if let Some(name) = name {
        let mut others = draft.all.of(draft.account, T::KIND).filter(|other| other.id != draft.id);
        if name.trim_ascii().is_empty() {
            return Err(ControlError::invalid("Name is empty."));
        }
        if others.any(|other| config_of(other).is_some_and(|it| it.text_at(&["Name"]) == name)) {
            return Err(exists());
        }
    }
    let hosts = T::check(draft)?;
    let resource = DistributionResource { hosts, ..resource };
    edit.put(resource.clone())?;
    Ok(resource)
}

fn shown_reply<T: ResourceType>(
    resource: &DistributionResource,
    config: &Element,
    all: &Distributions,
    context: &RequestContext,
) -> ControlReply {
    let shown = Shown {
        id: &resource.id,
        etag: &resource.etag,
        account: &resource.account,
        created_at: resource.created_at,
        changed_at: resource.changed_at,
        config,
        is_managed: false,
        all,
        context,
    };
    ControlReply::document(T::ELEMENT, |xml| {
        T::write(xml, &shown);
        config.write(xml);
    })
    .of_state(&resource.etag)
}

/// Makes a resource.
pub(super) struct Create<T> {
    config: Element,
    tags: Vec<Tag>,
    kind: PhantomData<T>,
}

impl<T: ResourceType> ControlOperation for Create<T> {
    const ACTION: &'static str = T::ACTIONS.create;

    fn read(request: &ControlRequest<'_>) -> Result<Self, ControlError> {
        if !request.query.has("WithTags") {
            let config = request.document(T::CONFIG, T::FIELDS)?;
            return Ok(Self { config, tags: Vec::new(), kind: PhantomData });
        }
        let (config, tags) = read_tags::with_config(request, T::CONFIG, T::FIELDS)?;
        Ok(Self { config, tags, kind: PhantomData })
    }

    fn resource(&self, account: &AccountId) -> String {
        arn::<T>(account, "*")
    }

    fn tags(&self) -> &[Tag] {
        &self.tags
    }

    async fn run(self, access: ControlAccess) -> Result<ControlReply, ControlError> {
        let Self { config, tags, .. } = self;
        let account = access.account()?;
        let (id, etag, now) = (new_id(T::KIND)?, new_etag()?, access.now());
        let now_ms = Timestamp::from_millisecond(now.as_millisecond()).unwrap_or(now);
        let made = access.change(now, |edit| {
            let all = edit.distributions().clone();
            let server = &access.context().config;
            let draft =
                Draft { id: &id, config: &config, before: None, account, all: &all, server };
            let resource = DistributionResource {
                id: id.clone(),
                account: account.clone(),
                kind: T::KIND,
                etag: etag.clone(),
                created_at: now_ms,
                changed_at: now_ms,
                hosts: Vec::new(),
                document: document_of(&config, &tags),
            };
            put::<T>(edit, &draft, resource)
        });
        let made = made.await?;
        let all = access.distributions();
        let path = format!("{}/{id}", T::PATH);
        Ok(shown_reply::<T>(&made, &config, &all, access.context()).made(path))
    }
}

/// Shows a resource.
pub(super) struct Get<T> {
    id: String,
    kind: PhantomData<T>,
}

impl<T: ResourceType> ControlOperation for Get<T> {
    const ACTION: &'static str = T::ACTIONS.get;

    fn read(request: &ControlRequest<'_>) -> Result<Self, ControlError> {
        Ok(Self { id: request.id(), kind: PhantomData })
    }

    fn resource(&self, account: &AccountId) -> String {
        arn::<T>(account, &self.id)
    }

    async fn run(self, access: ControlAccess) -> Result<ControlReply, ControlError> {
        let op = self;
        let (account, all) = (access.account()?, access.distributions());
        if let Some(managed) = managed::find(T::KIND, &op.id) {
            let shown = Shown::of_managed(managed, (account, &all), access.context());
            let reply = ControlReply::document(T::ELEMENT, |xml| {
                T::write(xml, &shown);
                shown.config.write(xml);
            });
            return Ok(reply.of_state(MANAGED_ETAG));
        }
        let (found, config) = find::<T>(&all, account, &op.id)?;
        Ok(shown_reply::<T>(&found, &config, &all, access.context()))
    }
}

/// Shows the document of a resource.
pub(super) struct GetConfig<T> {
    id: String,
    kind: PhantomData<T>,
}

impl<T: ResourceType> ControlOperation for GetConfig<T> {
    const ACTION: &'static str = T::ACTIONS.get_config;

    fn read(request: &ControlRequest<'_>) -> Result<Self, ControlError> {
        Ok(Self { id: request.id(), kind: PhantomData })
    }

    fn resource(&self, account: &AccountId) -> String {
        arn::<T>(account, &self.id)
    }

    async fn run(self, access: ControlAccess) -> Result<ControlReply, ControlError> {
        let op = self;
        let content = |config: &Element| {
            ControlReply::document(T::CONFIG, |xml| {
                for child in &config.children {
                    child.write(xml);
                }
            })
        };
        if let Some(managed) = managed::find(T::KIND, &op.id) {
            return Ok(content(managed.config()).of_state(MANAGED_ETAG));
        }
        let all = access.distributions();
        let (found, config) = find::<T>(&all, access.account()?, &op.id)?;
        Ok(content(&config).of_state(&found.etag))
    }
}

/// Puts another document in the place of a resource's.
pub(super) struct Update<T> {
    id: String,
    if_match: String,
    config: Element,
    kind: PhantomData<T>,
}

impl<T: ResourceType> ControlOperation for Update<T> {
    const ACTION: &'static str = T::ACTIONS.update;

    fn read(request: &ControlRequest<'_>) -> Result<Self, ControlError> {
        let config = request.document(T::CONFIG, T::FIELDS)?;
        Ok(Self { id: request.id(), if_match: request.if_match()?, config, kind: PhantomData })
    }

    fn resource(&self, account: &AccountId) -> String {
        arn::<T>(account, &self.id)
    }

    async fn run(self, access: ControlAccess) -> Result<ControlReply, ControlError> {
        let Self { id, if_match, config, .. } = self;
        let account = access.account()?;
        if managed::find(T::KIND, &id).is_some() {
            return Err(ControlError::new(ControlCode::IllegalUpdate));
        }
        let (etag, now) = (new_etag()?, access.now());
        let changed = access.change(now, |edit| {
            let all = edit.distributions().clone();
            let (found, before) = find::<T>(&all, account, &id)?;
            check_state(&found, &if_match)?;
            let server = &access.context().config;
            let (config, before) = (&config, Some(&before));
            let draft = Draft { id: &id, config, before, account, all: &all, server };
            let resource = DistributionResource {
                etag: etag.clone(),
                changed_at: Timestamp::from_millisecond(now.as_millisecond()).unwrap_or(now),
                document: document_of(config, &tags_of(&found)),
                ..found.as_ref().clone()
            };
            put::<T>(edit, &draft, resource)
        });
        let changed = changed.await?;
        let all = access.distributions();
        Ok(shown_reply::<T>(&changed, &config, &all, access.context()))
    }
}

/// Whoever changes a resource must have seen it as it is.
fn check_state(found: &DistributionResource, if_match: &str) -> Result<(), ControlError> {
    let same = found.etag == if_match;
    same.then_some(()).ok_or_else(|| ControlError::new(ControlCode::PreconditionFailed))
}

/// Removes a resource.
pub(super) struct Delete<T> {
    id: String,
    if_match: String,
    kind: PhantomData<T>,
}

impl<T: ResourceType> ControlOperation for Delete<T> {
    const ACTION: &'static str = T::ACTIONS.delete;

    fn read(request: &ControlRequest<'_>) -> Result<Self, ControlError> {
        Ok(Self { id: request.id(), if_match: request.if_match()?, kind: PhantomData })
    }

    fn resource(&self, account: &AccountId) -> String {
        arn::<T>(account, &self.id)
    }

    async fn run(self, access: ControlAccess) -> Result<ControlReply, ControlError> {
        let op = self;
        let account = access.account()?;
        if managed::find(T::KIND, &op.id).is_some() {
            return Err(ControlError::new(ControlCode::IllegalDelete));
        }
        let removed = access.change(access.now(), |edit| {
            let all = edit.distributions();
            let (found, config) = find::<T>(all, account, &op.id)?;
            check_state(&found, &op.if_match)?;
            T::check_removal(&config)?;
            if T::is_used(&op.id, all) {
                return Err(ControlError::new(T::CODES.in_use));
            }
            let below = invalidations_of(all, &op.id);
            edit.remove(&op.id);
            for id in &below {
                edit.remove(id);
            }
            Ok(())
        });
        removed.await?;
        Ok(ControlReply::done())
    }
}

/// Lists the resources of the account.
pub(super) struct List<T> {
    page: Page,
    /// Of policies: only managed ones, or only own ones.
    only: Option<String>,
    kind: PhantomData<T>,
}

impl<T: ResourceType> ControlOperation for List<T> {
    const ACTION: &'static str = T::ACTIONS.list;

    fn read(request: &ControlRequest<'_>) -> Result<Self, ControlError> {
        let only = request.query.get("Type").filter(|only| !only.is_empty()).map(str::to_owned);
        if only.as_deref().is_some_and(|only| !matches!(only, "managed" | "custom")) {
            return Err(ControlError::invalid("Type is managed or custom."));
        }
        Ok(Self { page: request.page()?, only, kind: PhantomData })
    }

    fn resource(&self, _account: &AccountId) -> String {
        "*".to_owned()
    }

    async fn run(self, access: ControlAccess) -> Result<ControlReply, ControlError> {
        let op = self;
        let (account, all) = (access.account()?, access.distributions());
        let shows = |kind: &str| op.only.as_deref().is_none_or(|only| only == kind);
        let mut found: Vec<(Arc<DistributionResource>, Element)> = Vec::new();
        for resource in all.of(account, T::KIND).filter(|_| shows("custom")) {
            let config = config_of(resource).ok_or_else(unreadable)?;
            found.push((Arc::clone(resource), config));
        }
        let of_account = found.iter().map(|(resource, config)| Shown {
            id: &resource.id,
            etag: &resource.etag,
            account,
            created_at: resource.created_at,
            changed_at: resource.changed_at,
            config,
            is_managed: false,
            all: &all,
            context: access.context(),
        });
        let managed = managed::all(T::KIND).filter(|_| shows("managed"));
        let managed =
            managed.map(|policy| Shown::of_managed(policy, (account, &all), access.context()));
        let mut both: Vec<Shown<'_>> = managed.chain(of_account).collect();
        both.sort_by(|one, other| one.id.cmp(other.id));
        Ok(ControlReply::document(T::LIST, |xml| {
            op.page.write(
                (xml, T::LIST_STYLE),
                both,
                |shown| shown.id,
                |xml, shown| {
                    T::write_item(xml, shown);
                },
            );
        }))
    }
}
