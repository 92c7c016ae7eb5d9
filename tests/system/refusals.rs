//! Bad input: each gets an error that names the place, the cause and the next step, and changes nothing.

use tacit_protocol::Failure;
use tacit_protocol::program::Program;
use tacit_sdk::ProgramBuilder;

use crate::harness::{
    CUSTOMERS, OWN_POLICY, SHOP_POLICY, Two, accounts, cell, count_question, customers, path, question, until,
};

/// The refusal of a question; afterwards a good one is answered as ever.
fn refused(two: &Two, program: Program) -> Failure {
    two.banque.answer(program).expect_err("a refusal")
}

fn assert_code(failure: &Failure, code: &str, part: &str) {
    assert_eq!(failure.code.as_str(), code, "{failure}");
    assert!(failure.to_string().contains(part), "{failure} lacks {part:?}");
    assert!(!failure.next.is_empty(), "{failure} names no next step");
}

#[test]
fn a_policy_that_forbids_the_query_names_its_clause_and_the_change() {
    let cases = [
        (SHOP_POLICY.replace(r#"receivers = ["banque"]"#, "receivers = []"), "POLICY_RECEIVER", "receivers"),
        (SHOP_POLICY.replace(r#"alignment = ["revealed"]"#, "alignment = []"), "POLICY_ALIGNMENT", "alignment"),
        (SHOP_POLICY.replace(r#"approval = "auto""#, r#"purposes = ["audit"]"#), "POLICY_PURPOSE", "purposes"),
        (SHOP_POLICY.replace(r#"["two-party"]"#, r#"["cvm"]"#), "POLICY_VENUE", "venues"),
        (SHOP_POLICY.replace("subset_masks = 8", "subset_masks = 0"), "DISCLOSURE_SUBSET", "subset_masks"),
        (
            SHOP_POLICY.replacen(
                r#"uses = ["filter", "count", "arithmetic", "sum", "mean", "order"]"#,
                r#"uses = ["sum"]"#,
                1,
            ),
            "POLICY_OPERATION",
            "columns.frequency",
        ),
    ];
    let two = Two::paired();
    two.banque.import("accounts", &accounts(CUSTOMERS), OWN_POLICY).expect("imported");
    for (policy, code, clause) in cases {
        two.maison.import("customers", &customers(CUSTOMERS), &policy).expect("imported");
        let failure = refused(&two, count_question());
        assert_code(&failure, code, clause);
        assert_eq!(failure.party.as_deref(), Some("maison"), "{failure}");
    }
    let jobs = two.maison.client().jobs().expect("jobs");
    assert!(jobs.iter().all(|job| job.state == "refused"), "{jobs:?}");
    // Nothing has stuck: the same question under the good policy.
    two.maison.import("customers", &customers(CUSTOMERS), SHOP_POLICY).expect("imported");
    two.banque.answer(count_question()).expect("an answer");
}

#[test]
fn a_dataset_that_one_may_not_see_looks_like_one_that_is_not_there() {
    let hidden = SHOP_POLICY.replace(r#"organisations = ["banque"]"#, "organisations = []");
    let two = Two::with_tables(&hidden);
    let names = two.banque.client().catalogue().expect("a catalogue");
    assert!(names.iter().all(|dataset| dataset.owner == "banque"), "{names:?}");
    let forbidden = refused(&two, count_question());
    two.maison.client().remove_dataset("customers").expect("removed");
    let absent = refused(&two, count_question());
    assert_eq!(forbidden, absent);
    assert_code(&absent, "DATASET_UNKNOWN", "maison/customers");
    assert!(two.maison.client().jobs().expect("jobs").is_empty(), "no proposal was sent");
}

#[test]
fn a_wrong_program_is_refused_at_its_node_before_anyone_is_asked() {
    let two = Two::with_tables(SHOP_POLICY);
    let column = question(|program, joined| program.release("x", &joined.column("amout").sum()));
    assert_code(&refused(&two, column), "PROGRAM_COLUMN", "amount");
    let types =
        question(|program, joined| program.release("x", &(joined.column("amount") & joined.column("age").gt(3)).sum()));
    assert_code(&refused(&two, types), "PROGRAM_TYPE", "%");
    let range = question(|program, joined| {
        let mut product = joined.column("amount");
        for _ in 0..3 {
            product = &product * &product.cast(tacit_protocol::schema::Element::Float64);
        }
        program.release("x", &product.sum());
    });
    assert_code(&refused(&two, range), "PROGRAM_RANGE", "%");
    let unknown = {
        let program = ProgramBuilder::new();
        program.release("x", &program.table("nobody/table").column("x").sum());
        program.build()
    };
    assert_code(&refused(&two, unknown), "DATASET_UNKNOWN", "nobody/table");
    assert!(two.maison.client().jobs().expect("jobs").is_empty());

    let file = two.dir.path().join("program.json");
    for (text, code) in [("{", "PROGRAM_MALFORMED"), (r#"{"version":9,"nodes":[],"outputs":[]}"#, "PROGRAM_VERSION")] {
        std::fs::write(&file, text).expect("written");
        let output = two.banque.cli(&["job", "submit", path(&file)]);
        assert_eq!(output.code, 2, "{}", output.stderr);
        assert!(output.stderr.contains(code), "{}", output.stderr);
    }
}

#[test]
fn a_bad_table_or_policy_is_refused_with_its_place_and_nothing_is_stored() {
    let two = Two::paired();
    let cases = [
        ("id,frequency\na,1\nb\n", "IMPORT_ROW_LENGTH", "row 2"),
        ("id,frequency\na,1\na,2\nb,3\nb,4\n", "ALIGN_DUPLICATE_KEYS", "2"),
        ("id,frequency\na,1\n,2\n", "IMPORT_KEY_EMPTY", "row 2"),
        ("id,id\na,1\n", "IMPORT_HEADER", "id"),
        ("id,frequency\n", "IMPORT_EMPTY", "rows"),
        ("name,frequency\na,1\n", "IMPORT_COLUMN", "id"),
    ];
    for (csv, code, part) in cases {
        let failure = two.maison.import("customers", csv, "version = 1").expect_err("a refusal");
        assert_code(&failure, code, part);
    }
    let policies = [
        ("version = 1\n[query]\norganisation = []", "organisations"),
        ("version = 2", "version"),
        ("version = 1\n[columns.frequenc]\nuses = [\"sum\"]", "frequency"),
        ("version = 1\n[release]\nminimum_rows = -1", "line"),
    ];
    for (policy, part) in policies {
        let failure = two.maison.import("customers", "id,frequency\na,1\n", policy).expect_err("a refusal");
        assert_code(&failure, "POLICY_PARSE", part);
    }
    assert!(two.maison.client().datasets().expect("datasets").is_empty());

    // A refused next version leaves the first as it was.
    two.maison.import("customers", &customers(50), SHOP_POLICY).expect("imported");
    two.maison.import("customers", "id,frequency\na,1\na,2\n", "version = 1").expect_err("a refusal");
    let datasets = two.maison.client().datasets().expect("datasets");
    assert_eq!((datasets[0].version, datasets[0].rows), (1, 50));
}

#[test]
fn too_few_matching_rows_end_the_job_on_both_sides() {
    let two = Two::paired();
    two.maison.import("customers", &customers(CUSTOMERS), SHOP_POLICY).expect("imported");
    let none = accounts(CUSTOMERS).replace("\nc", "\nd");
    for (csv, what) in [(none, "an empty intersection"), (accounts(60), "fewer than the minimum")] {
        two.banque.import("accounts", &csv, OWN_POLICY).expect("imported");
        let job = two.banque.submit(count_question()).expect("submitted");
        let mine = two.banque.ended(&job.id).failure.expect(what);
        assert_code(&mine, "ALIGN_BELOW_MINIMUM", "");
        let theirs = two.maison.ended(&job.id).failure.expect(what);
        assert_eq!(theirs.code, mine.code, "{what}");
    }
}

#[test]
fn a_small_selection_is_suppressed_and_nothing_else_is_said() {
    let two = Two::with_tables(SHOP_POLICY);
    let program = question(|program, joined| {
        let few = joined.column("frequency").gt(7) & joined.column("balance").gt(100);
        program.release("few", &few.sum());
    });
    let result = two.banque.answer(program).expect("an answer");
    assert_eq!(cell(&result, "few"), "suppressed");
}

#[test]
fn an_empty_group_without_a_minimum_is_undefined() {
    let open = SHOP_POLICY.replace("minimum_rows = 100", "minimum_rows = 1");
    let two = Two::with_tables(&open);
    let program = question(|program, joined| {
        let none = joined.column("frequency").gt(8);
        program.release("mean", &joined.column("amount").mean_where(&none));
        program.release("sum", &none.choose(joined.column("amount"), 0).sum());
    });
    let result = two.banque.answer(program).expect("an answer");
    assert_eq!((cell(&result, "mean"), cell(&result, "sum")), ("undefined".into(), "0".into()));
}

#[test]
fn a_promise_on_a_range_that_the_data_breaks_opens_nothing() {
    let open = SHOP_POLICY.replace("minimum_rows = 100", "minimum_rows = 1");
    let two = Two::with_tables(&open);
    let program = question(|program, joined| {
        let wealth = joined.column("wealth").assume(0.into(), 10.into());
        program.release("sum", &wealth.sum());
    });
    let job = two.banque.submit(program).expect("submitted");
    let mine = two.banque.ended(&job.id).failure.expect("a failure");
    assert_code(&mine, "OUT_OF_RANGE", "range");
    let theirs = until("the shop knows", || two.maison.client().job(&job.id).ok()?.failure);
    assert_eq!(theirs.code, mine.code);
}
