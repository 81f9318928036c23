//! The policies that a command gives to a new identity. They are read before the identity is created.

use std::path::Path;

use anyhow::{Context as _, anyhow, ensure};
use serde::de::IgnoredAny;
use serde_json::{Map, Value};

use crate::args::identities::{Document, Permissions};
use crate::failure::Failure;
use crate::identities::holder::Holder;
use crate::remote::Remote;
use crate::{grant, output};

/// The name of the inline policy that contains the ready permissions.
const READY_POLICY: &str = "valet-access";
/// The argument that stands for standard input.
const STANDARD_INPUT: &str = "-";
/// The longest file. IAM accepts 10,240 characters, not counting white space.
const DOCUMENT_BYTES_MAX: u64 = 1 << 20;

/// The policies to give.
#[derive(Debug)]
pub(crate) struct Applied {
    /// Inline policies: names and documents. A file is sent as it was read: parsing and writing it again would
    /// hide a repeated member, which the server refuses.
    pub(crate) policies: Vec<(String, String)>,
    /// ARNs of managed policies to attach.
    pub(crate) attached: Vec<String>,
}

impl Applied {
    /// Reads the options. Whatever cannot be right is wrong usage.
    pub(crate) fn read(permissions: &Permissions) -> Result<Self, Failure> {
        let Permissions { grants, policy } = permissions;
        let mut applied = Self { policies: Vec::new(), attached: Vec::new() };
        if let Some(document) = grant::policy(grants)? {
            applied.policies.push((READY_POLICY.to_owned(), document));
        }
        for text in policy {
            if text.starts_with("arn:") {
                applied.attached.push(text.clone());
                continue;
            }
            let path = Path::new(text);
            let name = path.file_stem().and_then(|stem| stem.to_str());
            let name = name.filter(|_| text != STANDARD_INPUT).unwrap_or("policy").to_owned();
            applied.policies.push((name, read_document(path)?));
        }
        Ok(applied)
    }

    /// Gives all policies to the identity, and prints each.
    pub(crate) async fn apply(&self, remote: &Remote, to: Holder<'_>) -> Result<(), Failure> {
        for (name, document) in &self.policies {
            to.put(remote, name, document).await?;
            output::note(format_args!("put in the policy `{name}`: {}", document.trim_end()));
        }
        for arn in &self.attached {
            to.attach(remote, arn).await?;
            output::note(format_args!("attached the policy {arn}"));
        }
        Ok(())
    }

    /// The policies as JSON, by name.
    pub(crate) fn json(&self) -> Value {
        let named = |(name, document): &(String, String)| {
            let document = serde_json::from_str::<Value>(document).unwrap_or_default();
            (name.clone(), document)
        };
        self.policies.iter().map(named).collect::<Map<_, _>>().into()
    }

    /// Prints the policies that would be given, one document after the other.
    pub(crate) fn print(&self) -> Result<(), Failure> {
        for arn in &self.attached {
            output::note(format_args!("would attach the policy {arn}"));
        }
        self.policies.iter().try_for_each(|(_, document)| output::document(document.trim_end()))
    }
}

/// The document of a command that creates one policy: from a file, or a ready one.
pub(crate) fn document(document: &Document) -> Result<String, Failure> {
    let Document { file, grants, run: _ } = document;
    match (file, grant::policy(grants)?) {
        (Some(path), None) => read_document(path),
        (None, Some(ready)) => Ok(ready),
        (Some(_), Some(_)) => {
            Err(Failure::usage(anyhow!("a policy is a file, or made by --read and --write")))
        }
        (None, None) => {
            Err(Failure::usage(anyhow!("name a file, or what to allow with --read and --write")))
        }
    }
}

/// Reads the file of a policy. Only that it is JSON is checked here; the server checks the rest.
pub(crate) fn read_document(path: &Path) -> Result<String, Failure> {
    let read = || -> anyhow::Result<String> {
        let text = if path.as_os_str() == STANDARD_INPUT {
            std::io::read_to_string(std::io::Read::take(std::io::stdin(), DOCUMENT_BYTES_MAX + 1))?
        } else {
            let bytes = std::fs::metadata(path)?.len();
            ensure!(bytes <= DOCUMENT_BYTES_MAX, "a policy has at most {DOCUMENT_BYTES_MAX} bytes");
            std::fs::read_to_string(path)?
        };
        serde_json::from_str::<IgnoredAny>(&text)?;
        Ok(text)
    };
    read().with_context(|| format!("the policy {}", path.display())).map_err(Failure::usage)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::identities::Grants;

    #[test]
    fn what_is_applied() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("audit.json");
        std::fs::write(&file, "{\"Version\": \"2012-10-17\"}").unwrap();
        let grants = Grants { write: vec!["s3://b/".into()], ..Grants::default() };
        let policy = vec![file.display().to_string(), "arn:aws:iam::aws:policy/P".to_owned()];
        let applied = Applied::read(&Permissions { grants, policy }).unwrap();
        let names: Vec<_> = applied.policies.iter().map(|(name, _)| &**name).collect();
        assert_eq!(names, ["valet-access", "audit"]);
        assert_eq!(applied.attached, ["arn:aws:iam::aws:policy/P"]);
    }

    #[test]
    fn a_policy_comes_from_one_place() {
        let check = |file: Option<&str>, read: &[&str], expected: bool| {
            let grants = Grants {
                read: read.iter().map(ToString::to_string).collect(),
                ..Grants::default()
            };
            let file = file.map(Into::into);
            let found = document(&Document { file, grants, run: <_>::default() });
            assert_eq!(found.is_ok(), expected);
        };
        check(None, &["s3://b"], true);
        check(None, &[], false);
        check(Some("/nowhere"), &["s3://b"], false);
        check(Some("/nowhere"), &[], false);
    }
}
