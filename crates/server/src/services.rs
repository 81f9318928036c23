//! What every surface of the server works with.

use std::sync::Arc;

use store::Store;

use crate::config::ServerConfig;
use crate::gate::Gate;
use crate::metrics::Metrics;
use crate::respond::IdSource;
use crate::room::Room;
use crate::rooms::Rooms;

/// Made once, when the server is put together.
#[derive(Debug)]
pub(crate) struct Services {
    pub(crate) config: Arc<ServerConfig>,
    pub(crate) store: Store,
    pub(crate) gate: Gate,
    pub(crate) ids: IdSource,
    pub(crate) metrics: Metrics,
    /// For the bodies of calls of IAM and STS.
    pub(crate) rooms: Rooms,
    /// For bodies that have a file or take their time.
    pub(crate) uploads: Arc<Room>,
}
