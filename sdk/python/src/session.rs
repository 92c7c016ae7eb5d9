//! Sessions.

use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use pyo3::prelude::*;
use pyo3::types::PyDict;
use rand::SeedableRng;
use rand::rngs::StdRng;
use rand::{CryptoRng, Rng};
use tacit_mpc::channel::noise::AbortHandle;
use tacit_mpc::direct::{self, Given, PairKey};
use tacit_protocol::PartyId;
use tacit_protocol::program::plain::PlainColumn;
use tacit_protocol::schema::Element;
use zeroize::Zeroizing;

use crate::array::{Lazy, number};
use crate::connect::Ends;
use crate::convert;
use crate::error::{exception, raised, raised_with};
use crate::share::{Share, together};

/// How often a wait looks whether the user has pressed Ctrl-C.
const PAUSE: Duration = Duration::from_millis(50);

/// A revealed array, and which of its cells are defined; none: all.
type Revealed<'py> = (Bound<'py, PyAny>, Option<Bound<'py, PyAny>>);

/// A session of two parties, one or both of them here.
#[pyclass(frozen, module = "tacit._native")]
pub(crate) struct Session {
    session: Mutex<direct::Session>,
    /// Ends waits for the other party, where it is elsewhere.
    abort: Option<AbortHandle>,
    /// The other party, where it is elsewhere.
    peer: Option<PartyId>,
}

/// What the engine draws from: seeded by the operating system.
pub(crate) fn randomness() -> Box<dyn CryptoRng + Send> {
    Box::new(StdRng::from_rng(&mut rand::rng()))
}

/// A fresh key for a pair, as 64 hexadecimal digits.
#[pyfunction]
pub(crate) fn new_key() -> String {
    let mut key = Zeroizing::new([0_u8; 32]);
    randomness().fill_bytes(&mut key[..]);
    key.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn party(number: u8) -> PyResult<PartyId> {
    match number {
        0 | 1 => Ok(PartyId(number)),
        _ => Err(exception("PROGRAM_PARTIES", format!("there is no party {number}; the parties are 0 and 1"))),
    }
}

impl Session {
    fn new(session: direct::Session) -> Self {
        let abort = session.abort_handle();
        let peer = match session.parties()[..] {
            [party] => Some(party.other()),
            _ => None,
        };
        Self { session: Mutex::new(session), abort, peer }
    }

    /// Works on the session without the interpreter's lock. Ctrl-C ends a wait for the other party, and the session with
    /// it; where both parties are here, what runs is finished first.
    fn with<T: Send>(
        &self,
        py: Python<'_>,
        work: impl FnOnce(&mut direct::Session) -> tacit_mpc::error::Result<T> + Send,
    ) -> PyResult<T> {
        let (done, signal) = py.detach(|| {
            let (send, done) = mpsc::channel();
            thread::scope(|scope| {
                scope.spawn(move || {
                    let done = work(&mut self.session.lock().unwrap_or_else(PoisonError::into_inner));
                    // Whoever waits for it is in this function.
                    let _ = send.send(done);
                });
                self.watched(&done)
            })
        });
        match (signal, done) {
            (Some(signal), _) => Err(signal),
            (None, Some(done)) => done.map_err(|error| raised_with(error, self.peer)),
            (None, None) => Err(exception("SESSION_ENDED", "the session's thread ended without a result".into())),
        }
    }

    /// Waits for work, and gives with its result the signal that came meanwhile.
    fn watched<T>(
        &self,
        work: &Receiver<tacit_mpc::error::Result<T>>,
    ) -> (Option<tacit_mpc::error::Result<T>>, Option<PyErr>) {
        let mut signal = None;
        loop {
            match work.recv_timeout(PAUSE) {
                Ok(done) => return (Some(done), signal),
                // The scope raises what the thread panicked with.
                Err(RecvTimeoutError::Disconnected) => return (None, signal),
                Err(RecvTimeoutError::Timeout) => {}
            }
            if signal.is_none() {
                signal = Python::attach(|py| py.check_signals()).err();
                if let (Some(_), Some(abort)) = (&signal, &self.abort) {
                    abort.abort();
                }
            }
        }
    }
}

#[pymethods]
impl Session {
    /// Both parties in this process.
    #[staticmethod]
    fn local(py: Python<'_>) -> PyResult<Self> {
        let session = py.detach(|| direct::Session::local([randomness(), randomness()])).map_err(raised)?;
        Ok(Self::new(session))
    }

    /// One party, with the other at another address.
    #[staticmethod]
    fn pair(
        py: Python<'_>,
        number: u8,
        listen: Option<String>,
        peer: Option<String>,
        key: &str,
        patience: f64,
        silence: f64,
    ) -> PyResult<Self> {
        let key = PairKey::from_hex(key).map_err(raised)?;
        let seconds = |seconds: f64| {
            let valid =
                Duration::try_from_secs_f64(seconds).ok().filter(|time| !time.is_zero() && time.as_secs() < 1 << 30);
            valid.ok_or_else(|| exception("USAGE_PAIR", format!("{seconds} is no time to wait, in seconds")))
        };
        let ends =
            Ends { party: party(number)?, listen, peer, patience: seconds(patience)?, silence: seconds(silence)? };
        let session = py.detach(|| ends.meet(&key, &|| Python::attach(|py| py.check_signals())))?;
        Ok(Self::new(session))
    }

    /// The parties that are here.
    #[getter]
    fn parties(&self, py: Python<'_>) -> PyResult<Vec<u8>> {
        self.with(py, |session| Ok(session.parties().iter().map(|party| party.0).collect()))
    }

    /// An array that a party hands in, with its declared range; real numbers of high precision or not.
    #[pyo3(signature = (owner, cells, range, name, high=false))]
    fn array(
        &self,
        py: Python<'_>,
        owner: u8,
        cells: Option<&Bound<'_, PyAny>>,
        range: (String, String),
        name: String,
        high: bool,
    ) -> PyResult<Lazy> {
        let owner = party(owner)?;
        let given = match cells {
            None => None,
            Some(cells) => {
                let (data, shape, element) = convert::cells(cells)?;
                let element = if high && element.is_float() { Element::Float64High } else { element };
                let range = [number(&range.0)?, number(&range.1)?];
                Some(Given { cells: PlainColumn::from(data), shape, element, range, name })
            }
        };
        self.with(py, |session| session.array(owner, given)).map(Lazy)
    }

    /// Computes arrays and opens them to parties. Gives of each what a party here receives: its cells, and which of them
    /// are defined; none where no receiver is here.
    fn reveal<'py>(
        &self,
        py: Python<'py>,
        arrays: Vec<Bound<'py, Lazy>>,
        receivers: Vec<u8>,
    ) -> PyResult<Vec<Option<Revealed<'py>>>> {
        let targets: Vec<direct::Lazy> = arrays.iter().map(|array| array.get().0.clone()).collect();
        let receivers = receivers.into_iter().map(party).collect::<PyResult<Vec<_>>>()?;
        let released = self.with(py, |session| session.reveal(&targets, &receivers))?;
        let array = |value: &Option<_>| value.as_ref().map(|value| convert::revealed(py, value)).transpose();
        released.iter().map(array).collect()
    }

    /// Computes an array and gives the shares of the parties here.
    fn share(&self, py: Python<'_>, array: &Lazy) -> PyResult<Vec<Share>> {
        let target = array.0.clone();
        let value = self.with(py, |session| session.share(&target))?;
        let share = |part: &Option<_>| {
            let part = std::sync::Arc::clone(part.as_ref()?);
            Some(Share { op: value.op.clone(), part })
        };
        Ok(value.parts.iter().filter_map(share).collect())
    }

    /// The value of which these are the shares of the parties here.
    fn take_share(&self, py: Python<'_>, shares: Vec<Bound<'_, Share>>) -> PyResult<Lazy> {
        let value = together(&shares)?;
        self.with(py, |session| session.from_shares(value)).map(Lazy)
    }

    /// What computing and opening an array would take.
    fn explain<'py>(&self, py: Python<'py>, array: &Lazy) -> PyResult<Bound<'py, PyDict>> {
        let target = array.0.clone();
        let explained = self.with(py, |session| session.explain(&target))?;
        let dict = PyDict::new(py);
        dict.set_item("word_bits", explained.word_bits)?;
        dict.set_item("bytes", explained.bytes)?;
        dict.set_item("rounds", explained.rounds)?;
        dict.set_item("transfers", explained.transfers)?;
        dict.set_item("set_up_bytes", explained.set_up_bytes)?;
        dict.set_item("unit", explained.unit.to_f64())?;
        dict.set_item("error", explained.error.map(|error| error * explained.unit.to_f64()))?;
        let step = |row: &tacit_mpc::plan::Row| (row.what.clone(), row.cells, row.bits, row.bytes, row.rounds);
        dict.set_item("steps", explained.rows.iter().map(step).collect::<Vec<_>>())?;
        Ok(dict)
    }

    /// Payload bytes that the first party here has sent and received, and how often it waited.
    fn traffic(&self, py: Python<'_>) -> PyResult<(u64, u64, u64)> {
        self.with(py, |session| {
            let traffic = session.traffic();
            Ok((traffic.sent, traffic.received, traffic.rounds))
        })
    }

    /// Ends the session.
    fn close(&self, py: Python<'_>) -> PyResult<()> {
        self.with(py, direct::Session::close)
    }
}
