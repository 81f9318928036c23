//! Policies that exist in every account, under the ids that AWS gives them.

use std::sync::{Arc, LazyLock};

use store::ResourceKind;

use crate::xml::Element;

/// The state of all managed policies, which never change.
pub(crate) const MANAGED_ETAG: &str = "E23ZP02F085DFQ";

/// A policy that nobody made and nobody can change.
#[derive(Debug)]
pub(crate) struct ManagedPolicy {
    kind: ResourceKind,
    id: &'static str,
    config: Arc<Element>,
}

impl ManagedPolicy {
    pub(crate) fn id(&self) -> &'static str {
        self.id
    }

    pub(crate) fn config(&self) -> &Arc<Element> {
        &self.config
    }
}

/// The managed policy of a kind and id.
pub(crate) fn find(kind: ResourceKind, id: &str) -> Option<&'static ManagedPolicy> {
    all(kind).find(|policy| policy.id == id)
}

/// The managed policies of a kind.
pub(crate) fn all(kind: ResourceKind) -> impl Iterator<Item = &'static ManagedPolicy> {
    MANAGED.iter().filter(move |policy| policy.kind == kind)
}

static MANAGED: LazyLock<Vec<ManagedPolicy>> = LazyLock::new(|| {
    let policies =
        cache_policies().chain(origin_request_policies()).chain(response_headers_policies());
    policies
        .filter_map(|(kind, id, document)| {
            Some(ManagedPolicy { kind, id, config: Arc::new(Element::parse(document.as_bytes())?) })
        })
        .collect()
});

type Policy = (ResourceKind, &'static str, String);

fn names(element: &str, item: &str, names: &[&str]) -> String {
    let items: Vec<String> = names.iter().map(|name| format!("<{item}>{name}</{item}>")).collect();
    let items = items.concat();
    format!("<{element}><Quantity>{}</Quantity><Items>{items}</Items></{element}>", names.len())
}

fn cache_policies() -> impl Iterator<Item = Policy> {
    let rows = [
        (
            "658327ea-f89d-4fab-a63d-7e88639e58f6",
            "CachingOptimized",
            [1, 86_400, 31_536_000],
            "true",
            "",
        ),
        ("4135ea2d-6df8-44a3-9df3-4b5a84be39ad", "CachingDisabled", [0, 0, 0], "false", ""),
        (
            "b2884449-e4de-46a7-ac36-70bc7f1ddd6d",
            "CachingOptimizedForUncompressedObjects",
            [1, 86_400, 31_536_000],
            "false",
            "",
        ),
        (
            "08627262-05a9-4f76-9ded-b50ca2e3a84f",
            "Elemental-MediaPackage",
            [0, 86_400, 31_536_000],
            "gzip",
            "media",
        ),
    ];
    rows.into_iter().map(|(id, name, [min, default, max], compress, media)| {
        let gzip = compress != "false";
        let brotli = compress == "true";
        let (headers, query) = if media.is_empty() {
            ("<HeaderBehavior>none</HeaderBehavior>".to_owned(), "<QueryStringBehavior>none</QueryStringBehavior>".to_owned())
        } else {
            (
                format!("<HeaderBehavior>whitelist</HeaderBehavior>{}", names("Headers", "Name", &["Origin"])),
                format!(
                    "<QueryStringBehavior>whitelist</QueryStringBehavior>{}",
                    names("QueryStrings", "Name", &["aws.manifestfilter", "start", "end", "m"])
                ),
            )
        };
        let document = format!(
            "<CachePolicyConfig><Comment/><Name>Managed-{name}</Name><DefaultTTL>{default}</DefaultTTL>\
             <MaxTTL>{max}</MaxTTL><MinTTL>{min}</MinTTL><ParametersInCacheKeyAndForwardedToOrigin>\
             <EnableAcceptEncodingGzip>{gzip}</EnableAcceptEncodingGzip>\
             <EnableAcceptEncodingBrotli>{brotli}</EnableAcceptEncodingBrotli>\
             <HeadersConfig>{headers}</HeadersConfig>\
             <CookiesConfig><CookieBehavior>none</CookieBehavior></CookiesConfig>\
             <QueryStringsConfig>{query}</QueryStringsConfig>\
             </ParametersInCacheKeyAndForwardedToOrigin></CachePolicyConfig>"
        );
        (ResourceKind::CachePolicy, id, document)
    })
}

fn origin_request_policies() -> impl Iterator<Item = Policy> {
    let s3 = ["Origin", "Access-Control-Request-Headers", "Access-Control-Request-Method"];
    let rows = [
        (
            "88a5eaf4-2fd4-4709-b370-b4c650ea3fcf",
            "CORS-S3Origin",
            "whitelist",
            names("Headers", "Name", &s3),
            "none",
        ),
        (
            "59781a5b-3903-41f3-afcb-af62929ccde1",
            "CORS-CustomOrigin",
            "whitelist",
            names("Headers", "Name", &["Origin"]),
            "none",
        ),
        (
            "acba4595-bd28-49b8-b9fe-13317c0390fa",
            "UserAgentRefererHeaders",
            "whitelist",
            names("Headers", "Name", &["User-Agent", "Referer"]),
            "none",
        ),
        ("216adef6-5c7f-47e4-b989-5492eafa07d3", "AllViewer", "allViewer", String::new(), "all"),
        (
            "b689b0a8-53d0-40ab-baf2-68738e2966ac",
            "AllViewerExceptHostHeader",
            "allExcept",
            names("Headers", "Name", &["Host"]),
            "all",
        ),
    ];
    rows.into_iter().map(|(id, name, behavior, headers, others)| {
        let document = format!(
            "<OriginRequestPolicyConfig><Comment/><Name>Managed-{name}</Name>\
             <HeadersConfig><HeaderBehavior>{behavior}</HeaderBehavior>{headers}</HeadersConfig>\
             <CookiesConfig><CookieBehavior>{others}</CookieBehavior></CookiesConfig>\
             <QueryStringsConfig><QueryStringBehavior>{others}</QueryStringBehavior></QueryStringsConfig>\
             </OriginRequestPolicyConfig>"
        );
        (ResourceKind::OriginRequestPolicy, id, document)
    })
}

const SECURITY_HEADERS: &str = "<SecurityHeadersConfig>\
    <XSSProtection><Override>false</Override><Protection>true</Protection><ModeBlock>true</ModeBlock></XSSProtection>\
    <FrameOptions><Override>false</Override><FrameOption>SAMEORIGIN</FrameOption></FrameOptions>\
    <ReferrerPolicy><Override>false</Override><ReferrerPolicy>strict-origin-when-cross-origin</ReferrerPolicy></ReferrerPolicy>\
    <ContentTypeOptions><Override>true</Override></ContentTypeOptions>\
    <StrictTransportSecurity><Override>false</Override><AccessControlMaxAgeSec>31536000</AccessControlMaxAgeSec></StrictTransportSecurity>\
    </SecurityHeadersConfig>";

fn response_headers_policies() -> impl Iterator<Item = Policy> {
    let cors = |methods: &[&str], expose: &str| {
        format!(
            "<CorsConfig>{}{}{}<AccessControlAllowCredentials>false</AccessControlAllowCredentials>{expose}\
             <OriginOverride>false</OriginOverride></CorsConfig>",
            names("AccessControlAllowOrigins", "Origin", &["*"]),
            names("AccessControlAllowHeaders", "Header", &["*"]),
            names("AccessControlAllowMethods", "Method", methods),
        )
    };
    let simple = cors(&["GET", "HEAD"], "");
    let all = ["GET", "HEAD", "PUT", "POST", "PATCH", "DELETE", "OPTIONS"];
    let preflight = cors(&all, &names("AccessControlExposeHeaders", "Header", &["*"]));
    let rows = [
        ("60669652-455b-4ae9-85a4-c4c02393f86c", "SimpleCORS", simple.clone(), ""),
        ("5cc3b908-e619-4b99-88e5-2cf7f45965bd", "CORS-With-Preflight", preflight.clone(), ""),
        (
            "67f7725c-6f97-4210-82d7-5512b31e9d03",
            "SecurityHeadersPolicy",
            String::new(),
            SECURITY_HEADERS,
        ),
        (
            "e61eb60c-9c35-4d20-a928-2b84e02af89c",
            "CORS-and-SecurityHeadersPolicy",
            simple,
            SECURITY_HEADERS,
        ),
        (
            "eaab4381-ed33-4a86-88ca-d9558dc6cd63",
            "CORS-with-preflight-and-SecurityHeadersPolicy",
            preflight,
            SECURITY_HEADERS,
        ),
    ];
    rows.into_iter().map(|(id, name, cors, security)| {
        let document = format!(
            "<ResponseHeadersPolicyConfig><Comment/><Name>Managed-{name}</Name>{cors}{security}</ResponseHeadersPolicyConfig>"
        );
        (ResourceKind::ResponseHeadersPolicy, id, document)
    })
}
