//! What greetings are compared with: who is paired, and where each peer's log stood when it last greeted (CHK-113). What
//! came of each greeting is kept for the operator.
//!
//! *Restores*: a node that was restored from a backup greets each peer with the head that its log had then, until the
//! peer has accepted a greeting. A peer that has seen more of the log refuses with `LOG_FORK`, also after a restart, and
//! its operator says whether the restore was one (`tacit peer accept-restore`). Both sides have it in their logs.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bincode::{Decode, Encode};
use serde_json::json;
use tacit_protocol::canonical::Nonce;
use tacit_protocol::log::LogKind;
use tacit_protocol::messages::{Hello, LogHead, OLDEST_VERSION, PROTOCOL_VERSION};
use tacit_protocol::privacy::BudgetHead;
use tacit_protocol::{Code, Failure, PeerId};

use crate::budget::{self, Budget};
use crate::clock::Clock;
use crate::log::Log;
use crate::network::hello::HelloBook;
use crate::store::trees::{Care, KnownTree};
use crate::store::{Record, RecordTree, Store, StoreError};

/// Where each peer's log stood, by public key.
const HEADS: RecordTree<Seen> = RecordTree::new("peer-heads");
/// With which head a restored node greets the peers that have not accepted it yet.
const RESTORED: RecordTree<Restored> = RecordTree::new("restored");
const RESTORED_KEY: &[u8] = b"node";

/// The trees of heads.
pub(crate) const TREES: [KnownTree; 2] = [HEADS.known(Care::Keep), RESTORED.known(Care::Keep)];

/// Says who is paired under a key.
type NameOf = dyn Fn(&PeerId) -> Option<String> + Send + Sync;

/// A peer's log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
struct Seen {
    /// Its head at the last greeting that was accepted.
    head: LogHead,
    /// The head with which it greeted instead of one that follows.
    forked: Option<LogHead>,
}

impl Record for Seen {
    const NAME: &'static str = "peer's log head";
    const VERSION: u8 = 1;
}

/// The peers that have not accepted this node's restored log yet, and the head that each is greeted with.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
struct Restored {
    pending: Vec<(PeerId, LogHead)>,
}

impl Record for Restored {
    const NAME: &'static str = "restore";
    const VERSION: u8 = 1;
}

/// What the last greeting of a peer said, and what came of greetings with it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Greeted {
    /// The oldest and the newest version of the messages that it speaks.
    pub versions: Option<(u16, u16)>,
    /// Its software.
    pub build: Option<String>,
    /// How far its clock was from this node's, in seconds; positive: it is ahead.
    pub skew: Option<i64>,
    /// Why there is no session; none once there was one.
    pub problem: Option<Failure>,
}

/// The peers and their logs' heads.
pub struct Heads {
    organisation_of: Box<NameOf>,
    log: Arc<Log>,
    clock: Arc<dyn Clock>,
    store: Arc<dyn Store>,
    own: OwnLedger,
    state: Mutex<State>,
}

/// The budget ledger of this node, which peers have seen so far (CHK-931).
pub struct OwnLedger {
    /// It.
    pub budget: Arc<Budget>,
    /// The keys of this node, which sign its heads or did so: the present one, and those before it.
    pub keys: Vec<PeerId>,
}

#[derive(Default)]
struct State {
    seen: BTreeMap<PeerId, Seen>,
    restored: Restored,
    greeted: BTreeMap<PeerId, Greeted>,
    /// With what a peer refused this node's last greeting.
    refusals: BTreeMap<PeerId, Failure>,
    /// Peers whose refusal of the restored log is in this node's log.
    told: BTreeSet<PeerId>,
    /// The epoch of each peer's process, and those before it with the second in which each was followed, newest first.
    epochs: BTreeMap<PeerId, (Nonce, VecDeque<(Nonce, u64)>)>,
    /// Peers of which two processes were heard.
    copied: BTreeSet<PeerId>,
}

/// Epochs of a peer that are remembered.
const EPOCHS: usize = 8;
/// Seconds after the first greeting of a new process in which one of the old process may still arrive.
const LAST_WORDS: u64 = 2;

/// Notes in a store that it was restored from a backup whose log ended with a head.
///
/// # Errors
/// The store cannot be read or written.
pub(crate) fn note_restore(store: &dyn Store, head: LogHead, peers: Vec<PeerId>) -> Result<(), StoreError> {
    let mut restored = RESTORED.get(store, RESTORED_KEY)?.unwrap_or_default();
    for peer in peers {
        // One that has not accepted an earlier restore is still greeted with the head of that one.
        if !restored.pending.iter().any(|(known, _)| *known == peer) {
            restored.pending.push((peer, head));
        }
    }
    RESTORED.put(store, RESTORED_KEY, &restored)
}

impl Heads {
    /// What is known from earlier runs. `organisation_of` says who is paired under a key.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn open(
        organisation_of: impl Fn(&PeerId) -> Option<String> + Send + Sync + 'static,
        log: Arc<Log>,
        clock: Arc<dyn Clock>,
        store: Arc<dyn Store>,
        own: OwnLedger,
    ) -> Result<Arc<Self>, StoreError> {
        let mut state = State::default();
        for (key, seen) in HEADS.all(store.as_ref(), b"")? {
            let peer = key.try_into().ok().and_then(|key| PeerId::from_public_key(key).ok());
            if let Some(peer) = peer {
                state.seen.insert(peer, seen);
            }
        }
        state.restored = RESTORED.get(store.as_ref(), RESTORED_KEY)?.unwrap_or_default();
        let organisation_of = Box::new(organisation_of);
        Ok(Arc::new(Self { organisation_of, log, clock, store, own, state: Mutex::new(state) }))
    }

    /// Takes note of the head of a peer's log in a receipt that both sign (CHK-812). One that is behind a later greeting
    /// tells nothing new.
    pub(crate) fn countersigned(&self, peer: &PeerId, head: &LogHead) {
        let known = self.lock().seen.get(peer).map(|seen| seen.head);
        let is_news = known.is_none_or(|known| {
            head.sequence > known.sequence || head.sequence == known.sequence && head.digest != known.digest
        });
        if is_news && let Err(code) = self.check_head(peer, head) {
            tracing::error!(peer = %self.name(peer), step = "receipt", %code, "its log is not the one that it greeted with");
        }
    }

    /// What came of greetings with a peer.
    pub fn greeted(&self, peer: &PeerId) -> Greeted {
        let state = self.lock();
        let mut greeted = state.greeted.get(peer).cloned().unwrap_or_default();
        greeted.problem = greeted.problem.or_else(|| state.refusals.get(peer).cloned());
        greeted
    }

    /// The operator says that a peer's log went back because its node was restored: its greetings are accepted again from
    /// the head on that it shows. Gives the entries that this node had seen and that are gone now: from, to.
    ///
    /// # Errors
    /// `RESTORE_NONE` if nothing is to be accepted, or a fault of the store or the log.
    pub fn accept_restore(&self, peer: &PeerId) -> Result<(u64, u64), Failure> {
        let organisation = (self.organisation_of)(peer);
        let forked = self.lock().seen.get(peer).and_then(|seen| Some((seen.head, seen.forked?)));
        let (Some(organisation), Some((head, forked))) = (organisation, forked) else {
            let message = "the log of this peer has not gone back, as far as it has greeted";
            return Err(Failure::new(Code::new("RESTORE_NONE"), message, "see `tacit peer list`."));
        };
        let text = "its restore from a backup was accepted by the operator";
        let body = json!({ "peer": peer, "organisation": organisation, "text": text,
            "seen": head.sequence, "restored_to": forked.sequence });
        self.log.append(self.clock.unix_seconds(), LogKind::Peer, &body)?;
        let seen = Seen { head: forked, forked: None };
        HEADS.put(self.store.as_ref(), peer.public_key(), &seen)?;
        self.store.flush()?;
        let mut state = self.lock();
        state.seen.insert(*peer, seen);
        state.epochs.remove(peer);
        state.copied.remove(peer);
        state.greeted.entry(*peer).or_default().problem = None;
        Ok((forked.sequence, head.sequence))
    }

    /// What is known of a peer's log and budget ledger, and what it still has to accept of this node's, holds for the key
    /// that follows its key (CHK-116). Again, it changes nothing.
    ///
    /// # Errors
    /// A fault of the store.
    pub fn follow(&self, old: &PeerId, new: &PeerId) -> Result<(), Failure> {
        budget::follow(self.store.as_ref(), old, new)?;
        let mut state = self.lock();
        if let (Some(seen), None) = (state.seen.get(old).copied(), state.seen.get(new)) {
            HEADS.put(self.store.as_ref(), new.public_key(), &seen)?;
            state.seen.insert(*new, seen);
        }
        if let Some((pending, _)) = state.restored.pending.iter_mut().find(|(pending, _)| pending == old) {
            *pending = *new;
            RESTORED.put(self.store.as_ref(), RESTORED_KEY, &state.restored)?;
        }
        Ok(self.store.flush()?)
    }

    /// Writes something down where it holds up nobody: greetings are judged on the network's own task.
    fn write(&self, write: impl FnOnce(&dyn Store, &Log) -> Result<(), Failure> + Send + 'static) {
        let (store, log) = (Arc::clone(&self.store), Arc::clone(&self.log));
        let work = move || {
            if let Err(failure) = write(store.as_ref(), &log) {
                tracing::error!(step = "hello", code = %failure.code, "what a greeting said was not kept: {failure}");
            }
        };
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn_blocking(work)),
            Err(_) => work(),
        }
    }

    fn keep(&self, peer: &PeerId, seen: Seen) {
        let peer = *peer;
        self.write(move |store, _| {
            HEADS.put(store, peer.public_key(), &seen)?;
            Ok(store.flush()?)
        });
    }

    fn note(&self, peer: &PeerId, text: &str, code: Option<&str>) {
        let organisation = (self.organisation_of)(peer);
        let body = json!({ "peer": peer, "organisation": organisation, "text": text, "code": code });
        let now = self.clock.unix_seconds();
        self.write(move |_, log| Ok(log.append(now, LogKind::Peer, &body).map(drop)?));
    }

    fn name(&self, peer: &PeerId) -> String {
        (self.organisation_of)(peer).unwrap_or_else(|| peer.to_string())
    }

    /// A peer has accepted this node's greeting.
    fn accepted_by(&self, peer: &PeerId) {
        let mut state = self.lock();
        state.refusals.remove(peer);
        let before = state.restored.pending.len();
        state.restored.pending.retain(|(pending, _)| pending != peer);
        if state.restored.pending.len() == before {
            return;
        }
        state.told.remove(peer);
        let restored = state.restored.clone();
        drop(state);
        self.write(move |store, _| {
            RESTORED.put(store, RESTORED_KEY, &restored)?;
            Ok(store.flush()?)
        });
        self.note(peer, "it accepted the log of this node, which was restored from a backup", None);
    }

    /// A peer has refused this node's greeting.
    fn refused_by(&self, peer: &PeerId, code: &Code) {
        let name = self.name(peer);
        let problem = self.refusal(&name, code);
        let mut state = self.lock();
        let is_news = code.as_str() == "LOG_FORK" && state.told.insert(*peer);
        state.refusals.insert(*peer, problem.clone());
        drop(state);
        if is_news {
            tracing::error!(peer = %name, step = "hello", code = %problem.code, "{problem}");
            self.note(peer, "it has seen more of this node's log than there is", Some("STORE_ROLLBACK"));
        }
    }

    /// What a refusal of this node's greeting says to its operator.
    fn refusal(&self, name: &str, code: &Code) -> Failure {
        let (code, message, next) = match code.as_str() {
            "LOG_FORK" => (
                Code::new("STORE_ROLLBACK"),
                "it has seen more of this node's log than there is: this node runs on an older copy of its directory"
                    .into(),
                format!(
                    "if this node was restored from a backup, say so to {name}, whose operator runs `tacit peer \
                     accept-restore`; if not, stop it: another copy of it may run."
                ),
            ),
            "HELLO_VERSION" => (
                code.clone(),
                format!(
                    "it speaks no version from {OLDEST_VERSION} to {PROTOCOL_VERSION} of the messages, as this node does"
                ),
                format!("ask {name} which version of tacit it runs, and update the older of the two nodes."),
            ),
            _ => (
                code.clone(),
                "it refused the greeting of this node".into(),
                format!("ask {name}'s operator; its log has the reason at this time."),
            ),
        };
        Failure::new(code, message, next).by_party(name).at_step("hello")
    }

    /// What is wrong with a peer's greeting, for this node's operator.
    fn fault(&self, name: &str, hello: &Hello, code: &Code) -> Failure {
        let (message, next) = match code.as_str() {
            "LOG_FORK" => (
                "its log went back behind what this node has seen of it, or two processes run with its key: it was restored \
                 from an older copy, or a copy of it runs"
                    .into(),
                format!("ask {name}; once one node runs under the key alone, run `tacit peer accept-restore {name}`."),
            ),
            "HELLO_VERSION" => {
                let older = hello.newest < OLDEST_VERSION;
                let which = if older { "its node is older" } else { "this node is older" };
                let who = if older { format!("{name} updates its node") } else { "update this node".into() };
                (
                    format!(
                        "it speaks versions {} to {} of the messages ({}), this node {OLDEST_VERSION} to \
                         {PROTOCOL_VERSION}: {which}",
                        hello.oldest, hello.newest, hello.build
                    ),
                    format!("{who}; the last two versions work together."),
                )
            }
            "HELLO_CLOCK" => ("its clock and this node's are too far apart".into(), "set both clocks by NTP.".into()),
            "HELLO_IDENTITY" => (
                format!("it greets as {}", tacit_protocol::messages::PeerText::new(&hello.organisation)),
                "ask it for its name; a new name needs a new pairing.".into(),
            ),
            _ => ("its greeting was refused".into(), format!("ask {name} which node runs under this key.")),
        };
        Failure::new(code.clone(), message, next).by_party(name).at_step("hello")
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl HelloBook for Heads {
    fn organisation_of(&self, peer: &PeerId) -> Option<String> {
        (self.organisation_of)(peer)
    }

    fn own_head(&self, to: &PeerId) -> LogHead {
        let state = self.lock();
        let restored = state.restored.pending.iter().find(|(peer, _)| peer == to).map(|(_, head)| *head);
        restored.unwrap_or_else(|| self.log.head())
    }

    fn check_head(&self, peer: &PeerId, head: &LogHead) -> Result<(), Code> {
        let mut state = self.lock();
        let known = state.seen.get(peer).copied();
        // A log only grows, and what was shown once stays.
        let grown = known.is_none_or(|Seen { head: known, forked }| {
            forked.is_none() && head.sequence > known.sequence || *head == known
        });
        let seen = match known {
            Some(known) if !grown => Seen { forked: Some(*head), ..known },
            _ => Seen { head: *head, forked: None },
        };
        if known != Some(seen) {
            state.seen.insert(*peer, seen);
            drop(state);
            self.keep(peer, seen);
            if seen.forked.is_some() {
                self.note(peer, "its log went back behind what this node has seen of it", Some("LOG_FORK"));
            }
        }
        if grown { Ok(()) } else { Err(Code::new("LOG_FORK")) }
    }

    fn check_epoch(&self, peer: &PeerId, hello: &Hello) -> Result<(), Code> {
        let now = self.clock.unix_seconds();
        let mut state = self.lock();
        if state.copied.contains(peer) {
            return Err(Code::new("LOG_FORK"));
        }
        let (current, past) = state.epochs.entry(*peer).or_insert_with(|| (hello.epoch, VecDeque::new()));
        let Some((_, followed)) = past.iter().find(|(epoch, _)| *epoch == hello.epoch) else {
            if *current != hello.epoch {
                past.push_front((*current, now));
                past.truncate(EPOCHS);
                *current = hello.epoch;
            }
            return Ok(());
        };
        if now < followed.saturating_add(LAST_WORDS) {
            return Err(Code::new("PEER_RATE"));
        }
        let known = state.seen.get(peer).copied();
        let seen = Seen { head: known.map_or(hello.log, |known| known.head), forked: Some(hello.log) };
        state.copied.insert(*peer);
        state.seen.insert(*peer, seen);
        drop(state);
        self.keep(peer, seen);
        self.note(peer, "two processes run with its key: a copy of its node runs", Some("LOG_FORK"));
        Err(Code::new("LOG_FORK"))
    }

    fn budget_of(&self, peer: &PeerId) -> Option<BudgetHead> {
        // A store that cannot be read keeps nothing from being said.
        budget::seen_of(&*self.store, peer).ok().flatten()
    }

    fn heard(&self, from: &PeerId, hello: &Hello, refused: Option<&Code>) {
        // Only what this node has signed itself can be held against it.
        if let Some(seen) = hello.budget.filter(|seen| self.own.keys.iter().any(|key| seen.is_of(key))) {
            self.own.budget.witnessed(&seen.head);
        }
        let problem = refused.map(|code| self.fault(&self.name(from), hello, code));
        let skew = i64::try_from(i128::from(hello.now) - i128::from(self.clock.unix_seconds())).ok();
        let versions = Some((hello.oldest, hello.newest));
        let greeted = Greeted { versions, build: Some(hello.build.to_string()), skew, problem };
        self.lock().greeted.insert(*from, greeted);
    }

    fn answered(&self, by: &PeerId, refused: Option<&Code>) {
        match refused {
            None => self.accepted_by(by),
            Some(code) => self.refused_by(by, code),
        }
    }
}

#[cfg(test)]
mod tests {
    use tacit_protocol::{Digest, Identity};

    use super::*;
    use crate::clock::ManualClock;
    use crate::store::MemoryStore;

    fn head(sequence: u64, byte: u8) -> LogHead {
        LogHead { sequence, digest: Digest::from_bytes([byte; 32]) }
    }

    fn peer() -> PeerId {
        Identity::from_seed(&[7; 32]).peer()
    }

    fn heads(store: &Arc<dyn Store>, log: &Arc<Log>) -> Arc<Heads> {
        let name = |_: &PeerId| Some("banque".to_owned());
        let clock = Arc::new(ManualClock::at(1_000_000));
        let budget = Arc::new(Budget::in_memory(Arc::clone(store), clock.clone()).expect("opens"));
        let own = OwnLedger { budget, keys: vec![Identity::from_seed(&[8; 32]).peer()] };
        Heads::open(name, Arc::clone(log), clock, Arc::clone(store), own).expect("opens")
    }

    fn texts(log: &Log) -> String {
        log.entries_after(0, 99).into_iter().map(|entry| entry.body).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn chk_113_a_peers_log_may_grow_but_not_shrink_or_change_also_after_a_restart() {
        let (store, log): (Arc<dyn Store>, _) = (Arc::new(MemoryStore::new()), Arc::new(Log::in_memory()));
        let known = heads(&store, &log);
        assert_eq!(known.check_head(&peer(), &head(2, 1)), Ok(()));
        assert_eq!(known.check_head(&peer(), &head(2, 1)), Ok(()));
        assert_eq!(known.check_head(&peer(), &head(5, 2)), Ok(()));
        for forked in [head(5, 3), head(4, 2)] {
            assert_eq!(known.check_head(&peer(), &forked), Err(Code::new("LOG_FORK")));
            assert_eq!(heads(&store, &log).check_head(&peer(), &forked), Err(Code::new("LOG_FORK")));
        }
        // Growing beyond what was seen makes nothing good.
        assert_eq!(known.check_head(&peer(), &head(9, 4)), Err(Code::new("LOG_FORK")));
    }

    #[test]
    fn chk_812_a_log_that_went_back_behind_a_receipt_is_a_fork() {
        let (store, log): (Arc<dyn Store>, _) = (Arc::new(MemoryStore::new()), Arc::new(Log::in_memory()));
        let known = heads(&store, &log);
        assert_eq!(known.check_head(&peer(), &head(2, 1)), Ok(()));
        known.countersigned(&peer(), &head(9, 2));
        known.countersigned(&peer(), &head(7, 5));
        assert_eq!(known.check_head(&peer(), &head(9, 2)), Ok(()));
        assert_eq!(heads(&store, &log).check_head(&peer(), &head(3, 1)), Err(Code::new("LOG_FORK")));
        let other = heads(&(Arc::new(MemoryStore::new()) as Arc<dyn Store>), &log);
        assert_eq!(other.check_head(&peer(), &head(4, 1)), Ok(()));
        other.countersigned(&peer(), &head(4, 2));
        assert_eq!(
            other.check_head(&peer(), &head(5, 1)),
            Err(Code::new("LOG_FORK")),
            "another log of the same length"
        );
    }

    #[test]
    fn chk_116_a_new_key_of_a_peer_does_not_make_its_log_a_new_one() {
        let (store, log): (Arc<dyn Store>, _) = (Arc::new(MemoryStore::new()), Arc::new(Log::in_memory()));
        note_restore(store.as_ref(), head(3, 1), vec![peer()]).expect("noted");
        let known = heads(&store, &log);
        let new = Identity::from_seed(&[9; 32]).peer();
        assert_eq!(known.check_head(&peer(), &head(5, 2)), Ok(()));
        for _ in 0..2 {
            known.follow(&peer(), &new).expect("kept");
        }
        assert_eq!(known.own_head(&new), head(3, 1), "it has not accepted the restored log yet");
        for heads in [heads(&store, &log), known] {
            assert_eq!(heads.check_head(&new, &head(4, 1)), Err(Code::new("LOG_FORK")));
        }
    }

    #[test]
    fn chk_113_a_restore_is_accepted_by_the_operator_once_and_is_in_both_logs() {
        let (store, log): (Arc<dyn Store>, _) = (Arc::new(MemoryStore::new()), Arc::new(Log::in_memory()));
        let known = heads(&store, &log);
        assert_eq!(known.accept_restore(&peer()).expect_err("nothing to accept").code.as_str(), "RESTORE_NONE");
        assert_eq!(known.check_head(&peer(), &head(5, 2)), Ok(()));
        assert_eq!(known.check_head(&peer(), &head(3, 1)), Err(Code::new("LOG_FORK")));
        assert_eq!(known.accept_restore(&peer()), Ok((3, 5)));
        assert_eq!(known.check_head(&peer(), &head(3, 1)), Ok(()));
        assert_eq!(heads(&store, &log).check_head(&peer(), &head(4, 9)), Ok(()));
        assert_eq!(known.accept_restore(&peer()).expect_err("accepted").code.as_str(), "RESTORE_NONE");
        assert!(
            texts(&log).contains("LOG_FORK") && texts(&log).contains("accepted by the operator"),
            "{}",
            texts(&log)
        );
    }

    #[test]
    fn a_restored_node_greets_with_the_head_of_its_backup_until_the_peer_accepts() {
        let (store, log): (Arc<dyn Store>, _) = (Arc::new(MemoryStore::new()), Arc::new(Log::in_memory()));
        note_restore(store.as_ref(), head(3, 1), vec![peer()]).expect("noted");
        note_restore(store.as_ref(), head(4, 1), vec![peer()]).expect("noted");
        log.append(1, LogKind::Created, &"later").expect("appended");
        let own = heads(&store, &log);
        assert_eq!(own.own_head(&peer()), head(3, 1), "the first restore counts until it is accepted");
        assert_eq!(own.own_head(&Identity::from_seed(&[8; 32]).peer()), log.head());
        own.answered(&peer(), Some(&Code::new("LOG_FORK")));
        let problem = own.greeted(&peer()).problem.expect("a problem");
        assert!(problem.code.as_str() == "STORE_ROLLBACK" && problem.next.contains("accept-restore"), "{problem}");
        assert_eq!(heads(&store, &log).own_head(&peer()), head(3, 1));
        own.answered(&peer(), None);
        assert_eq!(own.own_head(&peer()), log.head());
        assert_eq!(heads(&store, &log).own_head(&peer()), log.head());
        assert!(
            texts(&log).contains("STORE_ROLLBACK") && texts(&log).contains("it accepted the log"),
            "{}",
            texts(&log)
        );
    }

    fn hello(oldest: u16, newest: u16) -> Hello {
        Hello {
            oldest,
            newest,
            build: tacit_protocol::messages::PeerText::new("tacit 9"),
            organisation: "banque".into(),
            epoch: Nonce::from_bytes([1; 16]),
            now: 1_003,
            log: head(1, 1),
            budget: None,
        }
    }

    #[test]
    fn two_processes_under_one_key_are_refused_until_the_operator_has_looked_chk_931() {
        let (store, log): (Arc<dyn Store>, _) = (Arc::new(MemoryStore::new()), Arc::new(Log::in_memory()));
        let clock = Arc::new(ManualClock::at(1_000_000));
        let budget = Arc::new(Budget::in_memory(Arc::clone(&store), clock.clone()).expect("opens"));
        let own = OwnLedger { budget, keys: Vec::new() };
        let name = |_: &PeerId| Some("banque".to_owned());
        let own = Heads::open(name, Arc::clone(&log), clock.clone(), Arc::clone(&store), own).expect("opens");
        let greets = |epoch: u8| {
            let hello = Hello { epoch: Nonce::from_bytes([epoch; 16]), ..hello(1, 2) };
            let judged = own.check_epoch(&peer(), &hello).and_then(|()| own.check_head(&peer(), &hello.log));
            judged.map_err(|code| code.to_string())
        };
        for restarted in [1, 1, 2, 3, 3] {
            assert_eq!(greets(restarted), Ok(()), "{restarted}");
        }
        assert_eq!(greets(2), Err("PEER_RATE".into()), "the last words of a process that ended");
        assert_eq!(greets(3), Ok(()));
        clock.advance(std::time::Duration::from_secs(2));
        assert_eq!(greets(2), Err("LOG_FORK".into()));
        assert_eq!(greets(3), Err("LOG_FORK".into()), "nobody knows which of both is the node");
        assert!(texts(&log).contains("a copy of its node runs"), "{}", texts(&log));
        own.accept_restore(&peer()).expect("accepted");
        assert_eq!(greets(3), Ok(()));
    }

    #[test]
    fn chk_112_a_newer_and_an_older_peer_are_told_apart_with_who_updates() {
        let (store, log): (Arc<dyn Store>, _) = (Arc::new(MemoryStore::new()), Arc::new(Log::in_memory()));
        let own = heads(&store, &log);
        let refused = Code::new("HELLO_VERSION");
        own.heard(&peer(), &hello(PROTOCOL_VERSION + 2, PROTOCOL_VERSION + 2), Some(&refused));
        let newer = own.greeted(&peer());
        assert_eq!(newer.versions, Some((PROTOCOL_VERSION + 2, PROTOCOL_VERSION + 2)));
        assert!(newer.problem.expect("a problem").next.starts_with("update this node"));
        own.heard(&peer(), &hello(0, 0), Some(&refused));
        assert!(own.greeted(&peer()).problem.expect("a problem").next.starts_with("banque updates its node"));
        own.heard(&peer(), &hello(OLDEST_VERSION, PROTOCOL_VERSION), None);
        let good = own.greeted(&peer());
        assert_eq!((good.problem, good.build.as_deref(), good.skew), (None, Some("tacit 9"), Some(3)));
        own.answered(&peer(), Some(&refused));
        assert!(own.greeted(&peer()).problem.expect("a problem").next.contains("update the older"));
    }
}
