//! Reads what the arguments of `ls`, `cp`, `rm` and the like name.

use std::path::PathBuf;

use anyhow::anyhow;

use crate::failure::Failure;
use crate::location::S3Uri;
use crate::{output, table};

/// The argument that stands for standard input or output.
const STANDARD_STREAM: &str = "-";

/// The source or the target of a copy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum End {
    Object(S3Uri),
    File(PathBuf),
    /// Standard input or standard output.
    Stream,
}

impl End {
    /// Reads an argument. `s3://…` is an object on the server; everything else is a path.
    pub(super) fn parse(text: &str) -> Result<Self, Failure> {
        if text == STANDARD_STREAM {
            return Ok(Self::Stream);
        }
        if is_uri(text) {
            return place_of(text).map(Self::Object);
        }
        if text.is_empty() {
            return Err(Failure::usage(anyhow!("a file has a name")));
        }
        Ok(Self::File(PathBuf::from(text)))
    }
}

/// Reads `s3://bucket/key`. The scheme is required, since `cp a b` is about files.
pub(super) fn place_of(text: &str) -> Result<S3Uri, Failure> {
    if !is_uri(text) {
        return Err(Failure::usage(anyhow!("`{text}` is no S3 URI: s3://bucket/key")));
    }
    S3Uri::parse(text).map_err(Failure::usage)
}

/// Reads `s3://bucket`.
pub(super) fn bucket_of(text: &str) -> Result<String, Failure> {
    let S3Uri { bucket, key } = place_of(text)?;
    match key {
        None => Ok(bucket),
        Some(_) => Err(Failure::usage(anyhow!("a bucket is named s3://bucket, without a key"))),
    }
}

/// The prefix of a folder for `--recursive`, which may be typed without its last `/`.
pub(super) fn as_folder(prefix: &str) -> String {
    if prefix.is_empty() || prefix.ends_with('/') {
        prefix.to_owned()
    } else {
        format!("{prefix}/")
    }
}

/// Says that `--recursive` found nothing to do.
pub(super) fn note_nothing_below(bucket: &str, named: &str) {
    output::note(nothing_below(bucket, named));
}

/// The hint; an object of exactly that name is not below it.
fn nothing_below(bucket: &str, named: &str) -> String {
    let folder = table::shown(&format!("s3://{bucket}/{}", as_folder(named)));
    let nothing = format!("nothing is stored below {folder}");
    if named.is_empty() || named.ends_with('/') {
        return nothing;
    }
    let object = table::shown(&format!("s3://{bucket}/{named}"));
    format!("{nothing}; for the object {object} leave --recursive out")
}

fn is_uri(text: &str) -> bool {
    text.split_once("://").is_some_and(|(scheme, _)| scheme.eq_ignore_ascii_case("s3"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends() {
        let check = |text: &str, expected: Option<End>| {
            assert_eq!(End::parse(text).ok(), expected, "{text}");
        };
        let object = |bucket: &str, key: Option<&str>| {
            let (bucket, key) = (bucket.to_owned(), key.map(str::to_owned));
            Some(End::Object(S3Uri { bucket, key }))
        };
        check("-", Some(End::Stream));
        check("s3://b/k", object("b", Some("k")));
        check("S3://b", object("b", None));
        check("s3:/b/k", Some(End::File(PathBuf::from("s3:/b/k"))));
        check("b/k", Some(End::File(PathBuf::from("b/k"))));
        check("s3://", None);
        check("", None);
    }

    #[test]
    fn nothing_to_do_is_told() {
        let check = |named: &str, expected: &str| assert_eq!(nothing_below("b", named), expected);
        check("", "nothing is stored below s3://b/");
        check("d/", "nothing is stored below s3://b/d/");
        let words =
            "nothing is stored below s3://b/k/; for the object s3://b/k leave --recursive out";
        check("k", words);
    }

    #[test]
    fn buckets() {
        let check = |text: &str, expected: Option<&str>| {
            assert_eq!(bucket_of(text).ok().as_deref(), expected, "{text}");
        };
        check("s3://b", Some("b"));
        check("s3://b/", Some("b"));
        check("s3://b/k", None);
        check("b", None);
    }
}
