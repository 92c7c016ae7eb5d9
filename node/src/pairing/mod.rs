//! Pairing: how two organisations come to know each other by an invite ticket.
//!
//! *Source*: design §4.1; `tacit_protocol::ticket` has the ticket and its proofs.
//!
//! *Order*: the issuer creates a ticket and hands its text over. The redeemer checks it, connects to the issuer and
//! proves on `/tacit/pair/1` that it holds the secret. The issuer stores that the ticket is used (journal, synced to the
//! disk, CHK-104) before it answers `Paired`, with its own proof, or `Pending`. While it is pending, the issuer's
//! operator compares name and words with the redeemer's by voice and confirms (CHK-107); the redeemer asks again now and
//! then. An answer may get lost: the same peer may redeem the same ticket again, another may not.
//!
//! *Confirming*: a ticket is `ask` (the operator confirms) unless its issuer made it `auto` (`tacit peer invite --auto`),
//! which pairs whoever redeems it first. That is for a ticket that travels on a way which only the right organisation
//! reads; the words can be compared afterwards, and the peer be revoked.
//!
//! *A new key* (CHK-116): a node whose key was rotated ([`rotate`]) tells its peers on the same protocol, as it is a
//! stranger to them; their operators confirm the words of the new key. History, quotas and budgets stay with the
//! organisation, and the old key is revoked.
//!
//! *Security*: decisions are made by [`PairingBook`], which is pure; a copy of it is changed, written down, and only then
//! becomes the book. Secrets are sealed in the store. Used tickets and revocations are in a journal that a restored
//! store does not undo (CHK-115).

mod book;
mod records;
pub mod rotate;
#[cfg(test)]
mod tests;

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use libp2p::Multiaddr;
use tacit_protocol::{
    Code, Failure, Identity, PeerId, codec,
    messages::{PairAnswer, PairRequest, RenewAnswer, RenewRequest, Request, Response},
    name::NameError,
    ticket::{DecodedTicket, Invitation, MAX_LIFE_SECONDS, Redeemer, TicketError},
};
use tokio_util::sync::CancellationToken;

pub(crate) use records::TREES;

pub use book::{Invite, MAX_OPEN_TICKETS, MAX_PEERS, PairingBook, Redemption};
pub(crate) use records::PURPOSE;
#[cfg(test)]
pub(crate) use records::one_of_each;

use self::book::Change;
use crate::{
    clock::Clock,
    keys::{KeyError, Sealer},
    network::{NetworkError, NetworkHandle},
    peers::{Peer, PeerState},
    store::{Journal, JournalStart, Store, StoreError},
};

/// How long a ticket holds if nothing is said: a day.
pub const DEFAULT_LIFE_SECONDS: u64 = 24 * 3600;
/// How long a pairing request may take.
const PAIR_TIMEOUT: Duration = Duration::from_secs(20);

/// A failure of pairing.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PairingError {
    /// The ticket is refused.
    #[error(transparent)]
    Ticket(#[from] TicketError),
    /// The organisation's name is not allowed, or like another's (CHK-108).
    #[error("the organisation's name: {0}")]
    Name(#[from] NameError),
    /// The issuer refused the redemption.
    #[error("{organisation} refused the ticket ({code})")]
    Refused {
        /// The issuer.
        organisation: String,
        /// Its code.
        code: Code,
    },
    /// The issuer's answer is none.
    #[error("{organisation} gave an answer that is none")]
    Answer {
        /// The issuer.
        organisation: String,
    },
    /// The peer was revoked here.
    #[error("{organisation} was revoked on this node")]
    Revoked {
        /// The peer.
        organisation: String,
    },
    /// No such peer.
    #[error("no peer {peer} is known")]
    Unknown {
        /// The peer.
        peer: PeerId,
    },
    /// The peer is in another state.
    #[error("peer {peer} is {}, so there is nothing to confirm", state.as_str())]
    State {
        /// The peer.
        peer: PeerId,
        /// Its state.
        state: PeerState,
    },
    /// The peer does not take this node's new key (CHK-116).
    #[error("{organisation} refused the new key of this node ({code})")]
    Renewal {
        /// The peer.
        organisation: String,
        /// Its code.
        code: Code,
    },
    /// Too many tickets are open.
    #[error("{MAX_OPEN_TICKETS} tickets are open already")]
    TooManyTickets,
    /// Too many peers are known.
    #[error("{MAX_PEERS} peers are known already")]
    TooManyPeers,
    /// The issuer could not be asked.
    #[error(transparent)]
    Network(#[from] NetworkError),
    /// The store or journal failed. Nothing was changed or answered.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A sealed secret could not be opened.
    #[error(transparent)]
    Key(#[from] KeyError),
}

impl PairingError {
    /// The stable code.
    pub fn code(&self) -> Code {
        match self {
            Self::Ticket(error) => error.code(),
            Self::Name(error) => error.code(),
            Self::Refused { code, .. } | Self::Renewal { code, .. } => code.clone(),
            Self::Answer { .. } => Code::new("TICKET_FOREIGN"),
            Self::Revoked { .. } => Code::new("PEER_REVOKED"),
            Self::Unknown { .. } => Code::new("PEER_UNKNOWN"),
            Self::State { .. } => Code::new("PEER_PENDING"),
            Self::TooManyTickets | Self::TooManyPeers => Code::new("PEER_RATE"),
            Self::Network(error) => error.code(),
            Self::Store(error) => error.code(),
            Self::Key(error) => error.code(),
        }
    }

    fn next(&self) -> String {
        match self {
            Self::Ticket(error) => error.next().to_owned(),
            Self::Name(_) => "Agree with the organisation on another name.".to_owned(),
            Self::Refused { .. } | Self::Answer { .. } => "Ask the organisation for a new ticket.".to_owned(),
            Self::Renewal { organisation, .. } => {
                format!("Ask {organisation} to revoke the old key, and pair anew: `tacit peer invite`.")
            }
            Self::Revoked { .. } => "A revoked key stays revoked; the organisation needs a new key.".to_owned(),
            Self::Unknown { .. } | Self::State { .. } => "See `tacit peer list`.".to_owned(),
            Self::TooManyTickets => "Wait until some expire.".to_owned(),
            Self::TooManyPeers => "Use another node for further peers.".to_owned(),
            Self::Network(error) => Failure::from(error.clone()).next,
            Self::Store(_) => "Check the disk under the node's directory with `tacit doctor`.".to_owned(),
            Self::Key(error) => error.next_step(),
        }
    }
}

impl From<PairingError> for Failure {
    fn from(error: PairingError) -> Self {
        Self::new(error.code(), error.to_string(), error.next()).at_step("pair")
    }
}

/// Pairing on a running node: the book, where it is kept, and what the network is told.
pub struct Pairing {
    identity: Identity,
    clock: Arc<dyn Clock>,
    store: Arc<dyn Store>,
    sealer: Sealer,
    state: Mutex<State>,
}

struct State {
    book: PairingBook,
    journal: Journal,
    rng: Box<dyn rand_core::CryptoRng + Send>,
}

impl Pairing {
    /// Reads the book of an organisation from its store and journal. `sealer` is for ticket secrets only.
    ///
    /// # Errors
    /// The store cannot be read or its secrets not be opened.
    #[expect(clippy::too_many_arguments, reason = "the parts of a node, each handed in once at its start")]
    pub fn open(
        identity: Identity,
        organisation: String,
        allow_local: bool,
        clock: Arc<dyn Clock>,
        store: Arc<dyn Store>,
        journal: JournalStart,
        sealer: Sealer,
        rng: Box<dyn rand_core::CryptoRng + Send>,
    ) -> Result<Self, PairingError> {
        let mut book = PairingBook::new(identity.peer(), organisation, allow_local);
        records::load(&mut book, store.as_ref(), &journal.entries, &sealer)?;
        let state = Mutex::new(State { book, journal: journal.journal, rng });
        Ok(Self { identity, clock, store, sealer, state })
    }

    /// Tells the network who is paired and who is revoked. Call it once, before the network listens.
    ///
    /// # Errors
    /// The network has stopped.
    pub async fn restore(&self, network: &NetworkHandle) -> Result<(), PairingError> {
        for peer in self.peers() {
            match peer.state {
                PeerState::Paired => network.admit(peer.peer, addresses_of(&peer)).await?,
                PeerState::Revoked => network.revoke(peer.peer).await?,
                PeerState::Invited | PeerState::Pending | PeerState::Renewing => {}
            }
        }
        Ok(())
    }

    /// Creates a ticket, for [`DEFAULT_LIFE_SECONDS`] unless told: its text and its end. Blocks on the disk.
    ///
    /// # Errors
    /// An address or the life is not allowed, too many tickets are open, or the store fails.
    pub fn invite(
        &self,
        addresses: Vec<String>,
        valid_seconds: Option<u64>,
        auto_confirm: bool,
    ) -> Result<(String, u64), PairingError> {
        let issued = self.clock.unix_seconds();
        let life = valid_seconds.unwrap_or(DEFAULT_LIFE_SECONDS).min(MAX_LIFE_SECONDS.saturating_add(1));
        let expires = issued.saturating_add(life);
        let mut state = self.lock();
        let invitation = Invitation { organisation: state.book.organisation.clone(), addresses, issued, expires };
        let (text, ticket) = invitation.issue(&self.identity, state.rng.as_mut())?;
        self.change(&mut state, |book| book.issue(Invite { ticket, auto_confirm }, issued).map(|c| ((), c)))?;
        tracing::info!(step = "pair", expires, auto_confirm, "a ticket was issued");
        Ok((text, expires))
    }

    /// Redeems a ticket: checks it, asks its issuer, and pairs if the issuer says so. Otherwise the peer is `Invited`
    /// until its operator confirms; [`Pairing::ask_again`] follows that up. `own_addresses` are where this node can be
    /// reached.
    ///
    /// # Errors
    /// The ticket is refused here or there, or the issuer cannot be reached; then the same ticket may be tried again.
    pub async fn accept(
        self: &Arc<Self>,
        network: &NetworkHandle,
        text: &str,
        own_addresses: Vec<String>,
    ) -> Result<Peer, PairingError> {
        let text = zeroize::Zeroizing::new(text.to_owned());
        let (issuer, request) = self.off_reactor(move |this| this.begin(&text, own_addresses)).await?;
        self.ask(network, issuer, request).await?;
        self.peer(&issuer).ok_or(PairingError::Unknown { peer: issuer })
    }

    fn begin(&self, text: &str, own_addresses: Vec<String>) -> Result<(PeerId, PairRequest), PairingError> {
        let now = self.clock.unix_seconds();
        let mut state = self.lock();
        let paired: Vec<(PeerId, String)> = state.book.peers().map(|p| (p.peer, p.organisation.clone())).collect();
        let allow_local = state.book.allow_local;
        let redeemer = Redeemer { now, own: &self.identity.peer(), paired: &paired, allow_local };
        let ticket = DecodedTicket::parse(text)?.check(&redeemer)?;
        let nonce = tacit_protocol::canonical::Nonce::random(state.rng.as_mut());
        let request = self.change(&mut state, |book| book.begin(&ticket, own_addresses, nonce, now))?;
        Ok((ticket.issuer(), request))
    }

    async fn ask(
        self: &Arc<Self>,
        network: &NetworkHandle,
        issuer: PeerId,
        request: PairRequest,
    ) -> Result<(), PairingError> {
        let peer = self.peer(&issuer).ok_or(PairingError::Unknown { peer: issuer })?;
        let Response::Pair(answer) = asked(network, &peer, &Request::Pair(Box::new(request))).await? else {
            return Err(PairingError::Answer { organisation: peer.organisation });
        };
        let state = self.off_reactor(move |this| this.answered(issuer, &answer)).await?;
        if state == PeerState::Paired && peer.state != PeerState::Paired {
            tracing::info!(peer = %issuer, step = "pair", "paired: the issuer confirmed");
            meet_again(network, &peer).await?;
        }
        Ok(())
    }

    /// Tells a peer that knows this node by an earlier key of the present one.
    async fn tell_key(
        self: &Arc<Self>,
        network: &NetworkHandle,
        peer: &Peer,
        own_addresses: Vec<String>,
    ) -> Result<(), PairingError> {
        let request = self.lock().book.renewal(own_addresses);
        let Response::Renew(answer) = asked(network, peer, &Request::Renew(Box::new(request))).await? else {
            return Err(PairingError::Answer { organisation: peer.organisation.clone() });
        };
        let (key, now) = (peer.peer, self.clock.unix_seconds());
        let decide = move |book: &mut PairingBook| book.renewed(key, &answer, now).map(|changes| ((), changes));
        self.off_reactor(move |this| this.change(&mut this.lock(), decide)).await?;
        if self.organisation_of(&key).is_some() {
            tracing::info!(peer = %key, step = "pair", "the new key of this node was confirmed");
            meet_again(network, peer).await?;
        }
        Ok(())
    }

    fn answered(&self, issuer: PeerId, answer: &PairAnswer) -> Result<PeerState, PairingError> {
        let now = self.clock.unix_seconds();
        let mut state = self.lock();
        // A refusal changes the book, too.
        let outcome = self.change(&mut state, |book| match book.answered(issuer, answer, now) {
            Ok(changes) => Ok((Ok(()), changes)),
            Err((error, changes)) => Ok((Err(error), changes)),
        })?;
        outcome?;
        Ok(state.book.peer(&issuer).map_or(PeerState::Invited, |peer| peer.state))
    }

    /// Asks the issuers again that had not confirmed, and tells the peers of a new key that know an earlier one, every
    /// `every`, until told to stop.
    pub async fn ask_again(
        self: &Arc<Self>,
        network: &NetworkHandle,
        own_addresses: Vec<String>,
        every: Duration,
        stop: CancellationToken,
    ) {
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(every) => {}
            }
            for peer in self.peers() {
                let told = match peer.state {
                    PeerState::Invited => {
                        let request = self.lock().book.again(&peer.peer, own_addresses.clone());
                        let Some(request) = request else { continue };
                        self.ask(network, peer.peer, request).await
                    }
                    PeerState::Renewing => self.tell_key(network, &peer, own_addresses.clone()).await,
                    PeerState::Pending | PeerState::Paired | PeerState::Revoked => continue,
                };
                match told {
                    Err(error @ PairingError::Renewal { .. }) => {
                        tracing::warn!(peer = %peer.organisation, step = "pair", code = %error.code(), "{error}");
                    }
                    Err(error) => {
                        tracing::debug!(peer = %peer.peer, step = "pair", code = %error.code(), "not confirmed yet");
                    }
                    Ok(()) => {}
                }
            }
        }
    }

    /// Answers a request that came on `/tacit/pair/1`. `None` closes it without an answer: it was none.
    pub async fn answer(self: &Arc<Self>, network: &NetworkHandle, from: PeerId, bytes: &[u8]) -> Option<Vec<u8>> {
        let decided = match codec::decode(bytes) {
            Ok(Request::Pair(request)) => {
                let decided = self.off_reactor(move |this| this.redeem(from, &request)).await;
                decided.map(|(answer, peer)| (Response::Pair(Box::new(answer)), peer))
            }
            Ok(Request::Renew(request)) => {
                let decided = self.off_reactor(move |this| this.renew(from, &request)).await;
                decided.map(|answer| (Response::Renew(answer), None))
            }
            _ => return None,
        };
        let (answer, peer) = match decided {
            Ok(decided) => decided,
            Err(error) => {
                tracing::error!(peer = %from, step = "pair", code = %error.code(), %error, "what a peer asked was not stored");
                return None;
            }
        };
        if let Some(peer) = peer
            && network.admit(from, addresses_of(&peer)).await.is_err()
        {
            return None;
        }
        codec::encode(&answer).ok()
    }

    /// Decides on a peer's new key and stores the decision. It is paired only by its operator's peer.
    fn renew(&self, from: PeerId, request: &RenewRequest) -> Result<RenewAnswer, PairingError> {
        let now = self.clock.unix_seconds();
        let mut state = self.lock();
        let known = state.book.peer(&from).is_some();
        let answer = self.change(&mut state, |book| Ok(book.renew(from, request, now)))?;
        match &answer {
            RenewAnswer::Refused(code) => tracing::warn!(peer = %from, step = "pair", %code, "a new key was refused"),
            RenewAnswer::Pending if !known => {
                let organisation = state.book.peer(&from).map(|peer| peer.organisation.clone()).unwrap_or_default();
                tracing::warn!(peer = %from, step = "pair", "{organisation} has a new key: compare the words");
            }
            RenewAnswer::Pending | RenewAnswer::Confirmed => {}
        }
        Ok(answer)
    }

    /// Decides on a redemption and stores the decision: the answer, and the peer if it is paired now.
    fn redeem(&self, from: PeerId, request: &PairRequest) -> Result<(PairAnswer, Option<Peer>), PairingError> {
        let now = self.clock.unix_seconds();
        let mut state = self.lock();
        let answer = self.change(&mut state, |book| Ok(book.redeem(from, request, now)))?;
        match &answer {
            PairAnswer::Refused(code) => tracing::warn!(peer = %from, step = "pair", %code, "a redemption was refused"),
            PairAnswer::Pending => {
                tracing::info!(peer = %from, step = "pair", "a peer waits to be confirmed: compare the words");
            }
            PairAnswer::Paired { .. } => tracing::info!(peer = %from, step = "pair", "paired: the ticket was redeemed"),
        }
        let is_paired = matches!(answer, PairAnswer::Paired { .. });
        let peer = state.book.peer(&from).filter(|_| is_paired).cloned();
        Ok((answer, peer))
    }

    /// The operator has compared name and words (CHK-107): the peer is paired.
    ///
    /// # Errors
    /// The peer is not pending, or the store fails.
    pub async fn confirm(self: &Arc<Self>, network: &NetworkHandle, peer: PeerId) -> Result<Peer, PairingError> {
        let now = self.clock.unix_seconds();
        let old = self.lock().book.would_follow(&peer);
        let decide = move |book: &mut PairingBook| book.confirm(peer, now).map(|changes| ((), changes));
        self.off_reactor(move |this| this.change(&mut this.lock(), decide)).await?;
        if let Some(old) = old {
            network.revoke(old).await?;
        }
        let confirmed = self.peer(&peer).ok_or(PairingError::Unknown { peer })?;
        tracing::info!(%peer, step = "pair", "paired: the operator confirmed");
        network.admit(peer, addresses_of(&confirmed)).await?;
        Ok(confirmed)
    }

    /// Takes note of where a paired peer says that it can be reached (CHK-109), on the disk and in the network.
    ///
    /// # Errors
    /// `TICKET_ADDRESS` if one of them is none, or the store fails.
    pub async fn learn(
        self: &Arc<Self>,
        network: &NetworkHandle,
        peer: PeerId,
        addresses: Vec<String>,
    ) -> Result<(), PairingError> {
        let before = self.peer(&peer);
        let decide = move |book: &mut PairingBook| book.learn(peer, &addresses).map(|changes| ((), changes));
        self.off_reactor(move |this| this.change(&mut this.lock(), decide)).await?;
        let after = self.peer(&peer).ok_or(PairingError::Unknown { peer })?;
        if before.as_ref() != Some(&after) {
            network.admit(peer, addresses_of(&after)).await?;
        }
        Ok(())
    }

    /// Ends a pairing for good (CHK-115): written down first, then the connections are closed. The caller aborts the
    /// peer's jobs.
    ///
    /// # Errors
    /// The peer is not known, or the store fails; then nothing is revoked.
    pub async fn revoke(self: &Arc<Self>, network: &NetworkHandle, peer: PeerId) -> Result<(), PairingError> {
        let now = self.clock.unix_seconds();
        let decide = move |book: &mut PairingBook| book.revoke(peer, now).map(|changes| ((), changes));
        self.off_reactor(move |this| this.change(&mut this.lock(), decide)).await?;
        tracing::warn!(%peer, step = "pair", code = "PEER_REVOKED", "revoked by the operator");
        network.revoke(peer).await?;
        Ok(())
    }

    /// All peers, in whichever state.
    pub fn peers(&self) -> Vec<Peer> {
        self.lock().book.peers().cloned().collect()
    }

    /// One peer.
    pub fn peer(&self, peer: &PeerId) -> Option<Peer> {
        self.lock().book.peer(peer).cloned()
    }

    /// The organisation that is paired under a key.
    pub fn organisation_of(&self, peer: &PeerId) -> Option<String> {
        self.peer(peer).filter(|peer| peer.state == PeerState::Paired).map(|peer| peer.organisation)
    }

    /// The key that a pending peer's would follow once it is confirmed (CHK-116).
    pub fn would_follow(&self, peer: &PeerId) -> Option<PeerId> {
        self.lock().book.would_follow(peer)
    }

    /// The keys of the organisation of a peer: its own, and those that it followed, the newest first.
    pub fn keys_of(&self, peer: &PeerId) -> Vec<PeerId> {
        self.lock().book.keys_of(peer)
    }

    /// The keys that this node had before, the oldest first.
    pub fn own_earlier_keys(&self) -> Vec<PeerId> {
        self.lock().book.rotations.iter().map(|rotation| rotation.old).collect()
    }

    /// The words that both operators compare by voice (CHK-107).
    pub fn words(&self, peer: &PeerId) -> String {
        tacit_protocol::words::fingerprint(peer, &self.identity.peer())
    }

    /// Runs what blocks on the disk where it blocks nobody else.
    async fn off_reactor<T: Send + 'static>(self: &Arc<Self>, work: impl FnOnce(&Self) -> T + Send + 'static) -> T {
        let this = self.clone();
        match tokio::task::spawn_blocking(move || work(&this)).await {
            Ok(done) => done,
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                // The runtime ends, and this task with it.
                Err(_) => std::future::pending().await,
            },
        }
    }

    /// Changes a copy of the book, writes the changes down, and makes the copy the book.
    fn change<T>(
        &self,
        state: &mut State,
        decide: impl FnOnce(&mut PairingBook) -> Result<(T, Vec<Change>), PairingError>,
    ) -> Result<T, PairingError> {
        let mut next = state.book.clone();
        let (decided, changes) = decide(&mut next)?;
        // CHK-104, CHK-115: the journal first.
        for entry in changes.iter().filter_map(records::journal_entry) {
            state.journal.append(&entry)?;
        }
        if !changes.is_empty() {
            let batch = records::batch(&next, &changes, &self.sealer, state.rng.as_mut());
            self.store.apply(&batch)?;
            self.store.flush()?;
        }
        state.book = next;
        Ok(decided)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Asks a peer on the pairing protocol.
async fn asked(network: &NetworkHandle, peer: &Peer, request: &Request) -> Result<Response, PairingError> {
    let none = |_| PairingError::Answer { organisation: peer.organisation.clone() };
    let bytes = codec::encode(request).map_err(none)?;
    let answer = network.pair_request(peer.peer, addresses_of(peer), bytes, PAIR_TIMEOUT).await?;
    codec::decode(&answer).map_err(none)
}

/// Closes the connection of strangers, and connects as paired peers do.
async fn meet_again(network: &NetworkHandle, peer: &Peer) -> Result<(), NetworkError> {
    network.disconnect(peer.peer).await?;
    network.admit(peer.peer, addresses_of(peer)).await
}

fn addresses_of(peer: &Peer) -> Vec<Multiaddr> {
    peer.addresses.iter().filter_map(|text| text.parse().ok()).collect()
}
