//! The two threads that serve a socket.

use std::io::{self, BufReader, ErrorKind, IoSlice, Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use super::frames::{HEADER, MAX_CIPHERTEXT, TAG};
use super::queue::{End, Queue};
use crate::channel::throttled::{Direction, Link};

/// Frames that are written to the socket together at most.
const FRAMES_A_WRITE: usize = 32;

/// Bytes read ahead: enough for many small frames a call, while most of a full frame goes straight where it stays.
const READ_AHEAD: usize = 16 << 10;

/// One connection: its queues of sealed frames and its counts.
pub(super) struct Lane {
    /// What delays the frames that arrive; none: nothing.
    link: Option<Link>,
    /// Whole frames, length first.
    pub(super) outbox: Queue,
    /// Ciphertexts.
    pub(super) inbox: Queue,
    wire_sent: AtomicU64,
    wire_received: AtomicU64,
}

impl Lane {
    pub(super) fn new(link: Option<Link>, queue: usize) -> Self {
        let (outbox, inbox) = (Queue::new(queue), Queue::new(queue));
        let (wire_sent, wire_received) = Default::default();
        Self { link, outbox, inbox, wire_sent, wire_received }
    }

    /// Bytes sent and received, with headers and tags.
    pub(super) fn wire(&self) -> (u64, u64) {
        (self.wire_sent.load(Ordering::Relaxed), self.wire_received.load(Ordering::Relaxed))
    }

    /// Writes frames until the outbox ends.
    pub(super) fn send_all(&self, socket: &TcpStream) {
        while let Some(frames) = self.outbox.pop_for_work(FRAMES_A_WRITE) {
            if let Err(error) = write_all(socket, &frames) {
                self.outbox.end(End::Broken(error.kind()));
                return;
            }
            let written: usize = frames.iter().map(Vec::len).sum();
            self.wire_sent.fetch_add(written as u64, Ordering::Relaxed);
            self.outbox.done(frames);
        }
    }

    /// Reads frames until the peer closes its direction or something fails.
    pub(super) fn receive_all(&self, socket: &TcpStream) {
        let mut reader = BufReader::with_capacity(READ_AHEAD, socket);
        let mut link = self.link.map(Direction::new);
        let end = loop {
            let ciphertext = match self.read_frame(&mut reader) {
                Ok(ciphertext) => ciphertext,
                Err(error) if error.kind() == ErrorKind::UnexpectedEof => break End::Cut,
                Err(error) => break End::Broken(error.kind()),
            };
            let due = link.as_mut().map(|link| link.arrival(HEADER + ciphertext.len(), Instant::now()));
            self.wire_received.fetch_add((HEADER + ciphertext.len()) as u64, Ordering::Relaxed);
            // No payload: nothing follows, whether the frame proves authentic when it is opened or not.
            let last = ciphertext.len() <= TAG;
            if !self.inbox.push_from_work(ciphertext, due) {
                return;
            }
            if last {
                break End::Finished;
            }
        };
        self.inbox.end(end);
    }

    /// Reads the ciphertext of one frame. Its length is bounded by its two bytes.
    fn read_frame(&self, reader: &mut impl Read) -> io::Result<Vec<u8>> {
        let mut length = [0; HEADER];
        reader.read_exact(&mut length)?;
        let length = usize::from(u16::from_le_bytes(length));
        let mut ciphertext = self.inbox.spare(length, MAX_CIPHERTEXT);
        ciphertext.resize(length, 0);
        reader.read_exact(&mut ciphertext)?;
        Ok(ciphertext)
    }
}

/// Writes all of the frames, together as far as the socket takes them.
fn write_all(mut socket: &TcpStream, frames: &[Vec<u8>]) -> io::Result<()> {
    let mut slices: Vec<IoSlice<'_>> = frames.iter().map(|frame| IoSlice::new(frame)).collect();
    let mut left = &mut slices[..];
    while !left.is_empty() {
        match socket.write_vectored(left) {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Ok(count) => IoSlice::advance_slices(&mut left, count),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
