//! `valet credentials`: a role's credentials for programs of this machine.

mod document;
mod metadata;
mod rotation;
mod serve;

use crate::args::Aws;
use crate::args::credentials::{Credentials, CredentialsCommand, PrintCredentials};
use crate::aws::{Chain, Session};
use crate::failure::Failure;
use crate::remote::Remote;
use crate::{output, sts, transfer};

pub(crate) fn run(arguments: &Credentials) -> Result<(), Failure> {
    let aws = &arguments.remote.aws;
    match &arguments.command {
        CredentialsCommand::Serve(serve) => transfer::block_on(serve::run(serve, aws)),
        CredentialsCommand::Print(print) => transfer::block_on(self::print(print, aws)),
    }
}

/// Prints what `credential_process` of a profile expects.
async fn print(arguments: &PrintCredentials, aws: &Aws) -> Result<(), Failure> {
    let Some(role) = &arguments.role else {
        let (credentials, session) = Chain::read(aws).await?.credentials().await?;
        let end = match session {
            Session::EndsAt(end) => Some(end),
            Session::LongTerm | Session::EndUnknown => None,
        };
        return output::result(&document::process(&credentials, end)?);
    };
    let remote = Remote::connect(aws).await?;
    let arn = sts::role_arn(&remote, role).await?;
    let assumed = sts::assume_role(&remote, &arn, &arguments.session).await?;
    output::result(&document::process(&assumed.credentials, Some(assumed.ends_at))?)
}
