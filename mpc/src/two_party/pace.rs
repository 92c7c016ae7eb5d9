//! How work, bytes and waiting weigh against each other between two parties: what the choice between ways of computing one
//! thing goes by. Whole numbers, so that both parties choose alike.

use tacit_protocol::contract::Profile;

use super::cost::Cost;

/// What a transfer takes of each party's core from its making to the shares, in AES blocks of time: `tacit bench
/// --op lt --n 1000000` takes 1 s of each party's core for 66 million, where a core makes 2^10 million blocks a second.
const BLOCKS_PER_TRANSFER: u64 = 16;

/// What a batch of products by encryption takes of each party's core, likewise: about 5 ms.
const BLOCKS_PER_BATCH: u64 = 5 << 20;

/// What a transform of a matrix product takes, with what goes with it: about 60 microseconds.
const BLOCKS_PER_TRANSFORM: u64 = 1 << 16;

/// The slower of both parties in each respect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace(Profile);

impl Default for Pace {
    /// Two cores of today in one network: a gigabit a second, a millisecond there and back.
    fn default() -> Self {
        Self(Profile { core_speed: 10, round_trip: 10, bandwidth: 27 })
    }
}

impl Pace {
    /// That of parties with these profiles; the default where there are none.
    pub fn of(profiles: &[Profile]) -> Self {
        let slower = |a: Profile, b: Profile| Profile {
            core_speed: a.core_speed.min(b.core_speed),
            round_trip: a.round_trip.max(b.round_trip),
            bandwidth: a.bandwidth.min(b.bandwidth),
        };
        profiles.iter().copied().reduce(slower).map_or_else(Self::default, Self)
    }

    /// The profile.
    pub fn profile(&self) -> Profile {
        self.0
    }

    /// How long a cost takes: half a round trip an exchange, the bytes at the bandwidth with half of them each way, and a
    /// core's work for transfers and batches.
    pub fn nanoseconds(&self, cost: &Cost) -> u64 {
        let of = |exponent: u8| 1_u128 << exponent.min(63);
        let waiting = u128::from(cost.rounds) * of(self.0.round_trip) * 500;
        let sending = u128::from(cost.bytes()) * 500_000_000 / of(self.0.bandwidth);
        let blocks = u128::from(cost.transfers()) * u128::from(BLOCKS_PER_TRANSFER)
            + u128::from(cost.batches) * u128::from(BLOCKS_PER_BATCH);
        u64::try_from(waiting + sending + blocks * 1000 / of(self.0.core_speed)).unwrap_or(u64::MAX)
    }

    /// How many bytes go in the time of a transform, both ways together.
    pub(crate) fn transform_bytes(&self) -> u64 {
        let blocks = u128::from(BLOCKS_PER_TRANSFORM);
        let bytes = ((2 * blocks) << self.0.bandwidth.min(63)) / (1_000_000 << self.0.core_speed.min(63));
        u64::try_from(bytes).unwrap_or(u64::MAX).clamp(1, 1 << 32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_is_waiting_sending_and_working_at_the_slower_profile() {
        let profile = |core_speed, round_trip, bandwidth| Profile { core_speed, round_trip, bandwidth };
        let pace = Pace::of(&[profile(11, 10, 20), profile(5, 4, 30)]);
        assert_eq!(pace.profile(), profile(5, 10, 20));
        let cost = Cost { sent: [1 << 20, 0], rounds: 4, offered: [1 << 10, 0], batches: 2, ..Cost::default() };
        let work = (16 * 1024 + 2 * 5 * 1024 * 1024) * 1000 / 32;
        assert_eq!(pace.nanoseconds(&cost), 4 * 512_000 + 500_000_000 + work);
        assert_eq!(pace.nanoseconds(&Cost::default()), 0);
        assert_eq!(Pace::of(&[]), Pace::default());
    }

    #[test]
    fn no_profile_overflows() {
        for exponent in [0, 63, 64, 255] {
            let pace = Pace(Profile { core_speed: exponent, round_trip: exponent, bandwidth: exponent });
            let cost = Cost { sent: [u64::MAX / 2; 2], rounds: 1 << 40, batches: 1 << 40, ..Cost::default() };
            assert!(pace.nanoseconds(&cost) > 0 && pace.transform_bytes() > 0);
        }
    }
}
