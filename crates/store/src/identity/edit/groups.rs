//! Groups: made, renamed, removed, and who is in them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::{DirectoryEdit, Edited, free, id, in_the_way, missing, within};
use crate::identity::directory::fold;
use crate::{EntityKind, Group, Hindrance, IdentityError, Quota};

impl DirectoryEdit {
    /// Makes a group.
    pub fn create_group(&mut self, name: &str, path: &str) -> Result<Arc<Group>, IdentityError> {
        free(self.group(name).is_some(), EntityKind::Group, name)?;
        within(self.parts().groups.len() + 1, Quota::Groups, name)?;
        let group = Arc::new(Group {
            name: name.to_owned(),
            path: path.to_owned(),
            id: id::<17>("AGPA")?,
            created_at: self.now,
            inline: BTreeMap::new(),
            attached: BTreeSet::new(),
        });
        self.put(EntityKind::Group, name, |parts, folded| {
            Arc::make_mut(&mut parts.groups).insert(folded.into(), Arc::clone(&group));
        });
        Ok(group)
    }

    /// Gives a group another name or path; its members stay in it.
    pub fn rename_group(
        &mut self,
        name: &str,
        new_name: Option<&str>,
        path: Option<&str>,
    ) -> Edited {
        let found = self.group(name).ok_or_else(|| missing(EntityKind::Group, name))?;
        let mut group = Group::clone(found);
        if let Some(path) = path {
            path.clone_into(&mut group.path);
        }
        let new_name = new_name.unwrap_or(&group.name).to_owned();
        let (old, new) = (fold(name), fold(&new_name));
        if old != new {
            free(self.group(&new_name).is_some(), EntityKind::Group, &new_name)?;
            let members: Vec<String> =
                self.members(&group).iter().map(|user| user.name.clone()).collect();
            for member in members {
                self.change_user(&member, |user| {
                    user.groups.remove(&old);
                    user.groups.insert(new.clone());
                    Ok(())
                })?;
            }
        }
        group.name.clone_from(&new_name);
        Arc::make_mut(&mut self.parts().groups).remove(old.as_str());
        self.changed.insert((EntityKind::Group, old));
        let group = Arc::new(group);
        self.put(EntityKind::Group, &new_name, |parts, folded| {
            Arc::make_mut(&mut parts.groups).insert(folded.into(), group);
        });
        Ok(())
    }

    /// Removes a group that holds nothing any more.
    pub fn delete_group(&mut self, name: &str) -> Edited {
        let group = Arc::clone(self.group(name).ok_or_else(|| missing(EntityKind::Group, name))?);
        in_the_way(!self.members(&group).is_empty(), Hindrance::Members)?;
        in_the_way(!group.inline.is_empty(), Hindrance::InlinePolicies)?;
        in_the_way(!group.attached.is_empty(), Hindrance::AttachedPolicies)?;
        self.put(EntityKind::Group, name, |parts, folded| {
            Arc::make_mut(&mut parts.groups).remove(folded.as_str());
        });
        Ok(())
    }

    /// Puts a user into a group; no matter if it is in it.
    pub fn add_to_group(&mut self, group: &str, user: &str) -> Edited {
        self.group(group).ok_or_else(|| missing(EntityKind::Group, group))?;
        let folded = fold(group);
        self.change_user(user, |user| {
            user.groups.insert(folded);
            Ok(())
        })
    }

    /// Takes a user out of a group.
    pub fn remove_from_group(&mut self, group: &str, user: &str) -> Edited {
        self.group(group).ok_or_else(|| missing(EntityKind::Group, group))?;
        let folded = fold(group);
        self.change_user(user, |user| {
            let found = user.groups.remove(&folded);
            if found { Ok(()) } else { Err(missing(EntityKind::User, &user.name)) }
        })
    }
}
