//! Identities as somebody was judged for touching them: a change is made to what was judged, or not at all.

use super::{Directory, DirectoryEdit, EntityKind, IdentityError, Tag};

/// An identity as it was when somebody was judged for touching it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownIdentity {
    kind: EntityKind,
    /// The name, ARN or URL by which it was looked up.
    looked_up: String,
    facts: Option<IdentityFacts>,
}

/// Which identity it is, and all of it that a policy can ask for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdentityFacts {
    /// Never given twice; of an OIDC provider, which has no id, when it was made.
    making: String,
    /// The name, as it was spelled when it was given.
    pub name: String,
    /// The path of the name: `/`, or `/…/` as in `/team/blue/`.
    pub path: String,
    /// Its ARN, in the spelling of what is stored.
    pub arn: String,
    /// The tags that a policy can ask for.
    pub tags: Vec<Tag>,
    /// The ARN of the policy that bounds it.
    pub boundary: Option<String>,
}

impl KnownIdentity {
    /// What is known of it; `None`: it was not there.
    pub fn facts(&self) -> Option<&IdentityFacts> {
        self.facts.as_ref()
    }
}

impl Directory {
    /// The ARN of something of this account.
    pub fn arn(&self, kind: &str, path: &str, name: &str) -> String {
        format!("arn:aws:iam::{}:{kind}{path}{name}", self.account())
    }

    /// An identity as it is now, by name; a policy by its ARN, an OIDC provider by its URL.
    pub fn known(&self, kind: EntityKind, name: &str) -> KnownIdentity {
        KnownIdentity { kind, looked_up: name.to_owned(), facts: self.facts(kind, name) }
    }

    fn facts(&self, kind: EntityKind, name: &str) -> Option<IdentityFacts> {
        let facts = |kind: &str, (making, path, name): (&str, &str, &str)| IdentityFacts {
            making: making.to_owned(),
            name: name.to_owned(),
            path: path.to_owned(),
            arn: self.arn(kind, path, name),
            tags: Vec::new(),
            boundary: None,
        };
        Some(match kind {
            EntityKind::User => {
                let user = self.user(name)?;
                let known = facts("user", (&user.id, &user.path, &user.name));
                IdentityFacts { tags: user.tags.clone(), boundary: user.boundary.clone(), ..known }
            }
            EntityKind::Group => {
                let group = self.group(name)?;
                facts("group", (&group.id, &group.path, &group.name))
            }
            EntityKind::Role => {
                let role = self.role(name)?;
                let known = facts("role", (&role.id, &role.path, &role.name));
                IdentityFacts { tags: role.tags.clone(), boundary: role.boundary.clone(), ..known }
            }
            EntityKind::Policy => {
                let policy = self.managed_policy(name)?;
                IdentityFacts {
                    making: policy.id.clone(),
                    name: policy.name.clone(),
                    path: policy.path.clone(),
                    arn: policy.arn.clone(),
                    tags: policy.tags.clone(),
                    boundary: None,
                }
            }
            EntityKind::InstanceProfile => {
                let profile = self.instance_profile(name)?;
                let known = facts("instance-profile", (&profile.id, &profile.path, &profile.name));
                IdentityFacts { tags: profile.tags.clone(), ..known }
            }
            EntityKind::OidcProvider => {
                let provider = self.oidc_provider(name)?;
                let making = provider.created_at.to_string();
                let known = facts("oidc-provider", (&making, "/", &provider.url));
                IdentityFacts { tags: provider.tags.clone(), ..known }
            }
            EntityKind::AccessKey
            | EntityKind::InlinePolicy
            | EntityKind::PolicyVersion
            | EntityKind::Boundary => return None,
        })
    }
}

impl DirectoryEdit {
    /// Refuses unless an identity is still what somebody was judged for: one that was made anew,
    /// moved, tagged or bounded meanwhile is another.
    pub fn expect(&self, known: &KnownIdentity) -> Result<(), IdentityError> {
        let now = self.known(known.kind, &known.looked_up);
        if now == *known { Ok(()) } else { Err(IdentityError::Changed) }
    }
}
