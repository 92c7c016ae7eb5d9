//! A party's share of a value, with what is needed to bring it back.

use std::sync::Arc;

use numpy::{IntoPyArray, PyArrayDyn, PyArrayMethods};
use pyo3::prelude::*;
use tacit_mpc::direct::SharedValue;
use tacit_mpc::inputs::{Part, Words};
use tacit_protocol::PartyId;
use tacit_protocol::program::{InputSource, Op, Shares};
use tacit_protocol::schema::Element;

use crate::array::number;
use crate::convert;
use crate::error::exception;

/// One party's share.
#[pyclass(frozen, module = "tacit._native")]
pub(crate) struct Share {
    pub(crate) op: Op,
    pub(crate) part: Arc<Part>,
}

impl Share {
    fn form(cause: &str) -> PyErr {
        exception("SHARE_FORM", cause.to_owned())
    }

    fn about(&self) -> PyResult<(&Shares, &Element, &[u64], [String; 2])> {
        match &self.op {
            Op::Input { from: InputSource::Shares(shares), element, shape, lo, hi } => {
                Ok((shares, element, shape, [lo.to_string(), hi.to_string()]))
            }
            _ => Err(Self::form("the value is not held as shares")),
        }
    }
}

#[pymethods]
impl Share {
    /// A share from its words and what is public of the value.
    #[new]
    #[pyo3(signature = (party, words, *, dtype, shape, range, word_bits, error=0, valid=None))]
    #[allow(clippy::too_many_arguments)]
    fn new(
        party: u8,
        words: &Bound<'_, PyArrayDyn<u64>>,
        dtype: &str,
        shape: Vec<u64>,
        range: (String, String),
        word_bits: u8,
        error: Option<u64>,
        valid: Option<&Bound<'_, PyArrayDyn<u64>>>,
    ) -> PyResult<Self> {
        let flat = |array: &Bound<'_, PyArrayDyn<u64>>| -> PyResult<Vec<u64>> {
            Ok(array.try_readonly()?.as_array().iter().copied().collect())
        };
        let element = convert::element(dtype)?;
        let words = match (&element, word_bits) {
            (Element::Bool, _) => Words::Bits(flat(words)?),
            (_, 128) => {
                let wide = |pair: &[u64]| u128::from(pair[0]) | u128::from(pair[1]) << 64;
                Words::Wide(flat(words)?.chunks_exact(2).map(wide).collect())
            }
            _ => Words::Narrow(flat(words)?),
        };
        let valid = valid.map(flat).transpose()?;
        let shares = Shares { word_bits, nullable: valid.is_some(), error };
        let cells = shape.iter().try_fold(1_usize, |cells, size| cells.checked_mul(usize::try_from(*size).ok()?));
        let part = cells.and_then(|cells| Part::shares(PartyId(party), cells, words, valid));
        let part = part.ok_or_else(|| Self::form("the words are not as many as the shape takes"))?;
        let [lo, hi] = [number(&range.0)?, number(&range.1)?];
        let op = Op::Input { from: InputSource::Shares(shares), element, shape, lo, hi };
        Ok(Self { op, part: Arc::new(part) })
    }

    /// Whose share it is.
    #[getter]
    fn party(&self) -> u8 {
        self.part.party().0
    }

    /// The type of the value: `bool`, `int64`, `float64` or, of high precision, `float64_high`.
    #[getter]
    fn dtype(&self) -> PyResult<&'static str> {
        Ok(convert::name(self.about()?.1))
    }

    /// The shape of the value.
    #[getter]
    fn shape(&self) -> PyResult<Vec<u64>> {
        Ok(self.about()?.2.to_vec())
    }

    /// The least and the largest value that a cell can have.
    #[getter]
    fn range(&self) -> PyResult<(String, String)> {
        let [lo, hi] = self.about()?.3;
        Ok((lo, hi))
    }

    /// The width of the ring's words: 64 or 128.
    #[getter]
    fn word_bits(&self) -> u8 {
        self.part.word_bits()
    }

    /// How far the value may lie from the exact one, in steps of its type; none: without bound.
    #[getter]
    fn error(&self) -> PyResult<Option<u64>> {
        Ok(self.about()?.0.error)
    }

    /// The words, one a cell in row-major order; two of 64 bits each, the lower first, where words have 128; bits of bools
    /// packed, the first lowest.
    #[getter]
    fn words<'py>(&self, py: Python<'py>) -> Bound<'py, PyAny> {
        let words: Vec<u64> = match self.part.content() {
            Words::Narrow(words) | Words::Bits(words) => words.clone(),
            Words::Wide(words) => words.iter().flat_map(|word| [*word as u64, (*word >> 64) as u64]).collect(),
        };
        words.into_pyarray(py).into_any()
    }

    /// Shares of which cells are defined, packed; none: all are.
    #[getter]
    fn valid<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyAny>> {
        self.part.valid().map(|valid| valid.to_vec().into_pyarray(py).into_any())
    }

    /// The same share in words of 64 bits, where the value fits them.
    fn narrowed(&self) -> PyResult<Self> {
        let part = Arc::new(self.part.narrowed());
        let Op::Input { from: InputSource::Shares(shares), element, shape, lo, hi } = self.op.clone() else {
            return Err(Self::form("the value is not held as shares"));
        };
        let from = InputSource::Shares(Shares { word_bits: part.word_bits(), ..shares });
        let op = Op::Input { from, element, shape, lo, hi };
        tacit_mpc::direct::Lazy::new(op.clone(), Vec::new(), None).map_err(crate::error::raised)?;
        Ok(Self { op, part })
    }

    fn __repr__(&self) -> PyResult<String> {
        let (_, element, shape, _) = self.about()?;
        Ok(format!("Share({}, {}, shape={shape:?}, <redacted>)", self.part.party(), convert::name(element)))
    }
}

/// The shares of the parties that are here, as one value.
pub(crate) fn together(shares: &[Bound<'_, Share>]) -> PyResult<SharedValue> {
    let first = shares.first().ok_or_else(|| Share::form("there is no share"))?.get();
    if shares.iter().any(|share| share.get().op != first.op) {
        return Err(Share::form("the shares are not of one value: type, shape, range or width of words differ"));
    }
    let parts = shares.iter().map(|share| Some(Arc::clone(&share.get().part))).collect();
    Ok(SharedValue { op: first.op.clone(), parts })
}
