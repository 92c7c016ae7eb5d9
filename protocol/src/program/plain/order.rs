//! Sorting.

use ndarray::{ArrayD, Axis};

use super::value::{Cells, PlainValue};
use crate::schema::Element;

pub(super) fn sort(value: &PlainValue, axis: u8) -> PlainValue {
    let places = places(value, axis);
    let cells = match &value.cells {
        Cells::Exact(cells) => Cells::Exact(taken(cells, &places, axis)),
        Cells::Real(cells) => Cells::Real(taken(cells, &places, axis)),
    };
    PlainValue { element: value.element.clone(), cells, validity: taken(&value.validity, &places, axis) }
}

pub(super) fn argsort(value: &PlainValue, axis: u8) -> PlainValue {
    let places = places(value, axis).mapv(|place| i128::try_from(place).expect("an index fits"));
    let validity = ArrayD::from_elem(places.raw_dim(), true);
    PlainValue { element: Element::Int64, cells: Cells::Exact(places), validity }
}

pub(super) fn sort_rows(value: &PlainValue, keys: &PlainValue) -> PlainValue {
    let order: Vec<usize> = places(keys, 0).into_iter().collect();
    let cells = match &value.cells {
        Cells::Exact(cells) => Cells::Exact(cells.select(Axis(0), &order)),
        Cells::Real(cells) => Cells::Real(cells.select(Axis(0), &order)),
    };
    PlainValue { element: value.element.clone(), cells, validity: value.validity.select(Axis(0), &order) }
}

/// For each cell in order, where it comes from along the axis.
fn places(value: &PlainValue, axis: u8) -> ArrayD<usize> {
    match &value.cells {
        Cells::Exact(cells) => places_of(cells, &value.validity, axis),
        Cells::Real(cells) => places_of(cells, &value.validity, axis),
    }
}

fn places_of<T: PartialOrd>(cells: &ArrayD<T>, validity: &ArrayD<bool>, axis: u8) -> ArrayD<usize> {
    let axis = Axis(usize::from(axis));
    let mut places = ArrayD::from_shape_fn(cells.raw_dim(), |index| index[axis.index()]);
    let lanes = places.lanes_mut(axis).into_iter().zip(cells.lanes(axis)).zip(validity.lanes(axis));
    for ((mut places, cells), valid) in lanes {
        let mut order = places.to_vec();
        // Stable: what is equal stays as it was, and so do invalid cells, behind all others.
        order.sort_by(|a, b| match (valid[*a], valid[*b]) {
            (true, true) => cells[*a].partial_cmp(&cells[*b]).expect("cells are finite"),
            (a, b) => b.cmp(&a),
        });
        places.iter_mut().zip(order).for_each(|(place, from)| *place = from);
    }
    places
}

fn taken<T: Clone>(cells: &ArrayD<T>, places: &ArrayD<usize>, axis: u8) -> ArrayD<T> {
    ArrayD::from_shape_fn(cells.raw_dim(), |index| {
        let mut from = index.clone();
        from[usize::from(axis)] = places[&index];
        cells[&from].clone()
    })
}
