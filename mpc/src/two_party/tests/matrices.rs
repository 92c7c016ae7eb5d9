//! Matrix products by encryption against the interpreter, and what they cost.

use super::*;

/// The keys of matrix products by encryption in this test.
const MATRIX_KEYS: KeySize = KeySize { limbs: 7, packed_limbs: 7, levels: 14 };

/// Whether the run cost what was counted, of a cost by encryption whose keys were there.
fn assert_cost_by_encryption<T>(run: &Run<T>, cost: Cost, what: &str) {
    assert!(cost.batches > 0, "{what} goes by encryption");
    let needed = cost.key_sizes[0].max(cost.key_sizes[1]);
    assert_eq!(needed.max(MATRIX_KEYS), MATRIX_KEYS, "{what} finds the keys that it needs");
    let [zero, one] = run.traffic;
    assert_eq!([zero.sent, one.sent], cost.sent, "bytes of {what}");
    assert_eq!(run.used, cost.offered, "transfers of {what}");
}

#[test]
fn matrix_products_by_encryption_are_those_of_the_interpreter_and_cost_what_was_counted() {
    fn check<R: Ring>(keys: &mut [Lattice; 2], shape: [usize; 3], p: Placement, q: Placement, bits: (u32, u32)) {
        let [rows, inner, columns] = shape;
        let shape = MatrixShape { rows, inner, columns };
        let (a, b) = (values::<R>(rows * inner, bits.0, 3), values::<R>(inner * columns, bits.1, 4));
        let expected = crate::clear::local_matrix_product(&a, &b, shape);
        let run = run_with(keys, 5, |engine| {
            let (a, b) = (part(engine, p, &a, 1), part(engine, q, &b, 2));
            engine.matrix_multiply(&a, &b, shape, bits, None).expect("the peer is honest")
        });
        assert!(join(&[&run.results[0], &run.results[1]]) == expected, "{shape:?}");
        let cost = cost::matrix_multiply::<R>(shape, p, q, bits, None, &mut Means::default());
        assert_cost_by_encryption(&run, cost, &format!("{shape:?}"));
    }
    let mut keys = lattice::session_of(MATRIX_KEYS, 4);
    let (shared, private) = (Placement::Shared, Placement::Private(PartyId::ZERO));
    check::<u64>(&mut keys, [300, 100, 1], shared, shared, (21, 21));
    check::<u64>(&mut keys, [16, 5000, 16], shared, private, (25, 30));
    check::<u64>(&mut keys, [64, 64, 64], Placement::Private(PartyId::ONE), private, (21, 21));
    check::<u64>(&mut keys, [20, 700, 30], shared, shared, (32, 32));
    check::<u128>(&mut keys, [64, 64, 64], shared, shared, (45, 45));
    check::<u128>(&mut keys, [300, 100, 1], shared, private, (60, 55));
}

#[test]
fn a_factor_of_many_products_is_encrypted_once() {
    const PRODUCTS: u32 = 20;
    fn check<R: Ring>(keys: &mut [Lattice; 2], shape: MatrixShape, bits: u32, left: bool) {
        let MatrixShape { rows, inner, columns } = shape;
        let shared = Placement::Shared;
        let (a, b) = (values::<R>(rows * inner, bits, 3), values::<R>(inner * columns, bits, 4));
        let expected = crate::clear::local_matrix_product(&a, &b, shape);
        let repeat = Repeat { group: 7, left, products: PRODUCTS };
        let run = run_with(keys, 6, |engine| {
            let (a, b) = (part(engine, shared, &a, 1), part(engine, shared, &b, 2));
            let mut product = |_| engine.matrix_multiply(&a, &b, shape, (bits, bits), Some(repeat));
            (0..PRODUCTS).map(|i| product(i).expect("the peer is honest")).collect::<Vec<_>>()
        });
        for (zero, one) in run.results[0].iter().zip(&run.results[1]) {
            assert!(join(&[zero, one]) == expected, "{shape:?}");
        }
        let mut means = Means::default();
        let mut count = |repeat| cost::matrix_multiply::<R>(shape, shared, shared, (bits, bits), repeat, &mut means);
        let alone = count(None);
        let costs: Vec<Cost> = (0..PRODUCTS).map(|_| count(Some(repeat))).collect();
        assert!(costs[1].bytes() < alone.bytes() && costs[1].rounds <= alone.rounds, "{:?} {alone:?}", costs[1]);
        assert!(costs[0].bytes() > costs[1].bytes() && costs[2..].iter().all(|cost| *cost == costs[1]));
        assert_cost_by_encryption(&run, costs.into_iter().sum(), &format!("{PRODUCTS} of {shape:?}"));
    }
    let mut keys = lattice::session_of(MATRIX_KEYS, 8);
    check::<u64>(&mut keys, MatrixShape { rows: 3000, inner: 10, columns: 1 }, 28, true);
    check::<u64>(&mut keys, MatrixShape { rows: 1, inner: 3000, columns: 10 }, 25, false);
    check::<u128>(&mut keys, MatrixShape { rows: 2000, inner: 12, columns: 1 }, 45, true);
}
