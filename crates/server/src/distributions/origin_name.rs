//! The names of origins: a bucket of this server, by the name that AWS would give it or by the server's own.

use store::BucketName;

use crate::config::ServerConfig;
use crate::place::{HostReading, Place};

/// The bucket that the domain name of an origin means; `None`: it is none of this server's. The bucket need not exist.
pub(crate) fn bucket_of(name: &str, config: &ServerConfig) -> Option<BucketName> {
    let name = name.to_ascii_lowercase();
    let region = &config.region;
    let aws = [
        format!(".s3.{region}.amazonaws.com"),
        ".s3.amazonaws.com".to_owned(),
        format!(".s3-{region}.amazonaws.com"),
    ];
    if let Some(bucket) = aws.iter().find_map(|suffix| name.strip_suffix(suffix.as_str())) {
        return BucketName::parse(bucket).ok();
    }
    if let Place::Bucket(bucket) = HostReading::of(&name, config).place {
        return BucketName::parse(&bucket).ok();
    }
    // Where no domain has hosts for buckets, the name of the server stands behind the bucket's all the same.
    let hosts = config.public_urls.iter().map(|url| host_name(&url.host));
    let suffix = hosts.into_iter().find_map(|host| name.strip_suffix(host)?.strip_suffix('.'));
    BucketName::parse(suffix?).ok()
}

fn host_name(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{PublicUrl, tests::plain};
    use crate::place::BucketDomain;

    #[test]
    fn which_names_are_buckets_of_this_server() {
        let config = ServerConfig {
            public_urls: vec![PublicUrl::parse("https://objects.example:9000").unwrap()],
            domains: vec!["s3.example".to_owned()],
            website_domain: Some("web.example".to_owned()),
            bucket_domains: vec![BucketDomain {
                host: "files.acme.example".to_owned(),
                bucket: BucketName::parse("acme-files").unwrap(),
            }],
            ..plain()
        };
        for (name, expected) in [
            ("pics.s3.us-east-1.amazonaws.com", Some("pics")),
            ("my.pics.s3.us-east-1.amazonaws.com", Some("my.pics")),
            ("pics.s3.amazonaws.com", Some("pics")),
            ("pics.s3-us-east-1.amazonaws.com", Some("pics")),
            ("pics.s3.eu-west-1.amazonaws.com", None),
            ("PICS.S3.example", Some("pics")),
            ("files.acme.example", Some("acme-files")),
            ("pics.objects.example", Some("pics")),
            ("objects.example", None),
            ("pics.web.example", None),
            ("pics.s3-website-us-east-1.amazonaws.com", None),
            ("example.com", None),
            ("x.s3.amazonaws.com", None),
            ("", None),
        ] {
            let found = bucket_of(name, &config);
            assert_eq!(found.as_ref().map(BucketName::as_str), expected, "{name}");
        }
    }
}
