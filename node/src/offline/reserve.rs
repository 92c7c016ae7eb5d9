//! What a node has made with its peers, as jobs and idle work share it.
//!
//! At any time one session, or one run that claims, uses what was made with a peer: a run waits a moment for a session to
//! end, and where another run claims it goes on without. So statements are made when no claim is under way, and two
//! parties who come to their runs in different orders never wait for each other.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bincode::{Decode, Encode};
use tacit_mpc::offline::{Counts, Kind as Made, Supply};
use tacit_protocol::PeerId;
use tacit_protocol::codec::{decode, encode};
use tacit_protocol::idle::MAX_KINDS;
use zeroize::Zeroizing;

use super::{CorrelationStore, Epoch, Kind, OfflineError, Statement, Verdict};
use crate::clock::Clock;
use crate::store::trees::{Care, KnownTree};
use crate::store::{Record, RecordTree, Store};

/// What jobs with each peer would have taken, by public key.
const WANTS: RecordTree<Wanted> = RecordTree::new("idle-wants");
/// The tree of what idle work is for.
pub(crate) const TREES: [KnownTree; 1] = [WANTS.known(Care::Keep)];
/// How long a want is remembered, in seconds: a week, so that what runs weekly is ready.
const REMEMBERED: u64 = 8 * 24 * 3_600;
/// How long a run waits for idle work to end: about a chunk.
const PATIENCE: Duration = Duration::from_secs(5);

/// The correlations of a node.
pub(crate) struct Reserve {
    store: CorrelationStore,
    records: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    /// What may be kept for each peer, in bytes.
    disk: u64,
    uses: Mutex<HashMap<PeerId, Use>>,
    freed: Condvar,
}

/// What is under way with a peer.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Use {
    Session,
    Claim,
}

/// What jobs with a peer would take.
#[derive(Default, Encode, Decode)]
struct Wanted {
    items: Vec<Want>,
}

/// So many chunks of a kind, for one job.
#[derive(Clone, Encode, Decode)]
struct Want {
    kind: String,
    chunks: u64,
    /// When a job last wanted so many, in Unix seconds.
    at: u64,
}

impl Record for Wanted {
    const NAME: &'static str = "want of correlations";
    const VERSION: u8 = 1;
}

impl Reserve {
    /// Over an opened store.
    pub(crate) fn new(store: CorrelationStore, records: Arc<dyn Store>, clock: Arc<dyn Clock>, disk: u64) -> Self {
        let (uses, freed) = (Mutex::default(), Condvar::new());
        Self { store, records, clock, disk, uses, freed }
    }

    /// The store.
    pub(crate) fn store(&self) -> &CorrelationStore {
        &self.store
    }

    /// What jobs with a peer will take, as far as the last ones tell: the largest of each kind.
    pub(crate) fn wants(&self, peer: &PeerId) -> Vec<(Made, u64)> {
        let known = self.wanted(peer).items.into_iter();
        known.filter_map(|want| Some((Made::named(&want.kind)?, want.chunks))).collect()
    }

    /// Whether there is less of anything than the largest job with a peer would take, as far as this node knows.
    pub(crate) fn missing(&self, peer: &PeerId) -> bool {
        let statement = self.store.statement(peer);
        let ready = |kind: &Made| {
            let kind = Kind::of(*kind).ok()?;
            statement.ready.get(&kind).map(|numbers| numbers.len() as u64)
        };
        self.wants(peer).iter().any(|(kind, chunks)| ready(kind).unwrap_or(0) < *chunks)
    }

    fn wanted(&self, peer: &PeerId) -> Wanted {
        let now = self.clock.unix_seconds();
        let mut wanted = WANTS.get(&*self.records, peer.public_key()).ok().flatten().unwrap_or_default();
        wanted.items.retain(|want| now.saturating_sub(want.at) < REMEMBERED);
        wanted
    }

    /// Notes what a plan would take. A fault of the records costs the note alone.
    fn note(&self, peer: &PeerId, wants: &Counts) {
        let now = self.clock.unix_seconds();
        let mut wanted = self.wanted(peer);
        for (kind, count) in wants.iter() {
            // No more than there is room for.
            let room = self.disk / (kind.chunk_bytes() as u64).max(1);
            let (name, chunks) = (kind.name(), count.div_ceil(kind.chunk()).min(room));
            if chunks == 0 {
                continue;
            }
            match wanted.items.iter_mut().find(|want| want.kind == name) {
                Some(want) if want.chunks > chunks => {}
                Some(want) => (want.chunks, want.at) = (chunks, now),
                None => wanted.items.push(Want { kind: name, chunks, at: now }),
            }
        }
        wanted.items.sort_by_key(|want| std::cmp::Reverse(want.at));
        wanted.items.truncate(MAX_KINDS);
        if let Err(error) = WANTS.put(&*self.records, peer.public_key(), &wanted) {
            tracing::warn!(peer = %peer.short(), step = "idle", code = %error.code(), "a want is not noted: {error}");
        }
    }

    /// The peer's correlations, for a session of idle work; none while anything else uses them.
    pub(crate) fn begin_session(self: &Arc<Self>, peer: PeerId) -> Option<InUse> {
        let mut uses = self.lock();
        if uses.contains_key(&peer) {
            return None;
        }
        uses.insert(peer, Use::Session);
        Some(InUse { reserve: Arc::clone(self), peer })
    }

    /// The same for a run, which waits for a session to end.
    fn begin_claim(self: &Arc<Self>, peer: PeerId) -> Option<InUse> {
        let in_session = |uses: &mut HashMap<PeerId, Use>| uses.get(&peer) == Some(&Use::Session);
        let waited = self.freed.wait_timeout_while(self.lock(), PATIENCE, in_session);
        let mut uses = waited.unwrap_or_else(PoisonError::into_inner).0;
        if uses.contains_key(&peer) {
            return None;
        }
        uses.insert(peer, Use::Claim);
        Some(InUse { reserve: Arc::clone(self), peer })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<PeerId, Use>> {
        self.uses.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The use of what was made with a peer. When it ends, the peer has to confirm the epoch anew.
pub(crate) struct InUse {
    reserve: Arc<Reserve>,
    peer: PeerId,
}

impl Drop for InUse {
    fn drop(&mut self) {
        self.reserve.store.disconnected(&self.peer);
        self.reserve.lock().remove(&self.peer);
        self.reserve.freed.notify_all();
    }
}

/// What a run with a peer may take.
pub(crate) struct PeerSupply {
    reserve: Option<Arc<Reserve>>,
    peer: PeerId,
    used: Option<InUse>,
    /// The epoch that both confirmed, and the chunks that both have.
    ready: Option<(Epoch, BTreeMap<Made, Vec<u64>>)>,
}

impl PeerSupply {
    /// From what there is; a node without idle work has nothing.
    pub(crate) fn new(reserve: Option<Arc<Reserve>>, peer: PeerId) -> Self {
        Self { reserve, peer, used: None, ready: None }
    }

    fn reconciled(&self, reserve: &Reserve, theirs: &[u8]) -> Option<(Epoch, BTreeMap<Made, Vec<u64>>)> {
        let told = |error: &dyn std::fmt::Display, code: &str| {
            tracing::warn!(peer = %self.peer.short(), step = "idle", code, "nothing is taken from the reserve: {error}");
        };
        let theirs: Statement = decode(theirs).map_err(|error| told(&error, "CORRELATION_EPOCH")).ok()?;
        let epoch = reserve.store.statement(&self.peer).epoch?;
        match reserve.store.reconcile(&self.peer, &theirs) {
            Ok(Verdict::Keep(stock)) => {
                let known = |(kind, numbers): (Kind, std::collections::BTreeSet<u64>)| {
                    Some((Made::named(kind.as_str())?, numbers.into_iter().collect()))
                };
                Some((epoch, stock.ready.into_iter().filter_map(known).collect()))
            }
            Ok(Verdict::BeginAnew(doubt)) => {
                tracing::info!(peer = %self.peer.short(), step = "idle", "the reserve begins anew: {doubt}");
                None
            }
            Err(error) => {
                told(&error, error.code().as_str());
                None
            }
        }
    }
}

impl Supply for PeerSupply {
    fn statement(&mut self, wants: &Counts) -> Vec<u8> {
        let Some(reserve) = &self.reserve else { return Vec::new() };
        reserve.note(&self.peer, wants);
        self.used = reserve.begin_claim(self.peer);
        if self.used.is_none() {
            return Vec::new();
        }
        let statement = reserve.store.statement(&self.peer);
        // Without an epoch there is nothing, and nothing that the peer's statement could put in doubt.
        if statement.epoch.is_none() { Vec::new() } else { encode(&statement).unwrap_or_default() }
    }

    fn both(&mut self, theirs: &[u8]) -> Counts {
        let Some(reserve) = self.reserve.clone().filter(|_| self.used.is_some() && !theirs.is_empty()) else {
            return Counts::default();
        };
        self.ready = self.reconciled(&reserve, theirs);
        let ready = self.ready.iter().flat_map(|(_, ready)| ready);
        ready.map(|(kind, numbers)| (*kind, (numbers.len() as u64).saturating_mul(kind.chunk()))).collect()
    }

    fn claim(&mut self, kind: Made, chunks: u64) -> Result<Vec<Zeroizing<Vec<u8>>>, tacit_mpc::Error> {
        let refused = |error: OfflineError| {
            tracing::warn!(peer = %self.peer.short(), step = "idle", code = %error.code(), "no claim: {error}");
            tacit_mpc::Error::Refused { code: error.code(), cause: error.to_string() }
        };
        let (Some(reserve), Some((epoch, ready))) = (&self.reserve, &mut self.ready) else { return Ok(Vec::new()) };
        let numbers = ready.entry(kind).or_default();
        let taken = numbers.len().min(usize::try_from(chunks).unwrap_or(usize::MAX));
        let numbers: Vec<u64> = numbers.drain(..taken).collect();
        let name = Kind::of(kind).map_err(refused)?;
        reserve.store.claim(&self.peer, epoch, &name, &numbers).map_err(refused)
    }

    fn finish(&mut self) {
        (self.used, self.ready) = (None, None);
    }
}
