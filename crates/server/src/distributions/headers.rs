//! Response headers policies: which headers are added to answers, and which are taken away.

use hyper::HeaderMap;
use hyper::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE,
    ACCESS_CONTROL_REQUEST_HEADERS, ACCESS_CONTROL_REQUEST_METHOD, CONTENT_SECURITY_POLICY,
    HeaderName, HeaderValue, ORIGIN, REFERRER_POLICY, STRICT_TRANSPORT_SECURITY, VARY,
    X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS, X_XSS_PROTECTION,
};

use crate::xml::Element;

/// What a policy does to answers.
#[derive(Debug)]
pub(crate) struct AnswerHeaders {
    removed: Vec<HeaderName>,
    added: Vec<Added>,
    cors: Option<Cors>,
}

#[derive(Debug)]
struct Added {
    name: HeaderName,
    value: HeaderValue,
    /// Whether it stands in the place of what the origin sent.
    overrides: bool,
}

/// Which pages of other origins may use the answers.
#[derive(Debug)]
struct Cors {
    origins: Vec<String>,
    methods: Vec<String>,
    headers: Vec<String>,
    exposed: Vec<String>,
    allows_credentials: bool,
    max_age_seconds: Option<String>,
    overrides: bool,
}

impl AnswerHeaders {
    pub(super) fn read(policy: &Element) -> Self {
        let mut added = Vec::new();
        let mut add = |name: HeaderName, value: String, element: Option<&Element>| {
            let overrides = element.is_some_and(|element| element.text_at(&["Override"]) == "true");
            if let (Some(_), Ok(value)) = (element, HeaderValue::from_str(&value)) {
                added.push(Added { name, value, overrides });
            }
        };
        let security = policy.child("SecurityHeadersConfig");
        let of = |name: &str| security.and_then(|security| security.child(name));
        let text = |element: Option<&Element>, name: &str| {
            element.map(|element| element.text_at(&[name]).to_owned()).unwrap_or_default()
        };
        let xss = of("XSSProtection");
        add(X_XSS_PROTECTION, xss.map(xss_value).unwrap_or_default(), xss);
        let frames = of("FrameOptions");
        add(X_FRAME_OPTIONS, text(frames, "FrameOption"), frames);
        let referrer = of("ReferrerPolicy");
        add(REFERRER_POLICY, text(referrer, "ReferrerPolicy"), referrer);
        let content = of("ContentSecurityPolicy");
        add(CONTENT_SECURITY_POLICY, text(content, "ContentSecurityPolicy"), content);
        add(X_CONTENT_TYPE_OPTIONS, "nosniff".to_owned(), of("ContentTypeOptions"));
        let transport = of("StrictTransportSecurity");
        add(STRICT_TRANSPORT_SECURITY, transport.map(hsts_value).unwrap_or_default(), transport);
        for custom in policy.items(&["CustomHeadersConfig"]) {
            if let Ok(name) = HeaderName::from_bytes(custom.text_at(&["Header"]).as_bytes()) {
                add(name, custom.text_at(&["Value"]).to_owned(), Some(custom));
            }
        }
        let removed = policy.items(&["RemoveHeadersConfig"]);
        let removed = removed
            .filter_map(|it| HeaderName::from_bytes(it.text_at(&["Header"]).as_bytes()).ok());
        Self { removed: removed.collect(), added, cors: policy.child("CorsConfig").map(Cors::read) }
    }

    /// Whether the policy says which pages of other origins may use the answers.
    pub(crate) fn has_cors(&self) -> bool {
        self.cors.is_some()
    }

    /// Does to an answer what the policy says.
    pub(crate) fn apply(&self, answer: &mut HeaderMap, asked: &HeaderMap) {
        for name in &self.removed {
            answer.remove(name);
        }
        for Added { name, value, overrides } in &self.added {
            if *overrides || !answer.contains_key(name) {
                answer.insert(name, value.clone());
            }
        }
        if let Some(cors) = &self.cors {
            cors.apply(answer, asked);
        }
    }

    /// The headers of the answer to a preflight; `None`: the page may not.
    pub(crate) fn preflight(&self, asked: &HeaderMap) -> Option<HeaderMap> {
        let cors = self.cors.as_ref()?;
        let method = asked.get(ACCESS_CONTROL_REQUEST_METHOD)?.to_str().ok()?;
        cors.methods.iter().any(|allowed| allowed == "ALL" || allowed == method).then_some(())?;
        let wanted = asked.get(ACCESS_CONTROL_REQUEST_HEADERS).and_then(|it| it.to_str().ok());
        let mut wanted =
            wanted.unwrap_or_default().split(',').map(str::trim).filter(|it| !it.is_empty());
        wanted.all(|header| cors.allows_header(header)).then_some(())?;
        let mut answer = HeaderMap::new();
        cors.apply(&mut answer, asked);
        answer.contains_key(ACCESS_CONTROL_ALLOW_ORIGIN).then_some(answer)
    }
}

impl Cors {
    fn read(cors: &Element) -> Self {
        let list = |name: &str| cors.items(&[name]).map(|item| item.text.clone()).collect();
        Self {
            origins: list("AccessControlAllowOrigins"),
            methods: list("AccessControlAllowMethods"),
            headers: list("AccessControlAllowHeaders"),
            exposed: list("AccessControlExposeHeaders"),
            allows_credentials: cors.text_at(&["AccessControlAllowCredentials"]) == "true",
            max_age_seconds: cors
                .child("AccessControlMaxAgeSec")
                .map(|seconds| seconds.text.clone()),
            overrides: cors.text_at(&["OriginOverride"]) == "true",
        }
    }

    fn allows_header(&self, header: &str) -> bool {
        self.headers
            .iter()
            .any(|allowed| wildcard(&allowed.to_ascii_lowercase(), &header.to_ascii_lowercase()))
    }

    fn apply(&self, answer: &mut HeaderMap, asked: &HeaderMap) {
        let Some(origin) = asked.get(ORIGIN).and_then(|origin| origin.to_str().ok()) else {
            return;
        };
        if !self.overrides && answer.contains_key(ACCESS_CONTROL_ALLOW_ORIGIN) {
            return;
        }
        let is_any = self.origins.iter().any(|allowed| allowed == "*");
        let fits = is_any || self.origins.iter().any(|allowed| wildcard(allowed, origin));
        if !is_any {
            answer.append(VARY, HeaderValue::from_static("Origin"));
        }
        for name in [
            ACCESS_CONTROL_ALLOW_ORIGIN,
            ACCESS_CONTROL_ALLOW_METHODS,
            ACCESS_CONTROL_ALLOW_HEADERS,
            ACCESS_CONTROL_ALLOW_CREDENTIALS,
            ACCESS_CONTROL_EXPOSE_HEADERS,
            ACCESS_CONTROL_MAX_AGE,
        ] {
            answer.remove(name);
        }
        if !fits {
            return;
        }
        let mut set = |name: HeaderName, value: &str| {
            if let Ok(value) = HeaderValue::from_str(value) {
                answer.insert(name, value);
            }
        };
        set(ACCESS_CONTROL_ALLOW_ORIGIN, if is_any { "*" } else { origin });
        if self.allows_credentials {
            set(ACCESS_CONTROL_ALLOW_CREDENTIALS, "true");
        }
        if asked.contains_key(ACCESS_CONTROL_REQUEST_METHOD) {
            let all = ["GET", "HEAD", "OPTIONS", "PUT", "POST", "PATCH", "DELETE"].join(", ");
            let is_all = self.methods.iter().any(|method| method == "ALL");
            set(ACCESS_CONTROL_ALLOW_METHODS, &if is_all { all } else { self.methods.join(", ") });
            set(ACCESS_CONTROL_ALLOW_HEADERS, &self.headers.join(", "));
            if let Some(seconds) = &self.max_age_seconds {
                set(ACCESS_CONTROL_MAX_AGE, seconds);
            }
        } else if !self.exposed.is_empty() {
            set(ACCESS_CONTROL_EXPOSE_HEADERS, &self.exposed.join(", "));
        }
    }
}

/// One `*` at most, for any characters.
fn wildcard(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((start, end)) => {
            text.len() >= start.len() + end.len() && text.starts_with(start) && text.ends_with(end)
        }
    }
}

fn xss_value(xss: &Element) -> String {
    if xss.text_at(&["Protection"]) != "true" {
        return "0".to_owned();
    }
    let mut value = String::from("1");
    if xss.text_at(&["ModeBlock"]) == "true" {
        value.push_str("; mode=block");
    }
    let report = xss.text_at(&["ReportUri"]);
    if !report.is_empty() {
        value.push_str("; report=");
        value.push_str(report);
    }
    value
}

fn hsts_value(hsts: &Element) -> String {
    let mut value = format!("max-age={}", hsts.text_at(&["AccessControlMaxAgeSec"]));
    if hsts.text_at(&["IncludeSubdomains"]) == "true" {
        value.push_str("; includeSubDomains");
    }
    if hsts.text_at(&["Preload"]) == "true" {
        value.push_str("; preload");
    }
    value
}
