//! What the operations of all families share: reading parameters, finding identities, writing answers.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use iam::{AccountId, Policy, Principal, fold_case};
use jiff::Timestamp;
use store::{
    AttachedPolicy, Directory, DirectoryEdit, EntityKind, IdentityError, KnownIdentity,
    ManagedPolicy, Tag,
};

use super::refusal;
use crate::gate::StoreAccess;
use crate::query::answer::QueryXml;
use crate::query::error::{self, QueryCode, QueryError};
use crate::query::form::{Form, member};
use crate::query::operation::{AccountView, Target};

/// The longest path, in characters.
const PATH_CHARS_MAX: usize = 512;
/// The longest policy document, in characters as it was sent.
const DOCUMENT_CHARS_MAX: usize = 131_072;

impl AccountView<'_> {
    /// The identity as it is stored. If there is none, the name that was asked for, so that policies can still
    /// be asked about it.
    fn stored(&self, kind: EntityKind, word: &str, asked: &str) -> Target {
        let known = self.directory.known(kind, asked);
        let arn = known.facts().map(|facts| facts.arn.clone());
        let arn = arn.unwrap_or_else(|| self.directory.arn(word, "/", asked));
        Target { arn, known: Some(known) }
    }

    pub(super) fn user(&self, name: &str) -> Target {
        self.stored(EntityKind::User, "user", name)
    }

    pub(super) fn group(&self, name: &str) -> Target {
        self.stored(EntityKind::Group, "group", name)
    }

    pub(super) fn role(&self, name: &str) -> Target {
        self.stored(EntityKind::Role, "role", name)
    }

    pub(super) fn profile(&self, name: &str) -> Target {
        self.stored(EntityKind::InstanceProfile, "instance-profile", name)
    }

    pub(super) fn provider(&self, url: &str) -> Target {
        self.stored(EntityKind::OidcProvider, "oidc-provider", url)
    }

    /// A managed policy by its ARN, which has only one spelling.
    pub(super) fn policy(&self, arn: &str) -> Target {
        let known = self.directory.known(EntityKind::Policy, arn);
        Target { arn: arn.to_owned(), known: Some(known) }
    }

    /// An identity that is to be created.
    pub(super) fn made(&self, kind: &str, path: &str, name: &str) -> Target {
        Target::new(self.directory.arn(kind, path, name))
    }

    /// An identity that is to get another name or path: as it is now, and as it will be.
    pub(super) fn moved(
        &self,
        now: Target,
        (kind, path, name): (&str, Option<&str>, Option<&str>),
    ) -> Vec<Target> {
        let Some(facts) = now.known.as_ref().and_then(KnownIdentity::facts) else {
            return vec![now];
        };
        let (path, name) = (path.unwrap_or(&facts.path), name.unwrap_or(&facts.name));
        let then = Target { arn: self.directory.arn(kind, path, name), known: now.known.clone() };
        vec![now, then]
    }

    /// The named user. Without a name the caller, who must be a user or a root.
    pub(super) fn user_or_self(&self, name: Option<&str>) -> Result<Target, QueryError> {
        match (name, self.caller.principal()) {
            (Some(name), _) => Ok(self.user(name)),
            (None, Principal::User { id, .. }) => {
                let user = self.directory.user_by_id(id);
                let gone = || QueryError::new(QueryCode::InvalidClientTokenId);
                user.map(|user| self.user(&user.name)).ok_or_else(gone)
            }
            (None, root @ Principal::Root { .. }) => {
                Ok(Target::new(root.arn().unwrap_or_default()))
            }
            (
                None,
                Principal::Anonymous
                | Principal::AssumedRole { .. }
                | Principal::FederatedUser { .. }
                | Principal::WebIdentity { .. }
                | Principal::Service { .. },
            ) => Err(no_user_meant()),
        }
    }
}

/// The refusal of a call without a name whose caller is no user.
pub(super) fn no_user_meant() -> QueryError {
    QueryError::validation("Must specify userName when calling with non-User credentials")
}

/// Says which identity a call is done to.
pub(super) trait Targets {
    fn list(self) -> Result<Vec<Target>, QueryError>;
}

impl Targets for Target {
    fn list(self) -> Result<Vec<Target>, QueryError> {
        Ok(vec![self])
    }
}

impl Targets for Vec<Target> {
    fn list(self) -> Result<Vec<Target>, QueryError> {
        Ok(self)
    }
}

impl Targets for Result<Target, QueryError> {
    fn list(self) -> Result<Vec<Target>, QueryError> {
        self.map(|target| vec![target])
    }
}

/// The account that the caller acts in. Every admitted caller has one.
pub(super) fn account(access: &StoreAccess) -> Result<&AccountId, QueryError> {
    access.account().map_err(|_| QueryError::new(QueryCode::AccessDenied))
}

/// The identities of that account, as they were when the call was admitted.
pub(super) fn directory(access: &StoreAccess) -> Result<Arc<Directory>, QueryError> {
    let judged = access.judged().ok_or_else(|| QueryError::new(QueryCode::InternalFailure))?;
    Ok(Arc::clone(&judged.directory))
}

/// The name of the user that the call was admitted for; `None` stands for the root.
pub(super) fn judged_user<'d>(access: &'d StoreAccess, asked: Option<&'d str>) -> Option<&'d str> {
    let stored = || access.judged()?.known.first()?.facts().map(|facts| facts.name.as_str());
    asked.or_else(stored)
}

/// Changes the identities of the account. Fails if the identity that the call was admitted for has changed
/// since.
pub(super) async fn change<T: Send + 'static>(
    access: &StoreAccess,
    change: impl FnOnce(&mut DirectoryEdit) -> Result<T, IdentityError> + Clone + Send + Sync + 'static,
) -> Result<T, QueryError> {
    let judged = access.judged().ok_or_else(|| QueryError::new(QueryCode::InternalFailure))?;
    let known = judged.known.clone();
    let change = move |edit: &mut DirectoryEdit| {
        known.iter().try_for_each(|known| edit.expect(known))?;
        change(edit)
    };
    let changed = access.store().change_identities(account(access)?, access.now(), change).await;
    changed.map_err(error::of_store)?.map_err(refusal::of_identity)
}

/// Reads a name of 1 to `max` characters.
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

/// Reads the name of a user, if one is given.
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

/// Reads a new name, if one is given.
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

/// Reads the path; `/` if none is given.
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

/// The longest description, in characters.
const DESCRIPTION_CHARS_MAX: usize = 1000;

/// Reads the description of a role, in the characters that AWS documents.
pub(super) fn role_description(form: &Form) -> Result<Option<String>, QueryError> {
    let pattern = "[\\u0009\\u000A\\u000D\\u0020-\\u007E\\u00A1-\\u00FF]*";
    description(form, pattern, |letter| matches!(letter, ' '..='\u{7e}' | '\u{a1}'..='\u{ff}'))
}

/// Reads the description of a policy: any characters but control characters, of which it may have tabs and line
/// breaks.
pub(super) fn policy_description(form: &Form) -> Result<Option<String>, QueryError> {
    let pattern = "[\\u0009\\u000A\\u000D\\u0020-\\u007E\\u00A0-\\uD7FF\\uE000-\\uFFFD]*";
    description(form, pattern, |letter| {
        !letter.is_control() && !matches!(letter, '\u{fffe}' | '\u{ffff}')
    })
}

fn description(
    form: &Form,
    pattern: &str,
    fits: impl Fn(char) -> bool,
) -> Result<Option<String>, QueryError> {
    let Some(text) = form.get("Description") else { return Ok(None) };
    if !text.chars().all(|letter| matches!(letter, '\t' | '\n' | '\r') || fits(letter)) {
        return Err(QueryError::validation(format!(
            "1 validation error detected: Value '{text}' at 'description' failed to satisfy constraint: Member must satisfy regular expression pattern: {pattern}"
        )));
    }
    if text.chars().count() > DESCRIPTION_CHARS_MAX {
        return Err(too_long("Description", text, DESCRIPTION_CHARS_MAX));
    }
    Ok(Some(text.to_owned()))
}

pub(super) fn tags(form: &Form) -> Result<Vec<Tag>, QueryError> {
    read_tags(form, "Tags")
}

/// Whether two tag keys are the same: case does not matter.
pub(crate) fn same_tag(one: &str, other: &str) -> bool {
    fold_case(one) == fold_case(other)
}

/// Reads tags. No two keys may be the same, whatever their case.
pub(crate) fn read_tags(form: &Form, parameter: &'static str) -> Result<Vec<Tag>, QueryError> {
    let mut tags: Vec<Tag> = Vec::new();
    for tag in form.structures(parameter, &["Key", "Value"])? {
        let (key, value) =
            (tag.get("Key").unwrap_or_default(), tag.get("Value").unwrap_or_default());
        if !is_tag(key, value) {
            return Err(QueryError::validation(format!(
                "1 validation error detected: Value at '{}' failed to satisfy constraint: Member must satisfy constraint: keys have 1 to 128 and values at most 256 letters, digits, spaces and _.:/=+-@",
                member(parameter)
            )));
        }
        if fold_case(key).starts_with("aws:") {
            return Err(QueryError::with_message(
                QueryCode::InvalidInput,
                "Tag keys starting with 'aws:' are reserved.",
            ));
        }
        if tags.iter().any(|tag| same_tag(&tag.key, key)) {
            return Err(QueryError::with_message(
                QueryCode::InvalidInput,
                "Duplicate tag keys found. Please note that Tag keys are case insensitive.",
            ));
        }
        tags.push(Tag { key: key.to_owned(), value: value.to_owned() });
    }
    Ok(tags)
}

/// Whether key and value have an allowed length and only allowed characters.
pub(crate) fn is_tag(key: &str, value: &str) -> bool {
    let letters = |text: &str| {
        text.chars()
            .all(|letter| letter.is_alphanumeric() || letter == ' ' || "_.:/=+-@".contains(letter))
    };
    let sizes = (1..=128).contains(&key.chars().count()) && value.chars().count() <= 256;
    sizes && letters(key) && letters(value)
}

/// Reads a policy document for identities.
pub(super) fn identity_policy(form: &Form) -> Result<Arc<Policy>, QueryError> {
    read_identity_policy(document(form, "PolicyDocument")?)
}

/// The same, from a text.
pub(crate) fn read_identity_policy(text: &str) -> Result<Arc<Policy>, QueryError> {
    let policy = Policy::parse(text).map_err(|error| malformed(error.identity_message()))?;
    policy.validate_identity().map_err(|fault| malformed(fault.message()))?;
    Ok(Arc::new(policy))
}

/// Reads a trust policy, which says who may assume a role.
pub(super) fn trust_policy(
    form: &Form,
    parameter: &'static str,
) -> Result<Arc<Policy>, QueryError> {
    let text = document(form, parameter)?;
    let policy = Policy::parse(text).map_err(|error| malformed(error.trust_message()))?;
    policy.validate_trust().map_err(|fault| malformed(fault.message()))?;
    Ok(Arc::new(policy))
}

/// Reads a policy document of any kind, for a simulation.
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

/// Writes a time as IAM does.
pub(super) fn time(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// Writes a policy document as IAM does: percent-encoded.
pub(super) fn encoded(document: &str) -> String {
    presign::encode_component(document.as_bytes())
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

/// Writes one entry of a list of attached policies.
pub(super) fn write_attached(xml: &mut QueryXml, arn: &str) {
    xml.text("PolicyName", arn.rsplit('/').next().unwrap_or_default());
    xml.text("PolicyArn", arn);
}

/// The attached policies whose path begins with a prefix.
pub(super) fn attached_below(
    directory: &Directory,
    attached: &BTreeSet<String>,
    prefix: Option<&str>,
) -> Vec<Arc<ManagedPolicy>> {
    let below = |policy: &Arc<ManagedPolicy>| policy.path.starts_with(prefix.unwrap_or("/"));
    attached.iter().filter_map(|arn| directory.managed_policy(arn)).filter(below).collect()
}

/// An inline policy; or the refusal, which names the identity that lacks it.
pub(super) fn inline<'p>(
    policies: &'p BTreeMap<String, Arc<Policy>>,
    of: &str,
    name: &str,
) -> Result<&'p Policy, QueryError> {
    policies.get(name).map(|policy| &**policy).ok_or_else(|| refusal::no_inline_policy(of, name))
}

/// Returns what was found; or the refusal, which names what was not.
pub(super) fn found<T>(found: Option<T>, kind: EntityKind, name: &str) -> Result<T, QueryError> {
    found.ok_or_else(|| refusal::no_such(kind, name))
}

/// Reads a version id such as `v3`.
pub(super) fn version_number(form: &Form) -> Result<u32, QueryError> {
    let text = form.required("VersionId")?;
    text.strip_prefix('v').and_then(|digits| digits.parse().ok()).ok_or_else(|| {
        QueryError::validation(format!(
            "1 validation error detected: Value '{text}' at 'versionId' failed to satisfy constraint: Member must satisfy regular expression pattern: v[1-9][0-9]*(\\.[A-Za-z0-9-]*)?"
        ))
    })
}

/// Writes inline policies with their documents, for `GetAccountAuthorizationDetails`.
pub(super) fn write_inline_list(
    xml: &mut QueryXml,
    list: &str,
    policies: &BTreeMap<String, Arc<Policy>>,
) {
    xml.list(list, policies, |xml, (name, policy)| {
        xml.text("PolicyName", name);
        xml.text("PolicyDocument", &encoded(policy.text()));
    });
}

/// Policies as the evaluation takes them.
pub(super) fn named(policies: &[AttachedPolicy]) -> Vec<iam::NamedPolicy<'_>> {
    policies
        .iter()
        .map(|AttachedPolicy { name, policy }| iam::NamedPolicy { name, policy })
        .collect()
}
