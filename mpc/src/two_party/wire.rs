//! Values of any width on the wire, one after the other without gaps, lowest bit first.

/// Packs values into bytes.
#[derive(Default)]
pub(super) struct BitWriter {
    bytes: Vec<u8>,
    pending: u128,
    used: u32,
}

impl BitWriter {
    /// A writer that will hold `bytes`.
    pub(super) fn with_capacity(bytes: usize) -> Self {
        Self { bytes: Vec::with_capacity(bytes + 8), pending: 0, used: 0 }
    }

    /// Appends the low `width` bits of a value that has no others.
    pub(super) fn push(&mut self, value: u128, width: u32) {
        if width > 64 {
            self.push_word(value as u64, 64);
            self.push_word((value >> 64) as u64, width - 64);
        } else {
            self.push_word(value as u64, width);
        }
    }

    fn push_word(&mut self, value: u64, width: u32) {
        self.pending |= u128::from(value) << self.used;
        self.used += width;
        if self.used >= 64 {
            self.bytes.extend_from_slice(&(self.pending as u64).to_le_bytes());
            self.pending >>= 64;
            self.used -= 64;
        }
    }

    /// Appends the first `len` bits of packed words, whatever lies beyond them.
    pub(super) fn push_bits(&mut self, words: &[u64], len: usize) {
        let whole = if self.used == 0 { len / 64 } else { 0 };
        self.bytes.extend(words[..whole].iter().flat_map(|word| word.to_le_bytes()));
        for (place, &word) in words[..len.div_ceil(64)].iter().enumerate().skip(whole) {
            let width = (len - place * 64).min(64) as u32;
            self.push_word(word & low_mask(width), width);
        }
    }

    /// Fills up the byte that was begun.
    pub(super) fn align(&mut self) {
        let whole = self.used.div_ceil(8) as usize;
        self.bytes.extend_from_slice(&(self.pending as u64).to_le_bytes()[..whole]);
        (self.pending, self.used) = (0, 0);
    }

    /// The bytes, the last one filled up with zeros.
    pub(super) fn finish(mut self) -> Vec<u8> {
        self.align();
        self.bytes
    }
}

/// Takes values out of bytes, as [`BitWriter`] packed them. Reads zeros beyond the end.
pub(super) struct BitReader<'b> {
    bytes: &'b [u8],
    pending: u128,
    held: u32,
}

impl<'b> BitReader<'b> {
    pub(super) fn new(bytes: &'b [u8]) -> Self {
        Self { bytes, pending: 0, held: 0 }
    }

    /// The next value of `width` bits.
    pub(super) fn take(&mut self, width: u32) -> u128 {
        if width > 64 {
            let low = self.take_word(64);
            u128::from(low) | u128::from(self.take_word(width - 64)) << 64
        } else {
            self.take_word(width).into()
        }
    }

    fn take_word(&mut self, width: u32) -> u64 {
        if self.held < width {
            let word = match self.bytes.split_first_chunk::<8>() {
                Some((word, rest)) => {
                    self.bytes = rest;
                    *word
                }
                None => {
                    let mut word = [0; 8];
                    word[..self.bytes.len()].copy_from_slice(self.bytes);
                    self.bytes = &[];
                    word
                }
            };
            self.pending |= u128::from(u64::from_le_bytes(word)) << self.held;
            self.held += 64;
        }
        let value = self.pending as u64 & low_mask(width);
        self.pending >>= width;
        self.held -= width;
        value
    }

    /// The next `len` bits as packed words.
    pub(super) fn take_bits(&mut self, len: usize) -> Vec<u64> {
        let mut words = Vec::with_capacity(len.div_ceil(64));
        if self.held == 0 {
            // Nothing is begun: whole words as they come.
            let (ready, _) = self.bytes.as_chunks::<8>();
            let ready = &ready[..ready.len().min(len / 64)];
            words.extend(ready.iter().map(|word| u64::from_le_bytes(*word)));
            self.bytes = &self.bytes[8 * ready.len()..];
        }
        words.extend((words.len()..len.div_ceil(64)).map(|place| self.take_word((len - place * 64).min(64) as u32)));
        words
    }
}

fn low_mask(width: u32) -> u64 {
    if width >= 64 { u64::MAX } else { (1 << width) - 1 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_every_width_come_back() {
        let value = |width: u32| (0x0123_4567_89ab_cdef_fedc_ba98_7654_3211_u128) >> (128 - width);
        let mut writer = BitWriter::default();
        for width in 1..=128 {
            writer.push(value(width), width);
        }
        let bytes = writer.finish();
        assert_eq!(bytes.len(), (128usize * 129 / 2).div_ceil(8));
        let mut reader = BitReader::new(&bytes);
        for width in 1..=128 {
            assert_eq!(reader.take(width), value(width), "{width}");
        }
    }

    #[test]
    fn packed_words_come_back_behind_odd_offsets() {
        for len in [1, 63, 64, 65, 127, 128, 200] {
            let words = crate::share::pack(&(0..len).map(|i| i % 3 == 0).collect::<Vec<_>>());
            let mut writer = BitWriter::default();
            writer.push(5, 3);
            writer.push_bits(&words, len);
            writer.push(1, 1);
            let bytes = writer.finish();
            assert_eq!(bytes.len(), (len + 4).div_ceil(8));
            let mut reader = BitReader::new(&bytes);
            assert_eq!(reader.take(3), 5);
            assert_eq!(reader.take_bits(len), words);
            assert_eq!(reader.take(1), 1);
        }
    }
}
