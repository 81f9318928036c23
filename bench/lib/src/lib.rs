//! What is measured: one link made, one request judged or one decision taken, by each library in turn.
//!
//! Everyone gets the same bucket, key, credentials and lifetime, and has to end with a URL or a
//! verdict. Nobody has to parse a request from the wire.

mod peers;
mod policies;
mod valet;

/// One thing that is done over and over.
pub struct Case {
    /// What it is compared within.
    pub group: &'static str,
    pub name: &'static str,
    pub run: Box<dyn FnMut()>,
}

pub const PRESIGN: &str = "presign";
pub const VERIFY: &str = "verify";
pub const DECIDE: &str = "decide";

const ACCESS_KEY_ID: &str = "AKIAIOSFODNN7EXAMPLE";
const SECRET_ACCESS_KEY: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
const REGION: &str = "us-east-1";
const HOST: &str = "localhost:9000";
const ORIGIN: &str = "http://localhost:9000";
const BUCKET: &str = "examplebucket";
const KEY: &str = "photos/2026/June/beach house.jpg";
const PATH: &str = "/examplebucket/photos/2026/June/beach%20house.jpg";
const EXPIRES_IN_SECONDS: u64 = 3600;

/// All cases; the first of each group is what the others are compared with.
pub fn cases() -> Vec<Case> {
    vec![
        Case::new(PRESIGN, "valet presign, SigV4", valet::presign()),
        Case::new(
            PRESIGN,
            "valet presign, SigV4, key derived each time",
            valet::presign_uncached(),
        ),
        Case::new(PRESIGN, "valet presign, SigV2", valet::presign_v2()),
        Case::new(PRESIGN, "aws-sigv4", peers::aws_sigv4_presign()),
        Case::new(PRESIGN, "reqsign", peers::reqsign_presign()),
        Case::new(VERIFY, "valet verify, SigV4, cached key", valet::verify()),
        Case::new(VERIFY, "valet verify, SigV4, key derived each time", valet::verify_uncached()),
        Case::new(
            VERIFY,
            "valet verify, SigV4, cached key, six conditions of the link read and kept",
            valet::verify_with_conditions(),
        ),
        Case::new(VERIFY, "valet verify, SigV2", valet::verify_v2()),
        Case::new(VERIFY, "aws-sigv4, sign only", peers::aws_sigv4_sign()),
        Case::new(
            DECIDE,
            "valet decide, 20 KiB of a user's policies, the last allows",
            policies::allowed_by_the_last(),
        ),
        Case::new(
            DECIDE,
            "valet decide, 20 KiB of a user's policies, none allows",
            policies::denied_by_all(),
        ),
        Case::new(
            DECIDE,
            "valet decide, bucket policy of 20 KiB",
            policies::past_a_bucket_policy(),
        ),
    ]
}

impl Case {
    fn new(group: &'static str, name: &'static str, run: impl FnMut() + 'static) -> Self {
        Self { group, name, run: Box::new(run) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The peers do the same work: what they make is verified.
    #[test]
    fn everyones_link_verifies() {
        for url in [peers::aws_sigv4_url(), peers::reqsign_url(), valet::url()] {
            let Some(query) = url.strip_prefix(ORIGIN).and_then(|rest| rest.strip_prefix(PATH))
            else {
                panic!("another path in {url}")
            };
            valet::check(query.trim_start_matches('?'), jiff::Timestamp::now());
        }
    }

    #[test]
    fn every_case_runs() {
        for mut case in cases() {
            (case.run)();
        }
    }
}
