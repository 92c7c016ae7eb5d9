//! The kernels that are the same on registers of any width, written once over the operations of [`crate::v256`] and
//! [`crate::v512`].

/// Defines the kernels in a module that has the operations, under the given target features.
macro_rules! kernels {
    ($features:literal) => {
        /// Registers in flight: AES has a latency of several rounds.
        const WIDE: usize = 8;

        /// Blocks in them.
        const BATCH: usize = WIDE * LANES;

        /// The registers of a batch.
        #[inline]
        #[target_feature(enable = $features)]
        fn load_batch(from: &[u128; BATCH]) -> [Vector; WIDE] {
            let mut batch = [zero(); WIDE];
            for (register, group) in batch.iter_mut().zip(from.as_chunks::<LANES>().0) {
                *register = load(group);
            }
            batch
        }

        #[inline]
        #[target_feature(enable = $features)]
        fn keys(rounds: &[u128; 11]) -> [Vector; 11] {
            let mut keys = [zero(); 11];
            for (key, round) in keys.iter_mut().zip(rounds) {
                *key = splat(*round);
            }
            keys
        }

        #[inline]
        #[target_feature(enable = $features)]
        fn encrypt(keys: &[Vector; 11], blocks: &mut [Vector; WIDE]) {
            for block in blocks.iter_mut() {
                *block = xor(*block, keys[0]);
            }
            for key in &keys[1..10] {
                for block in blocks.iter_mut() {
                    *block = round(*block, *key);
                }
            }
            for block in blocks.iter_mut() {
                *block = last_round(*block, keys[10]);
            }
        }

        /// See [`crate::expand`].
        #[target_feature(enable = $features)]
        pub(crate) fn expand(rounds: &[u128; 11], nodes: &mut [u128], parents: usize) -> u128 {
            let keys = keys(rounds);
            let mut sum = zero();
            // Backwards, so that children overwrite parents that are done. A level of fewer parents than a batch has
            // other nodes behind them, whose children nobody looks at.
            for first in (0..parents).step_by(BATCH).rev() {
                let mut parents = [zero(); WIDE];
                if let Some(batch) = nodes[first..].first_chunk() {
                    parents = load_batch(batch);
                }
                let mut left = parents;
                for block in &mut left {
                    *block = sigma(*block);
                }
                encrypt(&keys, &mut left);
                let Some(children) = nodes[2 * first..].first_chunk_mut::<{ 2 * BATCH }>() else { continue };
                let (pairs, _) = children.as_chunks_mut::<LANES>();
                for v in 0..WIDE {
                    let hash = xor(left[v], sigma(parents[v]));
                    sum = xor(sum, hash);
                    let [low, high] = interleave(hash, xor(hash, parents[v]));
                    store(&mut pairs[2 * v], low);
                    store(&mut pairs[2 * v + 1], high);
                }
            }
            if parents < BATCH {
                return nodes[..2 * parents].iter().step_by(2).fold(0, |sum, left| sum ^ left);
            }
            sum_lanes(sum)
        }

        /// See [`crate::Code::add`].
        #[target_feature(enable = $features)]
        pub(crate) fn add(rounds: &[u128; 11], table: &[u128], first: usize, rows: &mut [u128], keep: u128) {
            use crate::code::{LOCALITY, ROWS, STREAM};
            let keys = keys(rounds);
            assert!(table.len().is_power_of_two(), "a power of two of entries");
            let mask = splat((table.len() as u128 - 1) * 0x0000_0001_0000_0001_0000_0001_0000_0001);
            let step = splat(LANES as u128);
            let mut start = [0u128; LANES];
            for (i, counter) in start.iter_mut().enumerate() {
                *counter = (first / ROWS * STREAM + i) as u128;
            }
            let mut counter = load(&start);
            let mut places = [0u128; STREAM];
            for rows in rows.as_chunks_mut::<ROWS>().0 {
                for places in places.as_chunks_mut::<BATCH>().0 {
                    let mut blocks = [zero(); WIDE];
                    for block in &mut blocks {
                        *block = counter;
                        counter = add_words(counter, step);
                    }
                    encrypt(&keys, &mut blocks);
                    let (places, _) = places.as_chunks_mut::<LANES>();
                    for v in 0..WIDE {
                        store(&mut places[v], and(blocks[v], mask));
                    }
                }
                let places: &[u32] = bytemuck::cast_slice(&places);
                for (row, places) in rows.iter_mut().zip(places.as_chunks::<LOCALITY>().0) {
                    let mut sum = *row & keep;
                    for place in places {
                        // SAFETY: the place was masked to be below the length of the table, a power of two.
                        sum = unsafe { *table.get_unchecked(*place as usize) } ^ sum;
                    }
                    *row = sum;
                }
            }
        }

        /// See [`crate::weigh`].
        #[target_feature(enable = $features)]
        pub(crate) fn weigh(values: &[u128], weights: &[u64]) -> [u128; 2] {
            let (mut low, mut high) = (zero(), zero());
            for (values, weights) in values.as_chunks::<LANES>().0.iter().zip(weights.as_chunks::<LANES>().0) {
                let (values, weights) = (load(values), spread(weights));
                low = xor(low, times_low(values, weights));
                high = xor(high, times_high(values, weights));
            }
            [sum_lanes(low), sum_lanes(high)]
        }
    };
}
pub(crate) use kernels;
