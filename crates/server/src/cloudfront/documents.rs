//! The documents of the control API: of keys, groups, policies, origin access and invalidations. That of a distribution is
//! in `documents/distribution.rs`.

pub(crate) mod distribution;

use super::error::ControlCode;
use super::schema::{Field, List, Shape};

/// The longest name of a resource, in bytes.
const NAME_BYTES_MAX: usize = 128;
const COMMENT_BYTES_MAX: usize = 128;
/// How many public keys a group has at most (semantics 7.3.3).
pub(crate) const KEYS_OF_GROUP_MAX: usize = 5;
/// How many are read, so that a group of too many is told so.
const KEYS_READ_MAX: usize = 100;
/// How many headers, cookies or query strings a policy names at most.
const NAMES_OF_POLICY_MAX: usize = 10;
const PATHS_OF_INVALIDATION_MAX: usize = 3_000;
const TAGS_MAX: usize = 50;
/// The longest time to live that a policy names, in seconds: 100 years.
pub(crate) const TTL_SECONDS_MAX: u64 = 3_153_600_000;

const NAME: Shape = Shape::Text(NAME_BYTES_MAX);
const COMMENT: Shape = Shape::Text(COMMENT_BYTES_MAX);

pub(crate) const PUBLIC_KEY: &[Field] = &[
    Field::required("CallerReference", NAME),
    Field::required("Name", NAME),
    Field::required("EncodedKey", Shape::Text(16 * 1024)),
    Field::is("Comment", COMMENT, ""),
];

pub(crate) const KEY_GROUP: &[Field] = &[
    Field::required("Name", NAME),
    Field::required("Items", Shape::Plain("PublicKey", &Shape::Text(64), KEYS_READ_MAX)),
    Field::is("Comment", COMMENT, ""),
];

pub(crate) const ORIGIN_ACCESS_CONTROL: &[Field] = &[
    Field::required("Name", NAME),
    Field::is("Description", Shape::Text(256), ""),
    Field::required("SigningProtocol", Shape::OneOf(&["sigv4"])),
    Field::required("SigningBehavior", Shape::OneOf(&["always", "never", "no-override"])),
    Field::required(
        "OriginAccessControlOriginType",
        Shape::Only(&["s3"], "Origins are buckets here: OriginAccessControlOriginType must be s3."),
    ),
];

const NAMES: Shape = Shape::List(&List::texts("Name", NAMES_OF_POLICY_MAX));

const NO_COOKIES: Shape = Shape::Struct(&[
    Field::required(
        "CookieBehavior",
        Shape::Only(
            &["none"],
            "Cookies never reach a bucket, and are no part of a cache's key here: CookieBehavior must be none.",
        ),
    ),
    Field::optional(
        "Cookies",
        Shape::List(&List::none("Name", "CookieBehavior is none: leave Cookies out.")),
    ),
]);

const QUERY_STRINGS: Shape = Shape::Struct(&[
    Field::required(
        "QueryStringBehavior",
        Shape::OneOf(&["none", "whitelist", "allExcept", "all"]),
    ),
    Field::optional("QueryStrings", NAMES),
]);

pub(crate) const CACHE_POLICY: &[Field] = &[
    Field::is("Comment", COMMENT, ""),
    Field::required("Name", NAME),
    Field::is("DefaultTTL", Shape::Number(TTL_SECONDS_MAX), "86400"),
    Field::is("MaxTTL", Shape::Number(TTL_SECONDS_MAX), "31536000"),
    Field::required("MinTTL", Shape::Number(TTL_SECONDS_MAX)),
    Field::optional(
        "ParametersInCacheKeyAndForwardedToOrigin",
        Shape::Struct(&[
            Field::required("EnableAcceptEncodingGzip", Shape::Flag),
            Field::is("EnableAcceptEncodingBrotli", Shape::Flag, "false"),
            Field::required(
                "HeadersConfig",
                Shape::Struct(&[
                    Field::required("HeaderBehavior", Shape::OneOf(&["none", "whitelist"])),
                    Field::optional("Headers", NAMES),
                ]),
            ),
            Field::required("CookiesConfig", NO_COOKIES),
            Field::required("QueryStringsConfig", QUERY_STRINGS),
        ]),
    ),
];

pub(crate) const ORIGIN_REQUEST_POLICY: &[Field] = &[
    Field::is("Comment", COMMENT, ""),
    Field::required("Name", NAME),
    Field::required(
        "HeadersConfig",
        Shape::Struct(&[
            Field::required(
                "HeaderBehavior",
                Shape::OneOf(&[
                    "none",
                    "whitelist",
                    "allViewer",
                    "allViewerAndWhitelistCloudFront",
                    "allExcept",
                ]),
            ),
            Field::optional("Headers", NAMES),
        ]),
    ),
    Field::required(
        "CookiesConfig",
        Shape::Struct(&[
            Field::required(
                "CookieBehavior",
                Shape::OneOf(&["none", "whitelist", "allExcept", "all"]),
            ),
            Field::optional("Cookies", NAMES),
        ]),
    ),
    Field::required("QueryStringsConfig", QUERY_STRINGS),
];

const OVERRIDE: Field = Field::required("Override", Shape::Flag);
const HEADERS: Shape = Shape::List(&List::texts("Header", 100));

const SECURITY_HEADERS: Shape = Shape::Struct(&[
    Field::optional(
        "XSSProtection",
        Shape::Struct(&[
            OVERRIDE,
            Field::required("Protection", Shape::Flag),
            Field::optional("ModeBlock", Shape::Flag),
            Field::optional("ReportUri", Shape::Text(1024)),
        ]),
    ),
    Field::optional(
        "FrameOptions",
        Shape::Struct(&[
            OVERRIDE,
            Field::required("FrameOption", Shape::OneOf(&["DENY", "SAMEORIGIN"])),
        ]),
    ),
    Field::optional(
        "ReferrerPolicy",
        Shape::Struct(&[
            OVERRIDE,
            Field::required(
                "ReferrerPolicy",
                Shape::OneOf(&[
                    "no-referrer",
                    "no-referrer-when-downgrade",
                    "origin",
                    "origin-when-cross-origin",
                    "same-origin",
                    "strict-origin",
                    "strict-origin-when-cross-origin",
                    "unsafe-url",
                ]),
            ),
        ]),
    ),
    Field::optional(
        "ContentSecurityPolicy",
        Shape::Struct(&[OVERRIDE, Field::required("ContentSecurityPolicy", Shape::Text(1783))]),
    ),
    Field::optional("ContentTypeOptions", Shape::Struct(&[OVERRIDE])),
    Field::optional(
        "StrictTransportSecurity",
        Shape::Struct(&[
            OVERRIDE,
            Field::optional("IncludeSubdomains", Shape::Flag),
            Field::optional("Preload", Shape::Flag),
            Field::required("AccessControlMaxAgeSec", Shape::Number(2_147_483_647)),
        ]),
    ),
]);

const CUSTOM_HEADER: Shape = Shape::Struct(&[
    Field::required("Header", Shape::Text(256)),
    Field::required("Value", Shape::Text(1783)),
    OVERRIDE,
]);

const CORS: Shape = Shape::Struct(&[
    Field::required("AccessControlAllowOrigins", Shape::List(&List::texts("Origin", 100))),
    Field::required("AccessControlAllowHeaders", HEADERS),
    Field::required(
        "AccessControlAllowMethods",
        Shape::List(&List::of(
            "Method",
            Shape::OneOf(&["GET", "POST", "OPTIONS", "PUT", "DELETE", "PATCH", "HEAD", "ALL"]),
            8,
        )),
    ),
    Field::required("AccessControlAllowCredentials", Shape::Flag),
    Field::optional("AccessControlExposeHeaders", HEADERS),
    Field::optional("AccessControlMaxAgeSec", Shape::Number(2_147_483_647)),
    Field::required("OriginOverride", Shape::Flag),
]);

pub(crate) const RESPONSE_HEADERS_POLICY: &[Field] = &[
    Field::is("Comment", COMMENT, ""),
    Field::required("Name", NAME),
    Field::optional("CorsConfig", CORS),
    Field::optional("SecurityHeadersConfig", SECURITY_HEADERS),
    Field::optional(
        "ServerTimingHeadersConfig",
        Shape::Struct(&[
            Field::required(
                "Enabled",
                Shape::Only(
                    &["false"],
                    "There is no Server-Timing header here: ServerTimingHeadersConfig.Enabled must be false.",
                ),
            ),
            Field::optional("SamplingRate", Shape::Text(16)),
        ]),
    ),
    Field::optional(
        "CustomHeadersConfig",
        Shape::List(&List::of("ResponseHeadersPolicyCustomHeader", CUSTOM_HEADER, 10)),
    ),
    Field::optional(
        "RemoveHeadersConfig",
        Shape::List(&List::of(
            "ResponseHeadersPolicyRemoveHeader",
            Shape::Struct(&[Field::required("Header", Shape::Text(256))]),
            10,
        )),
    ),
];

pub(crate) const INVALIDATION_BATCH: &[Field] = &[
    Field::required(
        "Paths",
        Shape::List(&List {
            too_many: ControlCode::BatchTooLarge,
            ..List::of("Path", Shape::Text(4000), PATHS_OF_INVALIDATION_MAX)
        }),
    ),
    Field::required("CallerReference", NAME),
];

pub(crate) const TAGS: &[Field] = &[Field::optional(
    "Items",
    Shape::Plain(
        "Tag",
        &Shape::Struct(&[
            Field::required("Key", Shape::Text(128 * 4)),
            Field::is("Value", Shape::Text(256 * 4), ""),
        ]),
        TAGS_MAX,
    ),
)];

pub(crate) const TAG_KEYS: &[Field] =
    &[Field::optional("Items", Shape::Plain("Key", &Shape::Text(128 * 4), TAGS_MAX))];
