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
use crate::{clock, output};

/// How much of a file of a key is read, in bytes.
const KEY_FILE_BYTES_MAX: u64 = 64 * 1024;

pub(crate) fn run(arguments: &CloudFront) -> Result<(), Failure> {
    match &arguments.command {
        Command::SignUrl(arguments) => sign_url(arguments),
        Command::SignCookies(arguments) => sign_cookies(arguments),
    }
}

fn sign_url(arguments: &SignUrl) -> Result<(), Failure> {
    let SignUrl { url, signing, policy_resource, in_path } = arguments;
    if !url.contains("://") {
        return Err(Failure::usage(anyhow!("--url needs a whole URL, such as https://{url}")));
    }
    let signer = signer(signing)?;
    let policy = policy(policy_resource.as_deref().unwrap_or(url), signing)?;
    warn(&policy, Some(url));
    let text = policy.to_json(CloudFrontStyle::Cli);
    let signed = match policy_resource {
        _ if *in_path => signer.path_token(&text).and_then(|token| with_token(url, &token)),
        None => signer.sign_url(url, &policy),
        // The URL does not say what was signed, so the policy must be sent.
        Some(_) => signer.sign_url_with_text(url, &text),
    };
    let signed = signed.ok_or_else(|| Failure::failed(anyhow!("the key cannot sign")))?;
    // As `aws cloudfront sign`: scripts get the URL and nothing else.
    if std::io::stdout().is_terminal() { output::result(&signed) } else { output::piece(&signed) }
}

fn sign_cookies(arguments: &SignCookies) -> Result<(), Failure> {
    let SignCookies { resource, signing, json } = arguments;
    let signer = signer(signing)?;
    let policy = policy(resource, signing)?;
    warn(&policy, None);
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

/// The URL with a token in front of its path: behind the host, or behind the address below a server's own name.
fn with_token(url: &str, token: &str) -> Option<String> {
    const BELOW: &str = "/_valet/cdn/";
    let host = url.find("://")? + 3;
    let below = url.get(host..)?.find(BELOW).map(|at| host + at + BELOW.len());
    let from = below.unwrap_or(host);
    let slash = url.get(from..)?.find('/').map(|at| from + at)?;
    let (before, path) = url.split_at_checked(slash)?;
    Some(format!("{before}/{token}{path}"))
}

/// Says what the signature will not open, though it is signed as it was asked for.
fn warn(policy: &CloudFrontPolicy, url: Option<&str>) {
    let now = clock::now();
    let (start, end) = policy.span();
    if end <= now {
        output::note(format!("this opens nothing: it ended at {end}"));
    } else if start.is_some_and(|start| start >= end) {
        output::note("this opens nothing: it ends before it begins");
    }
    let Some(url) = url else { return };
    if policy.covers(&url.replace('*', "any")) && url.contains('*') {
        output::note(
            "the * in the URL is a wildcard for whoever sends this as a custom policy: write %2A for a file of that name",
        );
    }
    let is_plain = url.bytes().all(|byte| byte.is_ascii_graphic()) && !url.contains('#');
    if !is_plain {
        output::note("browsers send another URL than this one: encode it as they do");
    } else if !(url.starts_with("https://") || url.starts_with("http://")) {
        output::note("a distribution is reached by http:// or https:// alone");
    } else if !policy.covers(url) {
        output::note(
            "the policy does not open this URL: its resource is another, such as one without https://",
        );
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_token_stands_in_front_of_the_path() {
        for (url, expected) in [
            ("https://d.test/a/b.m3u8", Some("https://d.test/~t/a/b.m3u8")),
            ("http://h:9000/_valet/cdn/E1/a", Some("http://h:9000/_valet/cdn/E1/~t/a")),
            ("http://h/p/_valet/cdn/E1/", Some("http://h/p/_valet/cdn/E1/~t/")),
            ("https://d.test", None),
            ("d.test/a", None),
        ] {
            assert_eq!(with_token(url, "~t").as_deref(), expected, "{url}");
        }
    }
}
