//! The record of a managed link.

use std::collections::BTreeMap;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use iam::{AccountId, OpenedBy, Policy};
use jiff::Timestamp;
use presign::LinkConditions;
use serde::{Deserialize, Serialize};

use super::{RECORD_VERSION, corrupt};
use crate::{
    BucketName, CreatorIdentity, CreatorSession, ETag, FileLimits, Landing, LinkCreator,
    LinkPurpose, ManagedLink, ManagedLinkId, ObjectKey, StoreError, VersionId,
};

/// The JSON of a managed link, in the column `record`. Times are in milliseconds.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ManagedLinkRecord {
    v: u8,
    /// The sealed id, in base64.
    id: String,
    account: String,
    creator: CreatorRecord,
    purpose: PurposeRecord,
    created_ms: i64,
    expires_ms: i64,
    /// The conditions as a link has them, by parameter.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    conditions: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    passphrase: Option<String>,
    landing: LandingRecord,
    #[serde(default, skip_serializing_if = "is_false")]
    names_creator: bool,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    notify: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    delete_object_at_end: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    closed_ms: Option<i64>,
    revision: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct CreatorRecord {
    arn: String,
    signer: String,
    key: String,
    kind: CreatorKind,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    session: Option<SessionRecord>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    root_key: Option<RootKeyRecord>,
}

/// The key of a root, by its making.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RootKeyRecord {
    id: String,
    mark: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SessionRecord {
    issued_ms: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    policies: Option<Vec<String>>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    tags: Vec<(String, String)>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    source: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    provider: Option<String>,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum CreatorKind {
    Root,
    User,
    Role,
    Federated,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum LandingRecord {
    Auto,
    Always,
    Never,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "lowercase", tag = "kind")]
enum PurposeRecord {
    Object {
        bucket: String,
        key: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        version: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        filename: Option<String>,
        #[serde(default, skip_serializing_if = "is_false")]
        inline: bool,
    },
    Folder {
        bucket: String,
        prefix: String,
    },
    Request {
        bucket: String,
        prefix: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        max_bytes: Option<u64>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        max_files: Option<u64>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        max_total_bytes: Option<u64>,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        types: Vec<String>,
        #[serde(default, skip_serializing_if = "is_false")]
        ask_name: bool,
        #[serde(default, skip_serializing_if = "is_false")]
        ask_note: bool,
    },
    Presigned {
        bucket: String,
        key: String,
        method: String,
        signature: String,
    },
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
fn is_false(flag: &bool) -> bool {
    !flag
}

fn wrong() -> StoreError {
    corrupt("record of a managed link")
}

/// The record of a link; `id` is its id, sealed.
pub(crate) fn managed_link_record(link: &ManagedLink, id: &[u8]) -> Result<Vec<u8>, StoreError> {
    let ManagedLink {
        id: _,
        account,
        creator,
        purpose,
        created_at,
        expires_at,
        conditions,
        passphrase,
        landing,
        names_creator,
        notify,
        delete_object_at_end,
        closed_at,
        revision,
    } = link;
    let conditions = conditions.parameters().into_iter();
    let record = ManagedLinkRecord {
        v: RECORD_VERSION,
        id: STANDARD.encode(id),
        account: account.as_str().to_owned(),
        creator: creator_record(creator),
        purpose: purpose_record(purpose),
        created_ms: created_at.as_millisecond(),
        expires_ms: expires_at.as_millisecond(),
        conditions: conditions.map(|(name, value)| (name.to_owned(), value)).collect(),
        passphrase: passphrase.clone(),
        landing: match landing {
            Landing::Auto => LandingRecord::Auto,
            Landing::Always => LandingRecord::Always,
            Landing::Never => LandingRecord::Never,
        },
        names_creator: *names_creator,
        notify: notify.clone(),
        delete_object_at_end: delete_object_at_end.map(|etag| etag.to_string()),
        closed_ms: closed_at.map(Timestamp::as_millisecond),
        revision: *revision,
    };
    serde_json::to_vec(&record).map_err(|_| wrong())
}

fn creator_record(creator: &LinkCreator) -> CreatorRecord {
    let LinkCreator { identity, arn, signer, access_key_id, root_key, session } = creator;
    let (kind, id, name) = match identity {
        CreatorIdentity::Root => (CreatorKind::Root, None, None),
        CreatorIdentity::User { id } => (CreatorKind::User, Some(id), None),
        CreatorIdentity::Role { id, session } => (CreatorKind::Role, Some(id), Some(session)),
        CreatorIdentity::Federated { name, issuer } => {
            (CreatorKind::Federated, issuer.as_ref(), Some(name))
        }
    };
    let session = session.as_ref().map(|session| SessionRecord {
        issued_ms: session.issued_at.as_millisecond(),
        policies: session.policy_texts(),
        tags: session.tags.clone(),
        source: session.source_identity.clone(),
        provider: session.federated_provider.clone(),
    });
    CreatorRecord {
        arn: arn.clone(),
        signer: signer.clone(),
        key: access_key_id.clone(),
        kind,
        id: id.cloned(),
        name: name.cloned(),
        session,
        root_key: root_key.as_ref().map(|root_key| RootKeyRecord {
            id: root_key.access_key_id.clone(),
            mark: root_key.mark_text(),
        }),
    }
}

fn purpose_record(purpose: &LinkPurpose) -> PurposeRecord {
    let bucket = purpose.bucket().as_str().to_owned();
    let within = purpose.key_or_prefix().to_owned();
    match purpose {
        LinkPurpose::Object { bucket: _, key: _, version, filename, inline } => {
            PurposeRecord::Object {
                bucket,
                key: within,
                version: version.as_ref().map(ToString::to_string),
                filename: filename.clone(),
                inline: *inline,
            }
        }
        LinkPurpose::Folder { .. } => PurposeRecord::Folder { bucket, prefix: within },
        LinkPurpose::Request { bucket: _, prefix: _, limits } => {
            let FileLimits { max_bytes, max_files, max_total_bytes, types, ask_name, ask_note } =
                limits;
            PurposeRecord::Request {
                bucket,
                prefix: within,
                max_bytes: *max_bytes,
                max_files: *max_files,
                max_total_bytes: *max_total_bytes,
                types: types.clone(),
                ask_name: *ask_name,
                ask_note: *ask_note,
            }
        }
        LinkPurpose::Presigned { bucket: _, key: _, method, signature } => {
            PurposeRecord::Presigned {
                bucket,
                key: within,
                method: method.clone(),
                signature: signature.to_string(),
            }
        }
    }
}

/// The link of a record, whose id `open` opens.
pub(crate) fn parse_managed_link(
    json: &[u8],
    open: impl FnOnce(&[u8], &AccountId) -> Result<ManagedLinkId, StoreError>,
) -> Result<ManagedLink, StoreError> {
    let record: ManagedLinkRecord = serde_json::from_slice(json).map_err(|_| wrong())?;
    if record.v != RECORD_VERSION {
        return Err(wrong());
    }
    let time = |ms| Timestamp::from_millisecond(ms).map_err(|_| wrong());
    let conditions = record.conditions.iter();
    let conditions = conditions.map(|(name, value)| (name.as_str(), value.as_str()));
    let account = AccountId::parse(&record.account).map_err(|_| wrong())?;
    let id = STANDARD.decode(&record.id).map_err(|_| wrong())?;
    let etag = record.delete_object_at_end.map(|tag| ETag::parse(&tag).map_err(|_| wrong()));
    Ok(ManagedLink {
        id: open(&id, &account)?,
        account,
        creator: parse_creator(record.creator)?,
        purpose: parse_purpose(record.purpose)?,
        created_at: time(record.created_ms)?,
        expires_at: time(record.expires_ms)?,
        conditions: LinkConditions::read(conditions).map_err(|_| wrong())?,
        passphrase: record.passphrase,
        landing: match record.landing {
            LandingRecord::Auto => Landing::Auto,
            LandingRecord::Always => Landing::Always,
            LandingRecord::Never => Landing::Never,
        },
        names_creator: record.names_creator,
        notify: record.notify,
        delete_object_at_end: etag.transpose()?,
        closed_at: record.closed_ms.map(time).transpose()?,
        revision: record.revision,
    })
}

fn parse_creator(record: CreatorRecord) -> Result<LinkCreator, StoreError> {
    let CreatorRecord { arn, signer, key, kind, id, name, session, root_key } = record;
    let identity = match (kind, id, name) {
        (CreatorKind::Root, None, None) => CreatorIdentity::Root,
        (CreatorKind::User, Some(id), None) => CreatorIdentity::User { id },
        (CreatorKind::Role, Some(id), Some(session)) => CreatorIdentity::Role { id, session },
        (CreatorKind::Federated, issuer, Some(name)) => CreatorIdentity::Federated { name, issuer },
        _ => return Err(wrong()),
    };
    let session = session.map(parse_session).transpose()?;
    let root_key = root_key
        .map(|RootKeyRecord { id, mark }| OpenedBy::of_mark_text(&id, &mark).ok_or_else(wrong));
    let root_key = root_key.transpose()?;
    Ok(LinkCreator { identity, arn, signer, access_key_id: key, root_key, session })
}

fn parse_session(record: SessionRecord) -> Result<CreatorSession, StoreError> {
    let SessionRecord { issued_ms, policies, tags, source, provider } = record;
    let parse = |text: String| Policy::parse(&text).map(Arc::new).map_err(|_| wrong());
    let policies = policies.map(|all| all.into_iter().map(parse).collect());
    Ok(CreatorSession {
        issued_at: Timestamp::from_millisecond(issued_ms).map_err(|_| wrong())?,
        policies: policies.transpose()?,
        tags,
        source_identity: source,
        federated_provider: provider,
    })
}

fn parse_purpose(record: PurposeRecord) -> Result<LinkPurpose, StoreError> {
    let bucket = |name: String| BucketName::parse(&name).map_err(|_| wrong());
    let key = |key: String| ObjectKey::parse(&key).map_err(|_| wrong());
    Ok(match record {
        PurposeRecord::Object { bucket: name, key: text, version, filename, inline } => {
            let version = version.map(|version| VersionId::parse(&version).map_err(|_| wrong()));
            LinkPurpose::Object {
                bucket: bucket(name)?,
                key: key(text)?,
                version: version.transpose()?,
                filename,
                inline,
            }
        }
        PurposeRecord::Folder { bucket: name, prefix } => {
            LinkPurpose::Folder { bucket: bucket(name)?, prefix }
        }
        PurposeRecord::Request {
            bucket: name,
            prefix,
            max_bytes,
            max_files,
            max_total_bytes,
            types,
            ask_name,
            ask_note,
        } => LinkPurpose::Request {
            bucket: bucket(name)?,
            prefix,
            limits: FileLimits { max_bytes, max_files, max_total_bytes, types, ask_name, ask_note },
        },
        PurposeRecord::Presigned { bucket: name, key: text, method, signature } => {
            LinkPurpose::Presigned {
                bucket: bucket(name)?,
                key: key(text)?,
                method,
                signature: signature.parse().map_err(|_| wrong())?,
            }
        }
    })
}
