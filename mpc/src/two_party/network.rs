//! Networks of switches that make any permutation.
//!
//! *Source*: Waksman (JACM 1968); for numbers that are no power of two, Beauquier and Darrot (2002). *Cost*:
//! [`switches`], about `n log2 n - n`. *Shapes and units*: a switch exchanges the values of two places or leaves them.
//! Which places those are, and in which order, follows from their number alone.

/// How many switches a network of so many places has.
pub(super) fn switches(n: usize) -> usize {
    if n < 2 { 0 } else { n - 1 + switches(n / 2) + switches(n.div_ceil(2)) }
}

/// The places of each switch, in order.
pub(super) fn places(n: usize) -> Vec<[u32; 2]> {
    let mut places = Vec::with_capacity(switches(n));
    let all: Vec<u32> = (0..u32::try_from(n).expect("the plan bounds lengths")).collect();
    add_places(&all, &mut places);
    places
}

fn add_places(at: &[u32], places: &mut Vec<[u32; 2]>) {
    if at.len() < 2 {
        return;
    }
    let pairs = || at.chunks_exact(2).map(|pair| [pair[0], pair[1]]);
    places.extend(pairs());
    // The network of the first of each pair, and that of the second; a last place without a pair belongs to the latter.
    let of = |half: usize| at.iter().copied().skip(half).step_by(2);
    let odd = at.len() % 2;
    let upper: Vec<u32> = of(0).take(at.len() / 2).collect();
    let lower: Vec<u32> = of(1).chain(at[at.len() - odd..].iter().copied()).collect();
    add_places(&upper, places);
    add_places(&lower, places);
    places.extend(pairs().take((at.len() - 1) / 2));
}

/// The settings of the switches, in order, that bring the value of place `permutation[i]` to place `i`.
pub(super) fn settings(permutation: &[u32]) -> Vec<bool> {
    let mut settings = Vec::with_capacity(switches(permutation.len()));
    add_settings(permutation, &mut settings);
    settings
}

fn add_settings(permutation: &[u32], settings: &mut Vec<bool>) {
    let n = permutation.len();
    if n < 2 {
        return;
    }
    let lower = through_the_lower(permutation);
    settings.extend((0..n / 2).map(|pair| lower.from[2 * pair]));
    let mut halves = [vec![0; n / 2], vec![0; n.div_ceil(2)]];
    for (to, from) in permutation.iter().enumerate() {
        halves[usize::from(lower.to[to])][to / 2] = from / 2;
    }
    halves.iter().for_each(|half| add_settings(half, settings));
    settings.extend((0..(n - 1) / 2).map(|pair| lower.to[2 * pair]));
}

/// Which values go through the lower network, by where they come from and by where they go to.
struct Lower {
    from: Vec<bool>,
    to: Vec<bool>,
}

/// Of each pair one value goes through each network, before it and after it. The last place has its value from the lower
/// one, and what follows from that for other pairs comes first; where it ends, the next pair is free.
fn through_the_lower(permutation: &[u32]) -> Lower {
    let n = permutation.len();
    let mut inverse = vec![0; n];
    permutation.iter().enumerate().for_each(|(to, from)| inverse[*from as usize] = to);
    let mut lower = Lower { from: vec![false; n], to: vec![false; n] };
    let mut known = vec![false; n];
    let seconds = (0..n / 2).map(|pair| 2 * pair + 1);
    for start in [n - 1].into_iter().chain(seconds) {
        let mut to = start;
        while !known[to] {
            known[to] = true;
            lower.to[to] = true;
            let from = permutation[to] as usize;
            lower.from[from] = true;
            // Its partner before the networks goes through the upper one, and the partner of that behind them not.
            let partner = from ^ 1;
            if partner >= n {
                break;
            }
            let beside = inverse[partner];
            known[beside] = true;
            to = beside ^ 1;
        }
    }
    lower
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn through(permutation: &[u32]) -> Vec<u32> {
        let mut values: Vec<u32> = (0..permutation.len() as u32).collect();
        let (places, settings) = (places(permutation.len()), settings(permutation));
        assert_eq!((places.len(), settings.len()), (switches(values.len()), switches(values.len())));
        for ([a, b], swaps) in places.into_iter().zip(settings) {
            if swaps {
                values.swap(a as usize, b as usize);
            }
        }
        values
    }

    proptest! {
        #[test]
        fn any_permutation_is_made(permutation in (0..200_u32).prop_flat_map(|n| Just((0..n).collect::<Vec<_>>()).prop_shuffle())) {
            prop_assert_eq!(through(&permutation), permutation);
        }
    }

    #[test]
    fn every_permutation_of_few_is_made() {
        fn all(rest: &mut Vec<u32>, done: &mut Vec<u32>) {
            if rest.is_empty() {
                assert_eq!(through(done), *done);
            }
            for at in 0..rest.len() {
                let next = rest.remove(at);
                done.push(next);
                all(rest, done);
                done.pop();
                rest.insert(at, next);
            }
        }
        for n in 0..=6 {
            all(&mut (0..n).collect(), &mut Vec::new());
        }
        assert_eq!([1, 2, 3, 4, 8, 1024].map(switches), [0, 1, 3, 5, 17, 9217]);
    }
}
