//! Operations composed of those of a [`Backend`](crate::backend::Backend), so that the ring interpreter and the
//! two-party engine share every step of them.
//!
//! Nothing here opens a value, but for [`sort()`], which opens how a shuffled order compares. Lengths, widths and divisors
//! that are public decide what is done; placements decide what it costs.

mod circular;
mod divide;
mod divide_public;
mod exponential;
mod function;
#[cfg(test)]
mod function_tests;
mod logarithm;
mod normalise;
mod order;
mod piecewise;
mod prefix;
mod real_power;
mod root;
mod saturating;
mod shift;
mod sort;
#[cfg(test)]
mod tests;

pub use divide::{Division, Quotient, Reciprocal, divide, divide_by, divide_floor, reciprocal};
pub use divide_public::{divide_public, divides_publicly, round_to_grid};
pub use function::{Reals, function, function_error, function_fits, power, power_error, power_fits};
pub use order::{Axis, Extreme, equal, extreme, extreme_with_index, less, less_or_equal, maximum, minimum};
pub use prefix::{all, any, prefix_or, sum_bits};
pub use sort::{Sorting, batches, sort};
