//! Several jobs of one coalition judged together (CHK-213), with the attacks of the security note that take more than one.

use std::collections::BTreeSet;

use super::*;
use crate::program::disclosure::told;
use crate::program::history::{ExpressionDigest, PastCondition, PastJob, PastSum, limits, said};

/// What a question tells the bank of the shop's dataset.
fn past(q: &Question) -> Vec<PastJob> {
    let told = told(&q.typed(), &q.receivers()).expect("within the limits");
    let told = told.into_iter().filter(|(dataset, _)| dataset == CUSTOMERS);
    told.map(|(_, job)| PastJob { current: true, ..job }).collect()
}

/// The sum of amounts of those younger than an age, or as old.
fn younger(than: &str, function: Binary) -> (Question, NodeId, NodeId) {
    let mut q = Question::new();
    let table = q.load();
    let (amount, age) = (q.column(table, "amount"), q.column(table, "age"));
    let below = q.is(age, function, than);
    let sum = q.sum_where(amount, below);
    q.release("sum", sum);
    (q, table, below)
}

fn after(mut q: Question, earlier: &[&Question]) -> Question {
    q.shop().history = earlier.iter().flat_map(|earlier| past(earlier)).collect();
    q
}

/// The same, where the shop has imported its rows again meanwhile.
fn after_import(q: Question, earlier: &[&Question]) -> Question {
    let mut q = after(q, earlier);
    q.shop().history.iter_mut().for_each(|job| job.current = false);
    q
}

#[test]
fn attack_14_two_cuts_of_one_column_in_two_jobs_are_refused_chk_213() {
    let (first, _, _) = younger("40", Binary::Less);
    let (second, _, _) = younger("40", Binary::LessEqual);
    let second = after(second, &[&first]);
    assert_eq!(second.codes(), ["DISCLOSURE_HISTORY"]);
    let refusal = &second.refused()[0];
    assert_eq!((refusal.owner, refusal.clause.as_str()), (SHOP, "R7"));
    assert!(refusal.node.is_some() && refusal.change.contains("earlier jobs' conditions"), "{refusal:?}");
}

#[test]
fn attack_14_is_gated_where_the_program_computes_the_earlier_condition_too() {
    let (first, _, _) = younger("40", Binary::Less);
    let (mut second, table, up_to) = younger("40", Binary::LessEqual);
    let age = second.column(table, "age");
    let below = second.is(age, Binary::Less, "40");
    let second = after(second, &[&first]);
    let difference = gate(table, &[&[Literal::True(up_to), Literal::False(below)]], GateRule::ZeroOrAtLeast(100));
    assert!(second.gates("sum").contains(&difference), "{:?}", second.gates("sum"));
}

#[test]
fn a_repetition_and_the_rest_of_the_rows_tell_nothing_new() {
    let (first, table, below) = younger("40", Binary::Less);
    let own = gate(table, &[&[Literal::True(below)]], GateRule::AtLeast(100));
    assert_eq!(after(first.clone(), &[&first]).gates("sum"), [own]);
    let (rest, _, _) = younger("40", Binary::GreaterEqual);
    after(rest, &[&first]).allowed();
}

#[test]
fn another_column_under_other_conditions_is_no_difference() {
    let (first, _, _) = younger("40", Binary::Less);
    let mut q = Question::new();
    let table = q.load();
    let (frequency, loyal) = (q.column(table, "frequency"), q.column(table, "loyal"));
    let sum = q.sum_where(frequency, loyal);
    q.release("sum", sum);
    after(q, &[&first]).allowed();
}

#[test]
fn a_third_job_is_judged_with_both_before_it() {
    // A and B together, then A; what is left is B alone, and B may be small.
    let sum_of = |q: &mut Question, both: bool| {
        let table = q.load();
        let (amount, region) = (q.column(table, "amount"), q.column(table, "region"));
        let (a, b) = (q.is(region, Binary::Equal, "1"), q.is(region, Binary::Equal, "2"));
        let mask = if both { q.binary(Binary::Or, a, b) } else { a };
        let sum = q.sum_where(amount, mask);
        q.release("sum", sum);
    };
    let (mut union, mut part) = (Question::new(), Question::new());
    sum_of(&mut union, true);
    sum_of(&mut part, false);
    let part = after(part, &[&union]);
    let gates = part.gates("sum");
    assert!(gates.iter().any(|gate| gate.rule == GateRule::ZeroOrAtLeast(100)), "{gates:?}");
}

#[test]
fn what_others_were_told_does_not_count_chk_214() {
    let (first, _, _) = younger("40", Binary::Less);
    let (second, _, _) = younger("40", Binary::LessEqual);
    let mut second = after(second, &[&first]);
    second.shop().history.iter_mut().for_each(|job| job.receivers = [PartyId(2)].into());
    second.allowed();
}

#[test]
fn a_history_that_a_peer_says_of_its_own_data_changes_nothing_for_others() {
    let (first, _, _) = younger("40", Binary::Less);
    let (mut second, _, _) = younger("40", Binary::LessEqual);
    let history = past(&first);
    second.rules.get_mut(ACCOUNTS).expect("rules").history = history;
    second.allowed();
}

#[test]
fn a_peer_that_says_less_of_a_condition_does_not_make_the_owners_word_count_for_less() {
    let chosen = |least: &str, column: &str| {
        let mut q = Question::new();
        q.shop().subset_masks = 1;
        let joined = q.join();
        let (own, balance) = (q.column(joined, column), q.column(joined, "balance"));
        let mask = q.is(balance, Binary::Greater, least);
        let sum = q.sum_where(own, mask);
        q.release("sum", sum);
        q
    };
    let (first, second) = (chosen("1000", "age"), chosen("2000", "frequency"));
    let mut lie = past(&first);
    for condition in lie.iter_mut().flat_map(|job| &mut job.conditions) {
        if let PastCondition::Below { of, wide, .. } | PastCondition::Holds { of, wide, .. } = condition {
            (*of, *wide) = (BTreeSet::new(), false);
        }
    }
    let alone = after(second, &[&first]);
    assert_eq!(alone.codes(), ["DISCLOSURE_SUBSET"]);
    // The rules of one dataset are read before those of another in the order of their names.
    for name in ["a/first", ACCOUNTS, "z/last"] {
        let mut lied_to = alone.clone();
        lied_to.rules.entry(name.into()).or_default().history = lie.clone();
        assert_eq!(lied_to.refused(), alone.refused(), "{name}");
    }
}

#[test]
fn a_sum_of_an_earlier_version_is_no_repetition() {
    // Both cuts were told, so that the first tells nothing more; of other rows it has a difference from the second.
    let (first, table, below) = younger("40", Binary::Less);
    let (second, _, _) = younger("40", Binary::LessEqual);
    let own = [gate(table, &[&[Literal::True(below)]], GateRule::AtLeast(100))];
    assert_eq!(after(first.clone(), &[&first, &second]).gates("sum"), own);
    assert_eq!(after_import(first.clone(), &[&first, &second]).codes(), ["DISCLOSURE_HISTORY"]);
    // The same sum of each version is for the quota of versions, which the owner counts.
    assert_eq!(after_import(first.clone(), &[&first]).gates("sum"), own);
}

#[test]
fn what_was_told_of_an_earlier_version_counts_beside_the_same_of_this_one() {
    let mut chosen = Question::new();
    chosen.shop().subset_masks = 1;
    let joined = chosen.join();
    let (age, balance) = (chosen.column(joined, "age"), chosen.column(joined, "balance"));
    let rich = chosen.is(balance, Binary::Greater, "1000");
    let sum = chosen.sum_where(age, rich);
    chosen.release("sum", sum);

    let mut equations = Question::new().with_minimum(4);
    let table = equations.load();
    let age = equations.column(table, "age");
    let square = equations.binary(Binary::Multiply, age, age);
    for (name, value) in [("sum", age), ("squares", square)] {
        let sum = equations.sum(value);
        equations.release(name, sum);
    }

    let mut above = Question::new();
    above.shop().thresholds = 1;
    let table = above.load();
    let amount = above.column(table, "amount");
    let sum = above.sum(amount);
    let compared = above.is(sum, Binary::Greater, "10000");
    above.release("above", compared);

    let cases = [(chosen, "DISCLOSURE_SUBSET"), (equations, "DISCLOSURE_EQUATIONS"), (above, "DISCLOSURE_THRESHOLD")];
    for (q, code) in cases {
        after(q.clone(), &[&q]).allowed();
        assert_eq!(after_import(q.clone(), &[&q]).codes(), [code]);
    }
}

#[test]
fn sums_over_another_table_than_before_are_refused() {
    let (first, _, _) = younger("40", Binary::Less);
    let mut q = Question::new();
    let joined = q.join();
    let amount = q.column(joined, "amount");
    let sum = q.sum(amount);
    q.release("sum", sum);
    assert_eq!(after(q, &[&first]).codes(), ["DISCLOSURE_HISTORY"]);
}

#[test]
fn attack_12_power_sums_are_counted_over_jobs() {
    let power = |exponents: std::ops::Range<usize>| {
        let mut q = Question::new().with_minimum(10);
        let table = q.load();
        let age = q.column(table, "age");
        let mut power = age;
        for exponent in 1..exponents.end {
            if exponents.contains(&exponent) {
                let sum = q.sum(power);
                q.release(&format!("power{exponent}"), sum);
            }
            power = q.binary(Binary::Multiply, power, age);
        }
        q
    };
    after(power(4..6), &[&power(1..4)]).allowed();
    let over = after(power(4..7), &[&power(1..4)]);
    assert_eq!(over.codes(), ["DISCLOSURE_EQUATIONS"]);
    assert!(over.refused()[0].cause.contains("earlier jobs"), "{:?}", over.refused()[0]);
}

#[test]
fn attack_23_subsets_of_the_receivers_choice_are_counted_over_jobs() {
    let chosen = |least: &str, column: &str| {
        let mut q = Question::new();
        q.shop().subset_masks = 2;
        let joined = q.join();
        let (own, balance) = (q.column(joined, column), q.column(joined, "balance"));
        let mask = q.is(balance, Binary::Greater, least);
        let sum = q.sum_where(own, mask);
        q.release("sum", sum);
        q
    };
    let (first, second, third) = (chosen("1000", "age"), chosen("2000", "frequency"), chosen("3000", "amount"));
    after(second.clone(), &[&first]).allowed();
    let third = after(third, &[&first, &second]);
    assert_eq!(third.codes(), ["DISCLOSURE_SUBSET"]);
    assert!(third.refused()[0].cause.contains("2 of them by earlier jobs"), "{:?}", third.refused()[0]);
}

#[test]
fn attack_20_one_threshold_of_an_aggregate_is_all_that_a_policy_can_grant() {
    let above = |least: &str| {
        let mut q = Question::new();
        q.shop().thresholds = 1;
        let table = q.load();
        let amount = q.column(table, "amount");
        let sum = q.sum(amount);
        let above = q.is(sum, Binary::Greater, least);
        q.release("above", above);
        q
    };
    let first = above("10000");
    first.allowed();
    after(first.clone(), &[&first]).allowed();
    let second = after(above("20000"), &[&first]);
    assert_eq!(second.codes(), ["DISCLOSURE_THRESHOLD"]);
    assert!(second.refused()[0].cause.contains("2 comparisons"), "{:?}", second.refused()[0]);
    // Nor in one job, nor against every own row.
    let mut both = above("10000");
    let sum = NodeId(2);
    let again = both.is(sum, Binary::Greater, "20000");
    both.release("again", again);
    assert_eq!(both.codes(), ["DISCLOSURE_THRESHOLD"]);
    let mut ranked = Question::new();
    ranked.shop().thresholds = 1;
    let joined = ranked.join();
    let (amount, balance) = (ranked.column(joined, "amount"), ranked.column(joined, "balance"));
    let mean = ranked.reduce(Reduction::Mean, amount, None);
    let higher = ranked.binary(Binary::Greater, balance, mean);
    let count = ranked.sum(higher);
    ranked.release("count", count);
    assert_eq!(ranked.codes(), ["DISCLOSURE_THRESHOLD"]);
}

#[test]
fn attack_20_a_sum_in_other_words_is_compared_as_the_sum() {
    // One amount is searched by comparisons of it, of a multiple of it and of a sum with a part left out.
    type Build = fn(&mut Question, NodeId, NodeId) -> NodeId;
    let builds: [Build; 3] = [
        |q, _, amount| q.sum(amount),
        |q, _, amount| {
            let twice = q.is(amount, Binary::Multiply, "2");
            q.sum(twice)
        },
        |q, table, amount| {
            let age = q.column(table, "age");
            let young = q.is(age, Binary::Less, "100");
            q.sum_where(amount, young)
        },
    ];
    let above = |builds: &[Build]| {
        let mut q = Question::new();
        q.shop().thresholds = 1;
        let table = q.load();
        let amount = q.column(table, "amount");
        for (at, build) in builds.iter().enumerate() {
            let sum = build(&mut q, table, amount);
            let above = q.is(sum, Binary::Greater, "10000");
            q.release(&format!("above{at}"), above);
        }
        q
    };
    let first = above(&builds[..1]);
    first.allowed();
    for other in &builds[1..] {
        let together = above(&[builds[0], *other]).codes();
        assert!(together.contains(&"DISCLOSURE_THRESHOLD".to_owned()), "{together:?}");
        assert_eq!(after(above(&[*other]), &[&first]).codes(), ["DISCLOSURE_THRESHOLD"]);
    }
}

#[test]
fn no_more_is_read_of_a_history_than_may_be_said() {
    let (first, _, _) = younger("40", Binary::Less);
    let mut job = past(&first).remove(0);
    let sum = job.sums[0].clone();
    job.sums.clear();
    let compared =
        |at: u8| (0..16).map(move |n| ExpressionDigest::from_bytes([at.wrapping_mul(16).wrapping_add(n); 16]));
    let thresholds = |at: usize| compared(u8::try_from(at).expect("256 sums")).collect();
    job.sums = (0..limits::SUMS).map(|at| PastSum { thresholds: thresholds(at), ..sum.clone() }).collect();
    assert!(said(vec![job.clone()]).is_none(), "too many bytes");
    let mut q = first.clone();
    q.shop().history = vec![job];
    assert_eq!(q.codes(), ["DISCLOSURE_HISTORY"]);
    assert_eq!(q.refused()[0].clause, "query.window_days");
}

#[test]
fn more_sums_than_can_be_audited_are_refused_whether_they_repeat_or_not() {
    let cuts: Vec<Question> = (1..=33).map(|age| younger(&age.to_string(), Binary::Less).0).collect();
    let all: Vec<&Question> = cuts.iter().collect();
    let q = after(cuts[0].clone(), &all);
    assert_eq!(q.codes(), ["DISCLOSURE_HISTORY"]);
    assert!(q.refused()[0].cause.contains("more than 32 sums"), "{:?}", q.refused());
    assert_eq!(after(cuts[0].clone(), &all[..32]).gates("sum").len(), 1);
}

#[test]
fn more_than_a_history_holds_forbids() {
    let (first, _, _) = younger("40", Binary::Less);
    let one = past(&first).remove(0);
    let numbered = |at: usize| {
        let mut job = one.clone();
        job.models = [ExpressionDigest::from_bytes([u8::try_from(at).expect("few"); 16])].into();
        job
    };
    assert_eq!(said((0..3).map(|_| one.clone()).collect()).expect("few").len(), 1, "told once, said once");
    assert!(said((0..=limits::JOBS).map(numbered).collect()).is_none());
    let mut q = first.clone();
    q.shop().history = (0..=limits::JOBS).map(numbered).collect();
    assert_eq!(q.codes(), ["DISCLOSURE_HISTORY"]);
}

#[test]
fn a_malformed_history_forbids_and_breaks_nothing() {
    let (first, _, _) = younger("40", Binary::Less);
    let one = past(&first).remove(0);
    let broken = [
        PastJob { conditions: vec![PastCondition::Not(0)], ..one.clone() },
        PastJob { conditions: vec![PastCondition::And(7, 9)], ..one.clone() },
        PastJob { conditions: Vec::new(), ..one.clone() },
    ];
    for job in broken {
        let mut q = first.clone();
        q.shop().history = vec![job];
        assert_eq!(q.codes(), ["DISCLOSURE_HISTORY"]);
    }
}

#[test]
fn what_is_written_down_does_not_depend_on_names_or_order() {
    let (first, _, _) = younger("40", Binary::Less);
    let mut other = Question::new();
    let table = other.load();
    let age = other.column(table, "age");
    let below = other.is(age, Binary::Less, "40");
    let amount = other.column(table, "amount");
    let sum = other.sum_where(amount, below);
    other.release("another_name", sum);
    assert_eq!(after(other, &[&first]).gates("another_name").len(), 1, "the same sum");
}

#[test]
fn attack_15_a_total_beside_all_groups_is_withheld_with_a_small_group() {
    // R11: the total and the other groups would give the withheld one away.
    let mut q = Question::new();
    let table = q.load();
    let (amount, region) = (q.column(table, "amount"), q.column(table, "region"));
    let masks: Vec<NodeId> = (0..4).map(|at| q.is(region, Binary::Equal, &at.to_string())).collect();
    let all = masks.iter().copied().reduce(|a, b| q.binary(Binary::Or, a, b)).expect("four");
    let total = q.sum_where(amount, all);
    q.release("total", total);
    for (at, mask) in masks.iter().enumerate() {
        let sum = q.sum_where(amount, *mask);
        q.release(&format!("region{at}"), sum);
    }
    let group = |mask: &NodeId| gate(table, &[&[Literal::True(*mask)]], GateRule::ZeroOrAtLeast(100));
    let gates = q.gates("total");
    assert!(masks.iter().all(|mask| gates.contains(&group(mask))), "{gates:?}");
    for at in 0..4 {
        let gates = q.gates(&format!("region{at}"));
        assert!(masks.iter().all(|mask| !gates.contains(&group(mask))), "a group hides itself only: {gates:?}");
    }
}
