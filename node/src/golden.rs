//! The files of `docs` that are written from the code: they must be what the code says.
//!
//! `TACIT_RENEW=1 cargo test --profile ci -p tacit-node --lib golden` writes them anew.

use std::path::PathBuf;

use clap::Command;
use clap_complete::Shell;

/// Compares a file with what it must be, or writes it where `TACIT_RENEW` is set.
fn check(name: &str, expected: &str) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..").join(name);
    if std::env::var_os("TACIT_RENEW").is_some() {
        std::fs::write(&path, expected).expect("the file is written");
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    let line = found.lines().zip(expected.lines()).position(|(a, b)| a != b);
    let renew = "run `TACIT_RENEW=1 cargo test --profile ci -p tacit-node --lib golden` and review the difference";
    assert!(found == expected, "{name} differs from the code at line {:?}: {renew}", line.map(|at| at + 1));
}

#[test]
fn the_description_of_the_api_is_that_of_the_code() {
    let api = crate::api::description();
    check("docs/spec/openapi.json", &(api.to_pretty_json().expect("JSON") + "\n"));
}

#[test]
fn the_page_of_the_metrics_is_that_of_the_code() {
    check("docs/book/metrics.md", &crate::metrics::definitions::page());
}

/// Every operation has a result, the failures with their form, and a parameter for each part of its path.
#[test]
fn every_call_of_the_api_is_described_with_its_failures() {
    let api = serde_json::to_value(crate::api::description()).expect("JSON");
    assert_eq!(api.pointer("/info/license/identifier").expect("a licence"), "Apache-2.0");
    assert!(api.pointer("/components/schemas/Failure/properties/code").is_some());
    assert!(api.pointer("/components/securitySchemes/token").is_some());
    let mut calls = 0;
    for (path, item) in api["paths"].as_object().expect("paths") {
        for (method, call) in item.as_object().expect("calls") {
            calls += 1;
            let of = |pointer: &str| call.pointer(pointer).unwrap_or(&serde_json::Value::Null).clone();
            let what = format!("{method} {path}");
            assert!(!of("/responses/200/description").is_null(), "{what}");
            assert!(of("/summary").as_str().is_some_and(|text| !text.is_empty()), "{what} has no summary");
            for status in [400, 401, 403, 404, 409, 413, 429, 500, 502, 503, 504] {
                let response = of(&format!("/responses/{status}/$ref"));
                let name = response.as_str().and_then(|text| text.strip_prefix("#/components/responses/"));
                let pointer =
                    format!("/components/responses/{}/content/application~1json/schema/$ref", name.expect(&what));
                assert_eq!(api.pointer(&pointer).expect("a schema"), "#/components/schemas/Failure", "{what} {status}");
            }
            let named: Vec<String> = of("/parameters")
                .as_array()
                .into_iter()
                .flatten()
                .map(|p| p["name"].as_str().unwrap_or("").into())
                .collect();
            for name in path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}')) {
                assert!(named.iter().any(|known| known == name), "{what} does not describe {name}: {named:?}");
            }
        }
    }
    assert!(calls > 15, "{calls} calls");
}

#[test]
fn the_help_of_the_command_line_is_that_of_the_code() {
    let mut text = "# The command line\n\nWritten from the code; the same as `--help` prints.\n".to_owned();
    let mut command = crate::cli::command().term_width(100);
    command.build();
    write(&mut text, &mut command, "tacit");
    check("docs/spec/cli.md", &text);
}

fn write(text: &mut String, command: &mut Command, name: &str) {
    let level = "#".repeat(2 + name.matches(' ').count());
    let help = command.render_long_help().to_string();
    let help: Vec<&str> = help.lines().map(str::trim_end).collect();
    *text += &format!("\n{level} {name}\n\n```text\n{}\n```\n", help.join("\n").trim_end());
    let shown = |inner: &&mut Command| inner.get_name() != "help" && !inner.is_hide_set();
    for inner in command.get_subcommands_mut().filter(shown) {
        let name = format!("{name} {}", inner.get_name());
        write(text, inner, &name);
    }
}

#[test]
fn completions_are_written_for_every_shell_and_know_every_command() {
    for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
        let mut script = Vec::new();
        let mut command = crate::cli::command();
        clap_complete::generate(shell, &mut command, "tacit", &mut script);
        let script = String::from_utf8(script).expect("text");
        for inner in crate::cli::command().get_subcommands() {
            assert!(script.contains(inner.get_name()), "{shell} does not complete {}", inner.get_name());
        }
    }
}
