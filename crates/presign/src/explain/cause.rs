//! Why a link does not work: [`Cause`], [`CauseCode`].

/// One reason why a link does not work, in words for people and as a code for programs.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Cause {
    /// The kind of the reason.
    pub code: CauseCode,
    /// What is wrong, in a sentence or two. Never a secret, a signature or a whole link.
    pub text: String,
    /// What mends it.
    pub mend: String,
}

impl Cause {
    /// A reason, what is wrong, and what mends it.
    pub fn new(code: CauseCode, text: impl Into<String>, mend: impl Into<String>) -> Self {
        Self { code, text: text.into(), mend: mend.into() }
    }
}

/// Declares the codes once: the variants, their order and their text.
macro_rules! cause_codes {
    ($($(#[$doc:meta])* $variant:ident = $text:literal,)*) => {
        /// The kinds of reasons why a link does not work.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum CauseCode {
            $($(#[$doc])* $variant,)*
        }

        impl CauseCode {
            /// Every code that there is, in a fixed order.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The code as programs read it, for instance `path-prefix`.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $text,)*
                }
            }
        }
    };
}

cause_codes! {
    /// Signed for another method.
    Method = "method",
    /// Signed for another host, or with the bucket in another place of it.
    Host = "host",
    /// Signed for another port of the same host.
    Port = "port",
    /// Signed for http and used over https, or the other way round.
    Scheme = "scheme",
    /// A proxy takes a prefix off the path, or puts one in front.
    PathPrefix = "path-prefix",
    /// The path was encoded, decoded or tidied on the way.
    PathEncoding = "path-encoding",
    /// A parameter of the query is missing.
    ParameterMissing = "parameter-missing",
    /// A parameter was added to the query after it was signed.
    ParameterAdded = "parameter-added",
    /// A parameter of the query is not as it was signed, or cannot be read.
    ParameterChanged = "parameter-changed",
    /// A signed header is not sent.
    HeaderMissing = "header-missing",
    /// A signed header is sent with another value.
    HeaderChanged = "header-changed",
    /// A header is sent that had to be signed and is not, or that must not be sent.
    HeaderUnsigned = "header-unsigned",
    /// The text of the link was escaped for HTML, JSON or mail.
    HtmlEscaped = "html-escaped",
    /// The end of the link is missing.
    CutOff = "cut-off",
    /// Signed for another region.
    Region = "region",
    /// Signed for another service.
    Service = "service",
    /// Signed with another secret.
    Secret = "secret",
    /// There is no such access key.
    KeyUnknown = "key-unknown",
    /// The access key is not active.
    KeyInactive = "key-inactive",
    /// The session that signed it has ended.
    SessionEnded = "session-ended",
    /// The session token is missing, or belongs to another key.
    SessionToken = "session-token",
    /// It has ended.
    Expired = "expired",
    /// It has not begun.
    NotYet = "not-yet",
    /// The signer's clock is wrong.
    Clock = "clock",
    /// It was to live for longer than a link can.
    TooLong = "too-long",
    /// It was taken back.
    Revoked = "revoked",
    /// All its uses are spent.
    UsedUp = "used-up",
    /// It may not be used from that address.
    SourceIp = "source-ip",
    /// A policy, or a setting of the server, does not allow it.
    Policy = "policy",
    /// There is no such object.
    ObjectMissing = "object-missing",
    /// There is no such bucket.
    BucketMissing = "bucket-missing",
}
