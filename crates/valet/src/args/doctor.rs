//! The command line of `valet doctor`.

use clap::Args;
use reqwest::Url;

use super::Aws;

/// It uses the server as a client does: it makes links to objects of its own, fetches them through each public URL, says
/// what changes them on the way and how to mend it, and deletes what it made.
#[derive(Args, Debug)]
#[command(
    after_help = "The exit status is 1 if something must be mended. The configured endpoint is always looked at. \
                  Credentials, region and endpoint come from the standard AWS chain."
)]
pub(crate) struct Doctor {
    /// A bucket to make the objects in [default: one is made, and removed at the end]
    #[arg(long, value_name = "BUCKET")]
    pub(crate) bucket: Option<String>,
    /// Another URL by which clients reach the server; repeatable
    #[arg(long, value_name = "URL")]
    pub(crate) public_url: Vec<String>,
    /// The origin of a web page that shall use links: scheme, host and port
    #[arg(long, value_name = "ORIGIN", value_parser = origin)]
    pub(crate) origin: Option<String>,
    /// Print what was found as JSON
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) aws: Aws,
}

/// Reads an origin as browsers send it.
fn origin(text: &str) -> Result<String, String> {
    let sent = Url::parse(text).ok().map(|url| url.origin().ascii_serialization());
    match sent.filter(|sent| sent.starts_with("https://") || sent.starts_with("http://")) {
        Some(sent) if sent == text => Ok(sent),
        Some(sent) => Err(format!("browsers send {sent}")),
        None => Err("expected SCHEME://HOST[:PORT], such as https://app.example.com".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_what_browsers_send() {
        for good in ["https://app.example.com", "http://localhost:3000", "http://[::1]:8080"] {
            assert_eq!(origin(good).as_deref(), Ok(good));
        }
        for (bad, hint) in [
            ("https://app.example.com/", "browsers send https://app.example.com"),
            ("https://App.example.com/a?b", "browsers send https://app.example.com"),
            ("https://app.example.com:443", "browsers send https://app.example.com"),
            ("app.example.com", "expected SCHEME://HOST[:PORT]"),
            ("null", "expected SCHEME://HOST[:PORT]"),
            ("file:///a", "expected SCHEME://HOST[:PORT]"),
            ("", "expected SCHEME://HOST[:PORT]"),
        ] {
            let refused = origin(bad).unwrap_err();
            assert!(refused.starts_with(hint), "{bad}: {refused}");
        }
    }
}
