//! Credentials, region and endpoint of the client commands, from the standard AWS chain.

use std::borrow::Cow;

use anyhow::{Context as _, anyhow};
use aws_config::SdkConfig;
use aws_config::environment::EnvironmentVariableRegionProvider;
use aws_config::meta::region::RegionProviderChain;
use aws_config::profile::{self, ProfileFileRegionProvider};
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

/// Who signs, for where.
#[derive(Debug)]
pub(crate) struct Identity {
    pub(crate) credentials: Credentials,
    pub(crate) session: Session,
    /// The region of the credential scope.
    pub(crate) region: String,
    pub(crate) service: Service,
}

/// How long the credentials themselves live: a link never outlives them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Session {
    /// Credentials of their own, without an end.
    LongTerm,
    /// Temporary ones.
    EndsAt(Timestamp),
    /// Temporary ones whose maker did not say when they end.
    EndUnknown,
}

/// Asks the chain. No network is used unless the credentials come from one.
pub(crate) fn load(arguments: &Aws) -> Result<Identity, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    runtime.block_on(async {
        let sdk = sdk_config(arguments).await;
        let region = arguments.region.clone().or_else(|| sdk.region().map(ToString::to_string));
        let endpoint = endpoint(arguments, &sdk)?;
        let style = style(arguments).await?;
        let (credentials, session) = credentials(&sdk).await?;
        Ok(Identity {
            credentials,
            session,
            region: region.clone().unwrap_or_else(|| REGION_DEFAULT.to_owned()),
            service: Service { endpoint, region, style },
        })
    })
}

/// The region is looked for in variables and profiles alone: asking the instance's metadata for it
/// would cost seconds wherever there is none.
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
    loader.region(region).load().await
}

/// What was typed, else the endpoint configured for S3, else the one for all services.
fn endpoint(arguments: &Aws, sdk: &SdkConfig) -> Result<Option<Endpoint>, Failure> {
    let of_s3 = || {
        let key = ServiceConfigKey::builder()
            .service_id("s3")
            .env("AWS_ENDPOINT_URL")
            .profile("endpoint_url")
            .build()
            .ok()?;
        sdk.service_config()?.load_config(key)
    };
    let of_all = || sdk.endpoint_url().map(str::to_owned);
    let Some(text) = arguments.endpoint_url.clone().or_else(of_s3).or_else(of_all) else {
        return Ok(None);
    };
    let endpoint = Endpoint::parse(&text).with_context(|| format!("the endpoint `{text}`"));
    endpoint.map(Some).map_err(Failure::usage)
}

/// The addressing style of the profile, which the SDK leaves to whoever reads its files.
async fn style(arguments: &Aws) -> Result<Style, Failure> {
    let name = arguments.profile.clone().map(Cow::Owned);
    let profiles = profile::load(&Fs::real(), &Env::real(), &<_>::default(), name).await;
    let profiles = profiles.context("the profiles").map_err(Failure::usage)?;
    Style::of_settings(profiles.get("s3").unwrap_or_default()).ok_or_else(|| {
        Failure::usage(anyhow!("the profile's `addressing_style` is not auto, path or virtual"))
    })
}

async fn credentials(sdk: &SdkConfig) -> Result<(Credentials, Session), Failure> {
    let provider = sdk.credentials_provider().ok_or_else(no_credentials)?;
    let found = provider.provide_credentials().await.map_err(|error| {
        if matches!(error, CredentialsError::CredentialsNotLoaded(_)) {
            return no_credentials();
        }
        Failure::failed(anyhow::Error::from(error).context("no credentials"))
    })?;
    let end = found
        .expiry()
        .and_then(|end| Timestamp::try_from(end).ok())
        .or_else(|| config::credential_expiration(found.access_key_id()));
    let session = match (found.session_token(), end) {
        (None, None) => Session::LongTerm,
        (_, Some(end)) => Session::EndsAt(end),
        (Some(_), None) => Session::EndUnknown,
    };
    let credentials = Credentials {
        access_key_id: found.access_key_id().to_owned(),
        secret_access_key: SecretAccessKey::new(found.secret_access_key()),
        session_token: found.session_token().map(SessionToken::new),
    };
    Ok((credentials, session))
}

fn no_credentials() -> Failure {
    Failure::usage(anyhow!(
        "no credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or name a profile of \
         ~/.aws with --profile"
    ))
}
