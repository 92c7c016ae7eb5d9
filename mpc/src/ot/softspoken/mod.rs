//! SoftSpoken OT extension: any number of correlated OTs in both directions, from 128 base OTs each way.
//!
//! *Source*: Roy, "SoftSpokenOT: Quieter OT Extension from Small-Field Silent VOLE in the Minicrypt Model", ePrint
//! 2022/192: small-field VOLE (§3.1), puncturable PRF with its malicious check (§6), subspace VOLE with the repetition
//! code and its consistency check (§4). We differ in that the challenge of the consistency
//! check is a hash of the transcript (Fiat-Shamir) in place of a coin of the verifier, which saves a round a batch
//! and is why the universal hash has 128 bits; in that the hash is a polynomial one (POLYVAL); and in that bit 0 of the
//! offset is 1, so that bit 0 of a row can hold the choice ([`crate::correlations`]).
//!
//! *Security*: malicious, 127 bits computational; the checks are always on. A deviating receiver may guess 8-bit
//! digits of the offset, and is caught unless all its guesses are right, as in the paper. A failed check destroys the
//! session's secrets (CHK-601); nothing is retried on them. Secret-independent time and memory access; the offset,
//! seeds and columns are zeroised.
//!
//! *Cost*: set-up two simultaneous exchanges, 12.9 KB a direction. Extension one flight from receiver to sender: 15
//! bits a transfer, plus 2.3 KB a batch of at most 65,536 (1.91 B a transfer on long runs). Per transfer and side 32
//! AES blocks of tree and one field multiplication: this is what starts silent transfers, or serves small needs.
//!
//! *Shapes and units*: transfers come in blocks of 128, column-major until they are handed out: column `c` of a batch
//! holds bit `c` of each row; row `j` of the sender is row `j` of the receiver plus, where its choice is 1, the offset.

mod check;
mod receiver;
mod sender;
mod set_up;
mod tree;
mod vole;

use std::sync::Arc;

use rand_core::CryptoRng;
use tacit_protocol::PartyId;
use tacit_simd::TILE;
use zeroize::Zeroize;

use crate::channel::Channel;
use crate::correlations::{Correlations, Pads};
use crate::error::{Error, Result};
use crate::ot::{base, keep_step};
use crate::params::{SOFTSPOKEN_MAX_BLOCKS, SOFTSPOKEN_MIN_BLOCKS, SOFTSPOKEN_TREES};
use receiver::Receiver;
use sender::Sender;
pub use set_up::{Part, SetUp};

/// Transfers in a block.
const BLOCK: usize = 128;

const STEP_EXTENSION: &str = "OT extension";

/// Correlated OTs in both directions between two parties.
pub struct SoftSpoken {
    set_up: Arc<SetUp>,
    /// `None` once something has failed.
    roles: Option<(Sender, Receiver)>,
    contexts: [[u8; 32]; 2],
    pads: Pads,
    /// How many transfers each direction expects: sent, received.
    expected: [u64; 2],
    /// Transfers made and not yet asked for.
    sent: Vec<u128>,
    received: Vec<u128>,
}

impl SoftSpoken {
    /// Sets up with the peer, which does the same as the other party. `session_id` must be equal on both sides and
    /// new for each session; fresh randomness of both is mixed in.
    ///
    /// # Errors
    /// `PROTOCOL_POINT` or `PROTOCOL_OT_CHECK` if the peer deviates (CHK-601), and those of the channel.
    pub fn establish(
        channel: &mut dyn Channel,
        party: PartyId,
        session_id: [u8; 32],
        rng: &mut dyn CryptoRng,
    ) -> Result<Self> {
        Ok(Self::on(&SetUp::establish(channel, party, session_id, rng)?))
    }

    /// A session on its part of a set-up. The peer has the other half of the same part.
    pub(super) fn on(part: &Part) -> Self {
        let [send, receive] = part.streams();
        let contexts = part.contexts();
        let [send_context, receive_context] = contexts;
        let pads = Pads::new(&send_context, &receive_context);
        let roles = (Sender::new(send, part.offset(), send_context), Receiver::new(receive, receive_context));
        let set_up = Arc::clone(part.set_up());
        let (sent, received) = (Vec::new(), Vec::new());
        Self { set_up, roles: Some(roles), contexts, pads, expected: [0; 2], sent, received }
    }

    /// The set-up that it is on.
    pub(super) fn set_up(&self) -> &Arc<SetUp> {
        &self.set_up
    }

    /// Makes so many transfers that this party will send, and so many that it will receive, in one exchange. It is no
    /// limit. The peer must say the same the other way round.
    ///
    /// # Errors
    /// As [`Self::establish`].
    pub fn prepare(&mut self, channel: &mut dyn Channel, sent: u64, received: u64) -> Result<()> {
        self.expected = [sent, received];
        self.extend(channel, [sent, received])
    }

    /// What names the directions in which this party sends and receives: equal on both sides, and new for each session.
    pub(super) fn contexts(&self) -> [[u8; 32]; 2] {
        self.contexts
    }

    /// Destroys both directions, and where the peer failed a check, all other sessions on the set-up too.
    pub(super) fn destroy(&mut self, error: &Error) {
        if matches!(error, Error::Deviation { .. }) {
            self.set_up.fail();
        }
        self.roles = None;
        self.sent.zeroize();
        self.received.zeroize();
    }

    /// Extends the directions in one exchange until they have made so many transfers in all, sent and received; any
    /// failure destroys both (CHK-601).
    fn extend(&mut self, channel: &mut dyn Channel, until: [u64; 2]) -> Result<()> {
        self.try_extend(channel, until).inspect_err(|error| self.destroy(error))
    }

    fn try_extend(&mut self, channel: &mut dyn Channel, until: [u64; 2]) -> Result<()> {
        let destroyed = || Error::refused("PROTOCOL_OT_CHECK", "the OT session was destroyed by an earlier failure");
        if self.set_up.has_failed() {
            return Err(destroyed());
        }
        let (sender, receiver) = self.roles.as_mut().ok_or_else(destroyed)?;
        let [sends, receives] = [sender.made() < until[0], receiver.made() < until[1]];
        // The receiver of an extension speaks first, so both directions cross.
        while receiver.made() < until[1] {
            receiver.extend(channel, tiles(receiver.made(), self.expected[1]), &mut self.received)?;
        }
        if sends && !receives {
            keep_step::send(channel)?;
        }
        while sender.made() < until[0] {
            sender.extend(channel, tiles(sender.made(), self.expected[0]), &mut self.sent)?;
        }
        if receives && !sends {
            keep_step::receive(channel)?;
        }
        Ok(())
    }

    /// How many transfers each direction has made.
    fn made(&self) -> [u64; 2] {
        self.roles.as_ref().map_or([0; 2], |(sender, receiver)| [sender.made(), receiver.made()])
    }
}

impl Correlations for SoftSpoken {
    fn offset(&self) -> u128 {
        self.roles.as_ref().map_or(0, |(sender, _)| sender.offset())
    }

    fn pads(&mut self) -> &mut Pads {
        &mut self.pads
    }

    fn send_correlated(&mut self, channel: &mut dyn Channel, into: &mut [u128]) -> Result<()> {
        let mut missing = hand_out(&mut self.sent, into);
        while !missing.is_empty() {
            self.extend(channel, [self.made()[0] + 1, 0])?;
            missing = hand_out(&mut self.sent, missing);
        }
        Ok(())
    }

    fn receive_correlated(&mut self, channel: &mut dyn Channel, into: &mut [u128]) -> Result<()> {
        let mut missing = hand_out(&mut self.received, into);
        while !missing.is_empty() {
            self.extend(channel, [0, self.made()[1] + 1])?;
            missing = hand_out(&mut self.received, missing);
        }
        Ok(())
    }
}

/// Moves transfers from the end of `pool` to the start of `into`, and tells what is still to be filled.
fn hand_out<'a>(pool: &mut Vec<u128>, into: &'a mut [u128]) -> &'a mut [u128] {
    let kept = pool.len().saturating_sub(into.len());
    let (filled, missing) = into.split_at_mut(pool.len() - kept);
    filled.copy_from_slice(&pool[kept..]);
    pool[kept..].zeroize();
    pool.truncate(kept);
    missing
}

/// Appends `n` transfers to a pool, zero at first, and tells where they are. Growth leaves no copy of the others behind.
fn append(pool: &mut Vec<u128>, n: usize) -> &mut [u128] {
    let start = pool.len();
    if pool.capacity() < start + n {
        let mut grown = Vec::with_capacity(start + n);
        grown.extend_from_slice(pool);
        pool.zeroize();
        *pool = grown;
    }
    pool.resize(start + n, 0);
    &mut pool[start..]
}

impl Drop for SoftSpoken {
    fn drop(&mut self) {
        self.sent.zeroize();
        self.received.zeroize();
    }
}

/// How many tiles the next extension makes, of a direction that expects `expected` transfers and has made `made`: what
/// is missing, or past that as many as there were. So the extensions follow from how many transfers are used in all,
/// however they are asked for.
fn tiles(made: u64, expected: u64) -> usize {
    let wanted = if made < expected { expected - made } else { made };
    let least = (SOFTSPOKEN_MIN_BLOCKS / TILE) as u64;
    let most = (SOFTSPOKEN_MAX_BLOCKS / TILE) as u64;
    wanted.div_ceil((BLOCK * TILE) as u64).clamp(least, most) as usize
}

/// What the set-up costs: bytes that each party sends in its two exchanges.
pub(super) const SET_UP_BYTES: [u64; 2] =
    [(base::RECEIVER_BYTES + base::SENDER_BYTES) as u64, tree::MESSAGE_BYTES as u64];

/// The bytes of each extension, from the receiver to the sender, that a direction takes to hand out `used` transfers.
pub(super) fn extensions(expected: u64, used: u64) -> impl Iterator<Item = u64> {
    let mut made = 0;
    std::iter::from_fn(move || {
        let tiles = (made < used).then(|| tiles(made, expected))?;
        made += (tiles * TILE * BLOCK) as u64;
        Some(((SOFTSPOKEN_TREES - 1) * (tiles * TILE + 1) * 16 + check::ANSWER_BYTES) as u64)
    })
}

fn draw_blocks<const N: usize>(rng: &mut dyn CryptoRng) -> [u128; N] {
    let mut blocks = [0; N];
    rng.fill_bytes(bytemuck::cast_slice_mut(&mut blocks));
    blocks
}

#[cfg(test)]
mod tests {
    use std::thread;

    use rand_chacha::ChaCha12Rng;
    use rand_core::SeedableRng;

    use super::*;
    use crate::channel::{self, Event, Layered, Recorder, Traffic};
    use crate::correlations::double;
    use crate::hash::CorrelationRobust;
    use crate::ot::ideal;
    use crate::ot::testing::{Tampering, both};

    const SESSION: [u8; 32] = [8; 32];

    fn establish<C: Channel>(channel: &mut C, party: PartyId, seed: u64) -> Result<SoftSpoken> {
        let mut rng = ChaCha12Rng::seed_from_u64(seed + u64::from(party.0));
        SoftSpoken::establish(channel, party, SESSION, &mut rng)
    }

    type Transfers = (Vec<Vec<[u128; 2]>>, Vec<(Vec<u64>, Vec<u128>)>);

    /// Party 0 sends `sizes` transfers and receives as many, in turns.
    fn transfers<C: Channel>(channel: &mut C, party: PartyId, seed: u64, sizes: &[usize]) -> Result<Transfers> {
        let mut ots = establish(channel, party, seed)?;
        let (mut sent, mut received) = (Vec::new(), Vec::new());
        for &n in sizes {
            if party == PartyId::ZERO {
                sent.push(ots.send_random(channel, n)?);
                received.push(ots.receive_random(channel, n)?);
            } else {
                received.push(ots.receive_random(channel, n)?);
                sent.push(ots.send_random(channel, n)?);
            }
        }
        Ok((sent, received))
    }

    #[test]
    fn behaves_as_the_ideal_functionality_at_any_size_and_in_both_directions() {
        let sizes = [1, 0, 63, 64, 65, 8000, 8192, 3, 70_001, 512, 131_072, 129];
        let ((zero, a), (one, b)) = both(channel::pair(), |c, party| transfers(c, party, 1, &sizes));
        let (zero, one) = (zero.expect("honest"), one.expect("honest"));
        for (sent, received) in zero.0.iter().zip(&one.1).chain(one.0.iter().zip(&zero.1)) {
            ideal::check_random(sent, &received.0, &received.1);
        }
        let all: Vec<[u128; 2]> = zero.0.concat();
        let mut seen: Vec<u128> = all.into_iter().flatten().chain(one.0.concat().into_iter().flatten()).collect();
        let count = seen.len();
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen.len(), count, "no message is handed out twice");
        assert_eq!(a.traffic().sent, b.traffic().received);
    }

    #[test]
    fn correlated_and_random_transfers_are_handed_out_once_in_any_mixture() {
        let sizes = [5, 1000, 8192, 1, 70_000];
        let ((zero, _), (one, _)) = both(channel::pair(), |c, party| {
            let mut ots = establish(c, party, 10).expect("honest");
            let mut all = vec![0; sizes.iter().sum()];
            let mut rest = &mut all[..];
            for n in sizes {
                let (into, later) = rest.split_at_mut(n);
                rest = later;
                if party == PartyId::ZERO {
                    ots.send_correlated(c, into).expect("honest");
                    ots.send_random(c, n).expect("honest");
                } else {
                    ots.receive_correlated(c, into).expect("honest");
                    ots.receive_random(c, n).expect("honest");
                }
            }
            (ots.offset(), all)
        });
        ideal::check_correlated(zero.0, &zero.1, &one.1);
        assert_ne!(zero.0, one.0);
    }

    #[test]
    fn a_digit_opens_one_message_of_four() {
        let n = 500;
        let ((zero, _), (one, _)) = both(channel::pair(), |c, party| {
            let mut ots = establish(c, party, 11).expect("honest");
            let (mut low, mut high) = (vec![0; n], vec![0; n]);
            for part in [&mut low, &mut high] {
                match party {
                    PartyId::ZERO => ots.send_correlated(c, part).expect("honest"),
                    _ => ots.receive_correlated(c, part).expect("honest"),
                }
            }
            let key: Vec<u128> = low.iter().zip(&high).map(|(low, high)| low ^ double(*high)).collect();
            let offset = ots.offset();
            let multiples = [0, offset, double(offset), offset ^ double(offset)];
            let digits: Vec<u128> = low.iter().zip(&high).map(|(low, high)| low & 1 | (high & 1) << 1).collect();
            let message = |multiple: u128, hash: &CorrelationRobust| {
                let mut message: Vec<u128> = key.iter().map(|key| key ^ multiple).collect();
                hash.hash(0, &mut message);
                message
            };
            let messages = match party {
                PartyId::ZERO => multiples.map(|multiple| message(multiple, ots.pads().sending())).to_vec(),
                _ => vec![message(0, ots.pads().receiving())],
            };
            (messages, digits)
        });
        for (i, (chosen, digit)) in one.0[0].iter().zip(&one.1).enumerate() {
            for (j, messages) in zero.0.iter().enumerate() {
                assert_eq!(messages[i] == *chosen, j as u128 == *digit, "transfer {i}, message {j}");
            }
        }
    }

    /// What one party has of a session: the offset, the keys that it sends, what it receives.
    fn session<C: Channel>(channel: &mut C, ots: &mut SoftSpoken, party: PartyId) -> (u128, Vec<u128>, Vec<u128>) {
        let (mut sent, mut received) = (vec![0; 9_000], vec![0; 9_000]);
        if party == PartyId::ZERO {
            ots.send_correlated(channel, &mut sent).expect("honest");
            ots.receive_correlated(channel, &mut received).expect("honest");
        } else {
            ots.receive_correlated(channel, &mut received).expect("honest");
            ots.send_correlated(channel, &mut sent).expect("honest");
        }
        (ots.offset(), sent, received)
    }

    #[test]
    fn sessions_on_one_set_up_have_nothing_in_common_but_the_offset() {
        let ((zero, _), (one, _)) = both(channel::pair(), |c, party| {
            let mut first = establish(c, party, 20).expect("honest");
            let set_up = Arc::clone(first.set_up());
            let [mut second, mut third] = [1, 2].map(|id| SoftSpoken::on(&set_up.take(&[id; 32]).expect("free")));
            assert!(set_up.take(&[1; 32]).is_none(), "a part is taken once");
            let before = c.traffic().sent;
            let sessions = [&mut first, &mut second, &mut third].map(|ots| session(c, ots, party));
            (set_up.id(), sessions, [first.contexts(), second.contexts(), third.contexts()], c.traffic().sent - before)
        });
        assert_eq!((zero.0, zero.3), (one.0, one.3));
        for (zero, one) in zero.1.iter().zip(&one.1) {
            ideal::check_correlated(zero.0, &zero.1, &one.2);
            ideal::check_correlated(one.0, &one.1, &zero.2);
        }
        let all = zero.1.iter().chain(&one.1).flat_map(|(_, sent, _)| sent.iter().copied());
        let keys: std::collections::HashSet<u128> = all.collect();
        assert_eq!(keys.len(), 6 * 9_000, "no key comes twice");
        let choices = |session: usize| zero.1[session].2.iter().map(|row| row & 1).collect::<Vec<_>>();
        assert!(choices(0) != choices(1) && choices(1) != choices(2));
        for (session, [send, receive]) in zero.2.iter().enumerate() {
            assert_eq!(one.2[session], [*receive, *send], "each names the other's direction as the other does");
        }
        assert!(zero.2[0] != zero.2[1] && zero.2[1] != zero.2[2]);
    }

    // CHK-601
    #[test]
    fn a_check_that_fails_in_one_session_ends_all_on_the_set_up() {
        let (a, b) = channel::pair();
        let after_set_up = SETUP_BYTES + 100;
        std::thread::scope(|scope| {
            scope.spawn(move || {
                let mut channel = Layered::over(b, Tampering { at: after_set_up, bit: 0x20 });
                let first = establish(&mut channel, PartyId::ONE, 30).expect("not tampered with yet");
                let mut second = SoftSpoken::on(&first.set_up().take(&[1; 32]).expect("free"));
                second.receive_random(&mut channel, 128).ok()
            });
            let mut channel = a;
            let mut first = establish(&mut channel, PartyId::ZERO, 30).expect("not tampered with yet");
            let set_up = Arc::clone(first.set_up());
            let mut second = SoftSpoken::on(&set_up.take(&[1; 32]).expect("free"));
            let failed = second.send_random(&mut channel, 128).expect_err("tampered");
            assert_eq!(failed.code().as_str(), "PROTOCOL_OT_CHECK");
            assert!(set_up.take(&[2; 32]).is_none(), "it serves no more");
            let other = first.send_random(&mut channel, 128).expect_err("ended too");
            assert!(matches!(other, Error::Refused { .. }), "{other:?}");
        });
    }

    #[test]
    fn choices_are_balanced() {
        let (_, (one, _)) = both(channel::pair(), |c, party| transfers(c, party, 2, &[1 << 16]));
        let (choices, _) = &one.expect("honest").1[0];
        let ones: u32 = choices.iter().map(|word| word.count_ones()).sum();
        // 2^16 fair coins stay within eight standard deviations of 128 but for 2^-49.
        assert!((32768 - 1024..=32768 + 1024).contains(&ones), "{ones} ones");
    }

    #[test]
    fn sizes_and_order_on_the_wire_do_not_depend_on_the_secrets() {
        let record = |seed| {
            let (a, b) = channel::pair();
            let pair = (Recorder::new(a), Recorder::new(b));
            let ((x, a), (y, b)) = both(pair, |c, party| transfers(c, party, seed, &[100, 9000, 70_000]));
            x.and(y).expect("honest");
            [a.events().to_vec(), b.events().to_vec()]
        };
        let first: [Vec<Event>; 2] = record(3);
        assert!(!first[0].is_empty());
        assert_eq!(first, record(4));
    }

    #[test]
    fn the_same_randomness_gives_the_same_transfers() {
        let run = |seed| both(channel::pair(), |c, party| transfers(c, party, seed, &[300])).0.0.expect("honest");
        assert_eq!(run(5), run(5));
        assert_ne!(run(5), run(6));
    }

    #[test]
    fn long_runs_cost_less_than_two_bytes_a_transfer() {
        let n = 1 << 20;
        let ((_, a), _) = both(channel::pair(), |c, party| {
            let mut ots = establish(c, party, 7).expect("honest");
            let before = c.traffic();
            if party == PartyId::ZERO {
                ots.receive_random(c, n).expect("honest");
            } else {
                ots.send_random(c, n).expect("honest");
            }
            before
        });
        let Traffic { sent, .. } = a.traffic();
        assert!(sent < 2 * n as u64, "{sent} bytes");
    }

    /// What the honest party 0 ends with when party 1 tampers at a byte, in a run in which party 1 receives.
    fn against_tampering(at: u64, bit: u8) -> (Result<Vec<[u128; 2]>>, Option<Error>) {
        let (a, b) = channel::pair();
        thread::scope(|scope| {
            scope.spawn(move || {
                // The channel drops with this thread, so that party 0 never waits for what will not come.
                let mut channel = Layered::over(b, Tampering { at, bit });
                let mut ots = establish(&mut channel, PartyId::ONE, 9).ok()?;
                ots.receive_random(&mut channel, 128).ok()
            });
            let mut channel = a;
            let mut ots = match establish(&mut channel, PartyId::ZERO, 9) {
                Ok(ots) => ots,
                Err(error) => return (Err(error), None),
            };
            let outcome = ots.send_random(&mut channel, 128);
            let again = outcome.is_err().then(|| ots.send_random(&mut channel, 128).err()).flatten();
            (outcome, again)
        })
    }

    const SETUP_BYTES: u64 = (base::RECEIVER_BYTES + base::SENDER_BYTES + tree::MESSAGE_BYTES) as u64;

    // CHK-601, attack 44
    #[test]
    fn a_changed_byte_of_an_extension_fails_the_check_and_destroys_the_session() {
        let blocks = SOFTSPOKEN_MIN_BLOCKS as u64 + 1;
        let correction = (SOFTSPOKEN_TREES as u64 - 1) * blocks * 16;
        for at in [0, 1, 777, correction - 1, correction, correction + 16, correction + check::ANSWER_BYTES as u64 - 1]
        {
            let (outcome, again) = against_tampering(SETUP_BYTES + at, 0x20);
            assert_eq!(outcome.expect_err("tampered").code().as_str(), "PROTOCOL_OT_CHECK", "byte {at}");
            let again = again.expect("the session is gone");
            assert!(matches!(again, Error::Refused { .. }), "byte {at}: {again:?}");
        }
    }

    // CHK-601
    #[test]
    fn a_changed_byte_of_the_set_up_fails_a_check_or_changes_nothing() {
        for at in (0..SETUP_BYTES).step_by(397) {
            match against_tampering(at, 0x04) {
                (Err(error), _) => {
                    let code = error.code();
                    let expected = ["PROTOCOL_POINT", "PROTOCOL_OT_CHECK", "CHANNEL_CLOSED"];
                    assert!(expected.contains(&code.as_str()), "byte {at}: {error}");
                }
                (Ok(sent), _) => {
                    // The half of a level that the base OT did not open.
                    assert!(at >= (base::RECEIVER_BYTES + base::SENDER_BYTES) as u64, "byte {at}");
                    assert_eq!(sent.len(), 128);
                }
            }
        }
    }
}
