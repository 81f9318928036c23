//! Users: made, renamed and removed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::{DirectoryEdit, Edited, check_user, free, id, in_the_way, missing, within};
use crate::identity::directory::fold;
use crate::{EntityKind, Hindrance, IdentityError, Quota, Tag, User};

impl DirectoryEdit {
    /// Makes a user.
    pub fn create_user(
        &mut self,
        name: &str,
        path: &str,
        boundary: Option<String>,
        tags: Vec<Tag>,
    ) -> Result<Arc<User>, IdentityError> {
        free(self.user(name).is_some(), EntityKind::User, name)?;
        within(self.parts().users.len() + 1, Quota::Users, name)?;
        self.check_boundary(boundary.as_deref())?;
        let user = User {
            name: name.to_owned(),
            path: path.to_owned(),
            id: id::<17>("AIDA")?,
            created_at: self.now,
            tags,
            boundary,
            inline: BTreeMap::new(),
            attached: BTreeSet::new(),
            groups: BTreeSet::new(),
        };
        check_user(&user)?;
        let user = Arc::new(user);
        self.put(EntityKind::User, name, |parts, folded| {
            Arc::make_mut(&mut parts.users).insert(folded.into(), Arc::clone(&user));
        });
        Ok(user)
    }

    /// Gives a user another name or path; it stays the same user.
    pub fn rename_user(
        &mut self,
        name: &str,
        new_name: Option<&str>,
        path: Option<&str>,
    ) -> Edited {
        let found = self.user(name).ok_or_else(|| missing(EntityKind::User, name))?;
        let mut user = User::clone(found);
        if let Some(path) = path {
            path.clone_into(&mut user.path);
        }
        let new_name = new_name.unwrap_or(&user.name).to_owned();
        if fold(&new_name) != fold(name) {
            free(self.user(&new_name).is_some(), EntityKind::User, &new_name)?;
        }
        user.name.clone_from(&new_name);
        let old = fold(name);
        Arc::make_mut(&mut self.parts().users).remove(old.as_str());
        self.changed.insert((EntityKind::User, old));
        let user = Arc::new(user);
        self.put(EntityKind::User, &new_name, |parts, folded| {
            Arc::make_mut(&mut parts.users).insert(folded.into(), user);
        });
        Ok(())
    }

    /// Removes a user that holds nothing any more.
    pub fn delete_user(&mut self, name: &str) -> Edited {
        let user = Arc::clone(self.user(name).ok_or_else(|| missing(EntityKind::User, name))?);
        in_the_way(!self.keys_of(&user).is_empty(), Hindrance::AccessKeys)?;
        in_the_way(!user.inline.is_empty(), Hindrance::InlinePolicies)?;
        in_the_way(!user.attached.is_empty(), Hindrance::AttachedPolicies)?;
        in_the_way(!user.groups.is_empty(), Hindrance::Groups)?;
        self.put(EntityKind::User, name, |parts, folded| {
            Arc::make_mut(&mut parts.users).remove(folded.as_str());
        });
        Ok(())
    }
}
