//! What the holder of a link is told beside AWS's answer: a hint in a header, and in a browser that opened the link a
//! page in words. Neither says anything that the answer does not, or that the holder could not find by trying.

use hyper::header::{ACCESS_CONTROL_EXPOSE_HEADERS, HOST, HeaderName, HeaderValue};
use hyper::http::request::Parts;
use hyper::{HeaderMap, Method};
use jiff::Timestamp;
use maud::html;
use presign::{
    CONDITION_PREFIX, Cause, CauseCode, ExplainQuestion, QueryPairs, decode_query_component,
    explain,
};

use crate::error::{Code, S3Error};
use crate::page::{self, PagePowers, in_words, navigates};
use crate::respond::{Ids, Reply};

/// The header of a hint: the code of a cause, and the cause in words.
pub(crate) const HINT: HeaderName = HeaderName::from_static("x-valet-hint");
/// The longest hint, in characters.
const HINT_CHARS_MAX: usize = 512;

/// Why a link is refused, as far as its holder is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reason {
    Expired,
    NotYet,
    Revoked,
    UsedUp,
    /// All uses that are left are under way.
    UnderWay,
    /// There is no such managed link.
    NoLink,
    /// The passphrase of the link was tried too often.
    TriedTooOften,
    /// There is no such object or bucket any more.
    Gone,
    /// The link was cut off, escaped or changed.
    Changed,
    /// The link was made for another use than this one.
    OtherUse,
    /// The signature holds in no way that was tried.
    MadeWrongly,
    /// The address is none of the link's.
    Elsewhere,
    /// The key or session that signed the link has ended.
    SignerGone,
    Denied,
    /// The request is not one that the link can be used for.
    Unfit,
    /// The server is in trouble.
    Trouble,
}

impl Reason {
    fn of(error: &S3Error, hint: Option<&Cause>) -> Self {
        if let Some(cause) = hint {
            return Self::of_cause(cause.code);
        }
        match (error.code(), error.message()) {
            (Code::AccessDenied, "Request has expired") => Self::Expired,
            (Code::AccessDenied, "Request is not yet valid") => Self::NotYet,
            (Code::AccessDenied, crate::gate::REVOKED) => Self::Revoked,
            (Code::AccessDenied, crate::gate::USED_UP) => Self::UsedUp,
            (Code::SlowDown, _) => Self::UnderWay,
            (Code::NoSuchLink, _) => Self::NoLink,
            (Code::TooManyTries, _) => Self::TriedTooOften,
            (Code::NoSuchKey | Code::NoSuchBucket | Code::NoSuchVersion, _) => Self::Gone,
            (Code::SignatureDoesNotMatch | Code::AuthorizationQueryParametersError, _) => {
                Self::Changed
            }
            (Code::InvalidAccessKeyId | Code::ExpiredToken | Code::InvalidToken, _) => {
                Self::SignerGone
            }
            (Code::AccessDenied, _) => Self::Denied,
            (code, _) if code.status().is_server_error() => Self::Trouble,
            _ => Self::Unfit,
        }
    }

    fn of_cause(code: CauseCode) -> Self {
        let changed = [
            CauseCode::CutOff,
            CauseCode::HtmlEscaped,
            CauseCode::ParameterMissing,
            CauseCode::ParameterAdded,
            CauseCode::ParameterChanged,
            CauseCode::PathEncoding,
        ];
        let other_use = [
            CauseCode::Method,
            CauseCode::HeaderMissing,
            CauseCode::HeaderChanged,
            CauseCode::HeaderUnsigned,
        ];
        if code == CauseCode::SourceIp {
            Self::Elsewhere
        } else if changed.contains(&code) {
            Self::Changed
        } else if other_use.contains(&code) {
            Self::OtherUse
        } else {
            Self::MadeWrongly
        }
    }

    /// The code for programs, if the refusal itself says which it is.
    fn code(self) -> Option<CauseCode> {
        match self {
            Self::Expired => Some(CauseCode::Expired),
            Self::NotYet => Some(CauseCode::NotYet),
            Self::Revoked => Some(CauseCode::Revoked),
            Self::UsedUp => Some(CauseCode::UsedUp),
            Self::UnderWay
            | Self::NoLink
            | Self::TriedTooOften
            | Self::Gone
            | Self::Changed
            | Self::OtherUse
            | Self::MadeWrongly
            | Self::Elsewhere
            | Self::SignerGone
            | Self::Denied
            | Self::Unfit
            | Self::Trouble => None,
        }
    }

    fn title(self) -> &'static str {
        match self {
            Self::Expired => "This link has expired",
            Self::NotYet => "This link does not work yet",
            Self::Revoked => "This link was taken back",
            Self::UsedUp => "This link has been used up",
            Self::UnderWay => "This link is in use",
            Self::NoLink => "There is no such link",
            Self::TriedTooOften => "The passphrase was tried too often",
            Self::Gone => "There is nothing here any more",
            Self::Changed => "This link is not whole, or was changed",
            Self::OtherUse => "This link is not for opening",
            Self::MadeWrongly => "This link was made wrongly",
            Self::Elsewhere => "This link does not work from here",
            Self::SignerGone => "This link has ended",
            Self::Denied => "This link gives no access",
            Self::Unfit => "This link cannot be used like this",
            Self::Trouble => "The server cannot answer now",
        }
    }

    fn text(self) -> &'static str {
        match self {
            Self::Expired => "A link works for a limited time, and the time of this one is over.",
            Self::NotYet => "It was made for a later time.",
            Self::Revoked => "Whoever is in charge of it has ended it before its time.",
            Self::UsedUp => "It could be used a certain number of times, and has been.",
            Self::UnderWay => "It can be used so often only, and is being used at this moment.",
            Self::NoLink => "It was not copied as a whole, or it ended long ago.",
            Self::TriedTooOften => "For a minute, nobody can try another one.",
            Self::Gone => "The file that it leads to was removed, or never was there.",
            Self::Changed => {
                "Often the end is missing, because a message broke the link into two lines, or a program added something to it."
            }
            Self::OtherUse => {
                "It was made for another use, such as for sending a file to this place."
            }
            Self::MadeWrongly => "It does not fit this server. That is no fault of yours.",
            Self::Elsewhere => "It works only from certain networks.",
            Self::SignerGone => {
                "The access with which it was made has ended, and the link with it."
            }
            Self::Denied => "Whoever made it may not give this access, or not from where you are.",
            Self::Unfit => "The request asks for something that the link does not lend.",
            Self::Trouble => "This is no fault of the link.",
        }
    }

    fn advice(self) -> &'static str {
        match self {
            Self::Expired
            | Self::Revoked
            | Self::UsedUp
            | Self::SignerGone
            | Self::Gone
            | Self::MadeWrongly => "Ask whoever sent it to you for a new one.",
            Self::NotYet => "Open it again later.",
            Self::UnderWay | Self::Trouble => "Try again in a moment.",
            Self::TriedTooOften => "Try again in a minute.",
            Self::Changed | Self::NoLink => {
                "Copy the whole link and open it again. If that does not help, ask whoever sent it to you for a new one."
            }
            Self::OtherUse => "Ask whoever sent it to you for a link to open.",
            Self::Elsewhere => "Open it from there, or ask whoever sent it to you.",
            Self::Denied | Self::Unfit => "Ask whoever sent it to you.",
        }
    }
}

/// The parameters of a query by which a request is known to come by a link, whole or not, in lower case.
const OF_LINKS: [&str; 5] =
    ["x-amz-signature", "x-amz-credential", "x-amz-algorithm", "signature", "awsaccesskeyid"];

/// Whether a request came by a link, whole or not: its signature may be cut off, or its `&` be escaped.
pub(crate) fn is_by_link(parts: &Parts) -> bool {
    let query = parts.uri.query().unwrap_or_default();
    QueryPairs::new(query).any(|(name, _)| {
        let name = decode_query_component(name).to_ascii_lowercase();
        let name = name.strip_prefix(b"amp;").unwrap_or(&name);
        OF_LINKS.iter().any(|known| known.as_bytes() == name)
            || name.starts_with(CONDITION_PREFIX.as_bytes())
    })
}

/// Adds what the holder of a link is told to a refusal of it.
pub(crate) fn tell(
    reply: &mut Reply,
    error: &S3Error,
    (parts, is_short): (&Parts, bool),
    ids: &Ids,
) {
    if !is_short && !is_by_link(parts) {
        return;
    }
    let of_text = || if is_short { None } else { of_text(error, parts) };
    let cause = error.hint().cloned().or_else(of_text);
    let reason = Reason::of(error, cause.as_ref());
    if let Some(hint) = hint(cause.as_ref(), reason, error) {
        reply.headers.insert(HINT, hint);
    }
    let opens = parts.method == Method::GET || is_short && parts.method == Method::POST;
    if opens && navigates(&parts.headers) {
        page::put(reply, page(error, cause.as_ref(), reason, ids), PagePowers::Reads);
    }
}

/// What the text of a link tells, where it cannot even be read as one.
fn of_text(error: &S3Error, parts: &Parts) -> Option<Cause> {
    let is_unreadable = matches!(
        error.code(),
        Code::AuthorizationQueryParametersError | Code::InvalidArgument | Code::AccessDenied
    );
    let query = parts.uri.query().unwrap_or_default();
    let is_whole = query.contains("X-Amz-Signature=") && !query.contains("amp;");
    if !is_unreadable || is_whole {
        return None;
    }
    let host = parts.headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or("localhost");
    let text = format!("http://{host}{}?{query}", parts.uri.path());
    // No secret is looked for, so nothing but the text decides, at any time.
    let told = explain(&ExplainQuestion::new(&text), Timestamp::UNIX_EPOCH).ok()?;
    let of_text = [
        CauseCode::CutOff,
        CauseCode::HtmlEscaped,
        CauseCode::ParameterMissing,
        CauseCode::TooLong,
    ];
    let of_text = told.causes.into_iter().find(|cause| of_text.contains(&cause.code));
    of_text.or_else(|| is_of_region(error).then(other_region))
}

/// Whether a link is refused for the region in its credential scope.
fn is_of_region(error: &S3Error) -> bool {
    let begins = "Error parsing the X-Amz-Credential parameter; the region ";
    error.code() == Code::AuthorizationQueryParametersError && error.message().starts_with(begins)
}

fn other_region() -> Cause {
    Cause::new(
        CauseCode::Region,
        "The link is signed for another region than the server's.",
        "Sign it for the region that the server names.",
    )
}

/// Lets pages read the hint that the answer has. It joins the names that are exposed already: not every client
/// reads a second header of one name.
pub(crate) fn expose_hint(headers: &mut HeaderMap) {
    if !headers.contains_key(HINT) {
        return;
    }
    let exposed = headers.get(ACCESS_CONTROL_EXPOSE_HEADERS).map(|names| names.as_bytes().to_vec());
    let mut names = exposed.unwrap_or_default();
    if names.contains(&b'*') {
        return;
    }
    if !names.is_empty() {
        names.extend_from_slice(b", ");
    }
    names.extend_from_slice(HINT.as_str().as_bytes());
    if let Ok(names) = HeaderValue::from_bytes(&names) {
        headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, names);
    }
}

fn hint(cause: Option<&Cause>, reason: Reason, error: &S3Error) -> Option<HeaderValue> {
    let text = match (cause, reason.code()) {
        (Some(cause), _) => format!("{}; {} {}", cause.code.as_str(), cause.text, cause.mend),
        (None, Some(code)) => {
            let when = when(error, reason).map(|when| format!(" {when}")).unwrap_or_default();
            format!("{}; {}.{when} {}", code.as_str(), reason.title(), reason.advice())
        }
        (None, None) => return None,
    };
    let shown = |letter: char| if matches!(letter, ' '..='~') { letter } else { '?' };
    let text: String = text.chars().map(shown).take(HINT_CHARS_MAX).collect();
    HeaderValue::from_str(&text).ok()
}

/// When the link ended or opens, where the refusal says it.
fn when(error: &S3Error, reason: Reason) -> Option<String> {
    let (words, name) = match reason {
        Reason::Expired => ("It worked until", "Expires"),
        Reason::NotYet => ("It opens at", "NotBefore"),
        Reason::Revoked
        | Reason::UsedUp
        | Reason::UnderWay
        | Reason::NoLink
        | Reason::TriedTooOften
        | Reason::Gone
        | Reason::Changed
        | Reason::OtherUse
        | Reason::MadeWrongly
        | Reason::Elsewhere
        | Reason::SignerGone
        | Reason::Denied
        | Reason::Unfit
        | Reason::Trouble => return None,
    };
    let time: Timestamp = error.detail_of(name)?.parse().ok()?;
    Some(format!("{words} {}.", in_words(time)))
}

fn page(error: &S3Error, cause: Option<&Cause>, reason: Reason, ids: &Ids) -> String {
    let title = reason.title();
    // What mends it is for whoever made it.
    // And a holder's own words, in a parameter that was added, are for nobody.
    let told = [CauseCode::CutOff, CauseCode::HtmlEscaped];
    let found = cause.filter(|cause| told.contains(&cause.code));
    let content = html! {
        h1 { (title) }
        p { (reason.text()) }
        @if let Some(when) = when(error, reason) { p { (when) } }
        @if let Some(cause) = found { p { (cause.text) } }
        p { strong { (reason.advice()) } }
        footer { "For whoever is asked: " (error.code().wire()) " \u{b7} request " (ids.request_id) }
    };
    page::document(title, &content)
}
