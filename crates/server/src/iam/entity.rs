//! What the operations of all families read and write the same way.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use iam::{AccountId, Policy};
use jiff::Timestamp;
use store::{
    AttachedPolicy, Directory, DirectoryEdit, EntityKind, IdentityError, ManagedPolicy, Tag,
};

use super::refusal;
use crate::gate::Door;
use crate::query::answer::QueryXml;
use crate::query::error::{self, QueryCode, QueryError};
use crate::query::form::{Form, member};
use crate::query::operation::Scene;

/// Entries of one page, and when nobody says how many.
const ITEMS_MAX: usize = 1000;
const ITEMS_DEFAULT: usize = 100;
/// Characters of a path.
const PATH_CHARS_MAX: usize = 512;
/// Characters of a policy's document as it is sent.
const DOCUMENT_CHARS_MAX: usize = 131_072;

impl Scene<'_> {
    fn arn(&self, kind: &str, path: Option<&str>, name: &str) -> String {
        format!("arn:aws:iam::{}:{kind}{}{name}", self.account, path.unwrap_or("/"))
    }

    pub(super) fn user(&self, name: &str) -> String {
        let path = self.directory.user(name).map(|user| user.path.as_str());
        self.arn("user", path, name)
    }

    pub(super) fn group(&self, name: &str) -> String {
        let path = self.directory.group(name).map(|group| group.path.as_str());
        self.arn("group", path, name)
    }

    pub(super) fn role(&self, name: &str) -> String {
        let path = self.directory.role(name).map(|role| role.path.as_str());
        self.arn("role", path, name)
    }

    pub(super) fn profile(&self, name: &str) -> String {
        let path = self.directory.instance_profile(name).map(|profile| profile.path.as_str());
        self.arn("instance-profile", path, name)
    }

    /// One that is to be made.
    pub(super) fn made(&self, kind: &str, path: &str, name: &str) -> String {
        self.arn(kind, Some(path), name)
    }

    /// The user that is named, or the caller.
    pub(super) fn user_or_self(&self, name: Option<&str>) -> String {
        match name.or_else(|| self.caller.principal().username()) {
            Some(name) => self.user(name),
            None => self.caller.principal().arn().unwrap_or_default(),
        }
    }
}

/// The account that the caller acts in; whoever is admitted has one.
pub(super) fn account(door: &Door) -> Result<&AccountId, QueryError> {
    door.account().map_err(|_| QueryError::new(QueryCode::AccessDenied))
}

/// The identities of that account.
pub(super) async fn directory(door: &Door) -> Result<Arc<Directory>, QueryError> {
    door.store().directory(account(door)?).await.map_err(error::of_store)
}

/// Changes them.
pub(super) async fn change<T: Send + 'static>(
    door: &Door,
    change: impl FnOnce(&mut DirectoryEdit) -> Result<T, IdentityError> + Send + 'static,
) -> Result<T, QueryError> {
    let changed = door.store().change_identities(account(door)?, door.now(), change).await;
    changed.map_err(error::of_store)?.map_err(refusal::of_identity)
}

/// A name of 1 to `max` characters.
fn word(form: &Form, parameter: &'static str, max: usize) -> Result<String, QueryError> {
    let text = form.required(parameter)?;
    let fits = |letter: char| letter.is_ascii_alphanumeric() || "+=,.@_-".contains(letter);
    if !text.chars().all(fits) {
        return Err(QueryError::validation(format!(
            "The specified value for {} is invalid. It must contain only alphanumeric characters and/or the following: +=,.@_-",
            member(parameter)
        )));
    }
    if text.chars().count() > max {
        return Err(too_long(parameter, text, max));
    }
    Ok(text.to_owned())
}

fn too_long(parameter: &str, text: &str, max: usize) -> QueryError {
    QueryError::validation(format!(
        "1 validation error detected: Value '{text}' at '{}' failed to satisfy constraint: Member must have length less than or equal to {max}",
        member(parameter)
    ))
}

pub(super) fn user_name(form: &Form) -> Result<String, QueryError> {
    word(form, "UserName", 64)
}

/// The user that is named, if one is.
pub(super) fn optional_user_name(form: &Form) -> Result<Option<String>, QueryError> {
    form.get("UserName").map(|_| user_name(form)).transpose()
}

pub(super) fn group_name(form: &Form) -> Result<String, QueryError> {
    word(form, "GroupName", 128)
}

pub(super) fn role_name(form: &Form) -> Result<String, QueryError> {
    word(form, "RoleName", 64)
}

pub(super) fn policy_name(form: &Form) -> Result<String, QueryError> {
    word(form, "PolicyName", 128)
}

pub(super) fn profile_name(form: &Form) -> Result<String, QueryError> {
    word(form, "InstanceProfileName", 128)
}

/// A new name, if one is given.
pub(super) fn new_name(
    form: &Form,
    parameter: &'static str,
    max: usize,
) -> Result<Option<String>, QueryError> {
    form.get(parameter).map(|_| word(form, parameter, max)).transpose()
}

pub(super) fn policy_arn(form: &Form) -> Result<String, QueryError> {
    let arn = form.required("PolicyArn")?;
    if !arn.starts_with("arn:") || arn.splitn(6, ':').count() != 6 {
        return Err(QueryError::with_message(
            QueryCode::InvalidInput,
            format!("ARN {arn} is not valid."),
        ));
    }
    Ok(arn.to_owned())
}

/// `/` unless another is given.
pub(super) fn path(form: &Form) -> Result<String, QueryError> {
    Ok(optional_path(form, "Path")?.unwrap_or_else(|| "/".to_owned()))
}

pub(super) fn optional_path(
    form: &Form,
    parameter: &'static str,
) -> Result<Option<String>, QueryError> {
    let Some(path) = form.get(parameter).filter(|path| !path.is_empty()) else { return Ok(None) };
    let letters = path.bytes().all(|byte| byte.is_ascii_graphic());
    if !(path.starts_with('/') && path.ends_with('/') && letters) {
        return Err(QueryError::validation(format!(
            "The specified value for {} is invalid. It must begin and end with / and contain only alphanumeric characters and/or / characters.",
            member(parameter)
        )));
    }
    if path.len() > PATH_CHARS_MAX {
        return Err(too_long(parameter, path, PATH_CHARS_MAX));
    }
    Ok(Some(path.to_owned()))
}

pub(super) fn optional_text(
    form: &Form,
    parameter: &'static str,
    max: usize,
) -> Result<Option<String>, QueryError> {
    match form.get(parameter) {
        Some(text) if text.chars().count() > max => Err(too_long(parameter, text, max)),
        other => Ok(other.map(str::to_owned)),
    }
}

pub(super) fn tags(form: &Form) -> Result<Vec<Tag>, QueryError> {
    read_tags(form, "Tags")
}

/// Tags: keys are unique in any case of letters.
pub(crate) fn read_tags(form: &Form, parameter: &'static str) -> Result<Vec<Tag>, QueryError> {
    let mut tags: Vec<Tag> = Vec::new();
    for [key, value] in form.structures(parameter, ["Key", "Value"]) {
        let (key, value) = (key.unwrap_or_default(), value.unwrap_or_default());
        if !is_tag(key, value) {
            return Err(QueryError::validation(format!(
                "1 validation error detected: Value at '{}' failed to satisfy constraint: Member must satisfy constraint: keys have 1 to 128 and values at most 256 letters, digits, spaces and _.:/=+-@",
                member(parameter)
            )));
        }
        if key.to_ascii_lowercase().starts_with("aws:") {
            return Err(QueryError::with_message(
                QueryCode::InvalidInput,
                "Tag keys starting with 'aws:' are reserved.",
            ));
        }
        if tags.iter().any(|tag| tag.key.eq_ignore_ascii_case(key)) {
            return Err(QueryError::with_message(
                QueryCode::InvalidInput,
                "Duplicate tag keys found. Please note that Tag keys are case insensitive.",
            ));
        }
        tags.push(Tag { key: key.to_owned(), value: value.to_owned() });
    }
    Ok(tags)
}

/// Whether key and value are as long as they may be, and of letters that they may have.
pub(crate) fn is_tag(key: &str, value: &str) -> bool {
    let letters = |text: &str| {
        text.chars()
            .all(|letter| letter.is_alphanumeric() || letter == ' ' || "_.:/=+-@".contains(letter))
    };
    let sizes = (1..=128).contains(&key.chars().count()) && value.chars().count() <= 256;
    sizes && letters(key) && letters(value)
}

/// A document that gives identities something.
pub(super) fn identity_policy(form: &Form) -> Result<Arc<Policy>, QueryError> {
    read_identity_policy(document(form, "PolicyDocument")?)
}

/// The same, from wherever it stands.
pub(crate) fn read_identity_policy(text: &str) -> Result<Arc<Policy>, QueryError> {
    let policy = Policy::parse(text).map_err(|error| malformed(error.identity_message()))?;
    policy.validate_identity().map_err(|fault| malformed(fault.message()))?;
    Ok(Arc::new(policy))
}

/// A document that says who assumes a role.
pub(super) fn trust_policy(
    form: &Form,
    parameter: &'static str,
) -> Result<Arc<Policy>, QueryError> {
    let text = document(form, parameter)?;
    let policy = Policy::parse(text).map_err(|error| malformed(error.trust_message()))?;
    policy.validate_trust().map_err(|fault| malformed(fault.message()))?;
    Ok(Arc::new(policy))
}

/// A document for a trial, of whatever kind.
pub(super) fn any_policy(text: &str) -> Result<Arc<Policy>, QueryError> {
    Policy::parse(text).map(Arc::new).map_err(|error| malformed(error.identity_message()))
}

fn document<'f>(form: &'f Form, parameter: &'static str) -> Result<&'f str, QueryError> {
    let text = form.required(parameter)?;
    if text.chars().count() > DOCUMENT_CHARS_MAX {
        return Err(too_long(parameter, "…", DOCUMENT_CHARS_MAX));
    }
    Ok(text)
}

fn malformed(message: String) -> QueryError {
    QueryError::with_message(QueryCode::MalformedPolicyDocument, message)
}

/// Which part of a list is asked for.
#[derive(Clone, Debug)]
pub(super) struct Page {
    after: Option<String>,
    limit: usize,
}

impl Page {
    pub(super) fn read(form: &Form) -> Result<Self, QueryError> {
        let limit = match form.get("MaxItems") {
            None => ITEMS_DEFAULT,
            Some(text) => text
                .parse()
                .ok()
                .filter(|limit| (1..=ITEMS_MAX).contains(limit))
                .ok_or_else(|| {
                    QueryError::validation(format!(
                        "1 validation error detected: Value '{text}' at 'maxItems' failed to satisfy constraint: Member must have value between 1 and {ITEMS_MAX}"
                    ))
                })?,
        };
        Ok(Self { after: form.get("Marker").map(str::to_owned), limit })
    }

    /// The items after the marker, as many as are asked for, and the next marker. `name` is what
    /// they are sorted by.
    pub(super) fn cut<T>(
        &self,
        items: impl IntoIterator<Item = T>,
        name: impl Fn(&T) -> String,
    ) -> (Vec<T>, Option<String>) {
        let after = |item: &T| self.after.as_ref().is_none_or(|after| name(item) > *after);
        let mut rest = items.into_iter().filter(after);
        let page: Vec<T> = rest.by_ref().take(self.limit).collect();
        let truncated = rest.next().is_some();
        let marker = page.last().map(&name).filter(|_| truncated);
        (page, marker)
    }

    /// Writes a page of names.
    pub(super) fn write_names<'n>(
        &self,
        xml: &mut QueryXml,
        list: &str,
        names: impl IntoIterator<Item = &'n String>,
    ) {
        let (page, marker) = self.cut(names, |name| (*name).clone());
        xml.texts(list, page.into_iter().map(String::as_str));
        xml.plain("IsTruncated", marker.is_some());
        xml.optional("Marker", marker.as_deref());
    }

    /// Writes a list's page: the members after the marker, and the next marker.
    #[expect(clippy::too_many_arguments, reason = "what, under which name, in which order, how")]
    pub(super) fn write<T>(
        &self,
        xml: &mut QueryXml,
        list: &str,
        items: impl IntoIterator<Item = T>,
        name: impl Fn(&T) -> String,
        write: impl FnMut(&mut QueryXml, T),
    ) {
        let (page, marker) = self.cut(items, name);
        xml.list(list, page, write);
        xml.plain("IsTruncated", marker.is_some());
        xml.optional("Marker", marker.as_deref());
    }
}

/// A time as IAM writes it.
pub(super) fn time(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// A document as IAM writes it: percent-encoded.
pub(super) fn encoded(policy: &Policy) -> String {
    presign::encode_component(policy.text().as_bytes())
}

pub(super) fn write_tags(xml: &mut QueryXml, tags: &[Tag]) {
    if !tags.is_empty() {
        xml.list("Tags", tags, write_tag);
    }
}

pub(super) fn write_tag(xml: &mut QueryXml, tag: &Tag) {
    xml.text("Key", &tag.key);
    xml.text("Value", &tag.value);
}

pub(super) fn write_boundary(xml: &mut QueryXml, boundary: Option<&str>) {
    if let Some(arn) = boundary {
        xml.element("PermissionsBoundary", |xml| {
            xml.text("PermissionsBoundaryType", "Policy");
            xml.text("PermissionsBoundaryArn", arn);
        });
    }
}

/// One entry of a list of attached policies.
pub(super) fn write_attached(xml: &mut QueryXml, arn: &str) {
    xml.text("PolicyName", arn.rsplit('/').next().unwrap_or_default());
    xml.text("PolicyArn", arn);
}

/// The attached policies below a path.
pub(super) fn attached_below(
    directory: &Directory,
    attached: &BTreeSet<String>,
    prefix: Option<&str>,
) -> Vec<Arc<ManagedPolicy>> {
    let below = |policy: &Arc<ManagedPolicy>| policy.path.starts_with(prefix.unwrap_or("/"));
    attached.iter().filter_map(|arn| directory.managed_policy(arn)).filter(below).collect()
}

/// An inline policy, or the refusal that names whose it is not.
pub(super) fn inline<'p>(
    policies: &'p BTreeMap<String, Arc<Policy>>,
    of: &str,
    name: &str,
) -> Result<&'p Policy, QueryError> {
    policies.get(name).map(|policy| &**policy).ok_or_else(|| refusal::no_inline_policy(of, name))
}

/// Something that is there, or the refusal that says what is not.
pub(super) fn found<T>(found: Option<T>, kind: EntityKind, name: &str) -> Result<T, QueryError> {
    found.ok_or_else(|| refusal::no_such(kind, name))
}

/// The number in `v3`.
pub(super) fn version_number(form: &Form) -> Result<u32, QueryError> {
    let text = form.required("VersionId")?;
    text.strip_prefix('v').and_then(|digits| digits.parse().ok()).ok_or_else(|| {
        QueryError::validation(format!(
            "1 validation error detected: Value '{text}' at 'versionId' failed to satisfy constraint: Member must satisfy regular expression pattern: v[1-9][0-9]*(\\.[A-Za-z0-9-]*)?"
        ))
    })
}

/// The documents of policies by name, for whoever lists everything.
pub(super) fn write_inline_list(
    xml: &mut QueryXml,
    list: &str,
    policies: &BTreeMap<String, Arc<Policy>>,
) {
    xml.list(list, policies, |xml, (name, policy)| {
        xml.text("PolicyName", name);
        xml.text("PolicyDocument", &encoded(policy));
    });
}

/// Policies as evaluation takes them.
pub(super) fn named(policies: &[AttachedPolicy]) -> Vec<iam::NamedPolicy<'_>> {
    policies
        .iter()
        .map(|AttachedPolicy { name, policy }| iam::NamedPolicy { name, policy })
        .collect()
}
