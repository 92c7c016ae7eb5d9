//! The ideal functionalities that tests hold the protocols against. Correlated OT: a key each for the sender, and for
//! the receiver that key plus its choice times the offset. Random OT: two messages that differ, and for the receiver
//! the one of its choice bit.

/// Asserts that what both parties hold are correlated transfers under an offset, and that no key occurs twice.
pub(crate) fn check_correlated(offset: u128, keys: &[u128], received: &[u128]) {
    assert_eq!(offset & 1, 1);
    assert_eq!(keys.len(), received.len());
    for (i, (key, received)) in keys.iter().zip(received).enumerate() {
        assert_eq!(key & 1, 0, "transfer {i}");
        let choice = received & 1;
        assert_eq!(*received, key ^ offset & 0u128.wrapping_sub(choice), "transfer {i}");
    }
    let mut keys = keys.to_vec();
    keys.sort_unstable();
    assert!(keys.windows(2).all(|pair| pair[0] != pair[1]), "a key occurs twice");
}

/// Asserts that what both parties hold are random transfers, and that no message occurs twice.
pub(crate) fn check_random(sent: &[[u128; 2]], choices: &[u64], received: &[u128]) {
    assert_eq!(sent.len(), received.len());
    assert_eq!(choices.len(), sent.len().div_ceil(64));
    for (i, (messages, chosen)) in sent.iter().zip(received).enumerate() {
        let bit = (choices[i / 64] >> (i % 64)) as usize & 1;
        assert_eq!(messages[bit], *chosen, "transfer {i}");
        assert_ne!(messages[1 - bit], *chosen, "transfer {i}");
    }
    if !sent.len().is_multiple_of(64) {
        assert_eq!(choices.last().expect("not empty") >> (sent.len() % 64), 0, "unused bits are 0");
    }
    let mut all: Vec<u128> = sent.iter().flatten().copied().collect();
    all.sort_unstable();
    assert!(all.windows(2).all(|pair| pair[0] != pair[1]), "a message occurs twice");
}
