//! The client of a node's API. Blocking; one call, one request.

mod policies;

use std::io::{Read, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tacit_protocol::api::{
    AcceptRequest, BackupRequest, BudgetEntry, BudgetReport, ConfirmBudgetRequest, DatasetInfo, Finding, GrantRequest,
    ImportRequest, ImportTicket, Invitation, InviteRequest, IssuedToken, JobDetail, JobResult, JobSummary, LogLevels,
    LogLine, NodeStatus, Peer, RefuseRequest, ResultFormat, RotateRequest, Rotation, Setting, SubmitRequest, TokenInfo,
    TokenRequest, WhoAmI,
};
use tacit_protocol::bench::{BenchReport, BenchRequest};
use tacit_protocol::{Code, Failure};
use ureq::http::Response;
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, TlsProvider, parse_pem};
use ureq::{Agent, Body};

use crate::events::EventStream;

/// The file in a node's directory that holds its API address, `host:port`.
pub const ADDRESS_FILE: &str = "api.address";
/// The file in a node's directory that holds the operator's token. Only its owner may read it.
pub const TOKEN_FILE: &str = "api.token";

/// Why a call gave no answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// The node said no.
    #[error("{0}")]
    Refused(Failure),
    /// The node did not answer.
    #[error("API_UNREACHABLE: no node answers at {address}: {cause}. Next: start it with `tacit node`.")]
    Unreachable {
        /// Where it should be.
        address: String,
        /// The cause.
        cause: String,
    },
    /// There is no node in this directory, or it was never started.
    #[error("API_NO_NODE: cannot read {path}: {cause}. Next: `tacit init`, then `tacit node`, in this directory.")]
    NoNode {
        /// The file.
        path: String,
        /// The cause.
        cause: std::io::Error,
    },
    /// The address, the certificates or the token of a node on another machine are none.
    #[error("USAGE_NODE: {cause}. Next: name the node as https://HOST:PORT, with --token-file and --ca.")]
    Remote {
        /// What is wrong.
        cause: String,
    },
    /// Who answers is not the node, as far as the certificates tell.
    #[error(
        "API_CERTIFICATE: what answers at {address} is not known by these certificates: {cause}. Next: compare the \
         address and the file of --ca with what the node's operator says; no token was sent."
    )]
    Untrusted {
        /// Where it should be.
        address: String,
        /// The cause.
        cause: String,
    },
    /// The answer is not one of this version of the API.
    #[error("API_ANSWER: the node's answer to {call} is not understood: {cause}. Next: use the client of its version.")]
    Answer {
        /// The call.
        call: String,
        /// The cause.
        cause: String,
    },
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        let code = match &error {
            ClientError::Refused(failure) => return failure.clone(),
            ClientError::Unreachable { .. } => "API_UNREACHABLE",
            ClientError::NoNode { .. } => "API_NO_NODE",
            ClientError::Remote { .. } => "USAGE_NODE",
            ClientError::Untrusted { .. } => "API_CERTIFICATE",
            ClientError::Answer { .. } => "API_ANSWER",
        };
        let text = error.to_string();
        let text = text.strip_prefix(&format!("{code}: ")).unwrap_or(&text);
        let (message, next) = text.split_once(" Next: ").unwrap_or((text, ""));
        Self::new(Code::new(code), message, next)
    }
}

/// A connection to one node.
#[derive(Clone)]
pub struct Client {
    agent: Agent,
    scheme: &'static str,
    address: String,
    token: String,
}

impl Client {
    /// The client of the node at `address` (`host:port`) with a bearer token.
    pub fn new(address: impl Into<String>, token: impl Into<String>) -> Self {
        Self { agent: agent(None), scheme: "http://", address: address.into(), token: token.into() }
    }

    /// The client of a node on another machine: `https://host:port`, and its certificate or that of its authority, in PEM.
    /// Plain `http://` is for addresses of this machine alone, such as the end of a tunnel: the token would be read on
    /// the way.
    ///
    /// # Errors
    /// [`ClientError::Remote`] if the address or the certificates are none.
    pub fn remote(url: &str, token: &str, authority: Option<&[u8]>) -> Result<Self, ClientError> {
        let wrong = |cause: &str| ClientError::Remote { cause: cause.to_owned() };
        let (scheme, rest) = match (url.strip_prefix("https://"), url.strip_prefix("http://")) {
            (Some(rest), _) => ("https://", rest),
            (None, Some(rest)) => ("http://", rest),
            (None, None) => return Err(wrong("the node's address begins with neither https:// nor http://")),
        };
        let address = rest.strip_suffix('/').unwrap_or(rest);
        if address.is_empty() || address.contains(|c: char| c.is_whitespace() || "/?#@".contains(c)) {
            return Err(wrong("the node's address is no host with a port"));
        }
        if token.trim().is_empty() {
            return Err(wrong("the token is empty"));
        }
        let tls = match (scheme, authority) {
            ("https://", Some(pem)) => Some(trust(pem)?),
            ("https://", None) => return Err(wrong("certificates to know the node by are missing")),
            _ if is_loopback(address) => None,
            _ => return Err(wrong("over plain http:// the token could be read on the way")),
        };
        Ok(Self { agent: agent(tls), scheme, address: address.to_owned(), token: token.trim().to_owned() })
    }

    /// The client of the node that runs in a directory of this machine.
    ///
    /// # Errors
    /// [`ClientError::NoNode`] if its address or token cannot be read.
    pub fn of_directory(directory: &Path) -> Result<Self, ClientError> {
        let read = |name: &str| {
            let path = directory.join(name);
            std::fs::read_to_string(&path)
                .map(|text| text.trim().to_owned())
                .map_err(|cause| ClientError::NoNode { path: path.display().to_string(), cause })
        };
        Ok(Self::new(read(ADDRESS_FILE)?, read(TOKEN_FILE)?))
    }

    /// What the node says of itself.
    pub fn status(&self) -> Result<NodeStatus, ClientError> {
        self.get("/v1/status")
    }

    /// Asks for a page that tells how the node is, `/healthz` or `/readyz`: whether it says yes, and its text.
    pub fn probe(&self, path: &str) -> Result<(bool, String), ClientError> {
        let (good, body) = self.body(self.agent.get(self.url(path)).call())?;
        Ok((good, String::from_utf8_lossy(&body).into_owned()))
    }

    /// Asks the node to stop once the jobs under way have ended; it takes no new ones.
    pub fn stop(&self) -> Result<(), ClientError> {
        self.post::<_, serde_json::Value>("/v1/stop", &()).map(drop)
    }

    /// Asks the node to stop at once: jobs under way are interrupted.
    pub fn stop_now(&self) -> Result<(), ClientError> {
        self.post::<_, serde_json::Value>("/v1/stop?now=true", &()).map(drop)
    }

    /// A new invitation.
    pub fn invite(&self, request: &InviteRequest) -> Result<Invitation, ClientError> {
        self.post("/v1/peers/invitations", request)
    }

    /// Redeems another organisation's invitation.
    pub fn accept(&self, request: &AcceptRequest) -> Result<Peer, ClientError> {
        self.post("/v1/peers", request)
    }

    /// The peers.
    pub fn peers(&self) -> Result<Vec<Peer>, ClientError> {
        self.get("/v1/peers")
    }

    /// The names of the organisations that are paired with the node.
    pub fn peer_names(&self) -> Result<Vec<String>, ClientError> {
        self.get("/v1/peers/names")
    }

    /// Who calls, as the node knows it by the token.
    pub fn whoami(&self) -> Result<WhoAmI, ClientError> {
        self.get("/v1/whoami")
    }

    /// Issues a token.
    pub fn create_token(&self, request: &TokenRequest) -> Result<IssuedToken, ClientError> {
        self.post("/v1/tokens", request)
    }

    /// The tokens that were issued.
    pub fn tokens(&self) -> Result<Vec<TokenInfo>, ClientError> {
        self.get("/v1/tokens")
    }

    /// Ends a token, by its id or any unique start of it.
    pub fn revoke_token(&self, id: &str) -> Result<TokenInfo, ClientError> {
        self.post(&format!("/v1/tokens/{id}/revoke"), &())
    }

    /// Makes a new key for tokens.
    pub fn rotate_tokens(&self, request: &RotateRequest) -> Result<Rotation, ClientError> {
        self.post("/v1/tokens/rotate", request)
    }

    /// Confirms a peer that redeemed an invitation of this node.
    pub fn confirm_peer(&self, peer_id: &str) -> Result<Peer, ClientError> {
        self.post(&format!("/v1/peers/{peer_id}/confirm"), &())
    }

    /// Revokes a peer.
    pub fn revoke_peer(&self, peer_id: &str) -> Result<Peer, ClientError> {
        self.post(&format!("/v1/peers/{peer_id}/revoke"), &())
    }

    /// Accepts that a peer's log went back because its node was restored from a backup.
    pub fn accept_restore(&self, peer_id: &str) -> Result<Peer, ClientError> {
        self.post(&format!("/v1/peers/{peer_id}/accept-restore"), &())
    }

    /// Tests the pair with a peer, both ways.
    pub fn probe_peer(&self, peer_id: &str) -> Result<Vec<Finding>, ClientError> {
        self.post(&format!("/v1/peers/{peer_id}/probe"), &())
    }

    /// Writes a backup of the running node.
    pub fn backup(&self, request: &BackupRequest, out: &mut dyn Write) -> Result<(), ClientError> {
        let path = "/v1/backup";
        let answer = self.agent.post(self.url(path)).header("authorization", self.bearer()).send_json(request);
        self.copy(path, answer, out)
    }

    /// Writes the rows of a dataset of the node, as `csv`, `parquet` or `arrow`.
    pub fn export_dataset(&self, name: &str, format: &str, out: &mut dyn Write) -> Result<(), ClientError> {
        let path = format!("/v1/datasets/{name}/export?format={format}");
        let answer = self.agent.get(self.url(&path)).header("authorization", self.bearer()).call();
        self.copy(&path, answer, out)
    }

    /// Imports a file as a dataset, or as its next version.
    pub fn import(&self, request: &ImportRequest, mut data: impl Read) -> Result<DatasetInfo, ClientError> {
        let ticket: ImportTicket = self.post("/v1/imports", request)?;
        let path = format!("/v1/imports/{}/data", ticket.id);
        let body = ureq::SendBody::from_reader(&mut data);
        let answer = self.agent.put(self.url(&path)).header("authorization", self.bearer()).send(body);
        self.read(&path, answer)
    }

    /// The node's own datasets.
    pub fn datasets(&self) -> Result<Vec<DatasetInfo>, ClientError> {
        self.get("/v1/datasets")
    }

    /// Removes a dataset.
    pub fn remove_dataset(&self, name: &str) -> Result<(), ClientError> {
        self.post::<_, serde_json::Value>(&format!("/v1/datasets/{name}/remove"), &()).map(drop)
    }

    /// The datasets that this node and its peers offer to this organisation.
    pub fn catalogue(&self) -> Result<Vec<DatasetInfo>, ClientError> {
        self.get("/v1/catalogue")
    }

    /// Submits a program.
    pub fn submit(&self, request: &SubmitRequest) -> Result<JobSummary, ClientError> {
        self.post("/v1/jobs", request)
    }

    /// The jobs, newest first.
    pub fn jobs(&self) -> Result<Vec<JobSummary>, ClientError> {
        self.get("/v1/jobs")
    }

    /// One job. An id may be shortened to any unique prefix.
    pub fn job(&self, id: &str) -> Result<JobDetail, ClientError> {
        self.get(&format!("/v1/jobs/{id}"))
    }

    /// Waits until a job has left the state that the caller knows, or `wait` is over, and gives it.
    pub fn watch_job(&self, id: &str, known_state: &str, wait: Duration) -> Result<JobDetail, ClientError> {
        self.get(&format!("/v1/jobs/{id}/watch?known={known_state}&seconds={}", wait.as_secs()))
    }

    /// Approves a job that waits for this operator.
    pub fn approve(&self, id: &str) -> Result<JobDetail, ClientError> {
        self.post(&format!("/v1/jobs/{id}/approve"), &())
    }

    /// Refuses a job that waits for this operator.
    pub fn refuse(&self, id: &str, reason: &str) -> Result<JobDetail, ClientError> {
        self.post(&format!("/v1/jobs/{id}/refuse"), &RefuseRequest { reason: reason.into() })
    }

    /// Cancels a job that has not released anything yet.
    pub fn cancel(&self, id: &str) -> Result<JobDetail, ClientError> {
        self.post(&format!("/v1/jobs/{id}/cancel"), &())
    }

    /// The answer of a finished job.
    pub fn result(&self, id: &str) -> Result<JobResult, ClientError> {
        self.get(&format!("/v1/jobs/{id}/result"))
    }

    /// The answer of a finished job in a form, or one output of it.
    pub fn result_as(&self, id: &str, format: ResultFormat, output: Option<&str>) -> Result<Vec<u8>, ClientError> {
        let output = output.map(|name| format!("&output={}", encoded(name))).unwrap_or_default();
        let path = format!("/v1/jobs/{id}/result?format={}{output}", format.name());
        let (good, body) = self.body(self.agent.get(self.url(&path)).header("authorization", self.bearer()).call())?;
        if good { Ok(body) } else { Err(refused(&path, &body)) }
    }

    /// The signed receipt of a finished job, as JSON.
    pub fn receipt(&self, id: &str) -> Result<serde_json::Value, ClientError> {
        self.get(&format!("/v1/jobs/{id}/receipt"))
    }

    /// Measures one operation of the engine with a peer, and waits for the figures.
    pub fn bench(&self, request: &BenchRequest) -> Result<BenchReport, ClientError> {
        self.post("/v1/bench", request)
    }

    /// The node's log from an entry on.
    pub fn log(&self, from: u64) -> Result<Vec<LogLine>, ClientError> {
        self.get(&format!("/v1/log?from={from}"))
    }

    /// What is left of privacy budgets; remaining work is told in counts of this accuracy.
    pub fn budget(&self, within: f64) -> Result<BudgetReport, ClientError> {
        self.get(&format!("/v1/budget?within={within}"))
    }

    /// The entries of the budget ledger.
    pub fn budget_ledger(&self) -> Result<Vec<BudgetEntry>, ClientError> {
        self.get("/v1/budget/ledger")
    }

    /// Lets an organisation learn more.
    pub fn grant_budget(&self, request: &GrantRequest) -> Result<BudgetReport, ClientError> {
        self.post("/v1/budget/grant", request)
    }

    /// Goes on with a ledger that may lack entries.
    pub fn confirm_budget(&self, request: &ConfirmBudgetRequest) -> Result<BudgetReport, ClientError> {
        self.post("/v1/budget/confirm", request)
    }

    /// The configuration that the node runs with.
    pub fn config(&self) -> Result<Vec<Setting>, ClientError> {
        self.get("/v1/config")
    }

    /// The changes of the node's jobs as they happen: from now on, or from behind an earlier event on.
    pub fn events(&self, last_id: Option<&str>) -> Result<EventStream, ClientError> {
        let mut call = self.agent.get(self.url("/v1/events")).header("authorization", self.bearer());
        if let Some(id) = last_id {
            call = call.header("last-event-id", id);
        }
        match call.call() {
            Ok(answer) if answer.status().is_success() => Ok(EventStream::new(answer.into_body().into_reader())),
            answer => {
                let refused: Result<serde_json::Value, ClientError> = self.read("/v1/events", answer);
                let no_stream = |_| ClientError::Answer { call: "/v1/events".into(), cause: "no stream".into() };
                Err(refused.map_or_else(|error| error, no_stream))
            }
        }
    }

    /// The node's whole log as JSON lines with its signed head: what `tacit log verify` checks.
    pub fn export_log(&self) -> Result<String, ClientError> {
        self.text("/v1/log/export")
    }

    /// The node's figures in the text form of OpenMetrics.
    pub fn metrics(&self) -> Result<String, ClientError> {
        self.text("/metrics")
    }

    /// The levels of the process's log that were set at run time.
    pub fn log_levels(&self) -> Result<LogLevels, ClientError> {
        self.get("/v1/log/level")
    }

    /// Sets levels of the process's log, instead of those set before.
    pub fn set_log_levels(&self, levels: &LogLevels) -> Result<LogLevels, ClientError> {
        self.post("/v1/log/level", levels)
    }

    fn text(&self, path: &str) -> Result<String, ClientError> {
        let answer = self.agent.get(self.url(path)).header("authorization", self.bearer()).call();
        let (good, body) = self.body(answer)?;
        if !good {
            return Err(refused(path, &body));
        }
        String::from_utf8(body).map_err(|cause| ClientError::Answer { call: path.into(), cause: cause.to_string() })
    }

    fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, ClientError> {
        let answer = self.agent.get(self.url(path)).header("authorization", self.bearer()).call();
        self.read(path, answer)
    }

    fn post<B: Serialize, T: DeserializeOwned>(&self, path: &str, body: &B) -> Result<T, ClientError> {
        let answer = self.agent.post(self.url(path)).header("authorization", self.bearer()).send_json(body);
        self.read(path, answer)
    }

    fn url(&self, path: &str) -> String {
        format!("{}{}{path}", self.scheme, self.address)
    }

    fn bearer(&self) -> String {
        format!("Bearer {}", self.token)
    }

    fn read<T: DeserializeOwned>(
        &self,
        call: &str,
        answer: Result<Response<Body>, ureq::Error>,
    ) -> Result<T, ClientError> {
        let (good, body) = self.body(answer)?;
        let misread = |cause: serde_json::Error| ClientError::Answer { call: call.into(), cause: cause.to_string() };
        if good { serde_json::from_slice(&body).map_err(misread) } else { Err(refused(call, &body)) }
    }

    /// Copies the body of an answer, which may be large.
    fn copy(
        &self,
        call: &str,
        answer: Result<Response<Body>, ureq::Error>,
        out: &mut dyn Write,
    ) -> Result<(), ClientError> {
        match answer {
            Ok(answer) if answer.status().is_success() => {
                let misread =
                    |cause: std::io::Error| ClientError::Answer { call: call.into(), cause: cause.to_string() };
                std::io::copy(&mut answer.into_body().into_reader(), out).map(drop).map_err(misread)
            }
            answer => {
                let refused: Result<serde_json::Value, ClientError> = self.read(call, answer);
                let no_file = |_| ClientError::Answer { call: call.into(), cause: "no file".into() };
                Err(refused.map_or_else(|error| error, no_file))
            }
        }
    }

    /// Whether a call went well, and the bytes of its answer.
    fn body(&self, answer: Result<Response<Body>, ureq::Error>) -> Result<(bool, Vec<u8>), ClientError> {
        let address = || self.address.clone();
        let unreachable =
            |cause: &dyn ToString| ClientError::Unreachable { address: address(), cause: cause.to_string() };
        let mut answer = answer.map_err(|cause| match of_certificates(&cause) {
            Some(cause) => ClientError::Untrusted { address: address(), cause },
            None => unreachable(&cause),
        })?;
        let body = answer.body_mut().with_config().limit(1 << 30).read_to_vec().map_err(|cause| unreachable(&cause))?;
        Ok((answer.status().is_success(), body))
    }
}

fn agent(tls: Option<TlsConfig>) -> Agent {
    let config = Agent::config_builder()
        .http_status_as_error(false)
        .timeout_connect(Some(Duration::from_secs(5)))
        .timeout_recv_response(Some(Duration::from_secs(600)))
        // A token goes where it was meant to, and no further.
        .max_redirects(0)
        .proxy(None);
    match tls {
        Some(tls) => config.tls_config(tls).build().new_agent(),
        None => config.build().new_agent(),
    }
}

/// Trust in these certificates, and in no others.
fn trust(pem: &[u8]) -> Result<TlsConfig, ClientError> {
    let wrong = |cause: String| ClientError::Remote { cause };
    let mut certificates: Vec<Certificate<'static>> = Vec::new();
    for item in parse_pem(pem) {
        let item = item.map_err(|cause| wrong(format!("the file of certificates does not read: {cause}")))?;
        if let PemItem::Certificate(certificate) = item {
            certificates.push(certificate);
        }
    }
    if certificates.is_empty() {
        return Err(wrong("the file of certificates holds none in PEM".into()));
    }
    Ok(TlsConfig::builder()
        .provider(TlsProvider::Rustls)
        .root_certs(RootCerts::new_with_certs(&certificates))
        .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
        .build())
}

/// Whether an address, with or without a port, is one of this machine.
fn is_loopback(address: &str) -> bool {
    let is_port = |port: &str| port.parse::<u16>().is_ok();
    let host = address.rsplit_once(':').filter(|(_, port)| is_port(port)).map_or(address, |(host, _)| host);
    let ip = host.trim_start_matches('[').trim_end_matches(']').parse::<std::net::IpAddr>();
    host == "localhost" || ip.is_ok_and(|ip| ip.is_loopback())
}

/// Why certificates did not hold, if it was that.
fn of_certificates(error: &ureq::Error) -> Option<String> {
    match error {
        ureq::Error::Rustls(cause) => Some(cause.to_string()),
        ureq::Error::Io(cause) => {
            let inner = cause.get_ref()?.downcast_ref::<rustls::Error>()?;
            matches!(inner, rustls::Error::InvalidCertificate(_)).then(|| inner.to_string())
        }
        _ => None,
    }
}

fn refused(call: &str, body: &[u8]) -> ClientError {
    match serde_json::from_slice(body) {
        Ok(failure) => ClientError::Refused(failure),
        Err(cause) => ClientError::Answer { call: call.into(), cause: cause.to_string() },
    }
}

/// A text as a value in a query (RFC 3986: all but unreserved bytes are escaped).
fn encoded(text: &str) -> String {
    let byte = |byte: u8| match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => char::from(byte).to_string(),
        other => format!("%{other:02X}"),
    };
    text.bytes().map(byte).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_on_another_machine_is_called_over_tls_alone() {
        let code = |url: &str, authority: Option<&[u8]>| {
            let failure = Failure::from(Client::remote(url, "token", authority).err().expect("a refusal"));
            assert!(failure.next.contains("https://"), "{failure}");
            failure.code.to_string()
        };
        for url in ["node.example:1", "ftp://node.example", "https://", "http://node.example:7702", "http://10.0.0.1"] {
            assert_eq!(code(url, None), "USAGE_NODE", "{url}");
        }
        assert_eq!(code("https://node.example", None), "USAGE_NODE");
        assert_eq!(code("https://node.example", Some(b"no certificate")), "USAGE_NODE");
        assert_eq!(code("https://user@node.example", Some(b"")), "USAGE_NODE");
        for url in ["http://127.0.0.1:7702", "http://[::1]:7702/", "http://localhost", "http://127.1.2.3"] {
            assert!(Client::remote(url, "token", None).is_ok(), "{url}");
        }
        assert!(Client::remote("http://localhost", " \n", None).is_err());
    }

    #[test]
    fn names_of_outputs_are_escaped() {
        assert_eq!(encoded("mean age&x=é~"), "mean%20age%26x%3D%C3%A9~");
    }
}
