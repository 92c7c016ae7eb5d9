//! Digits of two private numbers compared: the leaves of comparison and equality.
//!
//! *Source*: CrypTFlow2 (ePrint 2020/1002), figure 1: a transfer of 1 of `2^m` a digit. We differ in that the parties
//! take turns at offering from digit to digit, so that both work and send at once; in that the first message is free,
//! its pad being the offerer's share; and in that the tables are made bit-sliced, 64 elements a word.
//!
//! *Security*: semi-honest. The chooser's digit is masked by the random digit of its transfers, the tables by pads of
//! which it can compute one. The offerer's share is a pad, the chooser's is masked by it.
//!
//! *Cost*: two exchanges; a digit of `m` bits takes `m` bits one way and `2^m - 1` bits for each result the other way,
//! and `m` transfers; [`super::cost`] is exact.
//!
//! *Shapes and units*: planes of `n` bits, lowest first.

use super::TwoParty;
use super::transfers::{Planes, offerer};
use super::wire::{BitReader, BitWriter};
use crate::correlations::Correlations;
use crate::error::Result;
use crate::ring::Ring;
use crate::share::{Bits, Placement, clear_tail};

/// Bits of a digit at most.
pub(super) const DIGIT: usize = 3;

/// What is wanted of each digit, of the offerer's `u` and the chooser's `v`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Want {
    /// `v < u`.
    Less,
    /// `v < u` and `v == u`.
    Both,
    /// `v == u`.
    Equal,
}

impl Want {
    /// How many results.
    pub(super) fn columns(self) -> usize {
        if self == Self::Both { 2 } else { 1 }
    }
}

/// One digit.
pub(super) struct Digit<'p> {
    /// This party's planes of it, lowest first.
    pub(super) planes: &'p [Vec<u64>],
    pub(super) want: Want,
}

/// How a number of so many bits, more than [`DIGIT`], is cut into digits, from the lowest; at least two.
pub(super) fn cut(bits: usize) -> Vec<usize> {
    let count = bits.div_ceil(DIGIT);
    let short = DIGIT * count - bits;
    (0..count).map(|place| if place + short < count { DIGIT } else { DIGIT - 1 }).collect()
}

/// What a party keeps of a digit between the exchanges.
enum Pending {
    /// Pads of all messages, results of a message side by side.
    Offered(Planes),
    /// The planes of the random digit, and the pads of its results.
    Chosen { random: Planes, pads: Planes },
}

impl<R: Ring, C: Correlations> TwoParty<'_, R, C> {
    /// Shares of the results of each digit, in the order of [`Want`].
    pub(super) fn compare_digits(&mut self, digits: &[Digit<'_>], n: usize) -> Result<Vec<Vec<Bits>>> {
        let mut pending = Vec::with_capacity(digits.len());
        for (place, digit) in digits.iter().enumerate() {
            pending.push(self.draw_digit(place, digit, n)?);
        }
        let flips = self.exchange_choices(digits, &pending, n)?;
        let mut results: Vec<Vec<Vec<u64>>> = Vec::with_capacity(digits.len());
        let tables: usize = digits.iter().map(table_planes).sum();
        let mut message = BitWriter::with_capacity(tables * n / 8 + 8);
        let mut flips = flips.into_iter();
        for (digit, pending) in digits.iter().zip(&pending) {
            results.push(match pending {
                Pending::Offered(pads) => {
                    let flips = flips.next().expect("choices for each digit offered");
                    let (shares, table) = tables_of(digit, pads, &flips);
                    table.iter().for_each(|plane| message.push_bits(plane, n));
                    shares
                }
                Pending::Chosen { .. } => Vec::new(),
            });
        }
        let expected: usize = digits
            .iter()
            .zip(&pending)
            .filter(|(_, pending)| matches!(pending, Pending::Chosen { .. }))
            .map(|(digit, _)| table_planes(digit) * n)
            .sum();
        let received = self.exchange(&message.finish(), expected.div_ceil(8))?;
        let mut reader = BitReader::new(&received);
        for ((digit, pending), result) in digits.iter().zip(&pending).zip(&mut results) {
            if let Pending::Chosen { random, pads } = pending {
                let table: Vec<_> = (0..table_planes(digit)).map(|_| reader.take_bits(n)).collect();
                *result = pick(random, pads, &table);
            }
        }
        let share = |plane: Vec<u64>| Bits::new(Placement::Shared, n, plane);
        Ok(results.into_iter().map(|planes| planes.into_iter().map(share).collect()).collect())
    }

    fn draw_digit(&mut self, place: usize, digit: &Digit<'_>, n: usize) -> Result<Pending> {
        let (bits, columns) = (digit.planes.len(), digit.want.columns());
        if offerer(place) == self.party {
            return Ok(Pending::Offered(self.offer_planes(n, bits, columns)?));
        }
        let (random, pads) = self.choose_planes(n, bits, columns)?;
        Ok(Pending::Chosen { random, pads })
    }

    /// Sends this party's masked digits and takes the other's, for the digits that this party offers.
    fn exchange_choices(&mut self, digits: &[Digit<'_>], pending: &[Pending], n: usize) -> Result<Vec<Vec<Vec<u64>>>> {
        let (mut mine, mut theirs) = (0, 0);
        for (digit, pending) in digits.iter().zip(pending) {
            match pending {
                Pending::Offered(_) => theirs += digit.planes.len(),
                Pending::Chosen { .. } => mine += digit.planes.len(),
            }
        }
        let mut message = BitWriter::with_capacity(mine * n / 8 + 8);
        for (digit, pending) in digits.iter().zip(pending) {
            let Pending::Chosen { random, .. } = pending else { continue };
            for (own, random) in digit.planes.iter().zip(random) {
                let masked: Vec<u64> = own.iter().zip(random).map(|(own, random)| own ^ random).collect();
                message.push_bits(&masked, n);
            }
        }
        let received = self.exchange(&message.finish(), (theirs * n).div_ceil(8))?;
        let mut reader = BitReader::new(&received);
        let offered = digits.iter().zip(pending).filter(|(_, pending)| matches!(pending, Pending::Offered(_)));
        Ok(offered.map(|(digit, _)| digit.planes.iter().map(|_| reader.take_bits(n)).collect()).collect())
    }
}

/// Planes of the messages of a digit.
pub(super) fn table_planes(digit: &Digit<'_>) -> usize {
    ((1 << digit.planes.len()) - 1) * digit.want.columns()
}

/// The offerer's shares, and the planes of messages 1, 2, ...: the message of the random digit `c` carries the results
/// for `c ^ flip`, which is the chooser's digit.
fn tables_of(digit: &Digit<'_>, pads: &[Vec<u64>], flips: &[Vec<u64>]) -> (Vec<Vec<u64>>, Vec<Vec<u64>>) {
    let (words, columns) = (pads[0].len(), digit.want.columns());
    let messages = 1 << digit.planes.len();
    let mut shares = vec![vec![0; words]; columns];
    let mut table = vec![vec![0; words]; (messages - 1) * columns];
    for word in 0..words {
        let (mut less, mut equal) = ([0u64; 1 << DIGIT], [u64::MAX; 1 << DIGIT]);
        let mut size = 1;
        for (own, flip) in digit.planes.iter().zip(flips) {
            let (u, d) = (own[word], flip[word]);
            // The chooser's bit is d where the random one is 0, else its complement.
            let (less_zero, equal_zero) = (!d & u, !(d ^ u));
            let (less_one, equal_one) = (d & u, d ^ u);
            for place in 0..size {
                less[size + place] = less_one ^ (equal_one & less[place]);
                equal[size + place] = equal_one & equal[place];
                less[place] = less_zero ^ (equal_zero & less[place]);
                equal[place] &= equal_zero;
            }
            size *= 2;
        }
        let results: [&[u64; 1 << DIGIT]; 2] =
            if digit.want == Want::Equal { [&equal, &less] } else { [&less, &equal] };
        for (column, result) in results.into_iter().enumerate().take(columns) {
            let share = pads[column][word] ^ result[0];
            shares[column][word] = share;
            for (message, result) in result[..messages].iter().enumerate().skip(1) {
                let at = message * columns + column;
                table[at - columns][word] = pads[at][word] ^ share ^ result;
            }
        }
    }
    (shares, table)
}

/// The chooser's shares: its pads, and the messages of its random digits where those are not 0.
fn pick(random: &[Vec<u64>], pads: &[Vec<u64>], table: &[Vec<u64>]) -> Vec<Vec<u64>> {
    let columns = pads.len();
    let mut shares = pads.to_vec();
    for word in 0..pads[0].len() {
        let mut place = [u64::MAX; 1 << DIGIT];
        let mut size = 1;
        for random in random {
            for lower in 0..size {
                place[size + lower] = place[lower] & random[word];
                place[lower] &= !random[word];
            }
            size *= 2;
        }
        for (message, place) in place[1..size].iter().enumerate() {
            for (column, share) in shares.iter_mut().enumerate() {
                share[word] ^= place & table[message * columns + column][word];
            }
        }
    }
    shares
}

/// The complement of planes of `n` bits.
pub(super) fn complement(planes: &[Vec<u64>], n: usize) -> Vec<Vec<u64>> {
    let mut planes: Vec<Vec<u64>> = planes.iter().map(|plane| plane.iter().map(|word| !word).collect()).collect();
    planes.iter_mut().for_each(|plane| clear_tail(plane, n));
    planes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_cut_into_at_least_two_digits_without_a_rest() {
        for bits in DIGIT + 1..=128 {
            let digits = cut(bits);
            assert_eq!(digits.iter().sum::<usize>(), bits);
            assert!(digits.len() >= 2 && digits.iter().all(|digit| (2..=DIGIT).contains(digit)), "{digits:?}");
        }
    }
}
