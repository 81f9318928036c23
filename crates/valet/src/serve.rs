//! `valet serve`: opens the store and serves until it is told to stop.

use std::io::Write as _;
use std::time::Duration;

use anyhow::Context as _;
use iam::AccountId;
use iam::MasterKey;
use jiff::Timestamp;
use ledger::{Ledger, LedgerError};
use server::{DroppedLines, Listener, PublicUrl, RootKey, Server, ServerConfig};
use store::{AccessKey, Encryption, KeyOrigin, KeyOwner, Store, StoreConfig};
use tokio::signal::unix::{SignalKind, signal};
use tracing::Level;

use crate::args::Serve;
use crate::clock;
use crate::config::{ServeConfig, Switch};
use crate::failure::Failure;
use crate::log::{self, Log};

/// The file of the ledger, in the data directory.
const LEDGER: &str = "ledger.sqlite";
/// The most bytes of cached records and small bodies.
const CACHE_BYTES_MAX: usize = 64 * 1024 * 1024;
/// How long requests may take to finish after a stop.
const SHUTDOWN_GRACE: Duration = Duration::from_secs(30);

/// The most threads for blocking work: hashing, encryption, reading, syncing. Some wait for the disk while
/// others compute. More would only take memory, as each has a heap.
const BLOCKING_THREADS_MAX: usize = 16;
/// How long an idle thread is kept. All of them take turns, so a single task within this time keeps a thread
/// that is not needed.
const BLOCKING_THREAD_KEPT: Duration = Duration::from_secs(1);

pub(crate) fn run(arguments: Serve) -> Result<(), Failure> {
    let config = ServeConfig::read(arguments)?;
    let server = server_config(&config).map_err(Failure::usage)?;
    let dropped = DroppedLines::default();
    let log = log::start(&crate::config::log_filter(), config.log_format, &dropped);
    let told = |error: anyhow::Error| {
        let failure = Failure::failed(error);
        log.say(Level::ERROR, &failure.to_string(), &[]);
        failure.told()
    };
    raise_open_files();
    take_small_pages();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .max_blocking_threads(BLOCKING_THREADS_MAX)
        .thread_keep_alive(BLOCKING_THREAD_KEPT)
        .build();
    let runtime = runtime.context("cannot start").map_err(told)?;
    runtime.block_on(serve(config, server, &log, &dropped)).map_err(told)
}

async fn serve(
    config: ServeConfig,
    mut server: ServerConfig,
    log: &Log,
    dropped: &DroppedLines,
) -> anyhow::Result<()> {
    // Bound before any key is created: a key that is printed by a start which then fails would be lost.
    let listener = Listener::bind(&server).await?;
    let now = clock::now();
    let master_key = master_key(&config, log)?;
    let store = Store::open(
        StoreConfig {
            data_dir: config.data_dir.clone(),
            master_key,
            encryption: match config.encryption {
                Switch::On => Encryption::On,
                Switch::Off => Encryption::Off,
            },
            cache_bytes_max: CACHE_BYTES_MAX,
        },
        now,
    )?;
    refuse_shadowed_buckets(&store, &server.public_urls).await?;
    if server.root.is_none() {
        keep_root_key(&store, &server.account, log).await?;
    }
    let mut stop_asked = Stop::listen()?;
    server.shutdown_grace = SHUTDOWN_GRACE;
    let mut server = Server::new(server, store, now).telling_of_lost_lines(dropped);
    add_cache_disk(&server, &config)?;
    if config.ledger_days > 0 {
        match open_ledger(&config, now) {
            Ok(ledger) => server = server.keeping(ledger),
            // A full disk keeps nobody from what is stored.
            Err(error) if is_of_the_disk(&error) => log.say(
                Level::ERROR,
                "The ledger of links cannot be opened, so nothing is recorded of them until the server is started anew.",
                &[("error", &format!("{error:#}"))],
            ),
            Err(error) => return Err(error),
        }
    }
    if let Err(error) = server.make_link_signer(now).await {
        log.say(Level::WARN, "Managed links do not work.", &[("error", &error)]);
    }
    announce(&listener, log)?;
    listener.serve(server, stop_asked.wait()).await;
    Ok(())
}

fn is_of_the_disk(error: &anyhow::Error) -> bool {
    error.downcast_ref::<LedgerError>().is_some_and(LedgerError::is_of_the_disk)
}

/// Gives the cache of distributions its part of a disk, if there is to be one.
fn add_cache_disk(server: &Server, config: &ServeConfig) -> anyhow::Result<()> {
    if config.cache.disk == 0 {
        return Ok(());
    }
    let folder = config.cache.folder.as_deref().unwrap_or(&config.data_dir);
    std::fs::create_dir_all(folder)
        .and_then(|()| server.add_cache_disk(folder, config.cache.disk))
        .with_context(|| {
            format!(
                "the cache of distributions cannot have files in {}: name another folder with --cache-dir, or leave --cache-disk out",
                folder.display()
            )
        })
}

/// Opens the ledger of links beside the store.
fn open_ledger(config: &ServeConfig, now: Timestamp) -> anyhow::Result<Ledger> {
    let path = config.data_dir.join(LEDGER);
    Ledger::open(&path, config.ledger_days, now).with_context(|| {
        format!(
            "the ledger of links cannot be opened: move {} away to begin another one, or keep none with --ledger-days 0",
            path.display()
        )
    })
}

/// Refuses a store with a bucket that is named like the first segment of a declared prefix. Otherwise it would
/// depend on the reader what a path below that prefix names.
async fn refuse_shadowed_buckets(store: &Store, public_urls: &[PublicUrl]) -> anyhow::Result<()> {
    for url in public_urls {
        let Some(bucket) = url.reserved_bucket() else { continue };
        anyhow::ensure!(
            store.bucket(&bucket).await?.is_none(),
            "public-url: the path {} would hide the bucket `{bucket}`, which is there already. Choose another path; or start without this one, copy the bucket's objects to a bucket of another name, and delete it",
            url.prefix
        );
    }
    Ok(())
}

/// Raises the number of files that may be open to the system's limit. Each connection and each open body is a
/// file, and the usual soft limit of 1024 is less than the number of connections.
fn raise_open_files() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current != maximum
        && let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum })
    {
        tracing::warn!(%error, "the limit of open files stays at {current:?}");
    }
}

/// Makes the allocator use small pages. With pages of 2 MiB, touching one byte makes the whole page resident: a
/// buffer that waits for a slow sender would take all the memory it may grow to.
fn take_small_pages() {
    if let Err(error) = rustix::thread::disable_transparent_huge_pages(true) {
        tracing::debug!(%error, "memory comes in huge pages");
    }
}

/// The configuration of the server, from that of the command.
fn server_config(config: &ServeConfig) -> anyhow::Result<ServerConfig> {
    let public_urls = config
        .public_urls
        .iter()
        .map(|text| PublicUrl::parse(text).with_context(|| format!("public-url: `{text}`")))
        .collect::<anyhow::Result<Vec<_>>>()?;
    anyhow::ensure!(
        public_urls.len() <= server::PUBLIC_URLS_MAX,
        "public-url: {} at most, since a signature is tried against each",
        server::PUBLIC_URLS_MAX
    );
    let console_url = config.console_url.as_ref();
    let console_url = console_url
        .map(|text| PublicUrl::parse(text).with_context(|| format!("console-url: `{text}`")))
        .transpose()?;
    refuse_shared_hosts(config, &public_urls, console_url.as_ref())?;
    Ok(ServerConfig {
        listen: config.listen.clone(),
        metrics_listen: config.metrics_listen,
        region: config.region.clone(),
        account: AccountId::parse(&config.account_id)?,
        public_urls,
        console_url,
        active_content: config.active_content,
        link_caching: config.link_caching,
        domains: config.domains.clone(),
        website_domain: config.website_domain.clone(),
        distribution_domain: config.distribution_domain.clone(),
        bucket_domains: config.bucket_domains.clone(),
        trusted_proxies: config.trusted_proxies.clone(),
        outbound_allow: config.outbound_allow.clone(),
        smtp: config.smtp.clone(),
        tls: config.tls.as_ref().map(|files| server::TlsFiles {
            certificate: files.certificate.clone(),
            key: files.key.clone(),
        }),
        sigv2: config.sigv2,
        sse_c: config.sse_c,
        connections_per_address: config.connections_per_address,
        root: config.root.as_ref().map(|root| RootKey {
            access_key_id: root.access_key_id.clone(),
            secret_access_key: root.secret_access_key.clone(),
        }),
        cache_memory_bytes: config.cache.memory,
        abort_uploads_after: config.abort_uploads_after,
        shutdown_grace: SHUTDOWN_GRACE,
    })
}

/// Refuses a host that two settings claim: what a path means there would depend on which of them is asked first.
fn refuse_shared_hosts(
    config: &ServeConfig,
    public_urls: &[PublicUrl],
    console_url: Option<&PublicUrl>,
) -> anyhow::Result<()> {
    let urls = public_urls.iter().map(|url| ("public-url", url.name()));
    let console = console_url.map(|url| ("console-url", url.name()));
    let domains = config.domains.iter().map(|name| ("domain", name.as_str()));
    let website = config.website_domain.iter().map(|name| ("website-domain", name.as_str()));
    let distribution =
        config.distribution_domain.iter().map(|name| ("distribution-domain", name.as_str()));
    let buckets = config.bucket_domains.iter().map(|own| ("bucket-domain", own.host.as_str()));
    let own = website.chain(distribution).chain(buckets).collect::<Vec<_>>();
    for (at, (setting, host)) in own.iter().enumerate() {
        let before = own.iter().take(at).copied();
        let others = urls.clone().chain(console).chain(domains.clone()).chain(before);
        for (other, name) in others {
            anyhow::ensure!(name != *host, "{setting}: {host} is given by {other} too");
        }
    }
    Ok(())
}

/// Reads the master key. On the first start it is created, and the user is told what its loss would mean.
fn master_key(config: &ServeConfig, log: &Log) -> anyhow::Result<MasterKey> {
    let given = config.master_key_file.as_deref();
    let (key, origin) = store::load_master_key(&config.data_dir, given)?;
    if origin == KeyOrigin::Made {
        let file = given.map_or_else(|| config.data_dir.join("master.key"), Into::into);
        log.say(
            Level::WARN,
            "A master key was made. Back it up, apart from the data: without it nothing in this store can be read.",
            &[("file", &file.display().to_string())],
        );
    }
    Ok(key)
}

/// Creates a root key if there is none, and shows it this once.
async fn keep_root_key(store: &Store, account: &AccountId, log: &Log) -> anyhow::Result<()> {
    let known = store.access_keys(account).await?;
    if known.iter().any(|key| key.owner == KeyOwner::Root) {
        return Ok(());
    }
    let now = clock::now();
    let key = AccessKey::generate(account.clone(), KeyOwner::Root, now)?;
    let (id, secret) = (key.id.clone(), key.secret.clone());
    store.put_access_key(key, now).await?;
    log.say(
        Level::WARN,
        "A root key was made. It is shown this once.",
        &[("AWS_ACCESS_KEY_ID", &id), ("AWS_SECRET_ACCESS_KEY", secret.expose())],
    );
    Ok(())
}

/// Prints that the server is ready: one line for each address, on standard output.
fn announce(listener: &Listener, log: &Log) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    for url in listener.urls() {
        writeln!(out, "valet is ready on {url}")?;
    }
    out.flush()?;
    if let Some(address) = listener.metrics_address() {
        let url = format!("http://{address}/metrics");
        log.say(Level::INFO, "Metrics are served on a port of their own.", &[("url", &url)]);
    }
    Ok(())
}

/// Waits for SIGTERM or Ctrl-C.
struct Stop {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
}

impl Stop {
    fn listen() -> anyhow::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    async fn wait(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
