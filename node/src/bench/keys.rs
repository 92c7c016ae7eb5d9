//! The keys that alignment is measured on: 32 hexadecimal digits each, half of them common to both parties.

use rand_chacha::ChaCha12Rng;
use rand_core::{Rng, SeedableRng};
use tacit_protocol::PartyId;

/// How many of `count` keys a party shares with the other: its first ones.
fn common(count: u64) -> u64 {
    count / 2
}

/// A party's keys.
pub(super) fn keys(party: PartyId, count: u64) -> Vec<Vec<u8>> {
    let mut shared = ChaCha12Rng::seed_from_u64(2);
    let mut own = ChaCha12Rng::seed_from_u64(3 + u64::from(party.0));
    let mut draw = |row: u64| {
        let rng = if row < common(count) { &mut shared } else { &mut own };
        format!("{:016x}{:016x}", rng.next_u64(), rng.next_u64()).into_bytes()
    };
    (0..count).map(&mut draw).collect()
}

/// How many rows an alignment has too much and too few, at either party.
pub(super) fn wrong_rows(rows: &[u32], count: u64) -> u64 {
    let right = rows.iter().filter(|row| u64::from(**row) < common(count)).count() as u64;
    (rows.len() as u64 - right) + common(count).saturating_sub(right)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn half_of_the_keys_are_common_and_wrong_rows_are_counted() {
        let [zero, one] = [PartyId::ZERO, PartyId::ONE].map(|party| keys(party, 100));
        assert_eq!(zero[..50], one[..50]);
        let all: BTreeSet<&Vec<u8>> = zero.iter().chain(&one).collect();
        assert_eq!(all.len(), 150);
        let rows: Vec<u32> = (0..50).rev().collect();
        assert_eq!(wrong_rows(&rows, 100), 0);
        assert_eq!(wrong_rows(&rows[1..], 100), 1);
        assert_eq!(wrong_rows(&[&rows[1..], &[70]].concat(), 100), 2);
    }
}
