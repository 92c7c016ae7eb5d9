//! NumPy arrays to cells and back.

use numpy::{IntoPyArray, PyArrayDyn, PyArrayMethods, PyUntypedArrayMethods};
use pyo3::prelude::*;
use tacit_mpc::released::{Cell, ReleasedValue};
use tacit_protocol::Number;
use tacit_protocol::number::MAX_SCALE;
use tacit_protocol::program::plain::PlainData;
use tacit_protocol::schema::{Element, Precision};

use crate::error::wrong;

/// The cells of a NumPy array of bool, int64 or float64, in row-major order, its shape and its element.
pub(crate) fn cells(array: &Bound<'_, PyAny>) -> PyResult<(PlainData, Vec<u64>, Element)> {
    if let Ok(array) = array.cast::<PyArrayDyn<f64>>() {
        return Ok((
            PlainData::Float64(array.try_readonly()?.as_array().iter().copied().collect()),
            shape(array),
            Element::Float64,
        ));
    }
    if let Ok(array) = array.cast::<PyArrayDyn<i64>>() {
        return Ok((
            PlainData::Int64(array.try_readonly()?.as_array().iter().copied().collect()),
            shape(array),
            Element::Int64,
        ));
    }
    if let Ok(array) = array.cast::<PyArrayDyn<bool>>() {
        return Ok((
            PlainData::Bool(array.try_readonly()?.as_array().iter().copied().collect()),
            shape(array),
            Element::Bool,
        ));
    }
    Err(wrong("the array is not of bool, int64 or float64"))
}

fn shape<T>(array: &Bound<'_, PyArrayDyn<T>>) -> Vec<u64> {
    array.shape().iter().map(|size| *size as u64).collect()
}

/// The numbers of public cells. A float64 has the shortest decimal that reads back as itself, or where that has more digits
/// than numbers have, the nearest with as many as they have.
pub(crate) fn numbers(data: &PlainData) -> PyResult<Vec<Number>> {
    let float = |value: &f64| {
        let digits = |places: usize| format!("{value:.places$}").parse().ok();
        let rounded = || (0..=usize::from(MAX_SCALE)).rev().find_map(digits);
        let number = value.is_finite().then(|| Number::try_from(*value).ok().or_else(rounded)).flatten();
        number.ok_or_else(|| wrong(format!("the public value {value} is no number below 10^27")))
    };
    match data {
        PlainData::Bool(cells) => Ok(cells.iter().map(|cell| Number::from(i64::from(*cell))).collect()),
        PlainData::Int64(cells) => Ok(cells.iter().map(|cell| Number::from(*cell)).collect()),
        PlainData::Float64(cells) => cells.iter().map(float).collect(),
        _ => Err(wrong("the array is not of bool, int64 or float64")),
    }
}

/// The name of an element as NumPy has it; decimals count as float64.
pub(crate) fn dtype(element: &Element) -> &'static str {
    match element {
        Element::Bool => "bool",
        Element::Int64 => "int64",
        _ => "float64",
    }
}

/// The name of an element by which it is known again: that of NumPy, and `float64_high`.
pub(crate) fn name(element: &Element) -> &'static str {
    match element {
        Element::Float64High => "float64_high",
        element => dtype(element),
    }
}

/// The name of a precision in Python.
pub(crate) fn precision(element: &Element) -> &'static str {
    match element.precision() {
        Some(Precision::High) => "high",
        _ => "default",
    }
}

/// The element of a [`name`].
pub(crate) fn element(dtype: &str) -> PyResult<Element> {
    match dtype {
        "bool" => Ok(Element::Bool),
        "int64" => Ok(Element::Int64),
        "float64" => Ok(Element::Float64),
        "float64_high" => Ok(Element::Float64High),
        _ => Err(wrong(format!("secret arrays are bool, int64, float64 or float64_high, not {dtype}"))),
    }
}

/// A revealed value as an array, and which of its cells are defined; none: all. Undefined cells of float64 are NaN.
pub(crate) fn revealed<'py>(
    py: Python<'py>,
    value: &ReleasedValue,
) -> PyResult<(Bound<'py, PyAny>, Option<Bound<'py, PyAny>>)> {
    let shape: Vec<usize> = value.shape.iter().map(|size| *size as usize).collect();
    let integer = |cell: &Cell| if let Cell::Released(value) = cell { *value } else { 0 };
    let array = match value.element {
        Element::Bool => {
            let cells: Vec<bool> = value.cells.iter().map(|cell| integer(cell) != 0).collect();
            cells.into_pyarray(py).reshape(shape.clone())?.into_any()
        }
        Element::Int64 => {
            let cells: Vec<i64> = value.cells.iter().map(|cell| integer(cell) as i64).collect();
            cells.into_pyarray(py).reshape(shape.clone())?.into_any()
        }
        _ => value.to_f64().into_pyarray(py).reshape(shape.clone())?.into_any(),
    };
    let defined: Vec<bool> = value.cells.iter().map(|cell| matches!(cell, Cell::Released(_))).collect();
    if defined.iter().all(|cell| *cell) {
        return Ok((array, None));
    }
    Ok((array, Some(defined.into_pyarray(py).reshape(shape)?.into_any())))
}
