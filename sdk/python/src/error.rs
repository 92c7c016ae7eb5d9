//! Errors as exceptions of the package: `tacit.TacitError` and what derives from it.

use pyo3::prelude::*;
use tacit_protocol::PartyId;

/// The exception for an error of the engine: its class goes by the code.
pub(crate) fn raised(error: tacit_mpc::Error) -> PyErr {
    exception(error.code().as_str(), error.to_string())
}

/// The same of a session whose other party is elsewhere: it says which one, where something went wrong between them.
pub(crate) fn raised_with(error: tacit_mpc::Error, peer: Option<PartyId>) -> PyErr {
    match (peer, error.step()) {
        (Some(peer), Some(_)) => exception(error.code().as_str(), format!("with {peer}: {error}")),
        _ => raised(error),
    }
}

/// The exception for a code.
pub(crate) fn exception(code: &str, text: String) -> PyErr {
    let made = Python::attach(|py| {
        let made = py.import("tacit._errors")?.getattr("exception")?.call1((code, text))?;
        Ok(PyErr::from_value(made))
    });
    made.unwrap_or_else(|error: PyErr| error)
}

/// The exception for what the engine has no name for.
pub(crate) fn wrong(text: impl Into<String>) -> PyErr {
    exception("PROGRAM_TYPE", text.into())
}
