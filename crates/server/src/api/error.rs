//! The error codes that only the API has, and the conversion of those that it shares with S3.

use std::borrow::Cow;
use std::error::Error as StdError;

use hyper::StatusCode;

use crate::error::S3Error;

/// Declares [`ApiCode`]: name on the wire, status, and the default message.
macro_rules! codes {
    ($($name:ident $wire:literal $status:ident $message:literal;)*) => {
        /// An error code of the API.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(super) enum ApiCode { $(#[doc = concat!("`", $wire, "`")] $name,)* }

        impl ApiCode {
            #[cfg(test)]
            const ALL: &[Self] = &[$(Self::$name),*];

            /// The text of `code`.
            fn wire(self) -> &'static str {
                match self { $(Self::$name => $wire,)* }
            }

            /// The HTTP status of the answer.
            fn status(self) -> StatusCode {
                match self { $(Self::$name => StatusCode::$status,)* }
            }

            fn message(self) -> &'static str {
                match self { $(Self::$name => $message,)* }
            }
        }
    };
}

codes! {
    AccessDenied "AccessDenied" FORBIDDEN "Access Denied";
    AccountConflict "AccountConflict" CONFLICT "The account cannot be made or removed.";
    InternalError "InternalError" INTERNAL_SERVER_ERROR "We encountered an internal error. Please try again.";
    InvalidRequest "InvalidRequest" BAD_REQUEST "Invalid Request";
    LinkEnded "LinkEnded" CONFLICT "The link has ended.";
    MethodNotAllowed "MethodNotAllowed" METHOD_NOT_ALLOWED "The specified method is not allowed against this resource.";
    NoLedger "NoLedger" NOT_FOUND "This server keeps no ledger of links.";
    NoSuchAccount "NoSuchAccount" NOT_FOUND "There is no account of that id.";
    NoSuchLink "NoSuchLink" NOT_FOUND "There is no link of that name that you may see.";
    NoSuchPath "NoSuchKey" NOT_FOUND "There is nothing at this path of the API.";
    NoSuchRevocation "NoSuchRevocation" NOT_FOUND "There is no revocation of that id that you may see.";
    TooManyLinks "TooManyLinks" CONFLICT "The account has as many managed links as it may. Those that have ended are forgotten after 90 days.";
    TooManyRevocations "TooManyRevocations" CONFLICT "The account has revoked as much as it may at a time. Undo some revocations, or revoke a prefix or an access key.";
}

/// One refusal of the API. Its cause goes to the log only.
#[derive(Debug)]
pub(super) struct ApiError(Refusal);

#[derive(Debug)]
enum Refusal {
    Own(Box<Own>),
    /// A refusal by the gate, a body or the store. The code of S3 means the same in the API.
    Shared(S3Error),
}

#[derive(Debug)]
struct Own {
    code: ApiCode,
    message: Cow<'static, str>,
    /// The member or parameter that is wrong.
    argument: Option<&'static str>,
    cause: Option<Box<dyn StdError + Send + Sync>>,
}

impl ApiError {
    pub(super) fn new(code: ApiCode) -> Self {
        Self::with_message(code, code.message())
    }

    /// A refusal with a message of its own.
    pub(super) fn with_message(code: ApiCode, message: impl Into<Cow<'static, str>>) -> Self {
        Self(Refusal::Own(Box::new(Own {
            code,
            message: message.into(),
            argument: None,
            cause: None,
        })))
    }

    /// `InvalidRequest` with a message of its own.
    pub(super) fn invalid_request(message: impl Into<Cow<'static, str>>) -> Self {
        Self::with_message(ApiCode::InvalidRequest, message)
    }

    /// `InvalidRequest` for one member of the document, or one parameter.
    pub(super) fn invalid_argument(
        argument: &'static str,
        message: impl Into<Cow<'static, str>>,
    ) -> Self {
        let code = ApiCode::InvalidRequest;
        let argument = Some(argument);
        Self(Refusal::Own(Box::new(Own { code, message: message.into(), argument, cause: None })))
    }

    /// The member or parameter that is wrong, if one is.
    pub(super) fn argument(&self) -> Option<&str> {
        match &self.0 {
            Refusal::Own(own) => own.argument,
            Refusal::Shared(error) => error.argument(),
        }
    }

    /// Adds the cause, for the log.
    pub(super) fn because(self, cause: impl StdError + Send + Sync + 'static) -> Self {
        Self(match self.0 {
            Refusal::Own(own) => {
                Refusal::Own(Box::new(Own { cause: Some(Box::new(cause)), ..*own }))
            }
            Refusal::Shared(error) => Refusal::Shared(error.because(cause)),
        })
    }

    /// The text of `code`.
    pub(super) fn code(&self) -> &'static str {
        match &self.0 {
            Refusal::Own(own) => own.code.wire(),
            Refusal::Shared(error) => error.code().wire(),
        }
    }

    pub(super) fn status(&self) -> StatusCode {
        match &self.0 {
            Refusal::Own(own) => own.code.status(),
            Refusal::Shared(error) => error.code().status(),
        }
    }

    pub(super) fn message(&self) -> &str {
        match &self.0 {
            Refusal::Own(own) => &own.message,
            Refusal::Shared(error) => error.message(),
        }
    }

    pub(super) fn cause(&self) -> Option<&(dyn StdError + Send + Sync + 'static)> {
        match &self.0 {
            Refusal::Own(own) => own.cause.as_deref(),
            Refusal::Shared(error) => error.cause(),
        }
    }
}

impl From<S3Error> for ApiError {
    fn from(error: S3Error) -> Self {
        Self(Refusal::Shared(error))
    }
}

#[cfg(test)]
mod tests {
    use store::StoreError;

    use super::*;
    use crate::error::{Code, refusal};

    /// The page that users are sent to speaks of every code.
    #[test]
    fn the_page_of_refusals_names_every_code() {
        let page = include_str!("../../../../docs/errors.md");
        for code in ApiCode::ALL {
            let cell = format!("`{}`", code.wire());
            assert!(page.contains(&cell), "docs/errors.md says nothing of {}", code.wire());
        }
    }

    /// A client reads one list of codes: what both surfaces say is said alike.
    #[test]
    fn what_is_shared_is_the_same() {
        let check = |own: ApiCode, shared: Code| {
            let (own, shared) = (ApiError::new(own), ApiError::from(S3Error::new(shared)));
            assert_eq!((own.code(), own.status()), (shared.code(), shared.status()));
        };
        check(ApiCode::AccessDenied, Code::AccessDenied);
        check(ApiCode::InternalError, Code::InternalError);
        check(ApiCode::InvalidRequest, Code::InvalidRequest);
        check(ApiCode::MethodNotAllowed, Code::MethodNotAllowed);
        check(ApiCode::NoSuchPath, Code::NoSuchKey);
    }

    #[test]
    fn failures_of_the_store() {
        let check = |error: StoreError, status: u16, code: &str| {
            let found = ApiError::from(refusal::of_store(error));
            assert_eq!((found.status().as_u16(), found.code()), (status, code));
            assert!(found.cause().is_some());
        };
        check(StoreError::Full, 507, "StorageFull");
        check(StoreError::Closed, 503, "ServiceUnavailable");
        check(StoreError::Corrupt { what: "row" }, 500, "InternalError");
    }
}
