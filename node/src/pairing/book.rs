//! What is decided when organisations pair: a function of the book, a message and the time. No I/O.

use std::collections::BTreeMap;

use tacit_protocol::{
    Code, Digest, PeerId,
    address::{self, AddressError},
    canonical::Nonce,
    messages::{PairAnswer, PairRequest},
    name,
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
        Ok((request, vec![Change::Peer(issuer), Change::Redemption(issuer)]))
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

    fn pair(&mut self, peer: PeerId, now: u64) -> Vec<Change> {
        let mut changes = Vec::new();
        if self.redemptions.remove(&peer).is_some() {
            changes.push(Change::Redemption(peer));
        }
        if let Some(known) = self.peers.get_mut(&peer)
            && known.state != PeerState::Paired
        {
            (known.state, known.since) = (PeerState::Paired, now);
            changes.push(Change::Peer(peer));
        }
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
        Ok(vec![Change::Revoked(peer), Change::Peer(peer), Change::Redemption(peer)])
    }

    /// A revocation whose peer an older copy of the store does not know.
    pub(super) fn revoked_unknown(&mut self, peer: PeerId) {
        let organisation = peer.to_string();
        let state = PeerState::Revoked;
        self.peers.insert(peer, Peer { peer, organisation, addresses: Vec::new(), state, since: 0 });
    }

    /// CHK-108, among this node and the peers other than `peer`.
    fn check_name(&self, organisation: &str, peer: &PeerId) -> Result<(), name::NameError> {
        name::check_organisation(organisation)?;
        let others = self.peers.values().filter(|other| other.peer != *peer).map(|other| other.organisation.as_str());
        name::check_unlike(organisation, others.chain([self.organisation.as_str()]))
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
