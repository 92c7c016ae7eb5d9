//! Tables: loading, joining, filtering, and what may leave a program.

use super::{Here, Inference, TypedBlock};
use crate::program::types::{ArrayType, Dataset, Interval, TableColumn, TableType, Validity, ValueType};
use crate::program::{Alignment, Dim, NodeId, Op, Place, Program, ProgramError};
use crate::schema::{ColumnSchema, Element};

impl Inference<'_> {
    pub(super) fn load(&mut self, here: &Here<'_>, name: &str) -> Result<TableType, ProgramError> {
        let node = here.place.node;
        let Some(dataset) = self.datasets.get(name) else {
            let near = nearest(name, self.datasets.keys().map(String::as_str));
            return Err(ProgramError::Dataset { place: here.place.clone(), dataset: name.into(), near });
        };
        self.rows.insert(node, (dataset.schema.rows, dataset.schema.rows));
        let column = |schema: &ColumnSchema| {
            Ok(TableColumn {
                dataset: name.into(),
                source: node,
                owner: dataset.owner,
                name: schema.name.clone(),
                array: ArrayType {
                    element: schema.element.clone(),
                    shape: vec![Dim::rows_of(node)],
                    range: declared(here, dataset, name, schema)?,
                    validity: if schema.nullable { Validity::Secret } else { Validity::AllTrue },
                    public: false,
                },
            })
        };
        let columns: Result<_, ProgramError> = dataset.schema.columns.iter().map(column).collect();
        Ok(TableType { rows_of: node, columns: columns?, filters: Vec::new() })
    }

    pub(super) fn join(&mut self, here: &Here<'_>, op: &Op) -> Result<TableType, ProgramError> {
        let Op::Join { left, right, left_on, right_on, alignment } = op else {
            return Err(here.type_error("it is no join", ""));
        };
        let (l, r) = (here.table(*left)?, here.table(*right)?);
        for (table, on) in [(l, left_on), (r, right_on)] {
            let key = find(here, table, on)?;
            if key.array.element != Element::Key {
                let cause = format!("{} is {}; tables are joined on keys", full_name(key), key.array.element.name());
                return Err(here.type_error(cause, "Let its owner import that column as a key."));
            }
        }
        let node = here.place.node;
        let most = |table: &TableType| self.rows.get(&table.rows_of).map_or(u64::MAX, |(_, most)| *most);
        self.rows.insert(node, (0, most(l).min(most(r))));
        let columns = l.columns.iter().chain(&r.columns).map(|column| {
            let mut column = column.clone();
            column.array.shape = vec![Dim::rows_of(node)];
            if *alignment == Alignment::Private {
                column.array.validity = Validity::Secret;
            }
            column
        });
        Ok(TableType {
            rows_of: node,
            columns: columns.collect(),
            filters: l.filters.iter().chain(&r.filters).copied().collect(),
        })
    }
}

pub(super) fn filter(here: &Here<'_>, table: NodeId, mask: NodeId) -> Result<TableType, ProgramError> {
    let (mut filtered, by) = (here.table(table)?.clone(), here.array(mask)?);
    let rows = [Dim::rows_of(filtered.rows_of)];
    if by.element != Element::Bool || by.shape != rows {
        let cause = format!(
            "a mask is bool of shape [{}]; {} is {} of shape {}",
            rows[0],
            here.describe(mask),
            by.element.name(),
            super::shape::show(&by.shape)
        );
        return Err(here.type_error(cause, "Filter a table by a condition on its own columns."));
    }
    for column in &mut filtered.columns {
        column.array.validity = Validity::Secret;
    }
    filtered.filters.push(mask);
    Ok(filtered)
}

pub(super) fn column(here: &Here<'_>, table: NodeId, name: &str) -> Result<ArrayType, ProgramError> {
    let column = find(here, here.table(table)?, name)?;
    if column.array.element == Element::Key {
        let cause = format!("{} is a key; keys are joined on and nothing else", full_name(column));
        return Err(here.type_error(cause, "Name it in a join, or use another column."));
    }
    Ok(column.array.clone())
}

/// Outputs are arrays of numbers, bools, dates or categories.
pub(super) fn check_outputs(program: &Program, main: &TypedBlock) -> Result<(), ProgramError> {
    for output in &program.outputs {
        if !matches!(main.types.get(output.value.index()), Some(ValueType::Array(_))) {
            let name = program.nodes.get(output.value.index()).and_then(|node| node.name.clone());
            return Err(ProgramError::Type {
                place: Place { block: None, node: output.value, name },
                cause: format!("the output {:?} is no array", output.name),
                next: "Release sums, means or counts of its columns.".into(),
            });
        }
    }
    Ok(())
}

/// The column of a name, for messages about it.
fn find<'t>(here: &Here<'_>, table: &'t TableType, name: &str) -> Result<&'t TableColumn, ProgramError> {
    let found = matching(table, name);
    let error = |cause: String, next: String| Err(ProgramError::Column { place: here.place.clone(), cause, next });
    match found.as_slice() {
        [one] => Ok(&table.columns[*one]),
        [] => {
            let near = nearest(name, table.columns.iter().map(|column| column.name.as_str()));
            let next = near.map(|near| format!("Did you mean {near:?}?")).unwrap_or_else(|| {
                let names: Vec<&str> = table.columns.iter().map(|column| column.name.as_str()).collect();
                format!("The columns are {}.", names.join(", "))
            });
            error(format!("the table has no column {name:?}"), next)
        }
        several => {
            let names: Vec<String> = several.iter().map(|place| full_name(&table.columns[*place])).collect();
            error(format!("{} columns are called {name:?}", several.len()), format!("Write {}.", names.join(" or ")))
        }
    }
}

/// The place of the column of a name in a table, if exactly one has it.
pub fn find_column(table: &TableType, name: &str) -> Option<usize> {
    match matching(table, name).as_slice() {
        [one] => Some(*one),
        _ => None,
    }
}

/// The columns of a name: alone, or behind the dataset's own or full name and a point.
fn matching(table: &TableType, name: &str) -> Vec<usize> {
    let own = |column: &TableColumn| column.dataset.rsplit('/').next().unwrap_or_default().to_owned();
    let matches = |column: &TableColumn| {
        column.name == name || format!("{}.{}", own(column), column.name) == name || full_name(column) == name
    };
    (0..table.columns.len()).filter(|place| matches(&table.columns[*place])).collect()
}

fn full_name(column: &TableColumn) -> String {
    format!("{}.{}", column.dataset, column.name)
}

/// The range that the owner declared (CHK-208: never the program).
fn declared(here: &Here<'_>, dataset: &Dataset, name: &str, column: &ColumnSchema) -> Result<Interval, ProgramError> {
    column_range(column).filter(|range| range.fits(&column.element)).ok_or_else(|| {
        let cause = match &column.range {
            None => format!("{name}.{} has no declared range", column.name),
            Some(range) => format!(
                "the range [{}, {}] of {name}.{} holds no values of {} or too large ones",
                range.lo,
                range.hi,
                column.name,
                column.element.name()
            ),
        };
        here.range_error(cause, format!("Ask its owner ({}) to declare a range in the schema.", dataset.owner))
    })
}

/// The lattice values that a column may hold, from its schema.
pub(crate) fn column_range(column: &ColumnSchema) -> Option<Interval> {
    match &column.element {
        Element::Bool => Some(Interval { lo: 0, hi: 1 }),
        Element::Category { labels } => {
            Some(Interval { lo: 0, hi: i128::try_from(labels.len().saturating_sub(1)).ok()? })
        }
        Element::Key => Some(Interval::point(0)),
        Element::Decimal { scale } if *scale > Element::MAX_DECIMAL_SCALE => None,
        element => column.range.and_then(|range| Interval::between(element, range.lo, range.hi)),
    }
}

/// The known name that is most like another, if one is near.
fn nearest<'n>(name: &str, known: impl Iterator<Item = &'n str>) -> Option<String> {
    let limit = (name.chars().count() / 3).clamp(1, 3);
    let known = known.map(|known| (distance(name, known), known)).filter(|(far, _)| *far <= limit);
    known.min().map(|(_, known)| known.to_owned())
}

/// Insertions, deletions and changes of characters between two names, of at most 256 characters each.
fn distance(left: &str, right: &str) -> usize {
    let fold = |text: &str| text.chars().take(256).flat_map(char::to_lowercase).collect::<Vec<_>>();
    let (left, right) = (fold(left), fold(right));
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (i, l) in left.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, r) in right.iter().enumerate() {
            let change = diagonal + usize::from(l != r);
            diagonal = row[j + 1];
            row[j + 1] = change.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[right.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_offered_only_when_it_is_near() {
        let known = ["frequency", "amount", "balance"];
        assert_eq!(nearest("amuont", known.into_iter()), Some("amount".into()));
        assert_eq!(nearest("Frequency", known.into_iter()), Some("frequency".into()));
        assert_eq!(nearest("salary", known.into_iter()), None);
        assert_eq!(distance("kitten", "sitting"), 3);
    }
}
