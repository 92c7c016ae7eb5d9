//! What a run asks of a party's store.
//!
//! Before a run each party tells the other what its store says of itself, and the stores find what both have. What the plan
//! takes of that both claim and confirm to each other, before anything is computed on it; if one of them could not, neither
//! uses what the other claimed, and it is lost.
//!
//! *Security*: CHK-603. The store is trusted to hand every chunk out once, and to drop all where its records and the
//! peer's do not fit each other. A peer's statement is as long as it says, and no longer than [`STATEMENT_BYTES`].
//!
//! *Cost*: with the plan's hash four bytes and the statement, where the plan has a use for anything; where both have
//! something an exchange more, of 33 bytes.

use zeroize::Zeroizing;

use super::{Counts, Kind, Stock};
use crate::channel::Channel;
use crate::error::{Error, Result};

/// The bytes of the longest statement.
pub const STATEMENT_BYTES: usize = 1 << 18;

/// A party's store of chunks made with the peer of a run.
pub trait Supply {
    /// What the peer is told of it, at most [`STATEMENT_BYTES`]; nothing where there is none, or none to use now. `wants` is
    /// what the plan would take if there were enough of everything.
    fn statement(&mut self, wants: &Counts) -> Vec<u8>;

    /// What both have, from the peer's statement; the peer finds the same from this one's, unless its store has a fault.
    /// Nothing where one of the statements is empty, or where they do not fit each other.
    fn both(&mut self, theirs: &[u8]) -> Counts;

    /// Claims so many chunks of a kind that both have, so that they can never be claimed again, and reads them. The peer
    /// claims those of the same numbers.
    ///
    /// # Errors
    /// Whatever kept it from that; what was claimed is lost.
    fn claim(&mut self, kind: Kind, chunks: u64) -> Result<Vec<Zeroizing<Vec<u8>>>>;

    /// Nothing more is asked of it in this run.
    fn finish(&mut self) {}
}

/// A store of nothing.
pub struct NoSupply;

impl Supply for NoSupply {
    fn statement(&mut self, _wants: &Counts) -> Vec<u8> {
        Vec::new()
    }

    fn both(&mut self, _theirs: &[u8]) -> Counts {
        Counts::default()
    }

    fn claim(&mut self, kind: Kind, _chunks: u64) -> Result<Vec<Zeroizing<Vec<u8>>>> {
        Err(Error::refused("CORRELATION_REUSE", format!("there are no {}", kind.name())))
    }
}

/// The length of a message without a statement.
pub(crate) const NOTHING: usize = 4;

/// What goes with the plan's hash: the statement behind its length.
pub(crate) fn message(supply: &mut dyn Supply, wants: &Counts) -> Vec<u8> {
    let statement = supply.statement(wants);
    // One that is too long would be refused by the peer.
    let statement = if statement.len() > STATEMENT_BYTES { Vec::new() } else { statement };
    let mut message = (statement.len() as u32).to_le_bytes().to_vec();
    message.extend(statement);
    message
}

/// Takes what [`message`] made.
pub(crate) fn receive(channel: &mut dyn Channel, step: &'static str) -> Result<Vec<u8>> {
    let mut length = [0; 4];
    channel.receive(&mut length)?;
    let length = u32::from_le_bytes(length) as usize;
    if length > STATEMENT_BYTES {
        let check = format!("the peer says {length} bytes of its store, of at most {STATEMENT_BYTES}");
        return Err(Error::deviation("CORRELATION_EPOCH", step, check));
    }
    let mut statement = vec![0; length];
    channel.receive(&mut statement)?;
    Ok(statement)
}

/// Claims what a plan takes.
///
/// # Errors
/// Those of the store; `CORRELATION_REUSE` if it gave something else than was asked for.
pub(crate) fn claim(takes: &Counts, supply: &mut dyn Supply) -> Result<Stock> {
    let mut stock = Stock::default();
    for (kind, count) in takes.iter() {
        for chunk in supply.claim(kind, count.div_ceil(kind.chunk()))? {
            stock.add(kind, &chunk)?;
        }
    }
    let counts = stock.counts();
    if takes.iter().any(|(kind, count)| counts.of(kind) < count) {
        return Err(Error::refused("CORRELATION_REUSE", "the store gave fewer chunks than were asked for"));
    }
    Ok(stock)
}
