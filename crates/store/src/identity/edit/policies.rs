//! Managed policies and their versions.

use std::collections::BTreeMap;
use std::sync::Arc;

use iam::Policy;

use super::{DirectoryEdit, Edited, check_policy, free, id, in_the_way, missing, within};
use crate::identity::directory::fold;
use crate::identity::managed;
use crate::{EntityKind, Hindrance, IdentityError, ManagedPolicy, PolicyVersion, Quota, Tag};

/// A managed policy to make.
#[derive(Clone, Debug)]
pub struct NewManagedPolicy {
    /// The name, unique in the account whatever the case of its letters.
    pub name: String,
    /// The path of the name: `/`, or `/…/` as in `/team/blue/`.
    pub path: String,
    /// What its maker says that it is for.
    pub description: Option<String>,
    /// The document, which becomes version 1.
    pub document: Arc<Policy>,
    /// At most 50 tags.
    pub tags: Vec<Tag>,
}

/// Whether a new version of a policy counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counts {
    /// The new version counts, and the one before no longer.
    FromNowOn,
    /// The version that counted before still does.
    NotYet,
}

impl DirectoryEdit {
    /// Makes a managed policy, with its document as version 1.
    pub fn create_policy(
        &mut self,
        new: NewManagedPolicy,
    ) -> Result<Arc<ManagedPolicy>, IdentityError> {
        let NewManagedPolicy { name, path, description, document, tags } = new;
        let taken = self.parts().policies.contains_key(fold(&name).as_str());
        free(taken, EntityKind::Policy, &name)?;
        within(self.parts().policies.len() + 1, Quota::Policies, &name)?;
        let version = PolicyVersion { created_at: self.now, text: document.shared_text() };
        let policy = ManagedPolicy {
            arn: format!("arn:aws:iam::{}:policy{path}{name}", self.account_id()),
            id: id::<17>("ANPA")?,
            created_at: self.now,
            updated_at: self.now,
            versions: BTreeMap::from([(1, version)]),
            default_version: 1,
            document,
            next_version: 2,
            name: name.clone(),
            path,
            description,
            tags,
        };
        check_policy(&policy)?;
        let policy = Arc::new(policy);
        self.put(EntityKind::Policy, &name, |parts, folded| {
            Arc::make_mut(&mut parts.policies).insert(folded.into(), Arc::clone(&policy));
        });
        Ok(policy)
    }

    /// A managed policy of the account, to be changed, by its ARN.
    fn own_policy(&self, arn: &str) -> Result<Arc<ManagedPolicy>, IdentityError> {
        let found = self.managed_policy(arn).ok_or_else(|| missing(EntityKind::Policy, arn))?;
        if found.arn.starts_with(managed::ARN_PREFIX) {
            return Err(IdentityError::Unmodifiable { arn: arn.to_owned() });
        }
        Ok(found)
    }

    /// Changes a managed policy of the account, by its ARN.
    pub fn change_policy_at<T>(
        &mut self,
        arn: &str,
        change: impl FnOnce(&mut ManagedPolicy) -> Result<T, IdentityError>,
    ) -> Result<T, IdentityError> {
        let name = self.own_policy(arn)?.name.clone();
        self.change_policy(&name, change)
    }

    /// Adds a version, and lets it count if so wished; answers its number.
    pub fn create_policy_version(
        &mut self,
        arn: &str,
        document: Arc<Policy>,
        counts: Counts,
    ) -> Result<u32, IdentityError> {
        let now = self.now;
        self.change_policy_at(arn, |policy| {
            let number = policy.next_version;
            policy.next_version = number.saturating_add(1);
            policy.updated_at = now;
            let text = document.shared_text();
            policy.versions.insert(number, PolicyVersion { created_at: now, text });
            if counts == Counts::FromNowOn {
                (policy.default_version, policy.document) = (number, document);
            }
            Ok(number)
        })
    }

    /// Makes another version the one that counts.
    pub fn set_default_version(&mut self, arn: &str, number: u32) -> Edited {
        self.change_policy_at(arn, |policy| {
            let version = policy.versions.get(&number);
            // Only what can be read is ever stored.
            let document = version.and_then(|version| Policy::parse(&version.text).ok());
            let missing = || missing(EntityKind::PolicyVersion, &format!("v{number}"));
            policy.document = Arc::new(document.ok_or_else(missing)?);
            policy.default_version = number;
            Ok(())
        })
    }

    /// Removes a version that does not count.
    pub fn delete_policy_version(&mut self, arn: &str, number: u32) -> Edited {
        self.change_policy_at(arn, |policy| {
            if !policy.versions.contains_key(&number) {
                return Err(missing(EntityKind::PolicyVersion, &format!("v{number}")));
            }
            in_the_way(policy.default_version == number, Hindrance::DefaultVersion)?;
            policy.versions.remove(&number);
            Ok(())
        })
    }

    /// Removes a managed policy that nobody has and that has one version.
    pub fn delete_policy(&mut self, arn: &str) -> Edited {
        let policy = self.own_policy(arn)?;
        let used = self.attachments(arn) + self.bounded(arn) > 0;
        in_the_way(used, Hindrance::Attachments)?;
        in_the_way(policy.versions.len() > 1, Hindrance::Versions)?;
        self.put(EntityKind::Policy, &policy.name, |parts, folded| {
            Arc::make_mut(&mut parts.policies).remove(folded.as_str());
        });
        Ok(())
    }
}
