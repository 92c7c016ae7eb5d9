//! The tweakable hash `H(x, i) = π(π(x) ⊕ i) ⊕ π(x)`, with `π` AES-128 under a public key.

use crate::Level;
use crate::tree::{BATCH, Key};

/// Replaces each block by its hash; block `j` under the tweak `first + j`.
pub fn hash(key: &Key, first: u128, blocks: &mut [u128]) {
    // The kernels count in the low word of a tweak alone.
    let one_word = first.checked_add(blocks.len() as u128).is_some_and(|end| end <= u128::from(u64::MAX));
    match key.level {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: the key's level is available, or it would be the portable one.
        Level::Avx2 if one_word => unsafe { crate::v256::hash(&key.rounds, first as u64, blocks) },
        #[cfg(target_arch = "x86_64")]
        // SAFETY: as above.
        Level::Avx512 if one_word => unsafe { crate::v512::hash(&key.rounds, first as u64, blocks) },
        _ => hash_portable(key, first, blocks),
    }
}

fn hash_portable(key: &Key, first: u128, blocks: &mut [u128]) {
    let mut tweak = first;
    let mut outer = [0u128; BATCH];
    for batch in blocks.chunks_mut(BATCH) {
        let outer = &mut outer[..batch.len()];
        key.encrypt(batch);
        for (outer, inner) in outer.iter_mut().zip(batch.iter()) {
            *outer = inner ^ tweak;
            tweak = tweak.wrapping_add(1);
        }
        key.encrypt(outer);
        for (outer, inner) in outer.iter().zip(batch.iter_mut()) {
            *inner ^= outer;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_level_equals_the_definition_at_any_length_and_tweak() {
        let plain = Key::new(Level::Portable, 9);
        let pi = |x: u128| {
            let mut block = [x];
            plain.encrypt(&mut block);
            block[0]
        };
        let inputs: Vec<u128> =
            (0..150u128).map(|i| (i + 3).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835)).collect();
        for level in Level::ALL.into_iter().filter(|level| level.is_available()) {
            let key = Key::new(level, 9);
            for (n, first) in
                [(0, 0), (1, 5), (16, 0), (31, 1000), (150, u128::from(u64::MAX) - 60), (33, u128::MAX - 3)]
            {
                let mut outputs = inputs[..n].to_vec();
                hash(&key, first, &mut outputs);
                for (j, (x, y)) in inputs.iter().zip(&outputs).enumerate() {
                    let tweak = first.wrapping_add(j as u128);
                    assert_eq!(*y, pi(pi(*x) ^ tweak) ^ pi(*x), "{level:?}, block {j} of {n}");
                }
            }
        }
    }
}
