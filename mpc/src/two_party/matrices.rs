//! Matrix products: by encryption, or by transfers where the matrices are small.
//!
//! *Source*: [`crate::lattice`]; Gilboa with a transfer for each bit of each entry of the factor that chooses, its message a
//! whole row of the other factor. *Security*: that of [`super::slots`] and [`super::cross`].
//!
//! A factor that many products have, such as the table in every trip of a loop, is encrypted once, and its ciphertexts are
//! kept by the peer, where that costs least over all of them.
//!
//! *Cost*: [`super::cost::matrix_multiply`]; by encryption two exchanges a piece, one where the ciphertexts were kept.
//!
//! *Shapes and units*: row-major; widths are of values.

use std::collections::HashMap;

use super::beaver;
use super::cost::{Cost, cross_words, wrap};
use super::cross::{Choosers, WordCross, choosers};
use super::multiply::{Orientation, orient};
use super::pace::Pace;
use super::{Means, TwoParty};
use crate::backend::{MatrixShape, Repeat};
use crate::clear::local_matrix_product;
use crate::correlations::Correlations;
use crate::error::Result;
use crate::lattice::{EncryptedMatrix, Layout, decrypt_matrix, encrypt_matrix, evaluate_matrix, read_matrix};
use crate::offline::Kind;
use crate::params::MATRIX_MOST_WIDTH;
use crate::ring::Ring;
use crate::share::{Arith, Placement, Seat};

/// Columns of a product by transfers that go together: bounds memory, and costs a transfer a block.
const COLUMNS: usize = 4096;

/// Entries of the encrypted factor of a piece at most: bounds memory.
const PIECE: usize = 1 << 21;

/// Ciphertexts of a factor that are kept at most: bounds memory, to some 100 MB.
const KEPT_BLOCKS: usize = 64;

/// The ciphertexts that are kept for each group of products, piece by piece.
pub(super) type Kept = HashMap<u32, Vec<EncryptedMatrix>>;

/// How a matrix product is made.
pub(super) struct MatrixProduct {
    shape: MatrixShape,
    /// Who has a part of the left factor that meets a part of the other's right one.
    choosers: Choosers,
    way: Way,
}

enum Way {
    /// By encryption modulo `2^width`, piece by piece; the left factor is the encrypted one if `transposed`. Its
    /// ciphertexts serve `keeping`, if there is one.
    Encryption { width: u32, transposed: bool, pace: Pace, keeping: Option<Keeping> },
    /// By transfers, of which the left factor chooses, or of the transposed product.
    Transfers(Orientation),
    /// With a triple, modulo `2^width`.
    Triple { kind: Kind, width: u32 },
}

/// Ciphertexts that serve several products.
#[derive(Clone, Copy)]
struct Keeping {
    group: u32,
    products: u32,
    /// Whether the peer has them.
    kept: bool,
}

/// A piece of a product by encryption: the multiplier's columns and those of the encrypted factor.
struct Piece {
    inner: std::ops::Range<usize>,
    columns: std::ops::Range<usize>,
    layout: Layout,
}

impl MatrixProduct {
    /// The cheapest for factors of such placements and widths, in words of so many bits.
    pub(super) fn cheapest(
        shape: MatrixShape,
        word: u32,
        (a, b): (Placement, Placement),
        bits: (u32, u32),
        repeat: Option<Repeat>,
        means: &mut Means,
    ) -> Self {
        let pace = means.pace;
        let orientation = orient(word, (a, bits.0, shape.rows), (b, bits.1, shape.columns));
        let transfers = Self { shape, choosers: choosers(a, b), way: Way::Transfers(orientation) };
        // What sums of so many products need, with two bits to spare, for the wrap of the parts is found by them.
        let width = word.min(bits.0 + bits.1 + 1 + shape.inner.next_power_of_two().ilog2());
        if width > MATRIX_MOST_WIDTH || transfers.choosers == [false; 2] {
            return transfers;
        }
        let choosers = transfers.choosers;
        let encrypted = |transposed, keeping| Way::Encryption { width, transposed, pace, keeping };
        let keeping = repeat.map(|Repeat { group, left, products }| {
            encrypted(left, Some(Keeping { group, products, kept: means.has_kept(group) }))
        });
        let encrypted = [false, true].map(|transposed| encrypted(transposed, None)).into_iter().chain(keeping);
        let ways = encrypted.map(|way| Self { shape, choosers, way }).filter(Self::is_possible);
        let triple = Kind::matrix_triples(shape).filter(|kind| width <= 64 && means.has(*kind, 1));
        let triple = triple.map(|kind| Self { shape, choosers, way: Way::Triple { kind, width } });
        let ways = [transfers].into_iter().chain(ways).chain(triple);
        let fastest = ways.min_by_key(|way| way.nanoseconds(word, &pace)).expect("transfers can do all");
        match fastest.way {
            Way::Triple { kind, .. } => means.take(kind, 1),
            Way::Encryption { keeping: Some(keeping), .. } => means.keep(keeping.group),
            _ => {}
        }
        fastest
    }

    /// Whether a way by encryption can be taken.
    fn is_possible(&self) -> bool {
        let Some(pieces) = self.pieces() else { return false };
        self.keeping().is_none() || pieces.iter().map(|piece| piece.layout.encrypted()).sum::<usize>() <= KEPT_BLOCKS
    }

    fn keeping(&self) -> Option<Keeping> {
        if let Way::Encryption { keeping, .. } = self.way { keeping } else { None }
    }

    /// Whether a factor is to be encrypted.
    fn encrypts(&self) -> bool {
        !self.keeping().is_some_and(|keeping| keeping.kept)
    }

    /// How long it takes; of products that share ciphertexts, each its part. So all of a group choose alike, whatever order
    /// they run in.
    fn nanoseconds(&self, word: u32, pace: &Pace) -> u64 {
        let time = |encrypts| pace.nanoseconds(&self.cost_of(word, encrypts));
        match self.keeping() {
            Some(Keeping { products, .. }) => {
                let further = time(false);
                further + time(true).saturating_sub(further) / u64::from(products)
            }
            None => time(true),
        }
    }

    /// The shape as the encryption sees it: the multiplier on the left.
    fn oriented(&self) -> MatrixShape {
        let MatrixShape { rows, inner, columns } = self.shape;
        match self.way {
            Way::Encryption { transposed: true, .. } => MatrixShape { rows: columns, inner, columns: rows },
            _ => self.shape,
        }
    }

    /// The pieces of a product by encryption, which add up to it.
    fn pieces(&self) -> Option<Vec<Piece>> {
        let Way::Encryption { width, pace, keeping, .. } = self.way else { return None };
        let products = keeping.map_or(1, |keeping| keeping.products);
        let MatrixShape { rows, inner, columns } = self.oriented();
        let columns_each = (PIECE / inner.clamp(1, PIECE)).clamp(1, columns.max(1));
        let inner_each = (PIECE / columns_each).min(inner.max(1));
        let ranges = |n: usize, each: usize| (0..n).step_by(each).map(move |from| from..n.min(from + each));
        let mut pieces = Vec::new();
        for inner in ranges(inner, inner_each) {
            for columns in ranges(columns, columns_each) {
                let shape = MatrixShape { rows, inner: inner.len(), columns: columns.len() };
                pieces.push(Piece {
                    layout: Layout::cheapest(shape, width, pace.transform_bytes(), products)?,
                    inner: inner.clone(),
                    columns,
                });
            }
        }
        (rows > 0).then_some(pieces)
    }

    /// Who encrypts what meets the part of the left factor that `holder` has.
    fn encryptor(&self, holder: usize) -> usize {
        if matches!(self.way, Way::Encryption { transposed: true, .. }) { holder } else { 1 - holder }
    }

    /// What it costs, in words of so many bits.
    pub(super) fn cost(&self, word: u32) -> Cost {
        self.cost_of(word, self.encrypts())
    }

    /// The same, with the encryption or without.
    fn cost_of(&self, word: u32, encrypts: bool) -> Cost {
        if let Way::Triple { width, .. } = self.way {
            let opened = beaver::matrix_cost(self.shape, width);
            return opened + wrap(self.shape.rows * self.shape.columns, word - width);
        }
        let (Some(pieces), Way::Encryption { width, .. }) = (self.pieces(), &self.way) else {
            return self.transfer_cost(word);
        };
        let mut cost = Cost::default();
        for Piece { layout, .. } in &pieces {
            for holder in (0..2).filter(|holder| self.choosers[*holder]) {
                let encryptor = self.encryptor(holder);
                cost.sent[encryptor] += if encrypts { layout.sent_up() as u64 } else { 0 };
                cost.sent[1 - encryptor] += layout.sent_down() as u64;
                cost.key_sizes[encryptor] = cost.key_sizes[encryptor].max(layout.key_size());
                cost.batches += layout.batches(encrypts);
            }
            cost.rounds += 1 + u64::from(encrypts);
        }
        cost + wrap(self.shape.rows * self.shape.columns, word - width)
    }

    fn transfer_cost(&self, word: u32) -> Cost {
        let Way::Transfers(Orientation { swapped, choice_bits }) = self.way else { return Cost::default() };
        let MatrixShape { rows, inner, columns } = self.shape;
        let (shape, choosers) = match swapped {
            true => (MatrixShape { rows: columns, inner, columns: rows }, flipped(self.choosers)),
            false => (self.shape, self.choosers),
        };
        matrix_crosses(shape, choice_bits, word).map(|cross| cross_words(&cross, choosers)).sum()
    }
}

/// Who has a part of the right factor that meets a part of the other's left one.
fn flipped([zero, one]: Choosers) -> Choosers {
    [one, zero]
}

impl<R: Ring, C: Correlations> TwoParty<'_, R, C> {
    /// The matrix product.
    pub(super) fn matrix_product(
        &mut self,
        a: &Arith<R>,
        b: &Arith<R>,
        shape: MatrixShape,
        bits: (u32, u32),
        repeat: Option<Repeat>,
    ) -> Result<Arith<R>> {
        let placement = a.placement.join(b.placement);
        let MatrixShape { rows, inner, columns } = shape;
        let product =
            MatrixProduct::cheapest(shape, R::BITS, (a.placement, b.placement), bits, repeat, &mut self.means);
        if let Way::Triple { kind, width } = product.way {
            let words = self.matrix_product_of_triple(kind, &a.words, &b.words, shape, width)?;
            let whole = Arith { placement, words };
            return if width < R::BITS { self.faithful_shift(&whole, 0, width, R::BITS) } else { Ok(whole) };
        }
        // The part of a private factor is zero on the other's side, which every placement tells.
        let has_part = |of: Placement| of == Placement::Shared || self.holds(of);
        let local = match has_part(a.placement) && has_part(b.placement) {
            true => local_matrix_product(&a.words, &b.words, shape),
            false => vec![R::ZERO; rows * columns],
        };
        let cross = match &product.way {
            Way::Encryption { transposed: false, .. } => self.encrypted_cross(&product, &a.words, &b.words)?,
            Way::Encryption { transposed: true, .. } => {
                let (left, right) = (transposed(&b.words, inner, columns), transposed(&a.words, rows, inner));
                transposed(&self.encrypted_cross(&product, &left, &right)?, columns, rows)
            }
            Way::Transfers(Orientation { swapped: true, choice_bits }) => {
                let (left, right) = (transposed(&b.words, inner, columns), transposed(&a.words, rows, inner));
                let shape = MatrixShape { rows: columns, inner, columns: rows };
                let cross = self.matrix_cross(&left, &right, shape, *choice_bits, flipped(product.choosers))?;
                transposed(&cross, columns, rows)
            }
            Way::Transfers(Orientation { swapped: false, choice_bits }) => {
                self.matrix_cross(&a.words, &b.words, shape, *choice_bits, product.choosers)?
            }
            Way::Triple { .. } => unreachable!("has returned"),
        };
        let words = local.iter().zip(cross).map(|(local, cross)| local.add(cross)).collect();
        let whole = Arith { placement, words };
        match product.way {
            Way::Encryption { width, .. } if width < R::BITS => self.faithful_shift(&whole, 0, width, R::BITS),
            _ => Ok(whole),
        }
    }

    /// The cross terms of a product by encryption, of a multiplier and a factor that is encrypted.
    fn encrypted_cross(&mut self, product: &MatrixProduct, left: &[R], right: &[R]) -> Result<Vec<R>> {
        let MatrixShape { rows, inner, columns } = product.oriented();
        let mut sum = vec![R::ZERO; rows * columns];
        let me = self.party.index();
        let terms = |encrypts: bool| {
            (0..2).any(|holder| product.choosers[holder] && (product.encryptor(holder) == me) == encrypts)
        };
        let (encrypts, keeping) = (product.encrypts(), product.keeping());
        for (number, piece) in product.pieces().unwrap_or_default().into_iter().enumerate() {
            let mut random = [(); 2].map(|()| self.lattice.as_mut().map(|lattice| lattice.random()));
            let mut random = || random.iter_mut().find_map(Option::take).expect("a plan of such products sets keys up");
            let lattice = self.lattice.as_deref().expect("a plan of such products sets keys up");
            let layout = &piece.layout;
            if terms(true) && encrypts {
                let factor: Vec<R> = (piece.inner.clone())
                    .flat_map(|row| &right[row * columns..][piece.columns.clone()])
                    .copied()
                    .collect();
                self.channel.send(&encrypt_matrix(layout, lattice.secret(), random(), &factor))?;
                self.channel.flush()?;
            }
            let mut add = |share: Vec<R>| {
                for (row, share) in share.chunks(piece.columns.len()).enumerate() {
                    let into = &mut sum[row * columns..][piece.columns.clone()];
                    into.iter_mut().zip(share).for_each(|(into, share)| *into = into.add(*share));
                }
            };
            if terms(false) {
                let encrypted = match keeping {
                    Some(keeping) => self.kept.entry(keeping.group).or_default(),
                    None => &mut Vec::new(),
                };
                if encrypts {
                    let mut message = vec![0; layout.sent_up()];
                    self.channel.receive(&mut message)?;
                    encrypted.push(read_matrix(layout, &message)?);
                }
                let place = if encrypts { encrypted.len() - 1 } else { number };
                let encrypted = &encrypted[place];
                let multiplier: Vec<R> =
                    (0..rows).flat_map(|row| &left[row * inner..][piece.inner.clone()]).copied().collect();
                let (answer, share) = evaluate_matrix(layout, lattice.peer(), random(), encrypted, &multiplier);
                self.channel.send(&answer)?;
                self.channel.flush()?;
                add(share);
            }
            if terms(true) {
                let mut answer = vec![0; layout.sent_down()];
                self.channel.receive(&mut answer)?;
                add(decrypt_matrix(layout, lattice.secret(), &answer));
            }
        }
        Ok(sum)
    }

    /// The cross terms of a product by transfers whose left factor chooses, block of columns by block.
    fn matrix_cross(
        &mut self,
        choice: &[R],
        offer: &[R],
        shape: MatrixShape,
        choice_bits: u32,
        choosers: Choosers,
    ) -> Result<Vec<R>> {
        let MatrixShape { rows, inner, columns } = shape;
        let mut product = vec![R::ZERO; rows * columns];
        let mut from = 0;
        for cross in matrix_crosses(shape, choice_bits, R::BITS) {
            let to = from + cross.columns;
            let block: Vec<R> =
                (0..inner).flat_map(|row| &offer[row * columns + from..row * columns + to]).copied().collect();
            let part = self.cross_words(&cross, choice, &block, choosers)?;
            for (row, part) in part.chunks(cross.columns).enumerate() {
                product[row * columns + from..row * columns + to].copy_from_slice(part);
            }
            from = to;
        }
        Ok(product)
    }
}

/// The blocks of a matrix product whose left factor chooses.
fn matrix_crosses(shape: MatrixShape, choice_bits: u32, width: u32) -> impl Iterator<Item = WordCross> {
    let MatrixShape { rows, inner, columns } = shape;
    let elements = rows * inner;
    (0..if elements == 0 { 0 } else { columns }).step_by(COLUMNS).map(move |from| WordCross {
        elements,
        choice_bits,
        signed: true,
        columns: (columns - from).min(COLUMNS),
        width,
        period: inner,
        fold: inner,
        exclusive: false,
    })
}

fn transposed<R: Ring>(words: &[R], rows: usize, columns: usize) -> Vec<R> {
    (0..rows * columns).map(|place| words[place % rows * columns + place / rows]).collect()
}
