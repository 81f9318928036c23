//! `valet presign`: makes links and prints them.

mod answer;
mod ask;
mod bulk;
mod bundle;
mod expiry;
mod limits;
mod link;
pub(crate) mod post;

pub(crate) use self::answer::qr_code;

use jiff::Timestamp;

use crate::args::{Aws, Format, Presign};
use crate::failure::Failure;
use crate::{aws, clock, location, output, transfer};

use self::answer::Answer;
use self::ask::{ExpiryClient, ExpiryQuestion, Silence};
use self::expiry::ServerExpiry;
use self::link::{EarlyDeath, Link, LinkError, LinkSigner};

/// The argument that stands for standard input.
const STANDARD_INPUT: &str = "-";

pub(crate) fn run(arguments: &Presign) -> Result<(), Failure> {
    if arguments.in_parts.multipart {
        return bundle::run(arguments);
    }
    let Format { json, curl, qr } = arguments.format;
    if arguments.target == STANDARD_INPUT {
        if curl || qr {
            let only = anyhow::anyhow!("`-` writes JSON: --curl and --qr are for one link");
            return Err(Failure::usage(only));
        }
        return bulk::run(
            arguments.link.clone(),
            Maker::new(&arguments.aws, arguments.link.offline)?,
        );
    }
    // Wrong usage is reported before anybody is asked for credentials.
    let link = Link::new(&arguments.target, &arguments.link, clock::now())?;
    let mut maker = Maker::new(&arguments.aws, arguments.link.offline)?;
    let answer = maker.make(&link, clock::now())?;
    if let Some(caution) = answer.caution() {
        output::note(caution);
    }
    if json {
        output::result(&answer.json()?)
    } else if curl {
        output::result(&answer.curl(&link))
    } else if qr {
        output::result(&answer.qr(output::terminal_size())?)
    } else {
        output::result(answer.url())
    }
}

/// Makes links and forms: asks the server when they really end, and signs them.
#[derive(Debug)]
struct Maker {
    signer: LinkSigner,
    expiry_client: Option<ExpiryClient>,
    silence: Option<Silence>,
    /// Whether it was said already that AWS ignores the conditions of links.
    told_of_aws: bool,
}

impl Maker {
    fn new(aws: &Aws, offline: bool) -> Result<Self, Failure> {
        let identity = transfer::block_on(aws::load(aws))?;
        let expiry_client = if offline { None } else { ExpiryClient::of(&identity, aws)? };
        Ok(Self {
            signer: LinkSigner::new(identity),
            expiry_client,
            silence: None,
            told_of_aws: false,
        })
    }

    /// Asks the server when the link ends, and signs. Once the server gave no answer, it is not asked again.
    fn make(&mut self, link: &Link, now: Timestamp) -> Result<Answer, LinkError> {
        self.tell_of_aws(link);
        let told = self.ask(link.question(), link.early_death, now)?;
        self.signer.sign(link, told.as_ref(), now)
    }

    /// The end of the link by the server's policies; `None` if the server gives no answer.
    fn ask(
        &mut self,
        question: ExpiryQuestion<'_>,
        early_death: EarlyDeath,
        now: Timestamp,
    ) -> Result<Option<ServerExpiry>, LinkError> {
        let mut told = None;
        if let (Some(expiry_client), None) = (&self.expiry_client, &self.silence) {
            match expiry_client.ask(question, now) {
                Ok(answer) => told = Some(answer),
                // Only this link was refused; the next may be for another bucket.
                Err(silence @ Silence::Impossible(_)) => {
                    output::note(&silence);
                    if early_death == EarlyDeath::Refused {
                        return Err(LinkError::DiesEarly(silence.to_string()));
                    }
                }
                Err(silence) => {
                    output::note(&silence);
                    self.silence = Some(silence);
                }
            }
        }
        // With `--strict` a missing answer is an error. A server that is not Valet is an exception: its
        // policies cannot end links.
        if let (EarlyDeath::Refused, Some(silence @ (Silence::Failed(_) | Silence::Refused(_)))) =
            (early_death, &self.silence)
        {
            return Err(LinkError::DiesEarly(silence.to_string()));
        }
        Ok(told)
    }

    /// Signs a link without asking the server.
    fn make_offline(&mut self, link: &Link, now: Timestamp) -> Result<Answer, LinkError> {
        self.tell_of_aws(link);
        self.signer.sign(link, None, now)
    }

    /// Says once that a link for AWS is not limited by its conditions.
    fn tell_of_aws(&mut self, link: &Link) {
        let is_aws = self.signer.service.endpoint.as_ref().is_none_or(location::is_aws);
        let ignored = link.condition_names();
        if is_aws && !ignored.is_empty() && !self.told_of_aws {
            self.told_of_aws = true;
            output::note(format_args!(
                "AWS ignores {}: at its endpoint the link is not limited by that",
                ignored.join(", ")
            ));
        }
    }
}
