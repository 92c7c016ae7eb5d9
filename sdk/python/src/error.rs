//! Errors as exceptions of the package: `tacit.TacitError` and what derives from it.

use pyo3::prelude::*;

/// The exception for an error of the engine: its class goes by the code.
pub(crate) fn raised(error: tacit_mpc::Error) -> PyErr {
    exception(error.code().as_str(), error.to_string())
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
