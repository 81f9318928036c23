//! Requests that were signed for one thing and arrive in another shape: whatever is acted upon is what
//! was signed. The fuzzer of `fuzz/` calls [`moved`] too, without an end.
//!
//! Every object's content is its own name, so an answer says what was acted upon.

use std::net::IpAddr;
use std::sync::OnceLock;

use presign::{Addressing, Endpoint, ExpiresIn, Presign, Presigner};
use server::{PublicUrl, ServerConfig};
use store::Encryption;
use tokio::runtime::Runtime;

use crate::harness::{Answer, Ask, World, ask, config, credentials, put};

const BUCKETS: &[&str] = &["uploads", "private", "deep", "store", "api"];
const KEYS: &[&str] = &[
    "k",
    "uploads/k",
    "private/k",
    "pre/k",
    "pre/private/k",
    "deep/k",
    "store/private/k",
    "_valet/metrics",
    "/k",
    "a b+c%2Fd",
    "",
];
const DOMAINS: &[&str] = &["api.test", "test", "files.api.test", "localhost"];
/// None begins with the name of a bucket that is there: such a server does not start.
const PUBLIC_URLS: &[&str] = &[
    "http://api.test",
    "https://files.api.test/pre",
    "http://h.test:8080",
    "https://h.test/pre/deep",
    "http://test/pre",
    "http://localhost:9000/%70re",
    "http://other.example/q",
];
const ORIGINS: &[&str] = &[
    "api.test",
    "api.test:9000",
    "files.api.test",
    "test",
    "h.test:8080",
    "h.test",
    "localhost:9000",
    "127.0.0.1:9000",
    "other.example",
];
const PREFIXES: &[&str] =
    &["", "/pre", "/pre/deep", "/q", "/new", "/uploads", "/%75ploads", "/store"];
const BUCKETS_HOSTS: &[&str] = &[
    "private.api.test",
    "PRIVATE.API.test",
    "private.api.test.",
    "uploads.api.test:9000",
    "uploads.files.api.test",
    "private.test",
    "store.localhost",
    "private.h.test",
];

/// What somebody asks for. An empty key is the bucket itself, an empty bucket the service.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Named {
    bucket: String,
    key: String,
}

/// One server's settings as the oracle reads them.
struct Site<'a> {
    domains: Vec<&'a str>,
    public_urls: Vec<&'a str>,
}

/// Draws choices from bytes; when they are used up, the first choice.
struct Choices<'d>(&'d [u8]);

impl Choices<'_> {
    fn below(&mut self, count: usize) -> usize {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        usize::from(*first) % count
    }

    fn of<'t>(&mut self, texts: &[&'t str]) -> &'t str {
        texts[self.below(texts.len())]
    }

    fn some<'t>(&mut self, texts: &[&'t str], max: usize) -> Vec<&'t str> {
        let count = self.below(max + 1);
        let mut chosen: Vec<&str> = (0..count).map(|_| self.of(texts)).collect();
        chosen.sort_unstable();
        chosen.dedup();
        chosen
    }
}

fn decoded(text: &str) -> String {
    String::from_utf8(presign::decode_component(text).into_owned()).unwrap_or_default()
}

/// A host's name: no port, no last dot, in lower case.
fn name(host: &str) -> String {
    let host = host.to_ascii_lowercase();
    let name = host.split(':').next().unwrap_or_default();
    name.strip_suffix('.').unwrap_or(name).to_owned()
}

fn parts_of(url: &str) -> (&str, String) {
    let (_, rest) = url.split_once("://").unwrap();
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    (host, if path.is_empty() { String::new() } else { format!("/{}", decoded(path)) })
}

impl Site<'_> {
    /// The domain and the bucket that a host names, told by the words of the contract.
    fn virtual_host(&self, host: &str) -> Option<(String, &str)> {
        let host = name(host);
        let declared = self.public_urls.iter().map(|url| name(parts_of(url).0));
        let declared: Vec<String> =
            declared.chain(self.domains.iter().map(|domain| (*domain).to_owned())).collect();
        if declared.contains(&host) {
            return None;
        }
        let mut domains = self.domains.clone();
        domains.sort_by_key(|domain| std::cmp::Reverse(domain.len()));
        domains.into_iter().find_map(|domain| {
            let bucket = host.strip_suffix(domain)?.strip_suffix('.')?;
            (!bucket.is_empty()).then(|| (bucket.to_owned(), domain))
        })
    }

    fn knows(&self, host: &str) -> bool {
        let declared = self.public_urls.iter().any(|url| name(parts_of(url).0) == name(host));
        declared || self.domains.contains(&&*name(host)) || self.virtual_host(host).is_some()
    }

    /// Whether a path of path style begins with a declared prefix.
    fn strips(&self, path: &str) -> bool {
        let path = decoded(path) + "/";
        let mut prefixes = self.public_urls.iter().map(|url| parts_of(url).1);
        prefixes.any(|prefix| !prefix.is_empty() && path.starts_with(&(prefix + "/")))
    }

    /// What a URL means, by the configuration alone.
    fn meaning(&self, host: &str, path: &str) -> Named {
        let virtual_host = self.virtual_host(host);
        let path = decoded(path);
        let mut prefixes: Vec<String> = Vec::new();
        for url in &self.public_urls {
            let (host, prefix) = parts_of(url);
            if virtual_host.as_ref().is_none_or(|(_, domain)| name(host) == *domain) {
                prefixes.push(prefix);
            }
        }
        prefixes.sort_by_key(|prefix| std::cmp::Reverse(prefix.len()));
        let below = prefixes.iter().find_map(|prefix| {
            let rest = path.strip_prefix(prefix.as_str())?;
            (rest.is_empty() || rest.starts_with('/')).then(|| rest.to_owned())
        });
        let below = below.unwrap_or(path);
        let below = below.strip_prefix('/').unwrap_or(&below);
        if let Some((bucket, _)) = virtual_host {
            return Named { bucket, key: below.to_owned() };
        }
        let (bucket, key) = below.split_once('/').unwrap_or((below, ""));
        Named { bucket: bucket.to_owned(), key: key.to_owned() }
    }
}

/// Whether a prefix begins like a path of one of the buckets.
fn is_of_a_bucket(prefix: &str) -> bool {
    let first = decoded(prefix).split('/').nth(1).unwrap_or_default().to_owned();
    BUCKETS.contains(&first.as_str())
}

/// What an answer says was acted upon; `None`: nothing was.
fn acted_upon(answer: &Answer) -> Option<Named> {
    if answer.status != 200 {
        return None;
    }
    let text = answer.text();
    if text.contains("<ListAllMyBucketsResult") {
        return Some(Named { bucket: String::new(), key: String::new() });
    }
    if text.contains("<ListBucketResult") {
        return Some(Named { bucket: answer.element("Name"), key: String::new() });
    }
    let (bucket, key) = text.split_once('|').unwrap_or(("a path of our own", ""));
    Some(Named { bucket: bucket.to_owned(), key: key.to_owned() })
}

/// One store for all cases, with every key in every bucket.
fn stored() -> &'static (Runtime, World) {
    static STORED: OnceLock<(Runtime, World)> = OnceLock::new();
    STORED.get_or_init(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let world = runtime.block_on(async {
            let world = World::with(config(), Encryption::Off).await;
            for bucket in BUCKETS {
                assert_eq!(world.send(put(&format!("/{bucket}"), "")).await.status, 200);
                for key in KEYS.iter().filter(|key| !key.is_empty()) {
                    let target = format!("/{bucket}/{}", presign::encode_path(key.as_bytes()));
                    let put = put(&target, &format!("{bucket}|{key}"));
                    assert_eq!(world.send(put).await.status, 200, "{target}");
                }
            }
            world
        });
        (runtime, world)
    })
}

/// A request as signed.
struct Signed {
    named: Named,
    host: String,
    prefix: String,
    addressing: Addressing,
    ask: Ask,
}

/// Signs for a bucket and key at an origin; `None`: nobody signs so.
fn sign(choices: &mut Choices<'_>) -> Option<Signed> {
    let named = Named { bucket: choices.of(BUCKETS).into(), key: choices.of(KEYS).into() };
    let prefix = choices.of(PREFIXES);
    let endpoint = format!("http://{}{prefix}", choices.of(ORIGINS));
    let endpoint = Endpoint::parse(&endpoint).unwrap();
    let addressing = [Addressing::Path, Addressing::VirtualHost][choices.below(2)];
    let presign = Presign::new(
        "GET",
        &endpoint,
        &named.bucket,
        named.key.as_bytes(),
        ExpiresIn::from_seconds(3600).unwrap(),
    )
    .with_addressing(addressing);
    let (_, world) = stored();
    let mut presigner = Presigner::new(credentials(), world.region());
    let mechanism = choices.below(3);
    let link = match mechanism {
        1 => presigner.presign_v2(&presign, world.now),
        _ => presigner.presign(&presign, world.now),
    };
    let url = link.ok()?.url;
    let (_, rest) = url.split_once("://").unwrap();
    let (host, target) = rest.split_once('/').unwrap();
    let target = format!("/{target}");
    let ask = if mechanism == 2 {
        let path = target.split('?').next().unwrap();
        world.sign(ask("GET", path).header("host", host))
    } else {
        ask("GET", &target).header("host", host)
    };
    Some(Signed { host: host.to_owned(), prefix: prefix.to_owned(), addressing, named, ask })
}

/// Another shape of a path: with other segments before it, in another spelling.
fn move_path(choices: &mut Choices<'_>, path: &str, prefix: &str) -> String {
    let bare = path.strip_prefix(prefix).filter(|rest| rest.starts_with('/')).unwrap_or(path);
    let after_first = |path: &str| path.get(1..).and_then(|rest| rest.find('/')).map(|at| at + 1);
    let moved = match choices.below(6) {
        0 | 1 => path.to_owned(),
        2 => bare.to_owned(),
        3 => format!("{}{path}", choices.of(PREFIXES)),
        4 => after_first(bare).map_or(path, |at| &bare[at..]).to_owned(),
        _ => format!("/{}{bare}", choices.of(BUCKETS)),
    };
    let at = match choices.below(3) {
        0 => return moved,
        _ => choices.below(moved.len().min(24)),
    };
    // A spelling of what is not spelt so yet.
    match moved.as_bytes()[at] {
        b'%' => moved,
        _ if at == 0 || moved[..at].ends_with('%') => moved,
        _ if at > 1 && moved.as_bytes()[at - 2] == b'%' => moved,
        byte => format!("{}%{byte:02x}{}", &moved[..at], &moved[at + 1..]),
    }
}

fn site_of(choices: &mut Choices<'_>) -> (Site<'static>, ServerConfig) {
    let site =
        Site { domains: choices.some(DOMAINS, 2), public_urls: choices.some(PUBLIC_URLS, 3) };
    let mut config = config();
    config.domains = site.domains.iter().map(|&domain| domain.to_owned()).collect();
    config.public_urls = site.public_urls.iter().map(|u| PublicUrl::parse(u).unwrap()).collect();
    config.trusted_proxies = vec!["10.0.0.0/8".parse().unwrap()];
    (site, config)
}

/// Signs something, moves it, sends it, and demands that what was acted upon is what was signed.
/// Whether anything was.
pub(crate) fn moved(data: &[u8]) -> bool {
    let mut choices = Choices(data);
    let (runtime, stored) = stored();
    let Some(signed) = sign(&mut choices) else { return false };
    let (site, config) = site_of(&mut choices);
    let signed_path = signed.ask.target.split('?').next().unwrap().to_owned();
    let path = move_path(&mut choices, &signed_path, &signed.prefix);
    let mut moved = signed.ask.clone().tamper(&signed_path, &path);
    let hosts = [ORIGINS, BUCKETS_HOSTS].concat();
    if choices.below(2) == 1 {
        moved = moved.set("host", choices.of(&hosts));
    }
    let trusted = choices.below(2) == 1;
    let mut reported = None;
    if choices.below(3) == 1 {
        moved = moved.header("x-forwarded-host", choices.of(&hosts));
    }
    if choices.below(3) == 1 {
        let prefix = choices.of(PREFIXES);
        moved = moved.header("x-forwarded-prefix", prefix);
        reported = trusted.then_some(prefix);
    }
    // Who signs for a name that is read otherwise here is at fault, not whoever sends it. A proxy may
    // know of a name what nobody has declared, but not that a bucket's own URLs mean something else.
    let meant = site.meaning(&signed.host, &signed_path) == signed.named;
    let known_to_proxy = reported == Some(signed.prefix.as_str())
        && signed.addressing == Addressing::Path
        && !is_of_a_bucket(&signed.prefix)
        && !site.strips(&signed_path)
        && !site.knows(&signed.host);
    if !meant && !known_to_proxy {
        return false;
    }
    let mut world = stored.under(config);
    let peer = if trusted { "10.0.0.1" } else { "192.0.2.7" };
    world.peer.address = peer.parse::<IpAddr>().unwrap();
    let answer = runtime.block_on(world.send_raw(moved.clone()));
    let Some(acted) = acted_upon(&answer) else { return false };
    assert_eq!(
        acted, signed.named,
        "signed for {}{signed_path}, sent as {moved:?}, declared {:?} {:?}",
        signed.host, site.public_urls, site.domains
    );
    true
}
