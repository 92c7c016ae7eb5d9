//! Arrays that are handed in: what one party knows, and what both hold as shares from an earlier run.

use tacit_protocol::PartyId;
use tacit_protocol::program::types::ArrayType;
use tacit_protocol::program::{InputSource, NodeId, Shares};

use super::{Array, Lowering};
use crate::error::Result;
use crate::plan::step::{InputPart, Kind, RingOp, ValueId};
use crate::share::Placement;

impl Lowering<'_> {
    pub(super) fn input(&mut self, id: NodeId, from: &InputSource, array: &ArrayType) -> Result<Array> {
        let shape = self.sizes(&array.shape)?;
        let cells = shape.iter().product();
        self.width(array.range);
        let mut whole = Array {
            data: ValueId(0),
            valid: None,
            element: array.element.clone(),
            shape,
            range: array.range,
            error: Some(0.0),
            numbers: None,
        };
        match from {
            InputSource::Party(party) if party.index() > 1 => {
                return self.refuse("PROGRAM_PARTIES", "the two-party engine has two owners");
            }
            InputSource::Party(party) => {
                whole.data = self.part(id, InputPart::Data, &whole, cells, Placement::Private(*party));
            }
            InputSource::Shares(Shares { word_bits, nullable, error }) => {
                let narrow = *word_bits == 64 && !whole.is_bool();
                self.narrow_shares |= narrow;
                whole.data = if narrow && self.wide {
                    self.widened(id, &whole, cells)
                } else {
                    self.part(id, InputPart::Data, &whole, cells, Placement::Shared)
                };
                if *nullable {
                    let op = RingOp::Input { source: id, part: InputPart::Valid };
                    whole.valid = Some(self.build.input(op, Kind::Bits, cells, Placement::Shared));
                }
                whole.error = error.map(|steps| steps as f64);
            }
        }
        Ok(whole)
    }

    fn part(&mut self, source: NodeId, part: InputPart, whole: &Array, cells: usize, placement: Placement) -> ValueId {
        let kind = if whole.is_bool() { Kind::Bits } else { Kind::Words };
        self.build.input(RingOp::Input { source, part }, kind, cells, placement)
    }

    /// A value in shares modulo `2^64` as one in shares modulo the plan's wider words. Shifted to lie in `[0, 2^63]`, the
    /// value is the sum of both shares, less `2^64` where either share has its topmost bit: without a wrap it would be
    /// `2^63` or more. Each party knows its share and that bit, so it takes one conjunction and one conversion a cell.
    fn widened(&mut self, source: NodeId, whole: &Array, cells: usize) -> ValueId {
        let [zero, one] = [PartyId::ZERO, PartyId::ONE].map(|party| {
            let share = self.part(source, InputPart::Share(party), whole, cells, Placement::Private(party));
            let low = RingOp::Input { source, part: InputPart::ShareLow(party) };
            (share, self.build.input(low, Kind::Bits, cells, Placement::Private(party)))
        });
        let no_wrap = self.build.and(zero.1, one.1);
        let no_wrap = self.build.arith_of(no_wrap);
        let wrap = 1_i128 << 64;
        self.build.linear(&[(zero.0, 1), (one.0, 1), (no_wrap, wrap)], -wrap - i128::from(InputPart::SHIFT))
    }
}
