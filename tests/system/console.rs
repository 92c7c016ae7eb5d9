//! The console in a real browser, on two running nodes: what an operator clicks and types.
//!
//! These tests drive headless Chromium. Where a machine has none and none can be installed (see [`Driver::start`]), they
//! say so on standard error and pass without having opened a page.

use ureq::Agent;

use crate::browser::{Browser, Driver, ENTER, ESCAPE};
use crate::harness::{
    CUSTOMERS, OWN_POLICY, Organisation, SHOP_POLICY, Two, accounts, count_answer, count_question, customers, path,
};

/// What must stay text, wherever it is shown.
const HOSTILE: &str = "<img src=x onerror=window.hacked=1>";
const HOSTILE_PURPOSE: &str = "<script>window.hacked = 1</script> study";

fn read(node: &Organisation, file: &str) -> String {
    std::fs::read_to_string(node.dir.join(file)).expect("a file").trim().to_owned()
}

fn address(node: &Organisation) -> String {
    format!("http://{}", read(node, "api.address"))
}

/// A browser whose operator has signed in at a node.
fn signed_in<'a>(driver: &'a Driver, node: &Organisation) -> Browser<'a> {
    let browser = driver.browser(node.name);
    browser.open(&address(node));
    browser.shows("#sign-in", "Sign in");
    browser.fill("Token", "not-a-token");
    browser.keys(&ENTER.to_string());
    browser.shows("#sign-in-error", "TOKEN_INVALID");
    sign_in(&browser, node);
    browser.shows("h1", "What needs me");
    browser
}

/// Types the token of a node into the open dialog.
fn sign_in(browser: &Browser<'_>, node: &Organisation) {
    browser.script("document.getElementById('token').value = ''", &[]);
    browser.fill("Token", &read(node, "api.token"));
    browser.keys(&ENTER.to_string());
    browser.wait("the dialog closes", || {
        browser.script("return !document.getElementById('sign-in').open", &[]).as_bool().filter(|closed| *closed)
    });
}

/// Goes to a page by the navigation.
fn page(browser: &Browser<'_>, name: &str) {
    browser.press_at(&format!("#pages a[data-path={name:?}]"));
}

/// Adds a dataset by the form.
fn add(browser: &Browser<'_>, table: &str, policy: &str) -> String {
    page(browser, "datasets");
    browser.fill("Table", table);
    browser.wait("the name is taken from the file", || {
        browser.script("return document.getElementById('dataset-name').value !== '' || null", &[]).as_bool()
    });
    browser.fill("Policy file", policy);
    let text = std::fs::read_to_string(policy).expect("a policy");
    browser.wait("the policy is read", || {
        browser.script("return document.getElementById('policy').value === arguments[0] || null", &[&text]).as_bool()
    });
    browser.fill("Key column", "id");
    browser.press("Add the dataset");
    browser.shows("#dataset-form .outcome", "version")
}

/// Submits a program by the form, and gives the job's page.
fn submit(browser: &Browser<'_>, program: &str, purpose: &str) {
    page(browser, "jobs");
    browser.fill("Program file", program);
    browser.wait("the program is read", || {
        browser.script("return document.getElementById('program').value !== '' || null", &[]).as_bool()
    });
    browser.fill("Purpose", purpose);
    browser.press("Submit");
    browser.shows("h1", "Job ");
}

/// Nothing came from elsewhere, nothing broke the content security policy, and nothing that was text ran.
fn stayed_at_home(browser: &Browser<'_>, node: &Organisation) {
    let origin = format!("{}/", address(node));
    let (requests, complaints) = browser.requests_and_complaints();
    assert!(requests.iter().any(|url| url.ends_with("/v1/jobs")), "{requests:?}");
    for url in requests {
        // The browser's own drawing of a field for days comes from nowhere.
        let own = url.starts_with("data:image/svg+xml;base64,");
        assert!(own || url.starts_with(&origin), "a request left the origin: {url}");
    }
    // A refused call is a line in the browser's console, too.
    let wrong: Vec<&String> =
        complaints.iter().filter(|line| !line.contains("the server responded with a status")).collect();
    assert!(wrong.is_empty(), "{wrong:?}");
    assert!(browser.script("return window.hacked ?? null", &[]).is_null(), "text became a script");
}

/// Writes a file into the directory of a test.
fn file(dir: &tempfile::TempDir, name: &str, text: &str) -> String {
    let file = dir.path().join(name);
    std::fs::write(&file, text).expect("written");
    path(&file).to_owned()
}

#[test]
fn two_operators_pair_add_datasets_decide_a_job_and_see_its_answer_and_receipt() {
    let Some(driver) = Driver::start() else { return };
    let dir = tempfile::tempdir().expect("a directory");
    let [maison, banque] = ["maison", "banque"].map(|name| Organisation::start(dir.path(), name));
    let (shop, bank) = (signed_in(&driver, &maison), signed_in(&driver, &banque));

    // Pair by ticket and words.
    page(&shop, "peers");
    shop.shows("main", "No peers yet.");
    shop.press("Make a ticket");
    let ticket = shop.wait("there is a ticket", || {
        let value = shop.script("return document.getElementById('made-ticket')?.value ?? ''", &[]);
        value.as_str().filter(|ticket| !ticket.is_empty()).map(str::to_owned)
    });
    page(&bank, "peers");
    bank.fill("Ticket", &ticket);
    bank.press("Accept the ticket");
    let words = bank.shows(".word-list", "\n");
    bank.shows("main", "Waiting until maison confirms");
    page(&shop, "");
    shop.shows(".card", "banque wants to pair");
    shop.press("Compare words");
    assert_eq!(shop.shows(".word-list", "\n"), words, "both operators read the same words");
    shop.press("The words match: pair");
    for (browser, peer) in [(&shop, "banque"), (&bank, "maison")] {
        let row = browser.shows("tbody", "paired\tyes");
        assert!(row.contains(peer), "{row}");
    }

    // A table on both sides, with a column whose name would like to be more than text.
    let table = customers(CUSTOMERS).replacen(",age\n", &format!(",{HOSTILE}\n"), 1);
    let policy = SHOP_POLICY
        .replace(r#"approval = "auto""#, r#"approval = "ask""#)
        .replace("[columns.age]", &format!("[columns.{HOSTILE:?}]"));
    let added = add(&shop, &file(&dir, "customers.csv", &table), &file(&dir, "shop.toml", &policy));
    assert!(added.contains("maison/customers, version 1, with 400 rows"), "{added}");
    shop.press("4 columns");
    shop.shows("article", HOSTILE);
    add(&bank, &file(&dir, "accounts.csv", &accounts(CUSTOMERS)), &file(&dir, "own.toml", OWN_POLICY));
    bank.shows("main", "maison/customers");

    // The bank asks, the shop decides.
    submit(&bank, &file(&dir, "program.json", &count_question().to_json()), HOSTILE_PURPOSE);
    bank.shows("main", "awaiting approval");
    page(&shop, "");
    shop.shows(".card", "banque asks for number");
    page(&shop, "approvals");
    shop.press("Review");
    let review = shop.shows("main", "Your decision");
    for part in [
        HOSTILE_PURPOSE,
        "release number = sum(",
        "columns.frequency.uses",
        "at least 100, else suppressed",
        "how many rows of banque/accounts and maison/customers match",
        "Rounds",
        "tacit job approve",
    ] {
        assert!(review.contains(part), "{part}: {review}");
    }
    let verdict = shop.text(".verdict.asks");
    assert!(verdict.contains("a policy asks you"), "{verdict}");
    let boxes = shop.script("return document.querySelectorAll('.graph .box').length", &[]);
    assert!(boxes.as_u64().is_some_and(|boxes| boxes > 6), "{boxes} boxes in the graph");
    shop.press("Approve this job");
    shop.shows("main", "This organisation receives no output of the job.");

    // The bank's page follows the job to its answer.
    let answer = count_answer(CUSTOMERS).to_string();
    let result = bank.shows("main", &format!("number\t{answer}"));
    for part in ["finished", "Phases", "compute", "Rows in both"] {
        assert!(result.contains(part), "{part}: {result}");
    }
    bank.press("Show the receipt");
    bank.shows("main", "Signed by 2 of 2 parties.");
    page(&bank, "log");
    bank.press("Check it");
    bank.shows(".outcome", "in sequence, chained and signed");
    page(&bank, "settings");
    bank.shows("main", "peer_timeout_seconds");

    for (browser, node) in [(&shop, &maison), (&bank, &banque)] {
        stayed_at_home(browser, node);
    }
}

#[test]
fn a_refused_job_shows_code_clause_and_the_change_that_would_allow_it() {
    let Some(driver) = Driver::start() else { return };
    let two = Two::with_tables(&SHOP_POLICY.replace(r#"receivers = ["banque"]"#, "receivers = []"));
    let bank = signed_in(&driver, &two.banque);
    submit(&bank, &file(&two.dir, "program.json", &count_question().to_json()), HOSTILE_PURPOSE);
    let shown = bank.shows("main", "Why it was refused");
    for part in ["POLICY_RECEIVER", "receivers", "would go to banque", "Nothing. It ended before any data was touched."]
    {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    let job = &two.banque.client().jobs().expect("jobs")[0];
    let detail = two.banque.client().job(&job.id).expect("the job");
    let refusal = detail.refusals.first().expect("the clause");
    // The page sets off by its type what the text sets off by marks.
    let change = refusal.change.replace('`', "");
    assert!(!change.is_empty() && shown.contains(&change), "{refusal:?}: {shown}");

    // A program that is none is refused where it is typed, and stays there.
    page(&bank, "jobs");
    bank.fill("Program", "{ \"version\": ");
    bank.press("Submit");
    bank.shows(".failure", "PROGRAM_MALFORMED");
    assert_eq!(bank.script("return document.getElementById('program').value", &[]), "{ \"version\": ");
    stayed_at_home(&bank, &two.banque);
}

#[test]
fn everything_can_be_done_with_the_keyboard_and_a_new_token_loses_nothing_typed() {
    let Some(driver) = Driver::start() else { return };
    let mut two = Two::with_tables(&SHOP_POLICY.replace(r#"approval = "auto""#, r#"approval = "ask""#));
    let job = two.banque.submit(count_question()).expect("submitted");
    two.maison.in_state(&job.id, &["awaiting_approval"]);
    let shop = signed_in(&driver, &two.maison);

    shop.keys("?");
    shop.shows("#help[open]", "Approvals");
    shop.keys(&ESCAPE.to_string());
    // Keys that come while the dialog closes are still the dialog's.
    let closed = "return document.querySelector('dialog[open]') === null";
    shop.wait("the help has closed", || shop.script(closed, &[]).as_bool().filter(|closed| *closed));
    for (key, heading) in
        [("p", "Peers"), ("d", "Datasets"), ("j", "Jobs"), ("l", "Log"), ("s", "Settings"), ("a", "Approvals")]
    {
        shop.keys(&format!("g{key}"));
        shop.shows("h1", heading);
    }
    shop.tab_to("Review");
    shop.keys(&ENTER.to_string());
    shop.shows("main", "Your decision");
    shop.tab_to("Reason");
    shop.keys("not this quarter");
    shop.keys(&ENTER.to_string());
    shop.shows("main", "APPROVAL_REFUSED");
    let refused = two.banque.ended(&job.id).failure.expect("a refusal");
    assert!(refused.message.contains("not this quarter"), "{refused}");

    // The node starts again, and with it all tokens are new.
    shop.keys("gp");
    shop.shows("h1", "Peers");
    shop.keys("n");
    shop.tab_to("Ticket");
    shop.keys("a ticket that is none");
    two.maison.stop();
    two.maison.restart();
    shop.shows("#sign-in[open]", "What you typed is still there.");
    sign_in(&shop, &two.maison);
    assert_eq!(shop.script("return document.getElementById('ticket').value", &[]), "a ticket that is none");
    shop.press("Accept the ticket");
    shop.shows(".outcome .failure", "TICKET_");
}

#[test]
fn the_pages_come_with_strict_headers_and_only_under_the_names_of_this_machine() {
    let parent = tempfile::tempdir().expect("a directory");
    let shop = Organisation::start(parent.path(), "maison");
    let agent: Agent = Agent::config_builder().http_status_as_error(false).proxy(None).build().new_agent();
    let page = agent.get(address(&shop)).call().expect("an answer");
    let header = |name: &str| page.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    assert_eq!((page.status().as_u16(), header("content-type")), (200, "text/html; charset=utf-8"));
    let policy = header("content-security-policy");
    assert!(policy.starts_with("default-src 'self';") && policy.contains("frame-ancestors 'none'"), "{policy}");
    assert!(!policy.contains("unsafe"), "{policy}");
    assert_eq!((header("x-content-type-options"), header("referrer-policy")), ("nosniff", "no-referrer"));
    for (name, value) in [("host", "evil.example"), ("origin", "http://evil.example")] {
        let answer = agent.get(address(&shop)).header(name, value).call().expect("an answer");
        assert_eq!(answer.status().as_u16(), 403, "{name}");
    }
    let said = shop.cli(&["console"]);
    assert!(said.stdout.contains(&address(&shop)) && said.stdout.contains("api.token"), "{}", said.stdout);
    assert!(!said.stdout.contains(&read(&shop, "api.token")), "the token itself is not shown");
    let config = shop.cli(&["config", "show"]);
    assert!(config.stdout.contains("peer_timeout_seconds") && config.stdout.contains("idle.disk"), "{}", config.stdout);
}
