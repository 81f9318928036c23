//! Where a bucket or object is: the URI as typed, the endpoint, and the URL that follows from both.

use presign::{Addressing, Endpoint, EndpointError};

/// The length of bucket names that can be a label of a host name. Other buckets are named in the path.
const LABEL_BYTES: std::ops::RangeInclusive<usize> = 3..=63;

/// Partitions of AWS whose host names end differently, by the beginning of their region names.
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
    /// `None`: the URI names the bucket itself.
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
        // The server judges bucket names. This only keeps the name within one path segment.
        let legal = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c);
        if let Some(odd) = bucket.chars().find(|c| !legal(*c)) {
            return Err(S3UriError::Bucket(odd));
        }
        let key = (!key.is_empty()).then(|| key.to_owned());
        Ok(Self { bucket: bucket.to_owned(), key })
    }

    /// The name for a file with the object's content: the end of its key.
    pub(crate) fn file_name(&self) -> &str {
        let key = self.key.as_deref().unwrap_or_default();
        key.rsplit('/').find(|segment| !segment.is_empty()).unwrap_or("object")
    }
}

/// The server that answers for a bucket, and where the bucket stands in its URLs.
#[derive(Clone, Debug)]
pub(crate) struct Service {
    /// Any S3 server; `None`: AWS.
    pub(crate) endpoint: Option<Endpoint>,
    /// The region of the AWS host; `None`: the global host.
    pub(crate) region: Option<String>,
    pub(crate) style: Style,
}

/// The `addressing_style` in a profile's `s3` settings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Style {
    /// In the path at a configured endpoint, in the host name at AWS.
    #[default]
    Auto,
    Path,
    /// In the host name, if the bucket's name can be part of one.
    Virtual,
}

impl Style {
    /// Reads the settings below `s3 =` of a profile. `None`: the style is none of the three.
    pub(crate) fn of_settings(settings: &str) -> Option<Self> {
        let value = settings
            .lines()
            .filter_map(|line| line.split_once('='))
            .find_map(|(name, value)| (name.trim() == "addressing_style").then_some(value.trim()));
        match value {
            None | Some("auto") => Some(Self::Auto),
            Some("path") => Some(Self::Path),
            Some("virtual") => Some(Self::Virtual),
            Some(_) => None,
        }
    }
}

impl Service {
    /// Where requests for a bucket go: to its own host, if it has one.
    pub(crate) fn at(
        &self,
        bucket: &str,
        own: Option<&Endpoint>,
    ) -> Result<(Endpoint, Addressing), EndpointError> {
        own.map_or_else(|| self.of(bucket), |own| Ok((own.clone(), Addressing::BucketHost)))
    }

    /// Where requests for a bucket go.
    pub(crate) fn of(&self, bucket: &str) -> Result<(Endpoint, Addressing), EndpointError> {
        let wanted = match (&self.endpoint, self.style) {
            (_, Style::Path) | (Some(_), Style::Auto) => false,
            (_, Style::Virtual) | (None, Style::Auto) => true,
        };
        let endpoint = match &self.endpoint {
            Some(endpoint) => endpoint.clone(),
            None => Endpoint::parse(&format!("https://{}", aws_host(self.region.as_deref())))?,
        };
        let addressing = if wanted && can_lead_host(bucket, &endpoint) {
            Addressing::VirtualHost
        } else {
            Addressing::Path
        };
        Ok((endpoint, addressing))
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

/// Whether an endpoint is one of AWS's own.
pub(crate) fn is_aws(endpoint: &Endpoint) -> bool {
    let host = endpoint.signed_host();
    let host = host.split(':').next().unwrap_or(host);
    let suffixes = PARTITIONS.iter().map(|(_, suffix)| *suffix);
    suffixes.chain(["amazonaws.com"]).any(|suffix| {
        host.strip_suffix(suffix).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    })
}

/// The region that a host of AWS's S3 names: `s3.eu-west-1.amazonaws.com`, with a bucket before it or without.
pub(crate) fn aws_region(host: &str) -> Option<&str> {
    let name = host.split(':').next()?;
    let labels = PARTITIONS.iter().map(|(_, suffix)| *suffix).chain(["amazonaws.com"]);
    let rest =
        labels.into_iter().find_map(|suffix| name.strip_suffix(suffix)?.strip_suffix('.'))?;
    let (before, region) = rest.rsplit_once('.')?;
    let is_s3 = matches!(before.rsplit('.').next()?, "s3" | "dualstack");
    (is_s3 && region.contains('-') && !region.starts_with("s3-")).then_some(region)
}

/// Whether the bucket can stand before the endpoint's host. A certificate for `*.s3…` covers one label, so with
/// TLS a bucket with a dot cannot. An IP address cannot have names before it.
fn can_lead_host(bucket: &str, endpoint: &Endpoint) -> bool {
    let has_certificate = endpoint.to_string().starts_with("https://");
    let fits = if has_certificate {
        is_label(bucket)
    } else {
        LABEL_BYTES.contains(&bucket.len()) && bucket.split('.').all(is_part)
    };
    fits && !is_address(endpoint.signed_host())
}

/// Whether a host, with a port or without, is an IP address.
fn is_address(host: &str) -> bool {
    let name = host.split(':').next().unwrap_or(host);
    host.starts_with('[') || name.parse::<std::net::Ipv4Addr>().is_ok()
}

fn is_label(bucket: &str) -> bool {
    LABEL_BYTES.contains(&bucket.len()) && is_part(bucket)
}

fn is_part(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        && !text.is_empty()
        && !text.starts_with('-')
        && !text.ends_with('-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_of_aws_name_their_region() {
        let check = |host: &str, expected: Option<&str>| {
            assert_eq!(aws_region(host), expected, "{host}");
        };
        check("s3.eu-west-1.amazonaws.com", Some("eu-west-1"));
        check("a.b.s3.eu-west-1.amazonaws.com:443", Some("eu-west-1"));
        check("b.s3.dualstack.eu-west-1.amazonaws.com", Some("eu-west-1"));
        check("s3.cn-north-1.amazonaws.com.cn", Some("cn-north-1"));
        for host in ["s3.amazonaws.com", "b.s3.amazonaws.com", "s3.eu-west-1.example.com", ""] {
            check(host, None);
        }
    }

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

    /// The expected places are those that AWS CLI 2.9.19 printed.
    #[test]
    fn styles() {
        let check = |endpoint: Option<&str>, bucket: &str, style: Style, expected: bool| {
            let endpoint = endpoint.map(|text| Endpoint::parse(text).unwrap());
            let service = Service { endpoint, region: None, style };
            let (_, found) = service.of(bucket).unwrap();
            assert_eq!(found == Addressing::VirtualHost, expected, "{service:?} {bucket}");
        };
        let (https, http) = (Some("https://s3.example.com"), Some("http://s3.example.com:9000"));
        for endpoint in [https, http] {
            check(endpoint, "my-bucket", Style::Auto, false);
            check(endpoint, "my-bucket", Style::Path, false);
            check(endpoint, "my-bucket", Style::Virtual, true);
            check(endpoint, "a_b", Style::Virtual, false);
        }
        check(None, "my-bucket", Style::Auto, true);
        check(None, "my-bucket", Style::Path, false);
        check(None, "my-bucket", Style::Virtual, true);
        check(None, "a.b", Style::Virtual, false);
        check(https, "a.b", Style::Virtual, false);
        check(http, "a.b", Style::Virtual, true);
        check(http, "a..b", Style::Virtual, false);
        check(Some("http://127.0.0.1:9000"), "my-bucket", Style::Virtual, false);
        check(Some("http://[::1]:9000"), "my-bucket", Style::Virtual, false);
    }

    #[test]
    fn endpoints_of_aws() {
        let check = |endpoint: &str, expected: bool| {
            assert_eq!(is_aws(&Endpoint::parse(endpoint).unwrap()), expected, "{endpoint}");
        };
        check("https://s3.eu-west-1.amazonaws.com", true);
        check("https://S3.AMAZONAWS.COM:8443/x", true);
        check("https://s3.cn-north-1.amazonaws.com.cn", true);
        check("https://notamazonaws.com", false);
        check("https://amazonaws.com.example", false);
        check("http://127.0.0.1:9000/amazonaws.com", false);
    }

    #[test]
    fn styles_of_a_profile() {
        let check = |settings: &str, expected: Option<Style>| {
            assert_eq!(Style::of_settings(settings), expected, "{settings:?}");
        };
        check("", Some(Style::Auto));
        check("\naddressing_style = virtual", Some(Style::Virtual));
        check("\nmax_queue_size = 1\naddressing_style=path", Some(Style::Path));
        check("\naddressing_style = auto", Some(Style::Auto));
        check("\naddressing_style = Virtual", None);
        check("\naddressing_style =", None);
        check("\naddressing_styles = path", Some(Style::Auto));
    }

    /// The expected hosts are those that AWS CLI 2.9.19 printed.
    #[test]
    fn places_are_those_of_the_aws_cli() {
        let check = |bucket: &str, region: Option<&str>, expected: &str| {
            let region_name = region.map(str::to_owned);
            let service = Service { endpoint: None, region: region_name, style: Style::Auto };
            let (endpoint, addressing) = service.of(bucket).unwrap();
            let found = match addressing {
                Addressing::Path => format!("{endpoint}/{bucket}"),
                Addressing::BucketHost => endpoint.to_string(),
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
