//! Matrix products that have a factor in common: its ciphertexts serve all of them.
//!
//! Products form a group where one encryption of the factor serves each: it stands on one side of all, in one shape, and
//! what it is multiplied by has one width and one placement, since these decide how and by whom it is encrypted. Widths
//! that differ by little, as those of values whose error grows from step to step, are brought to the widest.

use std::collections::BTreeMap;

use super::step::{RingOp, Step, ValueId};
use crate::backend::Repeat;
use crate::share::Placement;

/// Groups whose ciphertexts are kept at most: bounds memory.
const MOST_GROUPS: usize = 4;
/// Widths of other factors that are brought together: those of one multiple of so many bits.
const WIDTHS: u32 = 4;

/// What one encryption of a factor is for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Group {
    factor: ValueId,
    left: bool,
    /// The factor's width, and the other's in multiples of [`WIDTHS`].
    bits: [u32; 2],
    shape: [usize; 3],
    /// Who knows the other factor: nobody, or a party.
    known_to: Option<u8>,
}

impl Group {
    fn of(op: &RingOp, left: bool, placements: &[Placement]) -> Option<Self> {
        let RingOp::MatrixMultiply { factors, bits, shape, .. } = op else { return None };
        let (own, other) = if left { (0, 1) } else { (1, 0) };
        let known_to = match placements[factors[other].index()] {
            Placement::Private(party) => Some(party.0),
            Placement::Public | Placement::Shared => None,
        };
        let bits = [bits[own], bits[other].div_ceil(WIDTHS)];
        Some(Self { factor: factors[own], left, bits, shape: *shape, known_to })
    }

    /// What encrypting the factor once saves.
    fn saved(&self, products: u32) -> u128 {
        let [rows, inner, columns] = self.shape.map(|size| size as u128);
        u128::from(products - 1) * inner * if self.left { rows } else { columns }
    }
}

/// Tells matrix products that have a factor in common which it is: of two the one that more products have.
pub(super) fn name(steps: &mut [Step]) {
    let placements: Vec<Placement> = steps.iter().map(|step| step.placement).collect();
    let mut products: BTreeMap<Group, u32> = BTreeMap::new();
    for group in steps.iter().flat_map(|step| [true, false].map(|left| Group::of(&step.op, left, &placements))) {
        group.into_iter().for_each(|group| *products.entry(group).or_default() += 1);
    }
    let chosen = |op: &RingOp, of: &dyn Fn(&Group) -> Option<u32>| {
        let groups = [false, true].into_iter().filter_map(|left| Group::of(op, left, &placements));
        groups.filter_map(|group| Some((of(&group)?, group))).max_by_key(|(products, _)| *products)
    };
    // Those that several choose, and of these the ones that save most.
    let mut choices: BTreeMap<Group, u32> = BTreeMap::new();
    for (_, group) in steps.iter().filter_map(|step| chosen(&step.op, &|group| products.get(group).copied())) {
        *choices.entry(group).or_default() += 1;
    }
    let mut kept: Vec<(Group, u32)> = choices.into_iter().filter(|(_, products)| *products > 1).collect();
    kept.sort_by_key(|(group, products)| (std::cmp::Reverse(group.saved(*products)), *group));
    kept.truncate(MOST_GROUPS);
    let place = |group: &Group| kept.iter().position(|(kept, _)| kept == group);
    let members = |op: &RingOp| {
        let (_, group) = chosen(op, &|group| products.get(group).copied())?;
        place(&group)
    };
    let mut widest = vec![0; kept.len()];
    for step in &*steps {
        if let (Some(place), RingOp::MatrixMultiply { bits, .. }) = (members(&step.op), &step.op) {
            let other = bits[usize::from(kept[place].0.left)];
            widest[place] = widest[place].max(other);
        }
    }
    for step in steps {
        let Some(place) = members(&step.op) else { continue };
        if let RingOp::MatrixMultiply { bits, repeat, .. } = &mut step.op {
            let (Group { left, .. }, products) = kept[place];
            bits[usize::from(left)] = widest[place];
            *repeat = Some(Repeat { group: u32::try_from(place).expect("few groups"), left, products });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::step::Kind;
    use tacit_protocol::PartyId;

    const SHARED: Placement = Placement::Shared;

    fn value(placement: Placement) -> Step {
        Step { op: RingOp::Fill(0), kind: Kind::Words, len: 0, placement, node: None }
    }

    fn product(factors: [u32; 2], bits: [u32; 2], shape: [usize; 3]) -> Step {
        let op = RingOp::MatrixMultiply { factors: factors.map(ValueId), bits, shape, repeat: None };
        Step { op, kind: Kind::Words, len: 0, placement: SHARED, node: None }
    }

    /// The group and the width of the other factor of each product.
    fn named(mut steps: Vec<Step>) -> Vec<Option<(Repeat, u32)>> {
        name(&mut steps);
        let products = steps.iter().filter_map(|step| match &step.op {
            RingOp::MatrixMultiply { bits, repeat, .. } => Some(repeat.map(|r| (r, bits[usize::from(r.left)]))),
            _ => None,
        });
        products.collect()
    }

    #[test]
    fn a_factor_on_both_sides_is_two_groups() {
        let shape = [8, 8, 8];
        let pairs = [[1, 0], [0, 2], [3, 0], [0, 4]];
        let inputs = (0..5).map(|_| value(SHARED));
        let found = named(inputs.chain(pairs.map(|pair| product(pair, [20, 20], shape))).collect());
        let repeats: Vec<Repeat> = found.into_iter().map(|found| found.expect("in a group").0).collect();
        assert_eq!((repeats[0], repeats[1]), (repeats[2], repeats[3]));
        assert!(repeats[0].group != repeats[1].group && !repeats[0].left && repeats[1].left);
        assert!(repeats.iter().all(|repeat| repeat.products == 2));
    }

    #[test]
    fn what_one_encryption_does_not_serve_is_apart() {
        let party = |party| value(Placement::Private(PartyId(party)));
        let inputs = vec![value(SHARED), value(SHARED), value(SHARED), party(0), party(0), party(1)];
        let products = [
            ([0, 1], [20, 20], [9, 9, 1]),
            ([0, 2], [20, 18], [9, 9, 1]),
            // A wider factor, another shape, and those that one party knows.
            ([0, 1], [20, 30], [9, 9, 1]),
            ([0, 1], [20, 20], [9, 9, 2]),
            ([0, 3], [20, 20], [9, 9, 1]),
            ([0, 4], [20, 20], [9, 9, 1]),
            ([0, 5], [20, 20], [9, 9, 1]),
        ];
        let steps = inputs.into_iter().chain(products.map(|(factors, bits, shape)| product(factors, bits, shape)));
        let found = named(steps.collect());
        let group = |place: usize| found[place].map(|(repeat, _)| repeat.group);
        assert!(group(0).is_some() && group(0) == group(1));
        assert!(group(4).is_some() && group(4) == group(5) && group(4) != group(0));
        assert_eq!([2, 3, 6].map(group), [None; 3]);
        // The widest of both.
        assert_eq!([0, 1].map(|place| found[place].map(|(_, other)| other)), [Some(20); 2]);
    }

    #[test]
    fn the_groups_that_save_most_are_kept() {
        let inputs = (0..20).map(|_| value(SHARED));
        let products = (0..6_u32).flat_map(|factor| {
            let shape = [4 + factor as usize, 16, 1];
            [0, 1].map(|other| product([factor, 6 + 2 * factor + other], [20, 20], shape))
        });
        let found = named(inputs.chain(products).collect());
        let named: Vec<bool> = found.iter().map(Option::is_some).collect();
        assert_eq!(named, [[false; 4].as_slice(), &[true; 8]].concat());
    }
}
