//! Operations that only arrange cells: broadcasting, reshapes, transposes, slices, concatenation. All are local.

use tacit_protocol::program::SliceAxis;

use super::lattice::hull;
use super::{Array, Lowering};
use crate::error::Result;
use crate::plan::build::row_major;
use crate::plan::step::{ValueId, View};

impl Lowering<'_> {
    /// The shape that NumPy broadcasts these to.
    pub(super) fn common_shape(&self, shapes: &[&[usize]]) -> Result<Vec<usize>> {
        let rank = shapes.iter().map(|shape| shape.len()).max().unwrap_or(0);
        let mut common = vec![1; rank];
        for shape in shapes {
            for (axis, size) in shape.iter().enumerate() {
                let place = &mut common[rank - shape.len() + axis];
                if *place == 1 {
                    *place = *size;
                } else if *size != 1 && *size != *place {
                    return self.refuse("PROGRAM_TYPE", format!("the shapes {shapes:?} do not broadcast"));
                }
            }
        }
        Ok(common)
    }

    pub(super) fn broadcast_pair(&mut self, left: &Array, right: &Array) -> Result<(Array, Array)> {
        let shape = self.common_shape(&[&left.shape, &right.shape])?;
        Ok((self.broadcast(left, &shape), self.broadcast(right, &shape)))
    }

    /// The array in a shape that it broadcasts to.
    pub(super) fn broadcast(&mut self, value: &Array, shape: &[usize]) -> Array {
        if value.shape == shape {
            return value.clone();
        }
        let view = broadcast_view(&value.shape, shape);
        self.rearranged(value, view)
    }

    /// Bits of one shape in a shape that it broadcasts to.
    pub(super) fn broadcast_bits(&mut self, bits: ValueId, from: &[usize], to: &[usize]) -> ValueId {
        self.build.view(bits, broadcast_view(from, to))
    }

    /// The array seen through a view, in the view's shape.
    pub(super) fn rearranged(&mut self, value: &Array, view: View) -> Array {
        let valid = value.valid.map(|valid| self.build.view(valid, view.clone()));
        let shape = view.shape.clone();
        let data = self.build.view(value.data, view);
        let numbers = value.numbers.clone().filter(|numbers| numbers.len() == 1);
        Array { data, valid, shape, numbers, ..value.clone() }
    }

    pub(super) fn reshape(&mut self, value: &Array, shape: Vec<usize>) -> Result<Array> {
        if shape.iter().product::<usize>() != value.cells() {
            return self.refuse("PROGRAM_TYPE", format!("{:?} is not reshaped to {shape:?}", value.shape));
        }
        Ok(Array { shape, ..value.clone() })
    }

    pub(super) fn transpose(&mut self, value: &Array, axes: &[u8]) -> Array {
        let strides = row_major(&value.shape);
        let view = View {
            offset: 0,
            shape: axes.iter().map(|axis| value.shape[usize::from(*axis)]).collect(),
            strides: axes.iter().map(|axis| strides[usize::from(*axis)]).collect(),
        };
        self.rearranged(value, view)
    }

    pub(super) fn slice(&mut self, value: &Array, axes: &[SliceAxis]) -> Result<Array> {
        let strides = row_major(&value.shape);
        let mut view = View { offset: 0, shape: Vec::new(), strides: Vec::new() };
        for ((axis, size), stride) in axes.iter().zip(&value.shape).zip(&strides) {
            let (start, stop) = (self.size(&axis.start)?, self.size(&axis.stop)?);
            if start > stop || stop > *size || axis.step == 0 {
                let cause = format!("{start}..{stop} by {} lies outside an axis of {size}", axis.step);
                return self.refuse("PROGRAM_TYPE", cause);
            }
            let step = axis.step as usize;
            // A length that depends on row counts is typed as an exact quotient.
            let is_fixed = axis.stop.sub(&axis.start).is_ok_and(|length| length.as_fixed().is_some());
            if !is_fixed && (stop - start) % step != 0 {
                let cause = format!("{start}..{stop} is no multiple of the step {step}");
                return self.refuse("PROGRAM_TYPE", cause);
            }
            view.offset += start * stride;
            view.shape.push((stop - start).div_ceil(step));
            view.strides.push(step * stride);
        }
        Ok(self.rearranged(value, view))
    }

    pub(super) fn windows(&mut self, value: &Array, axis: usize, size: usize) -> Result<Array> {
        let (mut shape, mut strides) = (value.shape.clone(), row_major(&value.shape));
        let Some(windows) = shape.get(axis).and_then(|length| (length + 1).checked_sub(size)).filter(|n| *n > 0) else {
            return self.refuse("PROGRAM_TYPE", format!("{shape:?} has no windows of {size} along axis {axis}"));
        };
        shape[axis] = windows;
        shape.push(size);
        strides.push(strides[axis]);
        Ok(self.rearranged(value, View { offset: 0, shape, strides }))
    }

    pub(super) fn flip(&mut self, value: &Array, axis: usize) -> Result<Array> {
        let (shape, mut strides) = (value.shape.clone(), row_major(&value.shape));
        let length = self.length(value, axis)?;
        let offset = length.saturating_sub(1) * strides[axis];
        strides[axis] = strides[axis].wrapping_neg();
        Ok(self.rearranged(value, View { offset, shape, strides }))
    }

    /// Places along an axis, run by run of those that follow each other.
    pub(super) fn take(&mut self, value: &Array, axis: usize, places: &[u32]) -> Result<Array> {
        let length = self.length(value, axis)?;
        if let Some(place) = places.iter().find(|place| **place as usize >= length) {
            return self.refuse("PROGRAM_TYPE", format!("place {place} lies outside an axis of {length}"));
        }
        let strides = row_major(&value.shape);
        let part = |lowering: &mut Self, first: usize, count: usize| {
            let mut shape = value.shape.clone();
            shape[axis] = count;
            lowering.rearranged(value, View { offset: first * strides[axis], shape, strides: strides.clone() })
        };
        let runs = places.chunk_by(|a, b| a.checked_add(1) == Some(*b));
        let parts: Vec<Array> = runs.map(|run| part(self, run[0] as usize, run.len())).collect();
        match parts.is_empty() {
            true => Ok(part(self, 0, 0)),
            false => self.concatenate(&parts, u8::try_from(axis).expect("a program's axes are few")),
        }
    }

    /// The places along an axis.
    fn length(&self, value: &Array, axis: usize) -> Result<usize> {
        match value.shape.get(axis) {
            Some(length) => Ok(*length),
            None => self.refuse("PROGRAM_TYPE", format!("{:?} has no axis {axis}", value.shape)),
        }
    }

    /// Arrays of one element, one after the other along an axis.
    pub(super) fn concatenate(&mut self, parts: &[Array], axis: u8) -> Result<Array> {
        let axis = usize::from(axis);
        let Some(first) = parts.first().filter(|first| axis < first.shape.len()) else {
            return self.refuse("PROGRAM_TYPE", "there is nothing to concatenate along this axis");
        };
        let mut shape = first.shape.clone();
        shape[axis] = parts.iter().map(|part| part.shape[axis]).sum();
        let outer = shape[..axis].iter().product();
        let data = self.build.concatenate(parts.iter().map(|part| part.data).collect(), outer);
        let valid = if parts.iter().any(|part| part.valid.is_some()) {
            let valid = parts
                .iter()
                .map(|part| part.valid.unwrap_or_else(|| self.build.fill_bits(true, part.cells())))
                .collect();
            Some(self.build.concatenate(valid, outer))
        } else {
            None
        };
        let range = parts.iter().map(|part| part.range).fold(first.range, hull);
        let error = parts.iter().try_fold(0.0_f64, |most, part| part.error.map(|error| most.max(error)));
        Ok(Array { data, valid, element: first.element.clone(), shape, range, error, numbers: None })
    }
}

fn broadcast_view(from: &[usize], to: &[usize]) -> View {
    let own = row_major(from);
    let missing = to.len() - from.len();
    let strides = (0..to.len())
        .map(|axis| match axis.checked_sub(missing) {
            Some(axis) if from[axis] != 1 => own[axis],
            _ => 0,
        })
        .collect();
    View { offset: 0, shape: to.to_vec(), strides }
}
