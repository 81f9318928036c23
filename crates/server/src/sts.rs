//! The operations of STS, and the table of its actions.

mod assume_role;
mod caller;
mod issue;
mod parameters;
mod session_token;
mod web_identity;

use crate::notes::RequestNotes;
use crate::query::AuthenticatedCall;
use crate::query::answer::QueryReply;
use crate::query::error::QueryError;

/// Runs the operation of this name; `None` if there is none.
pub(crate) async fn dispatch(
    action: &str,
    asked: AuthenticatedCall<'_>,
    notes: &mut RequestNotes,
) -> Option<(&'static str, Result<QueryReply, QueryError>)> {
    /// Boxed, so that one large operation does not make every call's future large.
    macro_rules! run {
        ($($module:ident: $($name:ident)*;)*) => {
            match action {
                $($(stringify!($name) => {
                    notes.operation = stringify!($name);
                    Some((stringify!($name), Box::pin(asked.execute::<$module::$name>(stringify!($name))).await))
                })*)*
                _ => None,
            }
        };
    }
    run! {
        assume_role: AssumeRole;
        web_identity: AssumeRoleWithWebIdentity;
        session_token: GetSessionToken GetFederationToken;
        caller: GetCallerIdentity GetAccessKeyInfo;
    }
}
