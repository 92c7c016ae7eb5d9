//! Memory for polynomials, which a thread uses again: a batch takes hundreds of them, and clearing fresh ones or having
//! them mapped by the system takes as long as the arithmetic on them.
//!
//! *Security*: a buffer that holds keys, messages or noise is wrapped in [`zeroize::Zeroizing`], which clears it before it
//! is spare. What is found in a spare one is public but for products of ciphertexts that are not masked yet: beside the
//! peer's ciphertexts they tell this party's factors, as freed memory would. It never leaves this module's callers, who
//! write a buffer before they read it.

use std::cell::RefCell;
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};

use bytemuck::Pod;
use tacit_simd::Words;
use zeroize::Zeroize;

use super::ring::SLOTS;

/// Spare polynomials that a thread keeps at most: 8 MiB.
const MOST_SPARE: usize = 64;

thread_local! {
    static SPARE: RefCell<Vec<Words>> = const { RefCell::new(Vec::new()) };
}

/// Numbers of 64 bits, aligned as kernels like it.
#[derive(Debug)]
pub(super) struct Buffer<T> {
    words: Words,
    numbers: PhantomData<T>,
}

impl<T: Pod> Buffer<T> {
    /// Room for `len` numbers, with anything in it.
    pub(super) fn any(len: usize) -> Self {
        const { assert!(size_of::<T>() == size_of::<u64>(), "numbers of 64 bits") };
        let spare = if len == SLOTS { SPARE.try_with(|spare| spare.borrow_mut().pop()).ok().flatten() } else { None };
        Self { words: spare.unwrap_or_else(|| Words::zeroed(len)), numbers: PhantomData }
    }

    /// Zeros.
    pub(super) fn zeroed(len: usize) -> Self {
        let mut buffer = Self::any(len);
        buffer.words.fill(0);
        buffer
    }

    /// As blocks for a generator to fill, of an even number of numbers.
    pub(super) fn blocks(&mut self) -> &mut [u128] {
        bytemuck::cast_slice_mut(&mut self.words)
    }
}

impl<T: Pod> Deref for Buffer<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        bytemuck::cast_slice(&self.words)
    }
}

impl<T: Pod> DerefMut for Buffer<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        bytemuck::cast_slice_mut(&mut self.words)
    }
}

impl<T: Pod> Clone for Buffer<T> {
    fn clone(&self) -> Self {
        let mut buffer = Self::any(self.words.len());
        buffer.words.copy_from_slice(&self.words);
        buffer
    }
}

impl<T> Default for Buffer<T> {
    fn default() -> Self {
        Self { words: Words::default(), numbers: PhantomData }
    }
}

impl<T> Zeroize for Buffer<T> {
    fn zeroize(&mut self) {
        // Whole registers at a time; the barrier keeps the compiler from leaving it out.
        self.words.fill(0);
        zeroize::optimization_barrier(&self.words[..]);
    }
}

impl<T> Drop for Buffer<T> {
    fn drop(&mut self) {
        if self.words.len() != SLOTS {
            return;
        }
        let words = std::mem::take(&mut self.words);
        // A thread that ends keeps none.
        let _ = SPARE.try_with(|spare| {
            let mut spare = spare.borrow_mut();
            if spare.len() < MOST_SPARE {
                spare.push(words);
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use zeroize::Zeroizing;

    use super::*;

    #[test]
    fn buffers_are_used_again_and_secret_ones_come_back_cleared() {
        SPARE.with(|spare| spare.borrow_mut().clear());
        let mut public = Buffer::<u64>::zeroed(SLOTS);
        public[3] = 5;
        let place = public.as_ptr();
        drop(public);
        let mut secret = Zeroizing::new(Buffer::<i64>::any(SLOTS));
        assert!(secret.as_ptr().cast() == place && secret[3] == 5, "the same memory, as it was");
        secret.fill(-1);
        drop(secret);
        let again = Buffer::<u64>::any(SLOTS);
        assert!(again.as_ptr() == place && again.iter().all(|number| *number == 0), "cleared");
        let copy = again.clone();
        assert!(copy[..] == again[..] && copy.as_ptr() != place);
    }

    #[test]
    fn zeros_are_zeros_at_any_length_and_few_buffers_are_kept() {
        SPARE.with(|spare| spare.borrow_mut().clear());
        for len in [0, 3, SLOTS] {
            let mut buffers: Vec<_> = (0..MOST_SPARE + 3).map(|_| Buffer::<u64>::zeroed(len)).collect();
            buffers.iter_mut().for_each(|buffer| buffer.fill(7));
            drop(buffers);
            let kept = if len == SLOTS { MOST_SPARE } else { 0 };
            SPARE.with(|spare| assert_eq!(spare.borrow().len(), kept));
            assert!(Buffer::<u64>::zeroed(len).iter().all(|number| *number == 0));
        }
    }
}
