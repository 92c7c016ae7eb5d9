//! The noise that this party adds to its shares of outputs before it sends them (rule R14, CHK-704).
//!
//! *Source*: the security note, §4, `owner-full`: the whole noise of an output is drawn by each owner that demands it, by
//! itself and in the clear, and added to its own share for the peer. *Security*: the peer learns the value with this noise,
//! whatever it draws or leaves out itself; this party opens its own outputs without its own noise. Noise is drawn before
//! anything else of a run, because how long that takes depends on it. *Cost*: none on the wire.

use std::collections::BTreeMap;

use rand_core::CryptoRng;
use tacit_protocol::privacy::discrete_gaussian;
use tacit_protocol::program::release::ReleasedOutput;
use zeroize::Zeroizing;

use super::JobInput;
use crate::error::{Error, Result};

/// The samples of each output that has some, in its units.
#[derive(Default)]
pub(crate) struct Draws(BTreeMap<String, Zeroizing<Vec<i128>>>);

impl Draws {
    /// Draws for every output of a job to which this party adds noise.
    pub(super) fn of(job: &JobInput<'_>, rng: &mut dyn CryptoRng) -> Self {
        let mut draws = BTreeMap::new();
        for output in &job.release.outputs {
            let Some(noise) = output.noise.iter().find(|noise| noise.party == job.party) else { continue };
            let cells = job.program.array(output.value).map_or(0, |array| job.program.cells_bound(array));
            let samples = (0..cells).map(|_| discrete_gaussian(noise.sigma, rng)).collect();
            draws.insert(output.name.clone(), Zeroizing::new(samples));
        }
        Self(draws)
    }

    /// Whether there are samples for every output that needs this party's.
    ///
    /// # Errors
    /// `RELEASE_NOISE`.
    pub(super) fn check(&self, job: &JobInput<'_>) -> Result<()> {
        let owed = |output: &&ReleasedOutput| output.noise.iter().any(|noise| noise.party == job.party);
        match job.release.outputs.iter().filter(owed).find(|output| self.get(&output.name).is_none()) {
            None => Ok(()),
            Some(output) => Err(Error::refused("RELEASE_NOISE", format!("no noise was drawn for `{}`", output.name))),
        }
    }

    /// Those of an output.
    pub(super) fn get(&self, output: &str) -> Option<&[i128]> {
        self.0.get(output).map(|samples| samples.as_slice())
    }
}
