//! Arrays of a session, and the operations that make one from others.

use pyo3::prelude::*;
use serde::de::IntoDeserializer;
use serde::de::value::StrDeserializer;
use serde::{Deserialize, de};
use tacit_mpc::direct;
use tacit_protocol::Number;
use tacit_protocol::program::types::Validity;
use tacit_protocol::program::{Binary, Dim, NodeId, Op, Reduction, SliceAxis, Unary};

use crate::convert;
use crate::error::{raised, wrong};

/// An array: what it is computed from, and what is known of it.
#[pyclass(frozen, module = "tacit._native")]
pub(crate) struct Lazy(pub(crate) direct::Lazy);

#[pymethods]
impl Lazy {
    /// The sizes of its axes.
    #[getter]
    fn shape(&self) -> Vec<u64> {
        self.0.shape()
    }

    /// Its type as NumPy has it: `bool`, `int64` or `float64`.
    #[getter]
    fn dtype(&self) -> &'static str {
        convert::dtype(&self.0.array().element)
    }

    /// How fine its real numbers are: `default` or `high`.
    #[getter]
    fn precision(&self) -> &'static str {
        convert::precision(&self.0.array().element)
    }

    /// The least and the largest value that its cells can have, as decimal texts around them; none if too large to write.
    #[getter]
    fn range(&self) -> Option<(String, String)> {
        let array = self.0.array();
        let (lo, hi) = array.range.numbers(&array.element)?;
        Some((lo.to_string(), hi.to_string()))
    }

    /// Whether cells may be undefined, such as quotients by 0.
    #[getter]
    fn nullable(&self) -> bool {
        self.0.array().validity == Validity::Secret
    }

    /// Whether both parties know it.
    #[getter]
    fn public(&self) -> bool {
        self.0.array().public
    }
}

/// Adds the operations to the module.
pub(crate) fn functions(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(has, module)?)?;
    module.add_function(wrap_pyfunction!(constant, module)?)?;
    module.add_function(wrap_pyfunction!(full, module)?)?;
    module.add_function(wrap_pyfunction!(unary, module)?)?;
    module.add_function(wrap_pyfunction!(binary, module)?)?;
    module.add_function(wrap_pyfunction!(cast, module)?)?;
    module.add_function(wrap_pyfunction!(choose, module)?)?;
    module.add_function(wrap_pyfunction!(reduce, module)?)?;
    module.add_function(wrap_pyfunction!(matmul, module)?)?;
    module.add_function(wrap_pyfunction!(reshape, module)?)?;
    module.add_function(wrap_pyfunction!(transpose, module)?)?;
    module.add_function(wrap_pyfunction!(concatenate, module)?)?;
    module.add_function(wrap_pyfunction!(slice, module)?)?;
    module.add_function(wrap_pyfunction!(along, module)?)?;
    module.add_function(wrap_pyfunction!(sort_rows, module)?)?;
    module.add_function(wrap_pyfunction!(take, module)?)?;
    module.add_function(wrap_pyfunction!(windows, module)?)?;
    module.add_function(wrap_pyfunction!(assume, module)?)
}

fn made(op: Op, operands: &[&Lazy], name: Option<String>) -> PyResult<Lazy> {
    let operands = operands.iter().map(|operand| operand.0.clone()).collect();
    direct::Lazy::new(op, operands, name).map(Lazy).map_err(raised)
}

/// The variant of the engine's that has this name in programs.
fn variant<'n, T: Deserialize<'n>>(name: &'n str) -> Option<T> {
    let text: StrDeserializer<'n, de::value::Error> = name.into_deserializer();
    T::deserialize(text).ok()
}

fn named<'n, T: Deserialize<'n>>(kind: &str, name: &'n str) -> PyResult<T> {
    variant(name).ok_or_else(|| wrong(format!("the engine has no {kind} {name:?}")))
}

/// Whether the engine has a function of this kind (`unary`, `binary`, `reduction`) and name.
#[pyfunction]
fn has(kind: &str, name: &str) -> bool {
    match kind {
        "unary" => variant::<Unary>(name).is_some(),
        "binary" => variant::<Binary>(name).is_some(),
        "reduction" => variant::<Reduction>(name).is_some(),
        _ => false,
    }
}

/// Public values.
#[pyfunction]
fn constant(values: &Bound<'_, PyAny>, name: Option<String>) -> PyResult<Lazy> {
    let (data, shape, element) = convert::cells(values)?;
    made(Op::Constant { element, shape, values: convert::numbers(&data)? }, &[], name)
}

/// One public value everywhere.
#[pyfunction]
fn full(value: &Bound<'_, PyAny>, shape: Vec<u64>, name: Option<String>) -> PyResult<Lazy> {
    let (data, _, element) = convert::cells(value)?;
    match convert::numbers(&data)?[..] {
        [value] => made(Op::Full { element, shape: shape.into_iter().map(Dim::fixed).collect(), value }, &[], name),
        _ => Err(wrong("the value is no scalar")),
    }
}

#[pyfunction]
fn unary(function: &str, value: &Lazy, name: Option<String>) -> PyResult<Lazy> {
    made(Op::Unary { function: named("unary function", function)?, value: NodeId(0) }, &[value], name)
}

#[pyfunction]
fn binary(function: &str, left: &Lazy, right: &Lazy, name: Option<String>) -> PyResult<Lazy> {
    let function = named("binary function", function)?;
    made(Op::Binary { function, left: NodeId(0), right: NodeId(1) }, &[left, right], name)
}

/// The value in another type, by a name of NumPy's or `float64_high`.
#[pyfunction]
fn cast(value: &Lazy, dtype: &str, name: Option<String>) -> PyResult<Lazy> {
    made(Op::Cast { value: NodeId(0), element: convert::element(dtype)? }, &[value], name)
}

#[pyfunction]
fn choose(condition: &Lazy, then: &Lazy, otherwise: &Lazy, name: Option<String>) -> PyResult<Lazy> {
    let op = Op::Where { condition: NodeId(0), then: NodeId(1), otherwise: NodeId(2) };
    made(op, &[condition, then, otherwise], name)
}

#[pyfunction]
fn reduce(
    function: &str,
    value: &Lazy,
    axes: Vec<u8>,
    keep_dims: bool,
    mask: Option<&Lazy>,
    name: Option<String>,
) -> PyResult<Lazy> {
    let function = named("reduction", function)?;
    let op = Op::Reduce { function, value: NodeId(0), axes, keep_dims, mask: mask.map(|_| NodeId(1)) };
    let operands: Vec<&Lazy> = [Some(value), mask].into_iter().flatten().collect();
    made(op, &operands, name)
}

#[pyfunction]
fn matmul(left: &Lazy, right: &Lazy, name: Option<String>) -> PyResult<Lazy> {
    made(Op::MatMul { left: NodeId(0), right: NodeId(1) }, &[left, right], name)
}

#[pyfunction]
fn reshape(value: &Lazy, shape: Vec<u64>, name: Option<String>) -> PyResult<Lazy> {
    let shape = shape.into_iter().map(Dim::fixed).collect();
    made(Op::Reshape { value: NodeId(0), shape }, &[value], name)
}

#[pyfunction]
fn transpose(value: &Lazy, axes: Vec<u8>, name: Option<String>) -> PyResult<Lazy> {
    made(Op::Transpose { value: NodeId(0), axes }, &[value], name)
}

#[pyfunction]
fn concatenate(values: Vec<Bound<'_, Lazy>>, axis: u8, name: Option<String>) -> PyResult<Lazy> {
    let operands: Vec<&Lazy> = values.iter().map(Bound::get).collect();
    let places = (0..operands.len()).map(|place| NodeId(u32::try_from(place).unwrap_or(u32::MAX))).collect();
    made(Op::Concatenate { values: places, axis }, &operands, name)
}

/// The parts of the axes, each from a start to before a stop in steps.
#[pyfunction]
fn slice(value: &Lazy, axes: Vec<(u64, u64, u32)>, name: Option<String>) -> PyResult<Lazy> {
    let axis = |(start, stop, step)| SliceAxis { start: Dim::fixed(start), stop: Dim::fixed(stop), step };
    made(Op::Slice { value: NodeId(0), axes: axes.into_iter().map(axis).collect() }, &[value], name)
}

/// What runs along an axis: `sort`, `argsort`, `flip` or `cumsum`.
#[pyfunction]
fn along(function: &str, value: &Lazy, axis: u8, name: Option<String>) -> PyResult<Lazy> {
    let operand = NodeId(0);
    let op = match function {
        "sort" => Op::Sort { value: operand, axis },
        "argsort" => Op::Argsort { value: operand, axis },
        "flip" => Op::Flip { value: operand, axis },
        "cumsum" => Op::Cumsum { value: operand, axis },
        other => return Err(wrong(format!("the engine has no {other:?} along an axis"))),
    };
    made(op, &[value], name)
}

/// The rows in the ascending order of their keys.
#[pyfunction]
fn sort_rows(value: &Lazy, keys: &Lazy, name: Option<String>) -> PyResult<Lazy> {
    made(Op::SortRows { value: NodeId(0), keys: NodeId(1) }, &[value, keys], name)
}

/// The cells of these places along an axis.
#[pyfunction]
fn take(value: &Lazy, axis: u8, places: Vec<u32>, name: Option<String>) -> PyResult<Lazy> {
    made(Op::Take { value: NodeId(0), axis, places }, &[value], name)
}

/// All windows of a size along an axis; a new last axis has their cells.
#[pyfunction]
fn windows(value: &Lazy, axis: u8, size: u32, name: Option<String>) -> PyResult<Lazy> {
    made(Op::Windows { value: NodeId(0), axis, size }, &[value], name)
}

/// The value, promised to be within a range.
#[pyfunction]
fn assume(value: &Lazy, lo: &str, hi: &str, name: Option<String>) -> PyResult<Lazy> {
    made(Op::Assume { value: NodeId(0), lo: number(lo)?, hi: number(hi)? }, &[value], name)
}

/// A number as it is written.
pub(crate) fn number(text: &str) -> PyResult<Number> {
    text.parse().map_err(|error: <Number as std::str::FromStr>::Err| wrong(error.to_string()))
}
