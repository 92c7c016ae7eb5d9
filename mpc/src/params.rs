//! Every security parameter of the engine. Nothing else defines one.

/// Computational security, in bits: the width of OT messages and of the offset of the OT extension.
pub const COMPUTATIONAL_SECURITY: usize = 128;

/// Statistical security, in bits: what a check or a mask may fail by.
pub const STATISTICAL_SECURITY: usize = 40;

/// SoftSpoken's `k`: each tree has `2^k` leaves, and an OT costs `128 / k` bits minus one tree's share. Eight, for it
/// makes only the transfers that silent OT starts from, or that are too few for it: there bytes count more than AES.
pub const SOFTSPOKEN_FIELD_BITS: usize = 8;

/// SoftSpoken's number of trees: `k` bits of the offset each.
pub const SOFTSPOKEN_TREES: usize = COMPUTATIONAL_SECURITY / SOFTSPOKEN_FIELD_BITS;

/// Blocks of 128 transfers that one consistency check covers at most. Worst case 1 MiB of columns a direction.
pub const SOFTSPOKEN_MAX_BLOCKS: usize = 512;

/// Blocks of 128 transfers that one extension makes at least. The fixed 2 KiB of a check are as much as those blocks take;
/// a small job needs no more, and extensions after the first grow with what was made.
pub const SOFTSPOKEN_MIN_BLOCKS: usize = 8;

/// A set for LPN over F2 with regular noise and a local code: `trees` blocks of `2^depth` rows with one error each, each
/// row the sum of ten entries of a secret of `2^secret_log2` bits, placed as [`tacit_simd::Code`] says.
#[derive(Debug, PartialEq, Eq)]
pub struct LpnSet {
    /// Its name in transcripts.
    pub name: &'static str,
    /// Blocks of rows, each the leaves of a GGM tree.
    pub trees: usize,
    /// The secret's length, as a power of two.
    pub secret_log2: u32,
    /// The depth of a tree.
    pub depth: u32,
}

// Log2 of bit operations of the cheapest attack in each class, from an own estimate and runs of published estimators
// (the formulas are recomputed in the tests below; AES-128 key search is about 2^143 in this unit):
//
// |                                                                  | s9  | s10 | s11 | s12 |
// |------------------------------------------------------------------|-----|-----|-----|-----|
// | pooled Gauss (ePrint 2022/712)                                    | 242 | 241 | 245 | 246 |
// | statistical decoding (2022/712)                                   | 417 | 409 | 409 | 406 |
// | regular ISD, enumeration (2023/1568)                              | 228 | 229 | 234 | 236 |
// | algebraic, hybrid (2023/176)                                      | 243 | 239 | 245 | 245 |
// | hybrid guess and linearise (2025/1284)                            | 225 | 221 | 228 | 229 |
// | Stern on k + l rows, dense code                                   | 218 | 217 | 220 | 221 |
// | restriction to a random subset of the secret, Wiedemann           | 196 | 189 | 191 | 189 |
// | restriction to a random subset, Stern (lists of 2^28 to 2^34)     | 178 | 172 | 174 | 172 |
// | restriction to a greedily chosen subset, Stern                    | 162 | 154 | 157 | 155 |
// | the smallest subset that exists, Stern (a bound)                  | 148 | 143 | 145 | 143 |
//
// What drives them is the number of errors to expect in as many rows as the secret has bits: k / 2^depth = 128. Published
// sets for silent OT have 64 and ignore that the code is sparse, which the last four lines use: they fall to about 2^93.
// The code's seed is fresh for each round, so that no work on one matrix serves another. Revisit when a paper lowers
// sparse LPN with low noise below the greedy line.
//
// The table is for ten uniform places a row. Ours are a lift by Z2 x Z2: four rows take an entry each of the same ten lines
// of four. Let R be the group's algebra over F2. The code is a matrix over R, whose entries are units of R at uniform
// places. R is local, so its only quotient that is a field is F2, by the sum over the group: what the lift offers beyond
// a matrix over F2 are the sums over its subgroups. The sum over all of it, of the entries of a line and of the rows of a
// group, turns an instance into one of ten uniform places with a quarter of the secret, of the rows and of each block,
// and one error in each block still, so with as many errors to expect in as many rows as unknowns. (Were the
// four rows of a group to take entries by the same numbers, the instance would fall into four with 32 such errors: the
// numbers differ from line to line, over the whole group.) The cost of attacks is exponential in those errors and
// polynomial in the secret, hence the folded sets, by the same formulas:
//
// |                                                                  | s9  | s10 | s11 | s12 |
// |------------------------------------------------------------------|-----|-----|-----|-----|
// | folded: restriction to a random subset, Wiedemann                 | 192 | 185 | 187 | 185 |
// | folded: restriction to a random subset, Stern                     | 170 | 164 | 166 | 164 |
// | folded: restriction to a greedily chosen subset, Stern            | 149 | 144 | 146 | 145 |
//
// One that is folded once, by a subgroup of two, lies between. Decoding one of the four shifts of an instance saves at
// most a bit, the root of their number.

/// Starts silent OT from SoftSpoken, and serves needs of one round of it.
pub const S9: LpnSet = LpnSet { name: "s9", trees: 850, secret_log2: 16, depth: 9 };
/// A smaller table than the default's; not in use.
pub const S10: LpnSet = LpnSet { name: "s10", trees: 1170, secret_log2: 17, depth: 10 };
/// The default.
pub const S11: LpnSet = LpnSet { name: "s11", trees: 1170, secret_log2: 18, depth: 11 };
/// Fewest bytes, largest table; not in use.
pub const S12: LpnSet = LpnSet { name: "s12", trees: 1400, secret_log2: 19, depth: 12 };

impl LpnSet {
    /// The bits of the secret.
    pub const fn secret(&self) -> usize {
        1 << self.secret_log2
    }

    /// The rows of a block.
    pub const fn block(&self) -> usize {
        1 << self.depth
    }

    /// Transfers that a round makes.
    pub const fn outputs(&self) -> usize {
        self.trees * self.block()
    }

    /// Transfers that a round takes: the secret, one for each level of each tree, and the mask of the check.
    pub const fn inputs(&self) -> usize {
        self.secret() + self.trees * self.depth as usize + COMPUTATIONAL_SECURITY
    }
}

/// Fewest transfers of one direction for which silent OT is set up: below, SoftSpoken's 1.9 B each are less than the
/// 0.26 MB of a first silent round, and the time is much the same.
pub const SILENT_LEAST: u64 = 200_000;

/// The coefficients of a polynomial of the lattice layer, as a power of two.
pub const LATTICE_LOG2: u32 = 14;

/// Bits of a limb of the ciphertexts' modulus: each is a prime just below `2^LATTICE_LIMB_BITS`.
pub const LATTICE_LIMB_BITS: u32 = 46;

/// The limbs. All of them together have 414 bits, below the 430 that ePrint 2024/463 (table 5.2) has for 128 bits of
/// security at 2^14 coefficients, ternary secrets and errors of 3.2; the lattice estimator (head of June 2026: usvp, bdd,
/// dual-hybrid) has 131.5 bits at 420 and 128.4 at 430. No special prime comes on top. Sets use the first of them, under
/// one secret a session.
pub const LATTICE_LIMBS: [u64; 9] = [
    (1 << 46) - 589_823,
    (1 << 46) - 688_127,
    (1 << 46) - 884_735,
    (1 << 46) - 1_769_471,
    (1 << 46) - 2_064_383,
    (1 << 46) - 3_244_031,
    (1 << 46) - 3_407_871,
    (1 << 46) - 3_735_551,
    (1 << 46) - 4_620_287,
];

/// Limbs that ciphertexts of matrix products may have; the other two are the special ones of packing keys.
pub const MATRIX_LIMBS: usize = 7;

/// Matrix products of wider words go by transfers.
pub const MATRIX_MOST_WIDTH: u32 = 124;

/// Limbs of the ciphertexts of a matrix product modulo `2^width` whose coefficients are sums of so many products: the flood
/// fits that hides errors of so many terms, and those of key switches.
pub const fn matrix_limbs(width: u32, terms: usize) -> usize {
    let errors = 2 * width + 64 + terms.next_power_of_two().ilog2().div_ceil(2);
    let switched = width + 84;
    let bits = if errors > switched { errors } else { switched };
    bits.div_ceil(LATTICE_LIMB_BITS) as usize
}

/// Bits of the flood of a matrix product's answer, as a signed number: an eighth of the room.
pub const fn matrix_flood_bits(width: u32, limbs: usize) -> u32 {
    limbs as u32 * LATTICE_LIMB_BITS - width - 3
}

/// Bits that each of the two counts takes whose difference is an error: a variance of 10.5.
pub const LATTICE_ERROR_BITS: u32 = 21;

/// Bits of what a slot prime carries.
pub const SLOT_PRIME_BITS: u32 = 42;

/// The primes of slots, each just above `2^SLOT_PRIME_BITS`, so that a number of so many bits a prime is below their product
/// with some room.
pub const SLOT_PRIMES: [u64; 8] = [
    (1 << 42) + 720_897,
    (1 << 42) + 2_064_385,
    (1 << 42) + 2_195_457,
    (1 << 42) + 2_392_065,
    (1 << 42) + 3_080_193,
    (1 << 42) + 3_342_337,
    (1 << 42) + 3_637_249,
    (1 << 42) + 3_735_553,
];

/// How ciphertexts carry a number for each slot. The plaintext modulus is the product of the slot primes; the sizes follow
/// from it: a flood that hides the evaluator's operands in the noise, a modulus that holds it, and a smaller one for the
/// answer.
#[derive(Debug, PartialEq, Eq)]
pub struct SlotSet {
    /// Its name.
    pub name: &'static str,
    /// Slot primes.
    pub slots: usize,
    /// Limbs of a ciphertext.
    pub limbs: usize,
    /// Limbs of an answer.
    pub kept: usize,
    /// Bits of the flood, as a signed number.
    pub flood_bits: u32,
}

/// For products of up to 86 bits.
pub const SLOTS_126: SlotSet = SlotSet { name: "slots126", slots: 3, limbs: 7, kept: 3, flood_bits: 194 };
/// For products of up to 128 bits.
pub const SLOTS_168: SlotSet = SlotSet { name: "slots168", slots: 4, limbs: 9, kept: 4, flood_bits: 244 };

impl SlotSet {
    /// Bits of the signed number that a slot carries.
    pub const fn bits(&self) -> u32 {
        self.slots as u32 * SLOT_PRIME_BITS
    }

    /// The set for sums of products of so many bits with their mask, and over how many groups of primes they go, each in
    /// ciphertexts of its own.
    ///
    /// # Panics
    /// If they have more than 296 bits.
    pub fn for_bits(product_bits: u32) -> (&'static Self, usize) {
        let bits = product_bits + STATISTICAL_SECURITY as u32;
        let fits = |(set, groups): &(&'static Self, usize)| bits <= set.bits() * *groups as u32;
        let mut ways = [(&SLOTS_126, 1), (&SLOTS_168, 1), (&SLOTS_126, 2), (&SLOTS_168, 2)].into_iter();
        ways.find(fits).expect("words have at most 128 bits")
    }
}

/// Bytes of a tag of the alignment. Two different keys among `n` in all collide with probability below
/// `n^2 / 2^129`: 2^-87 at two times a million.
pub const ALIGN_TAG_BYTES: usize = 16;

/// Elements of one alignment at most: the square of their number stays `2^-STATISTICAL_SECURITY` below the tags' space.
pub const ALIGN_MAX_ELEMENTS: u64 = 1 << 27;

/// Frames one direction of a channel carries at most under one key: 2^44 AES blocks, so that AES-GCM's distinguishing
/// advantage stays below `2^-STATISTICAL_SECURITY`.
pub const CHANNEL_MAX_FRAMES: u64 = 1 << 32;

#[cfg(test)]
mod tests {
    use super::*;

    /// Entries a row adds up.
    const LOCALITY: f64 = tacit_simd::LOCALITY as f64;

    /// Log2 of the binomial coefficient.
    fn choose_log2(n: f64, k: u32) -> f64 {
        (0..k).map(|i| ((n - f64::from(i)) / f64::from(i + 1)).log2()).sum()
    }

    /// Log2 of the cost of a restriction of the secret to a share `sigma` of its bits: rows wholly inside it, spread
    /// evenly over the blocks, the fewer of which carry errors.
    struct Restriction<'a> {
        set: &'a LpnSet,
        sigma: f64,
    }

    impl Restriction<'_> {
        /// Log2 of the probability that `rows` rows, spread evenly over the blocks, have exactly `errors` errors.
        fn errors_log2(&self, rows: f64, errors: u32) -> f64 {
            let trees = self.set.trees as f64;
            let share = rows / self.set.outputs() as f64;
            choose_log2(trees, errors)
                + f64::from(errors) * share.log2()
                + (trees - f64::from(errors)) * (1.0 - share).log2()
        }

        /// No error at all, and Wiedemann on the sparse system: `(2 d + 6) (sigma k)^2`.
        fn wiedemann(&self) -> f64 {
            let unknowns = self.sigma * self.set.secret() as f64;
            (2.0 * LOCALITY + 6.0).log2() + 2.0 * unknowns.log2() - self.errors_log2(unknowns, 0)
        }

        /// Stern in LPN form on `k + l` rows with four errors and lists of `2^l`, from which the best is taken.
        fn stern(&self) -> f64 {
            let unknowns = self.sigma * self.set.secret() as f64;
            let cost = |list_log2: f64| {
                let errors = 4;
                let split = choose_log2(f64::from(errors), errors / 2) - f64::from(errors);
                let list = choose_log2(unknowns / 2.0, errors / 2).min(list_log2);
                let solve = (2.0 * LOCALITY + 6.0).log2() + 2.0 * unknowns.log2();
                let search = 2.0 + list + list.log2();
                // A list that is cut short finds the errors that much less often.
                let missed = 2.0 * (choose_log2(unknowns / 2.0, errors / 2) - list);
                solve.max(search) + missed - self.errors_log2(unknowns + list, errors) - split
            };
            (28..=34).map(|list| cost(f64::from(list))).fold(f64::MAX, f64::min)
        }
    }

    /// What the sums over the lines and groups of the code make of a set.
    fn folded(set: &LpnSet) -> LpnSet {
        LpnSet { name: set.name, trees: set.trees, secret_log2: set.secret_log2 - 2, depth: set.depth - 2 }
    }

    #[test]
    fn restrictions_of_the_sparse_code_cost_more_than_2_to_the_128() {
        for (set, noted) in
            [(&S9, [196.0, 192.0]), (&S10, [189.0, 185.0]), (&S11, [191.0, 187.0]), (&S12, [189.0, 185.0])]
        {
            for (set, noted) in [set, &folded(set)].into_iter().zip(noted) {
                let rate = set.outputs() as f64 / set.secret() as f64;
                // As many rows as unknowns lie inside a random subset of this share; greedily chosen ones do with less.
                let share = rate.powf(-1.0 / (LOCALITY - 1.0));
                let [random, greedy] = [share, 0.87 * share].map(|sigma| Restriction { set, sigma });
                for cost in [random.wiedemann(), random.stern(), greedy.wiedemann(), greedy.stern()] {
                    assert!(cost >= 128.0, "{}: 2^{cost}", set.name);
                }
                assert!((random.wiedemann() - noted).abs() < 1.0, "{}: what the table says", set.name);
                assert!(greedy.stern() < random.stern() && random.stern() < random.wiedemann(), "{}", set.name);
            }
        }
    }

    #[test]
    fn sets_have_the_errors_and_the_rows_that_the_estimates_are_for() {
        for (set, n, inputs) in
            [(&S9, 435_200, 73_314), (&S10, 1_198_080, 142_900), (&S11, 2_396_160, 275_142), (&S12, 5_734_400, 541_216)]
        {
            assert_eq!((set.outputs(), set.inputs()), (n, inputs), "{}", set.name);
            assert!(set.secret() / set.block() >= 128, "{}: expected errors in as many rows as unknowns", set.name);
            assert_eq!(set.block() % tacit_simd::ROWS, 0, "{}: whole batches of rows", set.name);
            // Block relations do not linearise without guessing.
            assert!((set.outputs() as f64) < set.secret() as f64 * (set.trees as f64).sqrt() / 2.0, "{}", set.name);
        }
        assert!(S9.outputs() >= S11.inputs() && S11.outputs() >= S11.inputs(), "each round feeds the next");
    }

    fn log2_of(primes: &[u64]) -> f64 {
        primes.iter().map(|prime| (*prime as f64).log2()).sum()
    }

    #[test]
    fn lattice_primes_have_roots_of_unity_and_the_moduli_stay_below_the_bound_of_the_degree() {
        let is_prime = |n: u64| {
            let power = |base: u64, exponent: u64| {
                (0..64 - exponent.leading_zeros()).rev().fold(1_u128, |power, place| {
                    let square = power * power % u128::from(n);
                    if exponent >> place & 1 == 1 { square * u128::from(base) % u128::from(n) } else { square }
                })
            };
            // Miller and Rabin with the bases that decide every number of 64 bits.
            let (twos, odd) = ((n - 1).trailing_zeros(), (n - 1) >> (n - 1).trailing_zeros());
            [2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37]
                .into_iter()
                .all(|base| power(base, odd) == 1 || (0..twos).any(|k| power(base, odd << k) == u128::from(n - 1)))
        };
        for (primes, bits) in [(&LATTICE_LIMBS[..], LATTICE_LIMB_BITS), (&SLOT_PRIMES[..], SLOT_PRIME_BITS + 1)] {
            for (i, prime) in primes.iter().enumerate() {
                assert!(is_prime(*prime) && prime % (2 << LATTICE_LOG2) == 1, "{prime}");
                assert_eq!(64 - prime.leading_zeros(), bits, "{prime}");
                assert!(!primes[..i].contains(prime), "{prime} comes once");
            }
        }
        assert!(log2_of(&LATTICE_LIMBS) <= 414.0);
        // Drawn again so rarely that a stream of words is almost always the polynomial.
        assert!(LATTICE_LIMBS.iter().all(|prime| *prime as f64 / 2f64.powi(46) > 1.0 - 1e-6));
    }

    #[test]
    fn floods_hide_the_noise_and_the_moduli_hold_both() {
        let n = f64::from(1 << LATTICE_LOG2);
        let sigma = f64::from(LATTICE_ERROR_BITS).sqrt() / 2f64.sqrt();
        for set in [&SLOTS_126, &SLOTS_168] {
            let slots = log2_of(&SLOT_PRIMES[..set.slots]);
            assert!(slots > f64::from(set.bits()) + 1e-7, "{}: numbers of so many bits and some room", set.name);
            // All in units of the plaintext modulus, that is as noise. Two products: of errors by factors of half the
            // modulus, by their norm, which no choice of factors exceeds ...
            let errors = sigma * 0.5 * (2.0 * n).sqrt();
            let flood = f64::from(set.flood_bits) - 1.0;
            let hidden = flood + 1.0 - (n * 1.1 * errors).log2() - slots;
            assert!(hidden >= STATISTICAL_SECURITY as f64 + 5.0, "{}: 2^-{hidden} a batch", set.name);
            // ... and of messages by factors, at the worst that numbers can have.
            let messages = 2.0 * n / 4.0;
            assert!(flood + 1.0 - (n * messages).log2() - slots >= STATISTICAL_SECURITY as f64, "{}", set.name);
            // The modulus holds the flood with twice its room to spare, whatever the rest is at its worst.
            let worst = (2.0 * n * (f64::from(LATTICE_ERROR_BITS) + 1.0) * 0.5).log2() + slots;
            let room = log2_of(&LATTICE_LIMBS[..set.limbs]) - 1.0 - slots;
            assert!(flood + 1.99 <= room && worst + 40.0 < flood, "{}: {room}", set.name);
            // After the switch the flood has a quarter of the room, and the rest is for the rounding: half a unit times
            // a ternary secret, for which Hoeffding's bound is far below any other risk.
            let room = (log2_of(&LATTICE_LIMBS[..set.kept]) - 1.0 - slots).exp2();
            let spare = room * 0.74 - 1.0;
            assert!(spare * spare / (2.0 * n / 4.0) * std::f64::consts::LOG2_E > 200.0, "{}: {spare}", set.name);
        }
    }

    #[test]
    fn floods_of_matrix_products_hide_the_noise() {
        let n = f64::from(1 << LATTICE_LOG2);
        let sigma = f64::from(LATTICE_ERROR_BITS).sqrt() / 2f64.sqrt();
        for width in 1..=MATRIX_MOST_WIDTH {
            for terms_log2 in 0..=14 {
                let terms = f64::from(terms_log2).exp2();
                let limbs = matrix_limbs(width, 1 << terms_log2);
                assert!(limbs <= MATRIX_LIMBS);
                let flood = f64::from(matrix_flood_bits(width, limbs));
                // Errors by factors of half the plaintext modulus ...
                let half = f64::from(width - 1);
                let errors = half + (sigma * terms.sqrt()).log2();
                let hidden = flood - (1.1 * n).log2() - errors;
                assert!(hidden >= STATISTICAL_SECURITY as f64 + 5.0, "{width} bits, {terms} terms: 2^-{hidden}");
                // ... and of messages by factors, at their worst.
                let messages = half - 1.0 + terms.log2();
                assert!(flood - n.log2() - messages >= STATISTICAL_SECURITY as f64, "{width} bits, {terms} terms");
                // Key switches add what a digit of two limbs leaves over two special ones; a doubling a level at most.
                let switched = 14.0 + 12.0;
                assert!(flood - n.log2() - switched >= STATISTICAL_SECURITY as f64, "{width} bits: 2^{switched}");
            }
        }
        // The answer has 2^10 for the rounding times the secret, an eighth of what the flood leaves aside.
        let spare = 1024.0 * 0.87 - 8.0;
        assert!(spare * spare / (2.0 * n / 4.0) * std::f64::consts::LOG2_E > 120.0, "Hoeffding's bound");
    }

    #[test]
    fn numbers_of_any_width_find_a_set_with_room_for_their_mask() {
        for bits in 1..=256 {
            let (set, groups) = SlotSet::for_bits(bits);
            assert!(bits + STATISTICAL_SECURITY as u32 <= set.bits() * groups as u32, "{bits} bits");
        }
        assert_eq!(SlotSet::for_bits(86), (&SLOTS_126, 1));
        assert_eq!(SlotSet::for_bits(128), (&SLOTS_168, 1));
    }

    #[test]
    fn the_trees_cover_the_offset_exactly() {
        assert_eq!(SOFTSPOKEN_TREES * SOFTSPOKEN_FIELD_BITS, COMPUTATIONAL_SECURITY);
    }

    #[test]
    fn the_polynomial_hash_misses_a_deviation_rarely_enough() {
        // A non-zero polynomial of degree n over GF(2^128) has at most n roots. The challenge is a hash of the
        // deviation itself, so the bound must hold against 2^64 attempts and still be statistical.
        let miss_log2 = (SOFTSPOKEN_MAX_BLOCKS + 1).ilog2() as i64 + 1 - 128;
        assert!(miss_log2 + 64 <= -(STATISTICAL_SECURITY as i64));
    }

    #[test]
    fn alignment_tags_collide_rarely_enough() {
        let pairs_log2 = 2 * (2 * ALIGN_MAX_ELEMENTS).ilog2() as i64 - 1;
        assert!(pairs_log2 - 8 * ALIGN_TAG_BYTES as i64 <= -(STATISTICAL_SECURITY as i64));
    }

    #[test]
    fn a_lane_ends_before_its_cipher_wears_out() {
        let blocks_log2 = i64::from(CHANNEL_MAX_FRAMES.ilog2()) + 12;
        assert!(2 * blocks_log2 - 129 <= -(STATISTICAL_SECURITY as i64));
    }
}
