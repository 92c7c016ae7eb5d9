//! The attacks of the security note, §6, that are about what a release implies, who shares with whom, and programs in
//! other words.

use super::*;
use crate::policy::Policy;
use crate::program::disclosure::Fact;

#[test]
fn attack_19_a_mean_counts_as_the_sum_and_the_count_that_it_gives_away() {
    let mut q = Question::new();
    let joined = q.join();
    let (wealth, loyal) = (q.column(joined, "wealth"), q.column(joined, "loyal"));
    let mean = q.reduce(Reduction::Mean, wealth, Some(loyal));
    q.release("mean", mean);
    let bank = &q.allowed().learned[1].facts;
    assert!(bank.contains(&Fact::ImpliedCount { output: "mean".into() }), "{bank:?}");
    // R8: two equations, as the sum and the count would be.
    let mut both = Question::new().with_minimum(2);
    let table = both.load();
    let (amount, loyal) = (both.column(table, "amount"), both.column(table, "loyal"));
    let mean = both.reduce(Reduction::Mean, amount, Some(loyal));
    both.release("mean", mean);
    assert_eq!(both.codes(), ["DISCLOSURE_EQUATIONS"]);
    both.with_minimum(4).allowed();
    // R9: a mean of the receiver's own numbers tells as much as their sum.
    let bits = |function| {
        let mut q = Question::new().with_minimum(10);
        let joined = q.join();
        let (wealth, loyal) = (q.column(joined, "wealth"), q.column(joined, "loyal"));
        let value = q.reduce(function, wealth, Some(loyal));
        q.release("value", value);
        q.codes()
    };
    assert_eq!(bits(Reduction::Mean), ["DISCLOSURE_BITS"]);
    assert_eq!(bits(Reduction::Sum), ["DISCLOSURE_BITS"]);
}

#[test]
fn attack_26_an_equal_program_in_other_words_tells_nothing_new_and_is_allowed() {
    let asked = |in_other_words: bool| {
        let mut q = Question::new();
        let table = q.load();
        let (amount, age) = (q.column(table, "amount"), q.column(table, "age"));
        let chosen = if in_other_words {
            // Not at least 41, instead of at most 40.
            let older = q.is(age, Binary::GreaterEqual, "41");
            q.program.push(Op::Unary { function: Unary::Not, value: older })
        } else {
            q.is(age, Binary::LessEqual, "40")
        };
        let sum = q.sum_where(amount, chosen);
        q.release(if in_other_words { "x" } else { "sum" }, sum);
        q
    };
    let first = asked(false);
    let told = crate::program::disclosure::told(&first.typed(), &first.receivers()).expect("within the limits");
    let mut second = asked(true);
    second.shop().history = told.into_iter().filter(|(dataset, _)| dataset == CUSTOMERS).map(|(_, job)| job).collect();
    assert_eq!(second.gates("x").len(), 1, "the rank is what it was: no difference to gate");
}

#[test]
fn attack_29_a_range_that_a_program_chooses_is_no_range() {
    // A column has the range of its owner's schema; one that a program states beside it is a comparison (R12), and one
    // in which its values have no place is refused before any analysis.
    let mut q = Question::new();
    let table = q.load();
    let amount = q.column(table, "amount");
    let promised = q.program.push(Op::Assume { value: amount, lo: number("200000"), hi: number("300000") });
    let total = q.sum(promised);
    q.release("total", total);
    let error = infer(&q.program, &q.datasets).expect_err("no such range");
    assert_eq!(error.code().as_str(), "PROGRAM_RANGE");
}

#[test]
fn attack_31_a_receiver_that_shares_with_an_excluded_organisation_is_refused() {
    let text = |receivers: &str| {
        format!(
            "version = 1\n[query]\norganisations = [\"bank\"]\naffiliates = [[\"bank\", \"broker\"]]\n\
             [release]\nreceivers = [{receivers}]\nminimum_rows = 100"
        )
    };
    let receivers = |text: &str| {
        let policy = Policy::parse(text).expect("a policy");
        policy.rules(|name| (name == "bank").then_some(BANK)).receivers
    };
    assert!(receivers(&text("\"bank\"")).is_empty(), "the broker would learn it too");
    assert_eq!(receivers(&text("\"bank\", \"broker\"")), [BANK].into());
    let mut q = Question::new();
    let table = q.load();
    let amount = q.column(table, "amount");
    let sum = q.sum(amount);
    q.release("sum", sum);
    q.shop().receivers = receivers(&text("\"bank\""));
    assert_eq!(q.codes(), ["POLICY_RECEIVER"]);
}
