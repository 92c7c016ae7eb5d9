//! The events of a node: a stream of server-sent events, read one by one.

use std::io::{BufRead, BufReader, Read};

use tacit_protocol::api::{JobEvent, PeerEvent};

use crate::client::ClientError;

/// The longest line of an event. The node's are some hundred bytes.
const MAX_LINE: u64 = 64 * 1024;

/// What a node says of the changes of its jobs.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NodeEvent {
    /// Every change from here on follows.
    Start,
    /// Changes were missed: read the jobs again. What follows is complete.
    Resync,
    /// A job has entered a state.
    Job(JobEvent),
    /// A peer is reached in another way than before, or no longer.
    Peer(PeerEvent),
}

/// The events of a node, until it stops or the connection breaks.
pub struct EventStream {
    reader: BufReader<Box<dyn Read + Send>>,
    last_id: Option<String>,
}

impl EventStream {
    pub(crate) fn new(reader: impl Read + Send + 'static) -> Self {
        Self { reader: BufReader::new(Box::new(reader)), last_id: None }
    }

    /// The id of the last event: with it [`crate::Client::events`] goes on behind it.
    pub fn last_id(&self) -> Option<&str> {
        self.last_id.as_deref()
    }

    /// The next event, once there is one; `None` at the end of the stream.
    ///
    /// # Errors
    /// [`ClientError::Answer`] if an event is none of this version; [`ClientError::Unreachable`] if the connection breaks.
    pub fn next_event(&mut self) -> Result<Option<NodeEvent>, ClientError> {
        let (mut name, mut data, mut id) = (String::new(), String::new(), None);
        loop {
            let Some(line) = self.line()? else { return Ok(None) };
            match line.split_once(':').map(|(field, value)| (field, value.strip_prefix(' ').unwrap_or(value))) {
                Some(("event", value)) => name = value.to_owned(),
                Some(("data", value)) => data.push_str(value),
                Some(("id", value)) => id = Some(value.to_owned()),
                // A heartbeat, or a field that this version does not know.
                Some(_) => {}
                // The empty line after an event, or after a heartbeat.
                None if name.is_empty() => {}
                None => {
                    self.last_id = id.or_else(|| self.last_id.take());
                    let misread = |cause: String| ClientError::Answer { call: "/v1/events".into(), cause };
                    return match name.as_str() {
                        "start" => Ok(Some(NodeEvent::Start)),
                        "resync" => Ok(Some(NodeEvent::Resync)),
                        "job" => serde_json::from_str(&data)
                            .map(|event| Some(NodeEvent::Job(event)))
                            .map_err(|cause| misread(cause.to_string())),
                        "peer" => serde_json::from_str(&data)
                            .map(|event| Some(NodeEvent::Peer(event)))
                            .map_err(|cause| misread(cause.to_string())),
                        other => Err(misread(format!("an event {other:?}"))),
                    };
                }
            }
        }
    }

    fn line(&mut self) -> Result<Option<String>, ClientError> {
        let mut line = String::new();
        let broken = |cause: String| ClientError::Unreachable { address: "the event stream".into(), cause };
        let read = (&mut self.reader).take(MAX_LINE).read_line(&mut line).map_err(|cause| broken(cause.to_string()))?;
        match line.strip_suffix('\n') {
            Some(line) => Ok(Some(line.strip_suffix('\r').unwrap_or(line).to_owned())),
            None if read as u64 == MAX_LINE => Err(broken("a line is too long".into())),
            // Cut off in the middle, or at its end.
            None => Ok(None),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream(text: &str) -> EventStream {
        EventStream::new(std::io::Cursor::new(text.to_owned()))
    }

    #[test]
    fn events_are_read_one_by_one_between_heartbeats() {
        let text = ":\n\nevent: start\nid: a-1\ndata: {}\n\n: still here\n\nid: a-2\nevent: job\n\
                    data: {\"job\":\"x\",\"state\":\"failed\",\"at\":7,\"code\":\"STORE_FULL\"}\n\nevent: resync\r\nid: a-9\r\n\r\n";
        let mut events = stream(text);
        assert_eq!(events.next_event().expect("an event"), Some(NodeEvent::Start));
        assert_eq!(events.last_id(), Some("a-1"));
        let event = JobEvent { job: "x".into(), state: "failed".into(), at: 7, code: Some("STORE_FULL".into()) };
        assert_eq!(events.next_event().expect("an event"), Some(NodeEvent::Job(event)));
        assert_eq!(events.next_event().expect("an event"), Some(NodeEvent::Resync));
        assert_eq!(events.last_id(), Some("a-9"));
        assert_eq!(events.next_event().expect("the end"), None);
        let mut events = stream("event: peer\ndata: {\"peer\":\"12D3\"}\n\n");
        let gone = PeerEvent { peer: "12D3".into(), path: None };
        assert_eq!(events.next_event().expect("an event"), Some(NodeEvent::Peer(gone)));
        assert_eq!(events.last_id(), None);
    }

    #[test]
    fn what_is_no_event_is_refused_and_a_cut_one_is_none() {
        assert!(stream("event: other\n\n").next_event().is_err());
        assert!(stream("event: job\ndata: {\n\n").next_event().is_err());
        assert_eq!(stream("event: job\ndata: {\"job\"").next_event().expect("the end"), None);
        assert!(stream(&"x".repeat(70_000)).next_event().is_err());
    }
}
