//! Access keys: made, switched and removed.

use std::sync::Arc;

use super::{DirectoryEdit, Edited, free, missing, within};
use crate::{
    AccessKey, EntityKind, GivenKey, IdentityError, KeyOwner, KeyStatus, KeySummary, Quota, Role,
};

/// A key that a change makes, sets or removes.
#[derive(Debug)]
pub(crate) enum KeyChange {
    /// Its id must be free in every account.
    Put(AccessKey),
    SetStatus(String, KeyStatus),
    Delete(String),
}

impl KeyChange {
    pub(crate) fn made(&self) -> Option<&AccessKey> {
        match self {
            Self::Put(key) => Some(key),
            Self::SetStatus(..) | Self::Delete(_) => None,
        }
    }
}

impl DirectoryEdit {
    /// Makes a key for a user; it is answered with its secret, once.
    pub fn create_key(&mut self, user: &str) -> Result<AccessKey, IdentityError> {
        let owner = self.key_owner(user)?;
        let made = AccessKey::generate(self.account_id().clone(), owner, self.now);
        let key = made.map_err(|_| IdentityError::NoRandomness)?;
        self.put_key(key.summary());
        self.keys.push(KeyChange::Put(key.clone()));
        Ok(key)
    }

    /// Lets a key that was made elsewhere move in. That its id is free in every account is seen to
    /// when the change is written.
    pub fn create_given_key(
        &mut self,
        user: &str,
        given: GivenKey,
    ) -> Result<AccessKey, IdentityError> {
        let owner = self.key_owner(user)?;
        let key = AccessKey {
            id: given.id,
            secret: given.secret,
            account: self.account_id().clone(),
            owner,
            status: KeyStatus::Active,
            created_at: self.now,
        };
        let taken = self.directory.parts.keys.contains_key(key.id.as_str());
        free(taken, EntityKind::AccessKey, &key.id)?;
        self.put_key(key.summary());
        self.keys.push(KeyChange::Put(key.clone()));
        Ok(key)
    }

    /// Makes a key with which the server itself signs as a role, in the place of one that there is.
    pub fn create_role_key(&mut self, role: &str) -> Result<AccessKey, IdentityError> {
        let role = self.role(role).ok_or_else(|| missing(EntityKind::Role, role))?;
        let owner = KeyOwner::Role { id: role.id.clone() };
        let role = Arc::clone(role);
        self.delete_role_key(&role);
        let made = AccessKey::generate(self.account_id().clone(), owner, self.now);
        let key = made.map_err(|_| IdentityError::NoRandomness)?;
        self.put_key(key.summary());
        self.keys.push(KeyChange::Put(key.clone()));
        Ok(key)
    }

    /// Removes the key of a role, if it has one: before the role goes.
    pub(super) fn delete_role_key(&mut self, role: &Role) {
        let Some(id) = self.key_of_role(role).map(|key| key.id.clone()) else { return };
        Arc::make_mut(&mut self.parts().keys).remove(id.as_str());
        self.keys.push(KeyChange::Delete(id));
    }

    fn key_owner(&self, user: &str) -> Result<KeyOwner, IdentityError> {
        let user = self.user(user).ok_or_else(|| missing(EntityKind::User, user))?;
        within(self.keys_of(user).len() + 1, Quota::AccessKeys, &user.name)?;
        Ok(KeyOwner::User { id: user.id.clone() })
    }

    /// Makes a user's key active or inactive.
    pub fn set_key_status(&mut self, user: &str, key: &str, status: KeyStatus) -> Edited {
        let summary = self.key_of(user, key)?;
        self.put_key(KeySummary { status, ..summary });
        self.keys.push(KeyChange::SetStatus(key.to_owned(), status));
        Ok(())
    }

    /// Removes an access key, if it is that user's.
    pub fn delete_key(&mut self, user: &str, key: &str) -> Edited {
        self.key_of(user, key)?;
        Arc::make_mut(&mut self.parts().keys).remove(key);
        self.keys.push(KeyChange::Delete(key.to_owned()));
        Ok(())
    }

    fn put_key(&mut self, key: KeySummary) {
        Arc::make_mut(&mut self.parts().keys).insert(key.id.as_str().into(), Arc::new(key));
    }

    fn key_of(&self, user: &str, key: &str) -> Result<KeySummary, IdentityError> {
        let user = self.user(user).ok_or_else(|| missing(EntityKind::User, user))?;
        let keys = self.keys_of(user);
        let found = keys.into_iter().find(|summary| summary.id == key);
        found.cloned().ok_or_else(|| missing(EntityKind::AccessKey, key))
    }
}
