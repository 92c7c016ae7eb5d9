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
        fn encrypt<const N: usize>(keys: &[Vector; 11], blocks: &mut [Vector; N]) {
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

        /// See [`crate::hash`].
        #[target_feature(enable = $features)]
        pub(crate) fn hash(rounds: &[u128; 11], first: u64, blocks: &mut [u128]) {
            let keys = keys(rounds);
            let step = splat(LANES as u128);
            let mut start = [0u128; LANES];
            for (i, tweak) in start.iter_mut().enumerate() {
                *tweak = u128::from(first) + i as u128;
            }
            let mut tweak = load(&start);
            let (batches, rest) = blocks.as_chunks_mut::<BATCH>();
            for batch in batches {
                hash_batch(&keys, &mut tweak, step, batch);
            }
            if !rest.is_empty() {
                let mut padded = [0; BATCH];
                padded[..rest.len()].copy_from_slice(rest);
                hash_batch(&keys, &mut tweak, step, &mut padded);
                rest.copy_from_slice(&padded[..rest.len()]);
            }
        }

        #[inline]
        #[target_feature(enable = $features)]
        fn hash_batch(keys: &[Vector; 11], tweak: &mut Vector, step: Vector, batch: &mut [u128; BATCH]) {
            let mut inner = load_batch(batch);
            encrypt(keys, &mut inner);
            let mut outer = inner;
            for block in &mut outer {
                *block = xor(*block, *tweak);
                *tweak = add_words(*tweak, step);
            }
            encrypt(keys, &mut outer);
            for (group, (inner, outer)) in batch.as_chunks_mut::<LANES>().0.iter_mut().zip(inner.into_iter().zip(outer))
            {
                store(group, xor(inner, outer));
            }
        }

        /// See [`crate::hash_bits`].
        #[target_feature(enable = $features)]
        pub(crate) fn hash_bits(
            rounds: &[u128; 11],
            first: u64,
            blocks: &[u128],
            offset: u128,
            planes: &mut [&mut [u64]],
        ) {
            let (keys, offset) = (keys(rounds), splat(offset));
            let step = splat(LANES as u128);
            let mut start = [0u128; LANES];
            for (i, tweak) in start.iter_mut().enumerate() {
                *tweak = u128::from(first) + i as u128;
            }
            let mut tweak = load(&start);
            let (batches, rest) = blocks.as_chunks::<BATCH>();
            for (i, batch) in batches.iter().enumerate() {
                let hashes = hashes(&keys, &mut tweak, step, offset, batch);
                put_bits(&hashes, BATCH * i, !0, planes);
            }
            if !rest.is_empty() {
                let mut padded = [0; BATCH];
                padded[..rest.len()].copy_from_slice(rest);
                let hashes = hashes(&keys, &mut tweak, step, offset, &padded);
                put_bits(&hashes, BATCH * batches.len(), (1 << rest.len()) - 1, planes);
            }
        }

        /// The hashes of a batch plus an offset.
        #[inline]
        #[target_feature(enable = $features)]
        fn hashes(
            keys: &[Vector; 11],
            tweak: &mut Vector,
            step: Vector,
            offset: Vector,
            batch: &[u128; BATCH],
        ) -> [Vector; WIDE] {
            let mut inner = load_batch(batch);
            for block in &mut inner {
                *block = xor(*block, offset);
            }
            encrypt(keys, &mut inner);
            let mut outer = inner;
            for block in &mut outer {
                *block = xor(*block, *tweak);
                *tweak = add_words(*tweak, step);
            }
            encrypt(keys, &mut outer);
            for (outer, inner) in outer.iter_mut().zip(&inner) {
                *outer = xor(*outer, *inner);
            }
            outer
        }

        /// The lowest bits of a batch's blocks, under a mask, to where block `at` has its place in each plane.
        #[inline]
        #[target_feature(enable = $features)]
        fn put_bits(blocks: &[Vector; WIDE], at: usize, mask: u64, planes: &mut [&mut [u64]]) {
            let mut words = [zero(); WIDE / 2];
            for (words, pair) in words.iter_mut().zip(blocks.as_chunks::<2>().0) {
                *words = low_words(pair[0], pair[1]);
            }
            for (place, plane) in planes.iter_mut().enumerate() {
                let mut bits = 0;
                for (i, words) in words.iter().enumerate() {
                    bits |= bits_at(*words, place as u32) << (2 * LANES * i);
                }
                let bits = (bits & mask) << (at % 64);
                let word = &mut plane[at / 64];
                *word = if at % 64 == 0 { bits } else { *word | bits };
            }
        }

        /// See [`crate::combine`].
        #[target_feature(enable = $features)]
        pub(crate) fn combine(blocks: &mut [u128], len: usize) {
            let (sums, upper) = blocks.split_at_mut(len);
            let (groups, _) = sums.as_chunks_mut::<LANES>();
            for (i, sums) in groups.iter_mut().enumerate() {
                let mut sum = zero();
                for place in upper.chunks_exact(len).rev() {
                    if let Some(blocks) = place[LANES * i..].first_chunk() {
                        sum = double(xor(sum, load(blocks)));
                    }
                }
                store(sums, xor(load(sums), sum));
            }
        }

        /// `x` times each block.
        #[inline]
        #[target_feature(enable = $features)]
        fn double(blocks: Vector) -> Vector {
            // The bit that leaves a word comes into the other one: as it is, or reduced.
            let over = and(negative(swap_words(down(blocks, 63))), splat(1 << 64 | 0x87));
            xor(up(blocks, 1), over)
        }

        /// See [`crate::Code::add`].
        #[target_feature(enable = $features)]
        pub(crate) fn add(rounds: &[u128; 11], lines: &[Line], first: usize, rows: &mut [u128], keep: u128) {
            use crate::code::{FIELD, FIELDS, GROUPS, ROWS, STREAM};
            /// Registers with one word for each group of a batch.
            const COLUMN: usize = GROUPS / (2 * LANES);
            /// A place comes out as an offset in bytes, hence so many bits further up.
            const SCALE: i32 = size_of::<Line>().ilog2() as i32;
            let keys = keys(rounds);
            assert!(lines.len().is_power_of_two(), "a power of two of lines");
            let mask = splat(((lines.len() as u128 - 1) << SCALE) * 0x0000_0000_0000_0001_0000_0000_0000_0001);
            let step = splat(LANES as u128);
            let keep = splat(keep);
            let mut start = [0u128; LANES];
            for (i, counter) in start.iter_mut().enumerate() {
                *counter = (first / ROWS * STREAM + i) as u128;
            }
            let mut counter = load(&start);
            // A short stretch of the stream at a time, so that the cipher works on one while the lines of the one before
            // are still on their way from the cache.
            let mut places = [[0u64; GROUPS]; LOCALITY];
            for rows in rows.as_chunks_mut::<ROWS>().0 {
                let mut words = [zero(); STREAM / LANES];
                for word in &mut words {
                    *word = counter;
                    counter = add_words(counter, step);
                }
                encrypt(&keys, &mut words);
                for part in 0..COLUMN {
                    let mut rest = zero();
                    for column in 0..FIELDS {
                        let word = words[column * COLUMN + part];
                        for field in 0..FIELDS {
                            let at = (field * FIELD) as i32;
                            let place = if field == 0 { up(word, SCALE) } else { down(word, at - SCALE) };
                            store_words(&mut places[FIELDS * column + field].as_chunks_mut().0[part], and(place, mask));
                        }
                        let above = (FIELDS * FIELD) as i32;
                        rest = xor(rest, up(down(word, above), SCALE + (64 - above) * column as i32));
                    }
                    store_words(&mut places[LOCALITY - 1].as_chunks_mut().0[part], and(rest, mask));
                }
                for (i, group) in rows.as_chunks_mut::<LINE>().0.iter_mut().enumerate() {
                    let mut taken = [&lines[0]; LOCALITY];
                    for (line, places) in taken.iter_mut().zip(&places) {
                        // SAFETY: the offset was masked to a multiple of a line's size below that of the table, whose
                        // number of lines is a power of two, so it is that of a line.
                        *line = unsafe { &*lines.as_ptr().byte_add(places[i] as usize) };
                    }
                    let sums = sum_lines(&taken);
                    for (rows, sum) in group.as_chunks_mut::<LANES>().0.iter_mut().zip(sums) {
                        store(rows, xor(and(load(rows), keep), sum));
                    }
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

        /// See [`crate::weigh_marked`].
        #[target_feature(enable = $features)]
        pub(crate) fn weigh_marked(values: &[u128], weights: &[u64]) -> u64 {
            let mut sum = zero();
            let one = splat(1);
            for (values, weights) in values.as_chunks::<LANES>().0.iter().zip(weights.as_chunks::<LANES>().0) {
                sum = xor(sum, and(negative(and(load(values), one)), spread(weights)));
            }
            sum_lanes(sum) as u64
        }
    };
}
pub(crate) use kernels;
