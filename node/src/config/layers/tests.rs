use std::collections::BTreeSet;

use super::*;

fn directory(lines: &str) -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a directory");
    std::fs::write(dir.path().join(FILE), format!("{}{lines}\n", sample().to_toml())).expect("written");
    dir
}

fn environment(pairs: &[(&str, &str)]) -> Layers {
    Layers::of_environment(pairs.iter().map(|(name, value)| (OsString::from(name), OsString::from(value))))
}

fn flags(set: &[&str]) -> Flags {
    Flags { set: set.iter().map(|&text| text.to_owned()).collect(), ..Flags::default() }
}

fn origin(config: &Config, key: &str) -> (String, String) {
    let setting = config.settings().into_iter().find(|setting| setting.key == key).expect("a key");
    (setting.origin, setting.place)
}

fn refusal(dir: &tempfile::TempDir, layers: &Layers) -> Failure {
    let failure = Config::load(dir.path(), layers).expect_err("a refusal");
    assert_eq!(failure.code.as_str(), "USAGE_CONFIG", "{failure}");
    failure
}

#[test]
fn a_flag_goes_before_the_environment_and_that_before_the_file() {
    let dir = directory("link_mbit = 10\n[idle]\nthreads = 2");
    let variables = environment(&[("TACIT_LINK_MBIT", "20"), ("TACIT_IDLE_THREADS", "3"), ("PATH", "/bin")]);
    let file = Config::load(dir.path(), &Layers::default()).expect("the file");
    assert_eq!((file.link_mbit, file.idle.threads), (10, 2));
    let over = Config::load(dir.path(), &variables).expect("the environment");
    assert_eq!((over.link_mbit, over.idle.threads), (20, 3));
    let flagged = Config::load(dir.path(), &variables.with_flags(&flags(&["link_mbit=30"]))).expect("the flags");
    assert_eq!((flagged.link_mbit, flagged.idle.threads), (30, 3));

    let text = std::fs::read_to_string(dir.path().join(FILE)).expect("read");
    let line = text.lines().position(|line| line == "link_mbit = 10").expect("there") + 1;
    assert_eq!(origin(&file, "link_mbit"), ("file".into(), format!("node.toml line {line}")));
    assert_eq!(origin(&over, "link_mbit"), ("environment".into(), "TACIT_LINK_MBIT".into()));
    assert_eq!(origin(&flagged, "link_mbit"), ("flag".into(), "--set link_mbit".into()));
    assert_eq!(origin(&flagged, "idle.mbit"), ("default".into(), String::new()));
    assert_eq!(origin(&file, "idle.threads"), ("file".into(), format!("node.toml line {}", line + 2)));
}

#[test]
fn values_are_read_in_the_type_of_their_key() {
    let dir = directory("");
    let read = |pairs: &[(&str, &str)]| Config::load(dir.path(), &environment(pairs)).expect("good values");
    assert_eq!(read(&[("TACIT_NAME", "123")]).name, "123");
    assert_eq!(read(&[("TACIT_NAME", "true")]).name, "true");
    assert!(read(&[("TACIT_ALLOW_LOOPBACK", "true")]).allow_loopback);
    assert_eq!(read(&[("TACIT_BENCH_PEERS", "banque, maison")]).bench_peers, ["banque", "maison"]);
    assert_eq!(read(&[("TACIT_BENCH_PEERS", r#"["banque"]"#)]).bench_peers, ["banque"]);
    assert!(read(&[("TACIT_ANNOUNCE", "")]).announce.is_empty());
    assert_eq!(read(&[("TACIT_IDLE_MBIT", "100")]).idle.mbit, Some(100));
    assert_eq!(read(&[("TACIT_API_LISTEN", "127.0.0.1:9")]).api_listen.port(), 9);
    let listen = ["/ip4/0.0.0.0/tcp/1", "/ip4/0.0.0.0/tcp/2"].map(str::to_owned).to_vec();
    let layers = Layers::default().with_flags(&Flags { listen: listen.clone(), ..Flags::default() });
    let config = Config::load(dir.path(), &layers).expect("good values");
    assert_eq!((origin(&config, "listen"), config.listen), (("flag".into(), "--listen".into()), listen));
}

#[test]
fn a_wrong_value_is_refused_with_the_place_that_sets_it() {
    let dir = directory("");
    for (variable, value) in [
        ("TACIT_LINK_MBIT", "fast"),
        ("TACIT_LINK_MBIT", "0"),
        ("TACIT_ALLOW_LOOPBACK", "yes"),
        ("TACIT_IDLE_DISK", "1"),
        ("TACIT_DATA_ANNOUNCE", "here"),
    ] {
        let failure = refusal(&dir, &environment(&[(variable, value)]));
        assert!(failure.message.starts_with(variable), "{failure}");
    }
    let no_text = <OsString as std::os::unix::ffi::OsStringExt>::from_vec(vec![0xff]);
    let failure = refusal(&dir, &Layers::of_environment([("TACIT_LINK_MBIT".into(), no_text)]));
    assert!(failure.message.starts_with("TACIT_LINK_MBIT: ") && failure.message.contains("no text"), "{failure}");
    let failure = refusal(&dir, &Layers::default().with_flags(&flags(&["idle.threads=0"])));
    assert!(failure.message.starts_with("--set idle.threads: `idle.threads` is 1 to 256"), "{failure}");
}

#[test]
fn an_unknown_key_is_refused_with_the_one_that_was_meant_wherever_it_stands() {
    let good = directory("");
    let failure = refusal(&good, &environment(&[("TACIT_LINK_MBITS", "1")]));
    assert!(failure.message.contains("`TACIT_LINK_MBITS`; did you mean `TACIT_LINK_MBIT`?"), "{failure}");
    let failure = refusal(&good, &Layers::default().with_flags(&flags(&["idle.thread=1"])));
    assert!(failure.message.contains("`idle.thread`; did you mean `idle.threads`?"), "{failure}");
    let bad = directory("# a comment\nallow_loopbak = true");
    let failure = refusal(&bad, &Layers::default());
    assert!(failure.message.contains("did you mean `allow_loopback`?"), "{failure}");
    let line = std::fs::read_to_string(bad.path().join(FILE)).expect("read").lines().count();
    assert!(failure.message.contains(&format!("line {line}:")), "{failure}");
    let failure = refusal(&directory("[idel]\nthreads = 1"), &Layers::default());
    assert!(failure.message.contains("`idel.threads`; did you mean `idle.threads`?"), "{failure}");
}

#[test]
fn variables_of_others_are_left_alone() {
    let dir = directory("");
    let layers = environment(&[
        ("TACIT_DIR", "/srv"),
        ("TACIT_LOG", "debug"),
        ("TACIT_SERVICE_HOST", "10.0.0.1"),
        ("TACIT_BANQUE_SERVICE_PORT", "7700"),
        ("TACIT_PORT", "tcp://10.0.0.1:7700"),
        ("TACIT_PORT_7700_TCP_ADDR", "10.0.0.1"),
        ("TACITURN", "1"),
    ]);
    Config::load(dir.path(), &layers).expect("nothing of them is ours");
}

#[test]
fn every_key_has_a_variable_of_its_own() {
    let keys = keys();
    let variables: BTreeSet<String> = keys.iter().map(|key| variable(key)).collect();
    assert_eq!(variables.len(), keys.len());
    assert!(variables.iter().all(|name| !is_other(name)));
}
