//! How many bodies come in at once, and whose gives way where there is room for no more.

use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use store::BodyStage;

use crate::config::ServerConfig;
use crate::error::{Code, S3Error};
use crate::room::Room;
use crate::shares::Neighbour;

/// Bodies at once that have a file, or take their time: a chunk of 64 KiB each, 256 MiB.
pub(crate) const UPLOADS_MAX: usize = 4096;
/// So long may a body come in that needs no file, and be none of them.
const QUICK_TIME_MAX: Duration = Duration::from_secs(1);

/// The room for what one client sends.
#[derive(Clone, Debug)]
pub(crate) struct Uploads {
    room: Arc<Room>,
    /// `None`: it is not told from others.
    from: Option<Neighbour>,
}

/// What a body takes while it comes in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Takes {
    /// A file.
    File,
    /// A little memory.
    Memory,
}

impl Takes {
    /// What a body that was announced takes.
    pub(crate) fn of(stage: &BodyStage) -> Self {
        if stage.stays_in_memory() { Self::Memory } else { Self::File }
    }
}

impl Uploads {
    /// Of a client. A trusted proxy that does not tell its clients speaks for many.
    pub(crate) fn of(client: IpAddr, room: &Arc<Room>, config: &ServerConfig) -> Self {
        let told_apart = config.connections_per_address != 0 && !config.trusts(client);
        Self { room: Arc::clone(room), from: told_apart.then(|| Neighbour::of(client)) }
    }

    /// Takes a body in, unless there is room for no more, or another address needs the room before it is through.
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
