//! What an operator watches a node by: probes, metrics, logs. And results in the forms that other programs read.

use std::process::Command;

use tacit_protocol::api::{TokenRequest, TokenRole};
use tacit_sdk::Client;

use super::api::{Call, answered, bare, refused};
use super::harness::{Organisation, SHOP_POLICY, Two, count_question, path, question, refusal, until};
use super::python;

fn address(node: &Organisation) -> String {
    std::fs::read_to_string(node.dir.join("api.address")).expect("an address").trim().to_owned()
}

fn token(node: &Organisation, role: TokenRole) -> String {
    let request = TokenRequest { role, subject: "eve".into(), valid_seconds: None };
    node.client().create_token(&request).expect("a token").token
}

#[test]
fn probes_say_whether_the_node_is_ready_and_metrics_take_a_token() {
    let parent = tempfile::tempdir().expect("a directory");
    let shop = Organisation::start(parent.path(), "maison");
    let address = address(&shop);
    let open = |path: &'static str| {
        answered(&address, &Call { method: "GET", path, token: None, headers: &[], body: Vec::new() })
    };
    assert_eq!(open("/healthz"), (200, "ok\n".into()));
    until("the node is ready", || (open("/readyz") == (200, r#"{"ready":true,"reasons":[]}"#.into())).then_some(()));

    assert_eq!(open("/metrics").0, 401);
    let (auditor, analyst) = (token(&shop, TokenRole::Auditor), token(&shop, TokenRole::Analyst));
    assert_eq!(refused(&address, bare("GET", "/metrics", &analyst)), (403, "TOKEN_SCOPE".into()));
    assert_eq!(refused(&address, bare("GET", "/v1/jobs/00000000", &auditor)), (404, "JOB_UNKNOWN".into()));
    let (status, text) = answered(&address, &bare("GET", "/metrics", &auditor));
    assert_eq!(status, 200);
    for line in [
        "tacit_ready{} 1",
        "tacit_jobs{state=\"finished\"} 0",
        "tacit_refusals_total{at=\"api\",code=\"JOB_UNKNOWN\"} 1",
        "tacit_refusals_total{at=\"api\",code=\"TOKEN_INVALID\"} 1",
        "tacit_api_requests_total{route=\"/v1/jobs/{id}\",class=\"4xx\"} 1",
        "tacit_peers{state=\"paired\"} 0",
    ] {
        assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
    }
    assert!(!text.contains("maison") && text.ends_with("# EOF\n"), "{text}");

    // A log that takes no entry: the node says so until one is written again.
    shop.limit_files(0);
    let request = TokenRequest { role: TokenRole::Auditor, subject: "eve".into(), valid_seconds: None };
    assert_eq!(refusal(shop.client().create_token(&request)).code.as_str(), "STORE_FULL");
    let (status, reasons) = open("/readyz");
    assert!(
        status == 503 && reasons.contains("STORE_FULL") && reasons.contains("the log takes no entries"),
        "{reasons}"
    );
    shop.limit_files(1 << 40);
    shop.client().create_token(&request).expect("there is room again");
    assert_eq!(open("/readyz").0, 200);
}

#[test]
fn the_log_is_json_with_the_fields_of_jobs_and_its_levels_change_while_the_node_runs() {
    let two = Two::with_tables_and(SHOP_POLICY, "log_format = \"json\"\n");
    let bank = &two.banque;
    let set = bank.cli(&["log", "level", "jobs=debug"]);
    assert!(set.code == 0 && set.stdout.contains("jobs=debug"), "{}{}", set.stdout, set.stderr);
    assert_eq!(bank.cli(&["log", "level", "hyper=trace"]).code, 2);
    let auditor = Client::new(address(bank), token(bank, TokenRole::Auditor));
    assert_eq!(auditor.log_levels().expect("levels").levels, "jobs=debug");
    let asked = tacit_protocol::api::LogLevels::default();
    assert_eq!(refusal(auditor.set_log_levels(&asked)).code.as_str(), "TOKEN_SCOPE");
    let job = bank.submit(count_question()).expect("submitted").id;
    bank.ended(&job);
    let log = std::fs::read_to_string(bank.dir.join("node.log")).expect("a log");
    let lines: Vec<serde_json::Value> =
        log.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("no JSON: {line}"))).collect();
    let of_job = lines.iter().find(|line| line["message"] == "job enters a state" && line["span"]["name"] == "job");
    let of_job = of_job.unwrap_or_else(|| panic!("no line of the job:\n{log}"));
    assert_eq!((&of_job["job"], &of_job["span"]["job"]), (&job[..12].into(), &job[..12].into()));
    assert_eq!(of_job["span"]["peer"], "maison");
    assert!(of_job["span"]["party"].is_number() && of_job["span"]["step"].is_string(), "{of_job}");
}

#[test]
fn results_are_given_in_the_forms_that_other_programs_read() {
    let two = Two::with_tables(SHOP_POLICY);
    let bank = &two.banque;
    let program = question(|program, joined| {
        let frequent = joined.column("frequency").gt(2);
        program.release("number", &frequent.sum());
        program.release("mean_amount", &joined.column("amount").mean());
        // Nobody is: the count is below the minimum.
        program.release("nobody", &joined.column("frequency").gt(1_000).sum());
    });
    let result = bank.answer(program).expect("an answer");
    let number = super::harness::cell(&result, "number");
    assert_eq!(super::harness::cell(&result, "nobody"), "suppressed");
    let csv = bank.cli(&["job", "result", &result.id, "--format", "csv"]);
    assert!(csv.stdout.starts_with("output,index,value,status\n"), "{}{}", csv.stdout, csv.stderr);
    assert!(csv.stdout.contains(&format!("number,,{number},released\n")), "{}", csv.stdout);
    assert!(csv.stdout.contains("nobody,,,suppressed\n"), "{}", csv.stdout);

    // The ending of the file says the form; so does the header of a call.
    for (file, output) in [("all.arrow", None), ("number.npy", Some("number")), ("nobody.npy", Some("nobody"))] {
        let place = two.dir.path().join(file);
        let mut call = vec!["job", "result", &result.id, "--out", path(&place)];
        call.extend(output.iter().flat_map(|name| ["--output", name]));
        let written = bank.cli(&call);
        assert_eq!(written.code, 0, "{}", written.stderr);
    }
    let operator = std::fs::read_to_string(bank.dir.join("api.token")).expect("a token").trim().to_owned();
    let place = format!("/v1/jobs/{}/result", result.id);
    let accepts = &[("accept", "text/html, text/csv;q=0.9")];
    let call = Call { headers: accepts, ..bare("GET", &place, &operator) };
    assert_eq!(answered(&address(bank), &call), (200, csv.stdout));
    let wrong = |query: &str| refused(&address(bank), bare("GET", &format!("{place}?{query}"), &operator));
    assert_eq!(wrong("format=xlsx"), (400, "USAGE_REQUEST".into()));
    assert_eq!(wrong("format=npy"), (400, "USAGE_OUTPUT".into()));
    assert_eq!(wrong("format=csv&output=other"), (400, "USAGE_OUTPUT".into()));

    let Some(programs) = python::environment() else { return };
    let script = "
import sys, numpy, pyarrow.ipc
table = pyarrow.ipc.open_stream('all.arrow').read_all()
row = table.to_pylist()[0]
number = numpy.load('number.npy')
assert table.num_rows == 1 and list(row) == ['number', 'mean_amount', 'nobody'], row
assert row['number'] == number == int(sys.argv[1]) and number.dtype == '<i8' and number.shape == (), (row, number)
assert row['nobody'] is None and table.schema.field('nobody').metadata[b'tacit.suppressed'] == b'1', row
assert isinstance(row['mean_amount'], float), row
nobody = numpy.load('nobody.npy')
assert nobody.dtype == '<f8' and numpy.isnan(nobody), nobody
";
    let mut read = Command::new(programs.join("python"));
    read.current_dir(two.dir.path()).args(["-c", script, &number]);
    python::run(&mut read).unwrap_or_else(|wrong| panic!("{wrong}"));
}
