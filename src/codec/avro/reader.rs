//! Reads the declared fields of framed or plain datums into a table.
//!
//! It holds one compiled program per writer schema it knows. Which schemas those are is for its owner to say: a schema
//! that comes from a registry is a recorded fact, and nothing here asks for one.

use super::compile::Compiler;
use super::datum::Flaw;
use super::program::{Misfit, Program};
use super::run::Run;
use super::schema::Schema;
use crate::codec::cells::{Cell, Field, fields_of, wanted};
use crate::data::params::InputFormat;
use crate::data::{Reject, RejectCode, SchemaNeed, SchemaVerdict, Table};

/// What stands before a framed datum: a zero byte and four of the schema id.
const FRAME: usize = 5;

/// Reads datums with one set of declared fields.
#[derive(Clone, Debug)]
pub struct AvroReader {
    fields: Vec<Field>,
    is_framed: bool,
    /// Whether schemas are looked up.
    asks: bool,
    /// In the order of their ids; a plain reader has one, of id 0.
    known: Vec<Known>,
    /// The place of the last one used.
    last: usize,
}

#[derive(Clone, Debug)]
struct Known {
    id: u32,
    program: Result<Program, Reject>,
}

impl AvroReader {
    /// A reader of these fields in this format; `None` for a format that is not Avro.
    pub(crate) fn new(format: &InputFormat, declared: impl IntoIterator<Item = (String, Cell)>) -> Option<Self> {
        let fields = fields_of(declared);
        match format {
            InputFormat::Json => None,
            InputFormat::Avro { schema } => {
                let mut reader = AvroReader { fields, is_framed: false, asks: false, known: Vec::new(), last: 0 };
                reader.learn(0, &SchemaVerdict::Schema(schema.clone()));
                Some(reader)
            }
            InputFormat::ConfluentAvro { schemas, asks_registry: asks } => {
                let mut reader = AvroReader { fields, is_framed: true, asks: *asks, known: Vec::new(), last: 0 };
                let learn = |(id, schema): (&u32, &String)| reader.learn(*id, &SchemaVerdict::Schema(schema.clone()));
                schemas.iter().for_each(learn);
                Some(reader)
            }
        }
    }

    /// Takes in what is known of the schema of an id.
    pub(crate) fn learn(&mut self, id: u32, verdict: &SchemaVerdict) {
        let program = match verdict {
            SchemaVerdict::Schema(text) => self.compile(id, text),
            SchemaVerdict::Unknown => Err(Reject::new(RejectCode::UnknownSchema, format!("no schema has the id {id}"))),
            SchemaVerdict::Unusable(why) => {
                let message = format!("schema {id} cannot be used: {why}");
                Err(Reject::new(RejectCode::IncompatibleSchema, message))
            }
        };
        let known = Known { id, program };
        match self.known.binary_search_by_key(&id, |known| known.id) {
            Ok(at) => self.known[at] = known,
            Err(at) => self.known.insert(at, known),
        }
    }

    /// Lets go of the schema of an id.
    pub(crate) fn forget(&mut self, id: u32) {
        self.known.retain(|known| known.id != id);
    }

    /// The first schema that cannot be used, in a sentence.
    pub(crate) fn misfit(&self) -> Option<&str> {
        self.known.iter().find_map(|known| known.program.as_ref().err()).map(|reject| reject.message.as_str())
    }

    /// The schema that a value names, where it has to be looked up: nothing is known of it, or that there is none.
    #[inline]
    pub(crate) fn need(&self, value: &[u8]) -> Option<SchemaNeed> {
        let (id, _) = if self.asks { framed(value)? } else { return None };
        let known = match self.known.get(self.last) {
            Some(known) if known.id == id => known,
            _ => match self.known.binary_search_by_key(&id, |known| known.id) {
                Ok(at) => self.known.get(at)?,
                // A registry numbers schemas with 31 bits, so nobody has to be asked about others.
                Err(_) if id > i32::MAX as u32 => return None,
                Err(_) => return Some(SchemaNeed { id, is_known_missing: false }),
            },
        };
        let is_known_missing = matches!(&known.program, Err(reject) if reject.code == RejectCode::UnknownSchema);
        is_known_missing.then_some(SchemaNeed { id, is_known_missing })
    }

    fn compile(&self, id: u32, text: &str) -> Result<Program, Reject> {
        let refuse = |why: String| {
            let which = if self.is_framed { format!("schema {id}") } else { "the schema".to_owned() };
            Reject::new(RejectCode::IncompatibleSchema, format!("{which} cannot be used: {why}"))
        };
        let schema = Schema::parse(text).map_err(|error| refuse(error.to_string()))?;
        Compiler::compile(&schema, &self.fields).map_err(|misfit| {
            refuse(match misfit {
                Misfit::NoRecord => "it is not of a record".to_owned(),
                Misfit::Size => "it takes too many steps to read".to_owned(),
                Misfit::Field { name, found } => {
                    let field = self.fields.iter().find(|field| field.name == name);
                    format!("field `{name}` is {found}; expected {}", wanted(field))
                }
            })
        })
    }

    /// Reads a value into a new row of `table`; on a rejection the table is as it was.
    #[inline]
    pub(crate) fn read(&mut self, value: &[u8], table: &mut Table) -> Result<(), Reject> {
        let (id, datum) = if self.is_framed {
            framed(value).ok_or_else(|| {
                let message = "the value does not begin with a zero byte and a schema id of four bytes";
                Reject::new(RejectCode::Framing, message)
            })?
        } else {
            (0, value)
        };
        if self.known.get(self.last).is_none_or(|known| known.id != id) {
            self.last = self.known.binary_search_by_key(&id, |known| known.id).map_err(|_| {
                Reject::new(RejectCode::UnknownSchema, format!("no schema is known that has the id {id}"))
            })?;
        }
        let Some(known) = self.known.get(self.last) else {
            return Err(Reject::new(RejectCode::UnknownSchema, "no schema is known"));
        };
        let program = known.program.as_ref().map_err(Clone::clone)?;
        table.begin();
        let flaw = match (Run { program, fields: &self.fields, table }).all(datum) {
            Ok(()) => return Ok(()),
            Err(flaw) => flaw,
        };
        table.drop_last();
        Err(self.reject(flaw, program))
    }

    #[cold]
    fn reject(&self, flaw: Flaw, program: &Program) -> Reject {
        let field = |at: u32| program.fields.get(at as usize).and_then(|field| self.fields.get(*field as usize));
        let name = |at: u32| field(at).map_or("", |field| field.name.as_str());
        let decode =
            |what: &str| Reject::new(RejectCode::Decode, format!("the value is not a datum of its schema: {what}"));
        match flaw {
            Flaw::Truncated => decode("it ends too early"),
            Flaw::Integer => decode("an integer has more than 64 bits"),
            Flaw::Length => decode("a length is negative or reaches beyond the value"),
            Flaw::Boolean => decode("a boolean is neither 0 nor 1"),
            Flaw::Index => decode("a union or an enum names a branch that it does not have"),
            Flaw::Depth => decode("it is nested too deep"),
            Flaw::Trailing => Reject::new(RejectCode::Trailing, "bytes follow the datum"),
            Flaw::Utf8(at) => decode(&format!("field `{}` is not UTF-8", name(at))),
            Flaw::NonFinite(at) => {
                Reject::new(RejectCode::NonFinite, format!("field `{}` is not a finite number", name(at)))
            }
            Flaw::Inexact(at) => {
                let message = format!("field `{}` is an integer too large to be held exactly", name(at));
                Reject::new(RejectCode::Range, message)
            }
            Flaw::Type(at) => {
                let message = format!("field `{}` has another type; expected {}", name(at), wanted(field(at)));
                Reject::new(RejectCode::Type, message)
            }
        }
    }
}

fn framed(value: &[u8]) -> Option<(u32, &[u8])> {
    let (frame, datum) = value.split_at_checked(FRAME)?;
    let [0, id @ ..] = frame else { return None };
    Some((u32::from_be_bytes(id.try_into().ok()?), datum))
}
