//! Limits how many uploaded bodies are received at once, and decides whose upload gives way when the room is
//! full.

use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use store::BodyStage;

use crate::config::ServerConfig;
use crate::error::{Code, S3Error};
use crate::room::Room;
use crate::shares::Neighbour;

/// Uploads at once that use a file or take longer than [`QUICK_TIME_MAX`]. Each holds a chunk of 64 KiB: 256
/// MiB in all.
pub(crate) const UPLOADS_MAX: usize = 4096;
/// A body that needs no file and arrives within this time is not counted.
const QUICK_TIME_MAX: Duration = Duration::from_secs(1);

/// The room for uploads, as one client uses it.
#[derive(Clone, Debug)]
pub(crate) struct Uploads {
    room: Arc<Room>,
    /// The client that the upload counts for; `None`: clients cannot be told apart.
    from: Option<Neighbour>,
}

/// What a body uses while it is received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Takes {
    /// An open file.
    File,
    /// A little memory only.
    Memory,
}

impl Takes {
    /// What a body of the announced length uses.
    pub(crate) fn of(stage: &BodyStage) -> Self {
        if stage.stays_in_memory() { Self::Memory } else { Self::File }
    }
}

impl Uploads {
    /// For the uploads of `client`. A trusted proxy that does not report its clients speaks for many of them,
    /// so its uploads are not counted together.
    pub(crate) fn of(client: IpAddr, room: &Arc<Room>, config: &ServerConfig) -> Self {
        let told_apart = config.connections_per_address != 0 && !config.trusts(client);
        Self { room: Arc::clone(room), from: told_apart.then(|| Neighbour::of(client)) }
    }

    /// Receives a body by polling `work`. Fails with `SlowDown` if the room is full, or if another address
    /// takes the slot before the body is complete.
    pub(crate) async fn take_in<T>(
        &self,
        takes: Takes,
        mut work: Pin<&mut impl Future<Output = Result<T, S3Error>>>,
    ) -> Result<T, S3Error> {
        if takes == Takes::Memory
            && let Ok(done) = tokio::time::timeout(QUICK_TIME_MAX, work.as_mut()).await
        {
            return done;
        }
        let full = || S3Error::new(Code::SlowDown);
        let mut slot = self.room.enter_fairly(self.from).ok_or_else(full)?;
        slot.keep(work).await.unwrap_or_else(|| Err(full()))
    }
}
