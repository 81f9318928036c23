//! The mail server that notices are handed to, as the operator names it.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use lettre::transport::smtp::client::{Tls, TlsParameters};
use lettre::transport::smtp::extension::ClientId;
use lettre::{Address, AsyncSmtpTransport, Tokio1Executor};
use reqwest::Url;
use zeroize::Zeroizing;

/// How long the mail server may take for each of its answers.
const PATIENCE: Duration = Duration::from_secs(10);
/// The port for mail that somebody signs in to send, and the one for all other mail.
const PORTS: (u16, u16) = (587, 25);

/// `smtp://` or `smtps://user:password@host:port?from=ADDRESS`. It holds a password, so it is never printed.
#[derive(Clone)]
pub struct SmtpUrl {
    text: Zeroizing<String>,
    from: Address,
}

/// Why a text names no mail server. It repeats nothing of the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SmtpUrlError {
    /// It is none of the two schemes with a host.
    #[error(
        "a mail server is written smtp://HOST?from=ADDRESS or smtps://USER:PASSWORD@HOST:PORT?from=ADDRESS"
    )]
    Form,
    /// The sender is missing, or is no address.
    #[error("the address that mail comes from is missing: ?from=valet@example.com")]
    From,
    /// There is a user without a password, or the reverse.
    #[error("a user of a mail server has a name and a password")]
    User,
}

impl SmtpUrl {
    /// Reads the URL. Nothing but the form is looked at: nobody is called.
    pub fn parse(text: &str) -> Result<Self, SmtpUrlError> {
        let url = Url::parse(text).map_err(|_| SmtpUrlError::Form)?;
        let has_place = url.host_str().is_some_and(|host| !host.is_empty())
            && matches!(url.path(), "" | "/")
            && url.fragment().is_none();
        if !matches!(url.scheme(), "smtp" | "smtps") || !has_place {
            return Err(SmtpUrlError::Form);
        }
        if url.username().is_empty() != url.password().is_none_or(str::is_empty) {
            return Err(SmtpUrlError::User);
        }
        let mut pairs = url.query_pairs();
        let from = pairs.next().filter(|(name, _)| name == "from");
        let from = from.and_then(|(_, value)| value.parse().ok()).ok_or(SmtpUrlError::From)?;
        if pairs.next().is_some() {
            return Err(SmtpUrlError::Form);
        }
        Ok(Self { text: Zeroizing::new(text.to_owned()), from })
    }

    /// The address that mail comes from.
    pub(crate) fn from(&self) -> &Address {
        &self.from
    }

    /// What hands mail over. A password is only sent over TLS, or to this machine.
    pub(crate) fn transport(
        &self,
    ) -> Result<AsyncSmtpTransport<Tokio1Executor>, lettre::transport::smtp::Error> {
        let mut builder = AsyncSmtpTransport::<Tokio1Executor>::from_url(&self.text)?;
        if let Ok(url) = Url::parse(&self.text)
            && url.scheme() == "smtp"
        {
            let (signs_in, host) = (!url.username().is_empty(), url.host_str().unwrap_or_default());
            let (with_user, without) = PORTS;
            builder =
                builder.port(url.port().unwrap_or(if signs_in { with_user } else { without }));
            builder = builder.tls(if is_this_machine(host) {
                Tls::None
            } else if signs_in {
                Tls::Required(TlsParameters::new(host.to_owned())?)
            } else {
                Tls::Opportunistic(TlsParameters::new(host.to_owned())?)
            });
        }
        let name = ClientId::Domain(self.from.domain().to_owned());
        Ok(builder.hello_name(name).timeout(Some(PATIENCE)).build())
    }
}

fn is_this_machine(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    bare == "localhost" || bare.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

impl fmt::Debug for SmtpUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SmtpUrl(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mail_servers_are_read_and_never_printed() {
        let check = |text: &str, expected: Result<&str, SmtpUrlError>| {
            let parsed = SmtpUrl::parse(text);
            let from = parsed.as_ref().map(|url| url.from().to_string());
            assert_eq!(from.as_deref().map_err(|error| **error), expected, "{text}");
            if let Ok(url) = &parsed {
                assert_eq!(format!("{url:?}"), "SmtpUrl(..)");
                assert!(url.transport().is_ok(), "{text}");
            }
        };
        check("smtp://127.0.0.1:2525?from=valet@example.com", Ok("valet@example.com"));
        check("smtp://localhost/?from=valet@example.com", Ok("valet@example.com"));
        check("smtps://ana:s%2Fecret@mail.test?from=valet%40example.com", Ok("valet@example.com"));
        check("smtp://ana:secret@mail.test:587?from=valet@example.com", Ok("valet@example.com"));
        check("smtps://mail.test", Err(SmtpUrlError::From));
        check("smtps://mail.test?from=a@b\r\nBcc:c@d", Err(SmtpUrlError::From));
        check("smtps://mail.test?from=nobody", Err(SmtpUrlError::From));
        check("smtps://mail.test?tls=none&from=a@b.test", Err(SmtpUrlError::From));
        check("smtps://mail.test?from=a@b.test&tls=none", Err(SmtpUrlError::Form));
        check("smtps://ana@mail.test?from=a@b.test", Err(SmtpUrlError::User));
        check("smtps://:secret@mail.test?from=a@b.test", Err(SmtpUrlError::User));
        check("smtps://mail.test/inbox?from=a@b.test", Err(SmtpUrlError::Form));
        check("https://mail.test?from=a@b.test", Err(SmtpUrlError::Form));
        check("smtps:", Err(SmtpUrlError::Form));
        check("mail.test:25", Err(SmtpUrlError::Form));
    }

    #[test]
    fn a_password_stays_on_this_machine_or_goes_over_tls() {
        let check = |host: &str, expected: bool| assert_eq!(is_this_machine(host), expected);
        check("localhost", true);
        check("127.0.0.9", true);
        check("[::1]", true);
        check("localhost.test", false);
        check("10.0.0.1", false);
    }
}
