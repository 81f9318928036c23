//! `valet presign`: makes links and prints them.

mod answer;
mod bulk;
mod link;

use crate::args::{Format, Presign};
use crate::failure::Failure;
use crate::{aws, clock, output};

use self::link::{Link, LinkSigner};

/// What stands for standard input in place of a URI.
const STANDARD_INPUT: &str = "-";

pub(crate) fn run(arguments: &Presign) -> Result<(), Failure> {
    let Format { json, curl, qr } = arguments.format;
    if arguments.target == STANDARD_INPUT {
        if curl || qr {
            let only = anyhow::anyhow!("`-` writes JSON: --curl and --qr are for one link");
            return Err(Failure::usage(only));
        }
        return bulk::run(&arguments.link, LinkSigner::new(aws::load(&arguments.aws)?));
    }
    // Wrong usage is said before anybody is asked for credentials.
    let link = Link::new(&arguments.target, &arguments.link).map_err(Failure::usage)?;
    let mut signer = LinkSigner::new(aws::load(&arguments.aws)?);
    let answer = signer.sign(&link, clock::now()).map_err(Failure::usage)?;
    if json {
        return output::result(&answer.json()?);
    }
    if let Some(caution) = answer.caution() {
        output::note(caution);
    }
    if curl {
        output::result(&answer.curl(&link))
    } else if qr {
        output::result(&answer.qr()?)
    } else {
        output::result(answer.url())
    }
}
