//! One link: reads its options, and signs the request.

use jiff::Timestamp;
use presign::{
    Endpoint, EndpointError, ExpiresIn, LinkConditions, Presign, PresignError, Presigner,
};

use crate::args::{Life, LinkOptions, Method};
use crate::aws::{Identity, Session};
use crate::failure::Failure;
use crate::location::{S3Uri, S3UriError, Service};
use crate::presign::answer::Answer;
use crate::presign::ask::ExpiryQuestion;
use crate::presign::expiry::{Expiry, ServerExpiry};
use crate::presign::limits::{self, LimitError, Period};
use server::disposition::{self, Disposition};

/// Why a link cannot be made as asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LinkError {
    #[error(transparent)]
    Uri(#[from] S3UriError),
    #[error(transparent)]
    Endpoint(#[from] EndpointError),
    #[error(transparent)]
    Presign(#[from] PresignError),
    #[error(transparent)]
    Limit(#[from] LimitError),
    #[error("a header is written `Name: value`, not `{0}`")]
    Header(String),
    #[error("a query parameter is written `name=value`, not `{0}`")]
    Query(String),
    #[error("--{option} is for {methods}")]
    Unfit { option: &'static str, methods: &'static str },
    #[error("--filename is empty: name the file, or leave it out")]
    NamelessFile,
    #[error("--{0} is for an object, and the URI names a bucket")]
    NeedsObject(&'static str),
    #[error(
        "a bundle cannot keep `{0}`: the links of its parts, or of its completion, would need it"
    )]
    NotOfBundles(String),
    #[error(
        "a bundle cannot keep the checksums of its parts: add --header 'x-amz-checksum-type: FULL_OBJECT'"
    )]
    ChecksumOfParts,
    #[error("a field is written `name=value`, not `{0}`")]
    Field(String),
    #[error("a form makes an object, and the URI names a bucket")]
    FormNeedsObject,
    #[error("--min-size is more than --max-size")]
    Sizes,
    #[error("--redirect takes a URL that begins with http:// or https://, not `{0}`")]
    Redirect(String),
    #[error("--strict and --trim exclude each other")]
    StrictTrim,
    #[error(
        "S3 refuses every link that lives longer than 7 days (604800 seconds); --trim shortens it"
    )]
    TooLong,
    #[error("no link was made: {0}")]
    DiesEarly(String),
}

impl From<LinkError> for Failure {
    fn from(error: LinkError) -> Self {
        match error {
            LinkError::DiesEarly(_) => Self::dies_early(error),
            LinkError::Limit(error) => error.into(),
            LinkError::Uri(_)
            | LinkError::Endpoint(_)
            | LinkError::Presign(_)
            | LinkError::Header(_)
            | LinkError::Query(_)
            | LinkError::Unfit { .. }
            | LinkError::NamelessFile
            | LinkError::NeedsObject(_)
            | LinkError::NotOfBundles(_)
            | LinkError::ChecksumOfParts
            | LinkError::Field(_)
            | LinkError::FormNeedsObject
            | LinkError::Sizes
            | LinkError::Redirect(_)
            | LinkError::StrictTrim
            | LinkError::TooLong => Self::usage(error),
        }
    }
}

/// What to do with a link that would end earlier than asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EarlyDeath {
    /// Make it, and warn.
    Told,
    /// Do not make it, nor if its end cannot be known (`--strict`).
    Refused,
    /// Make it with the life that will hold (`--trim`).
    Trimmed,
}

/// Names and values.
type Pairs = Vec<(String, String)>;

/// A link that is to be made.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) uri: S3Uri,
    pub(crate) method: Method,
    pub(crate) filename: Option<String>,
    pub(crate) version_id: Option<String>,
    pub(crate) life: Life,
    pub(crate) early_death: EarlyDeath,
    pub(super) headers: Vec<(String, String)>,
    query: Vec<(String, String)>,
    conditions: LinkConditions,
    period: Option<Period>,
    bucket_domain: Option<Endpoint>,
}

impl Link {
    /// Reads the options. Whatever cannot be right is refused before anything is signed. What counts from now
    /// counts from `now`.
    pub(crate) fn new(uri: &str, options: &LinkOptions, now: Timestamp) -> Result<Self, LinkError> {
        let uri = S3Uri::parse(uri)?;
        check_fit(&uri, options)?;
        let (headers, query) = headers_and_query(options)?;
        let conditions = limits::conditions(&uri, options, &query, now)?;
        let period = Period::of(options)?;
        let life = period.map_or(options.expires_in, |p| p.lengthened(options.expires_in));
        Ok(Self {
            uri,
            method: options.method,
            filename: options.filename.clone(),
            version_id: options.version_id.clone(),
            life,
            early_death: EarlyDeath::of(life, options.strict, options.trim)?,
            headers,
            query,
            conditions,
            period,
            bucket_domain: options.bucket_domain.clone(),
        })
    }

    /// The conditions that Valet adds, by their parameters.
    pub(super) fn condition_names(&self) -> Vec<&str> {
        let names = self.query.iter().map(|(name, _)| &**name);
        let written = names.filter(|name| LinkConditions::is_condition(name));
        let made = self.conditions.parameters();
        written.chain(made.iter().map(|(name, _)| *name)).collect()
    }

    /// The question for the server about this link.
    pub(crate) fn question(&self) -> ExpiryQuestion<'_> {
        ExpiryQuestion {
            method: self.method.as_str(),
            uri: &self.uri,
            version_id: self.version_id.as_deref(),
            life: self.life,
        }
    }
}

/// The headers that must be sent, and the parameters of the operation.
fn headers_and_query(options: &LinkOptions) -> Result<(Pairs, Pairs), LinkError> {
    let mut headers = Vec::new();
    let mut query = Vec::new();
    if let Some(disposition) = disposition(options) {
        query.push(("response-content-disposition".to_owned(), disposition));
    }
    if let Some(content_type) = options.content_type.clone() {
        match options.method {
            Method::Put => headers.push(("content-type".to_owned(), content_type)),
            Method::Get | Method::Head | Method::Delete => {
                query.push(("response-content-type".to_owned(), content_type));
            }
        }
    }
    if let Some(version_id) = options.version_id.clone() {
        query.push(("versionId".to_owned(), version_id));
    }
    for text in &options.header {
        let header = text.split_once(':').map(|(name, value)| pair(name.trim(), value.trim()));
        headers.push(header.ok_or_else(|| LinkError::Header(text.clone()))?);
    }
    for text in &options.query {
        let (name, value) = text.split_once('=').unwrap_or((text, ""));
        if name.is_empty() {
            return Err(LinkError::Query(text.clone()));
        }
        query.push(pair(name, value));
    }
    headers.extend(limits::content_header(options)?);
    Ok((headers, query))
}

impl EarlyDeath {
    /// A life longer than any link can have is allowed only with `--trim`.
    pub(crate) fn of(life: Life, strict: bool, trim: bool) -> Result<Self, LinkError> {
        let early_death = match (strict, trim) {
            (false, false) => Self::Told,
            (true, false) => Self::Refused,
            (false, true) => Self::Trimmed,
            (true, true) => return Err(LinkError::StrictTrim),
        };
        let fits = ExpiresIn::from_seconds(life.seconds()).is_ok();
        if fits || early_death == Self::Trimmed { Ok(early_death) } else { Err(LinkError::TooLong) }
    }

    /// The life to sign.
    pub(crate) fn expires_in(
        self,
        life: Life,
        expiry: &Expiry,
        now: Timestamp,
    ) -> Result<ExpiresIn, LinkError> {
        let asked = ExpiresIn::from_seconds(life.seconds());
        match (self, expiry.caution()) {
            (Self::Refused, Some(caution)) => Err(LinkError::DiesEarly(caution)),
            (Self::Trimmed, Some(caution)) if expiry.effective_end.is_some() => {
                expiry.trimmed(now).ok_or(LinkError::DiesEarly(caution))
            }
            // If the end is not known, it is at least no later than the longest life of a link.
            (Self::Trimmed, _) => Ok(asked.unwrap_or(ExpiresIn::MAX)),
            (Self::Told | Self::Refused, _) => asked.map_err(|_| LinkError::TooLong),
        }
    }
}

pub(super) fn pair(name: &str, value: &str) -> (String, String) {
    (name.to_owned(), value.to_owned())
}

fn check_fit(uri: &S3Uri, options: &LinkOptions) -> Result<(), LinkError> {
    let reads = matches!(options.method, Method::Get | Method::Head);
    let names_version = options.version_id.is_some();
    let shown = options.filename.is_some() || options.inline;
    if options.filename.as_deref().is_some_and(str::is_empty) {
        return Err(LinkError::NamelessFile);
    }
    if !reads && shown {
        let option = if options.inline { "inline" } else { "filename" };
        return Err(LinkError::Unfit { option, methods: "GET and HEAD" });
    }
    if options.method == Method::Put && names_version {
        return Err(LinkError::Unfit { option: "version-id", methods: "GET, HEAD and DELETE" });
    }
    if options.method == Method::Delete && options.content_type.is_some() {
        return Err(LinkError::Unfit { option: "content-type", methods: "GET, HEAD and PUT" });
    }
    if uri.key.is_none() && names_version {
        return Err(LinkError::NeedsObject("version-id"));
    }
    if uri.key.is_none() && shown {
        let option = if options.inline { "inline" } else { "filename" };
        return Err(LinkError::NeedsObject(option));
    }
    Ok(())
}

fn disposition(options: &LinkOptions) -> Option<String> {
    let kind = if options.inline { Disposition::Inline } else { Disposition::Attachment };
    (options.inline || options.filename.is_some())
        .then(|| disposition::header(kind, options.filename.as_deref()))
}

/// Signs links with one identity.
#[derive(Debug)]
pub(crate) struct LinkSigner {
    pub(super) presigner: Presigner,
    pub(super) service: Service,
    session: Session,
}

impl LinkSigner {
    pub(crate) fn new(identity: Identity) -> Self {
        let Identity { credentials, session, region, service } = identity;
        Self { presigner: Presigner::new(credentials, region), service, session }
    }

    /// How long the credentials live.
    pub(crate) fn session(&self) -> Session {
        self.session
    }

    /// Signs a link. `told` is the server's answer about its end, if it was asked.
    pub(crate) fn sign(
        &mut self,
        link: &Link,
        told: Option<&ServerExpiry>,
        now: Timestamp,
    ) -> Result<Answer, LinkError> {
        let asked_at = now;
        let now = link.period.map_or(now, |period| period.beginning(now));
        let told = told.map(|told| told.of_signature_at(now, asked_at));
        let (expiry, expires_in) = self.life(link, told.as_ref(), now)?;
        let (endpoint, addressing) =
            self.service.at(&link.uri.bucket, link.bucket_domain.as_ref())?;
        let presigned = self.presigner.presign(
            &Presign::new(
                link.method.as_str(),
                &endpoint,
                &link.uri.bucket,
                link.uri.key.as_deref().unwrap_or_default().as_bytes(),
                expires_in,
            )
            .with_addressing(addressing)
            .with_headers(&borrowed(&link.headers))
            .with_query(&borrowed(&link.query))
            .with_conditions(&link.conditions),
            now,
        )?;
        Ok(Answer::new(presigned, expiry))
    }

    /// When a link really ends, and the life to sign.
    pub(super) fn life(
        &self,
        link: &Link,
        told: Option<&ServerExpiry>,
        now: Timestamp,
    ) -> Result<(Expiry, ExpiresIn), LinkError> {
        let expiry = Expiry::of(link.life, self.session, told, now);
        let expires_in = link.early_death.expires_in(link.life, &expiry, now)?;
        Ok((expiry, expires_in))
    }
}

pub(super) fn borrowed(pairs: &[(String, String)]) -> Vec<(&str, &str)> {
    pairs.iter().map(|(name, value)| (&**name, &**value)).collect()
}

#[cfg(test)]
mod tests;
