//! The document of a distribution.

use super::TTL_SECONDS_MAX;
use crate::cloudfront::error::ControlCode;
use crate::cloudfront::schema::{Field, List, Shape};

const ALIASES_MAX: usize = 100;
const ORIGINS_MAX: usize = 25;
const BEHAVIORS_MAX: usize = 75;
/// How many key groups one behaviour trusts at most (semantics 7.3.3).
const GROUPS_MAX: usize = 4;

const ID: Shape = Shape::Text(128);
const TTL: Shape = Shape::Number(TTL_SECONDS_MAX);

const ORIGIN: Shape = Shape::Struct(&[
    Field::required("Id", ID),
    Field::required("DomainName", Shape::Text(253)),
    Field::is("OriginPath", Shape::Text(255), ""),
    Field::empty(
        "CustomHeaders",
        Shape::List(&List::none(
            "OriginCustomHeader",
            "An origin is a bucket of this server, which takes no further headers: leave CustomHeaders empty.",
        )),
    ),
    Field::optional(
        "S3OriginConfig",
        Shape::Struct(&[
            Field::is(
                "OriginAccessIdentity",
                Shape::Only(
                    &[""],
                    "There are no origin access identities here: make an origin access control, and name it in OriginAccessControlId.",
                ),
                "",
            ),
            Field::optional("OriginReadTimeout", Shape::Number(3600)),
        ]),
    ),
    Field::optional(
        "CustomOriginConfig",
        Shape::Struct(&[
            Field::required("HTTPPort", Shape::Number(65_535)),
            Field::required("HTTPSPort", Shape::Number(65_535)),
            Field::required(
                "OriginProtocolPolicy",
                Shape::OneOf(&["http-only", "match-viewer", "https-only"]),
            ),
            Field::optional("OriginSslProtocols", Shape::List(&List::texts("SslProtocol", 8))),
            Field::is("OriginReadTimeout", Shape::Number(3600), "30"),
            Field::is("OriginKeepaliveTimeout", Shape::Number(3600), "5"),
            Field::optional("IpAddressType", Shape::OneOf(&["ipv4", "ipv6", "dualstack"])),
        ]),
    ),
    Field::is("ConnectionAttempts", Shape::Number(3), "3"),
    Field::is("ConnectionTimeout", Shape::Number(10), "10"),
    Field::optional("ResponseCompletionTimeout", Shape::Number(3600)),
    Field::empty(
        "OriginShield",
        Shape::Struct(&[Field::is(
            "Enabled",
            Shape::Only(
                &["false"],
                "There is one cache here and nothing to shield: OriginShield.Enabled must be false.",
            ),
            "false",
        )]),
    ),
    Field::is("OriginAccessControlId", ID, ""),
]);

const NO_FUNCTIONS: &str = "This server runs no functions: leave them out of the cache behaviour.";

const METHODS: Shape = Shape::OneOf(&["GET", "HEAD", "OPTIONS", "PUT", "POST", "PATCH", "DELETE"]);

const CACHED_METHODS: Field =
    Field::optional("CachedMethods", Shape::List(&List::of("Method", METHODS, 3)));

const ALLOWED_METHODS: Shape =
    Shape::List(&List { beside: &[CACHED_METHODS], ..List::of("Method", METHODS, 7) });

const TRUSTED_KEY_GROUPS: Shape = Shape::List(&List {
    beside: &[Field::is("Enabled", Shape::Flag, "false")],
    too_many: ControlCode::TooManyKeyGroupsAssociatedToDistribution,
    ..List::of("KeyGroup", ID, GROUPS_MAX)
});

const NO_SIGNERS: &str = "Accounts have no key pairs here: put public keys into a key group, and name it in TrustedKeyGroups.";

const TRUSTED_SIGNERS: Shape = Shape::List(&List {
    beside: &[Field::is("Enabled", Shape::Only(&["false"], NO_SIGNERS), "false")],
    ..List::none("AwsAccountNumber", NO_SIGNERS)
});

const NAMES: Shape = Shape::List(&List::texts("Name", 10));

const FORWARDED_VALUES: Shape = Shape::Struct(&[
    Field::required("QueryString", Shape::Flag),
    Field::required(
        "Cookies",
        Shape::Struct(&[
            Field::required(
                "Forward",
                Shape::Only(
                    &["none"],
                    "Cookies never reach a bucket, and are no part of a cache's key here: Cookies.Forward must be none.",
                ),
            ),
            Field::optional(
                "WhitelistedNames",
                Shape::List(&List::none(
                    "Name",
                    "Cookies.Forward is none: leave WhitelistedNames out.",
                )),
            ),
        ]),
    ),
    Field::empty("Headers", NAMES),
    Field::empty("QueryStringCacheKeys", NAMES),
]);

/// The elements of a behaviour behind its path pattern, which the default one has none of.
macro_rules! behavior {
    ($($first:expr,)?) => {
        &[
            $($first,)?
            Field::required("TargetOriginId", ID),
            Field::empty("TrustedSigners", TRUSTED_SIGNERS),
            Field::empty("TrustedKeyGroups", TRUSTED_KEY_GROUPS),
            Field::required("ViewerProtocolPolicy", Shape::OneOf(&["allow-all", "https-only", "redirect-to-https"])),
            Field::optional("AllowedMethods", ALLOWED_METHODS),
            Field::is(
                "SmoothStreaming",
                Shape::Only(&["false"], "There is no smooth streaming here: SmoothStreaming must be false."),
                "false",
            ),
            Field::is("Compress", Shape::Flag, "false"),
            Field::empty("LambdaFunctionAssociations", Shape::List(&List::none("LambdaFunctionAssociation", NO_FUNCTIONS))),
            Field::empty("FunctionAssociations", Shape::List(&List::none("FunctionAssociation", NO_FUNCTIONS))),
            Field::is(
                "FieldLevelEncryptionId",
                Shape::Only(&[""], "There is no field-level encryption here: leave FieldLevelEncryptionId out."),
                "",
            ),
            Field::optional(
                "RealtimeLogConfigArn",
                Shape::Only(&[""], "There are no real-time logs here: leave RealtimeLogConfigArn out."),
            ),
            Field::optional("CachePolicyId", ID),
            Field::optional("OriginRequestPolicyId", ID),
            Field::optional("ResponseHeadersPolicyId", ID),
            Field::empty(
                "GrpcConfig",
                Shape::Struct(&[Field::is(
                    "Enabled",
                    Shape::Only(&["false"], "There is no gRPC here: GrpcConfig.Enabled must be false."),
                    "false",
                )]),
            ),
            Field::optional("ForwardedValues", FORWARDED_VALUES),
            Field::optional("MinTTL", TTL),
            Field::optional("DefaultTTL", TTL),
            Field::optional("MaxTTL", TTL),
        ]
    };
}

const CUSTOM_ERROR_RESPONSE: Shape = Shape::Struct(&[
    Field::required("ErrorCode", Shape::Number(599)),
    Field::is("ResponsePagePath", Shape::Text(4000), ""),
    Field::is("ResponseCode", Shape::Text(3), ""),
    Field::is("ErrorCachingMinTTL", TTL, "10"),
]);

const NO_LOGS: &str =
    "Requests are in the server's own log and not in a bucket: leave Logging off.";

const LOGGING: Shape = Shape::Struct(&[
    Field::is("Enabled", Shape::Only(&["false"], NO_LOGS), "false"),
    Field::is("IncludeCookies", Shape::Only(&["false"], NO_LOGS), "false"),
    Field::is("Bucket", Shape::Only(&[""], NO_LOGS), ""),
    Field::is("Prefix", Shape::Text(256), ""),
]);

const OWN_TLS: &str = "TLS is this server's own (--tls-cert), for aliases too: set CloudFrontDefaultCertificate to true, and name no certificate.";

const VIEWER_CERTIFICATE: Shape = Shape::Struct(&[
    Field::is("CloudFrontDefaultCertificate", Shape::Only(&["true"], OWN_TLS), "true"),
    Field::optional("IAMCertificateId", Shape::Only(&[""], OWN_TLS)),
    Field::optional("ACMCertificateArn", Shape::Only(&[""], OWN_TLS)),
    Field::is("SSLSupportMethod", Shape::OneOf(&["vip", "sni-only"]), "vip"),
    Field::is("MinimumProtocolVersion", Shape::Text(32), "TLSv1"),
    Field::is("CertificateSource", Shape::Only(&["cloudfront"], OWN_TLS), "cloudfront"),
]);

const RESTRICTIONS: Shape = Shape::Struct(&[Field::empty(
    "GeoRestriction",
    Shape::List(&List {
        beside: &[Field::is("RestrictionType", Shape::Only(&["none"], NO_PLACES), "none")],
        ..List::none("Location", NO_PLACES)
    }),
)]);

const NO_PLACES: &str =
    "This server does not know where viewers are: RestrictionType must be none.";

pub(crate) const DISTRIBUTION: &[Field] = &[
    Field::required("CallerReference", Shape::Text(128)),
    Field::empty(
        "Aliases",
        Shape::List(&List {
            too_many: ControlCode::TooManyDistributionCNAMEs,
            ..List::texts("CNAME", ALIASES_MAX)
        }),
    ),
    Field::is("DefaultRootObject", Shape::Text(255), ""),
    Field::required(
        "Origins",
        Shape::List(&List {
            too_many: ControlCode::TooManyOrigins,
            ..List::of("Origin", ORIGIN, ORIGINS_MAX)
        }),
    ),
    Field::empty(
        "OriginGroups",
        Shape::List(&List::none(
            "OriginGroup",
            "There is one server to read from: leave OriginGroups out, and name an origin in TargetOriginId.",
        )),
    ),
    Field::required("DefaultCacheBehavior", Shape::Struct(behavior!())),
    Field::empty(
        "CacheBehaviors",
        Shape::List(&List {
            too_many: ControlCode::TooManyCacheBehaviors,
            ..List::of(
                "CacheBehavior",
                Shape::Struct(behavior!(Field::required("PathPattern", Shape::Text(255)),)),
                BEHAVIORS_MAX,
            )
        }),
    ),
    Field::empty(
        "CustomErrorResponses",
        Shape::List(&List::of("CustomErrorResponse", CUSTOM_ERROR_RESPONSE, 32)),
    ),
    Field::is("Comment", Shape::Text(128), ""),
    Field::empty("Logging", LOGGING),
    Field::is(
        "PriceClass",
        Shape::OneOf(&["PriceClass_All", "PriceClass_200", "PriceClass_100", "None"]),
        "PriceClass_All",
    ),
    Field::required("Enabled", Shape::Flag),
    Field::empty("ViewerCertificate", VIEWER_CERTIFICATE),
    Field::empty("Restrictions", RESTRICTIONS),
    Field::is(
        "WebACLId",
        Shape::Only(&[""], "There are no web ACLs here: leave WebACLId out."),
        "",
    ),
    Field::is(
        "HttpVersion",
        Shape::Only(
            &["http2", "http1.1", "HTTP2", "HTTP1.1"],
            "This server speaks HTTP/1.1 and HTTP/2: HttpVersion must be http2 or http1.1.",
        ),
        "http2",
    ),
    Field::is("IsIPV6Enabled", Shape::Flag, "true"),
    Field::is(
        "ContinuousDeploymentPolicyId",
        Shape::Only(
            &[""],
            "There is no continuous deployment here: leave ContinuousDeploymentPolicyId out.",
        ),
        "",
    ),
    Field::is(
        "Staging",
        Shape::Only(&["false"], "There is no continuous deployment here: Staging must be false."),
        "false",
    ),
    Field::optional(
        "AnycastIpListId",
        Shape::Only(
            &[""],
            "There are no lists of anycast addresses here: leave AnycastIpListId out.",
        ),
    ),
    Field::optional(
        "ConnectionMode",
        Shape::Only(&["direct"], "There are no tenants here: ConnectionMode must be direct."),
    ),
];
