//! The channel of a job between two nodes: Noise over TCP.
//!
//! *Source*: Noise Protocol Framework revision 34, `Noise_XX_25519_AESGCM_SHA256`. The prologue is a digest of what
//! the channel is for; the remote static key must be the one that was announced (CHK-401).
//! *Security*: frames are sealed under strict counters, so a forged, cut, repeated or reordered frame ends the
//! session (CHK-403), as does a connection that ends without the closing frame. Lengths and times are visible. A
//! direction carries at most 2^32 frames. The ephemeral keys of the handshake come from the operating system.
//! *Cost*: 224 B of handshake in three flights; 18 B a frame of at most 65,519 B.
//! *Shapes and units*: a frame is a little-endian `u16` length and that many bytes of ciphertext; a frame without
//! payload closes its direction.
//!
//! Frames are sealed and opened in the protocol's thread, full ones from and to where its data is; the cipher costs
//! little more than the copy that this saves. Two threads serve the socket, one a direction, each with a bounded queue
//! of sealed frames, so that both parties may send at the same time and neither can make the other hold more than
//! [`QUEUE_BYTES`] a direction. If both send more than both queues and the socket hold before either receives, both end
//! with `PEER_TIMEOUT`: protocols send in smaller pieces.

mod frames;
mod handshake;
mod lane;
mod queue;

#[cfg(test)]
mod tests;

use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::{Channel, Link, Meter, Traffic};
use crate::error::{Error, Result};
use crate::params::CHANNEL_MAX_FRAMES;
use frames::{HEADER, MAX_CIPHERTEXT, MAX_PAYLOAD, Opener, Sealer, TAG};
use lane::Lane;
use queue::{End, Patience};

pub use handshake::{Handshake, Role, StaticKey};

/// Memory of the frames that may wait a direction: 128 MiB.
pub const QUEUE_BYTES: usize = 128 << 20;

/// How long this party waits.
#[derive(Clone, Copy, Debug)]
pub struct Deadlines {
    /// For the peer to send or take anything at all.
    pub silence: Duration,
    /// For the whole life of the channel.
    pub total: Duration,
}

/// An encrypted channel to the peer.
pub struct NoiseChannel {
    socket: Arc<TcpStream>,
    lane: Arc<Lane>,
    threads: Vec<JoinHandle<()>>,
    sealer: Sealer,
    opener: Opener,
    /// Payload of a frame that is not full yet.
    unsent: Vec<u8>,
    /// The payload of a frame that did not fit where it was received, up to `arrived`, of which `consumed` was taken.
    opened: Vec<u8>,
    arrived: usize,
    consumed: usize,
    deadlines: Deadlines,
    until: Instant,
    cancelled: Arc<AtomicBool>,
    meter: Meter,
    step: &'static str,
}

/// Stops the work on a channel from another thread: every wait ends at once with `JOB_CANCELLED`.
#[derive(Clone)]
pub struct AbortHandle {
    socket: Arc<TcpStream>,
    cancelled: Arc<AtomicBool>,
}

impl AbortHandle {
    /// Stops the work. Idempotent.
    pub fn abort(&self) {
        self.cancelled.store(true, Ordering::SeqCst);
        // An error means that the socket is closed already.
        let _ = self.socket.shutdown(Shutdown::Both);
    }
}

impl NoiseChannel {
    /// Agrees on keys over a connected socket, in this thread.
    ///
    /// # Errors
    /// `CHANNEL_KEY` if the peer's key is not the announced one, `CHANNEL_BINDING` if it has another prologue or
    /// speaks something else (CHK-401), `PEER_TIMEOUT` and `CHANNEL_CLOSED`.
    pub fn connect(socket: TcpStream, handshake: &Handshake<'_>, deadlines: Deadlines) -> Result<Self> {
        Self::connect_with(socket, handshake, deadlines, CHANNEL_MAX_FRAMES, None)
    }

    /// The same with a simulated [`Link`] between the parties, for measurements. Each side delays what it receives, so
    /// both ask for the same.
    ///
    /// # Errors
    /// As [`NoiseChannel::connect`].
    pub fn connect_over(
        link: Link,
        socket: TcpStream,
        handshake: &Handshake<'_>,
        deadlines: Deadlines,
    ) -> Result<Self> {
        Self::connect_with(socket, handshake, deadlines, CHANNEL_MAX_FRAMES, Some(link))
    }

    fn connect_with(
        socket: TcpStream,
        handshake: &Handshake<'_>,
        deadlines: Deadlines,
        max_frames: u64,
        link: Option<Link>,
    ) -> Result<Self> {
        let until = Instant::now() + deadlines.total;
        let transport = handshake.run(&socket, deadlines.silence.min(deadlines.total))?;
        let socket = Arc::new(socket);
        let lane = Arc::new(Lane::new(link, QUEUE_BYTES));
        let (sealer, opener) = frames::directions(transport, max_frames);
        let spawn = |name: &str, run: fn(&Lane, &TcpStream)| {
            let (lane, socket) = (Arc::clone(&lane), Arc::clone(&socket));
            let failed = |source| Error::Closed { step: handshake::STEP, source };
            thread::Builder::new().name(name.into()).spawn(move || run(&lane, &socket)).map_err(failed)
        };
        let mut channel = Self {
            socket: Arc::clone(&socket),
            lane: Arc::clone(&lane),
            threads: Vec::with_capacity(2),
            sealer,
            opener,
            unsent: Vec::with_capacity(MAX_PAYLOAD),
            opened: vec![0; MAX_CIPHERTEXT],
            arrived: 0,
            consumed: 0,
            deadlines,
            until,
            cancelled: Arc::default(),
            meter: Meter::default(),
            step: handshake::STEP,
        };
        channel.threads.push(spawn("mpc-send", Lane::send_all)?);
        channel.threads.push(spawn("mpc-receive", Lane::receive_all)?);
        Ok(channel)
    }

    /// A handle that stops the work from another thread.
    pub fn abort_handle(&self) -> AbortHandle {
        AbortHandle { socket: Arc::clone(&self.socket), cancelled: Arc::clone(&self.cancelled) }
    }

    /// Closes the channel: tells the peer that nothing follows, and waits for it to say the same.
    ///
    /// # Errors
    /// `PROTOCOL_EXCESS` if the peer sent more than this side's plan receives (CHK-404), `CHANNEL_TRUNCATED` if it
    /// did not close its direction (CHK-403), and those of a receive.
    pub fn finish(mut self) -> Result<Traffic> {
        self.enter("closing");
        self.flush()?;
        self.seal(&[])?;
        self.lane.outbox.wait_until_idle(self.patience()).map_err(|end| self.failure(end))?;
        if self.consumed < self.arrived {
            return Err(self.excess());
        }
        match self.open_into(&mut []) {
            Err(End::Finished) => Ok(self.traffic()),
            Err(end) => Err(self.failure(end)),
            Ok(_) => Err(self.excess()),
        }
    }

    /// Waits until all that was sent is with the operating system, so that it arrives even if this process ends.
    ///
    /// # Errors
    /// Those of a send.
    pub fn settle(&mut self) -> Result<()> {
        self.flush()?;
        self.lane.outbox.wait_until_idle(self.patience()).map_err(|end| self.failure(end))
    }

    /// Tells the peer that nothing follows, and does not wait for it to say the same.
    ///
    /// # Errors
    /// Those of a send.
    pub fn leave(mut self) -> Result<Traffic> {
        self.enter("closing");
        self.flush()?;
        self.seal(&[])?;
        self.lane.outbox.wait_until_idle(self.patience()).map_err(|end| self.failure(end))?;
        Ok(self.traffic())
    }

    fn excess(&self) -> Error {
        Error::deviation("PROTOCOL_EXCESS", self.step, "the peer sent more than the plan receives")
    }

    fn patience(&self) -> Patience {
        Patience { silence: self.deadlines.silence, until: self.until }
    }

    /// Queues a payload as one frame, sealed here: the work on the socket then goes on beside it.
    fn seal(&mut self, payload: &[u8]) -> Result<()> {
        let buffer = self.lane.outbox.spare(HEADER + payload.len() + TAG, HEADER + MAX_CIPHERTEXT);
        let sealed = self.sealer.seal(payload, buffer);
        let queued = sealed.and_then(|frame| self.lane.outbox.push(frame, self.patience()));
        queued.map_err(|end| {
            if end == End::WornOut {
                // The inbox too: the peer will not answer what it never gets.
                self.lane.outbox.end(end);
                self.lane.inbox.end(end);
            }
            self.failure(end)
        })
    }

    /// Opens the next frame, waiting for it, and tells how many bytes of `into` it filled: 0 if it was opened aside
    /// because it might not fit there.
    fn open_into(&mut self, into: &mut [u8]) -> std::result::Result<usize, End> {
        if let Some(end) = self.opener.end() {
            return Err(end);
        }
        let ciphertext = self.lane.inbox.pop(self.patience())?;
        // The tag passes through the place too, and is overwritten by the frame after.
        let opened = if ciphertext.len() <= into.len() {
            self.opener.open(&ciphertext, into)
        } else {
            let length = self.opener.open(&ciphertext, &mut self.opened);
            (self.arrived, self.consumed) = (length.unwrap_or(0), 0);
            length.map(|_| 0)
        };
        if let Err(end) = opened {
            self.lane.inbox.end(end);
        }
        self.lane.inbox.give_back(ciphertext);
        opened
    }

    /// Why a queue ended, in the words of this crate's errors.
    fn failure(&self, end: End) -> Error {
        let step = self.step;
        if self.cancelled.load(Ordering::SeqCst) {
            return Error::Cancelled { step };
        }
        match end {
            End::Silent(waited) => Error::Timeout { step, waited },
            End::Overdue => Error::Overdue { step, limit: self.deadlines.total },
            End::Finished => Error::deviation("PROTOCOL_LENGTH", step, "the peer closed before it had sent all"),
            End::Cut => Error::deviation("CHANNEL_TRUNCATED", step, "the connection ended without a closing frame"),
            End::Forged => Error::deviation("CHANNEL_AUTH", step, "a frame is not authentic or not the next"),
            End::WornOut => Error::deviation("CHANNEL_REKEY", step, "the channel carried all the frames its key may"),
            End::Broken(kind) => Error::Closed { step, source: kind.into() },
        }
    }
}

impl Channel for NoiseChannel {
    fn send(&mut self, mut bytes: &[u8]) -> Result<()> {
        self.meter.sent(bytes.len());
        if !self.unsent.is_empty() {
            let (now, later) = bytes.split_at(bytes.len().min(MAX_PAYLOAD - self.unsent.len()));
            self.unsent.extend_from_slice(now);
            bytes = later;
            if self.unsent.len() == MAX_PAYLOAD {
                self.flush()?;
            }
        }
        // Full frames are sealed from where they are.
        while let Some((now, later)) = bytes.split_at_checked(MAX_PAYLOAD) {
            self.seal(now)?;
            bytes = later;
        }
        self.unsent.extend_from_slice(bytes);
        Ok(())
    }

    fn flush(&mut self) -> Result<()> {
        if self.unsent.is_empty() {
            return Ok(());
        }
        let mut unsent = std::mem::take(&mut self.unsent);
        let sealed = self.seal(&unsent);
        unsent.clear();
        self.unsent = unsent;
        sealed
    }

    fn receive(&mut self, into: &mut [u8]) -> Result<()> {
        self.flush()?;
        let mut filled = 0;
        while filled < into.len() {
            if self.consumed < self.arrived {
                let count = (into.len() - filled).min(self.arrived - self.consumed);
                into[filled..filled + count].copy_from_slice(&self.opened[self.consumed..self.consumed + count]);
                filled += count;
                self.consumed += count;
            } else {
                filled += self.open_into(&mut into[filled..]).map_err(|end| self.failure(end))?;
            }
        }
        self.meter.received(into.len());
        Ok(())
    }

    fn traffic(&self) -> Traffic {
        let (wire_sent, wire_received) = self.lane.wire();
        Traffic { wire_sent, wire_received, ..self.meter.traffic }
    }

    fn enter(&mut self, step: &'static str) {
        self.step = step;
    }

    fn step(&self) -> &'static str {
        self.step
    }
}

impl Drop for NoiseChannel {
    fn drop(&mut self) {
        self.lane.outbox.close();
        self.lane.inbox.close();
        // Wakes a thread that is blocked on the socket; an error means that it is closed already.
        let _ = self.socket.shutdown(Shutdown::Both);
        for thread in self.threads.drain(..) {
            // The threads do not panic; if one did, its queue has ended and that was reported.
            let _ = thread.join();
        }
    }
}
