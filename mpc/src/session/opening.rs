//! The opening: output shares that can be stored and sent again, and what a receiver checks of them.
//!
//! *Source*: `security.md`, CHK-702 to CHK-705. *Security*: semi-honest; each share goes to named receivers only, and
//! a value that is not released is 0, so that lengths and order depend on the plan alone. *Cost*: one word a cell and
//! one bit a gate for each receiver, in one round; before that one bit each way where promises on ranges were checked.
//! *Shapes and units*: cells in row-major order, words little-endian, bits packed in words of 64.

use bincode::{Decode, Encode};
use tacit_protocol::schema::Element;
use tacit_protocol::{Number, PartyId};
use zeroize::{Zeroize, ZeroizeOnDrop};

use super::noise::Draws;
use crate::channel::Channel;
use crate::error::{Error, Result};
use crate::executor::Results;
use crate::plan::Plan;
use crate::released::{Cell, ReleasedValue};
use crate::ring::Ring;
use crate::share::{Bits, Placement, Seat};

const STEP: &str = "opening";
/// The version of the stored form.
const VERSION: u16 = 2;
/// Bytes of a stored form that are read at most.
const MAX_BYTES: usize = 1 << 32;

/// One party's shares of the outputs of a run, ready to be opened.
///
/// # Security
/// With the peer's shares these are the result. The bytes of [`OutputShares::to_bytes`] are stored sealed.
#[derive(Clone, Encode, Decode)]
pub struct OutputShares {
    version: u16,
    plan_hash: [u8; 32],
    party: PartyId,
    word_bytes: u8,
    /// This party's share of the bit that says that every promised range held, until it is opened.
    in_range: Option<u64>,
    outputs: Vec<OutputShare>,
}

#[derive(Clone, Encode, Decode)]
struct OutputShare {
    name: String,
    receivers: Vec<PartyId>,
    element: Element,
    shape: Vec<u64>,
    unit: Number,
    lo: i128,
    hi: i128,
    gated: bool,
    /// Words, or packed bits of bools, as bytes.
    value: Vec<u8>,
    /// The words with this party's noise, for the peer; none: it adds none.
    noisy: Option<Vec<u8>>,
    /// Packed bits; none: every cell is released.
    gate: Option<Vec<u8>>,
}

impl Zeroize for OutputShares {
    fn zeroize(&mut self) {
        self.in_range.zeroize();
        for output in &mut self.outputs {
            output.value.zeroize();
            output.noisy.zeroize();
            output.gate.zeroize();
        }
    }
}

impl Drop for OutputShares {
    fn drop(&mut self) {
        self.zeroize();
    }
}

impl ZeroizeOnDrop for OutputShares {}

impl std::fmt::Debug for OutputShares {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "OutputShares({}, {} outputs <redacted>)", self.party, self.outputs.len())
    }
}

impl OutputShares {
    pub(crate) fn new<R: Ring>(plan: &Plan, seat: &dyn Seat, results: &Results<R>, noise: &Draws) -> Result<Self> {
        let in_range = plan.checked.then(|| bit_share(seat, results.bits(0)).first().copied().unwrap_or(0) & 1);
        let outputs = plan.outputs.iter().map(|output| {
            let words = |words: &[R]| {
                words.iter().flat_map(|w| w.to_u128().to_le_bytes()[..bytes_of::<R>()].to_vec()).collect()
            };
            let (value, noisy) = if output.is_bits() {
                (to_bytes(&bit_share(seat, results.bits(output.value))), None)
            } else {
                let share = results.words(output.value).shared(seat);
                let noisy = noise.get(&output.name).map(|samples| with_noise(&share.words, samples, &output.name));
                (words(&share.words), noisy.transpose()?.as_deref().map(words))
            };
            Ok(OutputShare {
                name: output.name.clone(),
                receivers: output.receivers.clone(),
                element: output.element.clone(),
                shape: output.shape.iter().map(|size| *size as u64).collect(),
                unit: output.unit,
                lo: output.range.lo,
                hi: output.range.hi,
                gated: output.gated,
                value,
                noisy,
                gate: output.gate.map(|gate| to_bytes(&bit_share(seat, results.bits(gate)))),
            })
        });
        let word_bytes = u8::try_from(bytes_of::<R>()).expect("8 or 16");
        Ok(Self {
            version: VERSION,
            plan_hash: plan.hash(),
            party: seat.party(),
            word_bytes,
            in_range,
            outputs: outputs.collect::<Result<_>>()?,
        })
    }

    /// The hash of the plan that they come from.
    pub fn plan_hash(&self) -> [u8; 32] {
        self.plan_hash
    }

    /// The form to store, sealed.
    pub fn to_bytes(&self) -> Vec<u8> {
        bincode::encode_to_vec(self, bincode::config::standard()).expect("encoding to memory does not fail")
    }

    /// Reads the stored form.
    ///
    /// # Errors
    /// `STORE_CORRUPT` when the bytes are none, are cut, or have an unknown version.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        let corrupt = || Error::refused("STORE_CORRUPT", "the stored output shares cannot be read");
        let config = bincode::config::standard().with_limit::<MAX_BYTES>();
        let (shares, used): (Self, usize) = bincode::decode_from_slice(bytes, config).map_err(|_| corrupt())?;
        let consistent = |output: &OutputShare| {
            let cells = output.cells()?;
            let packed = cells.div_ceil(64) * 8;
            let words = cells.checked_mul(usize::from(shares.word_bytes))?;
            let value = if output.element == Element::Bool { packed } else { words };
            let noisy = output.noisy.as_ref().is_none_or(|noisy| noisy.len() == value && output.gate.is_none());
            (noisy && output.value.len() == value && output.gate.as_ref().is_none_or(|gate| gate.len() == packed))
                .then_some(())
        };
        let sound = used == bytes.len()
            && shares.version == VERSION
            && matches!(shares.word_bytes, 8 | 16)
            && shares.party.0 < 2
            && shares.outputs.iter().all(|output| consistent(output).is_some());
        if sound { Ok(shares) } else { Err(corrupt()) }
    }

    /// Opens the bit that says whether every promised range held, where there is one. It comes before the release: of
    /// a run that broke a promise nothing else is opened.
    ///
    /// # Errors
    /// `OUT_OF_RANGE` on both sides when a promised range was broken.
    pub(crate) fn check_ranges(&mut self, channel: &mut dyn Channel) -> Result<()> {
        let Some(own) = self.in_range.take() else { return Ok(()) };
        channel.enter("range check");
        let mut theirs = [0];
        channel.send(&[u8::from(own == 1)])?;
        channel.receive(&mut theirs)?;
        match u64::from(theirs[0]) {
            theirs @ 0..=1 if theirs ^ own == 1 => Ok(()),
            0..=1 => Err(out_of_range()),
            _ => Err(Error::deviation("RELEASE_INVALID", "range check", "the range bit is no bit")),
        }
    }

    /// Opens the outputs to their receivers and gives those that are this party's.
    ///
    /// # Errors
    /// `RELEASE_INVALID` when what the peer sent is no possible result (CHK-705).
    pub fn open(&self, channel: &mut dyn Channel) -> Result<Vec<ReleasedValue>> {
        channel.enter(STEP);
        channel.send(&self.outgoing())?;
        channel.flush()?;
        let mut theirs = vec![0; self.incoming_bytes()];
        channel.receive(&mut theirs)?;
        self.combine(&theirs)
    }

    /// What this party sends to open the outputs that the peer receives. The same bytes may go again, by another way,
    /// when the peer did not get them.
    pub fn outgoing(&self) -> Vec<u8> {
        let peer = self.party.other();
        let outputs = self.outputs.iter().filter(|output| output.receivers.contains(&peer));
        let shown = |output: &OutputShare| output.noisy.as_ref().unwrap_or(&output.value).clone();
        outputs.flat_map(|output| [shown(output), output.gate.clone().unwrap_or_default()].concat()).collect()
    }

    /// The outputs that this party receives, from its own shares and the peer's [`OutputShares::outgoing`].
    ///
    /// # Errors
    /// `RELEASE_INVALID` when those are no possible result (CHK-705).
    pub fn combine(&self, theirs: &[u8]) -> Result<Vec<ReleasedValue>> {
        if theirs.len() != self.incoming_bytes() {
            return Err(Error::deviation("RELEASE_INVALID", STEP, "the shares have another length than the plan says"));
        }
        let mut rest = theirs;
        let mut released = Vec::new();
        for output in self.own_outputs() {
            let (value, after) = rest.split_at(output.value.len());
            let (gate, after) = after.split_at(output.gate.as_ref().map_or(0, Vec::len));
            released.push(output.released(value, output.gate.is_some().then_some(gate), self.word_bytes)?);
            rest = after;
        }
        Ok(released)
    }

    fn own_outputs(&self) -> impl Iterator<Item = &OutputShare> {
        self.outputs.iter().filter(|output| output.receivers.contains(&self.party))
    }

    fn incoming_bytes(&self) -> usize {
        self.own_outputs().map(|output| output.value.len() + output.gate.as_ref().map_or(0, Vec::len)).sum()
    }

    /// The released values when one process holds everything.
    pub(super) fn in_the_clear(&self) -> Result<Vec<ReleasedValue>> {
        if self.in_range == Some(0) {
            return Err(out_of_range());
        }
        let zeros = |bytes: &[u8]| vec![0; bytes.len()];
        let released = self.outputs.iter().map(|output| {
            output.released(&zeros(&output.value), output.gate.as_deref().map(zeros).as_deref(), self.word_bytes)
        });
        released.collect()
    }
}

/// CHK-704: this party's share with its noise, which the plan's range of the output has room for.
fn with_noise<R: Ring>(share: &[R], samples: &[i128], output: &str) -> Result<Vec<R>> {
    if share.len() != samples.len() {
        let cause = format!("`{output}` has {} cells, and noise was drawn for {}", share.len(), samples.len());
        return Err(Error::refused("RELEASE_NOISE", cause));
    }
    Ok(share.iter().zip(samples).map(|(word, sample)| word.add(R::from_i128(*sample))).collect())
}

fn out_of_range() -> Error {
    Error::refused("OUT_OF_RANGE", "at the run a value left the range that the program declares for it")
}

impl OutputShare {
    fn cells(&self) -> Option<usize> {
        let mut sizes = self.shape.iter();
        sizes.try_fold(1_usize, |cells, size| cells.checked_mul(usize::try_from(*size).ok()?))
    }

    /// Puts the two parties' parts together (CHK-705).
    fn released(&self, value: &[u8], gate: Option<&[u8]>, word_bytes: u8) -> Result<ReleasedValue> {
        let invalid = |check: &str| Error::deviation("RELEASE_INVALID", STEP, format!("{}: {check}", self.name));
        let cells = self.cells().unwrap_or(0);
        let gate = gate.zip(self.gate.as_deref()).map(|(theirs, own)| xor(theirs, own));
        let values: Vec<i128> = if self.element == Element::Bool {
            let bits = xor(value, &self.value);
            if !padding_is_zero(&bits, cells) {
                return Err(invalid("bits beyond the last cell"));
            }
            (0..cells).map(|place| i128::from(bit(&bits, place))).collect()
        } else {
            let size = usize::from(word_bytes);
            value.chunks_exact(size).zip(self.value.chunks_exact(size)).map(|(a, b)| sum(a, b)).collect()
        };
        if gate.as_ref().is_some_and(|gate| !padding_is_zero(gate, cells)) {
            return Err(invalid("gate bits beyond the last cell"));
        }
        let mut released = Vec::with_capacity(cells);
        for (place, value) in values.into_iter().enumerate() {
            let open = gate.as_ref().is_none_or(|gate| bit(gate, place));
            released.push(match (open, self.gated) {
                (true, _) if value >= self.lo && value <= self.hi => Cell::Released(value),
                (true, _) => return Err(invalid("a value outside the range of the output")),
                (false, _) if value != 0 => return Err(invalid("a value that is not released is not 0")),
                (false, true) => Cell::Suppressed,
                (false, false) => Cell::Undefined,
            });
        }
        Ok(ReleasedValue {
            name: self.name.clone(),
            element: self.element.clone(),
            shape: self.shape.clone(),
            unit: self.unit,
            cells: released,
        })
    }
}

fn bytes_of<R: Ring>() -> usize {
    (R::BITS / 8) as usize
}

/// This party's XOR share of bits in any placement.
fn bit_share(seat: &dyn Seat, bits: &Bits) -> Vec<u64> {
    if bits.placement == Placement::Public && !seat.holds(Placement::Shared) {
        return vec![0; bits.words.len()];
    }
    bits.words.clone()
}

fn to_bytes(words: &[u64]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

fn xor(a: &[u8], b: &[u8]) -> Vec<u8> {
    a.iter().zip(b).map(|(a, b)| a ^ b).collect()
}

fn bit(bytes: &[u8], place: usize) -> bool {
    bytes[place / 8] >> (place % 8) & 1 == 1
}

fn padding_is_zero(bytes: &[u8], cells: usize) -> bool {
    (cells..bytes.len() * 8).all(|place| !bit(bytes, place))
}

/// The sum of two words of 8 or 16 bytes, as a signed number.
fn sum(a: &[u8], b: &[u8]) -> i128 {
    if let (Ok(a), Ok(b)) = (<[u8; 8]>::try_from(a), <[u8; 8]>::try_from(b)) {
        return u64::add(u64::from_le_bytes(a), u64::from_le_bytes(b)).to_i128();
    }
    let wide = |bytes: &[u8]| u128::from_le_bytes(bytes.try_into().expect("words of 8 or 16 bytes"));
    wide(a).wrapping_add(wide(b)).to_i128()
}
