//! Links as people have them when they no longer work: each is a really signed link, broken in the way in which it
//! was broken for somebody.
#![allow(dead_code, reason = "each test uses a part of it")]

use jiff::{SignedDuration, Timestamp};
use presign::{
    Addressing, CauseCode, Credentials, Endpoint, ExpiresIn, LinkConditions, Presign, Presigned,
    Presigner, SecretAccessKey, SessionToken,
};

/// Who signs, for whom, and when; the links are used at once.
pub(crate) struct Signing<'s> {
    pub(crate) credentials: &'s Credentials,
    /// An address without a port and a prefix, over https: `https://files.example.com`.
    pub(crate) public: &'s str,
    pub(crate) region: &'s str,
    pub(crate) bucket: &'s str,
    pub(crate) now: Timestamp,
}

/// A link that does not work.
pub(crate) struct BrokenLink {
    pub(crate) name: &'static str,
    pub(crate) text: String,
    pub(crate) method: Option<&'static str>,
    pub(crate) headers: Vec<(&'static str, &'static str)>,
    /// So many seconds after it was signed it is used.
    pub(crate) seconds: i64,
    /// What must be named first.
    pub(crate) cause: CauseCode,
    /// What its text or mend must say, so that a person can mend it.
    pub(crate) says: &'static str,
}

/// One link, before it is broken.
struct Draft<'d> {
    method: &'d str,
    endpoint: &'d str,
    addressing: Addressing,
    key: &'d str,
    headers: &'d [(&'d str, &'d str)],
    query: &'d [(&'d str, &'d str)],
    seconds: u64,
}

impl Signing<'_> {
    fn get(&self) -> Draft<'_> {
        Draft {
            method: "GET",
            endpoint: self.public,
            addressing: Addressing::Path,
            key: "reports/2026 final+v2.pdf",
            headers: &[],
            query: &[],
            seconds: 3600,
        }
    }

    fn put(&self) -> Draft<'_> {
        Draft { method: "PUT", key: "in/a.png", ..self.get() }
    }

    fn sign(&self, draft: &Draft<'_>) -> String {
        self.signed_by(self.credentials.clone(), self.region, draft).url
    }

    fn sign_v2(&self, draft: &Draft<'_>) -> String {
        let presigner = Presigner::new(self.credentials.clone(), self.region);
        let endpoint = Endpoint::parse(draft.endpoint).unwrap();
        presigner.presign_v2(&self.request(draft, &endpoint), self.now).unwrap().url
    }

    fn signed_by(&self, credentials: Credentials, region: &str, draft: &Draft<'_>) -> Presigned {
        let endpoint = Endpoint::parse(draft.endpoint).unwrap();
        let mut presigner = Presigner::new(credentials, region);
        presigner.presign(&self.request(draft, &endpoint), self.now).unwrap()
    }

    fn request<'r>(&'r self, draft: &Draft<'r>, endpoint: &'r Endpoint) -> Presign<'r> {
        let life = ExpiresIn::from_seconds(draft.seconds).unwrap();
        Presign::new(draft.method, endpoint, self.bucket, draft.key.as_bytes(), life)
            .with_addressing(draft.addressing)
            .with_headers(draft.headers)
            .with_query(draft.query)
    }

    /// A link signed for another endpoint, as it is used at the public address.
    fn moved(&self, endpoint: &str, draft: &Draft<'_>) -> String {
        let link = self.sign(&Draft { endpoint, ..*draft });
        link.replacen(endpoint, self.public, 1)
    }

    fn later(&self, seconds: i64) -> Timestamp {
        self.now.checked_add(SignedDuration::from_secs(seconds)).unwrap()
    }

    /// A link that was signed so many seconds later than it is used.
    fn signed_later(&self, seconds: i64) -> String {
        Signing { now: self.later(seconds), ..*self }.sign(&self.get())
    }

    fn with_secret(&self, secret: &str) -> String {
        let secret_access_key = SecretAccessKey::new(secret);
        let credentials = Credentials { secret_access_key, ..self.credentials.clone() };
        self.signed_by(credentials, self.region, &self.get()).url
    }
}

fn row(name: &'static str, text: impl Into<String>, cause: CauseCode) -> BrokenLink {
    let (method, headers) = (None, Vec::new());
    BrokenLink { name, text: text.into(), method, headers, seconds: 0, cause, says: "" }
}

impl BrokenLink {
    fn with(self, method: &'static str) -> Self {
        Self { method: Some(method), ..self }
    }

    fn sending(self, headers: &[(&'static str, &'static str)]) -> Self {
        Self { headers: headers.to_vec(), ..self }
    }

    fn after(self, seconds: i64) -> Self {
        Self { seconds, ..self }
    }

    fn saying(self, says: &'static str) -> Self {
        Self { says, ..self }
    }
}

/// All of them.
pub(crate) fn broken_links(signing: &Signing<'_>) -> Vec<BrokenLink> {
    let groups = [by_place(signing), by_path(signing), by_text(signing)];
    let others = [by_query(signing), by_header(signing), by_signer(signing), by_time(signing)];
    groups.into_iter().chain(others).flatten().collect()
}

/// Signed for one place, used at another.
fn by_place(s: &Signing<'_>) -> Vec<BrokenLink> {
    let (get, put) = (s.get(), s.put());
    let host = s.public.strip_prefix("https://").unwrap();
    let plain = s.public.replacen("https://", "http://", 1);
    let with_port = format!("{}:9000", s.public);
    let over_http = format!("{plain}:80");
    let virtual_host = Draft { addressing: Addressing::VirtualHost, ..s.get() };
    let in_host = format!("https://{}.{host}/", s.bucket);
    let in_path = format!("https://{host}/{}/", s.bucket);
    vec![
        row("a HEAD of a GET link", s.sign(&get), CauseCode::Method).with("HEAD").saying("GET"),
        row("an upload link in a browser", s.sign(&put), CauseCode::Method)
            .with("GET")
            .saying("PUT"),
        row("a form's POST to an upload link", s.sign(&put), CauseCode::Method).with("POST"),
        row(
            "signed for localhost, used by its public name",
            s.moved("http://localhost:9000", &get),
            CauseCode::Host,
        )
        .saying("localhost:9000"),
        row("signed in a container network", s.moved("http://minio:9000", &get), CauseCode::Host)
            .saying("minio:9000"),
        row(
            "signed for an address of the machine",
            s.moved("http://127.0.0.1:9000", &put),
            CauseCode::Host,
        )
        .saying("127.0.0.1:9000"),
        row("signed for www.", s.moved(&format!("https://www.{host}"), &get), CauseCode::Host),
        row(
            "signed virtual-hosted, used in path style",
            s.sign(&virtual_host).replacen(&in_host, &in_path, 1),
            CauseCode::Host,
        )
        .saying("virtual-hosted"),
        row("a proxy that drops the port", s.moved(&with_port, &get), CauseCode::Port)
            .saying("9000"),
        row(
            "a port that was not signed",
            s.sign(&get).replacen(host, &format!("{host}:8443"), 1),
            CauseCode::Port,
        ),
        row("http turned into https", over_scheme(s, &over_http, &get), CauseCode::Scheme)
            .saying("http"),
    ]
}

/// Signers that keep `:80` in the host are those of some SDKs; this one drops it, so it is signed as a host.
fn over_scheme(s: &Signing<'_>, over_http: &str, draft: &Draft<'_>) -> String {
    // Over https, 80 is a port like any other, so the signer keeps it.
    let as_https = over_http.replacen("http://", "https://", 1);
    s.moved(&as_https, draft)
}

/// The path is not as it was signed.
fn by_path(s: &Signing<'_>) -> Vec<BrokenLink> {
    let get = s.get();
    let root = format!("/{}/", s.bucket);
    let with_prefix = format!("/s3/{}/", s.bucket);
    let at_prefix = format!("{}/storage", s.public);
    let key = |key| Draft { key, ..s.get() };
    let code = CauseCode::PathEncoding;
    vec![
        row(
            "a proxy's prefix in front",
            s.sign(&get).replacen(&root, &with_prefix, 1),
            CauseCode::PathPrefix,
        ),
        row(
            "a proxy that strips the signed prefix",
            s.moved(&at_prefix, &get),
            CauseCode::PathPrefix,
        ),
        row("a plus for a blank", s.sign(&get).replacen("%20", "+", 1), code).saying("%20"),
        row("a blank for a plus", s.sign(&key("a+b.txt")).replacen("a%2Bb", "a%20b", 1), code)
            .saying("%2B"),
        row("encoded twice", s.sign(&get).replacen("2026%20", "2026%2520", 1), code)
            .saying("once more"),
        row("decoded once", s.sign(&key("100%25.txt")).replacen("100%2525", "100%25", 1), code),
        row("two slashes merged", s.sign(&key("a//b.txt")).replacen("a//b", "a/b", 1), code)
            .saying("slashes"),
        row("a dot segment tidied away", s.sign(&key("a/./b.txt")).replacen("/./", "/", 1), code),
        row(
            "tidied by the signer alone",
            s.sign(&key("b.txt")).replacen("/b.txt", "/a/../b.txt", 1),
            code,
        ),
        row(
            "a slash at the end is gone",
            s.sign(&key("folder/")).replacen("folder/?", "folder?", 1),
            code,
        ),
        row("a bare # in the key", s.sign(&key("a#1.txt")).replacen("%23", "#", 1), code)
            .saying("%23"),
        row("a bare ? in the key", s.sign(&key("why?.txt")).replacen("%3F", "?", 1), code)
            .saying("%3F"),
        row(
            "as a parameter of another link",
            presign::encode_component(s.sign(&get).as_bytes()),
            code,
        ),
    ]
}

/// The text was escaped or cut.
fn by_text(s: &Signing<'_>) -> Vec<BrokenLink> {
    let (get, link) = (s.get(), s.sign(&s.get()));
    let cut = |count: usize| link.chars().take(link.len() - count).collect::<String>();
    let to_first_ampersand = link.split('&').next().unwrap().to_owned();
    let v2 = s.sign_v2(&get);
    let v2_cut = v2.split("&Expires").next().unwrap().to_owned();
    vec![
        row("out of HTML", link.replace('&', "&amp;"), CauseCode::HtmlEscaped).saying("&amp;"),
        row("out of HTML, twice", link.replace('&', "&amp;amp;"), CauseCode::HtmlEscaped),
        row("out of JSON", link.replace('&', "\\u0026"), CauseCode::HtmlEscaped).saying("\\u0026"),
        row("out of a mail's source", link.replace('=', "=3D"), CauseCode::HtmlEscaped)
            .saying("=3D"),
        row("a shell without quotes", to_first_ampersand, CauseCode::CutOff).saying("quotes"),
        row("cut in the signature", cut(20), CauseCode::CutOff).saying("44 of its 64"),
        row("cut before the signature", cut(64 + "&X-Amz-Signature=".len()), CauseCode::CutOff),
        row("SigV2, cut", v2_cut, CauseCode::CutOff),
    ]
}

/// Parameters came, went or changed.
fn by_query(s: &Signing<'_>) -> Vec<BrokenLink> {
    let link = s.sign(&s.get());
    let added = CauseCode::ParameterAdded;
    let changed = CauseCode::ParameterChanged;
    let download = [("response-content-disposition", "attachment; filename=\"a.pdf\"")];
    let with_name = s.sign(&Draft { query: &download, key: "a.pdf", ..s.get() });
    let without_name = without(&with_name, "response-content-disposition");
    let uses = s.sign(&Draft { query: &[("x-valet-uses", "3")], ..s.get() });
    let mut conditions = LinkConditions::default();
    conditions.allow_head = true;
    let parameters = conditions.parameters();
    let allowing: Vec<_> = parameters.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let heads = s.sign(&Draft { query: &allowing, ..s.get() });
    vec![
        row("hung on by a newsletter", format!("{link}&utm_source=mail&utm_medium=email"), added)
            .saying("utm_source"),
        row("hung on by a social network", format!("{link}&fbclid=IwAR0x"), added).saying("fbclid"),
        row("a cache buster", format!("{link}&_=1718450000"), added),
        row(
            "a file name chosen afterwards",
            format!("{link}&response-content-disposition=attachment"),
            added,
        ),
        row("a file name taken off", without_name, CauseCode::ParameterMissing)
            .saying("response-content-disposition"),
        row("without its life", without(&link, "X-Amz-Expires"), CauseCode::ParameterMissing)
            .saying("X-Amz-Expires"),
        row("without any signature", link.split('?').next().unwrap(), CauseCode::ParameterMissing),
        row("a life that was raised", link.replacen("Expires=3600", "Expires=604800", 1), changed)
            .saying("3600"),
        row("names in lower case", lower_names(&link), changed),
        row("a signature in capitals", upper_signature(&link), changed).saying("capitals"),
        row("a query encoded twice", link.replace("%2F", "%252F"), changed),
        row("a use more", uses.replacen("uses=3", "uses=three", 1), changed).saying("x-valet-uses"),
        row("a condition taken off", without(&heads, "x-valet-head"), CauseCode::ParameterMissing)
            .saying("x-valet-head"),
        row("conditions on SigV2", format!("{}&x-valet-uses=1", s.sign_v2(&s.get())), added)
            .saying("SigV4"),
    ]
}

fn without(link: &str, name: &str) -> String {
    let (before, query) = link.split_once('?').unwrap();
    let kept = query.split('&').filter(|pair| !pair.starts_with(name));
    format!("{before}?{}", kept.collect::<Vec<_>>().join("&"))
}

fn lower_names(link: &str) -> String {
    let (before, query) = link.split_once('?').unwrap();
    let pairs = query.split('&').map(|pair| {
        let (name, value) = pair.split_once('=').unwrap();
        format!("{}={value}", name.to_lowercase())
    });
    format!("{before}?{}", pairs.collect::<Vec<_>>().join("&"))
}

fn upper_signature(link: &str) -> String {
    let (before, signature) = link.split_once("X-Amz-Signature=").unwrap();
    format!("{before}X-Amz-Signature={}", signature.to_uppercase())
}

/// Headers came, went or changed.
fn by_header(s: &Signing<'_>) -> Vec<BrokenLink> {
    let typed = s.sign(&Draft { headers: &[("Content-Type", "image/png")], ..s.put() });
    let text = s.sign(&Draft { headers: &[("Content-Type", "text/plain")], ..s.put() });
    let sealed =
        s.sign(&Draft { headers: &[("x-amz-server-side-encryption", "AES256")], ..s.put() });
    let (get, put) = (s.sign(&s.get()), s.sign(&s.put()));
    let v2 = s.sign_v2(&s.put());
    let v2_typed = s.sign_v2(&Draft { headers: &[("Content-Type", "image/png")], ..s.put() });
    let unsigned = CauseCode::HeaderUnsigned;
    vec![
        row("a signed type that is not sent", &*typed, CauseCode::HeaderMissing)
            .with("PUT")
            .saying("image/png"),
        row("a signed header that a proxy took off", sealed, CauseCode::HeaderMissing)
            .with("PUT")
            .saying("x-amz-server-side-encryption"),
        row("a charset that the client added", text, CauseCode::HeaderChanged)
            .with("PUT")
            .sending(&[("Content-Type", "text/plain; charset=UTF-8")])
            .saying("text/plain"),
        row("another type", typed, CauseCode::HeaderChanged)
            .with("PUT")
            .sending(&[("Content-Type", "application/octet-stream")])
            .saying("image/png"),
        row("an ACL that was not signed", &*put, unsigned)
            .with("PUT")
            .sending(&[("x-amz-acl", "public-read")])
            .saying("x-amz-acl"),
        row("a client's own token", get, unsigned)
            .with("GET")
            .sending(&[("Authorization", "Bearer abc")])
            .saying("Authorization"),
        row("a hash of the body", put, unsigned)
            .with("PUT")
            .sending(&[(
                "x-amz-content-sha256",
                "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
            )])
            .saying("x-amz-content-sha256"),
        row("SigV2 and a type", v2, unsigned).with("PUT").sending(&[("Content-Type", "image/png")]),
        row("SigV2 without its type", v2_typed, CauseCode::HeaderMissing)
            .with("PUT")
            .saying("image/png"),
    ]
}

/// Signed by the wrong one, or for the wrong place.
fn by_signer(s: &Signing<'_>) -> Vec<BrokenLink> {
    let get = s.get();
    let region = s.signed_by(s.credentials.clone(), "eu-north-1", &get).url;
    let right = s.sign(&get);
    let service = right.replacen("%2Fs3%2F", "%2Fs3express%2F", 1);
    let secret = s.credentials.secret_access_key.expose();
    let google = format!("{}/b/k?X-Goog-Algorithm=GOOG4-RSA-SHA256&X-Goog-Signature=00", s.public);
    let session = Credentials {
        access_key_id: "ASIAEXAMPLE".to_owned(),
        session_token: Some(SessionToken::new("token")),
        ..s.credentials.clone()
    };
    let session = s.signed_by(session, s.region, &get).url;
    vec![
        row("signed for another region", region, CauseCode::Region).saying("eu-north-1"),
        row("signed for another service", service, CauseCode::Service).saying("s3express"),
        row("a link of another store", google, CauseCode::Service).saying("Google"),
        row(
            "a line end after the secret",
            s.with_secret(&format!("{secret}\n")),
            CauseCode::Secret,
        )
        .saying("line end"),
        row("an older secret", s.with_secret("an older secret of the same key"), CauseCode::Secret),
        row(
            "a session's key without its token",
            without(&session, "X-Amz-Security-Token"),
            CauseCode::SessionToken,
        ),
    ]
}

/// Used too early or too late.
fn by_time(s: &Signing<'_>) -> Vec<BrokenLink> {
    let link = s.sign(&s.get());
    let v2 = s.sign_v2(&s.get());
    let (_, v2_end) = v2.split_once("&Expires=").unwrap();
    let later = presign::AmzDate::from_timestamp(s.later(7200)).to_string();
    let opens =
        s.sign(&Draft { query: &[("x-valet-not-before", &later)], seconds: 86_400, ..s.get() });
    let far = format!("&Expires={}", s.later(30 * 86_400).as_second());
    let millis = format!("&Expires={v2_end}000");
    vec![
        row("an hour and a second later", &*link, CauseCode::Expired)
            .after(3601)
            .saying("3600 seconds"),
        row("SigV2, an hour and a second later", &*v2, CauseCode::Expired).after(3601),
        row("no life at all", link.replacen("Expires=3600", "Expires=0", 1), CauseCode::Expired),
        row("local time taken for UTC", s.signed_later(7200), CauseCode::Clock)
            .saying("120 minutes"),
        row(
            "signed for the day after tomorrow",
            s.signed_later(2 * 86_400 + 60),
            CauseCode::NotYet,
        ),
        row("opens later", opens, CauseCode::NotYet).saying("opens at"),
        row("thirty days", link.replacen("Expires=3600", "Expires=2592000", 1), CauseCode::TooLong)
            .saying("604800"),
        row(
            "SigV2, thirty days",
            v2.replacen(&format!("&Expires={v2_end}"), &far, 1),
            CauseCode::NotYet,
        ),
        row(
            "SigV2, milliseconds",
            v2.replacen(&format!("&Expires={v2_end}"), &millis, 1),
            CauseCode::TooLong,
        ),
    ]
}
