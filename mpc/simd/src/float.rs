//! The kernels modulo primes in floating point, written once over the operations of [`crate::f256`] and
//! [`crate::f512`].
//!
//! All numbers are whole, and all of this is exact. Let the *size* of a number be in units of the prime `p`, which is below
//! `2^47`.
//!
//! - The product of `x` and `w` is a rounded product `h` and its rest `l = x w - h`, which a fused operation tells. `t` is
//!   the nearest whole number to `h` times the rounded `1 / p`, for which a constant is added and taken off: exact where
//!   that is at most `2^51`. The two roundings before, of `2^-53` each, make `t` at most `1/2 + 2^-52 |x w| / p` off
//!   `x w / p`, and the result `r = (h - t p) + l` has at most that size. `h - t p = r - l` is whole and below `2^53`, so
//!   that a fused operation tells it. For `x` of size 32 and a root `w` of size `1/2`, `|x w| / p` is below `2^51` and `r`
//!   below `p`.
//! - Forward, a layer adds a product to each number: a size `B` becomes `B + 1/2 + B / 64` at most, which after 24 layers
//!   is below 17 where residues go in.
//! - Backward, the last layer of a pass over `R` rows of size 2 has rows that are sums of `R / 2` of them, and multiplies
//!   differences of size `2 R`, that is 32 for `R = 16`. A row whose last product is `k` layers before the end is a sum of
//!   `2^k` products then, of size below `2^k`. All rows with `k > 1` are the first quarter; they are reduced at the end,
//!   which leaves little more than size `1/2`, and the others have size 2.
//! - A sum of up to 16 products, of `2^94` each, is added to a constant of `1.5 * 2^100`, so that it is rounded to multiples
//!   of `2^48` at each step. How much a step added is exact, and so is the rest of at most `2^47`, and the sum of the rests.
//!   A number up to `2^51` times the prime is reduced by an estimate from the sum of both parts, with two roundings as
//!   above: size below 1.

/// Defines the kernels in a module that has the operations, under the given target features.
macro_rules! kernels {
    ($features:literal) => {
        use crate::ntt::{BLOCK, Place, ROW, step};
        use crate::residue::{Values, WHOLE, centred};

        /// Registers of a row.
        const PARTS: usize = ROW / LANES;

        /// Registers of sums in flight.
        const WIDE: usize = 4;

        /// The rounded sums of products are multiples of `2^-52` of it.
        const SPLIT: f64 = 1.5 * (1_u128 << 100) as f64;

        /// The prime and what belongs to it.
        #[derive(Clone, Copy)]
        struct Constants {
            prime: Vector,
            inverse: Vector,
            whole: Vector,
            word: Vector,
        }

        #[inline]
        #[target_feature(enable = $features)]
        fn constants(modulus: Values) -> Constants {
            Constants {
                prime: splat(modulus.float),
                inverse: splat(modulus.inverse),
                whole: splat(WHOLE),
                word: splat(f64::from_bits(modulus.prime)),
            }
        }

        /// What is left of `x` after the multiple of the prime that is nearest to it: size `1/2` and what rounding adds.
        #[inline]
        #[target_feature(enable = $features)]
        fn settled(x: Vector, m: Constants) -> Vector {
            let t = subtract(times_plus(x, m.inverse, m.whole), m.whole);
            less_times(t, m.prime, x)
        }

        #[inline]
        #[target_feature(enable = $features)]
        fn product(x: Vector, w: Vector, m: Constants) -> Vector {
            let high = times(x, w);
            let low = times_minus(x, w, high);
            add(settled(high, m), low)
        }

        /// The words from 0 to the prime, of numbers of size below 1.
        #[inline]
        #[target_feature(enable = $features)]
        fn residues(x: Vector, m: Constants) -> Vector {
            positive(words(x), m.word)
        }

        /// The layers between the rows of `N` groups, side by side to have enough to do at once. Roots are those of a tree:
        /// entry 1 is that of the first layer, and the children of entry `i` are `2 i` and `2 i + 1`.
        #[inline]
        #[target_feature(enable = $features)]
        fn rows_forward<const R: usize, const N: usize>(
            x: &mut [[Vector; R]; N],
            roots: &[[Vector; R]; N],
            m: Constants,
        ) {
            if R > 8 {
                layer_forward::<R, N, 8>(x, roots, m);
            }
            if R > 4 {
                layer_forward::<R, N, 4>(x, roots, m);
            }
            if R > 2 {
                layer_forward::<R, N, 2>(x, roots, m);
            }
            layer_forward::<R, N, 1>(x, roots, m);
        }

        /// One between rows that are `HALF` apart.
        #[inline]
        #[target_feature(enable = $features)]
        fn layer_forward<const R: usize, const N: usize, const HALF: usize>(
            x: &mut [[Vector; R]; N],
            roots: &[[Vector; R]; N],
            m: Constants,
        ) {
            for i in 0..R / 2 {
                let (group, within) = (i / HALF, i % HALF);
                let (a, b) = (2 * HALF * group + within, 2 * HALF * group + within + HALF);
                for (x, roots) in x.iter_mut().zip(roots) {
                    let turned = product(x[b], roots[R / (2 * HALF) + group], m);
                    (x[a], x[b]) = (add(x[a], turned), subtract(x[a], turned));
                }
            }
        }

        /// The reverse, which leaves the first rows larger.
        #[inline]
        #[target_feature(enable = $features)]
        fn rows_backward<const R: usize, const N: usize>(
            x: &mut [[Vector; R]; N],
            roots: &[[Vector; R]; N],
            m: Constants,
        ) {
            layer_backward::<R, N, 1>(x, roots, m);
            if R > 2 {
                layer_backward::<R, N, 2>(x, roots, m);
            }
            if R > 4 {
                layer_backward::<R, N, 4>(x, roots, m);
            }
            if R > 8 {
                layer_backward::<R, N, 8>(x, roots, m);
            }
        }

        #[inline]
        #[target_feature(enable = $features)]
        fn layer_backward<const R: usize, const N: usize, const HALF: usize>(
            x: &mut [[Vector; R]; N],
            roots: &[[Vector; R]; N],
            m: Constants,
        ) {
            for i in 0..R / 2 {
                let (group, within) = (i / HALF, i % HALF);
                let (a, b) = (2 * HALF * group + within, 2 * HALF * group + within + HALF);
                for (x, roots) in x.iter_mut().zip(roots) {
                    let difference = subtract(x[a], x[b]);
                    x[a] = add(x[a], x[b]);
                    x[b] = product(difference, roots[R / (2 * HALF) + group], m);
                }
            }
        }

        /// Reduces the rows that have grown.
        #[inline]
        #[target_feature(enable = $features)]
        fn settle<const R: usize>(x: &mut [Vector; R], m: Constants) {
            for x in &mut x[..(R / 4).max(1)] {
                *x = settled(*x, m);
            }
        }

        /// The roots of the layers below a node.
        #[inline]
        #[target_feature(enable = $features)]
        fn roots_below<const R: usize>(nodes: &[u64], node: usize) -> [Vector; R] {
            let mut roots = [splat(0.0); R];
            for (i, root) in roots.iter_mut().enumerate().skip(1) {
                let layer = i.ilog2();
                *root = splat(f64::from_bits(nodes[(node << layer) + i - (1 << layer)]));
            }
            roots
        }

        /// The roots of the last layers of a block.
        #[inline]
        #[target_feature(enable = $features)]
        fn last_roots(last: &[[u64; ROW]; 7], part: usize) -> [Vector; 8] {
            let mut roots = [splat(0.0); 8];
            for (root, row) in roots[1..].iter_mut().zip(last) {
                *root = load(&row.as_chunks::<LANES>().0[part]);
            }
            roots
        }

        /// The layers between 16 numbers, for tests.
        #[cfg(test)]
        #[target_feature(enable = $features)]
        pub(crate) fn rows_of(modulus: Values, x: [i64; 16], roots: [i64; 16], back: bool) -> [f64; 16] {
            let (mut x, roots) = ([x.map(|x| splat(x as f64))], [roots.map(|root| splat(root as f64))]);
            if back {
                rows_backward(&mut x, &roots, constants(modulus));
                settle(&mut x[0], constants(modulus));
            } else {
                rows_forward(&mut x, &roots, constants(modulus));
            }
            x[0].map(|x| {
                let mut lanes = [0; LANES];
                store(&mut lanes, x);
                f64::from_bits(lanes[0])
            })
        }

        /// The upper layers of a block of places; the first ones find words.
        #[inline]
        #[target_feature(enable = $features)]
        fn pass_forward<const R: usize>(block: &mut [u64], nodes: &[u64], node: usize, first: bool, m: Constants) {
            let roots = [roots_below::<R>(nodes, node)];
            let (vectors, _) = block.as_chunks_mut::<LANES>();
            let apart = vectors.len() / R;
            for i in 0..apart {
                let mut x = [splat(0.0); R];
                for (j, x) in x.iter_mut().enumerate() {
                    *x = load(&vectors[i + j * apart]);
                }
                if first {
                    for x in &mut x {
                        *x = numbers(*x);
                    }
                }
                let mut x = [x];
                rows_forward(&mut x, &roots, m);
                for (j, x) in x[0].iter().enumerate() {
                    store(&mut vectors[i + j * apart], *x);
                }
            }
        }

        /// The reverse; the last ones scale, and leave words.
        #[inline]
        #[target_feature(enable = $features)]
        fn pass_backward<const R: usize>(
            block: &mut [u64],
            nodes: &[u64],
            node: usize,
            scale: Option<f64>,
            m: Constants,
        ) {
            let mut roots = [roots_below::<R>(nodes, node)];
            if let Some(scale) = scale {
                roots[0][1] = settled(product(roots[0][1], splat(scale), m), m);
            }
            let (vectors, _) = block.as_chunks_mut::<LANES>();
            let apart = vectors.len() / R;
            for i in 0..apart {
                let mut x = [splat(0.0); R];
                for (j, x) in x.iter_mut().enumerate() {
                    *x = load(&vectors[i + j * apart]);
                }
                let mut x = [x];
                rows_backward(&mut x, &roots, m);
                let [mut x] = x;
                match scale {
                    Some(scale) => {
                        for x in &mut x[..R / 2] {
                            *x = product(*x, splat(scale), m);
                        }
                        for x in &mut x {
                            *x = residues(*x, m);
                        }
                    }
                    None => settle(&mut x, m),
                }
                for (j, x) in x.iter().enumerate() {
                    store(&mut vectors[i + j * apart], *x);
                }
            }
        }

        /// The last six layers; words come out.
        #[inline]
        #[target_feature(enable = $features)]
        fn blocks_forward(blocks: &mut [u64], place: Place<'_>, node: usize, m: Constants) {
            let (blocks, _) = blocks.as_chunks_mut::<BLOCK>();
            let last = &place.last_of(node)[..blocks.len()];
            let (groups, rest) = blocks.as_chunks_mut::<TOGETHER>();
            let (last_of_groups, last_of_rest) = last.as_chunks::<TOGETHER>();
            for (i, (group, last)) in groups.iter_mut().zip(last_of_groups).enumerate() {
                some_blocks_forward(group, last, place.nodes, node + TOGETHER * i, m);
            }
            let node = node + TOGETHER * groups.len();
            for (i, (block, last)) in rest.iter_mut().zip(last_of_rest).enumerate() {
                some_blocks_forward::<1>(
                    std::array::from_mut(block),
                    std::array::from_ref(last),
                    place.nodes,
                    node + i,
                    m,
                );
            }
        }

        #[inline]
        #[target_feature(enable = $features)]
        fn some_blocks_forward<const N: usize>(
            blocks: &mut [[u64; BLOCK]; N],
            last: &[[[u64; ROW]; 7]; N],
            nodes: &[u64],
            node: usize,
            m: Constants,
        ) {
            let mut roots = [[splat(0.0); ROW]; N];
            for (i, roots) in roots.iter_mut().enumerate() {
                *roots = roots_below(nodes, node + i);
            }
            let mut x = [[[splat(0.0); ROW]; N]; PARTS];
            for (part, x) in x.iter_mut().enumerate() {
                for (x, block) in x.iter_mut().zip(&*blocks) {
                    for (row, x) in x.iter_mut().enumerate() {
                        *x = load(&block.as_chunks::<LANES>().0[PARTS * row + part]);
                    }
                }
                rows_forward(x, &roots, m);
            }
            let mut x = transposed(x);
            for (part, x) in x.iter_mut().enumerate() {
                for (roots, last) in roots.iter_mut().zip(last) {
                    *roots = last_roots(last, part);
                }
                rows_forward(x, &roots, m);
                for (x, block) in x.iter().zip(&mut *blocks) {
                    for (row, x) in x.iter().enumerate() {
                        let into = &mut block.as_chunks_mut::<LANES>().0[PARTS * row + part];
                        store(into, residues(settled(*x, m), m));
                    }
                }
            }
        }

        /// The reverse: words go in; where there are no other layers, they come out, scaled.
        #[inline]
        #[target_feature(enable = $features)]
        fn blocks_backward(blocks: &mut [u64], place: Place<'_>, node: usize, scale: Option<f64>, m: Constants) {
            let (blocks, _) = blocks.as_chunks_mut::<BLOCK>();
            let last = &place.last_of(node)[..blocks.len()];
            let (groups, rest) = blocks.as_chunks_mut::<TOGETHER>();
            let (last_of_groups, last_of_rest) = last.as_chunks::<TOGETHER>();
            for (i, (group, last)) in groups.iter_mut().zip(last_of_groups).enumerate() {
                some_blocks_backward(group, last, place.nodes, node + TOGETHER * i, scale, m);
            }
            let node = node + TOGETHER * groups.len();
            for (i, (block, last)) in rest.iter_mut().zip(last_of_rest).enumerate() {
                some_blocks_backward::<1>(
                    std::array::from_mut(block),
                    std::array::from_ref(last),
                    place.nodes,
                    node + i,
                    scale,
                    m,
                );
            }
        }

        #[inline]
        #[target_feature(enable = $features)]
        fn some_blocks_backward<const N: usize>(
            blocks: &mut [[u64; BLOCK]; N],
            last: &[[[u64; ROW]; 7]; N],
            nodes: &[u64],
            node: usize,
            scale: Option<f64>,
            m: Constants,
        ) {
            let mut roots = [[splat(0.0); ROW]; N];
            let mut x = [[[splat(0.0); ROW]; N]; PARTS];
            for (part, x) in x.iter_mut().enumerate() {
                for (x, block) in x.iter_mut().zip(&*blocks) {
                    for (row, x) in x.iter_mut().enumerate() {
                        *x = numbers(load(&block.as_chunks::<LANES>().0[PARTS * row + part]));
                    }
                }
                for (roots, last) in roots.iter_mut().zip(last) {
                    *roots = last_roots(last, part);
                }
                rows_backward(x, &roots, m);
                x.iter_mut().for_each(|x| settle(x, m));
            }
            let mut x = transposed(x);
            for (i, roots) in roots.iter_mut().enumerate() {
                *roots = roots_below(nodes, node + i);
            }
            for (part, x) in x.iter_mut().enumerate() {
                rows_backward(x, &roots, m);
                for (x, block) in x.iter_mut().zip(&mut *blocks) {
                    settle(x, m);
                    for (row, x) in x.iter().enumerate() {
                        let into = &mut block.as_chunks_mut::<LANES>().0[PARTS * row + part];
                        let x = match scale {
                            Some(scale) => residues(product(*x, splat(scale), m), m),
                            None => *x,
                        };
                        store(into, x);
                    }
                }
            }
        }

        /// The layers of a block of places of which `upper` are above those of 64 places.
        #[target_feature(enable = $features)]
        fn descend(block: &mut [u64], place: Place<'_>, node: usize, upper: u32, first: bool, m: Constants) {
            let layers = step(upper, MOST_LAYERS);
            match layers {
                0 => {}
                1 => pass_forward::<2>(block, place.nodes, node, first, m),
                2 => pass_forward::<4>(block, place.nodes, node, first, m),
                3 => pass_forward::<8>(block, place.nodes, node, first, m),
                _ => pass_forward::<16>(block, place.nodes, node, first, m),
            }
            if layers == upper {
                return blocks_forward(block, place, node << upper, m);
            }
            for (i, block) in block.chunks_exact_mut(block.len() >> layers).enumerate() {
                descend(block, place, (node << layers) + i, upper - layers, false, m);
            }
        }

        /// The reverse.
        #[target_feature(enable = $features)]
        fn ascend(block: &mut [u64], place: Place<'_>, node: usize, upper: u32, scale: Option<f64>, m: Constants) {
            let layers = step(upper, MOST_LAYERS);
            if layers == upper {
                let scale = if layers == 0 { scale } else { None };
                blocks_backward(block, place, node << upper, scale, m);
            } else {
                for (i, block) in block.chunks_exact_mut(block.len() >> layers).enumerate() {
                    ascend(block, place, (node << layers) + i, upper - layers, None, m);
                }
            }
            match layers {
                0 => {}
                1 => pass_backward::<2>(block, place.nodes, node, scale, m),
                2 => pass_backward::<4>(block, place.nodes, node, scale, m),
                3 => pass_backward::<8>(block, place.nodes, node, scale, m),
                _ => pass_backward::<16>(block, place.nodes, node, scale, m),
            }
        }

        /// See [`crate::Transform::forward_part`].
        #[target_feature(enable = $features)]
        pub(crate) fn forward(modulus: Values, place: Place<'_>, granule: usize, start: usize, values: &mut [u64]) {
            let m = constants(modulus);
            let upper = (granule / BLOCK).ilog2();
            let first = upper > 0 && values.len() == granule;
            if !first {
                // A layer adds what is nothing to the lower half and takes it off for the upper one.
                let (filled, copies) = values.split_at_mut(granule);
                for vector in filled.as_chunks_mut::<LANES>().0 {
                    store(vector, numbers(load(vector)));
                }
                for copy in copies.chunks_exact_mut(granule) {
                    copy.copy_from_slice(filled);
                }
            }
            let node = (place.len() + start) / granule;
            for (i, block) in values.chunks_exact_mut(granule).enumerate() {
                descend(block, place, node + i, upper, first, m);
            }
        }

        /// See [`crate::Transform::backward`].
        #[target_feature(enable = $features)]
        pub(crate) fn backward(modulus: Values, place: Place<'_>, scale: f64, values: &mut [u64]) {
            let upper = (values.len() / BLOCK).ilog2();
            ascend(values, place, 1, upper, Some(scale), constants(modulus));
        }

        /// Sums of products: what they are rounded to, beside a constant, and the rests.
        #[derive(Clone, Copy)]
        struct Sums<const W: usize> {
            high: [Vector; W],
            low: [Vector; W],
        }

        impl<const W: usize> Sums<W> {
            #[inline]
            #[target_feature(enable = $features)]
            fn of(low: [Vector; W]) -> Self {
                Self { high: [splat(SPLIT); W], low }
            }

            #[inline]
            #[target_feature(enable = $features)]
            fn add(&mut self, i: usize, a: Vector, b: Vector) {
                let sum = times_plus(a, b, self.high[i]);
                let added = subtract(sum, self.high[i]);
                self.low[i] = add(self.low[i], times_minus(a, b, added));
                self.high[i] = sum;
            }

            #[inline]
            #[target_feature(enable = $features)]
            fn store(&self, into: &mut [u64], m: Constants) {
                let parts = into.as_chunks_mut::<LANES>().0.iter_mut().zip(self.high.iter().zip(&self.low));
                for (into, (high, low)) in parts {
                    let high = subtract(*high, splat(SPLIT));
                    let t = subtract(times_plus(add(high, *low), m.inverse, m.whole), m.whole);
                    store(into, residues(add(less_times(t, m.prime, high), *low), m));
                }
            }
        }

        /// Some registers of a slice from a place on.
        #[inline]
        #[target_feature(enable = $features)]
        fn load_from<const W: usize>(from: &[u64], at: usize) -> [Vector; W] {
            let mut vectors = [splat(0.0); W];
            for (vector, from) in vectors.iter_mut().zip(from[at..at + W * LANES].as_chunks::<LANES>().0) {
                *vector = load(from);
            }
            vectors
        }

        #[inline]
        #[target_feature(enable = $features)]
        fn add_some_products<const W: usize>(pairs: &[(&[u64], &[u64])], at: usize, into: &mut [u64], m: Constants) {
            let mut add_to = load_from::<W>(into, at);
            for vector in &mut add_to {
                *vector = numbers(*vector);
            }
            let mut sums = Sums::of(add_to);
            for (a, b) in pairs {
                let (a, b) = (load_from::<W>(a, at), load_from::<W>(b, at));
                for i in 0..W {
                    sums.add(i, numbers(a[i]), numbers(b[i]));
                }
            }
            sums.store(&mut into[at..at + W * LANES], m);
        }

        /// See [`crate::Modulus::add_products`]; the slices' lengths are multiples of eight.
        #[target_feature(enable = $features)]
        pub(crate) fn add_products(modulus: Values, pairs: &[(&[u64], &[u64])], into: &mut [u64]) {
            let (m, end) = (constants(modulus), into.len());
            let mut at = 0;
            while at + WIDE * LANES <= end {
                add_some_products::<WIDE>(pairs, at, into, m);
                at += WIDE * LANES;
            }
            while at + LANES <= end {
                add_some_products::<1>(pairs, at, into, m);
                at += LANES;
            }
        }

        #[inline]
        #[target_feature(enable = $features)]
        fn combine_some<const W: usize>(inputs: &[&[i64]], factors: &[f64], at: usize, into: &mut [u64], m: Constants) {
            let mut sums = Sums::of([splat(0.0); W]);
            for (input, factor) in inputs.iter().zip(factors) {
                let (vectors, factor) = (load_from::<W>(bytemuck::cast_slice(input), at), splat(*factor));
                for i in 0..W {
                    sums.add(i, numbers(vectors[i]), factor);
                }
            }
            sums.store(&mut into[at..at + W * LANES], m);
        }

        /// See [`crate::Modulus::combine`]; the slices' lengths are multiples of eight.
        #[target_feature(enable = $features)]
        pub(crate) fn combine(modulus: Values, inputs: &[&[i64]], factors: &[u64], into: &mut [u64]) {
            let (m, end) = (constants(modulus), into.len());
            let mut centres = [0.0; crate::residue::TERMS];
            for (centre, factor) in centres.iter_mut().zip(factors) {
                *centre = centred(*factor, modulus.prime) as f64;
            }
            let mut at = 0;
            while at + WIDE * LANES <= end {
                combine_some::<WIDE>(inputs, &centres, at, into, m);
                at += WIDE * LANES;
            }
            while at + LANES <= end {
                combine_some::<1>(inputs, &centres, at, into, m);
                at += LANES;
            }
        }

        /// See [`crate::quotients`]; the slices' lengths are multiples of eight.
        #[target_feature(enable = $features)]
        pub(crate) fn quotients(inputs: &[&[u64]], reciprocals: &[f64], into: &mut [i64]) {
            for (i, into) in into.as_chunks_mut::<LANES>().0.iter_mut().enumerate() {
                let mut sum = splat(0.0);
                for (input, reciprocal) in inputs.iter().zip(reciprocals) {
                    let [number] = load_from::<1>(input, i * LANES);
                    sum = add(sum, times(numbers(number), splat(*reciprocal)));
                }
                let whole = splat(WHOLE);
                store(bytemuck::cast_mut(into), words(subtract(add(sum, whole), whole)));
            }
        }
    };
}
pub(crate) use kernels;

#[cfg(test)]
mod tests {
    use crate::residue::{Modulus, Values};
    use crate::{Level, f256, f512};

    const PRIMES: [i64; 4] = [(1 << 47) - 127, (1 << 46) - 589_823, (1 << 42) + 720_897, 3];

    /// What a level makes of rows, on all that the machine has.
    fn rows(modulus: Values, x: [i64; 16], roots: [i64; 16], back: bool) -> Vec<[f64; 16]> {
        let mut rows = Vec::new();
        if Level::Avx2.is_available() {
            // SAFETY: the level is there.
            rows.push(unsafe { f256::rows_of(modulus, x, roots, back) });
        }
        if Level::Avx512.is_available() {
            // SAFETY: as above.
            rows.push(unsafe { f512::rows_of(modulus, x, roots, back) });
        }
        rows
    }

    /// The layers by the definition, modulo the prime.
    fn expected(prime: i64, x: [i64; 16], roots: [i64; 16], back: bool) -> [i64; 16] {
        let prime = i128::from(prime);
        let mut x = x.map(i128::from);
        for layer in if back { [3, 2, 1, 0] } else { [0, 1, 2, 3] } {
            let half = 8 >> layer;
            for a in (0..16).filter(|a| a & half == 0) {
                let (b, root) = (a + half, i128::from(roots[(16 + a) >> (4 - layer)]));
                (x[a], x[b]) = match back {
                    true => (x[a] + x[b], (x[a] - x[b]) * root % prime),
                    false => (x[a] + x[b] * root % prime, x[a] - x[b] * root % prime),
                };
            }
        }
        x.map(|x| x.rem_euclid(prime) as i64)
    }

    #[test]
    fn layers_are_exact_at_the_largest_sizes_and_stay_within_theirs() {
        for prime in PRIMES {
            let modulus = Modulus::new(Level::Portable, prime as u64).values;
            for case in 0..2000_u64 {
                let bits = |i: usize| (case + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(4 * i as u32) >> 40;
                // All of the largest size, or near it, with all signs that the tree can align.
                let number = |most: i64| {
                    move |i: usize| {
                        let size = if case % 3 == 2 { most - (bits(i) >> 4) as i64 % (most + 1) } else { most };
                        if case > 1 && bits(i) & 1 == 1 || case == 1 { -size } else { size }
                    }
                };
                let roots = std::array::from_fn(number(prime / 2));
                // Backward, of size 2; forward, of what comes before the last layers of 24.
                for (back, size, becomes) in [(true, 2, 2), (false, 13, 17)] {
                    let x = std::array::from_fn(number(size * prime));
                    let expected = expected(prime, x, roots, back);
                    for rows in rows(modulus, x, roots, back) {
                        for (row, expected) in rows.iter().zip(expected) {
                            assert_eq!(*row, row.trunc());
                            assert!(
                                row.abs() <= (becomes * prime) as f64,
                                "size {} modulo {prime}",
                                row / prime as f64
                            );
                            assert_eq!((*row as i64).rem_euclid(prime), expected, "modulo {prime}");
                        }
                    }
                }
            }
        }
    }
}
