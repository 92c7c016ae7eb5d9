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

/// Blocks of 128 transfers that one extension makes at least, so that the fixed 2 KiB of a check stay below a tenth.
pub const SOFTSPOKEN_MIN_BLOCKS: usize = 64;

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
