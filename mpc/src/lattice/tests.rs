//! Batches of products against whole numbers, their shares against the uniform distribution, and their noise.

use std::thread;

use rand_chacha::{ChaCha8Rng, ChaCha20Rng};
use rand_core::{Rng, SeedableRng};
use tacit_protocol::PartyId;

use super::product::fractions;
use super::{
    Carrier, KeySize, KeySizes, Lattice, Layout, Operand, SLOTS, Size, decrypt, decrypt_matrix, encrypt,
    encrypt_matrix, evaluate, evaluate_matrix, read_matrix,
};
use crate::backend::MatrixShape;
use crate::channel::{Channel, pair};
use crate::clear::local_matrix_product;
use crate::error::Error;
use crate::params::{LATTICE_LIMBS, SLOT_PRIMES, SlotSet};
use crate::ring::Ring;

/// The keys of both parties, exchanged.
pub(crate) fn session(limbs: usize, seed: u64) -> [Lattice; 2] {
    session_of(KeySize { limbs, ..KeySize::default() }, seed)
}

/// The same with keys that pack.
pub(crate) fn session_of(size: KeySize, seed: u64) -> [Lattice; 2] {
    let (mut zero, mut one) = pair();
    let side = |party: PartyId, channel: &mut dyn Channel| {
        let mut rng = ChaCha20Rng::seed_from_u64(seed.rotate_left(1) ^ u64::from(party.0));
        Lattice::establish(channel, party, KeySizes([size; 2]), &mut rng).expect("the peer is honest")
    };
    thread::scope(|scope| {
        let other = scope.spawn(|| side(PartyId::ONE, &mut one));
        [side(PartyId::ZERO, &mut zero), other.join().expect("the other party finishes")]
    })
}

fn words<R: Ring>(seed: u64) -> Vec<R> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut words: Vec<R> =
        (0..SLOTS).map(|_| R::from_u128(u128::from(rng.next_u64()) << 64 | u128::from(rng.next_u64()))).collect();
    let edges = [0, 1, u128::MAX, 1 << 127, (1 << 127) - 1, 1 << 63, (1 << 63) - 1, 1 << 39, (1 << 39) - 1];
    for (i, word) in words.iter_mut().take(81).enumerate() {
        *word = R::from_u128(edges[if seed.is_multiple_of(2) { i % 9 } else { i / 9 }]);
    }
    words
}

/// A batch by the first party, answered by the second: both shares.
fn batch<R: Ring>(
    [zero, one]: &mut [Lattice; 2],
    bits: u32,
    encrypted: &[Operand<'_, R>],
    own: &[Operand<'_, R>],
) -> [Vec<R>; 2] {
    let carrier = Carrier::new(Size::new(bits));
    let random = zero.random();
    let message = encrypt(&carrier, zero.secret(), random, encrypted);
    assert_eq!(message.len(), carrier.size.sent_up(own.len()));
    let random = one.random();
    let (answer, share) = evaluate(&carrier, one.peer(), random, &message, own).expect("ciphertexts");
    assert_eq!(answer.len(), carrier.size.sent_down());
    [decrypt(&carrier, zero.secret(), &answer).expect("ciphertexts"), share]
}

fn signed<R: Ring>(word: R, bits: u32) -> R {
    R::from_i128((word.to_u128() << (128 - bits)) as i128 >> (128 - bits))
}

fn products_of_one_width<R: Ring>(keys: &mut [Lattice; 2], bits: u32) {
    let [a0, b0, a1, b1]: [Vec<R>; 4] = [1, 2, 3, 4].map(words);
    let of = |words| Operand { words, bits };
    let shares = batch(keys, 2 * bits, &[of(&a0), of(&b0)], &[of(&b1), of(&a1)]);
    for i in 0..SLOTS {
        let product = |a: &[R], b: &[R]| signed(a[i], bits).mul(signed(b[i], bits));
        let expected = product(&a0, &b1).add(product(&b0, &a1));
        assert_eq!(shares[0][i].add(shares[1][i]), expected, "{bits} bits, element {i}");
    }
}

#[test]
fn shares_add_up_to_the_products_at_every_width() {
    let mut keys = session(9, 1);
    for bits in [1, 20, 43, 44, 64] {
        products_of_one_width::<u64>(&mut keys, bits);
    }
    for bits in [43, 64, 106, 107, 128] {
        products_of_one_width::<u128>(&mut keys, bits);
    }
}

#[test]
fn a_short_batch_of_one_product_of_two_widths_is_right_too() {
    let mut keys = session(7, 2);
    let (a, b) = (words::<u64>(5), words::<u64>(6));
    let shares = batch(
        &mut keys,
        25 + 52 - 1,
        &[Operand { words: &a[..100], bits: 25 }],
        &[Operand { words: &b[..100], bits: 52 }],
    );
    for i in 0..SLOTS {
        let expected = if i < 100 { signed(a[i], 25).mul(signed(b[i], 52)) } else { 0 };
        assert_eq!(shares[0][i].wrapping_add(shares[1][i]), expected, "element {i}");
    }
}

/// A product by encryption of words of which `width` bits count.
fn matrix_product_of_one_width<R: Ring>(keys: &mut [Lattice; 2], shape: MatrixShape, width: u32) {
    let layout = Layout::cheapest(shape, width, 5000, 1).expect("small enough");
    let needed = layout.key_size();
    assert!(needed.levels <= 8 && needed.limbs <= 7, "{layout:?}");
    let (a, b) = (words::<R>(8), words::<R>(9));
    let cut = |words: &[R], n: usize| words.iter().cycle().take(n).copied().collect::<Vec<R>>();
    let (a, b) = (cut(&a, shape.rows * shape.inner), cut(&b[100..], shape.inner * shape.columns));
    let [zero, one] = keys;
    let random = zero.random();
    let message = encrypt_matrix(&layout, zero.secret(), random, &b);
    assert_eq!(message.len(), layout.sent_up());
    let random = one.random();
    let encrypted = read_matrix(&layout, &message).expect("ciphertexts");
    let (answer, share) = evaluate_matrix(&layout, one.peer(), random, &encrypted, &a);
    assert_eq!(answer.len(), layout.sent_down());
    let other: Vec<R> = decrypt_matrix(&layout, zero.secret(), &answer);
    let expected = local_matrix_product(&a, &b, shape);
    for (i, expected) in expected.iter().enumerate() {
        assert_eq!(share[i].add(other[i]).low(width), expected.low(width), "{layout:?}, entry {i}");
    }
}

#[test]
fn matrix_products_are_those_of_the_ring_at_every_shape_and_width() {
    let mut keys = session_of(KeySize { limbs: 7, packed_limbs: 7, levels: 8 }, 3);
    let shape = |rows, inner, columns| MatrixShape { rows, inner, columns };
    let shapes = [shape(1, 1, 1), shape(300, 100, 1), shape(7, 33, 129), shape(40, 200, 3)];
    for (shape, width) in shapes.into_iter().zip([64, 52, 1, 20]) {
        matrix_product_of_one_width::<u64>(&mut keys, shape, width);
    }
    for (shape, width) in shapes.into_iter().zip([124, 65, 90, 34]) {
        matrix_product_of_one_width::<u128>(&mut keys, shape, width);
    }
}

/// Chi-square of bytes against the uniform distribution, passed with probability 1 - 2^-20 by uniform ones.
fn assert_uniform_bytes(bytes: &[u8], what: &str) {
    let mut counts = [0_u64; 256];
    bytes.iter().for_each(|byte| counts[usize::from(*byte)] += 1);
    let expected = bytes.len() as f64 / 256.0;
    let chi: f64 = counts.iter().map(|count| (*count as f64 - expected).powi(2) / expected).sum();
    assert!(chi < 372.0, "{what}: {chi}");
}

#[test]
fn messages_are_uniform_whatever_the_operands_are() {
    let mut keys = session_of(KeySize { limbs: 9, packed_limbs: 7, levels: 5 }, 4);
    let [zero, one] = &mut keys;
    for value in [0, 1, u64::MAX] {
        let words = vec![value; SLOTS];
        let carrier = Carrier::new(Size::new(104));
        let operand = [Operand { words: &words, bits: 52 }];
        let random = zero.random();
        let message = encrypt(&carrier, zero.secret(), random, &operand);
        assert_uniform_bytes(&message, "encrypted operands");
        let random = one.random();
        let (answer, _) = evaluate(&carrier, one.peer(), random, &message, &operand).expect("ciphertexts");
        assert_uniform_bytes(&answer, "answers");

        for width in [50, 110] {
            let shape = MatrixShape { rows: 32, inner: 32, columns: 32 };
            let layout = Layout::cheapest(shape, width, 5000, 1).expect("small enough");
            let words: Vec<u128> = words[..1024].iter().map(|word| i128::from(*word as i64) as u128).collect();
            let random = zero.random();
            let message = encrypt_matrix(&layout, zero.secret(), random, &words);
            assert_uniform_bytes(&message, "encrypted matrices");
            let random = one.random();
            let encrypted = read_matrix(&layout, &message).expect("ciphertexts");
            let (answer, _) = evaluate_matrix(&layout, one.peer(), random, &encrypted, &words);
            assert_uniform_bytes(&answer, "answers of matrix products");
        }
    }
}

/// The set of numbers of 126 bits with another flood, and without a switch.
const fn reduced(limbs: usize, flood_bits: u32) -> SlotSet {
    SlotSet { name: "reduced", slots: 3, limbs, kept: limbs, flood_bits }
}

/// What is over the product of the limbs in an answer's noise, at most and as a root mean square.
fn noise(carrier: &Carrier, keys: &mut [Lattice; 2], bits: u32) -> [f64; 2] {
    let [zero, one] = keys;
    let [a0, b0, a1, b1]: [Vec<u64>; 4] = [11, 12, 13, 14].map(words);
    let of = |words| Operand { words, bits };
    let random = zero.random();
    let message = encrypt(carrier, zero.secret(), random, &[of(&a0), of(&b0)]);
    let random = one.random();
    let (answer, _) = evaluate(carrier, one.peer(), random, &message, &[of(&b1), of(&a1)]).expect("ciphertexts");
    let shares = fractions(carrier, zero.secret(), &answer);
    let square = shares.iter().map(|share| share * share).sum::<f64>() / shares.len() as f64;
    [shares.iter().fold(0.0, |most: f64, share| most.max(share.abs())), square.sqrt()]
}

#[test]
fn the_noise_of_products_is_what_the_flood_is_made_for() {
    // With hardly a flood, and a modulus as small as the noise can be seen against.
    static SET: SlotSet = reduced(6, 2);
    let mut keys = session(9, 6);
    let [most, root] = noise(&Carrier::new(Size { set: &SET, groups: 1 }), &mut keys, 40);
    let slots: f64 = SLOT_PRIMES[..3].iter().map(|prime| (*prime as f64).log2()).sum();
    let modulus: f64 = LATTICE_LIMBS[..6].iter().map(|prime| (*prime as f64).log2()).sum();
    // Errors of variance 10.5 by factors that are uniform modulo the slots' product, two products of so many terms.
    let expected = 2.0 * slots + (10.5 * 2.0 * SLOTS as f64 / 12.0).log2() / 2.0;
    assert!((root.log2() + modulus - expected).abs() < 0.3, "{} against {expected}", root.log2() + modulus);
    assert!(most < 8.0 * root, "{most} against {root}: no coefficient is far off");
}

#[test]
fn answers_have_the_noise_that_the_failure_bound_is_for() {
    let mut keys = session(9, 7);
    for (bits, rounding) in [(43, 12.0), (64, 16.0)] {
        let [most, root] = noise(&Carrier::new(Size::new(2 * bits)), &mut keys, bits);
        // The flood has an eighth of the modulus on each side and is uniform; the rounding times the secret adds to it.
        let flood: f64 = 0.125 / 3f64.sqrt();
        let rounded = (SLOTS as f64 / 18.0).sqrt() / f64::exp2(rounding);
        let expected = flood.hypot(rounded);
        assert!((root / expected - 1.0).abs() < 0.03, "{bits} bits: {root} against {expected}");
        assert!(most < 0.125 + 6.0 * rounded && most > 0.12, "{bits} bits: {most} of the 0.5 that there are");
    }
}

#[test]
fn what_is_no_ciphertext_is_refused_chk_602() {
    let mut keys = session_of(KeySize { limbs: 7, packed_limbs: 4, levels: 5 }, 8);
    let [zero, one] = &mut keys;
    let words = vec![3_u64; SLOTS];
    let (carrier, operand) = (Carrier::new(Size::new(80)), [Operand { words: &words, bits: 40 }]);
    let refused = |error: Option<Error>| {
        let error = error.expect("refused");
        let Error::Deviation { code, .. } = &error else { panic!("{error}") };
        assert_eq!(code.as_str(), "PROTOCOL_CIPHERTEXT");
    };
    // All ones are above every limb, behind the seed and at the end.
    let spoiled = |message: &[u8], at: usize| {
        let mut message = message.to_vec();
        message[at..at + 512].fill(0xff);
        message
    };
    let random = zero.random();
    let message = encrypt(&carrier, zero.secret(), random, &operand);
    for at in [16, message.len() - 512] {
        let random = one.random();
        refused(evaluate(&carrier, one.peer(), random, &spoiled(&message, at), &operand).err());
    }
    let random = one.random();
    let (answer, _) = evaluate(&carrier, one.peer(), random, &message, &operand).expect("a ciphertext");
    for at in [0, answer.len() - 512] {
        refused(decrypt::<u64>(&carrier, zero.secret(), &spoiled(&answer, at)).err());
    }
    let layout = Layout::cheapest(MatrixShape { rows: 32, inner: 32, columns: 32 }, 50, 5000, 1).expect("small enough");
    let random = zero.random();
    let message = encrypt_matrix(&layout, zero.secret(), random, &words[..1024]);
    refused(read_matrix(&layout, &spoiled(&message, 16)).err());
    // A key.
    let (mut honest, mut rogue) = pair();
    let size = KeySize { limbs: 7, packed_limbs: 4, levels: 1 };
    rogue.send(&vec![0xff; size.bytes()]).and_then(|()| rogue.flush()).expect("sent");
    let mut rng = ChaCha20Rng::seed_from_u64(9);
    let sizes = KeySizes([KeySize::default(), size]);
    refused(Lattice::establish(&mut honest, PartyId::ZERO, sizes, &mut rng).err());
}
