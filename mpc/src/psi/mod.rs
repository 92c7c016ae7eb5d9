//! Alignment: which rows of two tables have the same key, by private set intersection.
//!
//! *Source*: the commutative Diffie-Hellman intersection of Meadows (1986) and Huberman, Franklin, Hogg (1999), over
//! ristretto255. Each party blinds the hashes of its keys with a fresh secret scalar and sends them in a fresh random
//! order; each blinds the other's points a second time and returns 128-bit tags of them, so that both parties learn
//! which of their own keys are common.
//! *Security*: semi-honest, in the random-oracle model under decisional Diffie-Hellman. Each party learns the
//! common keys, the other's number of keys, and nothing else; a deviating peer may learn whether keys it guesses
//! are in the set (it could as well have put them into its table) and may make the result wrong. Scalar and order
//! are fresh a run, so runs cannot be linked (CHK-503). What the peer sends is checked whole before anything is
//! answered: count (CHK-502), every point canonical and not the identity, no two equal. Constant-time in the
//! scalar; the time of hashing depends on the lengths of the keys, that of sorting on random tags only.
//! *Cost*: 48 B a key a direction and 32 B in all, `2 + ceil(n / 16,384)` waits. Per key and party one hash to the
//! group and one multiplication, and per key of the peer one decoding and one multiplication: 106 µs of a core a party
//! for a key on each side. Measured by `examples/align_rate.rs` at a million keys on each side: 212 s of CPU for both
//! parties together (53 s if they share four cores), and 156 MB of memory a party, the keys included.
//! *Shapes and units*: points in batches of 16,384; tags in the order in which the points came.

mod matching;
mod points;

#[cfg(test)]
mod tests;

use curve25519_dalek::scalar::Scalar;
use rand_core::CryptoRng;
use tacit_protocol::PartyId;
use zeroize::Zeroizing;

use crate::channel::Channel;
use crate::error::{Error, Result};
use crate::hash::domain_hash;
use crate::params::ALIGN_MAX_ELEMENTS;
use points::{Batch, POINT_BYTES};

/// Points in a message. Two batches a direction are under way at most.
const BATCH: usize = 16_384;

const STEP: &str = "alignment";

/// A doubly blinded key, the same at both parties.
type Tag = u128;

/// The rows of this party whose keys the peer has too, in an order that both parties share and that depends on
/// nothing but fresh randomness. `keys[i]` are the canonical bytes of row `i`'s key; nothing is normalised here. The
/// peer calls the same with `peer_count` and the number of keys exchanged. `session` must be equal on both sides.
///
/// # Errors
/// `ALIGN_DUPLICATE_KEYS` before anything is sent if two of this party's keys are equal (CHK-501; the count in the
/// message is for this party's operator only), `ALIGN_SIZE` if the parties disagree about the counts (CHK-502),
/// `ALIGN_POINT` and `ALIGN_REPEAT` if the peer's points are not what the protocol makes (CHK-502), and those of
/// the channel.
pub fn align(
    channel: &mut dyn Channel,
    party: PartyId,
    keys: &[&[u8]],
    peer_count: u64,
    session: &[u8; 32],
    rng: &mut dyn CryptoRng,
) -> Result<Vec<u32>> {
    channel.enter(STEP);
    let peer_count = checked_count(peer_count)?;
    checked_count(keys.len() as u64)?;
    refuse_duplicates(keys)?;
    agree_on_counts(channel, party, keys.len(), peer_count, session)?;

    // CHK-503: a fresh exponent and a fresh order each run.
    let secret = Zeroizing::new(Scalar::random(rng));
    let order = matching::permutation(keys.len(), rng);
    let peer_tags = exchange_points(channel, keys, &order, peer_count, session, &secret)?;
    if matching::has_repeat(&peer_tags) {
        return Err(Error::deviation("ALIGN_REPEAT", STEP, "the peer sent the same point twice"));
    }
    let own_tags = exchange_tags(channel, &peer_tags, keys.len())?;
    if matching::has_repeat(&own_tags) {
        return Err(Error::deviation("ALIGN_REPEAT", STEP, "the peer returned the same tag twice"));
    }
    Ok(matching::common_rows(own_tags, &order, peer_tags))
}

fn checked_count(count: u64) -> Result<usize> {
    let within = (count <= ALIGN_MAX_ELEMENTS).then(|| usize::try_from(count).ok()).flatten();
    within.ok_or_else(|| {
        Error::refused(
            "ALIGN_SIZE",
            format!("an alignment takes at most {ALIGN_MAX_ELEMENTS} keys a party, not {count}"),
        )
    })
}

/// CHK-501: own keys are unique, or nothing is sent.
fn refuse_duplicates(keys: &[&[u8]]) -> Result<()> {
    match matching::surplus(keys) {
        0 => Ok(()),
        1 => Err(Error::refused("ALIGN_DUPLICATE_KEYS", "1 row repeats the join key of another row")),
        count => {
            Err(Error::refused("ALIGN_DUPLICATE_KEYS", format!("{count} rows repeat the join key of another row")))
        }
    }
}

/// CHK-502: both parties mean the same counts and session before a point leaves.
fn agree_on_counts(
    channel: &mut dyn Channel,
    party: PartyId,
    own: usize,
    peer: usize,
    session: &[u8; 32],
) -> Result<()> {
    let counts = if party == PartyId::ZERO { [own, peer] } else { [peer, own] };
    let [zero, one] = counts.map(|count| (count as u64).to_le_bytes());
    let opening = domain_hash("tacit/mpc/align/1", &[session, &zero, &one]);
    channel.send(&opening)?;
    let mut theirs = [0; 32];
    channel.receive(&mut theirs)?;
    if theirs == opening {
        Ok(())
    } else {
        Err(Error::deviation("ALIGN_SIZE", STEP, "the parties do not agree on the numbers of keys"))
    }
}

/// Sends this party's blinded keys and blinds the peer's a second time; batch by batch, so that both parties compute
/// at the same time. Nothing is answered before all has been looked at.
fn exchange_points(
    channel: &mut dyn Channel,
    keys: &[&[u8]],
    order: &[u32],
    peer_count: usize,
    session: &[u8; 32],
    secret: &Scalar,
) -> Result<Vec<Tag>> {
    let batch = Batch::new(session, secret);
    let mut own = order.chunks(BATCH);
    let mut tags = Vec::with_capacity(peer_count);
    let mut buffer = vec![0; BATCH.min(peer_count) * POINT_BYTES];
    loop {
        let mine = own.next();
        if let Some(rows) = mine {
            channel.send(&batch.blind(keys, rows))?;
            channel.flush()?;
        }
        let due = BATCH.min(peer_count - tags.len());
        if due > 0 {
            let bytes = &mut buffer[..due * POINT_BYTES];
            channel.receive(bytes)?;
            tags.extend(batch.blind_again(bytes)?);
        } else if mine.is_none() {
            return Ok(tags);
        }
    }
}

/// Returns the peer's tags and receives one for each own point (CHK-503: exactly as many).
fn exchange_tags(channel: &mut dyn Channel, peer_tags: &[Tag], own_count: usize) -> Result<Vec<Tag>> {
    channel.send(bytemuck::cast_slice(peer_tags))?;
    let mut own_tags = vec![0; own_count];
    channel.receive(bytemuck::cast_slice_mut(&mut own_tags))?;
    Ok(own_tags)
}
