//! What a party does with keys and tags by itself.

use rand_core::CryptoRng;
use rayon::prelude::*;

use super::Tag;

/// A uniformly random order of `count` rows.
pub(super) fn permutation(count: usize, rng: &mut dyn CryptoRng) -> Vec<u32> {
    let mut order: Vec<u32> = (0..count as u32).collect();
    for last in (1..count).rev() {
        order.swap(last, below(last as u64 + 1, rng) as usize);
    }
    order
}

/// A uniform number below `bound`, by rejection.
fn below(bound: u64, rng: &mut dyn CryptoRng) -> u64 {
    let unbiased = u64::MAX - u64::MAX % bound;
    loop {
        let drawn = rng.next_u64();
        if drawn < unbiased {
            return drawn % bound;
        }
    }
}

/// How many keys repeat another one.
pub(super) fn surplus(keys: &[&[u8]]) -> usize {
    let mut sorted = keys.to_vec();
    sorted.par_sort_unstable();
    sorted.windows(2).filter(|pair| pair[0] == pair[1]).count()
}

/// Whether a tag occurs twice.
pub(super) fn has_repeat(tags: &[Tag]) -> bool {
    let mut sorted = tags.to_vec();
    sorted.par_sort_unstable();
    sorted.windows(2).any(|pair| pair[0] == pair[1])
}

/// The own rows whose tags the peer has too, in the order of the tags. `own[i]` is the tag of row `order[i]`.
pub(super) fn common_rows(own: Vec<Tag>, order: &[u32], mut peer: Vec<Tag>) -> Vec<u32> {
    let mut own: Vec<(Tag, u32)> = own.into_iter().zip(order.iter().copied()).collect();
    own.par_sort_unstable();
    peer.par_sort_unstable();
    let mut peer = peer.into_iter().peekable();
    own.retain(|(tag, _)| {
        while peer.next_if(|other| other < tag).is_some() {}
        peer.peek() == Some(tag)
    });
    own.into_iter().map(|(_, row)| row).collect()
}

#[cfg(test)]
mod tests {
    use rand_chacha::ChaCha12Rng;
    use rand_core::SeedableRng;

    use super::*;

    #[test]
    fn a_permutation_holds_each_row_once_and_depends_on_the_randomness() {
        let of = |seed| permutation(1000, &mut ChaCha12Rng::seed_from_u64(seed));
        let mut sorted = of(1);
        sorted.sort_unstable();
        assert_eq!(sorted, (0..1000).collect::<Vec<u32>>());
        assert_ne!(of(1), of(2));
        assert_ne!(of(1), sorted);
    }

    #[test]
    fn every_order_of_three_is_about_as_frequent() {
        let mut rng = ChaCha12Rng::seed_from_u64(3);
        let mut counts = std::collections::BTreeMap::new();
        for _ in 0..6000 {
            *counts.entry(permutation(3, &mut rng)).or_insert(0) += 1;
        }
        assert_eq!(counts.len(), 6);
        // Eight standard deviations of a binomial of 6,000 and 1/6.
        assert!(counts.values().all(|count| (1000 - 231..=1000 + 231).contains(count)), "{counts:?}");
    }

    #[test]
    fn repeats_are_counted_beyond_the_first() {
        assert_eq!(surplus(&[b"a", b"b", b"a", b"a", b"c", b"b"]), 3);
        assert_eq!(surplus(&[b"a", b"aa", b""]), 0);
    }

    #[test]
    fn common_rows_come_in_the_order_of_the_tags() {
        assert_eq!(common_rows(vec![50, 10, 30, 70], &[0, 3, 1, 2], vec![70, 5, 10, 40, 50]), [3, 0, 2]);
    }
}
