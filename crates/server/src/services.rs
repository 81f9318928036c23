//! What every surface of the server works with: configuration, gate, metrics, rooms.

use std::sync::Arc;

use store::Store;

use crate::config::ServerConfig;
use crate::gate::Gate;
use crate::metrics::Metrics;
use crate::respond::IdSource;
use crate::room::Room;
use crate::rooms::Rooms;

/// Made once, when the server is built.
#[derive(Debug)]
pub(crate) struct Services {
    pub(crate) config: Arc<ServerConfig>,
    pub(crate) store: Store,
    pub(crate) gate: Gate,
    pub(crate) ids: IdSource,
    pub(crate) metrics: Metrics,
    /// The rooms for the bodies of IAM and STS calls.
    pub(crate) rooms: Rooms,
    /// The room for uploaded bodies that need a file or take longer than a second.
    pub(crate) uploads: Arc<Room>,
}
