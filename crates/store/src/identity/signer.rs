//! Who signs: one user or role with all that decides what it may do, at one moment.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use iam::{AccountId, Policy};

use super::{AttachedPolicy, Directory, Group, Role, Tag, User, managed};

/// A user or role as it signs a request: all that its account knows of it then, from one moment.
///
/// It is small, because it is asked for with every request: what else its account has, it leaves out.
#[derive(Clone, Debug)]
pub struct Signer {
    /// The account that it is of.
    pub account: AccountId,
    /// Whether it is a user or a role.
    pub kind: SignerKind,
    /// The name, in the spelling in which it was given.
    pub name: String,
    /// The path of the name: `/`, or `/…/` as in `/team/blue/`.
    pub path: String,
    /// An id that is never given twice, `AIDA…` or `AROA…`.
    pub id: String,
    /// At most 50 tags.
    pub tags: Vec<Tag>,
    /// Every policy that gives it something: its own, the attached ones, those of its groups.
    pub policies: Vec<AttachedPolicy>,
    /// The policy that bounds what it may do.
    pub boundary: Option<AttachedPolicy>,
    /// The number of a change of its account's identities: another one whenever anything of the above is another, and
    /// never a lower one again.
    pub number: u64,
}

/// Whether a user or a role signs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignerKind {
    /// A user, by a key of its own or a session that it opened.
    User,
    /// A role, by a session of whoever assumed it.
    Role,
}

/// The record that a signer begins with.
#[derive(Clone, Debug)]
pub(crate) enum SignerRecord {
    User(Arc<User>),
    Role(Arc<Role>),
}

impl SignerRecord {
    pub(crate) fn id(&self) -> &str {
        match self {
            Self::User(user) => &user.id,
            Self::Role(role) => &role.id,
        }
    }
}

/// Where that is found which a signer's record names. All of it must be of the moment of the record.
pub(crate) trait SignerSource {
    /// Why something that is named is not to be had.
    type Missing;

    /// The group of a folded name.
    fn group(&mut self, name: &str) -> Result<Arc<Group>, Self::Missing>;
    /// The account's own managed policy of an ARN.
    fn policy(&mut self, arn: &str) -> Result<AttachedPolicy, Self::Missing>;
}

impl Signer {
    /// Gathers all that a record names. Something that is missing could be a Deny, so that there is no signer then.
    pub(crate) fn gather<S: SignerSource>(
        account: &AccountId,
        record: &SignerRecord,
        number: u64,
        source: &mut S,
    ) -> Result<Self, S::Missing> {
        let (kind, (name, path, id), tags, boundary) = match record {
            SignerRecord::User(user) => {
                (SignerKind::User, (&user.name, &user.path, &user.id), &user.tags, &user.boundary)
            }
            SignerRecord::Role(role) => {
                (SignerKind::Role, (&role.name, &role.path, &role.id), &role.tags, &role.boundary)
            }
        };
        let mut policies = Vec::new();
        match record {
            SignerRecord::User(user) => {
                give(&mut policies, &user.inline, &user.attached, source)?;
                for name in &user.groups {
                    let group = source.group(name)?;
                    give(&mut policies, &group.inline, &group.attached, source)?;
                }
            }
            SignerRecord::Role(role) => {
                give(&mut policies, &role.inline, &role.attached, source)?;
            }
        }
        policies.shrink_to_fit();
        let boundary = boundary.as_deref().map(|arn| managed_policy(arn, source)).transpose()?;
        Ok(Self {
            account: account.clone(),
            kind,
            name: name.clone(),
            path: path.clone(),
            id: id.clone(),
            tags: tags.clone(),
            policies,
            boundary,
            number,
        })
    }
}

fn give<S: SignerSource>(
    policies: &mut Vec<AttachedPolicy>,
    inline: &BTreeMap<String, Arc<Policy>>,
    attached: &BTreeSet<String>,
    source: &mut S,
) -> Result<(), S::Missing> {
    policies.extend(inline.iter().map(|(name, policy)| AttachedPolicy {
        name: name.as_str().into(),
        policy: Arc::clone(policy),
    }));
    attached.iter().try_for_each(|arn| {
        policies.push(managed_policy(arn, source)?);
        Ok(())
    })
}

/// A managed policy that comes with AWS, or the account's own.
fn managed_policy<S: SignerSource>(
    arn: &str,
    source: &mut S,
) -> Result<AttachedPolicy, S::Missing> {
    managed::attached(arn).map_or_else(|| source.policy(arn), Ok)
}

impl Directory {
    /// The signer of an id as this directory has it: `number` is that of the directory's last change. `None` if no user
    /// or role has that id, or if something that it names is missing.
    ///
    /// For those who hold a directory already; a request asks the engine for its signer alone.
    pub fn signer(&self, id: &str, number: u64) -> Option<Signer> {
        let user = self.user_by_id(id).cloned().map(SignerRecord::User);
        let record = user.or_else(|| self.role_by_id(id).cloned().map(SignerRecord::Role))?;
        Signer::gather(self.account(), &record, number, &mut WholeDirectory(self)).ok()
    }
}

/// A directory as the source of whatever its own signers name.
struct WholeDirectory<'d>(&'d Directory);

impl SignerSource for WholeDirectory<'_> {
    type Missing = ();

    fn group(&mut self, name: &str) -> Result<Arc<Group>, ()> {
        self.0.group(name).cloned().ok_or(())
    }

    fn policy(&mut self, arn: &str) -> Result<AttachedPolicy, ()> {
        self.0.boundary(Some(arn)).ok_or(())
    }
}
