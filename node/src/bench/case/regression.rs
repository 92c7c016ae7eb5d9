//! Regressions by gradient descent, and the data that they are measured on.
//!
//! Features are even sums with a deviation of about 1, and the targets of a linear regression a fixed linear function of
//! them with noise. Both are linear in the columns, so that each party makes its part of the targets of its part of the
//! features. The classes of a logistic regression are whether such a target is above 0; the second party's part of them is
//! drawn, and the first party's is the rest.

use rand_chacha::ChaCha12Rng;
use rand_core::Rng;
use tacit_protocol::program::Dim;
use tacit_protocol::schema::Element;
use tacit_protocol::{Failure, Number, PartyId};
use tacit_sdk::{Array, ProgramBuilder};

use super::{Kind, UNIT, bug, draw, number, rng};

/// A party's part of a feature is at most this, in lattice steps: 1.25, so that the sum deviates by 1.02.
const FEATURE: i64 = 5 * UNIT / 4;
/// A party's part of a target's noise is at most this: 1/16.
const NOISE: i64 = UNIT / 16;
/// The weights of a linear regression are within these bounds at the end of each step.
const WEIGHTS: (i64, i64) = (-2, 2);
/// Those of a logistic regression, which grow where classes are far apart.
const LOGISTIC_WEIGHTS: (i64, i64) = (-8, 8);

/// The features.
pub(super) fn features() -> Kind {
    let even = (-FEATURE, FEATURE);
    Kind::Numbers { drawn: even, declared: even }
}

/// The targets that so many features can make.
pub(super) fn targets(features: u64) -> Kind {
    let most: i64 = weights(features).iter().map(|weight| weight.abs()).sum();
    Kind::Targets { features, most: times(most, FEATURE) + NOISE + 1 }
}

/// The weights that a regression's targets are made with, in lattice steps, each within ±1.
fn weights(features: u64) -> Vec<i64> {
    draw(&mut rng("weights", PartyId::ZERO), features, (-UNIT, UNIT))
}

/// The product of numbers in lattice steps, rounded towards 0.
fn times(a: i64, b: i64) -> i64 {
    (i128::from(a) * i128::from(b) / i128::from(UNIT)) as i64
}

/// A party's part of the targets, in lattice steps; the noise is drawn from `rng`.
pub(super) fn part_of_targets(rng: &mut ChaCha12Rng, party: PartyId, rows: u64, features: u64) -> Vec<i64> {
    let weights = weights(features);
    let x = draw(&mut self::rng("x", party), rows * features, (-FEATURE, FEATURE));
    let noise = draw(rng, rows, (-NOISE, NOISE));
    let target = |(row, noise): (&[i64], i64)| {
        row.iter().zip(&weights).map(|(x, weight)| x * weight).sum::<i64>() / UNIT + noise
    };
    x.chunks(weights.len()).zip(noise).map(target).collect()
}

/// A party's part of the classes.
pub(super) fn part_of_classes(rng: &mut ChaCha12Rng, party: PartyId, rows: u64, features: u64) -> Vec<bool> {
    let mut coins = self::rng("coins", PartyId::ONE);
    let coins = (0..rows).map(|_| coins.next_u32() & 1 == 1);
    if party == PartyId::ONE {
        return coins.collect();
    }
    let mut second = self::rng("y", PartyId::ONE);
    let parts = [
        part_of_targets(rng, PartyId::ZERO, rows, features),
        part_of_targets(&mut second, PartyId::ONE, rows, features),
    ];
    parts[0].iter().zip(&parts[1]).zip(coins).map(|((a, b), coin)| (a + b > 0) ^ coin).collect()
}

/// Linear regression by gradient descent from 0: `w - rate / rows * X^T (X w - y)` so many times.
///
/// `rate / rows` is the largest power of two of at most `1 / (2 * (rows + features))`: features that deviate by 1 make the
/// largest eigenvalue of `X^T X` about `(sqrt(rows) + sqrt(features))^2`, and with a step below its reciprocal the
/// weights go to their limit without passing it. For 10000 rows the rate is 0.305.
pub(super) fn linear(program: &ProgramBuilder, x: &Array, y: &Array, shape: &[u64]) -> Result<Array, Failure> {
    descend(program, x, y, shape, WEIGHTS, 2, |predictor, y| predictor - y)
}

/// Logistic regression by gradient descent from 0: `w - rate / rows * X^T (sigmoid(X w) - y)` so many times, at four times
/// the linear one's rate, since the loss is a quarter as curved at most.
pub(super) fn logistic(program: &ProgramBuilder, x: &Array, y: &Array, shape: &[u64]) -> Result<Array, Failure> {
    let y = y.cast(Element::Float64);
    descend(program, x, &y, shape, LOGISTIC_WEIGHTS, 0, |predictor, y| predictor.sigmoid() - y)
}

/// A step is the gradient by the least power of two of at least `2^halvings * (rows + features) / 2`.
fn descend(
    program: &ProgramBuilder,
    x: &Array,
    y: &Array,
    shape: &[u64],
    (lo, hi): (i64, i64),
    halvings: u32,
    residual: impl Fn(&Array, &Array) -> Array,
) -> Result<Array, Failure> {
    let [rows, features, steps] = *shape else { return Err(bug("a regression has three sizes".into())) };
    let [lo, hi] = [lo, hi].map(|bound| number(bound * UNIT));
    let trips = u32::try_from(steps).map_err(|error| bug(error.to_string()))?;
    // A factor has no more binary digits than the lattice.
    let mut digits = (((rows + features) << halvings) / 2).next_power_of_two().ilog2();
    let mut factors = Vec::new();
    while digits > 0 {
        let taken = digits.min(Element::FLOAT_STEP_BITS);
        factors.push((UNIT >> taken) as f64 / UNIT as f64);
        digits -= taken;
    }
    let start = program.full(vec![Dim::fixed(features)], Element::Float64, Number::ZERO);
    let ends = program.repeat(trips, &[(&start, lo?, hi?)], &[x, y], |weights, data, _| {
        let residual = residual(&data[0].matmul(&weights[0]), &data[1]);
        let gradient = data[0].transpose(&[1, 0]).matmul(&residual);
        let change = factors.iter().fold(gradient, |change, factor| change * *factor);
        vec![&weights[0] - change]
    });
    ends.into_iter().next().ok_or_else(|| bug("a loop without a value".into()))
}

#[cfg(test)]
mod tests {
    use tacit_mpc::plan::Plan;
    use tacit_mpc::session::align_in_the_clear;
    use tacit_protocol::program::plain;

    use super::*;
    use crate::bench::case::Case;
    use crate::bench::operation::Operation;

    fn found(operation: Operation, shape: &[u64; 3]) -> Vec<f64> {
        let case = Case::new(operation, shape, None).expect("a case");
        let found = plain::evaluate(&case.typed, &case.plain()).expect("no weight leaves its range");
        found[0].as_f64().into_iter().map(|weight| weight.expect("a number")).collect()
    }

    fn plan(operation: Operation, shape: &[u64; 3]) -> Plan {
        let case = Case::new(operation, shape, None).expect("a case");
        let tables = case.local(PartyId::ZERO).expect("columns within their ranges");
        let aligned = align_in_the_clear(&case.typed, &case.release, &tables).expect("sizes");
        Plan::lower(&case.typed, &case.release, aligned.sizes()).expect("a plan")
    }

    #[test]
    fn a_linear_regression_finds_the_weights_of_its_targets_in_words_of_64_bits() {
        for shape in [[2_000, 10, 100], [40, 60, 3], [1, 1, 1]] {
            let found = found(Operation::Linreg, &shape);
            assert_eq!(found.len() as u64, shape[1]);
            if shape[2] < 100 {
                continue;
            }
            for (found, weight) in found.iter().zip(weights(shape[1])) {
                let far = (found - weight as f64 / UNIT as f64).abs();
                assert!(far < 0.01, "{found:?} is not {weight} steps");
            }
        }
        let plan = plan(Operation::Linreg, &[10_000, 10, 100]);
        assert_eq!(plan.word_bits, 64);
        // Twice what the weights' range is wide: what is off by more is not released.
        assert_eq!(plan.error_bound(0), Some(8.0 * UNIT as f64));
    }

    #[test]
    fn a_logistic_regression_points_where_the_weights_of_its_classes_do() {
        for shape in [[2_000, 10, 10], [2_000, 10, 100]] {
            let (found, meant) = (found(Operation::Logreg, &shape), weights(shape[1]));
            let product = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
            let meant: Vec<f64> = meant.into_iter().map(|weight| weight as f64 / UNIT as f64).collect();
            let cosine = product(&found, &meant) / (product(&found, &found) * product(&meant, &meant)).sqrt();
            assert!(cosine > 0.99, "{found:?} beside {meant:?}: {cosine}");
        }
        assert_eq!(plan(Operation::Logreg, &[10_000, 10, 10]).word_bits, 64);
    }
}
