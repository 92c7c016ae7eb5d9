//! Limits and structure of a program (CHK-201), and its JSON form. What passes here can be walked without fear:
//! every reference leads backwards, every loop body is used once, nothing is too large.

use crate::Number;
use crate::program::{
    Block, BlockId, Dim, InputSource, Node, NodeId, Op, Output, PROGRAM_VERSION, Place, Program, ProgramError, Shares,
    limits,
};
use crate::schema::Element;

/// The largest part of a size that a program writes: row counts are far below, so sizes computed from them fit.
const DIM_PART: u64 = 1 << 40;
const DIM_DIVISOR: u32 = 1 << 20;

impl Program {
    /// Reads a program from JSON and checks its structure.
    ///
    /// # Errors
    /// [`ProgramError::TooBig`] before anything is parsed (CHK-201), then as [`Program::validate`].
    pub fn from_json(bytes: &[u8]) -> Result<Self, ProgramError> {
        limit("bytes", bytes.len(), limits::PROGRAM_BYTES)?;
        // The version first: what another version means by the rest is unknown.
        #[derive(serde::Deserialize)]
        struct Versioned {
            version: u16,
        }
        let json = |error: serde_json::Error| ProgramError::Json { cause: error.to_string() };
        let Versioned { version } = serde_json::from_slice(bytes).map_err(json)?;
        if version != PROGRAM_VERSION {
            return Err(ProgramError::Version { version });
        }
        let program: Self = serde_json::from_slice(bytes).map_err(json)?;
        program.validate()?;
        Ok(program)
    }

    /// The program as indented JSON.
    pub fn to_json(&self) -> String {
        serde_json::to_string_pretty(self).expect("programs have string keys and no failing parts")
    }

    /// Checks limits and structure (CHK-201).
    ///
    /// # Errors
    /// [`ProgramError::TooBig`], [`ProgramError::Version`] or [`ProgramError::Structure`].
    pub fn validate(&self) -> Result<(), ProgramError> {
        if self.version != PROGRAM_VERSION {
            return Err(ProgramError::Version { version: self.version });
        }
        let nodes = self.blocks.iter().map(|block| block.nodes.len()).sum::<usize>() + self.nodes.len();
        limit("nodes", nodes, limits::NODES)?;
        limit("loop bodies", self.blocks.len(), limits::NODES)?;
        limit("outputs", self.outputs.len(), limits::OUTPUTS)?;
        let makes_table = |node: &&Node| matches!(node.op, Op::Load { .. } | Op::Join { .. } | Op::Filter { .. });
        limit("loads, joins and filters", self.nodes.iter().filter(makes_table).count(), limits::TABLES)?;
        let mut walk = Walk { program: self, used: vec![false; self.blocks.len()] };
        walk.nodes(None, &self.nodes, self.nodes.len(), 0)?;
        if let Some(unused) = walk.used.iter().position(|used| !used) {
            let cause = format!("block {unused} is the body of no loop");
            return Err(structure(None, cause, "Remove it."));
        }
        // Every body is used once, so this walks a tree.
        let steps = self.steps(&self.nodes);
        if steps > limits::STEPS {
            return Err(ProgramError::TooBig { what: "operations to run", size: steps, limit: limits::STEPS });
        }
        self.check_outputs()
    }

    /// How many operations a block runs.
    fn steps(&self, nodes: &[Node]) -> u64 {
        let step = |node: &Node| match &node.op {
            Op::Loop { body, trips, .. } => {
                let once = self.blocks.get(body.0 as usize).map_or(0, |block| self.steps(&block.nodes));
                once.saturating_mul(u64::from(*trips)).saturating_add(1)
            }
            _ => 1,
        };
        nodes.iter().map(step).fold(0, u64::saturating_add)
    }

    fn check_outputs(&self) -> Result<(), ProgramError> {
        if self.outputs.is_empty() {
            return Err(structure(None, "the program releases nothing", "Name at least one output."));
        }
        for (index, Output { name, value, receivers, within }) in self.outputs.iter().enumerate() {
            check_name("output", name)?;
            if self.outputs[..index].iter().any(|other| other.name == *name) {
                let cause = format!("two outputs are called {name:?}");
                return Err(structure(None, cause, "Give every output a name of its own."));
            }
            if value.index() >= self.nodes.len() {
                let cause = format!("the output {name:?} names {value}, which is not there");
                return Err(structure(None, cause, "Name a node of the main block."));
            }
            limit("receivers of one output", receivers.len(), limits::OUTPUTS)?;
            for receiver in receivers {
                check_name("receiver", receiver)?;
            }
            if within.is_some_and(|within| within <= Number::ZERO) {
                let cause = format!("the output {name:?} is to be exact within a number that is not above 0");
                return Err(structure(None, cause, "Say how far it may be off because of noise, or leave it out."));
            }
        }
        Ok(())
    }
}

struct Walk<'a> {
    program: &'a Program,
    used: Vec<bool>,
}

impl Walk<'_> {
    /// `tables_before`: the main block's nodes whose rows a size may name; in the main block, the node's own place.
    fn nodes(
        &mut self,
        block: Option<BlockId>,
        nodes: &[Node],
        tables_before: usize,
        depth: usize,
    ) -> Result<(), ProgramError> {
        for (index, node) in nodes.iter().enumerate() {
            let id = NodeId(u32::try_from(index).expect("at most limits::NODES nodes"));
            let place = || Place { block, node: id, name: node.name.clone() };
            if let Some(name) = &node.name {
                check_name("node", name)?;
            }
            for operand in node.op.operands() {
                if operand.index() >= index {
                    let cause = format!("it reads {operand}, which is not before it");
                    return Err(structure(Some(place()), cause, "A node reads only nodes before it in its block."));
                }
            }
            let tables = if block.is_none() { index } else { tables_before };
            for dim in node.op.dims() {
                self.dim(&place, dim, tables)?;
            }
            check_op(&place, block, &node.op)?;
            if let Op::Loop { body, .. } = &node.op {
                self.body(&place, *body, tables, depth + 1)?;
            }
        }
        Ok(())
    }

    fn body(
        &mut self,
        place: &dyn Fn() -> Place,
        body: BlockId,
        tables: usize,
        depth: usize,
    ) -> Result<(), ProgramError> {
        limit("loops within loops", depth, limits::LOOP_DEPTH)?;
        let index = body.0 as usize;
        let program = self.program;
        let Some(Block { nodes, results }) = program.blocks.get(index) else {
            return Err(structure(
                Some(place()),
                format!("block {index} is not there"),
                "Name a block of the program.",
            ));
        };
        if std::mem::replace(&mut self.used[index], true) {
            let cause = format!("block {index} is already the body of a loop");
            return Err(structure(Some(place()), cause, "Give every loop a body of its own."));
        }
        if let Some(result) = results.iter().find(|result| result.index() >= nodes.len()) {
            let cause = format!("the result {result} of block {index} is not there");
            return Err(structure(Some(place()), cause, "Name nodes of the block."));
        }
        self.nodes(Some(body), nodes, tables, depth)
    }

    fn dim(&self, place: &dyn Fn() -> Place, dim: &Dim, tables: usize) -> Result<(), ProgramError> {
        let small = |part: i64| part.unsigned_abs() <= DIM_PART;
        if dim.divisor == 0
            || dim.divisor > DIM_DIVISOR
            || !small(dim.constant)
            || !dim.rows.values().all(|k| small(*k))
        {
            let next = "Keep its parts below 2^40 and its divisor between 1 and 2^20.";
            return Err(structure(Some(place()), format!("the size {dim} has a part out of bounds"), next));
        }
        for node in dim.rows.keys() {
            let op = self.program.nodes.get(node.index()).map(|node| &node.op);
            if node.index() >= tables || !matches!(op, Some(Op::Load { .. } | Op::Join { .. })) {
                let cause = format!("the size {dim} names {node}, which makes no rows before it");
                return Err(structure(Some(place()), cause, "Name a load or join of the main block."));
            }
        }
        Ok(())
    }
}

/// What one operation must keep to, whatever its operands are.
pub(super) fn check_op(place: &dyn Fn() -> Place, block: Option<BlockId>, op: &Op) -> Result<(), ProgramError> {
    let inside = block.is_some();
    let fail = |cause: &str, next: &str| Err(structure(Some(place()), cause, next));
    match op {
        Op::Load { .. } | Op::Join { .. } | Op::Filter { .. } | Op::Column { .. } if inside => {
            fail("a loop body reads no tables", "Capture the columns that it needs.")
        }
        Op::Input { .. } if inside => fail("a loop body takes no arrays", "Capture the arrays that it needs."),
        Op::Input { from, element, shape, .. } => {
            limit("dimensions", shape.len(), limits::RANK)?;
            check_element(place, element)?;
            if matches!(element, Element::Date | Element::Category { .. } | Element::Key) {
                return fail("an array that is handed in has numbers or bools", "Import a table for other types.");
            }
            match from {
                InputSource::Shares(Shares { word_bits: 64 | 128, .. }) | InputSource::Party(_) => Ok(()),
                InputSource::Shares(_) => fail("shares have words of 64 or 128 bits", "Name the width of the words."),
            }
        }
        Op::Parameter { .. } if !inside => fail("only a loop body has parameters", "Name the value itself."),
        Op::Loop { trips, carried, captured, .. } => {
            limit("trips of a loop", *trips as usize, limits::TRIPS as usize)?;
            limit("values carried by a loop", carried.len(), limits::OUTPUTS)?;
            limit("values captured by a loop", captured.len(), limits::OUTPUTS)
        }
        Op::Constant { element, shape, .. } => {
            limit("dimensions", shape.len(), limits::RANK)?;
            check_element(place, element)
        }
        Op::Full { element, shape, .. } => {
            limit("dimensions", shape.len(), limits::RANK)?;
            check_element(place, element)
        }
        Op::Cast { element, .. } => check_element(place, element),
        Op::Reshape { shape, .. } => limit("dimensions", shape.len(), limits::RANK),
        Op::Transpose { axes, .. } | Op::Reduce { axes, .. } => limit("dimensions", axes.len(), limits::RANK),
        Op::Slice { axes, .. } => limit("dimensions", axes.len(), limits::RANK),
        _ => Ok(()),
    }
}

fn check_element(place: &dyn Fn() -> Place, element: &Element) -> Result<(), ProgramError> {
    match element {
        Element::Decimal { scale } if *scale > Element::MAX_DECIMAL_SCALE => {
            let cause = format!("a decimal has at most {} digits after the point", Element::MAX_DECIMAL_SCALE);
            Err(structure(Some(place()), cause, "Use a smaller scale, float64 or float64_high."))
        }
        _ => Ok(()),
    }
}

/// Names are shown to operators: short, and nothing that moves a cursor or hides.
fn check_name(what: &str, name: &str) -> Result<(), ProgramError> {
    let length = name.chars().count();
    if length == 0 || length > limits::NAME || name.chars().any(char::is_control) {
        let shown: String = name.chars().take(limits::NAME).collect();
        let cause = format!("the {what} name {shown:?} is empty, too long or holds control characters");
        return Err(structure(None, cause, format!("Use 1 to {} printed characters.", limits::NAME)));
    }
    Ok(())
}

fn limit(what: &'static str, size: usize, limit: usize) -> Result<(), ProgramError> {
    if size <= limit {
        return Ok(());
    }
    let wide = |size: usize| u64::try_from(size).unwrap_or(u64::MAX);
    Err(ProgramError::TooBig { what, size: wide(size), limit: wide(limit) })
}

fn structure(place: Option<Place>, cause: impl Into<String>, next: impl Into<String>) -> ProgramError {
    ProgramError::Structure { place, cause: cause.into(), next: next.into() }
}
