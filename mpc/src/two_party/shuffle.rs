//! Permutations that nobody knows.
//!
//! *Source*: Mohassel and Sadeghian (EUROCRYPT 2013), on shares: each party in turn permutes by a network of switches whose
//! settings only it knows. A switch adds `s (y - x)` to the first of its values and takes it off the second, where the
//! party that permutes has the bit `s` and both have shares of the values; its own part it exchanges itself, and for
//! the other's there is a transfer, as in [`super::cross`].
//!
//! *Security*: semi-honest. Settings are masked by random choices, what is offered by messages that the chooser did not
//! get. The permutation is the composition of one that either party draws by itself, so it is uniform and unknown to
//! both. What a party draws comes from the choices of transfers that the other offered, which that one does not know.
//!
//! *Cost*: [`cost`]; of each party a bit and the words of a switch's values for every switch, three exchanges.
//!
//! *Shapes and units*: words seen as `[columns, groups, n]`; each group is permuted by itself, its columns alike.

use tacit_protocol::PartyId;
use zeroize::{Zeroize, Zeroizing};

use super::TwoParty;
use super::cost::Cost;
use super::cross::{choose, mask};
use super::network;
use super::pads;
use super::transfers::xor_plane;
use super::wire::{BitReader, BitWriter};
use crate::correlations::Correlations;
use crate::error::Result;
use crate::ot::keep_step;
use crate::prg::Prg;
use crate::ring::Ring;
use crate::share::{Arith, Placement, Seat};

/// Transfers that a party's generator takes.
const SEED_BITS: usize = 128;

/// What a shuffle of `words` words takes, in words of so many bits.
pub(super) fn cost(words: usize, columns: usize, groups: usize, bits: u32) -> Cost {
    let switches = Shape::new(words, columns, groups).switches();
    if switches == 0 {
        return Cost::default();
    }
    let sent = switches.div_ceil(8) + switches * columns * bits as usize / 8 + 1;
    Cost { sent: [sent as u64; 2], rounds: 3, offered: [(switches + SEED_BITS) as u64; 2], ..Cost::default() }
}

/// How words are seen.
#[derive(Clone, Copy)]
struct Shape {
    columns: usize,
    groups: usize,
    n: usize,
}

impl Shape {
    fn new(words: usize, columns: usize, groups: usize) -> Self {
        Self { columns, groups, n: words / (columns * groups).max(1) }
    }

    fn switches(&self) -> usize {
        self.groups * network::switches(self.n)
    }

    /// Calls `each` with the number of every switch and the places of its first column's values, which `places` has for one
    /// group.
    fn each_switch(&self, places: &[[u32; 2]], mut each: impl FnMut(usize, [usize; 2])) {
        let mut switch = 0;
        for group in 0..self.groups {
            for pair in places {
                each(switch, pair.map(|place| group * self.n + place as usize));
                switch += 1;
            }
        }
    }

    /// From one column to the next.
    fn stride(&self) -> usize {
        self.groups * self.n
    }
}

/// The transfers in which a party offers: message 0, and what message 1 has more, switch by switch.
struct Offers<R> {
    zeros: Vec<R>,
    masks: Vec<R>,
}

/// Those in which it chooses: the settings of its switches, packed, and what of each transfer is needed for them.
struct Choices<R> {
    settings: Vec<u64>,
    random: Vec<u64>,
    flips: Vec<u64>,
    chosen: Vec<R>,
}

impl<R: Ring, C: Correlations> TwoParty<'_, R, C> {
    /// Words in an order that nobody knows, each group of `[columns, groups, n]` by itself.
    pub(super) fn shuffled(&mut self, x: &Arith<R>, columns: usize, groups: usize) -> Result<Arith<R>> {
        let shape = Shape::new(x.len(), columns, groups);
        // What one party has, the other has a part of that is zero; what both have, the first has.
        let has = x.placement == Placement::Shared || self.holds(x.placement);
        let has = has && (x.placement != Placement::Public || self.first());
        let mut words = if has { x.words.clone() } else { vec![R::ZERO; x.len()] };
        if shape.switches() > 0 {
            let (mut offers, mut choices) = self.draw(&shape)?;
            let places = network::places(shape.n);
            let theirs = self.exchange_flips(&shape, &choices)?;
            for chooser in [PartyId::ZERO, PartyId::ONE] {
                if chooser == self.party {
                    self.permute(&shape, &places, &choices, &mut words)?;
                } else {
                    self.be_permuted(&shape, &places, &offers, &theirs, &mut words)?;
                }
            }
            for pads in [&mut offers.zeros, &mut offers.masks, &mut choices.chosen] {
                bytemuck::cast_slice_mut::<R, u8>(pads).zeroize();
            }
            choices.settings.zeroize();
        }
        Ok(Arith { placement: Placement::Shared, words })
    }

    fn draw(&mut self, shape: &Shape) -> Result<(Offers<R>, Choices<R>)> {
        let (switches, columns) = (shape.switches(), shape.columns);
        let first_tweak = self.tweak;
        self.tweak += pads::tweaks::<R>(switches, columns);
        let tweak = |transfers: usize| first_tweak + pads::tweaks::<R>(transfers, columns);
        let room = || Vec::<R>::with_capacity(switches * columns);
        let mut offers = Offers { zeros: room(), masks: room() };
        let random = vec![0; switches.div_ceil(64)];
        let mut choices = Choices { settings: Vec::new(), random, flips: Vec::new(), chosen: room() };
        for offerer in [PartyId::ZERO, PartyId::ONE] {
            if offerer == self.party {
                self.offer(SEED_BITS, |_, _, _| {})?;
                self.offer(switches, |start, zero, one| {
                    pads::expand(zero, columns, tweak(start), &mut offers.zeros);
                    pads::expand(one, columns, tweak(start), &mut offers.masks);
                    let (zeros, masks) = (&offers.zeros, &mut offers.masks);
                    masks[start * columns..].iter_mut().zip(&zeros[start * columns..]).for_each(|(one, zero)| {
                        *one = one.sub(*zero);
                    });
                })?;
            } else {
                let mut seed = Zeroizing::new([0; SEED_BITS / 64]);
                self.choose(SEED_BITS, |start, received, _| xor_plane(&mut seed[..], start, received, 0))?;
                choices.settings = settings(shape, Prg::new(u128::from(seed[0]) | u128::from(seed[1]) << 64));
                let Choices { random, chosen, .. } = &mut choices;
                self.choose(switches, |start, received, pads| {
                    xor_plane(random, start, received, 0);
                    pads::expand(pads, columns, tweak(start), chosen);
                })?;
            }
        }
        choices.flips =
            choices.random.iter().zip(&choices.settings).map(|(random, setting)| random ^ setting).collect();
        Ok((offers, choices))
    }

    /// Gives the other's.
    fn exchange_flips(&mut self, shape: &Shape, choices: &Choices<R>) -> Result<Vec<u64>> {
        let switches = shape.switches();
        let mut message = BitWriter::with_capacity(switches.div_ceil(8));
        message.push_bits(&choices.flips, switches);
        let received = self.exchange(&message.finish(), switches.div_ceil(8))?;
        Ok(BitReader::new(&received).take_bits(switches))
    }

    /// Permutes by this party's own settings.
    fn permute(&mut self, shape: &Shape, places: &[[u32; 2]], choices: &Choices<R>, words: &mut [R]) -> Result<()> {
        let (columns, stride) = (shape.columns, shape.stride());
        let mut offered = vec![R::ZERO; shape.switches() * columns];
        keep_step::send(&mut *self.channel)?;
        self.channel.receive(bytemuck::cast_slice_mut(&mut offered))?;
        shape.each_switch(places, |switch, [a, b]| {
            let [setting, random, flip] =
                [&choices.settings, &choices.random, &choices.flips].map(|bits| mask::<R>(bits, switch));
            for column in 0..columns {
                let (a, b, pad) = (a + column * stride, b + column * stride, switch * columns + column);
                let product = choices.chosen[pad].add(offered[pad].and(random));
                let product = choose(flip, product.neg(), product);
                let sum = product.add(words[b].sub(words[a]).and(setting));
                (words[a], words[b]) = (words[a].add(sum), words[b].sub(sum));
            }
        });
        Ok(())
    }

    /// Has the other party permute by its settings.
    fn be_permuted(
        &mut self,
        shape: &Shape,
        places: &[[u32; 2]],
        offers: &Offers<R>,
        flips: &[u64],
        words: &mut [R],
    ) -> Result<()> {
        let (columns, stride) = (shape.columns, shape.stride());
        let mut offered = vec![R::ZERO; shape.switches() * columns];
        shape.each_switch(places, |switch, [a, b]| {
            let flip = mask::<R>(flips, switch);
            for column in 0..columns {
                let (a, b, pad) = (a + column * stride, b + column * stride, switch * columns + column);
                let more = words[b].sub(words[a]);
                offered[pad] = more.sub(offers.masks[pad]);
                let share = choose(flip, more.add(offers.zeros[pad]), offers.zeros[pad].neg());
                (words[a], words[b]) = (words[a].add(share), words[b].sub(share));
            }
        });
        self.channel.send(bytemuck::cast_slice(&offered))?;
        self.channel.flush()?;
        keep_step::receive(&mut *self.channel)
    }
}

/// The settings of the networks of all groups, for uniform permutations, packed.
fn settings(shape: &Shape, mut prg: Prg) -> Vec<u64> {
    let mut packed = vec![0; shape.switches().div_ceil(64)];
    let mut switch = 0;
    for _ in 0..shape.groups {
        let mut permutation: Vec<u32> = (0..u32::try_from(shape.n).expect("the plan bounds lengths")).collect();
        for last in (1..shape.n).rev() {
            // Of 96 bits: no place is likelier than another by more than 2^-64 of it.
            let [block] = prg.draw();
            let place = ((block >> 32) * (last as u128 + 1)) >> 96;
            permutation.swap(last, place as usize);
        }
        let mut settings = network::settings(&permutation);
        for setting in &settings {
            packed[switch / 64] |= u64::from(*setting) << (switch % 64);
            switch += 1;
        }
        settings.zeroize();
        permutation.zeroize();
    }
    packed
}
