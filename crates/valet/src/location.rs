//! Where a bucket or an object is: the URI as typed, the endpoint, and what follows of both.

use presign::{Addressing, Endpoint, EndpointError};

/// Bucket names that can be a label of a host name; others go into the path.
const LABEL_BYTES: std::ops::RangeInclusive<usize> = 3..=63;

/// Partitions of AWS whose host names end differently, by the beginning of their regions' names.
const PARTITIONS: [(&str, &str); 3] =
    [("cn-", "amazonaws.com.cn"), ("us-iso-", "c2s.ic.gov"), ("us-isob-", "sc2s.sgov.gov")];

/// Why a text does not name a bucket or an object.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum S3UriError {
    #[error("an S3 URI names a bucket: s3://bucket/key")]
    NoBucket,
    #[error("the scheme is s3://, not {0}://")]
    Scheme(String),
    #[error("access points and other ARNs are not supported: s3://bucket/key")]
    Arn,
    #[error("`{0}` cannot be part of a bucket's name")]
    Bucket(char),
}

/// `s3://bucket/key`, the key taken as it stands: `%20` is three characters, not a space.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct S3Uri {
    pub(crate) bucket: String,
    /// None where the URI names the bucket itself.
    pub(crate) key: Option<String>,
}

impl S3Uri {
    /// Reads a URI; `s3://` may be left out, as the `aws` command allows.
    pub(crate) fn parse(text: &str) -> Result<Self, S3UriError> {
        let rest = match text.split_once("://") {
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("s3") => rest,
            Some((scheme, _)) if scheme.bytes().all(|byte| byte.is_ascii_alphanumeric()) => {
                return Err(S3UriError::Scheme(scheme.to_owned()));
            }
            _ => text,
        };
        if rest.starts_with("arn:") {
            return Err(S3UriError::Arn);
        }
        let (bucket, key) = rest.split_once('/').unwrap_or((rest, ""));
        if bucket.is_empty() {
            return Err(S3UriError::NoBucket);
        }
        // Whatever else a name may not be is the server's to say; this keeps it one path segment.
        let legal = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c);
        if let Some(odd) = bucket.chars().find(|c| !legal(*c)) {
            return Err(S3UriError::Bucket(odd));
        }
        let key = (!key.is_empty()).then(|| key.to_owned());
        Ok(Self { bucket: bucket.to_owned(), key })
    }

    /// What a file made from the object may be called: the end of its key.
    pub(crate) fn file_name(&self) -> &str {
        let key = self.key.as_deref().unwrap_or_default();
        key.rsplit('/').find(|segment| !segment.is_empty()).unwrap_or("object")
    }
}

/// The server that answers for a bucket, and where the bucket stands in its URLs: path style at an
/// endpoint of its own, the host of AWS otherwise.
#[derive(Clone, Debug)]
pub(crate) enum Service {
    /// Any S3 server but AWS.
    At(Endpoint),
    /// AWS in a region; None is the global host.
    Aws { region: Option<String> },
}

impl Service {
    /// Where requests for a bucket go.
    pub(crate) fn of(&self, bucket: &str) -> Result<(Endpoint, Addressing), EndpointError> {
        match self {
            Self::At(endpoint) => Ok((endpoint.clone(), Addressing::Path)),
            Self::Aws { region } => {
                let endpoint =
                    Endpoint::parse(&format!("https://{}", aws_host(region.as_deref())))?;
                let virtual_host = is_label(bucket);
                Ok((
                    endpoint,
                    if virtual_host { Addressing::VirtualHost } else { Addressing::Path },
                ))
            }
        }
    }
}

fn aws_host(region: Option<&str>) -> String {
    let Some(region) = region.filter(|region| *region != "aws-global") else {
        return "s3.amazonaws.com".to_owned();
    };
    let partition = PARTITIONS.iter().find(|(prefix, _)| region.starts_with(prefix));
    let suffix = partition.map_or("amazonaws.com", |(_, suffix)| suffix);
    format!("s3.{region}.{suffix}")
}

/// A certificate for `*.s3…` covers one label, so a bucket with a dot goes into the path.
fn is_label(bucket: &str) -> bool {
    LABEL_BYTES.contains(&bucket.len())
        && bucket.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        && !bucket.starts_with('-')
        && !bucket.ends_with('-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uris() {
        let check = |text: &str, expected: Result<(&str, Option<&str>), S3UriError>| {
            let found = S3Uri::parse(text);
            let found = found.as_ref().map(|uri| (&*uri.bucket, uri.key.as_deref()));
            assert_eq!(found, expected.as_ref().copied(), "{text}");
        };
        check("s3://b/k", Ok(("b", Some("k"))));
        check("S3://b/k", Ok(("b", Some("k"))));
        check("b/k", Ok(("b", Some("k"))));
        check("s3://b", Ok(("b", None)));
        check("s3://b/", Ok(("b", None)));
        check("s3://b//k", Ok(("b", Some("/k"))));
        check("s3://b/a%20b", Ok(("b", Some("a%20b"))));
        check("s3://b/a?b#c d/é/", Ok(("b", Some("a?b#c d/é/"))));
        check("s3://b/https://x", Ok(("b", Some("https://x"))));
        check("b/https://x", Ok(("b", Some("https://x"))));
        check("s3://", Err(S3UriError::NoBucket));
        check("", Err(S3UriError::NoBucket));
        check("/k", Err(S3UriError::NoBucket));
        check("https://b/k", Err(S3UriError::Scheme("https".to_owned())));
        check("s3://arn:aws:s3:::b/k", Err(S3UriError::Arn));
        check("s3://b?/k", Err(S3UriError::Bucket('?')));
        check("s3://b%2fc/k", Err(S3UriError::Bucket('%')));
    }

    #[test]
    fn file_names() {
        let check = |text: &str, expected: &str| {
            assert_eq!(S3Uri::parse(text).unwrap().file_name(), expected, "{text}");
        };
        check("s3://b/a/report.pdf", "report.pdf");
        check("s3://b/a/dir//", "dir");
        check("s3://b//", "object");
        check("s3://b", "object");
    }

    /// The expected hosts are those that AWS CLI 2.9.19 printed.
    #[test]
    fn places_are_those_of_the_aws_cli() {
        let check = |bucket: &str, region: Option<&str>, expected: &str| {
            let service = Service::Aws { region: region.map(str::to_owned) };
            let (endpoint, addressing) = service.of(bucket).unwrap();
            let found = match addressing {
                Addressing::Path => format!("{endpoint}/{bucket}"),
                Addressing::VirtualHost => {
                    endpoint.to_string().replace("//", &format!("//{bucket}."))
                }
            };
            assert_eq!(found, expected, "{bucket} {region:?}");
        };
        check("devb", None, "https://devb.s3.amazonaws.com");
        check("devb", Some("aws-global"), "https://devb.s3.amazonaws.com");
        check("devb", Some("us-east-1"), "https://devb.s3.us-east-1.amazonaws.com");
        check("a.b", None, "https://s3.amazonaws.com/a.b");
        check("a-b", Some("eu-west-1"), "https://a-b.s3.eu-west-1.amazonaws.com");
        check("xn--abc", Some("eu-west-1"), "https://xn--abc.s3.eu-west-1.amazonaws.com");
        for bucket in ["ab", "-ab", "abc-", "a..b", "a_b", "Dev", "1.2.3.4", &"a".repeat(64)] {
            let expected = format!("https://s3.eu-west-1.amazonaws.com/{bucket}");
            check(bucket, Some("eu-west-1"), &expected);
        }
        check("devb", Some("cn-north-1"), "https://devb.s3.cn-north-1.amazonaws.com.cn");
        check("devb", Some("us-gov-west-1"), "https://devb.s3.us-gov-west-1.amazonaws.com");
        check("devb", Some("us-iso-east-1"), "https://devb.s3.us-iso-east-1.c2s.ic.gov");
        check("devb", Some("us-isob-east-1"), "https://devb.s3.us-isob-east-1.sc2s.sgov.gov");
    }
}
