//! A writer schema ready to run: a flat list of operations, and what they may find.

use super::schema::{Node, Tick};
use crate::codec::cells::Cell;

/// One step through a datum. Places are positions in the list of operations.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Op {
    /// So many bytes of no interest.
    Skip(u32),
    SkipLong,
    SkipSlice,
    /// An enum with so many symbols.
    SkipIndex(u32),
    SkipBoolean,
    /// A `double`, `float` or `long` into one number column.
    Double(u32),
    Float(u32),
    Long(u32),
    /// A `long` of milliseconds into the number column of a time that is wanted in milliseconds.
    Millis(u32),
    /// A `string` into one text column.
    Text(u32),
    /// A value for all cells of the operation's field.
    Value(Kind),
    /// A type that the operation's field cannot take.
    Refuse,
    /// A union of null and one more: which index is null, and where to go on after it.
    Optional {
        null: u32,
        after: u32,
    },
    /// A union: `count` places, from `first` on in the list of branches.
    Union {
        first: u32,
        count: u32,
    },
    Jump(u32),
    /// Blocks of an array or a map, whose item is the operations from here to `end`, at least `least` bytes long.
    Blocks {
        end: u32,
        least: u32,
    },
    /// A record that is skipped: its operations.
    Call {
        first: u32,
        end: u32,
    },
}

/// What is read for the cells of a field.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Kind {
    Boolean,
    Long(Option<Tick>),
    Float,
    Double,
    Text,
    /// An enum: `count` symbols, from `first` on in the list of symbols.
    Symbol {
        first: u32,
        count: u32,
    },
}

/// A schema and the declared fields, ready to run.
#[derive(Clone, Debug, Default)]
pub(super) struct Program {
    pub ops: Vec<Op>,
    /// Which field each operation is for.
    pub fields: Vec<u32>,
    pub branches: Vec<u32>,
    pub symbols: Vec<String>,
    /// Where the operations of the datum itself begin and end.
    pub main: (u32, u32),
}

/// Why a schema does not fit the declared fields.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Misfit {
    /// The datum is no record.
    NoRecord,
    /// A field has a type that it cannot take.
    Field { name: String, found: &'static str },
    /// It takes more operations than a program may have.
    Size,
}

/// Whether all cells of a field can take values of a type.
pub(super) fn fits(node: &Node, cells: &[Cell]) -> bool {
    cells.iter().all(|cell| match node {
        Node::Boolean => matches!(cell, Cell::Boolean(_) | Cell::NumberOrBoolean(_)),
        Node::Long(_) => {
            matches!(
                cell,
                Cell::Number(_) | Cell::NumberOrBoolean(_) | Cell::Identifier(_) | Cell::Whole(_) | Cell::Time { .. }
            )
        }
        Node::Float | Node::Double => matches!(cell, Cell::Number(_) | Cell::NumberOrBoolean(_) | Cell::Time { .. }),
        Node::Text | Node::Enum(_) => matches!(cell, Cell::Text(_) | Cell::Identifier(_)),
        _ => false,
    })
}

/// What a type is called in messages.
pub(super) fn type_name(node: &Node) -> &'static str {
    match node {
        Node::Null => "null",
        Node::Boolean => "a boolean",
        Node::Long(None) => "an integer",
        Node::Long(Some(_)) => "a timestamp",
        Node::Float => "a float",
        Node::Double => "a double",
        Node::Bytes => "bytes",
        Node::Text => "a string",
        Node::Fixed(_) => "a fixed",
        Node::Enum(_) => "an enum",
        Node::Array(_) => "an array",
        Node::Map(_) => "a map",
        Node::Union(_) => "a union",
        Node::Record(_) => "a record",
    }
}
