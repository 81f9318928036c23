//! Notices by mail: plain text, of which nothing can become a header or a line of its own.

use std::fmt;
use std::sync::OnceLock;
use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use lettre::message::Mailbox;
use lettre::message::header::{ContentType, HeaderName, HeaderValue, MIME_VERSION_1_0};
use lettre::transport::smtp::Error as SmtpError;
use lettre::{Address, AsyncSmtpTransport, AsyncTransport as _, Message, Tokio1Executor};
use store::{Notice, NoticeEvent};

use super::undelivered::Undelivered;
use crate::disposition::{is_deceptive, safe_name};
use crate::smtp::SmtpUrl;

/// The longest time to hand one mail over.
const TIME_MAX: Duration = Duration::from_secs(20);
/// The most characters of a name in a line of a mail.
const LINE_CHARS_MAX: usize = 300;
/// The most characters of a name in the subject.
const SUBJECT_CHARS_MAX: usize = 100;
/// The most characters of what a mail server says, of which people are told.
const ANSWER_CHARS_MAX: usize = 200;

/// Hands mail to the mail server.
pub(super) struct Mailer {
    url: SmtpUrl,
    /// Made for the first mail: it reads the certificates of this machine.
    transport: OnceLock<AsyncSmtpTransport<Tokio1Executor>>,
}

impl fmt::Debug for Mailer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Mailer(..)")
    }
}

impl Mailer {
    pub(super) fn new(url: SmtpUrl) -> Self {
        Self { url, transport: OnceLock::new() }
    }

    /// Hands the mail about a notice over.
    pub(super) async fn send(&self, notice: &Notice, address: &str) -> Result<(), Undelivered> {
        let address = address.parse::<Address>();
        let address = address.map_err(|_| Undelivered::for_good("that is no address of mail"))?;
        let message = message(notice, (self.url.from(), address));
        let message = message.map_err(|_| Undelivered::for_good("the mail cannot be written"))?;
        let transport = self.transport()?;
        match tokio::time::timeout(TIME_MAX, transport.send(message)).await {
            Ok(Ok(_accepted)) => Ok(()),
            Ok(Err(error)) => {
                tracing::debug!(%error, link = notice.link.short(), "a mail was not taken");
                Err(Undelivered::for_now(told(&error)))
            }
            Err(_elapsed) => Err(Undelivered::for_now("the mail server has not answered in time")),
        }
    }

    fn transport(&self) -> Result<&AsyncSmtpTransport<Tokio1Executor>, Undelivered> {
        if let Some(made) = self.transport.get() {
            return Ok(made);
        }
        let made = self.url.transport().map_err(|error| {
            tracing::error!(%error, "no mail can be sent");
            Undelivered::for_now("the mail server cannot be used")
        })?;
        Ok(self.transport.get_or_init(|| made))
    }
}

/// Why a mail was not taken, without the places of the operator's network.
fn told(error: &SmtpError) -> String {
    let said = || shown(&error.to_string(), ANSWER_CHARS_MAX);
    if error.status().is_some() {
        format!("the mail server does not take it: {}", said())
    } else if error.is_client() {
        format!("the mail server does not offer what is needed: {}", said())
    } else if error.is_tls() {
        "no trusted connection to the mail server can be made".to_owned()
    } else if error.is_timeout() {
        "the mail server has not answered in time".to_owned()
    } else {
        "the mail server cannot be reached".to_owned()
    }
}

/// The mail about a notice. Whoever gets it twice knows it by its `Message-ID`.
fn message(
    notice: &Notice,
    (from, to): (&Address, Address),
) -> Result<Message, lettre::error::Error> {
    let id = format!("<{}@{}>", notice.id, from.domain());
    let automatic = HeaderName::new_from_ascii_str("Auto-Submitted");
    Message::builder()
        .from(Mailbox::new(Some("Valet".to_owned()), from.clone()))
        .to(Mailbox::new(None, to))
        .subject(subject(notice))
        .date(date(notice.at))
        .message_id(Some(id))
        .raw_header(HeaderValue::new(automatic, "auto-generated".to_owned()))
        .header(MIME_VERSION_1_0)
        .header(ContentType::TEXT_PLAIN)
        .body(text(notice))
}

fn date(at: Timestamp) -> SystemTime {
    let since_1970 = Duration::from_secs(u64::try_from(at.as_second()).unwrap_or(0));
    SystemTime::UNIX_EPOCH.checked_add(since_1970).unwrap_or(SystemTime::UNIX_EPOCH)
}

fn subject(notice: &Notice) -> String {
    let facts = &notice.facts;
    // Of many files that come in by one link, each has its own name.
    let label = facts.label.clone().filter(|_| notice.event != NoticeEvent::Upload);
    let name = label.or_else(|| safe_name(&facts.key)).unwrap_or_else(|| facts.bucket.clone());
    let name = shown(&name, SUBJECT_CHARS_MAX);
    let what = match notice.event {
        NoticeEvent::FirstUse => "First use",
        NoticeEvent::Upload => "File received",
        NoticeEvent::UsedUp => "Link used up",
        NoticeEvent::RefusedAfterEnd => "Link tried after its end",
    };
    format!("{what}: {name}")
}

fn text(notice: &Notice) -> String {
    let facts = &notice.facts;
    let what = match notice.event {
        NoticeEvent::FirstUse => "A link of yours was used for the first time.",
        NoticeEvent::Upload => "A file has come in by a request of yours.",
        NoticeEvent::UsedUp => "A link of yours was used as often as it may be.",
        NoticeEvent::RefusedAfterEnd => {
            "Somebody has tried a link of yours after its end, and was refused.\r\nFurther tries are told of once a day."
        }
    };
    let line = |text: &str| shown(text, LINE_CHARS_MAX);
    let mut lines = vec![what.to_owned(), String::new()];
    let mut add = |name: &str, value: Option<String>| {
        lines.extend(value.map(|value| format!("{name:<8} {value}")));
    };
    add("Object:", Some(line(&facts.key)).filter(|key| !key.is_empty()));
    add("Size:", facts.bytes.map(|bytes| format!("{bytes} bytes")));
    add("Label:", facts.label.as_deref().map(line));
    add("When:", Some(notice.at.strftime("%-d %B %Y, %H:%M:%S UTC").to_string()));
    add("From:", facts.address.map(|address| address.to_string()));
    add("Link:", Some(notice.link.short()));
    lines.push(String::new());
    lines.push(format!("To see more: valet links show {}", notice.link.short()));
    lines.push(String::new());
    lines.join("\r\n")
}

/// A text that others chose, on one line and without what makes it look like another.
fn shown(text: &str, chars_max: usize) -> String {
    text.chars().filter(|c| !is_deceptive(*c)).take(chars_max).collect()
}

#[cfg(test)]
mod tests {
    use presign::Fingerprint;
    use store::{NoticeFacts, NoticeId, NoticeState};

    use super::*;

    fn notice(event: NoticeEvent, facts: NoticeFacts) -> Notice {
        let at: Timestamp = "2026-06-15T12:00:00Z".parse().unwrap();
        Notice {
            id: NoticeId::generate().unwrap(),
            link: Fingerprint::of_signature(b"a"),
            account: iam::AccountId::parse("000000000000").unwrap(),
            event,
            at,
            facts,
            target: "mailto:ana@example.com".to_owned(),
            state: NoticeState::Waiting { next_at: at },
            tries: 0,
            error: None,
        }
    }

    fn written(notice: &Notice) -> String {
        let address = |text: &str| text.parse::<Address>().unwrap();
        let from = address("valet@example.com");
        let message = message(notice, (&from, address("ana@example.com"))).unwrap();
        String::from_utf8(message.formatted()).unwrap()
    }

    #[test]
    fn a_mail_says_what_happened_to_which_link() {
        let facts = NoticeFacts {
            label: Some("Q3".to_owned()),
            bucket: "bucket".to_owned(),
            key: "q3/report.pdf".to_owned(),
            bytes: Some(7),
            address: Some("192.0.2.7".parse().unwrap()),
        };
        let notice = notice(NoticeEvent::Upload, facts);
        let mail = written(&notice);
        for line in [
            "From: Valet <valet@example.com>",
            "To: ana@example.com",
            "Subject: File received: report.pdf",
            "Date: Mon, 15 Jun 2026 12:00:00 +0000",
            &format!("Message-ID: <{}@example.com>", notice.id),
            "Auto-Submitted: auto-generated",
            "MIME-Version: 1.0",
            "Content-Type: text/plain; charset=utf-8",
            "A file has come in by a request of yours.",
            "Object:  q3/report.pdf",
            "Size:    7 bytes",
            "Label:   Q3",
            "When:    15 June 2026, 12:00:00 UTC",
            "From:    192.0.2.7",
            "Link:    ca978112ca1bbdca",
        ] {
            assert!(mail.split("\r\n").any(|written| written == line), "{line}\n{mail}");
        }
    }

    #[test]
    fn nothing_that_others_chose_is_a_header_or_a_line() {
        for hostile in [
            "x\r\nBcc: eve@example.com\r\n\r\nhello",
            "x\nBcc: eve@example.com",
            "x\rBcc: eve@example.com",
            "x\u{2028}Bcc: eve@example.com",
            "x\u{85}Bcc: eve@example.com",
            "\r\n.\r\nMAIL FROM:<eve@example.com>",
            "=?utf-8?q?x=0d=0aBcc:_eve@example.com?=",
            &format!("{}\r\nBcc: eve@example.com", "ä".repeat(500)),
        ] {
            let facts = NoticeFacts {
                bucket: "bucket".to_owned(),
                key: hostile.to_owned(),
                ..NoticeFacts::default()
            };
            for label in [None, Some(hostile.to_owned())] {
                let facts = NoticeFacts { label, ..facts.clone() };
                let mail = written(&notice(NoticeEvent::FirstUse, facts));
                let (head, _) = mail.split_once("\r\n\r\n").unwrap();
                // A line that goes on begins with a blank.
                let names = head.split("\r\n").filter(|line| !line.starts_with([' ', '\t']));
                let names: Vec<_> = names.map(|line| line.split(':').next().unwrap()).collect();
                let expected = [
                    "From",
                    "To",
                    "Subject",
                    "Date",
                    "Message-ID",
                    "Auto-Submitted",
                    "MIME-Version",
                    "Content-Type",
                    "Content-Transfer-Encoding",
                ];
                assert_eq!(names, expected, "{mail}");
                for line in mail.split("\r\n") {
                    assert!(!line.starts_with("MAIL") && line != ".", "{mail}");
                    assert!(!line.contains(['\r', '\n']), "{mail}");
                }
            }
        }
    }
}
