//! A user, group or role, each of which can hold policies.

use anyhow::{Context as _, anyhow};
use serde::Serialize;
use serde::de::IgnoredAny;
use serde_json::Value;

use crate::args::identities as args;
use crate::aws::Api;
use crate::failure::Failure;
use crate::identities::wire::{Attached, AttachedPolicies, Inline, PolicyNames};
use crate::query;
use crate::remote::Remote;

/// A user, a group or a role, by name.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Holder<'h> {
    kind: Kind,
    name: &'h str,
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    User,
    Group,
    Role,
}

/// All policies of one holder.
#[derive(Debug, Serialize)]
pub(crate) struct HeldPolicies {
    pub(crate) inline: Vec<NamedDocument>,
    pub(crate) attached: Vec<Attached>,
}

/// A policy's name and document.
#[derive(Debug, Serialize)]
pub(crate) struct NamedDocument {
    pub(crate) name: String,
    pub(crate) document: Document,
}

/// A policy document as it is stored. In JSON output it is an object, not a text.
#[derive(Debug)]
pub(crate) struct Document(String);

impl Document {
    pub(crate) fn text(&self) -> &str {
        self.0.trim_end()
    }
}

impl Serialize for Document {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let value: Value = serde_json::from_str(&self.0).map_err(serde::ser::Error::custom)?;
        value.serialize(serializer)
    }
}

impl<'h> Holder<'h> {
    pub(crate) fn user(name: &'h str) -> Self {
        Self { kind: Kind::User, name }
    }

    pub(crate) fn group(name: &'h str) -> Self {
        Self { kind: Kind::Group, name }
    }

    pub(crate) fn role(name: &'h str) -> Self {
        Self { kind: Kind::Role, name }
    }

    /// The holder on the command line, if there is one.
    pub(crate) fn named(holder: &'h args::Holder) -> Option<Self> {
        let args::Holder { user, group, role } = holder;
        let user = user.as_deref().map(Self::user);
        user.or_else(|| group.as_deref().map(Self::group))
            .or_else(|| role.as_deref().map(Self::role))
    }

    /// The holder on the command line.
    pub(crate) fn required(holder: &'h args::Holder) -> Result<Self, Failure> {
        let missing = || Failure::usage(anyhow!("say whose: --user, --group or --role"));
        Self::named(holder).ok_or_else(missing)
    }

    pub(crate) async fn put(
        self,
        remote: &Remote,
        name: &str,
        document: &str,
    ) -> Result<(), Failure> {
        let parameters = [self.parameter(), ("PolicyName", name), ("PolicyDocument", document)];
        query::run(remote, &self.action("Put", "Policy"), &parameters).await
    }

    pub(crate) async fn attach(self, remote: &Remote, arn: &str) -> Result<(), Failure> {
        let parameters = [self.parameter(), ("PolicyArn", arn)];
        query::run(remote, &self.action("Attach", "Policy"), &parameters).await
    }

    pub(crate) async fn detach(self, remote: &Remote, arn: &str) -> Result<(), Failure> {
        let parameters = [self.parameter(), ("PolicyArn", arn)];
        query::run(remote, &self.action("Detach", "Policy"), &parameters).await
    }

    /// Deletes an inline policy of the holder.
    pub(crate) async fn delete_inline(self, remote: &Remote, name: &str) -> Result<(), Failure> {
        let parameters = [self.parameter(), ("PolicyName", name)];
        query::run(remote, &self.action("Delete", "Policy"), &parameters).await
    }

    /// The document of an inline policy of the holder.
    pub(crate) async fn document(self, remote: &Remote, name: &str) -> Result<Document, Failure> {
        let parameters = [self.parameter(), ("PolicyName", name)];
        let action = self.action("Get", "Policy");
        let inline: Inline = query::call(remote, Api::Iam, &action, &parameters).await?;
        decoded(&inline.policy_document)
    }

    pub(crate) async fn policies(self, remote: &Remote) -> Result<HeldPolicies, Failure> {
        let mut inline = Vec::new();
        for name in self.inline_names(remote).await? {
            let document = self.document(remote, &name).await?;
            inline.push(NamedDocument { name, document });
        }
        Ok(HeldPolicies { inline, attached: self.attached(remote).await? })
    }

    /// Removes all policies, so that the holder can be deleted.
    pub(crate) async fn strip(self, remote: &Remote) -> Result<(), Failure> {
        for name in self.inline_names(remote).await? {
            self.delete_inline(remote, &name).await?;
        }
        for policy in self.attached(remote).await? {
            self.detach(remote, &policy.arn).await?;
        }
        Ok(())
    }

    async fn inline_names(self, remote: &Remote) -> Result<Vec<String>, Failure> {
        let action = self.action("List", "Policies");
        query::list::<PolicyNames>(remote, &action, &[self.parameter()]).await
    }

    async fn attached(self, remote: &Remote) -> Result<Vec<Attached>, Failure> {
        let action = self.action("ListAttached", "Policies");
        query::list::<AttachedPolicies>(remote, &action, &[self.parameter()]).await
    }

    fn parameter(self) -> (&'static str, &'h str) {
        let name = match self.kind {
            Kind::User => "UserName",
            Kind::Group => "GroupName",
            Kind::Role => "RoleName",
        };
        (name, self.name)
    }

    fn action(self, verb: &str, object: &str) -> String {
        let kind = match self.kind {
            Kind::User => "User",
            Kind::Group => "Group",
            Kind::Role => "Role",
        };
        format!("{verb}{kind}{object}")
    }
}

impl HeldPolicies {
    /// Lines for people, one for each policy.
    pub(crate) fn lines(&self) -> impl Iterator<Item = String> + '_ {
        let attached = self.attached.iter().map(|policy| format!("policy   {}", policy.arn));
        let inline = self
            .inline
            .iter()
            .map(|policy| format!("policy   {} {}", policy.name, policy.document.text()));
        attached.chain(inline)
    }
}

/// Decodes a document of an IAM answer.
pub(crate) fn decoded(document: &str) -> Result<Document, Failure> {
    let bytes = presign::decode_component(document).into_owned();
    let text = String::from_utf8(bytes).context("the policy is not text")?;
    serde_json::from_str::<IgnoredAny>(&text).context("the policy is not JSON")?;
    Ok(Document(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_are_percent_encoded() {
        let found = decoded("%7B%22Sid%22%3A%22a%2Bb%20c%22%7D").unwrap();
        assert_eq!(found.text(), r#"{"Sid":"a+b c"}"#);
        assert_eq!(serde_json::to_string(&found).unwrap(), r#"{"Sid":"a+b c"}"#);
        assert!(decoded("%7B").is_err());
    }

    #[test]
    fn actions_name_the_kind() {
        assert_eq!(Holder::user("u").action("Put", "Policy"), "PutUserPolicy");
        assert_eq!(
            Holder::group("g").action("ListAttached", "Policies"),
            "ListAttachedGroupPolicies"
        );
        assert_eq!(Holder::role("r").parameter(), ("RoleName", "r"));
    }
}
