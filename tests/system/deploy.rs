//! What `deploy/` holds, as far as it can be checked without the systems that it is for. A tool that is not here is told.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::Command;

use tacit_node::metrics::definitions::{ALERTED, DEFINITIONS};
use yaml_rust2::{Yaml, YamlLoader};

use crate::required::{has, not_checked};

fn root(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

fn read(path: &str) -> String {
    std::fs::read_to_string(root(path)).unwrap_or_else(|cause| panic!("{path}: {cause}"))
}

fn yaml(path: &str) -> Yaml {
    let mut documents = YamlLoader::load_from_str(&read(path)).unwrap_or_else(|cause| panic!("{path}: {cause}"));
    assert_eq!(documents.len(), 1, "{path}");
    documents.remove(0)
}

fn text<'a>(value: &'a Yaml, what: &str) -> &'a str {
    value.as_str().unwrap_or_else(|| panic!("{what}: {value:?}"))
}

/// The names of metrics in an expression: words that begin as ours do.
fn metrics(expression: &str) -> BTreeSet<String> {
    let words = expression.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
    let ours = words.filter(|word| ["tacit_", "process_"].iter().any(|start| word.starts_with(start)));
    ours.map(|word| word.trim_end_matches("_bucket").to_owned()).collect()
}

fn assert_defined(used: &BTreeSet<String>, what: &str) {
    assert!(!used.is_empty(), "{what} names no metric");
    let is_defined = |name: &str| DEFINITIONS.iter().any(|figure| figure.name == name);
    let unknown: Vec<&String> = used.iter().filter(|name| !is_defined(name)).collect();
    assert!(unknown.is_empty(), "{what} names metrics that the code does not define: {unknown:?}");
}

/// The codes that an expression asks for.
fn codes(expression: &str) -> Vec<&str> {
    let matchers = expression.split("code=").skip(1);
    let quoted = matchers.filter_map(|rest| rest.split('"').nth(1));
    quoted.flat_map(|codes| codes.split('|')).collect()
}

#[test]
fn the_unit_is_verified_and_hardened() {
    let unit = read("deploy/systemd/tacit.service");
    for line in ["NoNewPrivileges=yes", "ProtectSystem=strict", "CapabilityBoundingSet=", "UMask=0077", "User=tacit"] {
        assert!(unit.lines().any(|known| known == line), "{line}");
    }
    // A stop is given more time than the node takes to drain by default.
    let seconds = unit.lines().find_map(|line| line.strip_prefix("TimeoutStopSec=")).expect("a time");
    assert!(seconds.parse::<u32>().expect("seconds") >= 90);
    if !has("systemd-analyze") {
        return not_checked("systemd-analyze", "the unit as systemd reads it");
    }
    // The binary is not installed here: any program stands for it.
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("tacit.service");
    std::fs::write(&path, unit.replace("/usr/local/bin/tacit", "/bin/true")).expect("written");
    let run = |arguments: &[&str]| {
        let output = Command::new("systemd-analyze").args(arguments).arg(&path).output().expect("it runs");
        let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        (output.status.success(), text)
    };
    let (good, said) = run(&["verify", "--man=no"]);
    assert!(good && said.trim().is_empty(), "{said}");
    let (good, said) = run(&["security", "--offline=true", "--threshold=20", "--no-pager"]);
    assert!(good, "an exposure above 2.0: {said}");
}

#[test]
fn the_image_runs_as_nobody_and_stops_by_a_signal() {
    for path in ["deploy/container/Containerfile", "deploy/compose/Containerfile.demo"] {
        let text = read(path);
        let last_stage = text.rsplit("\nFROM ").next().expect("a stage");
        assert!(last_stage.contains("USER 65532:65532"), "{path}");
        let from = text.lines().filter_map(|line| line.strip_prefix("FROM "));
        from.for_each(|image| assert!(!image.ends_with(":latest") && image.contains([':', '$']), "{path}: {image}"));
    }
    let node = read("deploy/container/Containerfile");
    assert!(node.contains("STOPSIGNAL SIGTERM") && node.contains("--locked") && node.contains("distroless"));
}

#[test]
fn the_compose_file_runs_two_confined_nodes() {
    let file = yaml("deploy/compose/compose.yaml");
    let services = file["services"].as_hash().expect("services");
    let names: Vec<&str> = services.keys().map(|name| text(name, "a name")).collect();
    assert_eq!(names, ["maison", "banque"]);
    let node = &file["x-node"];
    assert_eq!(node["read_only"].as_bool(), Some(true));
    assert_eq!(text(&node["cap_drop"][0], "cap_drop"), "ALL");
    assert_eq!(text(&node["security_opt"][0], "security_opt"), "no-new-privileges:true");
    for service in services.values() {
        assert!(service["volumes"].as_vec().is_some_and(|volumes| volumes.len() == 2));
        assert!(service["ports"].is_badvalue(), "nothing of the demo is open to other machines");
    }
    let checked = Command::new("sh").arg("-n").arg(root("deploy/compose/demo.sh")).status().expect("a shell");
    assert!(checked.success());
}

#[test]
fn the_chart_has_probes_one_replica_and_time_to_drain() {
    let chart = yaml("deploy/helm/tacit/Chart.yaml");
    assert_eq!((text(&chart["apiVersion"], "apiVersion"), text(&chart["name"], "name")), ("v2", "tacit"));
    assert_eq!(text(&chart["appVersion"], "appVersion"), env!("CARGO_PKG_VERSION"));
    let values = yaml("deploy/helm/tacit/values.yaml");
    let template = read("deploy/helm/tacit/templates/statefulset.yaml");
    for part in [
        "replicas: 1",
        "startupProbe:",
        "livenessProbe:",
        "readinessProbe:",
        "runAsNonRoot: true",
        "readOnlyRootFilesystem: true",
        "enableServiceLinks: false",
        "add .Values.drainSeconds 30",
    ] {
        assert!(template.contains(part), "{part}");
    }
    // Every value that a template takes is among the values.
    let mut used = BTreeSet::new();
    for file in std::fs::read_dir(root("deploy/helm/tacit/templates")).expect("templates").flatten() {
        let template = std::fs::read_to_string(file.path()).expect("a template");
        let word = |rest: &str| rest.split(|c: char| !c.is_ascii_alphanumeric()).next().unwrap_or_default().to_owned();
        used.extend(template.split(".Values.").skip(1).map(word));
    }
    used.iter().for_each(|key| assert!(!values[key.as_str()].is_badvalue(), "values.yaml has no {key}"));
    if !has("helm") {
        return not_checked("helm", "the templates of the chart");
    }
    let chart = root("deploy/helm/tacit");
    for settings in ["name=maison", "name=maison,service.type=ClusterIP", "name=maison,api.tlsSecret=maison-tls"] {
        let rendered = Command::new("helm").args(["template", "maison", "--set", settings]).arg(&chart).output();
        let rendered = rendered.expect("helm runs");
        assert!(rendered.status.success(), "{settings}: {}", String::from_utf8_lossy(&rendered.stderr));
        let text = String::from_utf8_lossy(&rendered.stdout);
        YamlLoader::load_from_str(&text).expect("YAML");
        assert_eq!(text.contains("externalTrafficPolicy: Local"), !settings.contains("ClusterIP"), "{settings}");
        assert_eq!(text.contains("containerPort: 7702"), settings.contains("tlsSecret"), "{settings}");
    }
}

#[test]
fn both_ports_of_peers_are_open_for_tcp_and_udp_wherever_one_is() {
    let image = read("deploy/container/Containerfile");
    let run = image.lines().find(|line| line.contains("docker run -v")).expect("the command that runs it");
    for (port, name) in [(7700, "peers"), (7701, "data")] {
        assert!(image.contains(&format!("{port}/tcp {port}/udp")), "{port}");
        assert!(run.contains(&format!("-p {port}:{port} -p {port}:{port}/udp")), "{run}");
        for (name, protocol) in [(name.to_owned(), "TCP"), (format!("{name}-quic"), "UDP")] {
            let pod =
                format!("- name: {name}\n              containerPort: {port}\n              protocol: {protocol}\n");
            assert!(read("deploy/helm/tacit/templates/statefulset.yaml").contains(&pod), "{pod}");
            let service =
                format!("- name: {name}\n      port: {port}\n      targetPort: {name}\n      protocol: {protocol}\n");
            assert!(read("deploy/helm/tacit/templates/service.yaml").contains(&service), "{service}");
        }
    }
}

#[test]
fn every_alert_has_its_place_in_the_operators_page_and_names_metrics_that_there_are() {
    let file = yaml("deploy/prometheus/alerts.yaml");
    let page = read("docs/book/operator.md");
    let mut used = BTreeSet::new();
    for group in file["groups"].as_vec().expect("groups") {
        for rule in group["rules"].as_vec().expect("rules") {
            let name = text(&rule["alert"], "an alert");
            let expression = text(&rule["expr"], name);
            let (open, close) = (expression.matches('(').count(), expression.matches(')').count());
            assert_eq!(open, close, "{name}: {expression}");
            assert!(["page", "ticket"].contains(&text(&rule["labels"]["severity"], name)), "{name}");
            text(&rule["annotations"]["summary"], name);
            let place = format!("docs/book/operator.md#{}", name.to_lowercase());
            assert_eq!(text(&rule["annotations"]["runbook"], name), place);
            assert!(page.lines().any(|line| line == format!("### {name}")), "{name} is not in the page");
            used.extend(metrics(expression));
            // A series that begins with its first count has no increase then.
            codes(expression)
                .iter()
                .for_each(|code| assert!(ALERTED.contains(code), "{name}: {code} begins at nothing"));
        }
    }
    assert_defined(&used, "alerts.yaml");
    if !has("promtool") {
        return not_checked("promtool", "the rules as Prometheus reads them");
    }
    let rules = root("deploy/prometheus/alerts.yaml");
    let checked = Command::new("promtool").args(["check", "rules"]).arg(rules).status().expect("promtool runs");
    assert!(checked.success());
}

#[test]
fn the_alert_on_memory_comes_before_the_limit_of_the_chart() {
    let alerts = read("deploy/prometheus/alerts.yaml");
    let expression = alerts.lines().find(|line| line.contains("process_resident_memory_bytes")).expect("the alert");
    let threshold: f64 = expression.rsplit("> ").next().expect("a number").trim().parse().expect("a number");
    let values = yaml("deploy/helm/tacit/values.yaml");
    let limit = text(&values["resources"]["limits"]["memory"], "the limit");
    let gib: f64 = limit.strip_suffix("Gi").expect("GiB").parse().expect("a number");
    assert!(threshold < gib * f64::from(1 << 30), "{threshold} against {limit}");
}

#[test]
fn the_dashboard_is_whole_and_names_metrics_that_there_are() {
    let dashboard: serde_json::Value = serde_json::from_str(&read("deploy/grafana/tacit.json")).expect("JSON");
    let panels = dashboard["panels"].as_array().expect("panels");
    let mut ids = BTreeSet::new();
    let mut used = BTreeSet::new();
    for panel in panels {
        let title = panel["title"].as_str().expect("a title");
        assert!(ids.insert(panel["id"].as_u64().expect("an id")), "{title}");
        let place = &panel["gridPos"];
        assert!(place["x"].as_u64().zip(place["w"].as_u64()).is_some_and(|(x, w)| x + w <= 24), "{title}");
        for target in panel["targets"].as_array().expect("targets") {
            used.extend(metrics(target["expr"].as_str().expect("an expression")));
        }
    }
    let variables = dashboard["templating"]["list"].as_array().expect("variables");
    let names: Vec<&str> = variables.iter().filter_map(|variable| variable["name"].as_str()).collect();
    assert_eq!(names, ["source", "instance"]);
    assert_defined(&used, "the dashboard");
}
