//! Gradients of least squares in a loop: `X^T (X w - y)`, where the loop changes neither `X` nor `y`, as
//! `(X^T X) w - X^T y`.
//!
//! `X^T X` and `X^T y` are made once; each trip then multiplies a matrix with as many rows as `X` has columns. Values are
//! the same but for rounding, of which there is less: `X^T y` and the product by `w` are exact until their difference
//! is rounded, and no error is summed over the rows of `X`. Ranges, widths and errors are those that the same steps have
//! anywhere. [`super::release::lower`] takes the form where the plan is cheaper with it, fits words as narrow, and states
//! no output less exactly.
//!
//! Covered is a product in a loop's body whose left factor is the transpose, made in the body, of a captured matrix `X`, and
//! whose right factor is `X w`, `X w - y`, `y - X w`, `X w + y` or `y + X w` with a captured `y` of the product's shape;
//! all of them of one element of real numbers and valid in every cell. Not covered: what is captured already transposed,
//! other names of `X` (a second capture of it, or a reshape), weighted residuals, other elements, and products outside of
//! loops.

use tacit_protocol::program::{Binary, Block, BlockId, NodeId, Op, Unary};

use super::{Array, Lowered, Lowering};
use crate::error::Result;

/// A product that has another form: its body and its place there.
pub(super) type Site = (BlockId, NodeId);

/// What a step is there for in this form, as explanations name it.
const GRAM: &str = "X^T X, once, for X^T (X w - y) as (X^T X) w - X^T y";
const TARGET: &str = "X^T y, once, for X^T (X w - y) as (X^T X) w - X^T y";
const PRODUCT: &str = "(X^T X) w, for X^T (X w - y)";

/// The parts of such a product.
struct Parts {
    x: Array,
    w: Array,
    /// Whether `X w` counts negatively.
    negative: bool,
    /// `y`, and whether it counts negatively.
    y: Option<(Array, bool)>,
}

impl Lowering<'_> {
    /// The product at `site` in its other form, if it has one and this lowering is to take it.
    ///
    /// `values` are those of the body before it, `own` the number of the values that the loop changes.
    pub(super) fn gradient(
        &mut self,
        site: Site,
        body: &Block,
        values: &[Lowered],
        parameters: &[Array],
        own: usize,
    ) -> Result<Option<Array>> {
        let Some(parts) = self.parts(site.1, body, values, parameters, own) else { return Ok(None) };
        self.sites.insert(site);
        if !self.chosen.contains(&site) {
            return Ok(None);
        }
        let Parts { x, w, negative, y } = parts;
        let transposed = self.transpose(&x, &[1, 0]);
        let gram = self.exact_product(&transposed, &x)?;
        self.build.note(gram.data, GRAM);
        let gram = self.of_product(&transposed, &x, gram)?;
        let mut sum = self.exact_product(&gram, &w)?;
        self.build.note(sum.data, PRODUCT);
        if negative {
            sum = self.unary(Unary::Negate, &sum);
        }
        if let Some((y, negative)) = y {
            let target = self.exact_product(&transposed, &y)?;
            self.build.note(target.data, TARGET);
            sum = self.sum_of(&sum, &target, if negative { -1 } else { 1 })?;
        }
        self.of_product(&gram, &w, sum).map(Some)
    }

    fn parts(
        &self,
        product: NodeId,
        body: &Block,
        values: &[Lowered],
        parameters: &[Array],
        own: usize,
    ) -> Option<Parts> {
        let op = |node: NodeId| body.nodes.get(node.index()).map(|node| &node.op);
        let array = |node: NodeId| match values.get(node.index()) {
            Some(Lowered::Array(array)) if array.element.is_float() && array.valid.is_none() => Some(array),
            _ => None,
        };
        // A parameter that the loop leaves as it is; the last one is the trip number.
        let captured = |node: NodeId| match op(node) {
            Some(Op::Parameter { index }) if (own..parameters.len() - 1).contains(&(*index as usize)) => Some(*index),
            _ => None,
        };
        let Some(Op::MatMul { left, right }) = op(product) else { return None };
        let Some(Op::Transpose { value: x, axes }) = op(*left) else { return None };
        let name = captured(*x)?;
        let times_x = |node: NodeId| match op(node) {
            Some(Op::MatMul { left, right }) if captured(*left) == Some(name) => Some(*right),
            _ => None,
        };
        let (w, negative, y) = match op(*right)? {
            Op::MatMul { .. } => (times_x(*right)?, false, None),
            Op::Binary { function: function @ (Binary::Subtract | Binary::Add), left, right } => {
                let minus = *function == Binary::Subtract;
                match (times_x(*left), times_x(*right)) {
                    (Some(w), _) => (w, false, Some((*right, minus))),
                    (None, Some(w)) => (w, minus, Some((*left, false))),
                    (None, None) => return None,
                }
            }
            _ => return None,
        };
        let x = array(*x)?;
        let w = array(w).filter(|w| w.element == x.element)?;
        let shape = match (&x.shape[..], &w.shape[..]) {
            ([rows, _], [_]) => vec![*rows],
            ([rows, _], [_, columns]) => vec![*rows, *columns],
            _ => return None,
        };
        let y = match y {
            None => None,
            Some((y, negative)) => {
                captured(y)?;
                let y = array(y).filter(|y| y.shape == shape && y.element == x.element)?;
                Some((y.clone(), negative))
            }
        };
        let by_rows = axes[..] == [1, 0];
        by_rows.then(|| Parts { x: x.clone(), w: w.clone(), negative, y })
    }
}
