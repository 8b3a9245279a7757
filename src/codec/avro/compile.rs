//! Compiles a writer schema for the fields that are declared.
//!
//! The operations follow the schema from its first byte to its last. What no declared field needs is skipped with as few
//! operations as can be: neighbours of fixed size become one, a record of fixed size is one, any other record that is
//! only skipped is compiled once and called, so that a schema that mentions it often stays as small as it is written.

use std::collections::BTreeMap;

use super::program::{Kind, Misfit, Op, Program, fits, type_name};
use super::schema::{Node, NodeId, RecordField, Schema, Tick};
use crate::codec::cells::{Cell, Field};
use crate::data::params::TimeUnit;

/// Most operations of a program: nothing that is written within the bound of a schema comes near.
const MAX_OPS: usize = 1 << 20;
const NO_FIELD: u32 = u32::MAX;

pub(super) struct Compiler<'a> {
    schema: &'a Schema,
    fields: &'a [Field],
    program: Program,
    /// Places that are jumped to: operations on both sides stay apart.
    barrier: usize,
    /// Records to be skipped by a call, and the calls to be filled in.
    called: BTreeMap<NodeId, Vec<usize>>,
    sizes: Vec<Option<Size>>,
}

/// How many bytes a type takes: exactly so many, or at least one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Size {
    Exactly(u32),
    Varies,
}

impl<'a> Compiler<'a> {
    pub(super) fn compile(schema: &'a Schema, fields: &'a [Field]) -> Result<Program, Misfit> {
        let mut compiler = Compiler {
            schema,
            fields,
            program: Program::default(),
            barrier: 0,
            called: BTreeMap::new(),
            sizes: Vec::new(),
        };
        if !compiler.is_record(schema.root()) {
            return Err(Misfit::NoRecord);
        }
        compiler.nested(schema.root(), "")?;
        compiler.program.main = (0, compiler.here());
        compiler.subroutines()?;
        Ok(compiler.program)
    }

    /// A record, or a union of records and null.
    fn is_record(&self, node: NodeId) -> bool {
        match self.schema.node(node) {
            Node::Record(_) => true,
            Node::Union(branches) => {
                let of = |branch: &NodeId| self.schema.node(*branch);
                branches.iter().all(|branch| matches!(of(branch), Node::Record(_) | Node::Null))
                    && branches.iter().any(|branch| matches!(of(branch), Node::Record(_)))
            }
            _ => false,
        }
    }

    /// A type with declared fields somewhere inside; `prefix` is the path of names to it.
    fn nested(&mut self, node: NodeId, prefix: &str) -> Result<(), Misfit> {
        let schema = self.schema;
        match schema.node(node) {
            Node::Record(fields) => fields.iter().try_for_each(|field| self.field(field, prefix)),
            Node::Union(branches) => self.union(branches, &mut |compiler, branch| compiler.nested(branch, prefix)),
            _ => self.skip(node),
        }
    }

    fn field(&mut self, field: &RecordField, prefix: &str) -> Result<(), Misfit> {
        let path = if prefix.is_empty() { field.name.clone() } else { format!("{prefix}.{}", field.name) };
        if let Some(declared) = self.fields.iter().position(|declared| declared.name == path) {
            return self.declared(field.node, declared);
        }
        let is_below = |name: &str| name.strip_prefix(path.as_str()).is_some_and(|below| below.starts_with('.'));
        if self.fields.iter().any(|declared| is_below(&declared.name)) {
            return self.nested(field.node, &path);
        }
        self.skip(field.node)
    }

    /// The type of a declared field: every branch it may have, as long as one of them can be taken.
    fn declared(&mut self, node: NodeId, field: usize) -> Result<(), Misfit> {
        let schema = self.schema;
        let Some(Field { name, cells }) = self.fields.get(field) else { return self.skip(node) };
        let branches = match schema.node(node) {
            Node::Union(branches) => branches.as_slice(),
            _ => std::slice::from_ref(&node),
        };
        let mut others = branches.iter().map(|branch| schema.node(*branch)).filter(|node| **node != Node::Null);
        let first = others.clone().next();
        if let Some(first) = first
            && !others.any(|node| fits(node, cells))
        {
            return Err(Misfit::Field { name: name.clone(), found: type_name(first) });
        }
        match schema.node(node) {
            Node::Union(branches) => self.union(branches, &mut |compiler, branch| compiler.value(branch, field)),
            _ => self.value(node, field),
        }
    }

    /// One branch of a declared field.
    fn value(&mut self, node: NodeId, field: usize) -> Result<(), Misfit> {
        let schema = self.schema;
        let cells = self.fields.get(field).map(|field| field.cells.as_slice()).unwrap_or_default();
        let node = schema.node(node);
        let op = match (node, cells) {
            (Node::Null, _) => return Ok(()),
            (node, cells) if !fits(node, cells) => Op::Refuse,
            (Node::Double, [Cell::Number(column)]) => Op::Double(*column as u32),
            (Node::Float, [Cell::Number(column)]) => Op::Float(*column as u32),
            (Node::Long(_), [Cell::Number(column)]) | (Node::Long(None), [Cell::Time { column, .. }]) => {
                Op::Long(*column as u32)
            }
            (Node::Long(Some(Tick::Millis)), [Cell::Time { column, unit: TimeUnit::Millis }]) => {
                Op::Millis(*column as u32)
            }
            (Node::Text, [Cell::Text(column) | Cell::Identifier(column)]) => Op::Text(*column as u32),
            (Node::Boolean, _) => Op::Value(Kind::Boolean),
            (Node::Long(tick), _) => Op::Value(Kind::Long(*tick)),
            (Node::Float, _) => Op::Value(Kind::Float),
            (Node::Double, _) => Op::Value(Kind::Double),
            (Node::Text, _) => Op::Value(Kind::Text),
            (Node::Enum(symbols), _) => {
                let first = self.program.symbols.len() as u32;
                self.program.symbols.extend(symbols.iter().cloned());
                Op::Value(Kind::Symbol { first, count: symbols.len() as u32 })
            }
            _ => Op::Refuse,
        };
        self.push_for(op, field as u32)
    }

    fn union(
        &mut self,
        branches: &[NodeId],
        branch: &mut dyn FnMut(&mut Self, NodeId) -> Result<(), Misfit>,
    ) -> Result<(), Misfit> {
        let null = branches.iter().position(|branch| *self.schema.node(*branch) == Node::Null);
        if let ([one, other], Some(null)) = (branches, null) {
            let place = self.ops();
            self.push(Op::Optional { null: null as u32, after: 0 })?;
            self.mark();
            branch(self, if null == 0 { *other } else { *one })?;
            let after = self.here();
            self.patch(place, Op::Optional { null: null as u32, after });
            self.mark();
            return Ok(());
        }
        let first = self.program.branches.len();
        let count = branches.len() as u32;
        self.program.branches.resize(first + branches.len(), 0);
        self.push(Op::Union { first: first as u32, count })?;
        let mut jumps = Vec::with_capacity(branches.len());
        for (index, node) in branches.iter().enumerate() {
            self.mark();
            let here = self.here();
            if let Some(place) = self.program.branches.get_mut(first + index) {
                *place = here;
            }
            branch(self, *node)?;
            jumps.push(self.ops());
            self.push(Op::Jump(0))?;
        }
        let after = self.here();
        jumps.into_iter().for_each(|place| self.patch(place, Op::Jump(after)));
        self.mark();
        Ok(())
    }

    fn skip(&mut self, node: NodeId) -> Result<(), Misfit> {
        let schema = self.schema;
        match schema.node(node) {
            Node::Null => Ok(()),
            // Looked at all the same: it costs nothing more, and a datum of another schema is noticed.
            Node::Boolean => self.push(Op::SkipBoolean),
            Node::Float => self.push(Op::Skip(4)),
            Node::Double => self.push(Op::Skip(8)),
            Node::Fixed(size) => self.push(Op::Skip(*size)),
            Node::Long(_) => self.push(Op::SkipLong),
            Node::Bytes | Node::Text => self.push(Op::SkipSlice),
            Node::Enum(symbols) => self.push(Op::SkipIndex(symbols.len() as u32)),
            Node::Array(items) => self.blocks(None, *items),
            Node::Map(values) => self.blocks(Some(Op::SkipSlice), *values),
            Node::Union(branches) => self.union(branches, &mut |compiler, branch| compiler.skip(branch)),
            Node::Record(_) => {
                if let Size::Exactly(size) = self.size(node) {
                    return self.push(Op::Skip(size));
                }
                let place = self.ops();
                self.called.entry(node).or_default().push(place);
                self.push(Op::Call { first: 0, end: 0 })
            }
        }
    }

    fn blocks(&mut self, key: Option<Op>, item: NodeId) -> Result<(), Misfit> {
        let least = match self.size(item) {
            Size::Exactly(size) => size,
            Size::Varies => 1,
        };
        let least = least.saturating_add(u32::from(key.is_some()));
        let place = self.ops();
        self.push(Op::Blocks { end: 0, least })?;
        self.mark();
        key.map_or(Ok(()), |key| self.push(key))?;
        self.skip(item)?;
        let end = self.here();
        self.patch(place, Op::Blocks { end, least });
        self.mark();
        Ok(())
    }

    /// The records that are called, and those that they call.
    fn subroutines(&mut self) -> Result<(), Misfit> {
        let mut compiled: BTreeMap<NodeId, Op> = BTreeMap::new();
        while let Some((node, places)) = self.called.pop_first() {
            let call = match compiled.get(&node) {
                Some(call) => *call,
                None => {
                    self.mark();
                    let first = self.here();
                    let schema = self.schema;
                    if let Node::Record(fields) = schema.node(node) {
                        fields.iter().try_for_each(|field| self.skip(field.node))?;
                    }
                    let call = Op::Call { first, end: self.here() };
                    compiled.insert(node, call);
                    call
                }
            };
            places.into_iter().for_each(|place| self.patch(place, call));
        }
        Ok(())
    }

    fn size(&mut self, node: NodeId) -> Size {
        if self.sizes.len() <= node {
            self.sizes.resize(node + 1, None);
        }
        if let Some(Some(size)) = self.sizes.get(node) {
            return *size;
        }
        // What contains itself has no fixed size.
        self.remember(node, Size::Varies);
        let schema = self.schema;
        let size = match schema.node(node) {
            Node::Null => Size::Exactly(0),
            Node::Float => Size::Exactly(4),
            Node::Double => Size::Exactly(8),
            Node::Fixed(size) => Size::Exactly(*size),
            Node::Record(fields) => {
                fields.iter().fold(Size::Exactly(0), |sum, field| match (sum, self.size(field.node)) {
                    (Size::Exactly(sum), Size::Exactly(size)) => {
                        sum.checked_add(size).map_or(Size::Varies, Size::Exactly)
                    }
                    _ => Size::Varies,
                })
            }
            _ => Size::Varies,
        };
        self.remember(node, size);
        size
    }

    fn remember(&mut self, node: NodeId, size: Size) {
        if self.sizes.len() <= node {
            self.sizes.resize(node + 1, None);
        }
        if let Some(place) = self.sizes.get_mut(node) {
            *place = Some(size);
        }
    }

    fn ops(&self) -> usize {
        self.program.ops.len()
    }

    fn here(&self) -> u32 {
        self.program.ops.len() as u32
    }

    /// The next operation may be jumped to.
    fn mark(&mut self) {
        self.barrier = self.ops();
    }

    fn push(&mut self, op: Op) -> Result<(), Misfit> {
        let is_apart = self.barrier == self.ops();
        match (op, self.program.ops.last_mut()) {
            (Op::Skip(0), _) => Ok(()),
            (Op::Skip(more), Some(Op::Skip(bytes))) if !is_apart && bytes.checked_add(more).is_some() => {
                *bytes += more;
                Ok(())
            }
            _ => self.push_for(op, NO_FIELD),
        }
    }

    fn push_for(&mut self, op: Op, field: u32) -> Result<(), Misfit> {
        if self.ops() >= MAX_OPS {
            return Err(Misfit::Size);
        }
        self.program.ops.push(op);
        self.program.fields.push(field);
        Ok(())
    }

    fn patch(&mut self, place: usize, op: Op) {
        if let Some(at) = self.program.ops.get_mut(place) {
            *at = op;
        }
    }
}
