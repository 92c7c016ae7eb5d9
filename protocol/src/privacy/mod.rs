//! Differential privacy: what noise costs, and noise itself.
//!
//! *Source*: zero-concentrated differential privacy and its conversion to (epsilon, delta) as Canonne, Kamath and
//! Steinke, "The Discrete Gaussian for Differential Privacy" (2020), have them (`rho`); their exact sampler (`gaussian`).
//! *Security*: a statement about one dataset: how little an answer depends on the row of any one person, whatever else is
//! known, when that row is replaced by another of the same key. In the two-party venue it is computational, and holds
//! against peers that follow the protocol.
//! *Shapes and units*: noise is in the units that a released integer is a multiple of; costs are in `2^-40` rho.

mod gaussian;
mod rho;
mod witness;

pub use gaussian::{Sigma, discrete_gaussian};
pub use rho::{Rho, RhoError};
pub use witness::BudgetHead;
