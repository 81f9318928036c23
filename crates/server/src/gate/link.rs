//! The conditions of a link: read once its signature holds, and kept by the gate and by the operation that it admits.

use std::net::IpAddr;
use std::sync::Arc;

use jiff::Timestamp;
use presign::{Cause, CauseCode, ConditionError, Fingerprint, LinkConditions, Mechanism};
use store::ManagedLink;

use super::caller::{Caller, SignedCaller};
use crate::error::{Code, S3Error};
use crate::link_uses::Allowance;
use crate::permission::LinkFit;

/// The answer to whoever holds a link that was taken back.
pub(crate) const REVOKED: &str = "Link has been revoked";
/// The answer to whoever holds a link that was used as often as it may be.
pub(crate) const USED_UP: &str = "Link has been used up";
/// The answer to whoever holds a managed link that has ended.
pub(crate) const EXPIRED: &str = "Request has expired";
/// The answer to whoever holds a link that opens later.
const NOT_YET: &str = "Request is not yet valid";

/// The conditions of the link that a request came by. Only the gate reads them, from a query that the signature covers.
#[derive(Debug)]
pub(crate) struct LinkTerms {
    pub(super) conditions: LinkConditions,
    pub(super) fingerprint: Fingerprint,
    /// When the link ends.
    pub(super) ends_at: Timestamp,
}

impl LinkTerms {
    /// Reads the conditions in a query. `None`: there are none. What is no SigV4 link can have none.
    pub(crate) fn read<'q>(
        query: impl Iterator<Item = (&'q str, &'q str)> + Clone,
        caller: &Caller,
    ) -> Result<Option<Arc<Self>>, S3Error> {
        let Some((name, value)) =
            query.clone().find(|(name, _)| LinkConditions::is_condition(name))
        else {
            return Ok(None);
        };
        let signature = caller.signature().filter(|it| it.mechanism() == Mechanism::V4Query);
        let Some((signature, ends_at)) =
            signature.and_then(|signature| Some((signature, signature.expires_at()?)))
        else {
            let message =
                "The x-valet-* conditions are for links to S3 that are signed with SigV4.";
            return Err(S3Error::invalid_argument(message, name, value));
        };
        let conditions = LinkConditions::read(query).map_err(|error| malformed(&error))?;
        let (conditions, ends_at) = match caller.managed() {
            Some(managed) => (managed.conditions(conditions), managed.ends_at()),
            None => (conditions, ends_at),
        };
        let fingerprint = caller.signed().map(SignedCaller::fingerprint);
        let fingerprint = fingerprint.unwrap_or_else(|| signature.fingerprint());
        Ok(Some(Arc::new(Self { conditions, fingerprint, ends_at })))
    }

    /// Refuses a condition that says nothing about the operation.
    pub(super) fn check_fit(&self, fit: LinkFit) -> Result<(), S3Error> {
        let LinkConditions { content_length, allow_head, write_once, .. } = &self.conditions;
        let unfit = [
            (content_length.is_some() && !fit.sizes, "x-valet-content-length-range"),
            (*allow_head && !fit.head, LinkConditions::ALLOW_HEAD),
            (*write_once && !fit.write_once, "x-valet-write-once"),
        ];
        let Some((_, name)) = unfit.into_iter().find(|(is_unfit, _)| *is_unfit) else {
            return Ok(());
        };
        let value = self.conditions.parameters().into_iter().find(|(known, _)| *known == name);
        let value = value.map(|(_, value)| value).unwrap_or_default();
        let message = format!("The condition {name} does not fit this operation.");
        Err(S3Error::invalid_argument(message, name, value))
    }

    /// Refuses the link before its time, and at other addresses than its own.
    pub(super) fn check(&self, client: IpAddr, now: Timestamp) -> Result<(), S3Error> {
        if let Some(opens) = self.conditions.not_before.filter(|opens| now < opens.timestamp()) {
            let refused = S3Error::with_message(Code::AccessDenied, NOT_YET);
            let time = |time: Timestamp| time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
            return Err(refused
                .detail("NotBefore", time(opens.timestamp()))
                .detail("ServerTime", time(now)));
        }
        match &self.conditions.source_ip {
            Some(ranges) if !ranges.contain(client) => {
                // The link itself says which.
                let (text, mend) =
                    ("The link works from certain addresses only.", "Use it from there.");
                let cause = Cause::new(CauseCode::SourceIp, text, mend);
                Err(S3Error::new(Code::AccessDenied).with_hint(Some(cause)))
            }
            Some(_) | None => Ok(()),
        }
    }

    pub(super) fn allowance(&self) -> Option<Allowance> {
        let uses_max = self.conditions.uses?.get();
        Some(Allowance { link: self.fingerprint, uses_max, ends_at: self.ends_at })
    }
}

fn malformed(error: &ConditionError) -> S3Error {
    let (name, value) = error.parameter();
    S3Error::invalid_argument(error.to_string(), name, value)
}

/// Refuses a link that has ended.
pub(super) fn check_life(link: &ManagedLink, now: Timestamp) -> Result<(), S3Error> {
    if now < link.expires_at {
        return Ok(());
    }
    let time = |time: Timestamp| time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    Err(S3Error::with_message(Code::AccessDenied, EXPIRED)
        .detail("Expires", time(link.expires_at))
        .detail("ServerTime", time(now)))
}
