//! Distributions as requests need them: read out of their documents once, whenever one of these has changed.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use edge::{Codings, ErrorTtls, Ttls};
use hyper::header::{
    ACCESS_CONTROL_REQUEST_HEADERS, ACCESS_CONTROL_REQUEST_METHOD, HOST, HeaderName, ORIGIN,
};
use iam::AccountId;
use jiff::Timestamp;
use presign::CloudFrontPublicKey;
use store::{BucketName, DistributionResource, ResourceKind};

use super::document::{INVALIDATIONS_KEPT, config_of};
use super::headers::AnswerHeaders;
use super::origin_name::bucket_of;
use super::pattern;
use super::sources::Sources;
use crate::config::ServerConfig;
use crate::xml::Element;

/// For how long an error is kept where nothing is said, in seconds.
const ERROR_SECONDS: u64 = 10;

/// One distribution, as requests need it.
#[derive(Clone, Debug)]
pub(crate) struct Distribution {
    pub(crate) id: String,
    pub(crate) account: AccountId,
    /// Its name in policies, which it reads from its origins as.
    pub(crate) arn: Arc<str>,
    pub(crate) is_enabled: bool,
    /// The key of the object at `/`; empty: there is none.
    pub(crate) root: String,
    /// In the order in which they are tried; the last is the default one, and fits every path.
    behaviors: Arc<[Behavior]>,
    /// The pages that stand for errors, by their status, and the status with which each is sent.
    pub(crate) error_pages: Arc<HashMap<u16, (String, u16)>>,
    /// What was kept at these times and fits the path is forgotten, in milliseconds since 1970.
    pub(super) forgotten: Arc<[Arc<Forgotten>]>,
}

/// What was kept of some paths up to a time, and is forgotten.
#[derive(Debug)]
pub(super) struct Forgotten {
    /// In milliseconds since 1970.
    at_ms: u64,
    exact: HashSet<String>,
    /// What paths begin with; thousands of them are no more work than one of each length.
    beginnings: HashSet<String>,
    /// The lengths of the beginnings, in bytes.
    lengths: BTreeSet<usize>,
}

impl Forgotten {
    pub(super) fn read(at: Timestamp, batch: &Element) -> Self {
        let at_ms = u64::try_from(at.as_millisecond()).unwrap_or(0);
        let decoded = |path: &Element| {
            // As paths are compared.
            String::from_utf8_lossy(&presign::decode_component(&path.text)).into_owned()
        };
        let (mut exact, mut beginnings) = (HashSet::new(), HashSet::new());
        for path in batch.items(&["Paths"]).map(decoded) {
            match path.strip_suffix('*') {
                Some(beginning) => beginnings.insert(beginning.to_owned()),
                None => exact.insert(path),
            };
        }
        let lengths = beginnings.iter().map(String::len).collect();
        Self { at_ms, exact, beginnings, lengths }
    }

    fn is_of(&self, path: &str) -> bool {
        let begins = |length: &usize| {
            path.get(..*length).is_some_and(|beginning| self.beginnings.contains(beginning))
        };
        self.exact.contains(path) || self.lengths.iter().any(begins)
    }
}

/// How requests for some paths are answered.
#[derive(Debug)]
pub(crate) struct Behavior {
    /// `None`: it fits every path.
    pattern: Option<String>,
    pub(crate) origin: Arc<BucketPlace>,
    /// The keys that may have signed; `None`: everybody may read.
    pub(crate) keys: Option<HashMap<String, Arc<CloudFrontPublicKey>>>,
    pub(crate) protocol: ViewerProtocol,
    pub(crate) methods: Methods,
    pub(crate) ttls: Ttls,
    pub(crate) query: Names,
    /// The headers that are part of the key of the cache, and that the origin is sent.
    pub(crate) headers: Vec<HeaderName>,
    /// How answers may be compressed.
    pub(crate) codings: Codings,
    pub(crate) answer_headers: Option<AnswerHeaders>,
}

/// The part of a bucket that an origin is.
#[derive(Debug)]
pub(crate) struct BucketPlace {
    pub(crate) bucket: BucketName,
    /// What stands before each key: empty, or without a slash at its beginning and with one at its end.
    pub(crate) prefix: String,
    /// Whether the distribution reads under its own name, or as anybody.
    pub(crate) signs: bool,
}

/// Over which protocol viewers may ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ViewerProtocol {
    Any,
    HttpsOnly,
    Redirect,
}

/// Which methods viewers may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Methods {
    Reads,
    /// These, and OPTIONS.
    Asks,
    All,
}

/// Which parameters of a query count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Names {
    None,
    All,
    Only(Vec<String>),
    AllBut(Vec<String>),
}

impl Names {
    pub(crate) fn has(&self, name: &str) -> bool {
        match self {
            Self::None => false,
            Self::All => true,
            Self::Only(names) => names.iter().any(|known| known == name),
            Self::AllBut(names) => names.iter().all(|known| known != name),
        }
    }

    fn of(config: &Element, [place, behavior, list]: [&str; 3]) -> Self {
        let names = || config.items(&[place, list]).map(|name| name.text.clone()).collect();
        match config.text_at(&[place, behavior]) {
            "all" => Self::All,
            "whitelist" => Self::Only(names()),
            "allExcept" => Self::AllBut(names()),
            _ => Self::None,
        }
    }

    /// What counts for one of the two.
    fn or(self, other: Self) -> Self {
        match (self, other) {
            (Self::None, one) | (one, Self::None) => one,
            (Self::Only(mut one), Self::Only(other)) => {
                one.extend(other);
                Self::Only(one)
            }
            (Self::AllBut(one), Self::AllBut(other)) => {
                Self::AllBut(one.into_iter().filter(|name| other.contains(name)).collect())
            }
            (Self::AllBut(names), Self::Only(only)) | (Self::Only(only), Self::AllBut(names)) => {
                Self::AllBut(names.into_iter().filter(|name| !only.contains(name)).collect())
            }
            (Self::All, _) | (_, Self::All) => Self::All,
        }
    }
}

impl Distribution {
    /// The behaviour for a path, which is decoded and begins with a slash.
    pub(crate) fn behavior(&self, path: &str) -> Option<&Behavior> {
        let fits = |behavior: &&Behavior| {
            behavior.pattern.as_ref().is_none_or(|pattern| pattern::fits(pattern, path))
        };
        self.behaviors.iter().find(fits)
    }

    /// Up to when what was kept of a path is forgotten, in milliseconds since 1970; 0: nothing is.
    pub(crate) fn forgotten_until_ms(&self, path: &str) -> u64 {
        let of_path = self.forgotten.iter().filter(|forgotten| forgotten.is_of(path));
        let of_path = of_path.map(|forgotten| forgotten.at_ms).max().unwrap_or(0);
        // What came before those that are remembered could have been for any path.
        let is_full = self.forgotten.len() >= INVALIDATIONS_KEPT;
        let oldest = self.forgotten.iter().map(|forgotten| forgotten.at_ms).min();
        let oldest = oldest.filter(|_| is_full);
        of_path.max(oldest.unwrap_or(0))
    }

    pub(super) fn read(
        resource: &DistributionResource,
        sources: &mut Sources<'_>,
        config: &ServerConfig,
    ) -> Option<Self> {
        let document = config_of(resource)?;
        let account = &resource.account;
        let origins: HashMap<&str, Arc<BucketPlace>> = document
            .items(&["Origins"])
            .filter_map(|origin| {
                let place = BucketPlace::read(origin, (&mut *sources, account), config)?;
                Some((origin.text_at(&["Id"]), Arc::new(place)))
            })
            .collect();
        let default = document.child("DefaultCacheBehavior")?;
        let behaviors = document.items(&["CacheBehaviors"]).chain([default]);
        let behaviors =
            behaviors.map(|behavior| Behavior::read(behavior, &origins, (&mut *sources, account)));
        let mut behaviors: Vec<_> = behaviors.collect::<Option<_>>()?;
        let (mut pages, mut seconds) = (HashMap::new(), BTreeMap::new());
        for response in document.items(&["CustomErrorResponses"]) {
            let Ok(code) = response.text_at(&["ErrorCode"]).parse() else { continue };
            let page = response.text_at(&["ResponsePagePath"]);
            let status = response.text_at(&["ResponseCode"]).parse().ok();
            if let Some(status) = status.filter(|_| !page.is_empty()) {
                pages.insert(code, (page.to_owned(), status));
            }
            let kept = response.text_at(&["ErrorCachingMinTTL"]).parse();
            seconds.insert(code, kept.unwrap_or(ERROR_SECONDS));
        }
        let kept = Arc::new(ErrorTtls { by_status: seconds, others: ERROR_SECONDS });
        for behavior in &mut behaviors {
            behavior.ttls.errors = Arc::clone(&kept);
        }
        Some(Self {
            id: resource.id.clone(),
            account: account.clone(),
            arn: arn(account.as_str(), &resource.id).into(),
            is_enabled: document.text_at(&["Enabled"]) == "true",
            root: document.text_at(&["DefaultRootObject"]).to_owned(),
            behaviors: behaviors.into(),
            error_pages: pages.into(),
            forgotten: Arc::default(),
        })
    }
}

impl BucketPlace {
    fn read(
        origin: &Element,
        (sources, account): (&mut Sources<'_>, &AccountId),
        config: &ServerConfig,
    ) -> Option<Self> {
        let bucket = bucket_of(origin.text_at(&["DomainName"]), config)?;
        let prefix = origin.text_at(&["OriginPath"]).trim_start_matches('/');
        let prefix = if prefix.is_empty() { String::new() } else { format!("{prefix}/") };
        let control = origin.text_at(&["OriginAccessControlId"]);
        let found = sources.config(control, ResourceKind::OriginAccessControl, account);
        let signs = match (control, found) {
            ("", _) => false,
            // What cannot be read is no permission to read as anybody: the origin refuses.
            (_, None) => return None,
            (_, Some(control)) => control.text_at(&["SigningBehavior"]) != "never",
        };
        Some(Self { bucket, prefix, signs })
    }
}

impl Behavior {
    fn read(
        behavior: &Element,
        origins: &HashMap<&str, Arc<BucketPlace>>,
        (sources, account): (&mut Sources<'_>, &AccountId),
    ) -> Option<Self> {
        let mut policy = |element: &str, kind: ResourceKind| {
            let id = behavior.text_at(&[element]);
            if id.is_empty() {
                return Some(None);
            }
            sources.config(id, kind, account).map(Some)
        };
        let cache = policy("CachePolicyId", ResourceKind::CachePolicy)?;
        let request = policy("OriginRequestPolicyId", ResourceKind::OriginRequestPolicy)?;
        let response = policy("ResponseHeadersPolicyId", ResourceKind::ResponseHeadersPolicy)?;
        let (ttls, mut query, mut headers, codings) = match &cache {
            Some(cache) => of_cache_policy(cache),
            None => of_forwarded_values(behavior),
        };
        if let Some(request) = &request {
            let names = ["QueryStringsConfig", "QueryStringBehavior", "QueryStrings"];
            query = query.or(Names::of(request, names));
            headers.extend(of_origin_request(request));
        }
        // The host of a request to a bucket is the bucket's, whatever a policy says.
        headers.retain(|name| name != HOST);
        let pattern = behavior.child("PathPattern").map(|pattern| pattern.text.clone());
        let mut sorted: Vec<_> =
            behavior.items(&["AllowedMethods"]).map(|method| method.text.as_str()).collect();
        sorted.sort_unstable();
        Some(Self {
            pattern,
            origin: Arc::clone(origins.get(behavior.text_at(&["TargetOriginId"]))?),
            keys: sources.keys_of(behavior, account),
            protocol: match behavior.text_at(&["ViewerProtocolPolicy"]) {
                "allow-all" => ViewerProtocol::Any,
                "redirect-to-https" => ViewerProtocol::Redirect,
                _ => ViewerProtocol::HttpsOnly,
            },
            methods: match sorted.as_slice() {
                ["GET", "HEAD", "OPTIONS"] => Methods::Asks,
                ["DELETE", ..] => Methods::All,
                _ => Methods::Reads,
            },
            ttls,
            query,
            headers,
            codings: if behavior.text_at(&["Compress"]) == "true" {
                codings
            } else {
                Codings::default()
            },
            answer_headers: response.as_deref().map(AnswerHeaders::read),
        })
    }
}

/// The headers that an origin request policy sends on. Where it sends on all that viewers send, or all but some, these are the
/// ones by which a bucket answers differently: every one of them becomes part of the cache's key.
fn of_origin_request(policy: &Element) -> Vec<HeaderName> {
    let named = || policy.items(&["HeadersConfig", "Headers"]).filter_map(header_name);
    let of_pages = [ORIGIN, ACCESS_CONTROL_REQUEST_METHOD, ACCESS_CONTROL_REQUEST_HEADERS];
    match policy.text_at(&["HeadersConfig", "HeaderBehavior"]) {
        "whitelist" => named().collect(),
        "allViewer" | "allViewerAndWhitelistCloudFront" => of_pages.into(),
        "allExcept" => {
            let is_sent = |name: &HeaderName| named().all(|excepted| excepted != *name);
            of_pages.into_iter().filter(is_sent).collect()
        }
        _ => Vec::new(),
    }
}

fn header_name(element: &Element) -> Option<HeaderName> {
    HeaderName::from_bytes(element.text.as_bytes()).ok()
}

fn seconds(config: &Element, name: &str, default: u64) -> u64 {
    config.child(name).and_then(|ttl| ttl.text.parse().ok()).unwrap_or(default)
}

fn ttls(config: &Element) -> Ttls {
    let min = seconds(config, "MinTTL", 0);
    let max = seconds(config, "MaxTTL", 31_536_000).max(min);
    let default = seconds(config, "DefaultTTL", 86_400).clamp(min, max);
    Ttls { min, default, max, errors: Arc::default() }
}

fn of_cache_policy(cache: &Element) -> (Ttls, Names, Vec<HeaderName>, Codings) {
    let Some(key) = cache.child("ParametersInCacheKeyAndForwardedToOrigin") else {
        return (ttls(cache), Names::None, Vec::new(), Codings::default());
    };
    let query = Names::of(key, ["QueryStringsConfig", "QueryStringBehavior", "QueryStrings"]);
    let headers = key.items(&["HeadersConfig", "Headers"]).filter_map(header_name).collect();
    let accepts = |name: &str| key.text_at(&[name]) == "true";
    let (gzip, modern) =
        (accepts("EnableAcceptEncodingGzip"), accepts("EnableAcceptEncodingBrotli"));
    (ttls(cache), query, headers, Codings { gzip, modern })
}

fn of_forwarded_values(behavior: &Element) -> (Ttls, Names, Vec<HeaderName>, Codings) {
    let Some(forwarded) = behavior.child("ForwardedValues") else {
        return (ttls(behavior), Names::None, Vec::new(), Codings::default());
    };
    let keys: Vec<_> =
        forwarded.items(&["QueryStringCacheKeys"]).map(|it| it.text.clone()).collect();
    let query = match forwarded.text_at(&["QueryString"]) {
        "true" if keys.is_empty() => Names::All,
        "true" => Names::Only(keys),
        _ => Names::None,
    };
    let headers: Vec<_> = forwarded.items(&["Headers"]).collect();
    let mut ttls = ttls(behavior);
    // With all headers forwarded, CloudFront keeps nothing.
    if headers.iter().any(|name| name.text == "*") {
        ttls = Ttls { min: 0, default: 0, max: 0, errors: ttls.errors };
    }
    let codings = Codings { gzip: true, modern: false };
    (ttls, query, headers.into_iter().filter_map(header_name).collect(), codings)
}

/// The name of a distribution in policies.
pub(crate) fn arn(account: &str, id: &str) -> String {
    format!("arn:aws:cloudfront::{account}:distribution/{id}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_counts_for_one_policy_or_the_other() {
        let only = |names: &[&str]| Names::Only(names.iter().map(|it| (*it).to_owned()).collect());
        let but = |names: &[&str]| Names::AllBut(names.iter().map(|it| (*it).to_owned()).collect());
        for (one, other, has, has_not) in [
            (Names::None, Names::None, vec![], vec!["a"]),
            (Names::None, only(&["a"]), vec!["a"], vec!["b"]),
            (only(&["a"]), only(&["b"]), vec!["a", "b"], vec!["c"]),
            (Names::All, only(&["a"]), vec!["a", "z"], vec![]),
            (but(&["a", "b"]), but(&["b", "c"]), vec!["a", "c"], vec!["b"]),
            (but(&["a", "b"]), only(&["a"]), vec!["a", "z"], vec!["b"]),
        ] {
            for (one, other) in [(one.clone(), other.clone()), (other, one)] {
                let both = one.or(other);
                assert!(has.iter().all(|name| both.has(name)), "{both:?}");
                assert!(!has_not.iter().any(|name| both.has(name)), "{both:?}");
            }
        }
    }
}
