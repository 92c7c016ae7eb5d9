//! A real browser for tests: headless Chromium, driven over WebDriver (W3C), which is JSON over HTTP.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use ureq::Agent;

use crate::harness::path;

/// How long a page may take to show something.
const PATIENCE: Duration = Duration::from_secs(40);
/// The property by which WebDriver names an element.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";
/// WebDriver's code points of keys.
pub(crate) const ENTER: char = '\u{E007}';
pub(crate) const ESCAPE: char = '\u{E00C}';
pub(crate) const TAB: char = '\u{E004}';

/// Chromium and its driver, as they are found or installed.
struct Programs {
    driver: PathBuf,
    browser: PathBuf,
}

/// Finds the programs; on Debian, as root, installs them where they are missing. None where neither can be: whoever
/// asked says so and checks nothing.
fn programs() -> Option<&'static Programs> {
    static PROGRAMS: OnceLock<Option<Programs>> = OnceLock::new();
    let found = PROGRAMS.get_or_init(|| {
        find().or_else(|| {
            install();
            find()
        })
    });
    found.as_ref()
}

fn find() -> Option<Programs> {
    let directories: Vec<PathBuf> = std::env::split_paths(&std::env::var_os("PATH")?).collect();
    let first = |names: &[&str]| {
        let places = names.iter().flat_map(|name| directories.iter().map(move |directory| directory.join(name)));
        places.into_iter().find(|place| place.is_file())
    };
    Some(Programs {
        driver: first(&["chromedriver"])?,
        browser: first(&["chromium", "chromium-browser", "google-chrome"])?,
    })
}

fn install() {
    if !Path::new("/etc/debian_version").exists() || !rustix::process::geteuid().is_root() {
        return;
    }
    eprintln!("the tests of the console need Chromium: apt-get install chromium chromium-driver");
    // Without a network it gives up soon.
    let apt = |arguments: &[&str]| {
        let mut command = Command::new("timeout");
        command.args(["300", "apt-get", "-o", "Acquire::http::Timeout=20", "-o", "Acquire::Retries=1"]);
        command.args(arguments).env("DEBIAN_FRONTEND", "noninteractive").stdin(Stdio::null()).stdout(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    };
    // Lists may be there already where the network is not.
    apt(&["update", "-qq"]);
    apt(&["install", "-y", "-qq", "--no-install-recommends", "chromium", "chromium-driver"]);
}

/// The driver's process; ends with all its browsers.
pub(crate) struct Driver {
    process: Child,
    address: String,
    agent: Agent,
    browser: &'static Path,
    profiles: tempfile::TempDir,
}

impl Driver {
    /// Starts the driver. None, said loudly, where this machine has no Chromium and none can be installed.
    pub(crate) fn start() -> Option<Self> {
        let Some(Programs { driver, browser }) = programs() else {
            eprintln!(
                "\nNOT CHECKED: this machine has no chromium and chromedriver, and they cannot be installed.\n\
                 NOT CHECKED: the pages of the console were not opened by this test.\n"
            );
            return None;
        };
        let mut process = Command::new(driver)
            .arg("--port=0")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the driver runs");
        let lines = BufReader::new(process.stdout.take().expect("piped")).lines().map_while(Result::ok);
        let port = lines
            .filter_map(|line| line.split_once("started successfully on port ").map(|(_, port)| port.to_owned()))
            .next()
            .expect("the driver says its port");
        let address = format!("http://127.0.0.1:{}", port.trim_end_matches('.'));
        let agent = Agent::config_builder().http_status_as_error(false).proxy(None).build().new_agent();
        let profiles = tempfile::tempdir().expect("a directory");
        Some(Self { process, address, agent, browser, profiles })
    }

    /// A browser of its own, without a past, that reaches no other machine.
    pub(crate) fn browser(&self, name: &str) -> Browser<'_> {
        let profile = self.profiles.path().join(name);
        let mut arguments = vec![
            "--headless=new".to_owned(),
            "--disable-gpu".into(),
            "--disable-dev-shm-usage".into(),
            "--no-first-run".into(),
            "--disable-background-networking".into(),
            "--disable-component-update".into(),
            "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1".into(),
            "--window-size=1280,900".into(),
            format!("--user-data-dir={}", path(&profile)),
        ];
        if rustix::process::geteuid().is_root() {
            arguments.push("--no-sandbox".into());
        }
        let options = json!({ "binary": path(self.browser), "args": arguments });
        let capabilities = json!({ "alwaysMatch": {
            "browserName": "chrome",
            "goog:chromeOptions": options,
            "goog:loggingPrefs": { "browser": "ALL", "performance": "ALL" },
        } });
        let session = self.call("POST", "/session", &json!({ "capabilities": capabilities })).expect("a browser");
        let id = session["sessionId"].as_str().expect("an id").to_owned();
        Browser { driver: self, path: format!("/session/{id}") }
    }

    /// One call: its value, or the name of its error.
    fn call(&self, method: &str, path: &str, body: &Value) -> Result<Value, String> {
        let url = format!("{}{path}", self.address);
        let sent = match method {
            "GET" => self.agent.get(url).call(),
            "DELETE" => self.agent.delete(url).call(),
            _ => self.agent.post(url).send_json(body),
        };
        let mut answer: Value = sent.expect("the driver answers").body_mut().read_json().expect("JSON");
        match answer["value"]["error"].as_str() {
            Some(error) => Err(format!("{error}: {}", answer["value"]["message"].as_str().unwrap_or_default())),
            None => Ok(answer["value"].take()),
        }
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

/// One browser window.
pub(crate) struct Browser<'a> {
    driver: &'a Driver,
    path: String,
}

impl Browser<'_> {
    /// Opens an address.
    pub(crate) fn open(&self, address: &str) {
        self.post("/url", &json!({ "url": address })).expect("opened");
    }

    /// What a script returns.
    pub(crate) fn script(&self, script: &str, arguments: &[&str]) -> Value {
        self.post("/execute/sync", &json!({ "script": script, "args": arguments })).expect("the script runs")
    }

    /// The text that is shown in the first element that a selector finds; empty while there is none.
    pub(crate) fn text(&self, selector: &str) -> String {
        let script = "return document.querySelector(arguments[0])?.innerText ?? ''";
        self.script(script, &[selector]).as_str().expect("text").to_owned()
    }

    /// Waits until an element shows some text, and gives all of its text.
    pub(crate) fn shows(&self, selector: &str, part: &str) -> String {
        self.wait(&format!("{selector} shows {part:?}"), || {
            Some(self.text(selector)).filter(|text| text.contains(part))
        })
    }

    /// Presses the button, link or summary with this name, once it is there.
    pub(crate) fn press(&self, name: &str) {
        let path = format!("//main//*[self::button or self::a or self::summary][normalize-space()={name:?}]");
        self.on("xpath", &path, |element| self.post(&format!("/element/{element}/click"), &json!({})));
    }

    /// Presses what a selector finds.
    pub(crate) fn press_at(&self, selector: &str) {
        self.on("css selector", selector, |element| self.post(&format!("/element/{element}/click"), &json!({})));
    }

    /// Types into the control with this label, or chooses the file of this path there.
    pub(crate) fn fill(&self, label: &str, text: &str) {
        let path = format!("//*[@id=//label[normalize-space()={label:?}]/@for]");
        self.on("xpath", &path, |element| self.post(&format!("/element/{element}/value"), &json!({ "text": text })));
    }

    /// Presses keys one after the other, wherever the focus is.
    pub(crate) fn keys(&self, keys: &str) {
        let strokes: Vec<Value> = keys
            .chars()
            .flat_map(|key| ["keyDown", "keyUp"].map(|kind| json!({ "type": kind, "value": key.to_string() })))
            .collect();
        let source = json!({ "type": "key", "id": "keyboard", "actions": strokes });
        self.post("/actions", &json!({ "actions": [source] })).expect("keys");
    }

    /// Goes on with the tabulator key until what has the focus has this name.
    pub(crate) fn tab_to(&self, name: &str) {
        const STEPS: usize = 80;
        let script = "const one = document.activeElement; return (one.ariaLabel || one.labels?.[0]?.innerText || one.innerText || '').trim()";
        for _ in 0..STEPS {
            if self.script(script, &[]).as_str().is_some_and(|focused| focused == name) {
                return;
            }
            self.keys(&TAB.to_string());
        }
        panic!("the tabulator key does not lead to {name:?}: {}", self.text("main"));
    }

    /// The addresses of all requests of pages since the last call, and what the console of the browser complains about.
    pub(crate) fn requests_and_complaints(&self) -> (Vec<String>, Vec<String>) {
        let log = |kind: &str| -> Vec<Value> {
            let entries = self.post("/se/log", &json!({ "type": kind })).expect("a log");
            entries.as_array().expect("entries").clone()
        };
        let requests = log("performance").into_iter().filter_map(|entry| {
            let event: Value = serde_json::from_str(entry["message"].as_str()?).ok()?;
            let sent = event["message"]["method"] == "Network.requestWillBeSent";
            let request = &event["message"]["params"];
            // The empty page that a window begins with is the browser's own.
            let of_browser = request["documentURL"].as_str()?.starts_with("chrome:");
            let url = request["request"]["url"].as_str()?;
            (sent && !of_browser).then(|| url.to_owned())
        });
        let severe = log("browser").into_iter().filter(|entry| entry["level"] == "SEVERE");
        let complaints = severe.map(|entry| entry["message"].as_str().unwrap_or_default().to_owned());
        (requests.collect(), complaints.collect())
    }

    /// Does something with an element. Pages that follow data put new elements in the place of old ones at any time, so
    /// this is tried until it works.
    fn on(&self, using: &str, value: &str, act: impl Fn(&str) -> Result<Value, String>) {
        let passing = ["no such element", "stale element", "element not interactable", "element click intercepted"];
        self.wait(&format!("something can be done with {value}"), || {
            let found = self.post("/element", &json!({ "using": using, "value": value }));
            let done = found.and_then(|element| act(element[ELEMENT].as_str().expect("an element")));
            match done {
                Ok(_) => Some(()),
                Err(error) => {
                    assert!(passing.iter().any(|known| error.starts_with(known)), "{value}: {error}");
                    None
                }
            }
        });
    }

    /// Waits for something, by looking again and again.
    pub(crate) fn wait<T>(&self, what: &str, mut ready: impl FnMut() -> Option<T>) -> T {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(value) = ready() {
                return value;
            }
            assert!(Instant::now() < deadline, "waited too long until {what}; the page has:\n{}", self.text("body"));
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    fn post(&self, path: &str, body: &Value) -> Result<Value, String> {
        self.driver.call("POST", &format!("{}{path}", self.path), body)
    }
}

impl Drop for Browser<'_> {
    fn drop(&mut self) {
        // The driver may be gone already where a test failed.
        drop(std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            self.driver.call("DELETE", &self.path, &Value::Null)
        })));
    }
}
