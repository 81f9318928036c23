//! Credentials, region and endpoint of the client commands, from the standard AWS chain.

use std::borrow::Cow;

use anyhow::{Context as _, anyhow};
use aws_config::SdkConfig;
use aws_config::environment::EnvironmentVariableRegionProvider;
use aws_config::meta::region::RegionProviderChain;
use aws_config::profile::{self, ProfileFileCredentialsProvider, ProfileFileRegionProvider};
use aws_config::provider_config::ProviderConfig;
use aws_credential_types::provider::ProvideCredentials as _;
use aws_credential_types::provider::error::CredentialsError;
use aws_types::os_shim_internal::{Env, Fs};
use aws_types::service_config::ServiceConfigKey;
use jiff::Timestamp;
use presign::{Credentials, Endpoint, SecretAccessKey, SessionToken};

use crate::args::Aws;
use crate::config;
use crate::failure::Failure;
use crate::location::{Service, Style};

/// The region of a signature where none is configured, as the `aws` command has it.
const REGION_DEFAULT: &str = "us-east-1";

/// The profile that is taken where none is named, if there is one.
const PROFILE_DEFAULT: &str = "default";

/// Who signs, and for which server and region.
#[derive(Debug)]
pub(crate) struct Identity {
    pub(crate) credentials: Credentials,
    pub(crate) session: Session,
    /// The region of the credential scope.
    pub(crate) region: String,
    pub(crate) service: Service,
}

/// How long the credentials live. No link outlives the credentials that signed it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Session {
    /// An access key of a user or root, which has no end.
    LongTerm,
    /// Temporary credentials with a known end.
    EndsAt(Timestamp),
    /// Temporary credentials whose end is not known.
    EndUnknown,
}

/// What the AWS chain of variables and profiles says. Credentials are asked for later.
#[derive(Debug)]
pub(crate) struct Chain {
    sdk: SdkConfig,
    /// The profile that was named on the command line.
    profile: Option<String>,
    endpoint_url: Option<String>,
    region: Option<String>,
    style: Style,
}

/// The APIs whose endpoints can be configured separately.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Api {
    /// S3, and Valet's own paths.
    S3,
    Iam,
    Sts,
    CloudFront,
}

/// Reads the chain and asks it for credentials. The network is used only if the credentials come from there.
pub(crate) async fn load(arguments: &Aws) -> Result<Identity, Failure> {
    let chain = Chain::read(arguments).await?;
    // Wrong usage is reported before anybody is asked for credentials.
    let service = chain.service()?;
    let (credentials, session) = chain.credentials().await?;
    Ok(Identity { credentials, session, region: chain.region().to_owned(), service })
}

impl Chain {
    /// Reads variables and profiles. Credentials are asked for later.
    pub(crate) async fn read(arguments: &Aws) -> Result<Self, Failure> {
        let style = style(arguments).await?;
        let sdk = sdk_config(arguments).await;
        let region = arguments.region.clone().or_else(|| sdk.region().map(ToString::to_string));
        let (profile, endpoint_url) = (arguments.profile.clone(), arguments.endpoint_url.clone());
        Ok(Self { sdk, profile, endpoint_url, region, style })
    }

    pub(crate) fn service(&self) -> Result<Service, Failure> {
        Ok(Service {
            endpoint: self.endpoint(Api::S3)?,
            region: self.region.clone(),
            style: self.style,
        })
    }

    /// The region of a signature.
    pub(crate) fn region(&self) -> &str {
        self.region.as_deref().unwrap_or(REGION_DEFAULT)
    }

    /// The endpoint of an API. First the one on the command line, then the one configured for this API, then
    /// the one for all. If only S3's is configured, it is also that of the others, since Valet serves all on
    /// one port.
    pub(crate) fn endpoint(&self, api: Api) -> Result<Option<Endpoint>, Failure> {
        let text = self
            .endpoint_url
            .clone()
            .or_else(|| self.configured(api))
            .or_else(|| self.sdk.endpoint_url().map(str::to_owned))
            .filter(|url| !url.is_empty())
            .or_else(|| self.configured(Api::S3));
        let Some(text) = text else { return Ok(None) };
        let endpoint = Endpoint::parse(&text).with_context(|| format!("the endpoint `{text}`"));
        endpoint.map(Some).map_err(Failure::usage)
    }

    /// The endpoint that a variable or the profile configures for one API.
    fn configured(&self, api: Api) -> Option<String> {
        let key = ServiceConfigKey::builder()
            .service_id(api.service_id())
            .env("AWS_ENDPOINT_URL")
            .profile("endpoint_url")
            .build()
            .ok()?;
        self.sdk.service_config()?.load_config(key).filter(|url| !url.is_empty())
    }

    /// Asks the chain for credentials. It is asked anew each time, so that credentials which end are replaced.
    pub(crate) async fn credentials(&self) -> Result<(Credentials, Session), Failure> {
        let provider = self.sdk.credentials_provider().ok_or_else(no_credentials)?;
        let found = provider.provide_credentials().await;
        let found = found.map_err(|error| match &self.profile {
            Some(name) if matches!(error, CredentialsError::CredentialsNotLoaded(_)) => {
                Failure::usage(anyhow!("the profile `{name}` has no credentials"))
            }
            Some(_) | None => without_credentials(&error),
        })?;
        let session = session(&found);
        let credentials = Credentials {
            access_key_id: found.access_key_id().to_owned(),
            secret_access_key: SecretAccessKey::new(found.secret_access_key()),
            session_token: found.session_token().map(SessionToken::new),
        };
        Ok((credentials, session))
    }
}

impl Api {
    pub(crate) fn service_id(self) -> &'static str {
        match self {
            Self::S3 => "s3",
            Self::Iam => "iam",
            Self::Sts => "sts",
            Self::CloudFront => "cloudfront",
        }
    }

    /// The region of the credential scope. IAM and CloudFront are global, so their scope always names the same region.
    pub(crate) fn scope_region(self, configured: &str) -> &str {
        match self {
            Self::Iam | Self::CloudFront => REGION_DEFAULT,
            Self::S3 | Self::Sts => configured,
        }
    }
}

/// Reads the region from variables and profiles only: asking for the metadata of an EC2 instance would cost
/// seconds on every other machine. `--profile` chooses the credentials of that profile and no others.
/// `AWS_PROFILE` does not override the variables of an access key, as for the `aws` command.
async fn sdk_config(arguments: &Aws) -> SdkConfig {
    let profile = arguments.profile.as_deref();
    let mut region_of_profile = ProfileFileRegionProvider::builder();
    let mut loader = aws_config::defaults(aws_config::BehaviorVersion::latest());
    if let Some(name) = profile {
        region_of_profile = region_of_profile.profile_name(name);
        loader = loader.profile_name(name);
    }
    let region = RegionProviderChain::first_try(EnvironmentVariableRegionProvider::new())
        .or_else(region_of_profile.build());
    if let Some(name) = profile {
        let region = region.region().await;
        let latest = Some(aws_config::BehaviorVersion::latest());
        let config = ProviderConfig::without_region()
            .with_region(region.clone())
            .with_behavior_version(latest);
        let credentials =
            ProfileFileCredentialsProvider::builder().configure(&config).profile_name(name).build();
        return loader.region(region).credentials_provider(credentials).load().await;
    }
    loader.region(region).load().await
}

/// The addressing style of the profile, which the SDK does not read. Fails if the named profile does not exist,
/// which the SDK does not report if it finds everything elsewhere.
async fn style(arguments: &Aws) -> Result<Style, Failure> {
    let name = arguments.profile.clone().map(Cow::Owned);
    let profiles = profile::load(&Fs::real(), &Env::real(), &<_>::default(), name).await;
    let profiles = profiles.context("the profiles").map_err(Failure::usage)?;
    let selected = profiles.selected_profile();
    let is_named = arguments.profile.is_some() || selected != PROFILE_DEFAULT;
    if is_named && !selected.is_empty() && profiles.get_profile(selected).is_none() {
        return Err(Failure::usage(anyhow!(
            "there is no profile `{selected}` in ~/.aws/config or ~/.aws/credentials, or in the files that \
             AWS_CONFIG_FILE and AWS_SHARED_CREDENTIALS_FILE name"
        )));
    }
    Style::of_settings(profiles.get("s3").unwrap_or_default()).ok_or_else(|| {
        Failure::usage(anyhow!("the profile's `addressing_style` is not auto, path or virtual"))
    })
}

/// When the session ends. Valet's own tokens contain it; otherwise the chain may have told it with the
/// credentials; otherwise the environment may say.
fn session(found: &aws_credential_types::Credentials) -> Session {
    let end = found
        .session_token()
        .and_then(iam::token_expires_at)
        .or_else(|| found.expiry().and_then(|end| Timestamp::try_from(end).ok()))
        .or_else(|| config::credential_expiration(found.access_key_id()));
    match (found.session_token(), end) {
        (None, None) => Session::LongTerm,
        (_, Some(end)) => Session::EndsAt(end),
        (Some(_), None) => Session::EndUnknown,
    }
}

/// Why the chain gave no credentials. Its error is a trace through its inside, so only the innermost cause is
/// told. If only the metadata of an EC2 instance was left to ask, nothing was configured at all.
fn without_credentials(error: &CredentialsError) -> Failure {
    let mut causes = vec![error.to_string()];
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        causes.push(inner.to_string());
        cause = inner.source();
    }
    let of_instance = causes.iter().any(|cause| cause.contains("IMDS"));
    if of_instance || matches!(error, CredentialsError::CredentialsNotLoaded(_)) {
        return no_credentials();
    }
    let innermost = causes.pop().unwrap_or_default();
    Failure::failed(anyhow!("the credentials cannot be had: {innermost}"))
}

fn no_credentials() -> Failure {
    Failure::usage(anyhow!(
        "no credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or name a profile of \
         ~/.aws with --profile"
    ))
}
