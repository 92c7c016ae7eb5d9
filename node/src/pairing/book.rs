//! What is decided when organisations pair: a function of the book, a message and the time. No I/O.

use std::collections::BTreeMap;

use tacit_protocol::{
    Code, Digest, PeerId,
    address::{self, AddressError},
    canonical::Nonce,
    messages::{PairAnswer, PairRequest, RenewAnswer, RenewRequest},
    name,
    rotation::{self, MAX_ROTATIONS, Rotation},
    ticket::{IssuedTicket, ProofSide, RedemptionProof, Ticket, TicketError, TicketKey},
};

use super::PairingError;
use crate::peers::{Peer, PeerState};

/// Tickets of this node that may be open at one time.
pub const MAX_OPEN_TICKETS: usize = 64;
/// Peers that a node knows, in whichever state.
pub const MAX_PEERS: usize = 1_024;

/// All that a node knows of pairings.
#[derive(Clone)]
pub struct PairingBook {
    pub(super) own: PeerId,
    pub(super) organisation: String,
    pub(super) allow_local: bool,
    pub(super) invites: BTreeMap<Digest, Invite>,
    pub(super) redemptions: BTreeMap<PeerId, Redemption>,
    pub(super) peers: BTreeMap<PeerId, Peer>,
    /// By a peer's key, the one that it followed or would follow, once it is confirmed (CHK-116).
    pub(super) followed: BTreeMap<PeerId, PeerId>,
    /// The rotations that led to this node's key, the oldest first.
    pub(super) rotations: Vec<Rotation>,
}

/// A ticket that this node issued.
#[derive(Clone)]
pub struct Invite {
    /// The ticket.
    pub ticket: IssuedTicket,
    /// Whether whoever redeems it is paired at once. Otherwise the operator confirms name and words (CHK-107). The
    /// issuer says so when it creates the ticket, for a way that it trusts to reach the right organisation only.
    pub auto_confirm: bool,
}

/// A ticket that this node redeems, until its issuer has confirmed.
#[derive(Clone, Debug)]
pub struct Redemption {
    /// The ticket's digest.
    pub ticket: Digest,
    /// The key of its secret.
    pub key: TicketKey,
    /// The nonce that the proofs are over.
    pub nonce: Nonce,
}

/// What has to be on disk before anybody hears of a decision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// A peer is new, or changed.
    Peer(PeerId),
    /// A peer is gone.
    PeerGone(PeerId),
    /// A ticket was issued, or redeemed for the first time (which the journal holds as well, CHK-104).
    Invite(Digest),
    /// A ticket is gone.
    InviteGone(Digest),
    /// A redemption began, or ended.
    Redemption(PeerId),
    /// The journal holds this for good: a ticket was used by a peer (CHK-104).
    Used(Digest, PeerId),
    /// The journal holds this for good: a peer was revoked (CHK-115).
    Revoked(PeerId),
    /// A peer's key follows, or would follow, another; or does not any more.
    Followed(PeerId),
}

impl PairingBook {
    /// A book without entries.
    pub fn new(own: PeerId, organisation: String, allow_local: bool) -> Self {
        Self {
            own,
            organisation,
            allow_local,
            invites: BTreeMap::new(),
            redemptions: BTreeMap::new(),
            peers: BTreeMap::new(),
            followed: BTreeMap::new(),
            rotations: Vec::new(),
        }
    }

    /// The peers, by key.
    pub fn peers(&self) -> impl Iterator<Item = &Peer> {
        self.peers.values()
    }

    /// One peer.
    pub fn peer(&self, peer: &PeerId) -> Option<&Peer> {
        self.peers.get(peer)
    }

    /// Keeps a ticket that was issued, and drops those that nobody can use any more.
    pub(super) fn issue(&mut self, invite: Invite, now: u64) -> Result<Vec<Change>, PairingError> {
        let mut changes = self.drop_dead_tickets(now);
        if self.invites.len() >= MAX_OPEN_TICKETS {
            return Err(PairingError::TooManyTickets);
        }
        changes.push(Change::Invite(invite.ticket.id));
        self.invites.insert(invite.ticket.id, invite);
        Ok(changes)
    }

    /// A ticket is dead when its time is over, unless its redeemer still waits for the operator or the answer.
    fn drop_dead_tickets(&mut self, now: u64) -> Vec<Change> {
        let is_awaited = |peer: &PeerId| self.peers.get(peer).is_some_and(|peer| peer.state == PeerState::Pending);
        let dead = self.invites.values().filter(|invite| {
            now >= invite.ticket.expires && !invite.ticket.redeemed_by.as_ref().is_some_and(is_awaited)
        });
        let dead: Vec<Digest> = dead.map(|invite| invite.ticket.id).collect();
        dead.iter().for_each(|id| drop(self.invites.remove(id)));
        dead.into_iter().map(Change::InviteGone).collect()
    }

    /// Answers the redemption of a ticket by a peer, whose key the connection has proven (CHK-103 to CHK-108).
    pub(super) fn redeem(&mut self, from: PeerId, request: &PairRequest, now: u64) -> (PairAnswer, Vec<Change>) {
        match self.try_redeem(from, request, now) {
            Ok(answered) => answered,
            Err(code) => (PairAnswer::Refused(code), Vec::new()),
        }
    }

    fn try_redeem(&mut self, from: PeerId, request: &PairRequest, now: u64) -> Result<(PairAnswer, Vec<Change>), Code> {
        let PairRequest { ticket, nonce, organisation, addresses, proof } = request;
        // CHK-105: a secret that this node knows.
        let invite = self.invites.get(ticket).ok_or_else(|| TicketError::Foreign.code())?;
        // CHK-103, CHK-104, CHK-106.
        invite.ticket.check_redemption(&self.own, &from, nonce, proof, now).map_err(|error| error.code())?;
        let known = self.peers.get(&from);
        // CHK-115: a revoked peer stays revoked, whatever it holds.
        if known.is_some_and(|peer| peer.state == PeerState::Revoked) {
            return Err(Code::new("PEER_REVOKED"));
        }
        if known.is_some_and(|peer| peer.organisation != *organisation) {
            return Err(TicketError::OtherName(String::new()).code());
        }
        self.check_name(organisation, &from).map_err(|error| error.code())?;
        let earlier = self.revoked_key_of(organisation);
        let addresses = dialable(addresses, self.allow_local).map_err(|_| Code::new("TICKET_ADDRESS"))?;
        if known.is_none() && self.peers.len() >= MAX_PEERS {
            return Err(Code::new("PEER_RATE"));
        }
        let is_paired = known.is_some_and(|peer| peer.state == PeerState::Paired) || invite.auto_confirm;
        let state = if is_paired { PeerState::Paired } else { PeerState::Pending };
        let since = known.filter(|peer| peer.state == state).map_or(now, |peer| peer.since);
        let answer = if is_paired {
            let proof = invite.ticket.key.prove(ProofSide::Issuer, &self.own, &from, nonce);
            PairAnswer::Paired { organisation: self.organisation.clone(), proof }
        } else {
            PairAnswer::Pending
        };
        let mut changes = Vec::new();
        if invite.ticket.redeemed_by.is_none() {
            changes.extend([Change::Used(*ticket, from), Change::Invite(*ticket)]);
            if let Some(invite) = self.invites.get_mut(ticket) {
                invite.ticket.redeemed_by = Some(from);
            }
        }
        let peer = Peer { peer: from, organisation: organisation.clone(), addresses, state, since };
        if self.peers.get(&from) != Some(&peer) {
            self.peers.insert(from, peer);
            changes.push(Change::Peer(from));
        }
        changes.extend(self.follow(from, earlier));
        Ok((answer, changes))
    }

    /// Begins to redeem a checked ticket: what to send. Beginning again with the same ticket sends the same.
    pub(super) fn begin(
        &mut self,
        ticket: &Ticket,
        own_addresses: Vec<String>,
        nonce: Nonce,
        now: u64,
    ) -> Result<(PairRequest, Vec<Change>), PairingError> {
        let issuer = ticket.issuer();
        let known = self.peers.get(&issuer);
        if known.is_some_and(|peer| peer.state == PeerState::Revoked) {
            return Err(PairingError::Revoked { organisation: ticket.organisation().to_owned() });
        }
        if known.is_none() && self.peers.len() >= MAX_PEERS {
            return Err(PairingError::TooManyPeers);
        }
        self.check_name(ticket.organisation(), &issuer)?;
        let earlier = self.revoked_key_of(ticket.organisation());
        let state = known.map_or(PeerState::Invited, |peer| peer.state);
        let since = known.map_or(now, |peer| peer.since);
        self.peers.insert(
            issuer,
            Peer {
                peer: issuer,
                organisation: ticket.organisation().to_owned(),
                addresses: ticket.addresses().to_vec(),
                state,
                since,
            },
        );
        let redemption = match self.redemptions.get(&issuer) {
            Some(begun) if begun.ticket == ticket.id() => begun.clone(),
            _ => Redemption { ticket: ticket.id(), key: ticket.key(), nonce },
        };
        let request = self.request(&issuer, &redemption, own_addresses);
        self.redemptions.insert(issuer, redemption);
        let mut changes = vec![Change::Peer(issuer), Change::Redemption(issuer)];
        changes.extend(self.follow(issuer, earlier));
        Ok((request, changes))
    }

    /// What to send again, while the issuer has not confirmed.
    pub(super) fn again(&self, issuer: &PeerId, own_addresses: Vec<String>) -> Option<PairRequest> {
        Some(self.request(issuer, self.redemptions.get(issuer)?, own_addresses))
    }

    fn request(&self, issuer: &PeerId, redemption: &Redemption, addresses: Vec<String>) -> PairRequest {
        let Redemption { ticket, key, nonce } = redemption;
        let proof = key.prove(ProofSide::Redeemer, issuer, &self.own, nonce);
        PairRequest { ticket: *ticket, nonce: *nonce, organisation: self.organisation.clone(), addresses, proof }
    }

    /// Takes the issuer's answer.
    pub(super) fn answered(
        &mut self,
        issuer: PeerId,
        answer: &PairAnswer,
        now: u64,
    ) -> Result<Vec<Change>, (PairingError, Vec<Change>)> {
        let foreign = || (PairingError::Ticket(TicketError::Foreign), Vec::new());
        let redemption = self.redemptions.get(&issuer).ok_or_else(foreign)?;
        let peer = self.peers.get(&issuer).ok_or_else(foreign)?;
        match answer {
            PairAnswer::Pending => Ok(Vec::new()),
            PairAnswer::Paired { organisation, proof } => {
                self.check_issuer(redemption, &issuer, proof).map_err(|error| (error.into(), Vec::new()))?;
                if *organisation != peer.organisation {
                    let error = TicketError::OtherName(peer.organisation.clone());
                    return Err((error.into(), Vec::new()));
                }
                Ok(self.pair(issuer, now))
            }
            PairAnswer::Refused(code) => {
                let refused = PairingError::Refused { organisation: peer.organisation.clone(), code: code.clone() };
                let mut changes = vec![Change::Redemption(issuer)];
                if peer.state == PeerState::Invited {
                    self.peers.remove(&issuer);
                    changes.push(Change::PeerGone(issuer));
                }
                self.redemptions.remove(&issuer);
                Err((refused, changes))
            }
        }
    }

    /// CHK-106, the other way: only the issuer knows the secret, too.
    fn check_issuer(
        &self,
        redemption: &Redemption,
        issuer: &PeerId,
        proof: &RedemptionProof,
    ) -> Result<(), TicketError> {
        redemption.key.verify(ProofSide::Issuer, issuer, &self.own, &redemption.nonce, proof)
    }

    /// What to send to a peer that knows this node by an earlier key.
    pub(super) fn renewal(&self, addresses: Vec<String>) -> RenewRequest {
        let earlier = self.rotations.len().saturating_sub(MAX_ROTATIONS);
        RenewRequest { rotations: self.rotations[earlier..].to_vec(), addresses }
    }

    /// Takes the answer of a peer that knows this node by an earlier key.
    pub(super) fn renewed(
        &mut self,
        peer: PeerId,
        answer: &RenewAnswer,
        now: u64,
    ) -> Result<Vec<Change>, PairingError> {
        let known = self.peers.get_mut(&peer).filter(|known| known.state == PeerState::Renewing);
        let known = known.ok_or(PairingError::Unknown { peer })?;
        match answer {
            RenewAnswer::Pending => Ok(Vec::new()),
            RenewAnswer::Confirmed => {
                (known.state, known.since) = (PeerState::Paired, now);
                Ok(vec![Change::Peer(peer)])
            }
            RenewAnswer::Refused(code) => {
                Err(PairingError::Renewal { organisation: known.organisation.clone(), code: code.clone() })
            }
        }
    }

    /// Answers a peer, whose key the connection has proven, that says that its key follows one that is paired (CHK-116).
    pub(super) fn renew(&mut self, from: PeerId, request: &RenewRequest, now: u64) -> (RenewAnswer, Vec<Change>) {
        match self.try_renew(from, request, now) {
            Ok(answered) => answered,
            Err(code) => (RenewAnswer::Refused(code), Vec::new()),
        }
    }

    fn try_renew(
        &mut self,
        from: PeerId,
        RenewRequest { rotations, addresses }: &RenewRequest,
        now: u64,
    ) -> Result<(RenewAnswer, Vec<Change>), Code> {
        let organisation = rotation::check(rotations, &from).map_err(|error| error.code())?;
        let other = || Code::new("PEER_ROTATION");
        match self.peers.get(&from).map(|known| known.state) {
            // CHK-115: a revoked key stays revoked.
            Some(PeerState::Revoked) => return Err(Code::new("PEER_REVOKED")),
            Some(PeerState::Paired) => return Ok((RenewAnswer::Confirmed, Vec::new())),
            Some(PeerState::Pending) if self.followed.contains_key(&from) => {
                return Ok((RenewAnswer::Pending, Vec::new()));
            }
            // A key that came with a ticket of its own follows none.
            Some(_) => return Err(other()),
            None => {}
        }
        let earlier: Vec<PeerId> = rotations.iter().map(|rotation| rotation.old).collect();
        let is_paired = |key: &&PeerId| self.peers.get(*key).is_some_and(|peer| peer.state == PeerState::Paired);
        let old = *earlier.iter().rev().find(is_paired).ok_or_else(other)?;
        if self.peers.get(&old).is_none_or(|known| known.organisation != organisation) {
            return Err(other());
        }
        // Keys between that nobody confirmed are passed over; another one that would follow the same key is a fork.
        let waiting = self.followed.iter().filter(|(_, follows)| **follows == old).map(|(key, _)| *key);
        let waiting: Vec<PeerId> = waiting.filter(|key| self.is_pending(key)).collect();
        if waiting.iter().any(|key| !earlier.contains(key)) {
            return Err(other());
        }
        let addresses = dialable(addresses, self.allow_local).map_err(|_| Code::new("TICKET_ADDRESS"))?;
        if self.peers.len() >= MAX_PEERS {
            return Err(Code::new("PEER_RATE"));
        }
        let mut changes = Vec::new();
        for passed in waiting {
            self.peers.remove(&passed);
            self.followed.remove(&passed);
            changes.extend([Change::PeerGone(passed), Change::Followed(passed)]);
        }
        let (organisation, state) = (organisation.to_owned(), PeerState::Pending);
        self.peers.insert(from, Peer { peer: from, organisation, addresses, state, since: now });
        self.followed.insert(from, old);
        changes.extend([Change::Peer(from), Change::Followed(from)]);
        Ok((RenewAnswer::Pending, changes))
    }

    fn is_pending(&self, peer: &PeerId) -> bool {
        self.peers.get(peer).is_some_and(|peer| peer.state == PeerState::Pending)
    }

    /// The key that a peer's would follow once the operator has confirmed it.
    pub fn would_follow(&self, peer: &PeerId) -> Option<PeerId> {
        self.followed.get(peer).copied().filter(|_| self.is_pending(peer))
    }

    /// The keys of the organisation of a peer: its own, and those that it followed, the newest first.
    pub fn keys_of(&self, peer: &PeerId) -> Vec<PeerId> {
        let mut keys = vec![*peer];
        while let Some(older) = keys.last().and_then(|key| self.followed.get(key)).filter(|key| !keys.contains(key)) {
            keys.push(*older);
        }
        keys
    }

    fn pair(&mut self, peer: PeerId, now: u64) -> Vec<Change> {
        let mut changes = Vec::new();
        let old = self.would_follow(&peer);
        if self.redemptions.remove(&peer).is_some() {
            changes.push(Change::Redemption(peer));
        }
        if let Some(known) = self.peers.get_mut(&peer)
            && known.state != PeerState::Paired
        {
            (known.state, known.since) = (PeerState::Paired, now);
            changes.push(Change::Peer(peer));
        }
        // CHK-116: two keys of an organisation are never paired at a time.
        changes.extend(old.and_then(|old| self.revoke(old, now).ok()).unwrap_or_default());
        changes
    }

    /// The operator has compared the words (CHK-107).
    pub(super) fn confirm(&mut self, peer: PeerId, now: u64) -> Result<Vec<Change>, PairingError> {
        match self.peers.get(&peer).map(|peer| peer.state) {
            Some(PeerState::Pending | PeerState::Paired) => Ok(self.pair(peer, now)),
            Some(state) => Err(PairingError::State { peer, state }),
            None => Err(PairingError::Unknown { peer }),
        }
    }

    /// Takes note of where a paired peer says that it can be reached (CHK-109). If it says nothing of use, what is known
    /// stays.
    pub(super) fn learn(&mut self, peer: PeerId, addresses: &[String]) -> Result<Vec<Change>, PairingError> {
        let addresses = dialable(addresses, self.allow_local).map_err(TicketError::Address)?;
        let known = self.peers.get_mut(&peer).filter(|peer| peer.state == PeerState::Paired);
        let known = known.ok_or(PairingError::Unknown { peer })?;
        if addresses.is_empty() || known.addresses == addresses {
            return Ok(Vec::new());
        }
        known.addresses = addresses;
        Ok(vec![Change::Peer(peer)])
    }

    /// Ends a pairing for good, in whichever state it is (CHK-115).
    pub(super) fn revoke(&mut self, peer: PeerId, now: u64) -> Result<Vec<Change>, PairingError> {
        let known = self.peers.get_mut(&peer).ok_or(PairingError::Unknown { peer })?;
        if known.state == PeerState::Revoked {
            return Ok(Vec::new());
        }
        (known.state, known.since) = (PeerState::Revoked, now);
        self.redemptions.remove(&peer);
        let mut changes = vec![Change::Revoked(peer), Change::Peer(peer), Change::Redemption(peer)];
        // Keys that would follow it were signed for by it.
        let waiting = self.followed.iter().filter(|(key, follows)| **follows == peer && self.is_pending(key));
        let waiting: Vec<PeerId> = waiting.map(|(key, _)| *key).collect();
        for key in waiting {
            self.peers.remove(&key);
            self.followed.remove(&key);
            changes.extend([Change::PeerGone(key), Change::Followed(key)]);
        }
        Ok(changes)
    }

    /// A revocation whose peer an older copy of the store does not know.
    pub(super) fn revoked_unknown(&mut self, peer: PeerId) {
        let organisation = peer.to_string();
        let state = PeerState::Revoked;
        self.peers.insert(peer, Peer { peer, organisation, addresses: Vec::new(), state, since: 0 });
    }

    /// CHK-108, among this node and the peers other than `peer`. An organisation whose key was revoked may come back under
    /// its name with another.
    fn check_name(&self, organisation: &str, peer: &PeerId) -> Result<(), name::NameError> {
        name::check_organisation(organisation)?;
        let is_other = |other: &&Peer| {
            let is_back = other.state == PeerState::Revoked && other.organisation == organisation;
            other.peer != *peer && !is_back
        };
        let others = self.peers.values().filter(is_other).map(|other| other.organisation.as_str());
        name::check_unlike(organisation, others.chain([self.organisation.as_str()]))
    }

    /// The key of an organisation that was revoked last.
    fn revoked_key_of(&self, organisation: &str) -> Option<PeerId> {
        let revoked = self.peers.values().filter(|peer| peer.state == PeerState::Revoked);
        revoked.filter(|peer| peer.organisation == organisation).max_by_key(|peer| peer.since).map(|peer| peer.peer)
    }

    /// CHK-116: history and quotas stay with an organisation that comes back with another key.
    fn follow(&mut self, peer: PeerId, earlier: Option<PeerId>) -> Option<Change> {
        let earlier = earlier.filter(|earlier| *earlier != peer && !self.followed.contains_key(&peer))?;
        self.followed.insert(peer, earlier);
        Some(Change::Followed(peer))
    }
}

/// The addresses among a redeemer's that this node may dial (CHK-109). It may have none: then it dials.
fn dialable(addresses: &[String], allow_local: bool) -> Result<Vec<String>, AddressError> {
    if addresses.len() > address::MAX_ADDRESSES {
        return Err(AddressError::Count);
    }
    addresses.iter().try_for_each(|text| address::parse(text).map(|_| ()))?;
    Ok(addresses.iter().filter(|text| address::check(text, allow_local).is_ok()).cloned().collect())
}
