//! Received transfers that nobody has asked for yet.

use zeroize::{Zeroize, ZeroizeOnDrop};

/// Messages with their packed choice bits; unused high bits of the last word are 0.
#[derive(Default, Zeroize, ZeroizeOnDrop)]
pub(super) struct ReceivedPool {
    choices: Vec<u64>,
    messages: Vec<u128>,
}

impl ReceivedPool {
    pub(super) fn new(choices: Vec<u64>, messages: Vec<u128>) -> Self {
        debug_assert_eq!(choices.len(), messages.len().div_ceil(64));
        Self { choices, messages }
    }

    pub(super) fn len(&self) -> usize {
        self.messages.len()
    }

    /// Takes the last `n` transfers, or all that there are.
    pub(super) fn take_last(&mut self, n: usize) -> Self {
        let kept = self.len().saturating_sub(n);
        let mut taken = Self { choices: Vec::new(), messages: self.messages.split_off(kept) };
        taken.choices = bits(&self.choices, kept, taken.len());
        self.choices.truncate(kept.div_ceil(64));
        clear_above(&mut self.choices, kept);
        taken
    }

    /// Puts the transfers of `other` behind these.
    pub(super) fn append(&mut self, mut other: Self) {
        let shift = self.len() % 64;
        if shift == 0 {
            self.choices.append(&mut other.choices);
        } else {
            for word in &other.choices {
                if let Some(last) = self.choices.last_mut() {
                    *last |= word << shift;
                }
                self.choices.push(word >> (64 - shift));
            }
        }
        self.messages.append(&mut other.messages);
        self.choices.truncate(self.messages.len().div_ceil(64));
    }

    /// The choice bits and the messages.
    pub(super) fn into_parts(mut self) -> (Vec<u64>, Vec<u128>) {
        (std::mem::take(&mut self.choices), std::mem::take(&mut self.messages))
    }
}

/// `count` bits from bit `start` on.
fn bits(words: &[u64], start: usize, count: usize) -> Vec<u64> {
    let shift = start % 64;
    let word = |i: usize| words.get(i).copied().unwrap_or(0);
    let joined = |i: usize| match shift {
        0 => word(i),
        _ => word(i) >> shift | word(i + 1) << (64 - shift),
    };
    let mut out: Vec<u64> = (0..count.div_ceil(64)).map(|i| joined(start / 64 + i)).collect();
    clear_above(&mut out, count);
    out
}

/// Clears the bits of the last word that lie above `count` bits.
fn clear_above(words: &mut [u64], count: usize) {
    if let (Some(last), 1..) = (words.last_mut(), count % 64) {
        *last &= (1 << (count % 64)) - 1;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Transfer `i` has the message `i` and the choice bit of a fixed word.
    fn numbered(from: usize, to: usize) -> ReceivedPool {
        let choice = |i: usize| (0x9d5a_71c3_u64 >> (i % 32)) & 1;
        let mut choices = vec![0; (to - from).div_ceil(64)];
        for i in from..to {
            choices[(i - from) / 64] |= choice(i) << ((i - from) % 64);
        }
        ReceivedPool::new(choices, (from..to).map(|i| i as u128).collect())
    }

    proptest! {
        #[test]
        fn taking_and_appending_keep_messages_and_choices_together(len in 0usize..300, n in 0usize..300, more in 0usize..200) {
            let mut pool = numbered(0, len);
            let taken = pool.take_last(n);
            let kept = len.saturating_sub(n);
            prop_assert_eq!(&taken.choices, &numbered(kept, len).choices);
            prop_assert_eq!(&taken.messages, &numbered(kept, len).messages);
            prop_assert_eq!(&pool.choices, &numbered(0, kept).choices);
            pool.append(numbered(kept, kept + more));
            prop_assert_eq!(&pool.choices, &numbered(0, kept + more).choices);
            prop_assert_eq!(&pool.messages, &numbered(0, kept + more).messages);
        }
    }
}
