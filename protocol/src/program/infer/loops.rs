//! Loops: the body is typed once, with the carried values anywhere in their declared ranges.

use super::range::describe;
use super::rules::Rule;
use super::{Here, Inference, TypedBlock};
use crate::program::types::{ArrayType, Interval, Validity};
use crate::program::{BlockId, Carried, Op, ProgramError};
use crate::schema::Element;

impl Inference<'_> {
    /// The carried values after the last trip.
    pub(super) fn repeat(&mut self, here: &Here<'_>, op: &Op) -> Result<Vec<ArrayType>, ProgramError> {
        let Op::Loop { body, trips, carried, captured } = op else {
            return Err(here.type_error("it is no loop", ""));
        };
        let mut state: Vec<ArrayType> = Vec::with_capacity(carried.len());
        for value in carried {
            state.push(self.initial(here, value)?);
        }
        let captured: Result<Vec<ArrayType>, _> = captured.iter().map(|node| here.array(*node).cloned()).collect();
        let captured = captured?;
        let mut typed = self.body(*body, &state, &captured, *trips)?;
        let same = |typed: &TypedBlock, state: &[ArrayType], program: &crate::program::Program| {
            let results = &program.blocks[body.0 as usize].results;
            results.iter().zip(state).all(|(result, state)| {
                typed.array(*result).is_some_and(|r| {
                    (r.validity == state.validity || state.validity == Validity::Secret) && (r.public || !state.public)
                })
            })
        };
        if !same(&typed, &state, self.program) {
            // A carried value that becomes secret, or invalid, is so from the first trip on.
            for value in &mut state {
                (value.validity, value.public) = (Validity::Secret, false);
            }
            typed = self.body(*body, &state, &captured, *trips)?;
        }
        self.check_results(here, *body, &typed, &state)?;
        self.blocks[body.0 as usize] = typed;
        Ok(state)
    }

    fn initial(&self, here: &Here<'_>, carried: &Carried) -> Result<ArrayType, ProgramError> {
        let initial = here.array(carried.initial)?;
        let range = Rule { here, rows: &self.rows }.declared(&initial.element, carried.lo, carried.hi)?;
        if range.hull(initial.range) != range {
            let cause = format!(
                "its initial value {} lies in {}, beyond the declared [{}, {}]",
                here.describe(carried.initial),
                describe(&initial.range, &initial.element),
                carried.lo,
                carried.hi
            );
            return Err(here.range_error(cause, "Widen the declared range, or narrow the initial value by `assume`."));
        }
        Ok(ArrayType { range, ..initial.clone() })
    }

    fn body(
        &mut self,
        body: BlockId,
        carried: &[ArrayType],
        captured: &[ArrayType],
        trips: u32,
    ) -> Result<TypedBlock, ProgramError> {
        let trip = ArrayType {
            element: Element::Int64,
            shape: Vec::new(),
            range: Interval { lo: 0, hi: i128::from(trips.saturating_sub(1)) },
            validity: Validity::AllTrue,
            public: true,
        };
        let parameters: Vec<ArrayType> = carried.iter().chain(captured).cloned().chain([trip]).collect();
        let program = self.program;
        self.block(Some(body), &program.blocks[body.0 as usize].nodes, &parameters)
    }

    fn check_results(
        &self,
        here: &Here<'_>,
        body: BlockId,
        typed: &TypedBlock,
        state: &[ArrayType],
    ) -> Result<(), ProgramError> {
        let results = &self.program.blocks[body.0 as usize].results;
        if results.len() != state.len() {
            let cause = format!("its body has {} results for {} carried values", results.len(), state.len());
            return Err(here.type_error(cause, "Give one result a carried value."));
        }
        for (index, (result, state)) in results.iter().zip(state).enumerate() {
            let same_type = typed.array(*result).is_some_and(|array| {
                array.element == state.element
                    && array.shape.len() == state.shape.len()
                    && array.shape.iter().zip(&state.shape).all(|(a, b)| a.same_as(b))
            });
            if !same_type {
                let shown =
                    |array: &ArrayType| format!("{} {}", array.element.name(), super::shape::show(&array.shape));
                let came = typed.array(*result).map_or("no array".into(), shown);
                let cause = format!("carried value {index} is {}, its next value is {came}", shown(state));
                return Err(here.type_error(cause, "Keep the type and shape, or cast the initial value."));
            }
        }
        Ok(())
    }
}
