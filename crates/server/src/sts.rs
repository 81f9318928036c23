//! The operations of STS, and the table of its actions.

mod caller;

use crate::query::Dispatched;
use crate::query::answer::QueryReply;
use crate::query::error::QueryError;
use crate::server::Seen;

/// Runs the operation of that name; nothing where there is none.
pub(crate) async fn dispatch(
    action: &str,
    asked: Dispatched<'_>,
    seen: &mut Seen,
) -> Option<(&'static str, Result<QueryReply, QueryError>)> {
    /// Boxed, so that one large operation does not make every call's future large.
    macro_rules! run {
        ($($name:literal => $operation:ty,)*) => {
            match action {
                $($name => {
                    seen.operation = $name;
                    Some(($name, Box::pin(asked.execute::<$operation>()).await))
                })*
                _ => None,
            }
        };
    }
    run! {
        "GetCallerIdentity" => caller::GetCallerIdentity,
    }
}
