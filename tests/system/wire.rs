//! The path of the data plane under a test's control: a relay before a node's data port.
//!
//! It carries bytes and understands none, as a network between two organisations does. A [`Fault`] meets the next
//! connection and then is over.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use crate::harness::{Organisation, PATIENCE, Two};

/// What happens to a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// It is cut, both ways.
    Cut,
    /// Nothing of this direction arrives any more until [`Wire::let_go`].
    Hold,
    /// The lowest bit of the next byte changes.
    Flip,
    /// Bytes that nobody sent are put in.
    Insert,
}

/// An event at a place: after `after` bytes that `from` has sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) from: &'static str,
    pub(crate) after: u64,
    pub(crate) event: Event,
}

#[derive(Default)]
struct State {
    faults: Vec<Fault>,
    /// Bytes that each sent on the last connection.
    carried: [u64; 2],
    holding: usize,
    let_go: bool,
}

/// The relays before both nodes' data ports. Only the one before the listening party is used.
pub(crate) struct Wire {
    state: Arc<(Mutex<State>, Condvar)>,
}

const NAMES: [&str; 2] = ["maison", "banque"];

impl Wire {
    /// Puts a relay before both nodes, which are stopped and started for that.
    pub(crate) fn between(two: &mut Two) -> Self {
        let wire = Self { state: Arc::default() };
        for node in [&mut two.maison, &mut two.banque] {
            node.stop();
            wire.before(node);
            node.restart();
        }
        two.connected();
        wire
    }

    fn before(&self, node: &Organisation) {
        let mut config = tacit_node::config::Config::read(&node.dir).expect("a configuration");
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        // Faults are for the connections of jobs, one after the other.
        config.idle.enabled = false;
        config.data_announce = Some(format!("/ip4/127.0.0.1/tcp/{port}"));
        std::fs::write(node.dir.join("node.toml"), config.to_toml()).expect("written");
        let (state, listening) = (Arc::clone(&self.state), node.name);
        thread::spawn(move || {
            for dialled in listener.incoming() {
                let dialled = dialled.expect("a connection");
                relay(&state, dialled, config.data_listen, listening);
            }
        });
    }

    /// Has events meet the next connections, one each.
    pub(crate) fn meet(&self, faults: &[Fault]) {
        lock(&self.state).faults = faults.iter().rev().copied().collect();
    }

    /// Bytes that maison and banque sent on the last connection.
    pub(crate) fn carried(&self) -> [u64; 2] {
        lock(&self.state).carried
    }

    /// Waits until so many connections are held.
    pub(crate) fn wait_until_held(&self, connections: usize) {
        let (mutex, changed) = &*self.state;
        let state = mutex.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = changed.wait_timeout_while(state, PATIENCE, |state| state.holding < connections);
        assert!(!waited.unwrap_or_else(PoisonError::into_inner).1.timed_out(), "nothing is held");
    }

    /// Lets go what is held, and holds nothing any more.
    pub(crate) fn let_go(&self) {
        lock(&self.state).let_go = true;
        self.state.1.notify_all();
    }
}

fn lock(state: &(Mutex<State>, Condvar)) -> MutexGuard<'_, State> {
    state.0.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Relays one connection on two threads, which end with it.
fn relay(state: &Arc<(Mutex<State>, Condvar)>, dialled: TcpStream, to: SocketAddr, listening: &'static str) {
    // A node that is down is as good as a relay that is.
    let Ok(onward) = TcpStream::connect(to) else { return };
    let fault = {
        let mut state = lock(state);
        state.carried = [0; 2];
        state.faults.pop()
    };
    let dialling = NAMES.into_iter().find(|name| *name != listening).expect("two");
    let both = || (dialled.try_clone().expect("a socket"), onward.try_clone().expect("a socket"));
    for (from, (dialled, onward)) in [(dialling, both()), (listening, both())] {
        let (source, sink) = if from == dialling { (dialled, onward) } else { (onward, dialled) };
        source.set_nodelay(true).expect("a socket");
        let (state, fault) = (Arc::clone(state), fault.filter(|fault| fault.from == from));
        thread::spawn(move || carry(&state, source, sink, from, fault));
    }
}

/// Carries one direction to its end.
fn carry(
    state: &(Mutex<State>, Condvar),
    mut source: TcpStream,
    mut sink: TcpStream,
    from: &str,
    mut fault: Option<Fault>,
) {
    let place = NAMES.iter().position(|name| *name == from).expect("one of two");
    let mut buffer = vec![0; 1 << 16];
    let mut carried = 0_u64;
    while let Ok(read @ 1..) = source.read(&mut buffer) {
        let mut bytes = buffer[..read].to_vec();
        let here = fault.filter(|fault| fault.after < carried + read as u64);
        if let Some(Fault { after, event, .. }) = here {
            fault = None;
            let at = usize::try_from(after - carried).expect("in the buffer");
            match event {
                Event::Cut => {
                    drop(sink.write_all(&bytes[..at]));
                    drop(source.shutdown(Shutdown::Both));
                    break;
                }
                Event::Hold => {
                    drop(sink.write_all(&bytes[..at]));
                    bytes.drain(..at);
                    hold(state);
                }
                Event::Flip => bytes[at] ^= 1,
                Event::Insert => drop(bytes.splice(at..at, [0x55; 64])),
            }
        }
        carried += read as u64;
        lock(state).carried[place] = carried;
        if sink.write_all(&bytes).is_err() {
            drop(source.shutdown(Shutdown::Both));
            break;
        }
    }
    drop(sink.shutdown(Shutdown::Write));
}

fn hold(state: &(Mutex<State>, Condvar)) {
    let (mutex, changed) = state;
    let mut state = mutex.lock().unwrap_or_else(PoisonError::into_inner);
    state.holding += 1;
    changed.notify_all();
    drop(changed.wait_timeout_while(state, PATIENCE, |state| !state.let_go));
}
