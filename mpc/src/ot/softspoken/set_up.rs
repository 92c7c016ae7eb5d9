//! The set-up of the extension: base OTs and trees. It serves the session that made it and others between the same two
//! parties after it, each on a part of the seeds' streams of its own.
//!
//! *Source*: as [`super`]; sessions after the first are what one long session would make later. *Security*: the offset
//! and the trees' punctures are those of the set-up, and a session has blocks of the streams that no other has, and
//! contexts of its own for every hash. A peer that guesses digits of the offset is caught as in one session: a check that
//! fails in any session ends the set-up and so all sessions on it (CHK-601). Its secrets are in memory alone.
//! *Cost*: 1.5 MiB of ciphers while it lives; a session on it sends nothing to begin.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use rand_core::CryptoRng;
use tacit_protocol::PartyId;
use zeroize::{Zeroize, Zeroizing};

use super::tree;
use super::vole::{Ciphers, Vole};
use crate::channel::Channel;
use crate::error::Result;
use crate::hash::domain_hash;
use crate::ot::base;
use crate::params::SOFTSPOKEN_TREES;

const STEP: &str = "OT set-up";

/// Sessions that one set-up serves at most.
const SESSIONS: usize = 4_096;

/// What two parties have in common for a number of sessions: this party's half.
pub struct SetUp {
    party: PartyId,
    /// This party's offset as the sender.
    offset: u128,
    /// The streams without one seed a tree, as the sender, and with all, as the receiver.
    punctured: Arc<Ciphers>,
    full: Arc<Ciphers>,
    /// What names the directions in which this party sends and receives.
    contexts: [[u8; 32]; 2],
    id: [u8; 16],
    /// The parts of the streams that are taken.
    taken: Mutex<HashSet<u64>>,
    failed: AtomicBool,
}

impl SetUp {
    /// Makes one with the peer, which does the same as the other party, and takes the first part of its streams. See
    /// [`super::SoftSpoken::establish`].
    pub(super) fn establish(
        channel: &mut dyn Channel,
        party: PartyId,
        session_id: [u8; 32],
        rng: &mut dyn CryptoRng,
    ) -> Result<Part> {
        channel.enter(STEP);
        let mut offset = Zeroizing::new(super::draw_blocks::<1>(rng));
        offset[0] |= 1;
        let roots = Zeroizing::new(super::draw_blocks::<SOFTSPOKEN_TREES>(rng));
        // The extension turns the base OTs round: who will send transfers receives them here.
        let sending = base::Domain::new(session_id, party.other());
        let receiving = base::Domain::new(session_id, party);
        let (chooser, choice_message) = base::Receiver::new(sending, tree::choices(offset[0]), rng);
        let (keyer, key_message) = base::Sender::new(receiving, rng);
        channel.send(&choice_message)?;
        channel.send(&key_message)?;
        let mut peer_choice_message = [0; base::RECEIVER_BYTES];
        let mut peer_key_message = [0; base::SENDER_BYTES];
        channel.receive(&mut peer_choice_message)?;
        channel.receive(&mut peer_key_message)?;
        let send_context = context(&session_id, party, &choice_message, &peer_key_message);
        let receive_context = context(&session_id, party.other(), &peer_choice_message, &key_message);

        let key_pads = Zeroizing::new(keyer.finish(&peer_choice_message, STEP)?);
        let chosen_pads = Zeroizing::new(chooser.finish(&peer_key_message, STEP)?);
        let (full, tree_message) = tree::grow(&receive_context, &roots, &key_pads);
        channel.send(&tree_message)?;
        let mut peer_tree_message = [0; tree::MESSAGE_BYTES];
        channel.receive(&mut peer_tree_message)?;
        let punctured = tree::puncture(&send_context, offset[0], &chosen_pads, &peer_tree_message, STEP)?;

        let contexts = [send_context, receive_context];
        let set_up = Arc::new(Self {
            party,
            offset: offset[0],
            punctured: Vole::punctured(punctured, offset[0]),
            full: Vole::full(&full),
            contexts,
            id: id(party, &contexts),
            taken: Mutex::new(HashSet::from([0])),
            failed: AtomicBool::new(false),
        });
        Ok(Part { set_up, number: 0, contexts })
    }

    /// What names it: equal on both sides, and of no other set-up.
    pub fn id(&self) -> [u8; 16] {
        self.id
    }

    /// Takes a part of the streams for a session; none if the set-up serves no more. `session_id` must be equal on both
    /// sides, and new for each session; whether the peer takes part is for the caller to find out.
    pub fn take(self: &Arc<Self>, session_id: &[u8; 32]) -> Option<Part> {
        let contexts = self.contexts.map(|of| domain_hash("tacit/mpc/softspoken/session/1", &[&of, session_id]));
        // Equal on both sides, and of both directions alike. Two sessions never have the same part, whatever their ids.
        let digest = domain_hash("tacit/mpc/softspoken/part/1", &[&self.id, session_id]);
        let [number, ..]: [u64; 4] = bytemuck::cast(digest);
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let free = !self.has_failed() && taken.len() < SESSIONS && taken.insert(number);
        free.then(|| Part { set_up: Arc::clone(self), number, contexts })
    }

    /// Ends it, and every session on it.
    pub(super) fn fail(&self) {
        self.failed.store(true, Ordering::Release);
    }

    /// Whether a check has failed on it.
    pub(super) fn has_failed(&self) -> bool {
        self.failed.load(Ordering::Acquire)
    }
}

impl Drop for SetUp {
    fn drop(&mut self) {
        self.offset.zeroize();
    }
}

/// A session's part of a set-up.
pub struct Part {
    set_up: Arc<SetUp>,
    number: u64,
    contexts: [[u8; 32]; 2],
}

impl Part {
    /// The set-up.
    pub(super) fn set_up(&self) -> &Arc<SetUp> {
        &self.set_up
    }

    /// Whose half it is.
    pub(crate) fn party(&self) -> PartyId {
        self.set_up.party
    }

    pub(super) fn offset(&self) -> u128 {
        self.set_up.offset
    }

    /// What names the directions of the session in which this party sends and receives.
    pub(super) fn contexts(&self) -> [[u8; 32]; 2] {
        self.contexts
    }

    /// The streams of the session as the sender and as the receiver.
    pub(super) fn streams(&self) -> [Vole; 2] {
        [&self.set_up.punctured, &self.set_up.full].map(|ciphers| Vole::at(Arc::clone(ciphers), self.number))
    }
}

/// What names a direction from here on: the base OTs' messages, so that fresh randomness of both is in it.
fn context(session_id: &[u8; 32], sender: PartyId, choice_message: &[u8], key_message: &[u8]) -> [u8; 32] {
    domain_hash("tacit/mpc/softspoken/1", &[session_id, &[sender.0], choice_message, key_message])
}

fn id(party: PartyId, [send, receive]: &[[u8; 32]; 2]) -> [u8; 16] {
    let in_order: [&[u8]; 2] = if party == PartyId::ZERO { [send, receive] } else { [receive, send] };
    let [id, _]: [[u8; 16]; 2] = bytemuck::cast(domain_hash("tacit/mpc/softspoken/set-up/1", &in_order));
    id
}
