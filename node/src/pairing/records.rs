//! How pairings are kept: the book in the store, secrets sealed; what may never be forgotten in the journal as well.

use std::collections::BTreeMap;

use bincode::{Decode, Encode};
use tacit_protocol::{
    Digest, Failure, PeerId,
    canonical::Nonce,
    rotation::Rotation,
    ticket::{IssuedTicket, TicketKey},
};

use super::{
    PairingError,
    book::{Change, Invite, PairingBook, Redemption},
};
use crate::{
    keys::Sealer,
    peers::{PEERS, PeerState},
    reseal::Reseal,
    store::trees::{Care, KnownTree, Sealed},
    store::{Batch, Record, RecordTree, Store, StoreError},
};

const INVITES: RecordTree<InviteRecord> = RecordTree::new("invites");
const REDEMPTIONS: RecordTree<RedemptionRecord> = RecordTree::new("redemptions");

/// By a peer's key, the one that it followed or would follow.
const FOLLOWED: RecordTree<FollowedRecord> = RecordTree::new("followed-keys");
/// The rotations of this node's own key, in order.
const ROTATIONS: RecordTree<OwnRotation> = RecordTree::new("own-rotations");

/// The trees of pairings. Tickets of this node are in no backup: one that was used after it would hold again.
pub(crate) const TREES: [KnownTree; 5] = [
    FOLLOWED.known(Care::Keep),
    ROTATIONS.known(Care::Keep),
    PEERS.known(Care::Keep),
    INVITES.known(Care::Never).sealed(Sealed::Inside(reseal_invite)),
    REDEMPTIONS.known(Care::Keep).sealed(Sealed::Inside(reseal_redemption)),
];

fn reseal_invite(reseal: &Reseal<'_>, _: &[u8], value: &[u8]) -> Result<Vec<u8>, Failure> {
    let mut record = InviteRecord::from_bytes(value)?;
    record.sealed_key = reseal.again(PURPOSE, record.id.as_bytes(), &record.sealed_key)?;
    Ok(record.to_bytes())
}

fn reseal_redemption(reseal: &Reseal<'_>, _: &[u8], value: &[u8]) -> Result<Vec<u8>, Failure> {
    let mut record = RedemptionRecord::from_bytes(value)?;
    record.sealed_key = reseal.again(PURPOSE, record.ticket.as_bytes(), &record.sealed_key)?;
    Ok(record.to_bytes())
}

/// What the keys of tickets are sealed for.
pub(crate) const PURPOSE: &str = "ticket";

#[derive(Encode, Decode)]
struct InviteRecord {
    id: Digest,
    sealed_key: Vec<u8>,
    issued: u64,
    expires: u64,
    redeemed_by: Option<PeerId>,
    auto_confirm: bool,
}

impl Record for InviteRecord {
    const NAME: &'static str = "invite";
    const VERSION: u8 = 1;
}

#[derive(Encode, Decode)]
struct RedemptionRecord {
    issuer: PeerId,
    ticket: Digest,
    sealed_key: Vec<u8>,
    nonce: Nonce,
}

impl Record for RedemptionRecord {
    const NAME: &'static str = "redemption";
    const VERSION: u8 = 1;
}

#[derive(Encode, Decode)]
struct FollowedRecord {
    old: PeerId,
}

impl Record for FollowedRecord {
    const NAME: &'static str = "followed key";
    const VERSION: u8 = 1;
}

/// A rotation of this node's key.
#[derive(Encode, Decode)]
struct OwnRotation(Rotation);

impl Record for OwnRotation {
    const NAME: &'static str = "rotation";
    const VERSION: u8 = 1;
}

/// What the journal holds.
#[derive(Encode, Decode)]
enum JournalEntry {
    Used { ticket: Digest, by: PeerId },
    Revoked { peer: PeerId },
}

impl Record for JournalEntry {
    const NAME: &'static str = "pairing journal";
    const VERSION: u8 = 1;
}

/// The journal's entry for a change, if it has one.
pub(super) fn journal_entry(change: &Change) -> Option<Vec<u8>> {
    match *change {
        Change::Used(ticket, by) => Some(JournalEntry::Used { ticket, by }.to_bytes()),
        Change::Revoked(peer) => Some(JournalEntry::Revoked { peer }.to_bytes()),
        _ => None,
    }
}

/// The writes that bring the store to the book's state.
pub(super) fn batch(
    book: &PairingBook,
    changes: &[Change],
    sealer: &Sealer,
    rng: &mut dyn rand_core::CryptoRng,
) -> Batch {
    let mut batch = Batch::new();
    for change in changes {
        batch = match change {
            Change::Peer(peer) | Change::PeerGone(peer) => match book.peers.get(peer) {
                Some(record) => PEERS.put_in(batch, peer.public_key(), record),
                None => batch.delete(PEERS.name(), peer.public_key()),
            },
            Change::Invite(id) | Change::InviteGone(id) => match book.invites.get(id) {
                Some(invite) => INVITES.put_in(batch, id.as_bytes(), &InviteRecord::seal(invite, sealer, rng)),
                None => batch.delete(INVITES.name(), id.as_bytes()),
            },
            Change::Redemption(issuer) => match book.redemptions.get(issuer) {
                Some(redemption) => {
                    let record = RedemptionRecord::seal(*issuer, redemption, sealer, rng);
                    REDEMPTIONS.put_in(batch, issuer.public_key(), &record)
                }
                None => batch.delete(REDEMPTIONS.name(), issuer.public_key()),
            },
            Change::Followed(peer) => match book.followed.get(peer) {
                Some(old) => FOLLOWED.put_in(batch, peer.public_key(), &FollowedRecord { old: *old }),
                None => batch.delete(FOLLOWED.name(), peer.public_key()),
            },
            Change::Used(..) | Change::Revoked(_) => batch,
        };
    }
    batch
}

/// The writes that add a rotation of this node's key, and take away what was bound to the old one.
pub(super) fn rotated(mut batch: Batch, store: &dyn Store, rotation: Rotation) -> Result<Batch, StoreError> {
    let number = ROTATIONS.all(store, &[])?.len() as u64;
    for (key, _) in INVITES.all(store, &[])? {
        batch = batch.delete(INVITES.name(), &key);
    }
    for (key, _) in REDEMPTIONS.all(store, &[])? {
        batch = batch.delete(REDEMPTIONS.name(), &key);
    }
    Ok(ROTATIONS.put_in(batch, &number.to_be_bytes(), &OwnRotation(rotation)))
}

/// Fills the book from the store, then lets the journal overrule it: a store that was restored from an old copy revives
/// neither a used ticket nor a revoked peer.
pub(super) fn load(
    book: &mut PairingBook,
    store: &dyn Store,
    journal: &[Vec<u8>],
    sealer: &Sealer,
) -> Result<(), PairingError> {
    book.peers = PEERS.all(store, &[])?.into_iter().map(|(_, peer)| (peer.peer, peer)).collect();
    let mut invites = BTreeMap::new();
    for (_, record) in INVITES.all(store, &[])? {
        invites.insert(record.id, record.open(sealer)?);
    }
    book.invites = invites;
    for (_, record) in REDEMPTIONS.all(store, &[])? {
        let key = open_key(sealer, record.ticket, &record.sealed_key)?;
        book.redemptions.insert(record.issuer, Redemption { ticket: record.ticket, key, nonce: record.nonce });
    }
    for (key, record) in FOLLOWED.all(store, &[])? {
        let peer = key.try_into().ok().and_then(|key| PeerId::from_public_key(key).ok());
        let peer = peer.ok_or_else(|| StoreError::Corrupt("a followed key is no key".into()))?;
        book.followed.insert(peer, record.old);
    }
    book.rotations = ROTATIONS.all(store, &[])?.into_iter().map(|(_, OwnRotation(rotation))| rotation).collect();
    for entry in journal {
        match JournalEntry::from_bytes(entry)? {
            JournalEntry::Used { ticket, by } => {
                if let Some(invite) = book.invites.get_mut(&ticket) {
                    invite.ticket.redeemed_by = Some(by);
                }
            }
            JournalEntry::Revoked { peer } => {
                book.redemptions.remove(&peer);
                match book.peers.get_mut(&peer) {
                    Some(known) => known.state = PeerState::Revoked,
                    None => book.revoked_unknown(peer),
                }
            }
        }
    }
    Ok(())
}

impl InviteRecord {
    fn seal(invite: &Invite, sealer: &Sealer, rng: &mut dyn rand_core::CryptoRng) -> Self {
        let IssuedTicket { id, key, issued, expires, redeemed_by } = &invite.ticket;
        Self {
            id: *id,
            sealed_key: sealer.seal(id.as_bytes(), key.as_bytes(), rng),
            issued: *issued,
            expires: *expires,
            redeemed_by: *redeemed_by,
            auto_confirm: invite.auto_confirm,
        }
    }

    fn open(self, sealer: &Sealer) -> Result<Invite, PairingError> {
        let Self { id, sealed_key, issued, expires, redeemed_by, auto_confirm } = self;
        let key = open_key(sealer, id, &sealed_key)?;
        Ok(Invite { ticket: IssuedTicket { id, key, issued, expires, redeemed_by }, auto_confirm })
    }
}

impl RedemptionRecord {
    fn seal(issuer: PeerId, redemption: &Redemption, sealer: &Sealer, rng: &mut dyn rand_core::CryptoRng) -> Self {
        let Redemption { ticket, key, nonce } = redemption;
        let sealed_key = sealer.seal(ticket.as_bytes(), key.as_bytes(), rng);
        Self { issuer, ticket: *ticket, sealed_key, nonce: *nonce }
    }
}

/// A record of each kind that has something sealed in it.
#[cfg(test)]
pub(crate) fn one_of_each(issuer: PeerId, sealer: &Sealer, rng: &mut dyn rand_core::CryptoRng) -> Batch {
    let (ticket, key) = (Digest::from_bytes([1; 32]), TicketKey::from_bytes([2; 32]));
    let issued = IssuedTicket { id: ticket, key: key.clone(), issued: 1, expires: 2, redeemed_by: None };
    let invite = InviteRecord::seal(&Invite { ticket: issued, auto_confirm: false }, sealer, rng);
    let redemption = Redemption { ticket, key, nonce: Nonce::random(rng) };
    let redemption = RedemptionRecord::seal(issuer, &redemption, sealer, rng);
    let batch = INVITES.put_in(Batch::new(), ticket.as_bytes(), &invite);
    REDEMPTIONS.put_in(batch, issuer.public_key(), &redemption)
}

fn open_key(sealer: &Sealer, ticket: Digest, sealed: &[u8]) -> Result<TicketKey, PairingError> {
    let key = sealer.open(ticket.as_bytes(), sealed)?;
    let key = key.as_slice().try_into().map_err(|_| StoreError::Corrupt("a ticket's key has another length".into()))?;
    Ok(TicketKey::from_bytes(key))
}
