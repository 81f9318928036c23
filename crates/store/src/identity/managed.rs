//! The managed policies that come with AWS and that its clients name by ARN.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use iam::Policy;
use jiff::Timestamp;

use super::{AttachedPolicy, ManagedPolicy, PolicyVersion};

pub(super) const ARN_PREFIX: &str = "arn:aws:iam::aws:policy/";
pub(super) const ADMINISTRATOR: &str = "arn:aws:iam::aws:policy/AdministratorAccess";

/// The managed policies that come with AWS: name, id, description and statement of each.
const POLICIES: &[(&str, &str, &str, &str)] = &[
    (
        "AdministratorAccess",
        "ANPAVALETADMINISTRATR",
        "Everything.",
        r#"{"Effect":"Allow","Action":"*","Resource":"*"}"#,
    ),
    (
        "AmazonS3FullAccess",
        "ANPAVALETS3FULLACCESS",
        "Everything of S3.",
        r#"{"Effect":"Allow","Action":["s3:*","s3-object-lambda:*"],"Resource":"*"}"#,
    ),
    (
        "AmazonS3ReadOnlyAccess",
        "ANPAVALETS3READACCESS",
        "Reading and listing in S3.",
        r#"{"Effect":"Allow","Action":["s3:Get*","s3:List*","s3:Describe*","s3-object-lambda:Get*","s3-object-lambda:List*"],"Resource":"*"}"#,
    ),
    (
        "IAMFullAccess",
        "ANPAVALETIAMFULLACCES",
        "Everything of IAM.",
        r#"{"Effect":"Allow","Action":"iam:*","Resource":"*"}"#,
    ),
    (
        "IAMReadOnlyAccess",
        "ANPAVALETIAMREADACCES",
        "Reading in IAM.",
        r#"{"Effect":"Allow","Action":["iam:GenerateCredentialReport","iam:GenerateServiceLastAccessedDetails","iam:Get*","iam:List*","iam:SimulateCustomPolicy","iam:SimulatePrincipalPolicy"],"Resource":"*"}"#,
    ),
    (
        "PowerUserAccess",
        "ANPAVALETPOWERUSERACC",
        "Everything but managing identities.",
        r#"{"Effect":"Allow","NotAction":["iam:*","organizations:*","account:*","valet:ManageAccounts"],"Resource":"*"}"#,
    ),
    (
        "ReadOnlyAccess",
        "ANPAVALETREADONLYACCS",
        "Reading everything.",
        r#"{"Effect":"Allow","Action":["s3:Get*","s3:List*","iam:Get*","iam:List*","sts:GetCallerIdentity","sts:GetAccessKeyInfo","valet:ListLinks","valet:ExplainLink","valet:ReadMetrics"],"Resource":"*"}"#,
    ),
];

static ALL: LazyLock<Vec<Arc<ManagedPolicy>>> =
    LazyLock::new(|| POLICIES.iter().filter_map(make).collect());

pub(super) fn all() -> &'static [Arc<ManagedPolicy>] {
    &ALL
}

pub(super) fn find(arn: &str) -> Option<Arc<ManagedPolicy>> {
    ALL.iter().find(|policy| policy.arn == arn).cloned()
}

/// The same as it is attached to somebody. Its name is allocated once, however many have it.
pub(super) fn attached(arn: &str) -> Option<AttachedPolicy> {
    ATTACHED.iter().find(|policy| *policy.name == *arn).cloned()
}

static ATTACHED: LazyLock<Vec<AttachedPolicy>> =
    LazyLock::new(|| ALL.iter().map(|policy| AttachedPolicy::of(policy)).collect());

fn make(row: &(&str, &str, &str, &str)) -> Option<Arc<ManagedPolicy>> {
    let (name, id, description, statement) = row;
    let text = format!(r#"{{"Version":"2012-10-17","Statement":[{statement}]}}"#);
    let document = Arc::new(Policy::parse(&text).ok()?);
    let created_at = Timestamp::UNIX_EPOCH;
    let version = PolicyVersion { created_at, text: document.shared_text() };
    Some(Arc::new(ManagedPolicy {
        name: (*name).to_owned(),
        path: "/".to_owned(),
        id: (*id).to_owned(),
        arn: format!("{ARN_PREFIX}{name}"),
        created_at,
        updated_at: created_at,
        description: Some((*description).to_owned()),
        tags: Vec::new(),
        versions: BTreeMap::from([(1, version)]),
        default_version: 1,
        document,
        next_version: 2,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_one_of_them_is_a_policy() {
        assert_eq!(all().len(), POLICIES.len());
        assert!(all().iter().all(|policy| policy.id.len() == 21), "ids have 21 characters");
        assert!(find(ADMINISTRATOR).is_some());
    }
}
