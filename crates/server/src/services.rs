//! What every surface of the server works with: configuration, gate, metrics, rooms.

use std::net::Ipv4Addr;
use std::sync::Arc;

use hyper::Request;
use jiff::Timestamp;
use store::{Maintenance, Store, StoreError};

use crate::config::ServerConfig;
use crate::context::RequestContext;
use crate::distributions::DistributionState;
use crate::error::{Code, S3Error};
use crate::gate::Gate;
use crate::link_ledger::LinkLedger;
use crate::link_proof::ProofKey;
use crate::metrics::Metrics;
use crate::notices::Notices;
use crate::respond::IdSource;
use crate::room::Room;
use crate::rooms::Rooms;
use crate::uploads::{UPLOADS_MAX, Uploads};
use crate::zip_places::ZipPlaces;

/// Made once, when the server is built.
#[derive(Debug)]
pub(crate) struct Services {
    pub(crate) config: Arc<ServerConfig>,
    pub(crate) gate: Arc<Gate>,
    pub(crate) ledger: Arc<LinkLedger>,
    pub(crate) notices: Notices,
    pub(crate) ids: IdSource,
    pub(crate) metrics: Metrics,
    /// The rooms for the bodies of IAM and STS calls.
    pub(crate) rooms: Rooms,
    /// The room for uploaded bodies that need a file or take longer than a second.
    pub(crate) uploads: Arc<Room>,
    /// The key of the proofs that browsers know the passphrases of managed links.
    pub(crate) proof_key: ProofKey,
    /// The places of zips that are made.
    pub(crate) zips: Arc<ZipPlaces>,
    /// Distributions, and what is kept for them.
    pub(crate) distributions: DistributionState,
    /// The store, which no surface is lent: only the gate lends it, to the operations that it has admitted.
    store: Store,
}

impl Services {
    pub(crate) fn new(config: Arc<ServerConfig>, store: Store, gate: Gate) -> Self {
        let (ids, mut metrics, rooms) = (IdSource::new(), Metrics::new(), Rooms::default());
        let notices = Notices::new(store.clone(), &config);
        metrics.count_notices(notices.counts());
        let uploads = Arc::new(Room::new(UPLOADS_MAX));
        let gate = Arc::new(gate);
        let ledger = Arc::new(LinkLedger::new(Arc::clone(&gate)));
        let (proof_key, zips) = (ProofKey::default(), Arc::default());
        let distributions = DistributionState::new(&config, store.clone());
        metrics.count_edge(distributions.cache());
        Self {
            config,
            gate,
            ledger,
            notices,
            ids,
            metrics,
            rooms,
            uploads,
            proof_key,
            zips,
            distributions,
            store,
        }
    }

    /// Whether the store can be written to; the error says why not.
    pub(crate) fn is_writable(&self) -> Result<(), StoreError> {
        self.store.is_writable()
    }

    /// Drops what the ledger need not remember any more.
    pub(crate) async fn maintain_ledger(&self, now: Timestamp) {
        if let Some(ledger) = self.gate.ledger() {
            ledger.maintain(now).await;
        }
    }

    /// Closes managed links that have ended.
    pub(crate) async fn close_ended_links(&self, now: Timestamp) -> Result<(), S3Error> {
        let client = Ipv4Addr::LOCALHOST.into();
        let head = Request::builder().uri("/").body(());
        let head = head.map_err(|cause| S3Error::new(Code::InternalError).because(cause))?;
        let context = RequestContext {
            parts: Arc::new(head.into_parts().0),
            config: Arc::clone(&self.config),
            now,
            client,
            tls: None,
            secure: true,
            host: String::new(),
            prefix: String::new(),
            virtual_hosted: false,
            work: Arc::default(),
            uploads: Uploads::of(client, &self.uploads, &self.config),
        };
        let closed = self.gate.close_ended_links(&context).await?;
        let used_up = closed.iter().filter(|link| now < link.expires_at);
        used_up.for_each(|link| self.notices.used_up(link, now));
        Ok(())
    }

    /// The task that sweeps the store and keeps its log short.
    pub(crate) fn maintenance(&self) -> Maintenance {
        self.store.maintenance()
    }

    /// Closes the store, once no request is being answered any more.
    pub(crate) async fn close(&self) -> Result<(), StoreError> {
        self.gate.give_back_uses().await;
        if let Some(ledger) = self.gate.ledger() {
            ledger.close().await;
        }
        // What cannot be written now is lost, as it would be if the process died.
        if let Err(error) = self.notices.write().await {
            tracing::warn!(%error, "notices of links could not be written");
        }
        self.store.close().await
    }
}
