//! Whose a host is: the server's own, a bucket's, a website's or a distribution's. Configuration alone decides.

use std::borrow::Cow;

use store::BucketName;

use crate::config::{ServerConfig, name_of};

/// A host on which one bucket is reached, with the bare key as path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BucketDomain {
    /// The host in lower case, without a port.
    pub host: String,
    /// The bucket that the host is one of, and of no other.
    pub bucket: BucketName,
}

/// Whose a host is. Paths of a request mean different things on each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place<'h> {
    /// The server itself: buckets are named in the path, and Valet's own paths are here alone.
    Service,
    /// A bucket: the path is a key.
    Bucket(Cow<'h, str>),
    /// The website of a bucket.
    Website(Cow<'h, str>),
    /// A distribution, by its id.
    Distribution(Cow<'h, str>),
}

/// A name below a domain of the configuration.
struct Below<'h> {
    /// What stands before the domain, as it was sent.
    label: &'h str,
    domain: &'h str,
    kind: Kind,
}

#[derive(Clone, Copy)]
enum Kind {
    Bucket,
    Website,
    Distribution,
}

/// Whose a host is, and the domain that its path prefixes were declared for.
#[derive(Debug)]
pub(crate) struct HostReading<'h> {
    pub(crate) place: Place<'h>,
    pub(crate) prefixes: Prefixes<'h>,
}

/// Which of the declared path prefixes may begin a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Prefixes<'h> {
    /// Those of any public URL.
    All,
    /// Those of the public URLs at this domain.
    OfDomain(&'h str),
    /// None: the host has paths of its own alone.
    None,
}

impl<'h> HostReading<'h> {
    /// Reads a host, with or without a port. `pics.s3.example.com` is bucket `pics` below domain `s3.example.com`. Of several
    /// domains that fit, the longest counts. A host that is itself declared is the server's.
    pub(crate) fn of(host: &'h str, config: &ServerConfig) -> Self {
        let name = name_of(host);
        if let Some(own) =
            config.bucket_domains.iter().find(|it| it.host.eq_ignore_ascii_case(name))
        {
            let place = Place::Bucket(Cow::Owned(own.bucket.as_str().to_owned()));
            return Self { place, prefixes: Prefixes::None };
        }
        let domains = config.domains.iter().map(|domain| (domain, Kind::Bucket));
        let websites = config.website_domain.iter().map(|domain| (domain, Kind::Website));
        let distributions =
            config.distribution_domain.iter().map(|domain| (domain, Kind::Distribution));
        let below = domains.chain(websites).chain(distributions);
        let below = below.filter_map(|(domain, kind)| Below::read(name, domain, kind));
        let longest = below.max_by_key(|below| below.domain.len());
        match longest.filter(|_| !config.declares(name)) {
            None => Self { place: Place::Service, prefixes: Prefixes::All },
            Some(Below { label, domain, kind: Kind::Bucket }) => {
                let place = Place::Bucket(lower(label));
                Self { place, prefixes: Prefixes::OfDomain(domain) }
            }
            Some(Below { label, kind: Kind::Website, .. }) => {
                Self { place: Place::Website(lower(label)), prefixes: Prefixes::None }
            }
            Some(Below { label, kind: Kind::Distribution, .. }) => {
                // Ids are in upper case, and hosts are alike in either.
                let id = Cow::Owned(label.to_ascii_uppercase());
                Self { place: Place::Distribution(id), prefixes: Prefixes::None }
            }
        }
    }
}

impl<'h> Below<'h> {
    fn read(name: &'h str, domain: &str, kind: Kind) -> Option<Self> {
        let cut = name.len().checked_sub(domain.len() + 1)?;
        let (label, rest) = name.split_at_checked(cut)?;
        let suffix = rest.strip_prefix('.')?;
        let fits = suffix.eq_ignore_ascii_case(domain) && !label.is_empty();
        fits.then_some(Self { label, domain: suffix, kind })
    }
}

fn lower(text: &str) -> Cow<'_, str> {
    if text.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return Cow::Owned(text.to_ascii_lowercase());
    }
    Cow::Borrowed(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{PublicUrl, tests::plain};

    #[test]
    fn whose_a_host_is() {
        let config = ServerConfig {
            public_urls: vec![PublicUrl::parse("https://objects.example:9000").unwrap()],
            domains: vec!["s3.example".to_owned(), "deep.s3.example".to_owned()],
            website_domain: Some("web.s3.example".to_owned()),
            distribution_domain: Some("cdn.example".to_owned()),
            bucket_domains: vec![BucketDomain {
                host: "files.acme.example".to_owned(),
                bucket: BucketName::parse("acme-files").unwrap(),
            }],
            ..plain()
        };
        let check = |host: &str, expected: &str| {
            let found = match HostReading::of(host, &config).place {
                Place::Service => "service".to_owned(),
                Place::Bucket(bucket) => format!("bucket {bucket}"),
                Place::Website(bucket) => format!("website {bucket}"),
                Place::Distribution(id) => format!("distribution {id}"),
            };
            assert_eq!(found, expected, "{host}");
        };
        check("objects.example:9000", "service");
        check("elsewhere.example", "service");
        check("s3.example", "service");
        check("Pics.s3.example:80", "bucket pics");
        check("a.b.s3.example", "bucket a.b");
        check("pics.deep.s3.example", "bucket pics");
        check("deep.s3.example", "service");
        check("blog.web.s3.example", "website blog");
        check("my.blog.WEB.s3.example.", "website my.blog");
        check("web.s3.example", "bucket web");
        check("e2qwruhexample.cdn.example", "distribution E2QWRUHEXAMPLE");
        check("cdn.example", "service");
        check("files.acme.example", "bucket acme-files");
        check("FILES.acme.example:8443", "bucket acme-files");
        check("x.files.acme.example", "service");
    }
}
