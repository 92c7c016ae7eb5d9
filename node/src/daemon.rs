//! `tacit node`: the daemon, from an opened directory to a graceful stop.

use std::io::{IsTerminal, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use libp2p::identity::ed25519;
use tacit_protocol::canonical::Nonce;
use tacit_protocol::identity::Identity;
use tacit_protocol::{Code, Failure};
use tacit_sdk::client::{ADDRESS_FILE, TOKEN_FILE};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;

use crate::api::auth::{Role, Tokens};
use crate::clock::{Clock, SystemClock, system_rng};
use crate::config::{Config, DataTransport};
use crate::context::{Context, Parts};
use crate::data::Datasets;
use crate::data_plane::{DataPlane, DataPlaneLimits};
use crate::heads::Heads;
use crate::keys::{IdentitySeed, NodeKey};
use crate::log::Log;
use crate::network::hello::NodeGreeter;
use crate::network::{self, AddressPolicy, InboundRequest, NetworkConfig, transport};
use crate::node::Node;
use crate::offline::{CorrelationStore, Limits, OfflineError};
use crate::pairing::Pairing;
use crate::setup::Files;
use crate::store::{Journal, SledStore, Store};
use crate::{api, crypto};

/// How long a graceful stop may take before the process ends anyway.
const STOP_PATIENCE: Duration = Duration::from_secs(20);

/// Runs the node in a directory until it is told to stop by a signal or by `tacit stop`.
///
/// # Errors
/// What kept it from starting.
pub fn run(dir: &Path) -> Result<(), Failure> {
    let filter = EnvFilter::try_from_env("TACIT_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    // An error means that the process logs already.
    let colours = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    drop(tracing_subscriber::fmt().with_env_filter(filter).with_ansi(colours).with_writer(std::io::stderr).try_init());
    crypto::install();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(|cause| {
        Failure::new(Code::new("NODE_START"), format!("no threads: {cause}"), "check the limits of the system.")
    })?;
    let ran = runtime.block_on(serve(dir));
    runtime.shutdown_timeout(Duration::from_secs(2));
    ran
}

async fn serve(dir: &Path) -> Result<(), Failure> {
    let files = Files::of(dir);
    let Opened { context, requests, tasks } = open(&files).await?;
    let stop = CancellationToken::new();
    let node = Node::new(context.clone(), files, stop.clone());
    node.start(requests).await?;

    let listener = api::listen(context.config.api_listen).await?;
    let address = listener.local_addr().map_err(|cause| file_failure(dir, &cause))?;
    let tokens =
        Arc::new(Tokens::new(&ed25519::Keypair::generate(), context.identity.peer().to_string(), address.port()));
    write_private(&dir.join(TOKEN_FILE), &tokens.issue("operator", Role::Operator, context.clock.unix_seconds())?)?;
    write_private(&dir.join(ADDRESS_FILE), &address.to_string())?;
    tracing::info!(
        instructions = tacit_simd::Level::detect().name(), api = %address, data = %context.data_plane.local_address(), "node of {} ready", context.config.name
    );

    let api = tokio::spawn(api::serve(listener, node.clone(), tokens.clone(), stop.clone()));
    let renewal = tokio::spawn(renew_token(dir.join(TOKEN_FILE), tokens, context.clone(), stop.clone()));
    tokio::select! {
        () = stop.cancelled() => {}
        () = signalled() => stop.cancel(),
    }
    tracing::info!("stopping");
    let stopped = tokio::time::timeout(STOP_PATIENCE, async {
        node.join().await;
        drop(api.await);
        drop(renewal.await);
        tasks.stop(&context).await;
    });
    if stopped.await.is_err() {
        tracing::warn!("some tasks did not end in time; their jobs go on at the next start");
    }
    context.store.flush()?;
    drop(std::fs::remove_file(dir.join(ADDRESS_FILE)));
    tracing::info!("stopped");
    Ok(())
}

/// A node's directory, opened: its parts work and its ports listen, and nobody answers its peers yet.
pub struct Opened {
    /// What the parts of the node share.
    pub context: Arc<Context>,
    /// What peers ask.
    pub requests: mpsc::Receiver<InboundRequest>,
    /// What listens.
    pub tasks: Listening,
}

/// The tasks of the control plane and the data plane.
pub struct Listening {
    network: JoinHandle<()>,
    data: Vec<JoinHandle<()>>,
}

impl Listening {
    /// Closes both planes.
    pub async fn stop(self, context: &Context) {
        context.data_plane.stop();
        for task in self.data {
            drop(task.await);
        }
        drop(context.network.stop().await);
        drop(self.network.await);
    }
}

/// Opens a node's directory.
///
/// # Errors
/// `USAGE_CONFIG`, what is wrong with the store or the journals, or a port that is taken.
pub async fn open(files: &Files) -> Result<Opened, Failure> {
    let config = Config::read(&files.dir)?;
    let node_key = NodeKey::read_file(&files.key())?;
    let store: Arc<dyn Store> = Arc::new(SledStore::open(&files.store())?);
    let identity = Identity::from_seed(IdentitySeed::load(&*store, &node_key)?.expose());
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let log = Arc::new(Log::open(&files.log())?);
    let datasets = Datasets::open(store.clone(), &node_key)?;
    let pairing = Arc::new(Pairing::open(
        identity.clone(),
        config.name.clone(),
        config.allow_loopback,
        clock.clone(),
        store.clone(),
        Journal::open(&files.peers())?,
        node_key.sealer("ticket"),
        Box::new(system_rng()),
    )?);

    let addresses = AddressPolicy { allow_local: config.allow_loopback };
    let keypair = identity.to_libp2p();
    let paired = pairing.clone();
    let heads = Heads::new(move |peer| paired.organisation_of(peer), log.clone());
    let epoch = Nonce::random(&mut system_rng());
    let greeter = NodeGreeter::new(config.name.clone(), epoch, clock.clone(), Arc::new(heads))
        .with_relays(config.relay.via.clone(), config.relay.serve.clone());
    let settings = NetworkConfig {
        addresses,
        announced: config.announce.iter().filter_map(|text| text.parse().ok()).collect(),
        relay: config.relay.limits(),
        bulk_over_relay: config.relay.bulk,
        ..NetworkConfig::default()
    };
    let network = network::spawn(
        &keypair,
        transport::tcp_and_quic(&keypair)?,
        settings,
        Arc::new(greeter),
        Box::new(system_rng()),
    )?;
    let (handle, requests, network_task) = network.into_parts();
    pairing.restore(&handle).await?;
    for address in &config.listen {
        let parsed = address.parse().map_err(|cause| {
            let message = format!("`listen`: {address:?} is no multiaddress: {cause}");
            Failure::new(Code::new("USAGE_CONFIG"), message, "mend node.toml; an example: /ip4/0.0.0.0/tcp/7700.")
        })?;
        handle.listen(parsed).await?;
    }
    let (mut data_plane, data_task) =
        DataPlane::start(config.data_listen, DataPlaneLimits::default(), addresses).await?;
    let mut data_tasks = vec![data_task, data_plane.open_streams(&handle)];
    if config.data_transports.contains(&DataTransport::Quic) {
        data_tasks.push(data_plane.open_quic(&keypair)?);
    }

    let correlations = open_correlations(files, &config, &node_key, &pairing);
    let context = Arc::new(Context::new(Parts {
        config,
        identity,
        node_key,
        store,
        clock,
        network: handle,
        data_plane,
        datasets,
        pairing,
        log,
        correlations,
    }));
    Ok(Opened { context, requests, tasks: Listening { network: network_task, data: data_tasks } })
}

/// The store of what is made in advance. A node does without it where it cannot be opened.
fn open_correlations(
    files: &Files,
    config: &Config,
    node_key: &NodeKey,
    pairing: &Pairing,
) -> Option<CorrelationStore> {
    if !config.idle.enabled {
        return None;
    }
    let limits = Limits::of_peer(config.idle.disk);
    let opened = CorrelationStore::open(&files.correlations(), node_key, limits, Box::new(system_rng()));
    let opened = opened.and_then(|store| {
        store.retain_peers(&|peer| pairing.organisation_of(peer).is_some())?;
        Ok(store)
    });
    let told = |error: &OfflineError| tracing::warn!(code = %error.code(), "nothing is made in advance: {error}. {}", error.next_step());
    opened.inspect_err(told).ok()
}

/// Writes a fresh token before the old one ends.
async fn renew_token(path: std::path::PathBuf, tokens: Arc<Tokens>, context: Arc<Context>, stop: CancellationToken) {
    const EVERY: Duration = Duration::from_secs(12 * 3600);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(EVERY) => {}
        }
        let token = tokens.issue("operator", Role::Operator, context.clock.unix_seconds());
        if let Err(failure) = token.and_then(|token| write_private(&path, &token)) {
            tracing::error!(code = %failure.code, "the API token was not renewed: {failure}");
        }
    }
}

async fn signalled() {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut terminate), Ok(mut interrupt)) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
    else {
        tracing::error!("signals cannot be heard; stop the node with `tacit stop`");
        return std::future::pending().await;
    };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
}

/// Writes a file that only the node's user may read, all at once.
fn write_private(path: &Path, text: &str) -> Result<(), Failure> {
    use std::os::unix::fs::OpenOptionsExt;
    let fresh = path.with_extension("new");
    let written = std::fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&fresh)
        .and_then(|mut file| file.write_all(format!("{text}\n").as_bytes()))
        .and_then(|()| std::fs::rename(&fresh, path));
    written.map_err(|cause| file_failure(path, &cause))
}

fn file_failure(path: &Path, cause: &std::io::Error) -> Failure {
    Failure::new(Code::new("NODE_START"), format!("{}: {cause}", path.display()), "check the directory's permissions.")
}
