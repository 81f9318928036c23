//! Distributions: made by CloudFront's control API, and asked by viewers with signed URLs, cookies and tokens.

use jiff::{SignedDuration, Timestamp};
use presign::{
    CloudFrontHash, CloudFrontPolicy, CloudFrontPrivateKey, CloudFrontSigner, CloudFrontStyle,
    SignedPayload,
};
use server::{PublicUrl, ServerConfig};
use store::Encryption;

use crate::harness::{Answer, At, HOST, World, ask, config, credentials, get, put, sha256};

const RSA: &str = include_str!("../../../presign/tests/vectors/cloudfront/cf-rsa.pem");
const RSA_PUBLIC: &str = include_str!("../../../presign/tests/vectors/cloudfront/cf-rsa.pub.pem");
const EC: &str = include_str!("../../../presign/tests/vectors/cloudfront/cf-ec.pem");
const EC_PUBLIC: &str = include_str!("../../../presign/tests/vectors/cloudfront/cf-ec.pub.pem");
const CACHED: &str = "658327ea-f89d-4fab-a63d-7e88639e58f6";
const NOT_CACHED: &str = "4135ea2d-6df8-44a3-9df3-4b5a84be39ad";
const ALIAS: &str = "media.acme.example";

/// A server with a bucket, a distribution of it, and a key that it trusts.
pub(crate) struct Site {
    pub(crate) world: World,
    pub(crate) id: String,
    key: String,
    group: String,
    control: String,
}

fn served() -> ServerConfig {
    ServerConfig { distribution_domain: Some("cdn.valet.test".into()), ..config() }
}

fn element(answer: &Answer, name: &str) -> String {
    answer.element(name)
}

impl World {
    /// Calls the control API as the root.
    pub(crate) async fn control(&self, method: &str, path: &str, body: &str) -> Answer {
        self.control_with(method, path, body, &[]).await
    }

    async fn control_with(
        &self,
        method: &str,
        path: &str,
        body: &str,
        headers: &[(&str, &str)],
    ) -> Answer {
        let mut call = ask(method, &format!("/2020-05-31/{path}")).body(body.to_owned());
        call.headers.extend(headers.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())));
        let payload = SignedPayload::Sha256(sha256(&call.body));
        self.send_raw(self.sign_for(&credentials(), "cloudfront", call, payload)).await
    }

    pub(crate) async fn make_key(&self, name: &str, pem: &str) -> String {
        let document = format!(
            "<PublicKeyConfig xmlns=\"http://cloudfront.amazonaws.com/doc/2020-05-31/\"><CallerReference>{name}</CallerReference><Name>{name}</Name><EncodedKey>{pem}</EncodedKey></PublicKeyConfig>"
        );
        let made = self.control("POST", "public-key", &document).await;
        assert_eq!(made.status, 201, "{}", made.text());
        element(&made, "Id")
    }

    pub(crate) async fn make_group(&self, name: &str, keys: &[&str]) -> String {
        let keys: Vec<_> = keys.iter().map(|key| format!("<PublicKey>{key}</PublicKey>")).collect();
        let keys = keys.concat();
        let document =
            format!("<KeyGroupConfig><Name>{name}</Name><Items>{keys}</Items></KeyGroupConfig>");
        let made = self.control("POST", "key-group", &document).await;
        assert_eq!(made.status, 201, "{}", made.text());
        element(&made, "Id")
    }
}

/// What differs between the distributions of these tests.
struct Wanted {
    reference: &'static str,
    behavior: String,
    more: String,
    aliases: Vec<&'static str>,
    enabled: bool,
}

impl Wanted {
    fn cached(behavior: &str) -> Self {
        Self::of(&format!("<CachePolicyId>{CACHED}</CachePolicyId>{behavior}"))
    }

    fn of(behavior: &str) -> Self {
        Self {
            reference: "one",
            behavior: behavior.to_owned(),
            more: String::new(),
            aliases: Vec::new(),
            enabled: true,
        }
    }
}

fn trusted(group: &str) -> String {
    format!(
        "<TrustedKeyGroups><Enabled>true</Enabled><Quantity>1</Quantity><Items><KeyGroup>{group}</KeyGroup></Items></TrustedKeyGroups>"
    )
}

fn document(wanted: &Wanted, control: &str) -> String {
    let Wanted { reference, behavior, more, aliases, enabled } = wanted;
    let quantity = aliases.len();
    let aliases: Vec<_> = aliases.iter().map(|alias| format!("<CNAME>{alias}</CNAME>")).collect();
    let aliases = aliases.concat();
    let aliases = if quantity > 0 { format!("<Items>{aliases}</Items>") } else { String::new() };
    format!(
        "<DistributionConfig><CallerReference>{reference}</CallerReference><Comment/>\
         <Aliases><Quantity>{quantity}</Quantity>{aliases}</Aliases><Enabled>{enabled}</Enabled>\
         <Origins><Quantity>1</Quantity><Items><Origin><Id>o</Id><DomainName>bucket.s3.us-east-1.amazonaws.com</DomainName>\
         <S3OriginConfig><OriginAccessIdentity/></S3OriginConfig><OriginAccessControlId>{control}</OriginAccessControlId>\
         </Origin></Items></Origins>\
         <DefaultCacheBehavior><TargetOriginId>o</TargetOriginId><ViewerProtocolPolicy>allow-all</ViewerProtocolPolicy>\
         {behavior}</DefaultCacheBehavior>{more}</DistributionConfig>"
    )
}

impl Site {
    /// A distribution at `ID.cdn.valet.test` and `media.acme.example`, which trusts one RSA key.
    pub(crate) async fn new() -> Self {
        Self::with(served(), |group| {
            let aliases = vec![ALIAS];
            Wanted { aliases, ..Wanted::cached(&trusted(group)) }
        })
        .await
    }

    async fn with(config: ServerConfig, wanted: impl Fn(&str) -> Wanted) -> Self {
        let world = World::with(config, Encryption::On).await;
        assert_eq!(world.send(put("/bucket", "")).await.status, 200);
        for (key, body) in
            [("a.txt", "hello"), ("dir/b.txt", "there"), ("index.html", "<p>root</p>")]
        {
            assert_eq!(world.send(put(&format!("/bucket/{key}"), body)).await.status, 200);
        }
        let key = world.make_key("key", RSA_PUBLIC).await;
        let group = world.make_group("group", &[&key]).await;
        let made = world
            .control(
                "POST",
                "origin-access-control",
                "<OriginAccessControlConfig><Name>oac</Name><SigningProtocol>sigv4</SigningProtocol><SigningBehavior>always</SigningBehavior><OriginAccessControlOriginType>s3</OriginAccessControlOriginType></OriginAccessControlConfig>",
            )
            .await;
        let control = element(&made, "Id");
        let made =
            world.control("POST", "distribution", &document(&wanted(&group), &control)).await;
        assert_eq!(made.status, 201, "{}", made.text());
        let id = element(&made, "Id");
        let site = Self { world, id, key, group, control };
        site.allow("s3:GetObject").await;
        site
    }

    /// Lets this very distribution do something in the bucket.
    async fn allow(&self, action: &str) {
        let policy = format!(
            r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Principal":{{"Service":"cloudfront.amazonaws.com"}},"Action":{action:?},"Resource":"arn:aws:s3:::bucket/*","Condition":{{"StringEquals":{{"AWS:SourceArn":"arn:aws:cloudfront::000000000000:distribution/{}"}}}}}}]}}"#,
            self.id
        );
        let set = self.world.send(put("/bucket?policy", &policy)).await;
        assert_eq!(set.status, 204, "{}", set.text());
    }

    /// Configures the distribution anew.
    async fn change(&self, wanted: &Wanted) {
        let path = format!("distribution/{}/config", self.id);
        let found = self.world.control("GET", &path, "").await;
        let etag = found.headers["etag"].to_str().unwrap().to_owned();
        let document = document(wanted, &self.control);
        let changed =
            self.world.control_with("PUT", &path, &document, &[("if-match", &etag)]).await;
        assert_eq!(changed.status, 200, "{}", changed.text());
    }

    fn host(&self) -> String {
        format!("{}.cdn.valet.test", self.id.to_ascii_lowercase())
    }

    fn url(&self, target: &str) -> String {
        format!("http://{}{target}", self.host())
    }

    fn signer(&self) -> CloudFrontSigner {
        signer(&self.key, RSA)
    }

    /// A policy for a pattern of this distribution, for an hour.
    fn policy(&self, pattern: &str) -> CloudFrontPolicy {
        CloudFrontPolicy::new(self.url(pattern), self.end()).unwrap()
    }

    fn end(&self) -> Timestamp {
        self.world.now + SignedDuration::from_hours(1)
    }

    /// The target of a signed URL.
    fn signed(&self, target: &str) -> String {
        let url = self.url(target);
        let policy = CloudFrontPolicy::new(&*url, self.end()).unwrap();
        path_of(&self.signer().sign_url(&url, &policy).unwrap())
    }

    /// The target of a URL that is signed for a pattern.
    fn signed_for(&self, pattern: &str, target: &str) -> String {
        let text = self.policy(pattern).to_json(CloudFrontStyle::Cli);
        path_of(&self.signer().sign_url_with_text(&self.url(target), &text).unwrap())
    }

    async fn view(&self, target: &str) -> Answer {
        self.view_with("GET", target, &[]).await
    }

    async fn view_with(&self, method: &str, target: &str, headers: &[(&str, &str)]) -> Answer {
        self.view_at(&self.world, method, target, headers).await
    }

    async fn view_at(
        &self,
        world: &World,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
    ) -> Answer {
        let mut request = ask(method, target);
        let has_host = headers.iter().any(|(name, _)| *name == "host");
        if !has_host {
            request.headers.push(("host".into(), self.host()));
        }
        request.headers.extend(headers.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())));
        world.send_raw(request).await
    }
}

fn signer(key: &str, pem: &str) -> CloudFrontSigner {
    CloudFrontSigner::new(key, CloudFrontPrivateKey::from_pem(pem).unwrap())
}

fn path_of(url: &str) -> String {
    let (_, rest) = url.split_once("://").unwrap();
    rest[rest.find('/').unwrap()..].to_owned()
}

/// Status, code of a refusal or body, and where it came from.
fn told(answer: &Answer) -> String {
    let text = answer.text();
    let what = match text.split_once("<Code>") {
        Some((_, rest)) => rest.split('<').next().unwrap(),
        None if text.contains("<html") => "page",
        None => text,
    };
    let cache = answer.headers.get("x-cache").map_or("", |it| it.to_str().unwrap());
    format!("{} {what} {}", answer.status, cache.split(' ').next().unwrap())
}

#[tokio::test]
async fn viewers_get_what_is_signed_for_them() {
    let site = Site::new().await;
    assert_eq!(told(&site.view(&site.signed("/a.txt")).await), "200 hello Miss");
    assert_eq!(told(&site.view(&site.signed("/a.txt")).await), "200 hello Hit");
    assert_eq!(told(&site.view(&site.signed("/dir/b.txt")).await), "200 there Miss");
    let part = site.view_with("GET", &site.signed("/a.txt"), &[("range", "bytes=1-2")]).await;
    assert_eq!((part.status, part.text()), (206, "el"));
    let head = site.view_with("HEAD", &site.signed("/a.txt"), &[]).await;
    assert_eq!((head.status, head.text()), (200, ""));
    let cookies = site.signer().sign_cookies(&site.policy("/dir/*")).unwrap();
    let line: Vec<_> = cookies.iter().map(|it| format!("{}={}", it.name, it.value)).collect();
    // A canned policy's cookies are for one exact URL.
    assert_eq!(
        told(&site.view_with("GET", "/dir/b.txt", &[("cookie", &line.join("; "))]).await),
        "403 AccessDenied Error"
    );
    let text = site.policy("/dir/*").to_json(CloudFrontStyle::JavaScript);
    let cookies = site.signer().sign_cookies_with_text(&text).unwrap();
    let line: Vec<_> = cookies.iter().map(|it| format!("{}={}", it.name, it.value)).collect();
    let line = line.join("; ");
    assert_eq!(
        told(&site.view_with("GET", "/dir/b.txt", &[("cookie", &line)]).await),
        "200 there Hit"
    );
    assert_eq!(
        told(&site.view_with("GET", "/a.txt", &[("cookie", &line)]).await),
        "403 AccessDenied Error"
    );
    let fake = [("cookie", line.as_str())];
    assert_eq!(
        told(&site.view_with("GET", "/dir/b.txt?Key-Pair-Id=K1", &fake).await),
        "403 MalformedPolicy Error"
    );
}

#[tokio::test]
async fn a_token_in_the_path_stands_for_the_query() {
    let site = Site::new().await;
    let target = site.signed_for("/dir/*", "/dir/b.txt");
    let value = |name: &str| {
        let (_, rest) = target.split_once(&format!("{name}=")).unwrap();
        rest.split('&').next().unwrap().to_owned()
    };
    let token = format!("/~{}~{}~{}", value("Policy"), value("Signature"), value("Key-Pair-Id"));
    for token in [token.clone(), token.replace('~', "%7E")] {
        assert!(told(&site.view(&format!("{token}/dir/b.txt")).await).starts_with("200 there"));
    }
    assert_eq!(told(&site.view(&format!("{token}/a.txt")).await), "403 AccessDenied Error");
    assert_eq!(told(&site.view(&format!("{token}x/dir/b.txt")).await), "403 InvalidKey Error");
    assert_eq!(told(&site.view("/~a~b~c/dir/b.txt").await), "403 MalformedPolicy Error");
    // A `~` that no slash follows is a key.
    assert_eq!(told(&site.view("/~a").await), "403 MissingKey Error");
}

#[tokio::test]
async fn what_is_refused() {
    let site = Site::new().await;
    let good = site.signed("/a.txt");
    let other_key = site.world.make_key("other", EC_PUBLIC).await;
    let url = site.url("/a.txt");
    let policy = CloudFrontPolicy::new(&*url, site.end()).unwrap();
    let by = |key: &str, pem: &str| path_of(&signer(key, pem).sign_url(&url, &policy).unwrap());
    let sha256 =
        signer(&site.key, RSA).with_hash(CloudFrontHash::Sha256).sign_url(&url, &policy).unwrap();
    let sha256 = path_of(&sha256);
    let ended = CloudFrontPolicy::new(&*url, site.world.now).unwrap();
    let ended = path_of(&site.signer().sign_url(&url, &ended).unwrap());
    let early = policy.clone().with_start(site.world.now).unwrap();
    let early = path_of(&site.signer().sign_url(&url, &early).unwrap());
    let elsewhere = policy.clone().with_source("198.51.100.0/24".parse().unwrap());
    let elsewhere = path_of(&site.signer().sign_url(&url, &elsewhere).unwrap());
    let here = policy.clone().with_source("192.0.2.0/24".parse().unwrap());
    let here = path_of(&site.signer().sign_url(&url, &here).unwrap());
    let huge =
        format!("CloudFront-Policy={}; CloudFront-Key-Pair-Id={}", "A".repeat(16_384), site.key);
    let rows: Vec<(String, Vec<(&str, &str)>, &str)> = vec![
        (good.clone(), vec![], "200 hello"),
        (sha256.clone(), vec![], "200 hello"),
        (here, vec![], "200 hello"),
        ("/a.txt".into(), vec![], "403 MissingKey"),
        ("/none".into(), vec![], "403 MissingKey"),
        (by("K0000000000000", RSA), vec![], "403 InvalidKey"),
        // The key exists, and no group of the distribution has it.
        (by(&other_key, EC), vec![], "403 InvalidKey"),
        (by(&site.key, EC), vec![], "403 AccessDenied"),
        (sha256.replace("&Hash-Algorithm=SHA256", ""), vec![], "403 AccessDenied"),
        (ended, vec![], "403 AccessDenied"),
        (early, vec![], "403 AccessDenied"),
        (elsewhere.clone(), vec![], "403 AccessDenied"),
        // Nobody may say where they are from.
        (
            elsewhere,
            vec![("x-forwarded-for", "198.51.100.1"), ("forwarded", "for=198.51.100.1")],
            "403 AccessDenied",
        ),
        (format!("{good}&x=1"), vec![], "403 AccessDenied"),
        (good.replace("/a.txt", "/dir/b.txt"), vec![], "403 AccessDenied"),
        (good.replace("Signature=", "Signature=!"), vec![], "403 MalformedSignature"),
        (good.replace("Expires=", "Expires=x"), vec![], "403 MalformedPolicy"),
        (good.replace("Expires=", "Policy=e30_&x="), vec![], "403 MalformedPolicy"),
        (format!("{good}&Expires=1"), vec![], "403 MalformedPolicy"),
        ("/a.txt".into(), vec![("cookie", &huge)], "403 MalformedPolicy"),
        // Another host of the same distribution is another URL.
        (good.clone(), vec![("host", ALIAS)], "403 AccessDenied"),
        (good.clone(), vec![("host", "other.cdn.valet.test")], "403 page"),
    ];
    for (target, headers, expected) in rows {
        let answer = site.view_with("GET", &target, &headers).await;
        let found = told(&answer);
        assert!(found.starts_with(expected), "{target} {headers:?}: {found}");
        if answer.status == 403 && !expected.ends_with("page") {
            assert_eq!(answer.headers["content-type"], "text/xml");
            assert!(!answer.text().contains("RequestId"), "{}", answer.text());
        }
    }
}

/// What is judged under one spelling is acted upon under the same.
#[tokio::test]
async fn spellings_of_paths_open_nothing_else() {
    let site = Site::new().await;
    for key in ["secret/x", "pub/../secret/x", "pub//x", "pub/x", "ab", "pub/y%20z"] {
        let path = presign::encode_path(key.as_bytes());
        assert_eq!(
            site.world.send(put(&format!("/bucket/{path}"), key)).await.status,
            200,
            "{key}"
        );
    }
    let rows = [
        ("/pub/*", "/pub/x", "200 pub/x"),
        ("/pub/*", "/secret/x", "403 AccessDenied"),
        // A key is no path: nothing is climbed.
        ("/pub/*", "/pub/%2e%2e/secret/x", "200 pub/../secret/x"),
        ("/pub/*", "/pub/../secret/x", "200 pub/../secret/x"),
        ("/pub/*", "/pub//x", "200 pub//x"),
        ("/pub/*", "//pub/x", "403 AccessDenied"),
        ("/pub/*", "/pub%2fx", "403 AccessDenied"),
        ("/pub/*", "/%70ub/x", "403 AccessDenied"),
        ("/pub/*", "/pub%5cx", "403 AccessDenied"),
        ("/pub/*", "/pub/\\x", "403 AccessDenied"),
        ("/pub/*", "/pub/x%00", "403 AccessDenied"),
        ("/pub/*", "/pub/%ff", "400 page"),
        ("/???b", "/%61b", "403 AccessDenied"),
        ("/?b", "/%61b", "403 AccessDenied"),
        ("/?b", "/ab", "200 ab"),
        ("/*b", "/%61b", "200 ab"),
        ("/pub/y%20z", "/pub/y%20z", "403 AccessDenied"),
        ("/pub/y%2520z", "/pub/y%2520z", "200 pub/y%20z"),
    ];
    for (pattern, target, expected) in rows {
        let found = told(&site.view(&site.signed_for(pattern, target)).await);
        assert!(found.starts_with(expected), "{pattern} {target}: {found}");
    }
}

#[tokio::test]
async fn keys_and_groups_are_felt_on_the_next_request() {
    let site = Site::new().await;
    let target = site.signed("/a.txt");
    assert!(told(&site.view(&target).await).starts_with("200"));
    let group = format!("key-group/{}", site.group);
    let found = site.world.control("GET", &group, "").await;
    let etag = found.headers["etag"].to_str().unwrap().to_owned();
    let other = site.world.make_key("other", EC_PUBLIC).await;
    let without = format!(
        "<KeyGroupConfig><Name>group</Name><Items><PublicKey>{other}</PublicKey></Items></KeyGroupConfig>"
    );
    let changed = site.world.control_with("PUT", &group, &without, &[("if-match", &etag)]).await;
    assert_eq!(changed.status, 200, "{}", changed.text());
    assert_eq!(told(&site.view(&target).await), "403 InvalidKey Error");
    let url = site.url("/a.txt");
    let policy = CloudFrontPolicy::new(&*url, site.end()).unwrap();
    let by_other = path_of(&signer(&other, EC).sign_url(&url, &policy).unwrap());
    assert_eq!(told(&site.view(&by_other).await), "200 hello Hit");
    let later = site.world.later(SignedDuration::from_hours(1));
    assert_eq!(told(&site.view_at(&later, "GET", &by_other, &[]).await), "403 AccessDenied Error");
}

#[tokio::test]
async fn aliases_and_paths_lead_to_the_same_distribution() {
    let site = Site::new().await;
    let sign = |url: &str| {
        let policy = CloudFrontPolicy::new(url, site.end()).unwrap();
        path_of(&site.signer().sign_url(url, &policy).unwrap())
    };
    for (url, host) in [
        (format!("http://{ALIAS}/a.txt"), ALIAS),
        ("http://MEDIA.acme.example:8080/a.txt".to_owned(), "MEDIA.acme.example:8080"),
        (format!("http://{HOST}/_valet/cdn/{}/a.txt", site.id), HOST),
    ] {
        let answer = site.view_with("GET", &sign(&url), &[("host", host)]).await;
        assert!(told(&answer).starts_with("200 hello"), "{url}: {}", told(&answer));
    }
    // Browsers send the host in small letters, whatever was signed; and no other spelling of the path counts.
    let (small, capital) = (site.host(), format!("{}.cdn.valet.test", site.id));
    for (signed, sent) in
        [(&capital, &small), (&small, &capital), (&capital, &capital), (&small, &small)]
    {
        let target = sign(&format!("http://{signed}/a.txt"));
        let answer = site.view_with("GET", &target, &[("host", sent)]).await;
        assert!(told(&answer).starts_with("200 hello"), "{signed} {sent}: {}", told(&answer));
        let other = target.replace("/a.txt", "/dir/b.txt");
        let answer = site.view_with("GET", &other, &[("host", sent)]).await;
        assert_eq!(told(&answer), "403 AccessDenied Error", "{signed} {sent}");
    }
    // A prefix of the server's own is a key there.
    let own = format!("http://{ALIAS}/_valet/health/live");
    assert_eq!(
        told(&site.view_with("GET", &sign(&own), &[("host", ALIAS)]).await),
        "403 AccessDenied Error"
    );
    for path in ["/_valet/cdn/E0000000000000/a.txt", "/_valet/cdn/", "/_valet/cdn/%45/a"] {
        let answer = site.view_with("GET", path, &[("host", HOST)]).await;
        assert_eq!(told(&answer), "403 page Error", "{path}");
    }
}

/// A page at a host of its own runs; below the server's own origin it is an object like any other.
#[tokio::test]
async fn scripts_run_at_hosts_of_their_own_alone() {
    let mut config = served();
    config.console_url = None;
    let site = Site::with(config, |_| Wanted::cached("")).await;
    let mut page = put("/bucket/page.html", "<script>1</script>");
    page.headers.push(("content-type".into(), "text/html".into()));
    assert_eq!(site.world.send(page).await.status, 200);
    let own = site.view("/page.html").await;
    assert_eq!(own.status, 200);
    assert!(!own.headers.contains_key("content-security-policy"));
    let path = format!("/_valet/cdn/{}/page.html", site.id);
    let below = site.view_with("GET", &path, &[("host", HOST)]).await;
    assert_eq!(below.status, 200);
    assert!(below.headers["content-security-policy"].to_str().unwrap().starts_with("sandbox"));
    assert_eq!(below.headers["x-content-type-options"], "nosniff");
}

#[tokio::test]
async fn only_what_the_behaviour_names_makes_another_answer() {
    let site = Site::with(served(), |_| {
        Wanted::of(
            "<ForwardedValues><QueryString>true</QueryString><Cookies><Forward>none</Forward></Cookies>\
             <QueryStringCacheKeys><Quantity>2</Quantity><Items><Name>v</Name><Name>response-content-type</Name></Items></QueryStringCacheKeys>\
             <Headers><Quantity>1</Quantity><Items><Name>X-Kind</Name></Items></Headers></ForwardedValues>",
        )
    })
    .await;
    let rows: [(&str, &[(&str, &str)], &str); 12] = [
        ("/a.txt", &[], "Miss"),
        ("/a.txt", &[], "Hit"),
        ("/a.txt?x=1", &[], "Hit"),
        ("/a.txt?v=1", &[], "Miss"),
        ("/a.txt?v=1&x=2", &[], "Hit"),
        ("/a.txt?v=2", &[], "Miss"),
        ("/a.txt", &[("x-kind", "one")], "Miss"),
        (
            "/a.txt",
            &[("x-other", "one"), ("x-forwarded-host", "evil.example"), ("cookie", "a=b")],
            "Hit",
        ),
        (
            "/a.txt",
            &[("origin", "https://evil.example"), ("referer", "x"), ("user-agent", "x")],
            "Hit",
        ),
        ("/a.txt?response-content-type=text/css", &[], "Miss"),
        ("/a.txt?response-content-disposition=attachment", &[], "Hit"),
        ("/a.txt?versionId=x&acl&uploads", &[], "Hit"),
    ];
    for (target, headers, expected) in rows {
        let answer = site.view_with("GET", target, headers).await;
        assert_eq!(told(&answer), format!("200 hello {expected}"), "{target} {headers:?}");
        let css = target.contains("response-content-type");
        assert_eq!(answer.headers["content-type"] == "text/css", css, "{target}");
        assert!(!answer.headers.contains_key("content-disposition"));
    }
}

#[tokio::test]
async fn floods_of_ranges_are_one_answer() {
    let site = Site::with(served(), |_| Wanted::cached("")).await;
    for (range, expected) in [
        ("bytes=0-0,1-1,2-2", "200 hello Miss"),
        (&*format!("bytes={}", vec!["0-0"; 2000].join(",")), "200 hello Hit"),
        ("bytes=4-", "206 o Hit"),
        ("bytes=-99999999999999999999", "206 hello Hit"),
    ] {
        assert_eq!(told(&site.view_with("GET", "/a.txt", &[("range", range)]).await), expected);
    }
    let none = site.view_with("GET", "/a.txt", &[("range", "bytes=5-")]).await;
    assert_eq!((none.status, none.headers["content-range"].to_str().unwrap()), (416, "bytes */5"));
}

#[tokio::test]
async fn an_invalidation_is_felt_on_the_next_request() {
    let site = Site::with(served(), |_| Wanted::cached("")).await;
    for target in ["/a.txt", "/dir/b.txt"] {
        assert!(told(&site.view(target).await).ends_with("Miss"));
    }
    assert_eq!(site.world.send(put("/bucket/a.txt", "other")).await.status, 200);
    let later = site.world.later(SignedDuration::from_secs(1));
    assert_eq!(told(&site.view_at(&later, "GET", "/a.txt", &[]).await), "200 hello Hit");
    let path = format!("distribution/{}/invalidation", site.id);
    let batch = |reference: &str, path: &str| {
        format!(
            "<InvalidationBatch><Paths><Quantity>1</Quantity><Items><Path>{path}</Path></Items></Paths><CallerReference>{reference}</CallerReference></InvalidationBatch>"
        )
    };
    let made = later.control("POST", &path, &batch("1", "/a*")).await;
    assert_eq!(
        (made.status, element(&made, "Status")),
        (201, "Completed".into()),
        "{}",
        made.text()
    );
    let after = site.world.later(SignedDuration::from_secs(2));
    assert_eq!(told(&site.view_at(&after, "GET", "/a.txt", &[]).await), "200 other Miss");
    assert_eq!(told(&site.view_at(&after, "GET", "/a.txt", &[]).await), "200 other Hit");
    assert_eq!(told(&site.view_at(&after, "GET", "/dir/b.txt", &[]).await), "200 there Hit");
    for (reference, paths, expected) in [
        ("1", "/a*", "201 "),
        ("1", "/b*", "400 InvalidArgument"),
        ("2", "a", "400 InvalidArgument"),
        ("2", "/a*b", "400 InvalidArgument"),
    ] {
        let found = later.control("POST", &path, &batch(reference, paths)).await;
        assert!(told(&found).starts_with(expected), "{reference} {paths}: {}", told(&found));
    }
}

#[tokio::test]
async fn behaviours_decide_by_path_and_method() {
    let site = Site::with(served(), |group| Wanted {
        more: format!(
            "<CacheBehaviors><Quantity>2</Quantity><Items>\
             <CacheBehavior><PathPattern>dir/*</PathPattern><TargetOriginId>o</TargetOriginId><ViewerProtocolPolicy>allow-all</ViewerProtocolPolicy><CachePolicyId>{CACHED}</CachePolicyId>{}</CacheBehavior>\
             <CacheBehavior><PathPattern>/put/*</PathPattern><TargetOriginId>o</TargetOriginId><ViewerProtocolPolicy>allow-all</ViewerProtocolPolicy><CachePolicyId>{NOT_CACHED}</CachePolicyId>\
             <AllowedMethods><Quantity>7</Quantity><Items><Method>GET</Method><Method>HEAD</Method><Method>OPTIONS</Method><Method>PUT</Method><Method>POST</Method><Method>PATCH</Method><Method>DELETE</Method></Items></AllowedMethods></CacheBehavior>\
             </Items></CacheBehaviors><DefaultRootObject>index.html</DefaultRootObject>\
             <CustomErrorResponses><Quantity>1</Quantity><Items><CustomErrorResponse><ErrorCode>403</ErrorCode><ResponsePagePath>/index.html</ResponsePagePath><ResponseCode>200</ResponseCode></CustomErrorResponse></Items></CustomErrorResponses>",
            trusted(group)
        ),
        ..Wanted::cached("")
    })
    .await;
    site.allow("s3:*Object").await;
    let rows: [(&str, &str, &str); 10] = [
        ("GET", "/", "200 <p>root</p> Miss"),
        ("GET", "/a.txt", "200 hello Miss"),
        ("GET", "/dir/b.txt", "403 MissingKey Error"),
        ("GET", "/%64ir/b.txt", "403 MissingKey Error"),
        ("PUT", "/a.txt", "403 page Error"),
        ("DELETE", "/dir/b.txt", "403 page Error"),
        ("OPTIONS", "/a.txt", "403 page Error"),
        ("PUT", "/put/x", "200  Miss"),
        ("GET", "/put/x", "200  Miss"),
        ("DELETE", "/put/x", "204  Miss"),
    ];
    for (method, target, expected) in rows {
        assert_eq!(told(&site.view_with(method, target, &[]).await), expected, "{method} {target}");
    }
    // The page stands for what is not there, with a status of its own.
    let gone = site.view("/none").await;
    assert_eq!((gone.status, gone.text()), (200, "<p>root</p>"));
    assert_eq!(gone.headers["x-cache"], "Error from cloudfront");
}

#[tokio::test]
async fn the_bucket_stays_closed_to_others() {
    let site = Site::with(served(), |_| Wanted::cached("")).await;
    assert_eq!(site.world.send_raw(get("/bucket/a.txt")).await.status, 403);
    assert!(told(&site.view("/a.txt").await).starts_with("200"));
    // Another distribution of the same account is not the one that the policy names.
    let other = Wanted { reference: "two", ..Wanted::cached("") };
    let made = site.world.control("POST", "distribution", &document(&other, &site.control)).await;
    let host = format!("{}.cdn.valet.test", element(&made, "Id").to_ascii_lowercase());
    assert_eq!(
        told(&site.view_with("GET", "/a.txt", &[("host", &host)]).await),
        "403 AccessDenied Error"
    );
    // Without access control it reads as anybody.
    let anybody = Wanted { reference: "three", ..Wanted::cached("") };
    let made = site.world.control("POST", "distribution", &document(&anybody, "")).await;
    let host = format!("{}.cdn.valet.test", element(&made, "Id").to_ascii_lowercase());
    assert_eq!(
        told(&site.view_with("GET", "/a.txt", &[("host", &host)]).await),
        "403 AccessDenied Error"
    );
    let disabled = Wanted { reference: "four", enabled: false, ..Wanted::cached("") };
    let made =
        site.world.control("POST", "distribution", &document(&disabled, &site.control)).await;
    let host = format!("{}.cdn.valet.test", element(&made, "Id").to_ascii_lowercase());
    assert_eq!(told(&site.view_with("GET", "/a.txt", &[("host", &host)]).await), "403 page Error");
}

#[tokio::test]
async fn viewers_come_over_https_where_it_is_asked_for() {
    let mut with_https = served();
    with_https.public_urls = vec![PublicUrl::parse("https://files.example").unwrap()];
    for (config, policy, expected) in [
        (served(), "https-only", "403 page Error"),
        (served(), "redirect-to-https", "403 page Error"),
        (with_https, "redirect-to-https", "301  Error"),
    ] {
        let site = Site::with(config, |_| Wanted::cached("")).await;
        let path = format!("distribution/{}/config", site.id);
        let found = site.world.control("GET", &path, "").await;
        let etag = found.headers["etag"].to_str().unwrap().to_owned();
        let changed = document(&Wanted::cached(""), &site.control).replace("allow-all", policy);
        let changed = site.world.control_with("PUT", &path, &changed, &[("if-match", &etag)]).await;
        assert_eq!(changed.status, 200, "{}", changed.text());
        let answer = site.view("/a.txt?x=1").await;
        assert_eq!(told(&answer), expected, "{policy}");
        if answer.status == 301 {
            let location = answer.headers["location"].to_str().unwrap();
            assert_eq!(location, format!("https://{}/a.txt?x=1", site.host()));
        }
    }
}

#[tokio::test]
async fn pages_of_other_origins_are_told_what_they_may() {
    let site = Site::with(served(), |_| Wanted::cached(
        "<ResponseHeadersPolicyId>5cc3b908-e619-4b99-88e5-2cf7f45965bd</ResponseHeadersPolicyId>\
         <AllowedMethods><Quantity>3</Quantity><Items><Method>GET</Method><Method>HEAD</Method><Method>OPTIONS</Method></Items></AllowedMethods>",
    ))
    .await;
    let page = ("origin", "https://app.example");
    let read = site.view_with("GET", "/a.txt", &[page]).await;
    assert_eq!(read.headers["access-control-allow-origin"], "*");
    let asked =
        [page, ("access-control-request-method", "PUT"), ("access-control-request-headers", "x-a")];
    let preflight = site.view_with("OPTIONS", "/a.txt", &asked).await;
    assert_eq!((preflight.status, preflight.text()), (200, ""));
    assert!(preflight.headers["access-control-allow-methods"].to_str().unwrap().contains("PUT"));
}

#[tokio::test]
async fn answers_are_compressed_for_those_who_take_it() {
    let site = Site::with(served(), |_| Wanted::cached("<Compress>true</Compress>")).await;
    let mut page = put("/bucket/page.css", &"a { color: red } ".repeat(500));
    page.headers.push(("content-type".into(), "text/css".into()));
    assert_eq!(site.world.send(page).await.status, 200);
    for (accepts, coding, cache) in [
        ("gzip, br", Some("br"), "Miss"),
        ("br", Some("br"), "Hit"),
        ("gzip", Some("gzip"), "Miss"),
        ("zstd, gzip", Some("zstd"), "Miss"),
        ("identity", None, "Miss"),
    ] {
        let answer = site.view_with("GET", "/page.css", &[("accept-encoding", accepts)]).await;
        let found = answer.headers.get("content-encoding").map(|it| it.to_str().unwrap());
        assert_eq!((answer.status, found), (200, coding), "{accepts}");
        assert_eq!(answer.headers["vary"], "Accept-Encoding");
        assert!(answer.headers["x-cache"].to_str().unwrap().starts_with(cache), "{accepts}");
        assert_eq!(answer.body.len() < 1000, coding.is_some());
    }
    let part = site
        .view_with("GET", "/page.css", &[("accept-encoding", "br"), ("range", "bytes=0-0")])
        .await;
    assert_eq!((part.status, part.text()), (206, "a"));
}

/// A policy for another host is no policy for a distribution that a path names: whoever asks may name any host.
#[tokio::test]
async fn a_policy_for_one_host_opens_nothing_at_another() {
    let site = Site::new().await;
    let path = format!("/_valet/cdn/{}/a.txt", site.id);
    let check = async |resource: &str, host: &str, expected: &str| {
        let policy = CloudFrontPolicy::new(resource, site.end()).unwrap();
        let text = policy.to_json(CloudFrontStyle::Cli);
        let signed = site.signer().sign_url_with_text(&format!("http://h{path}"), &text).unwrap();
        let signed = path_of(&signed);
        let (_, query) = signed.split_once('?').unwrap();
        let cookie = format!("CloudFront-{}", query.replace('&', "; CloudFront-"));
        let token = site.signer().path_token(&text).unwrap();
        let in_path = path.replace("/a.txt", &format!("/{token}/a.txt"));
        for (target, headers) in [
            (&signed, vec![("host", host)]),
            (&path, vec![("host", host), ("cookie", cookie.as_str())]),
            (&in_path, vec![("host", host)]),
        ] {
            let answer = told(&site.view_with("GET", target, &headers).await);
            assert!(answer.starts_with(expected), "{resource} {host} {target}: {answer}");
        }
    };
    check("http://never-heard.test/*", "never-heard.test", "403 AccessDenied").await;
    check(&format!("http://{ALIAS}/*"), "never-heard.test", "403 AccessDenied").await;
    check("http*://*/*", "never-heard.test", "403 AccessDenied").await;
    check("*", "never-heard.test", "200 hello").await;
    let named = format!("http://never-heard.test/_valet/cdn/{}/*", site.id);
    check(&named, "never-heard.test", "200 hello").await;
    check(&named, "other.test", "403 AccessDenied").await;
    // At the host of a distribution, a path is its own, whatever it looks like.
    check(&format!("http://{ALIAS}/*"), ALIAS, "403").await;
    let own = site.view_with("GET", &site.signed("/a.txt"), &[]).await;
    assert!(told(&own).starts_with("200 hello"));
}

/// What the bucket answers is for all viewers: it does not depend on who asks first.
#[tokio::test]
async fn the_bucket_sees_no_viewer() {
    let site = Site::with(served(), |_| Wanted::cached("")).await;
    let anybody = site.world.control("GET", &format!("distribution/{}/config", site.id), "").await;
    let etag = anybody.headers["etag"].to_str().unwrap().to_owned();
    let open = document(&Wanted::cached(""), "");
    let path = format!("distribution/{}/config", site.id);
    let changed = site.world.control_with("PUT", &path, &open, &[("if-match", &etag)]).await;
    assert_eq!(changed.status, 200, "{}", changed.text());
    let mut direct = Vec::new();
    for (range, expected) in [("192.0.2.0/24", "403"), ("127.0.0.0/8", "403"), ("::1/128", "403")] {
        let policy = format!(
            r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::bucket/*","Condition":{{"IpAddress":{{"aws:SourceIp":"{range}"}}}}}}]}}"#
        );
        let block = ask("DELETE", "/bucket?publicAccessBlock");
        assert_eq!(site.world.send(block).await.status, 204);
        assert_eq!(site.world.send(put("/bucket?policy", &policy)).await.status, 204);
        // Who asks the bucket itself from there gets it, so the row is about the distribution.
        direct.push(site.world.send_raw(ask("GET", "/bucket/a.txt")).await.status);
        let later = site.world.later(SignedDuration::from_secs(60));
        let viewed = site.view_at(&later, "GET", &format!("/a.txt?{range}"), &[]).await;
        assert_eq!(viewed.status.to_string(), expected, "{range}");
    }
    assert!(
        direct.contains(&200),
        "who asks the bucket itself gets it from one of them: {direct:?}"
    );
}

/// An origin request policy that sends on all that viewers send makes nobody read something else.
#[tokio::test]
async fn all_headers_of_viewers_are_those_of_pages() {
    for policy in [
        // AllViewer and AllViewerExceptHostHeader
        "216adef6-5c7f-47e4-b989-5492eafa07d3",
        "b689b0a8-53d0-40ab-baf2-68738e2966ac",
    ] {
        let site = Site::with(served(), |_| {
            Wanted::cached(&format!("<OriginRequestPolicyId>{policy}</OriginRequestPolicyId>"))
        })
        .await;
        for (headers, expected) in [
            (vec![], "200 hello Miss"),
            (vec![("user-agent", "x"), ("cookie", "a=b"), ("range", "bytes=0-4")], "206 hello Hit"),
            (vec![("x-amz-copy-source", "/bucket/dir/b.txt"), ("if-match", "\"x\"")], "412"),
            (vec![("authorization", "Bearer x")], "200 hello Hit"),
            (vec![("origin", "https://app.example")], "200 hello Miss"),
        ] {
            let answer = told(&site.view_with("GET", "/a.txt", &headers).await);
            assert!(answer.starts_with(expected), "{policy} {headers:?}: {answer}");
        }
    }
}

/// A parameter has one name, however it is spelt.
#[tokio::test]
async fn a_parameter_that_is_left_out_is_left_out_in_any_spelling() {
    let world_policy = "<OriginRequestPolicyConfig><Name>but</Name><HeadersConfig><HeaderBehavior>none</HeaderBehavior></HeadersConfig>\
         <CookiesConfig><CookieBehavior>none</CookieBehavior></CookiesConfig>\
         <QueryStringsConfig><QueryStringBehavior>allExcept</QueryStringBehavior>\
         <QueryStrings><Quantity>1</Quantity><Items><Name>response-content-type</Name></Items></QueryStrings></QueryStringsConfig></OriginRequestPolicyConfig>";
    let site = Site::with(served(), |_| Wanted::cached("")).await;
    let made = site.world.control("POST", "origin-request-policy", world_policy).await;
    assert_eq!(made.status, 201, "{}", made.text());
    let policy = element(&made, "Id");
    site.change(&Wanted::cached(&format!(
        "<OriginRequestPolicyId>{policy}</OriginRequestPolicyId>"
    )))
    .await;
    for (target, is_html) in [
        ("/a.txt?response-content-type=text/html", false),
        ("/a.txt?response-content-typ%65=text/html", false),
        ("/a.txt?response-content-language=de", false),
    ] {
        let answer = site.view(target).await;
        assert_eq!(answer.status, 200, "{target}");
        assert_eq!(answer.headers["content-type"] == "text/html", is_html, "{target}");
    }
}

/// What a behaviour's policy adds to answers below the server's own origin: nothing that rules over the origin, and nothing
/// that takes the sandbox away later.
#[tokio::test]
async fn no_policy_rules_over_the_servers_own_origin() {
    let mut config = served();
    config.console_url = None;
    let site = Site::with(config, |_| Wanted::cached("")).await;
    let header = |name: &str, value: &str| {
        format!(
            "<ResponseHeadersPolicyCustomHeader><Header>{name}</Header><Value>{value}</Value><Override>true</Override></ResponseHeadersPolicyCustomHeader>"
        )
    };
    let ruling = [
        "NEL",
        "Report-To",
        "Reporting-Endpoints",
        "Alt-Svc",
        "Accept-CH",
        "Clear-Site-Data",
        "Set-Cookie",
        "Refresh",
    ];
    let mut all: Vec<_> = ruling.iter().map(|name| header(name, "x")).collect();
    all.push(header("Content-Type", "text/html"));
    all.push(header("X-Own", "kept"));
    let document = format!(
        "<ResponseHeadersPolicyConfig><Name>all</Name><SecurityHeadersConfig><ContentSecurityPolicy><Override>true</Override>\
         <ContentSecurityPolicy>img-src *</ContentSecurityPolicy></ContentSecurityPolicy></SecurityHeadersConfig>\
         <CustomHeadersConfig><Quantity>{}</Quantity><Items>{}</Items></CustomHeadersConfig></ResponseHeadersPolicyConfig>",
        all.len(),
        all.concat()
    );
    let made = site.world.control("POST", "response-headers-policy", &document).await;
    assert_eq!(made.status, 201, "{}", made.text());
    let policy = element(&made, "Id");
    site.change(&Wanted::cached(&format!(
        "<ResponseHeadersPolicyId>{policy}</ResponseHeadersPolicyId>"
    )))
    .await;
    let path = format!("/_valet/cdn/{}/index.html", site.id);
    let first = site.view_with("GET", &path, &[("host", HOST)]).await;
    assert_eq!(first.status, 200);
    assert!(first.headers["content-security-policy"].to_str().unwrap().starts_with("sandbox"));
    let etag = first.headers["etag"].to_str().unwrap().to_owned();
    let again = [("host", HOST), ("if-none-match", &*etag)];
    let again = site.view_with("GET", &path, &again).await;
    assert_eq!(again.status, 304);
    for name in ["content-security-policy", "content-type", "content-disposition"] {
        assert!(!again.headers.contains_key(name), "{name}: {:?}", again.headers);
    }
    for answer in [&first, &again] {
        assert_eq!(answer.headers["x-own"], "kept");
        for name in ruling {
            assert!(!answer.headers.contains_key(name), "{name}");
        }
    }
    // At a host of its own the policy is the distribution's to make.
    let own = site.view("/index.html").await;
    assert_eq!(own.headers["content-security-policy"], "img-src *");
    assert_eq!(own.headers["report-to"], "x");
}

/// Whose hosts lead where: nobody takes the server's own name, and what a client of S3 signs is for no distribution.
#[tokio::test]
async fn an_alias_takes_nothing_from_clients_of_s3() {
    let site = Site::new().await;
    let mut signed = site.world.sign(put("/bucket/by-alias", "mine"));
    signed = signed.set("host", ALIAS);
    let answer = site.world.send_raw(signed).await;
    assert_eq!(answer.status, 403, "the signature covers the host");
    let link = site.world.link_at(&At::path(&format!("http://{ALIAS}")), "GET", "a.txt");
    let answer = site.world.send_raw(link).await;
    assert_eq!(
        (answer.status, answer.text()),
        (200, "hello"),
        "a link of S3 for that host is S3's"
    );
}

/// A token stands only where it can be one; the folder of somebody is a folder.
#[tokio::test]
async fn a_tilde_alone_is_no_token() {
    let site = Site::with(served(), |_| Wanted::cached("")).await;
    for key in ["~user/x.txt", "~a~b~c/x.txt", "x.txt"] {
        assert_eq!(site.world.send(put(&format!("/bucket/{key}"), key)).await.status, 200);
    }
    for (target, expected) in [
        ("/~user/x.txt", "200 ~user/x.txt"),
        ("/%7Euser/x.txt", "200 ~user/x.txt"),
        ("/~a~b~c/x.txt", "200 ~a~b~c/x.txt"),
        ("/~any/x.txt", "403"),
        ("/~/x.txt", "403"),
        ("/x.txt", "200 x.txt"),
    ] {
        let answer = told(&site.view(target).await);
        assert!(answer.starts_with(expected), "{target}: {answer}");
    }
}

/// What no object can be called is refused before any pattern is compared with it.
#[tokio::test]
async fn what_is_too_long_is_refused_at_once() {
    let site = Site::new().await;
    let long = "a".repeat(1024);
    for (target, expected) in [
        (site.signed(&format!("/{long}")), "403 AccessDenied"),
        (site.signed(&format!("/{long}a")), "400 page"),
        (site.signed_for("/*", &format!("/a.txt?x={}", "y".repeat(9000))), "400 page"),
        (site.signed_for("/*", &format!("/a.txt?x={}", "y".repeat(7000))), "200 hello"),
    ] {
        let answer = told(&site.view(&target).await);
        assert!(answer.starts_with(expected), "{}: {answer}", target.len());
    }
}

/// The page that stands for an error is sent whole, whatever a viewer wanted of the file that is not there.
#[tokio::test]
async fn ranges_and_conditions_are_not_about_the_page_of_an_error() {
    let site = Site::with(served(), |_| Wanted {
        more: "<CustomErrorResponses><Quantity>1</Quantity><Items><CustomErrorResponse><ErrorCode>403</ErrorCode>\
               <ResponsePagePath>/a.txt</ResponsePagePath><ResponseCode>404</ResponseCode><ErrorCachingMinTTL>0</ErrorCachingMinTTL>\
               </CustomErrorResponse></Items></CustomErrorResponses>".to_owned(),
        ..Wanted::cached("")
    })
    .await;
    for headers in [
        vec![],
        vec![("range", "bytes=2-4")],
        vec![("if-none-match", "*")],
        vec![("if-modified-since", "Fri, 15 Jan 2038 08:00:00 GMT")],
    ] {
        let answer = site.view_with("GET", "/none", &headers).await;
        assert_eq!((answer.status, answer.text()), (404, "hello"), "{headers:?}");
    }
}

/// A change reads anew what has changed, and all else goes on as it was.
#[tokio::test]
async fn what_did_not_change_goes_on() {
    let site = Site::new().await;
    let target = site.signed("/a.txt");
    assert!(told(&site.view(&target).await).starts_with("200 hello"));
    let second = Wanted {
        reference: "two",
        aliases: vec!["two.acme.example"],
        ..Wanted::cached(&trusted(&site.group))
    };
    let made = site.world.control("POST", "distribution", &document(&second, &site.control)).await;
    assert_eq!(made.status, 201, "{}", made.text());
    for change in 0..3 {
        let invalidation = format!(
            "<InvalidationBatch><Paths><Quantity>1</Quantity><Items><Path>/none</Path></Items></Paths><CallerReference>{change}</CallerReference></InvalidationBatch>"
        );
        let path = format!("distribution/{}/invalidation", site.id);
        assert_eq!(site.world.control("POST", &path, &invalidation).await.status, 201);
        assert!(told(&site.view(&target).await).starts_with("200 hello"), "{change}");
    }
    // A group of another name is a change of what distributions name.
    site.world.make_group("other", &[&site.key]).await;
    assert!(told(&site.view(&target).await).starts_with("200 hello"));
    let wanted = Wanted { aliases: vec![ALIAS], ..Wanted::cached(&trusted(&site.group)) };
    let more = "<DefaultRootObject>index.html</DefaultRootObject>".to_owned();
    site.change(&Wanted { more, ..wanted }).await;
    assert!(told(&site.view(&target).await).starts_with("200 hello"));
    assert!(told(&site.view("/a.txt").await).starts_with("403 MissingKey"));
}
