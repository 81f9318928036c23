//! `valet cloudfront`: signs URLs and cookies with a private key, without asking any server.

use std::io::{IsTerminal as _, Read as _};

use anyhow::{Context as _, anyhow};
use presign::{
    CloudFrontCookie, CloudFrontHash, CloudFrontPolicy, CloudFrontPrivateKey, CloudFrontSigner,
    CloudFrontStyle,
};
use zeroize::Zeroizing;

use crate::args::cloudfront::{CloudFront, Command, Hash, SignCookies, SignUrl, Signing};
use crate::failure::Failure;
use crate::output;

/// How much of a file of a key is read, in bytes.
const KEY_FILE_BYTES_MAX: u64 = 64 * 1024;

pub(crate) fn run(arguments: &CloudFront) -> Result<(), Failure> {
    match &arguments.command {
        Command::SignUrl(arguments) => sign_url(arguments),
        Command::SignCookies(arguments) => sign_cookies(arguments),
    }
}

fn sign_url(arguments: &SignUrl) -> Result<(), Failure> {
    let SignUrl { url, signing, policy_resource } = arguments;
    if !url.contains("://") {
        return Err(Failure::usage(anyhow!("--url needs a whole URL, such as https://{url}")));
    }
    let signer = signer(signing)?;
    let policy = policy(policy_resource.as_deref().unwrap_or(url), signing)?;
    let signed = match policy_resource {
        None => signer.sign_url(url, &policy),
        // The URL does not say what was signed, so the policy must be sent.
        Some(_) => signer.sign_url_with_text(url, &policy.to_json(CloudFrontStyle::Cli)),
    };
    let signed = signed.ok_or_else(|| Failure::failed(anyhow!("the key cannot sign")))?;
    // As `aws cloudfront sign`: scripts get the URL and nothing else.
    if std::io::stdout().is_terminal() { output::result(&signed) } else { output::piece(&signed) }
}

fn sign_cookies(arguments: &SignCookies) -> Result<(), Failure> {
    let SignCookies { resource, signing, json } = arguments;
    let signer = signer(signing)?;
    let policy = policy(resource, signing)?;
    let cookies = if resource.contains(['*', '?']) {
        signer.sign_cookies_with_text(&policy.to_json(CloudFrontStyle::Cli))
    } else {
        signer.sign_cookies(&policy)
    };
    let cookies = cookies.ok_or_else(|| Failure::failed(anyhow!("the key cannot sign")))?;
    if *json {
        let member = |cookie: CloudFrontCookie| (cookie.name.to_owned(), cookie.value.into());
        let all: serde_json::Map<_, _> = cookies.into_iter().map(member).collect();
        return output::result(&serde_json::Value::Object(all).to_string());
    }
    cookies
        .iter()
        .try_for_each(|CloudFrontCookie { name, value }| output::result(&format!("{name}={value}")))
}

fn signer(signing: &Signing) -> Result<CloudFrontSigner, Failure> {
    let path = &signing.private_key;
    let mut pem = Zeroizing::new(String::new());
    std::fs::File::open(path)
        .and_then(|file| file.take(KEY_FILE_BYTES_MAX).read_to_string(&mut pem))
        .with_context(|| format!("cannot read the private key {}", path.display()))
        .map_err(Failure::usage)?;
    let key = CloudFrontPrivateKey::from_pem(&pem).map_err(|error| {
        let error = anyhow!("{}: {error}", path.display());
        Failure::usage(error).with_hint(
            "Make a key with: openssl genrsa -out private.pem 2048 && openssl rsa -in private.pem -pubout -out public.pem",
        )
    })?;
    let hash = match signing.hash_algorithm {
        Hash::Sha1 => CloudFrontHash::Sha1,
        Hash::Sha256 => CloudFrontHash::Sha256,
    };
    Ok(CloudFrontSigner::new(&signing.key_pair_id, key).with_hash(hash))
}

fn policy(resource: &str, signing: &Signing) -> Result<CloudFrontPolicy, Failure> {
    let made = || {
        let mut policy = CloudFrontPolicy::new(resource, signing.date_less_than)?;
        if let Some(start) = signing.date_greater_than {
            policy = policy.with_start(start)?;
        }
        Ok::<_, presign::CloudFrontPolicyError>(match signing.ip_address {
            Some(source) => policy.with_source(source),
            None => policy,
        })
    };
    made().map_err(Failure::usage)
}
