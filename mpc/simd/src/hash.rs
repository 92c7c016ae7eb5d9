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

/// The lowest bits of the hashes of `blocks[j] + offset`, block `j` under the tweak `first + j`: bit `b` goes to bit `j`
/// of plane `b`, 64 to a word; unused high bits of the last word are 0, words behind it are left alone.
///
/// # Panics
/// If there are more than 64 planes, or one has not a word for 64 blocks.
pub fn hash_bits(key: &Key, first: u128, blocks: &[u128], offset: u128, planes: &mut [&mut [u64]]) {
    let words = blocks.len().div_ceil(64);
    assert!(planes.len() <= 64 && planes.iter().all(|plane| plane.len() >= words), "a word for 64 blocks");
    // As above.
    let one_word = first.checked_add(blocks.len() as u128).is_some_and(|end| end <= u128::from(u64::MAX));
    match key.level {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: the key's level is available, or it would be the portable one.
        Level::Avx2 if one_word => unsafe { crate::v256::hash_bits(&key.rounds, first as u64, blocks, offset, planes) },
        #[cfg(target_arch = "x86_64")]
        // SAFETY: as above.
        Level::Avx512 if one_word => unsafe {
            crate::v512::hash_bits(&key.rounds, first as u64, blocks, offset, planes);
        },
        _ => hash_bits_portable(key, first, blocks, offset, planes),
    }
}

fn hash_bits_portable(key: &Key, first: u128, blocks: &[u128], offset: u128, planes: &mut [&mut [u64]]) {
    let mut hashes = [0u128; BATCH];
    for (word, batch) in blocks.chunks(BATCH).enumerate() {
        let hashes = &mut hashes[..batch.len()];
        for (hash, block) in hashes.iter_mut().zip(batch) {
            *hash = block ^ offset;
        }
        hash_portable(key, first.wrapping_add((BATCH * word) as u128), hashes);
        for (place, plane) in planes.iter_mut().enumerate() {
            plane[word] = crate::bits::pack_portable(hashes, place as u32);
        }
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
    fn every_level_packs_the_lowest_bits_of_the_hashes() {
        let inputs: Vec<u128> =
            (0..150u128).map(|i| (i + 3).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835)).collect();
        let offset = 0x1357_9bdf_0246_8ace_1122_3344_5566_7788;
        for level in Level::ALL.into_iter().filter(|level| level.is_available()) {
            let key = Key::new(level, 9);
            for (n, first) in
                [(0, 0), (1, 5), (16, 0), (31, 1000), (64, 7), (150, u128::from(u64::MAX) - 60), (33, u128::MAX - 3)]
            {
                let mut hashes: Vec<u128> = inputs[..n].iter().map(|block| block ^ offset).collect();
                hash(&key, first, &mut hashes);
                let words = n.div_ceil(64);
                let mut packed = vec![u64::MAX; 3 * (words + 1)];
                let mut planes: Vec<&mut [u64]> = packed.chunks_exact_mut(words + 1).collect();
                hash_bits(&key, first, &inputs[..n], offset, &mut planes);
                for (place, plane) in planes.iter().enumerate() {
                    for i in 0..64 * words {
                        let expected = if i < n { hashes[i] as u64 >> place & 1 } else { 0 };
                        assert_eq!(plane[i / 64] >> (i % 64) & 1, expected, "{level:?}, bit {i} of {n}");
                    }
                    assert_eq!(plane[words], u64::MAX, "{level:?}, {n}");
                }
            }
        }
    }

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
