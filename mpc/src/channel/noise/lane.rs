//! The two threads that serve a socket.

use std::io::{self, BufReader, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use snow::StatelessTransportState;

use super::queue::{End, Queue};
use crate::channel::throttled::{Direction, Link};

/// Bytes of an authentication tag.
const TAG: usize = 16;

/// Bytes of a ciphertext at most.
const MAX_CIPHERTEXT: usize = u16::MAX as usize;

/// Bytes of a frame's payload at most.
pub(super) const MAX_PAYLOAD: usize = MAX_CIPHERTEXT - TAG;

/// Frames that are written to the socket together at most.
const FRAMES_A_WRITE: usize = 8;

/// One connection: its keys, its queues and its counts.
pub(super) struct Lane {
    transport: StatelessTransportState,
    max_frames: u64,
    /// What delays the frames that arrive; none: nothing.
    link: Option<Link>,
    pub(super) outbox: Queue,
    pub(super) inbox: Queue,
    wire_sent: AtomicU64,
    wire_received: AtomicU64,
}

impl Lane {
    pub(super) fn new(transport: StatelessTransportState, max_frames: u64, link: Option<Link>, queue: usize) -> Self {
        let (outbox, inbox) = (Queue::new(queue), Queue::new(queue));
        let (wire_sent, wire_received) = Default::default();
        Self { transport, max_frames, link, outbox, inbox, wire_sent, wire_received }
    }

    /// Bytes sent and received, with headers and tags.
    pub(super) fn wire(&self) -> (u64, u64) {
        (self.wire_sent.load(Ordering::Relaxed), self.wire_received.load(Ordering::Relaxed))
    }

    /// Seals and writes frames until the outbox ends.
    pub(super) fn send_all(&self, mut socket: &TcpStream) {
        let mut counter = 0;
        let mut wire = Vec::with_capacity(FRAMES_A_WRITE * (2 + MAX_CIPHERTEXT));
        while let Some(frames) = self.outbox.pop_for_work(FRAMES_A_WRITE) {
            wire.clear();
            for payload in &frames {
                if counter == self.max_frames {
                    // The inbox too: the peer will not answer what it never gets.
                    self.outbox.end(End::WornOut);
                    self.inbox.end(End::WornOut);
                    return;
                }
                if self.seal(counter, payload, &mut wire).is_err() {
                    // Only a payload above the limit could do this.
                    self.outbox.end(End::Broken(ErrorKind::InvalidInput));
                    return;
                }
                counter += 1;
            }
            if let Err(error) = socket.write_all(&wire) {
                self.outbox.end(End::Broken(error.kind()));
                return;
            }
            self.wire_sent.fetch_add(wire.len() as u64, Ordering::Relaxed);
            self.outbox.done();
        }
    }

    fn seal(&self, counter: u64, payload: &[u8], wire: &mut Vec<u8>) -> Result<(), snow::Error> {
        let length = u16::try_from(payload.len() + TAG).map_err(|_| snow::Error::Input)?;
        wire.extend_from_slice(&length.to_le_bytes());
        let start = wire.len();
        wire.resize(start + usize::from(length), 0);
        self.transport.write_message(counter, payload, &mut wire[start..]).map(|_| ())
    }

    /// Reads and opens frames until the peer closes its direction or something fails.
    pub(super) fn receive_all(&self, socket: &TcpStream) {
        let mut reader = BufReader::with_capacity(4 * MAX_CIPHERTEXT, socket);
        let mut ciphertext = vec![0; MAX_CIPHERTEXT];
        let mut payload = vec![0; MAX_CIPHERTEXT];
        let mut counter = 0;
        let mut link = self.link.map(Direction::new);
        // CHK-403: strict counters; the first frame that is not authentic and the next ends everything.
        let end = loop {
            let ciphertext = match read_frame(&mut reader, &mut ciphertext) {
                Ok(ciphertext) => ciphertext,
                Err(error) if error.kind() == ErrorKind::UnexpectedEof => break End::Cut,
                Err(error) => break End::Broken(error.kind()),
            };
            let due = link.as_mut().map(|link| link.arrival(2 + ciphertext.len(), Instant::now()));
            self.wire_received.fetch_add(2 + ciphertext.len() as u64, Ordering::Relaxed);
            if counter == self.max_frames {
                break End::WornOut;
            }
            let Ok(length) = self.transport.read_message(counter, ciphertext, &mut payload) else {
                break End::Forged;
            };
            counter += 1;
            if length == 0 {
                break End::Finished;
            }
            if !self.inbox.push_from_work(payload[..length].to_vec(), due) {
                return;
            }
        };
        self.inbox.end(end);
    }
}

/// Reads the ciphertext of one frame. Its length is bounded by its two bytes.
fn read_frame<'a>(reader: &mut impl Read, ciphertext: &'a mut [u8]) -> io::Result<&'a [u8]> {
    let mut length = [0; 2];
    reader.read_exact(&mut length)?;
    let ciphertext = &mut ciphertext[..usize::from(u16::from_le_bytes(length))];
    reader.read_exact(ciphertext)?;
    Ok(ciphertext)
}
