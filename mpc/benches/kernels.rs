//! Times the kernels of silent transfers, of products by encryption and what is built on them, at each level of instructions that the machine has:
//! `cargo bench --profile ci -p tacit-mpc --bench kernels`. One thread. Prints the best and the median of many runs in
//! nanoseconds a unit: the best is what the kernel takes, the median shows what else the machine did.

use std::hint::black_box;
use std::time::Instant;

use tacit_mpc::hash::CorrelationRobust;
use tacit_mpc::prg::Prg;
use tacit_simd::{Code, Key, Level, Shape, TILE, Table, Transform, Words};

/// Leaves of a tree, as in the set `s11`.
const LEAVES: usize = 2048;

/// Runs timed for each figure.
const RUNS: usize = 60;

fn time(level: Level, what: &str, units: usize, mut run: impl FnMut()) {
    let mut nanoseconds: Vec<f64> = (0..RUNS)
        .map(|_| {
            let start = Instant::now();
            run();
            start.elapsed().as_nanos() as f64 / units as f64
        })
        .collect();
    nanoseconds.sort_by(f64::total_cmp);
    println!(
        "{:<10} {what:<44} {:>8.3} best {:>8.3} median",
        format!("{level:?}"),
        nanoseconds[0],
        nanoseconds[RUNS / 2]
    );
}

fn blocks(n: usize) -> Vec<u128> {
    let mut blocks = vec![0; n];
    Prg::new(1).fill(&mut blocks);
    blocks
}

/// The transforms and sums of products and changes of base of products by encryption, in 2^14 coefficients.
fn lattice(level: Level) {
    const N: usize = 1 << tacit_mpc::params::LATTICE_LOG2;
    /// Coefficients of a short polynomial.
    const SHORT: usize = 512;
    let prime = tacit_mpc::params::LATTICE_LIMBS[0];
    let transform = Transform::new(level, prime, N.ilog2());
    let polynomial = || {
        let mut words = Words::zeroed(N);
        blocks(N).iter().zip(words.iter_mut()).for_each(|(block, word)| *word = *block as u64 % prime);
        words
    };
    let [mut values, other, mut sums] = [(); 3].map(|()| polynomial());
    time(level, "transform forward, ns a coefficient", N, || transform.forward(&mut values));
    time(level, "transform backward, ns a coefficient", N, || transform.backward(&mut values));
    time(level, "forward from 512 coefficients, ns a value", N, || {
        for start in (0..N).step_by(SHORT) {
            transform.forward_part(SHORT, start, &mut values[..SHORT]);
        }
    });
    for pairs in [1, 16] {
        let what = format!("sum of {pairs} products mod p, ns a product");
        let (a, b) = (&other[..SHORT], &values[..SHORT]);
        time(level, &what, N, || {
            for _ in 0..N / SHORT / pairs {
                transform.modulus().add_products(&[(a, b); 16][..pairs], black_box(&mut sums[..SHORT]));
            }
        });
    }
    let input = bytemuck::cast_slice::<u64, i64>(&other);
    for terms in [1, 5] {
        time(level, &format!("change of base of {terms} limbs, ns a coefficient"), N, || {
            transform.modulus().combine(&[input; 5][..terms], &[prime - 5; 5][..terms], black_box(&mut sums));
        });
    }
}

fn main() {
    const REPEAT: usize = 16;
    for level in Level::ALL.into_iter().filter(|level| level.is_available()) {
        let key = Key::new(level, 2);
        let mut nodes = blocks(LEAVES);
        time(level, "tree, ns a leaf", REPEAT * LEAVES, || {
            for _ in 0..REPEAT {
                let mut parents = 2;
                while parents < LEAVES {
                    black_box(tacit_simd::expand(&key, &mut nodes, parents));
                    parents *= 2;
                }
            }
        });
        time(level, "puncturing, ns a leaf", REPEAT * LEAVES, || {
            for pair in 0..REPEAT {
                let mut width = 2;
                while width <= LEAVES {
                    tacit_simd::flip_pair(level, &mut nodes[..width], pair % (width / 2), [1, 2], !1);
                    width *= 2;
                }
            }
        });
        let weights = vec![0x1234_5678_9abc_def1; LEAVES];
        time(level, "weighted sum, ns a leaf", REPEAT * LEAVES, || {
            for _ in 0..REPEAT {
                black_box(tacit_simd::weigh(level, &nodes, &weights));
            }
        });
        for (set, log2) in [("s9", 16), ("s10", 17), ("s11", 18), ("s12", 19)] {
            let mut table = Table::zeroed(1 << log2);
            Prg::new(3).fill(&mut table);
            let code = Code::new(level, 4);
            time(level, &format!("code of {set} (2^{log2} blocks), ns a row"), REPEAT * LEAVES, || {
                for tree in 0..REPEAT {
                    code.add(&table, tree * LEAVES, &mut nodes, !1);
                }
            });
        }
        let mut packed = vec![0; LEAVES / 64];
        time(level, "packing a bit, ns a block", REPEAT * LEAVES, || {
            for place in 0..REPEAT {
                tacit_simd::pack_bits(level, &nodes, place as u32, &mut packed);
                black_box(&mut packed);
            }
        });
        let columns = blocks(128 * 64);
        let mut rows = vec![0; 128 * TILE];
        time(level, "transposition, ns a row", 128 * 64, || {
            for tile in 0..64 / TILE {
                tacit_simd::transpose(level, &columns, 64, tile * TILE, &mut rows);
                black_box(&mut rows);
            }
        });
        lattice(level);
        let shape = Shape { rows: 256, inner: 256, columns: 256 };
        let factor: Vec<u64> = blocks(256 * 256).into_iter().map(|word| word as u64).collect();
        time(level, "matrix product of u64, 256^3, ns a term", 256 * 256 * 256, || {
            black_box(tacit_simd::multiply_u64(level, &factor, &factor, shape));
        });
        let factor = blocks(256 * 256);
        time(level, "matrix product of u128, 256^3, ns a term", 256 * 256 * 256, || {
            black_box(tacit_simd::multiply_u128(level, &factor, &factor, shape));
        });
    }
    let hash = CorrelationRobust::new("bench", &[0; 32]);
    let mut pads = blocks(LEAVES);
    time(Level::detect(), "hash to pads, ns a block", REPEAT * LEAVES, || {
        for _ in 0..REPEAT {
            hash.hash(7, &mut pads);
        }
    });
}
