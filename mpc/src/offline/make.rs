//! Makes chunks of correlations with the peer.
//!
//! *Source*, *security*: the engine's own products and conversions ([`crate::two_party`]), of random shares that each party
//! draws for itself; so no party knows an item, and each item is fresh. *Cost*: [`expected`].

use rand_core::CryptoRng;
use tacit_protocol::PartyId;
use zeroize::Zeroizing;

use super::Kind;
use crate::backend::Backend;
use crate::channel::Channel;
use crate::error::Result;
use crate::lattice::{KeySizes, Lattice};
use crate::ot::{Expected, Silent};
use crate::ring::Ring;
use crate::share::{Arith, Bits, Placement};
use crate::two_party::cost::Cost;
use crate::two_party::{Counter, Means, Pace, TwoParty};

/// What chunks take to be made: one of each of these kinds.
pub fn expected(kinds: &[Kind], pace: Pace) -> Result<Cost> {
    kinds.iter().map(|kind| cost(*kind, pace)).sum()
}

fn cost(kind: Kind, pace: Pace) -> Result<Cost> {
    let mut counter = Counter { cost: Cost::default(), means: Means::at(pace) };
    let mut zeros = Zeros;
    match kind {
        Kind::Triples { word: 64 } | Kind::MatrixTriples(_) => drop(items::<u64, _>(kind, &mut counter, &mut zeros)?),
        Kind::Bits { word: 64 } => drop(items::<u64, _>(kind, &mut counter, &mut zeros)?),
        Kind::Triples { .. } | Kind::Bits { .. } => drop(items::<u128, _>(kind, &mut counter, &mut zeros)?),
    }
    Ok(counter.cost)
}

/// Makes chunks with the peer, which does the same as the other party and asks for the same kinds in the same order.
pub struct Maker {
    party: PartyId,
    transfers: Silent,
    lattice: Lattice,
    pace: Pace,
}

impl Maker {
    /// Sets up for about so many chunks of each kind. `session` must be equal on both sides and new for each maker.
    ///
    /// # Errors
    /// Those of the set-ups of transfers and keys.
    pub fn establish(
        channel: &mut dyn Channel,
        party: PartyId,
        session: [u8; 32],
        chunks: &[(Kind, u64)],
        pace: Pace,
        rng: &mut dyn CryptoRng,
    ) -> Result<Self> {
        let mut offered = [0_u64; 2];
        let mut keys = KeySizes::default();
        for (kind, count) in chunks {
            let cost = cost(*kind, pace)?;
            for ((offered, keys), cost) in
                offered.iter_mut().zip(&mut keys.0).zip(cost.offered.into_iter().zip(cost.key_sizes))
            {
                *offered = offered.saturating_add(cost.0.saturating_mul(*count));
                *keys = keys.max(cost.1);
            }
        }
        let transfers = Silent::establish(channel, party, session, Expected { offered }, false, rng)?;
        let lattice = Lattice::establish(channel, party, keys, rng)?;
        Ok(Self { party, transfers, lattice, pace })
    }

    /// One chunk of a kind that it was set up for: this party's words of every vector, little-endian.
    ///
    /// # Errors
    /// Those of the protocols and of the channel.
    pub fn chunk(
        &mut self,
        channel: &mut dyn Channel,
        kind: Kind,
        rng: &mut dyn CryptoRng,
    ) -> Result<Zeroizing<Vec<u8>>> {
        match kind {
            Kind::Triples { word: 128 } | Kind::Bits { word: 128 } => self.chunk_of::<u128>(channel, kind, rng),
            _ => self.chunk_of::<u64>(channel, kind, rng),
        }
    }

    fn chunk_of<R: Ring>(
        &mut self,
        channel: &mut dyn Channel,
        kind: Kind,
        rng: &mut dyn CryptoRng,
    ) -> Result<Zeroizing<Vec<u8>>> {
        channel.enter("idle work");
        let mut engine = TwoParty::<R, _>::new(self.party, channel, &mut self.transfers)
            .with_lattice(&mut self.lattice)
            .with(Means::at(self.pace));
        let vectors = items::<R, _>(kind, &mut engine, &mut Drawn(rng))?;
        let mut chunk = Zeroizing::new(Vec::with_capacity(kind.chunk_bytes()));
        vectors.iter().for_each(|vector| chunk.extend_from_slice(bytemuck::cast_slice(vector)));
        Ok(chunk)
    }
}

/// A chunk's vectors on a backend.
fn items<R: Ring, B: Backend<R>>(kind: Kind, backend: &mut B, draw: &mut impl Draw) -> Result<Vec<Zeroizing<Vec<R>>>> {
    let shared = |words| Arith { placement: Placement::Shared, words };
    let count = kind.chunk() as usize;
    let vectors = match kind {
        Kind::Triples { .. } => {
            let [a, b] = [(); 2].map(|()| shared(draw.words::<R>(count)));
            let product = backend.multiply(&a, &b, R::BITS, R::BITS)?;
            vec![a.words, b.words, product.words]
        }
        Kind::Bits { .. } => {
            let bits = Bits::new(Placement::Shared, count, draw.words::<u64>(count / 64));
            vec![backend.to_arith(&bits)?.words]
        }
        Kind::MatrixTriples(shape) => {
            let [a, b] = [shape.rows * shape.inner, shape.inner * shape.columns].map(|n| shared(draw.words::<R>(n)));
            let product = backend.matrix_multiply(&a, &b, shape, (R::BITS, R::BITS), None)?;
            vec![a.words, b.words, product.words]
        }
    };
    Ok(vectors.into_iter().map(Zeroizing::new).collect())
}

/// Where the random words come from.
trait Draw {
    fn words<R: Ring>(&mut self, count: usize) -> Vec<R>;
}

/// From a generator.
struct Drawn<'r>(&'r mut dyn CryptoRng);

impl Draw for Drawn<'_> {
    fn words<R: Ring>(&mut self, count: usize) -> Vec<R> {
        let mut words = vec![R::ZERO; count];
        self.0.fill_bytes(bytemuck::cast_slice_mut(&mut words));
        words
    }
}

/// From nowhere: the cost does not depend on them.
struct Zeros;

impl Draw for Zeros {
    fn words<R: Ring>(&mut self, count: usize) -> Vec<R> {
        vec![R::ZERO; count]
    }
}
