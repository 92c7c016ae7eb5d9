//! The constants of a set of slots: what changes of base multiply by.

use crate::params::{LATTICE_LIMB_BITS, LATTICE_LIMBS, SLOT_PRIME_BITS, SLOT_PRIMES, SlotSet};

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
    /// For each dropped limb: its scale before the switch.
    pub(super) dropped: Vec<u64>,
    /// `1 / limb` of each dropped limb.
    pub(super) dropped_reciprocals: Vec<f64>,
    /// For each kept limb: the factors of the limb itself, of each dropped limb, and of the quotient.
    pub(super) switch: Vec<Vec<u64>>,
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
    /// The set.
    pub(super) set: &'static SlotSet,
    /// By group.
    pub(super) groups: Vec<Group>,
    /// What the slot of each prime counts in the number, modulo `2^128`.
    pub(super) weights: Vec<u128>,
    /// The product of all slot primes, modulo `2^128`.
    pub(super) product: u128,
    /// `1 / prime` of each slot prime.
    pub(super) reciprocals: Vec<f64>,
}

/// A product of primes, less one of them.
fn product_modulo(primes: &[u64], without: Option<u64>, modulo: u64) -> u64 {
    let factors = primes.iter().filter(|prime| Some(**prime) != without);
    factors.fold(1 % modulo, |product, factor| multiply(product, factor % modulo, modulo))
}

fn multiply(a: u64, b: u64, modulo: u64) -> u64 {
    (u128::from(a) * u128::from(b) % u128::from(modulo)) as u64
}

fn power(base: u64, exponent: u64, modulo: u64) -> u64 {
    let square = |root: u64| multiply(root, root, modulo);
    match exponent {
        0 => 1,
        _ if exponent % 2 == 0 => square(power(base, exponent / 2, modulo)),
        _ => multiply(base, power(base, exponent - 1, modulo), modulo),
    }
}

/// The inverse modulo a prime.
fn invert(a: u64, prime: u64) -> u64 {
    power(a, prime - 2, prime)
}

fn negate(a: u64, prime: u64) -> u64 {
    if a == 0 { 0 } else { prime - a }
}

fn reciprocals(primes: &[u64]) -> Vec<f64> {
    primes.iter().map(|prime| 1.0 / *prime as f64).collect()
}

impl Carrier {
    /// For sums of products that have so many bits, as signed numbers.
    pub(crate) fn new(product_bits: u32) -> Self {
        let (set, groups) = SlotSet::for_bits(product_bits);
        let firsts = (0..groups).map(|group| group * SLOT_PRIMES.len() / 2);
        let all: Vec<u64> = firsts.clone().flat_map(|first| &SLOT_PRIMES[first..first + set.slots]).copied().collect();
        let weight = |without: Option<u64>| {
            let factors = all.iter().filter(|prime| Some(**prime) != without);
            factors.fold(1_u128, |product, prime| product.wrapping_mul(u128::from(*prime)))
        };
        Self {
            set,
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
        let scale = |limb: u64| {
            let factor = multiply(product_modulo(dropped, Some(limb), limb), product_modulo(primes, None, limb), limb);
            invert(factor, limb)
        };
        // A limb less what the dropped ones tell, which is a multiple of the slot primes' product, over the dropped ones.
        let switch = |limb: u64| {
            let slots = product_modulo(primes, None, limb);
            let of = |dropped: &u64| negate(multiply(slots, invert(dropped % limb, limb), limb), limb);
            let own = invert(product_modulo(dropped, None, limb), limb);
            [own].into_iter().chain(dropped.iter().map(of)).chain([slots]).collect()
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
            dropped: dropped.iter().map(|limb| scale(*limb)).collect(),
            dropped_reciprocals: reciprocals(dropped),
            switch: kept.iter().map(|limb| switch(*limb)).collect(),
            kept: kept.iter().map(|limb| invert(product_modulo(kept, Some(*limb), *limb), *limb)).collect(),
            kept_reciprocals: reciprocals(kept),
            slots: primes.iter().map(|prime| to_slots(*prime)).collect(),
        }
    }
}
