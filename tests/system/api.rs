//! The API over HTTP: who is let in, and that every refusal is a failure with a code.

use std::io::Read;

use tacit_protocol::Failure;
use ureq::Agent;
use ureq::http::Request;

use super::harness::Organisation;

/// One call, by hand. `token` of `None` sends none.
#[derive(Clone)]
pub(crate) struct Call<'a> {
    pub(crate) method: &'a str,
    pub(crate) path: &'a str,
    pub(crate) token: Option<&'a str>,
    pub(crate) headers: &'a [(&'a str, &'a str)],
    pub(crate) body: Vec<u8>,
}

/// A call without a body, with a token.
pub(crate) fn bare<'a>(method: &'a str, path: &'a str, token: &'a str) -> Call<'a> {
    Call { method, path, token: Some(token), headers: &[], body: Vec::new() }
}

/// The status and the body of a call's answer.
pub(crate) fn answered(address: &str, call: &Call<'_>) -> (u16, String) {
    let agent: Agent = Agent::config_builder().http_status_as_error(false).proxy(None).build().new_agent();
    let mut request = Request::builder().method(call.method).uri(format!("http://{address}{}", call.path));
    if let Some(token) = call.token {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    for (name, value) in call.headers {
        request = request.header(*name, *value);
    }
    let mut answer = agent.run(request.body(call.body.clone()).expect("a request")).expect("an answer");
    if answer.headers().get("content-type").is_some_and(|kind| kind == "text/event-stream") {
        return (answer.status().as_u16(), "a stream".into());
    }
    let mut body = String::new();
    answer.body_mut().as_reader().read_to_string(&mut body).expect("text");
    (answer.status().as_u16(), body)
}

/// The status and the code of a call's failure.
pub(crate) fn refused(address: &str, call: Call<'_>) -> (u16, String) {
    let (status, body) = answered(address, &call);
    let failure: Failure =
        serde_json::from_str(&body).unwrap_or_else(|_| panic!("{}: no failure: {body:?}", call.path));
    (status, failure.code.to_string())
}

#[test]
fn chk_901_to_904_every_refusal_of_the_api_is_a_failure_with_its_code() {
    let parent = tempfile::tempdir().expect("a directory");
    let shop = Organisation::start(parent.path(), "maison");
    let read = |name: &str| std::fs::read_to_string(shop.dir.join(name)).expect("a file").trim().to_owned();
    let (address, token) = (read("api.address"), read("api.token"));
    let check = |call: Call<'_>, status: u16, code: &str| {
        let what = format!("{} {} {:?}", call.method, call.path, call.headers);
        assert_eq!(refused(&address, call), (status, code.to_owned()), "{what}");
    };
    let get = |path| Call { method: "GET", path, token: Some(&token), headers: &[], body: Vec::new() };
    let json = &[("content-type", "application/json")];
    let post = |path, body: &[u8]| Call { method: "POST", path, token: Some(&token), headers: json, body: body.into() };

    check(Call { token: None, ..get("/v1/status") }, 401, "TOKEN_INVALID");
    check(Call { token: Some("x.y.z"), ..get("/v1/status") }, 401, "TOKEN_INVALID");
    check(Call { token: None, ..get("/v1/openapi.json") }, 401, "TOKEN_INVALID");
    check(Call { token: None, ..get("/v1/nothing") }, 401, "TOKEN_INVALID");
    check(Call { headers: &[("host", "evil.example")], ..get("/v1/status") }, 403, "API_ORIGIN");
    check(Call { headers: &[("origin", "http://evil.example")], ..get("/v1/status") }, 403, "API_ORIGIN");

    // The node describes its API as the specification does.
    let (status, description) = answered(&address, &get("/v1/openapi.json"));
    let value = |text: &str| serde_json::from_str::<serde_json::Value>(text).expect("JSON");
    assert_eq!((status, value(&description)), (200, value(include_str!("../../docs/spec/openapi.json"))));

    check(get("/v1/nothing"), 404, "API_ROUTE");
    check(get("/v1/stop"), 405, "API_METHOD");
    check(get("/v1/jobs/0123456789ab"), 404, "JOB_UNKNOWN");
    check(get("/v1/jobs/%ff"), 400, "USAGE_REQUEST");
    check(get("/v1/log?from=minus"), 400, "USAGE_REQUEST");
    check(get("/v1/jobs/0123/watch"), 400, "USAGE_REQUEST");

    check(post("/v1/jobs", b"{"), 400, "USAGE_BODY");
    check(post("/v1/jobs", b"{}"), 400, "USAGE_BODY");
    check(Call { headers: &[], ..post("/v1/jobs", b"{}") }, 400, "USAGE_BODY");
    check(post("/v1/jobs", &vec![b' '; 300 * 1024]), 413, "API_LIMIT");
    let unknown = "/v1/imports/00000000000000000000000000000000/data";
    check(Call { method: "PUT", ..post(unknown, b"id\n1\n") }, 404, "IMPORT_UNKNOWN");
}
