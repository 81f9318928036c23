//! Keeps a session of the role, and replaces it before it ends.

use anyhow::anyhow;
use jiff::{SignedDuration, Timestamp};
use tokio::sync::Mutex;

use crate::args::credentials::RoleSession;
use crate::failure::Failure;
use crate::remote::Remote;
use crate::sts::TemporaryCredentials;
use crate::{clock, output, sts};

/// After a failure the old session is used on, and the server is not asked again for this long.
const RETRY_AFTER: SignedDuration = SignedDuration::from_secs(10);

/// A session of the role. When somebody asks and less than half of it is left, the role is assumed again. So an
/// SDK, which looks for new credentials in the last quarter of an hour, always gets a session that is good for
/// longer.
#[derive(Debug)]
pub(crate) struct Rotation {
    remote: Remote,
    role_arn: String,
    session: RoleSession,
    served: Mutex<Served>,
}

#[derive(Clone, Debug)]
pub(crate) struct Served {
    pub(crate) assumed: TemporaryCredentials,
    pub(crate) assumed_at: Timestamp,
    retry_at: Timestamp,
}

/// What to do when somebody asks for credentials.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Due {
    /// Serve the current session.
    Nothing,
    /// Try to get a new session; the current one is still good if that fails.
    Renewal,
    /// Get a new session; the current one has ended.
    Rescue,
    /// The current session has ended, and the last attempt to replace it failed just now.
    Wait,
}

impl Rotation {
    /// Assumes the role for the first time.
    pub(crate) async fn start(
        remote: Remote,
        role_arn: String,
        session: RoleSession,
    ) -> Result<Self, Failure> {
        let assumed_at = clock::now();
        let assumed = sts::assume_role(&remote, &role_arn, &session).await?;
        let served = Mutex::new(Served { assumed, assumed_at, retry_at: assumed_at });
        Ok(Self { remote, role_arn, session, served })
    }

    pub(crate) fn role_arn(&self) -> &str {
        &self.role_arn
    }

    pub(crate) fn region(&self) -> &str {
        self.remote.chain.region()
    }

    /// The session to serve. During a renewal, callers wait for it.
    pub(crate) async fn current(&self) -> Result<Served, Failure> {
        let mut served = self.served.lock().await;
        let now = clock::now();
        let due = served.due(now);
        match due {
            Due::Nothing => return Ok(served.clone()),
            Due::Wait => return Err(Failure::failed(anyhow!("the session could not be renewed"))),
            Due::Renewal | Due::Rescue => {}
        }
        match sts::assume_role(&self.remote, &self.role_arn, &self.session).await {
            Ok(assumed) => {
                *served = Served { assumed, assumed_at: now, retry_at: now };
                Ok(served.clone())
            }
            Err(failure) => {
                served.retry_at = now.saturating_add(RETRY_AFTER).unwrap_or(now);
                let end = served.assumed.ends_at;
                output::note(format_args!(
                    "the session that ends at {end} could not be renewed: {failure}"
                ));
                if due == Due::Renewal { Ok(served.clone()) } else { Err(failure) }
            }
        }
    }
}

impl Served {
    fn due(&self, now: Timestamp) -> Due {
        let ends_at = self.assumed.ends_at;
        let left = ends_at.duration_since(now);
        let life = ends_at.duration_since(self.assumed_at);
        let may_ask = now >= self.retry_at;
        match (left.is_positive(), left < life / 2, may_ask) {
            (true, false, _) | (true, true, false) => Due::Nothing,
            (true, true, true) => Due::Renewal,
            (false, _, true) => Due::Rescue,
            (false, _, false) => Due::Wait,
        }
    }
}

#[cfg(test)]
mod tests {
    use presign::{Credentials, SecretAccessKey};

    use super::*;

    #[test]
    fn a_session_is_renewed_in_its_second_half() {
        let at = |time: &str| format!("2026-06-15T{time}Z").parse::<Timestamp>().unwrap();
        let check = |now: &str, retry_at: &str, expected: Due| {
            let credentials = Credentials {
                access_key_id: "ASIA1".to_owned(),
                secret_access_key: SecretAccessKey::new("s"),
                session_token: None,
            };
            let assumed = TemporaryCredentials { credentials, ends_at: at("13:00:00") };
            let served = Served { assumed, assumed_at: at("12:00:00"), retry_at: at(retry_at) };
            assert_eq!(served.due(at(now)), expected, "{now}");
        };
        check("12:00:00", "12:00:00", Due::Nothing);
        check("12:30:00", "12:00:00", Due::Nothing);
        check("12:30:01", "12:00:00", Due::Renewal);
        check("12:30:01", "12:30:05", Due::Nothing);
        check("12:59:59", "12:30:05", Due::Renewal);
        check("13:00:00", "12:30:05", Due::Rescue);
        check("13:00:00", "13:00:05", Due::Wait);
    }
}
