//! The connection between two machines: who listens, who dials, and how long either waits.

use std::io::ErrorKind;
use std::net::{TcpListener, TcpStream, ToSocketAddrs};
use std::thread;
use std::time::{Duration, Instant};

use pyo3::prelude::*;
use tacit_mpc::channel::noise::Deadlines;
use tacit_mpc::direct::{PairKey, Preamble, Session};
use tacit_protocol::PartyId;

use crate::error::{exception, raised};
use crate::session::randomness;

/// How often one that dials, or waits to be dialled, looks again.
const PAUSE: Duration = Duration::from_millis(20);
/// How long a connection may take to say whose it is.
const HELLO: Duration = Duration::from_secs(5);
/// How long a session may last.
const LIFE: Duration = Duration::from_secs(366 * 24 * 3600);

/// Where this party listens, where the other does, and how long to wait.
pub(crate) struct Ends {
    pub(crate) party: PartyId,
    pub(crate) listen: Option<String>,
    pub(crate) peer: Option<String>,
    /// For the other party to be there.
    pub(crate) patience: Duration,
    /// For the other party to say something during work.
    pub(crate) silence: Duration,
}

impl Ends {
    /// Party 1 dials party 0 where both could; otherwise who has the other's address dials.
    fn dials(&self) -> PyResult<bool> {
        match (&self.listen, &self.peer) {
            (None, None) => {
                let text = "give `listen` (where this party is reached), `peer` (where the other one is), or both";
                Err(exception("USAGE_PAIR", text.into()))
            }
            (Some(_), None) => Ok(false),
            (None, Some(_)) => Ok(true),
            (Some(_), Some(_)) => Ok(self.party == PartyId::ONE),
        }
    }

    /// Makes the session. Meanwhile `interrupted` is asked whether to go on.
    pub(crate) fn meet(&self, key: &PairKey, interrupted: &dyn Fn() -> PyResult<()>) -> PyResult<Session> {
        let until = Instant::now() + self.patience;
        let deadlines = Deadlines { silence: self.silence, total: LIFE };
        let dials = self.dials()?;
        let socket = match (dials, &self.peer, &self.listen) {
            (true, Some(peer), _) => self.dial(peer, until, interrupted)?,
            (_, _, Some(listen)) => self.accept(listen, key, until, interrupted)?,
            _ => return Err(exception("USAGE_PAIR", "there is no address".into())),
        };
        Session::over(socket, dials, self.party, key, deadlines, randomness()).map_err(raised)
    }

    fn dial(&self, peer: &str, until: Instant, interrupted: &dyn Fn() -> PyResult<()>) -> PyResult<TcpStream> {
        let addresses: Vec<_> = peer.to_socket_addrs().map_err(|error| unusable("peer", peer, &error))?.collect();
        loop {
            let mut last = None;
            for address in &addresses {
                let left = until.saturating_duration_since(Instant::now()).max(PAUSE);
                match TcpStream::connect_timeout(address, left) {
                    Ok(socket) => return Ok(socket),
                    Err(error) => last = Some(error),
                }
            }
            interrupted()?;
            if Instant::now() >= until {
                let cause = last.map(|error| error.to_string()).unwrap_or_else(|| "it has no address".into());
                let text = format!(
                    "{} was not reached at {peer} within {:?} ({cause}); start it with `listen`, and check the address and firewalls",
                    self.party.other(),
                    self.patience
                );
                return Err(exception("PEER_TIMEOUT", text));
            }
            thread::sleep(PAUSE);
        }
    }

    fn accept(
        &self,
        listen: &str,
        key: &PairKey,
        until: Instant,
        interrupted: &dyn Fn() -> PyResult<()>,
    ) -> PyResult<TcpStream> {
        let bound = TcpListener::bind(listen).and_then(|listener| listener.set_nonblocking(true).map(|()| listener));
        let listener = bound.map_err(|error| unusable("listen", listen, &error))?;
        loop {
            match listener.accept() {
                Ok((socket, _)) => {
                    let blocking = socket.set_nonblocking(false);
                    if blocking.is_ok() && key.welcome(&socket, self.party, HELLO).map_err(raised)? == Preamble::Peer {
                        return Ok(socket);
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => thread::sleep(PAUSE),
                // A connection that was gone before it was taken.
                Err(error) if error.kind() == ErrorKind::ConnectionAborted => {}
                Err(error) => return Err(unusable("listen", listen, &error)),
            }
            interrupted()?;
            if Instant::now() >= until {
                let text = format!(
                    "{} did not connect to {listen} within {:?}; start it with `peer` set to an address of this machine",
                    self.party.other(),
                    self.patience
                );
                return Err(exception("PEER_TIMEOUT", text));
            }
        }
    }
}

fn unusable(what: &str, address: &str, error: &std::io::Error) -> PyErr {
    exception("USAGE_PAIR", format!("{what}={address:?} cannot be used ({error}); write host:port"))
}
