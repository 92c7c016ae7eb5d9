//! The native part of the Python package `tacit`: sessions of [`tacit_mpc::direct`] and their arrays.
//!
//! It is thin: the engine is in `tacit-mpc`, NumPy's rules are in the Python sources beside it. Nothing here waits with
//! the interpreter's lock held.

mod array;
mod connect;
mod convert;
mod error;
mod session;
mod share;

use pyo3::prelude::*;

/// The module `tacit._native`.
#[pymodule]
#[pyo3(name = "_native")]
fn native(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    module.add_class::<array::Lazy>()?;
    module.add_class::<session::Session>()?;
    module.add_class::<share::Share>()?;
    array::functions(module)?;
    module.add_function(wrap_pyfunction!(session::new_key, module)?)
}
