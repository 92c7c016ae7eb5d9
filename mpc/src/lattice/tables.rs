//! The constants of a set of slots: what changes of base multiply by.

use std::sync::OnceLock;

use super::cost::Size;
use super::drop::Drop;
use super::modular::{invert, multiply, negate, power, product_modulo, reciprocals};
use crate::params::{LATTICE_LIMB_BITS, LATTICE_LIMBS, SLOT_PRIME_BITS, SLOT_PRIMES, SLOTS_126, SlotSet};

/// Bits of the digits of words and masks.
pub(super) const DIGIT: u32 = SLOT_PRIME_BITS;

/// The constants of the ciphertexts that carry one group of slot primes.
pub(super) struct Group {
    /// The first of its slot primes.
    pub(super) first: usize,
    /// For each slot prime and digit: what digits count there, scaled so that the coefficients are those of the lift.
    pub(super) digits: Vec<Vec<u64>>,
    /// `1 / prime` of each slot prime.
    pub(super) reciprocals: Vec<f64>,
    /// For each limb: what the coefficients of each slot prime count there, and last the group's product.
    pub(super) lift: Vec<Vec<u64>>,
    /// For each limb: what the digits of the flood count there.
    pub(super) flood: Vec<Vec<u64>>,
    /// The switch to the answer's limbs.
    pub(super) switch: Drop,
    /// For each kept limb: its scale before slots are read.
    pub(super) kept: Vec<u64>,
    /// `1 / limb` of each kept limb.
    pub(super) kept_reciprocals: Vec<f64>,
    /// For each slot prime: the factors of each kept limb and of the quotient; slots come out scaled as [`Carrier::weights`]
    /// wants them.
    pub(super) slots: Vec<Vec<u64>>,
}

/// What carries the numbers of a batch: a set, its groups of slot primes and the constants of both.
pub(crate) struct Carrier {
    /// The set, and the sizes that follow.
    pub(crate) size: Size,
    /// By group.
    pub(super) groups: Vec<Group>,
    /// What the slot of each prime counts in the number, modulo `2^128`.
    pub(super) weights: Vec<u128>,
    /// The product of all slot primes, modulo `2^128`.
    pub(super) product: u128,
    /// `1 / prime` of each slot prime.
    pub(super) reciprocals: Vec<f64>,
}

impl Carrier {
    /// That of a size as [`Size::new`] has it, made once.
    pub(crate) fn of(size: Size) -> &'static Self {
        static CARRIERS: [[OnceLock<Carrier>; 2]; 2] = [const { [const { OnceLock::new() }; 2] }; 2];
        let wide = size.set.slots > SLOTS_126.slots;
        CARRIERS[usize::from(wide)][size.groups - 1].get_or_init(|| Self::new(size))
    }

    /// That of a size.
    pub(crate) fn new(size: Size) -> Self {
        let Size { set, groups } = size;
        let firsts = (0..groups).map(|group| group * SLOT_PRIMES.len() / 2);
        let all: Vec<u64> = firsts.clone().flat_map(|first| &SLOT_PRIMES[first..first + set.slots]).copied().collect();
        let weight = |without: Option<u64>| {
            let factors = all.iter().filter(|prime| Some(**prime) != without);
            factors.fold(1_u128, |product, prime| product.wrapping_mul(u128::from(*prime)))
        };
        Self {
            size,
            groups: firsts.map(|first| Group::new(set, first, &all)).collect(),
            weights: all.iter().map(|prime| weight(Some(*prime))).collect(),
            product: weight(None),
            reciprocals: reciprocals(&all),
        }
    }
}

impl Group {
    fn new(set: &SlotSet, first: usize, all: &[u64]) -> Self {
        let primes = &SLOT_PRIMES[first..first + set.slots];
        let limbs = &LATTICE_LIMBS[..set.limbs];
        let (kept, dropped) = limbs.split_at(set.kept);
        let digits = |prime: u64| {
            let scale = invert(product_modulo(primes, Some(prime), prime), prime);
            let count = |place: usize| multiply(power(2, place as u64 * u64::from(DIGIT), prime), scale, prime);
            (0..all.len()).map(count).collect()
        };
        let lift = |limb: u64| {
            let parts = primes.iter().map(|prime| product_modulo(primes, Some(*prime), limb));
            parts.chain([product_modulo(primes, None, limb)]).collect()
        };
        let flood = |limb: u64| {
            let product = product_modulo(primes, None, limb);
            let count = |place: u32| multiply(power(2, u64::from(place * LATTICE_LIMB_BITS), limb), product, limb);
            (0..set.flood_bits.div_ceil(LATTICE_LIMB_BITS)).map(count).collect()
        };
        let to_slots = |prime: u64| {
            // The switch divided by the dropped limbs, and the number is put together with a scale of its own.
            let undo = multiply(
                product_modulo(dropped, None, prime),
                invert(product_modulo(all, Some(prime), prime), prime),
                prime,
            );
            let part = |without| multiply(product_modulo(kept, without, prime), undo, prime);
            let parts = kept.iter().map(|limb| part(Some(*limb)));
            parts.chain([negate(part(None), prime)]).collect()
        };
        Self {
            first,
            digits: primes.iter().map(|prime| digits(*prime)).collect(),
            reciprocals: reciprocals(primes),
            lift: limbs.iter().map(|limb| lift(*limb)).collect(),
            flood: limbs.iter().map(|limb| flood(*limb)).collect(),
            switch: Drop::new(kept, dropped, |limb| product_modulo(primes, None, limb)),
            kept: kept.iter().map(|limb| invert(product_modulo(kept, Some(*limb), *limb), *limb)).collect(),
            kept_reciprocals: reciprocals(kept),
            slots: primes.iter().map(|prime| to_slots(*prime)).collect(),
        }
    }
}
