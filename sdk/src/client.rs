//! The client of a node's API. Blocking; one call, one request.

use std::io::{Read, Write};
use std::path::Path;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tacit_protocol::api::{
    AcceptRequest, BackupRequest, DatasetInfo, Finding, ImportRequest, ImportTicket, Invitation, InviteRequest,
    JobDetail, JobResult, JobSummary, LogLine, NodeStatus, Peer, RefuseRequest, Setting, SubmitRequest,
};
use tacit_protocol::bench::{BenchReport, BenchRequest};
use tacit_protocol::{Code, Failure};
use ureq::http::Response;
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
    address: String,
    token: String,
}

impl Client {
    /// The client of the node at `address` (`host:port`) with a bearer token.
    pub fn new(address: impl Into<String>, token: impl Into<String>) -> Self {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .timeout_connect(Some(Duration::from_secs(5)))
            .timeout_recv_response(Some(Duration::from_secs(600)))
            .proxy(None)
            .build();
        Self { agent: config.new_agent(), address: address.into(), token: token.into() }
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
        let path = "/v1/log/export";
        let answer = self.agent.get(self.url(path)).header("authorization", self.bearer()).call();
        let (good, body) = self.body(answer)?;
        let misread = |cause: &dyn ToString| ClientError::Answer { call: path.into(), cause: cause.to_string() };
        if good {
            String::from_utf8(body).map_err(|cause| misread(&cause))
        } else {
            Err(ClientError::Refused(serde_json::from_slice(&body).map_err(|cause| misread(&cause))?))
        }
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
        format!("http://{}{path}", self.address)
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
        if good {
            serde_json::from_slice(&body).map_err(misread)
        } else {
            Err(ClientError::Refused(serde_json::from_slice(&body).map_err(misread)?))
        }
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
        let unreachable =
            |cause: &dyn ToString| ClientError::Unreachable { address: self.address.clone(), cause: cause.to_string() };
        let mut answer = answer.map_err(|cause| unreachable(&cause))?;
        let body = answer.body_mut().with_config().limit(1 << 30).read_to_vec().map_err(|cause| unreachable(&cause))?;
        Ok((answer.status().is_success(), body))
    }
}
