//! A writer schema, from its JSON.
//!
//! Every type is a node in one list and a name is the number of its node, so a schema that mentions one type many times
//! stays as small as it is written. Bounded in size and depth. What a reader has no use for (documentation, defaults,
//! aliases, logical types other than points in time) is not looked at.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

/// The longest text taken.
pub const MAX_SCHEMA_BYTES: usize = 256 * 1024;
/// The deepest nesting of types taken.
const MAX_DEPTH: usize = 32;

/// Why a text is no schema that can be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SchemaError {
    /// Too long.
    #[error("the schema has {0} bytes; at most {MAX_SCHEMA_BYTES} are taken")]
    Size(usize),
    /// Types within types.
    #[error("the schema nests types deeper than {MAX_DEPTH}")]
    Depth,
    /// Not JSON.
    #[error("the schema is not JSON: line {line}, column {column}")]
    Json {
        /// Line, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
    },
    /// A type that is defined nowhere.
    #[error("the schema names the type `{0}`, which it does not define")]
    Unknown(String),
    /// A name defined twice.
    #[error("the schema defines `{0}` twice")]
    Twice(String),
    /// A part that the specification does not allow.
    #[error("the schema has {0}")]
    Part(String),
}

/// The number of a node.
pub(super) type NodeId = usize;

/// Thousandths, millionths or milliards of a second: what a point in time is counted in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tick {
    Millis,
    Micros,
    Nanos,
}

/// One type.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Node {
    Null,
    Boolean,
    /// `int` or `long`, and for a point in time what it counts.
    Long(Option<Tick>),
    Float,
    Double,
    Bytes,
    Text,
    Fixed(u32),
    Enum(Vec<String>),
    Array(NodeId),
    Map(NodeId),
    Union(Vec<NodeId>),
    Record(Vec<RecordField>),
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct RecordField {
    pub name: String,
    pub node: NodeId,
}

/// A writer schema.
#[derive(Clone, Debug, PartialEq)]
pub struct Schema {
    nodes: Vec<Node>,
    root: NodeId,
}

impl Schema {
    /// Reads a schema.
    ///
    /// # Errors
    /// A text that is no Avro schema, or too large a one.
    pub fn parse(text: &str) -> Result<Schema, SchemaError> {
        if text.len() > MAX_SCHEMA_BYTES {
            return Err(SchemaError::Size(text.len()));
        }
        let json: Value = serde_json::from_str(text)
            .map_err(|error| SchemaError::Json { line: error.line(), column: error.column() })?;
        let mut parser = Parser { nodes: Vec::new(), names: BTreeMap::new() };
        let root = parser.of(&json, "", 0)?;
        Ok(Schema { nodes: parser.nodes, root })
    }

    pub(super) fn root(&self) -> NodeId {
        self.root
    }

    pub(super) fn node(&self, id: NodeId) -> &Node {
        self.nodes.get(id).unwrap_or(&Node::Null)
    }
}

struct Parser {
    nodes: Vec<Node>,
    /// Full names.
    names: BTreeMap<String, NodeId>,
}

impl Parser {
    fn add(&mut self, node: Node) -> NodeId {
        self.nodes.push(node);
        self.nodes.len() - 1
    }

    fn of(&mut self, json: &Value, namespace: &str, depth: usize) -> Result<NodeId, SchemaError> {
        if depth > MAX_DEPTH {
            return Err(SchemaError::Depth);
        }
        match json {
            Value::String(name) => self.named(name, namespace),
            Value::Array(branches) => self.union(branches, namespace, depth),
            Value::Object(object) => self.object(object, namespace, depth),
            _ => Err(SchemaError::Part("a type that is no text, list or object".to_owned())),
        }
    }

    fn named(&mut self, name: &str, namespace: &str) -> Result<NodeId, SchemaError> {
        if let Some(node) = primitive(name) {
            return Ok(self.add(node));
        }
        let full = full_name(name, namespace);
        let known = self.names.get(&full).or_else(|| self.names.get(name));
        known.copied().ok_or(SchemaError::Unknown(full))
    }

    fn union(&mut self, branches: &[Value], namespace: &str, depth: usize) -> Result<NodeId, SchemaError> {
        let mut nodes = Vec::with_capacity(branches.len());
        for branch in branches {
            let node = self.of(branch, namespace, depth + 1)?;
            if matches!(self.nodes.get(node), Some(Node::Union(_))) {
                return Err(SchemaError::Part("a union within a union".to_owned()));
            }
            nodes.push(node);
        }
        if nodes.is_empty() {
            return Err(SchemaError::Part("a union of nothing".to_owned()));
        }
        Ok(self.add(Node::Union(nodes)))
    }

    fn object(&mut self, object: &Map<String, Value>, namespace: &str, depth: usize) -> Result<NodeId, SchemaError> {
        let kind = match object.get("type") {
            Some(Value::String(kind)) => kind.as_str(),
            // A type in brackets of its own, as some tools write it.
            Some(inner @ (Value::Object(_) | Value::Array(_))) => return self.of(inner, namespace, depth + 1),
            _ => return Err(SchemaError::Part("a type without `type`".to_owned())),
        };
        match kind {
            "record" | "error" => self.record(object, namespace, depth),
            "enum" => {
                let id = self.define(object, namespace)?.id;
                let symbols = list(object, "symbols")?.iter();
                let symbols: Option<Vec<String>> = symbols.map(|symbol| symbol.as_str().map(str::to_owned)).collect();
                let symbols = symbols.ok_or_else(|| SchemaError::Part("a symbol that is no text".to_owned()))?;
                Ok(self.set(id, Node::Enum(symbols)))
            }
            "fixed" => {
                let id = self.define(object, namespace)?.id;
                let size = object.get("size").and_then(Value::as_u64).and_then(|size| u32::try_from(size).ok());
                let size = size.ok_or_else(|| SchemaError::Part("a `fixed` without a size".to_owned()))?;
                Ok(self.set(id, Node::Fixed(size)))
            }
            "array" => {
                let items = self.of(part(object, "items")?, namespace, depth + 1)?;
                Ok(self.add(Node::Array(items)))
            }
            "map" => {
                let values = self.of(part(object, "values")?, namespace, depth + 1)?;
                Ok(self.add(Node::Map(values)))
            }
            "long" => Ok(self.add(Node::Long(tick(object)))),
            name => self.named(name, namespace),
        }
    }

    fn record(&mut self, object: &Map<String, Value>, namespace: &str, depth: usize) -> Result<NodeId, SchemaError> {
        let Defined { id, namespace } = self.define(object, namespace)?;
        let mut fields: Vec<RecordField> = Vec::new();
        for field in list(object, "fields")? {
            let field = field.as_object().ok_or_else(|| SchemaError::Part("a field that is no object".to_owned()))?;
            let name = text(field, "name")?.to_owned();
            if fields.iter().any(|other| other.name == name) {
                return Err(SchemaError::Twice(name));
            }
            let node = self.of(part(field, "type")?, &namespace, depth + 1)?;
            fields.push(RecordField { name, node });
        }
        Ok(self.set(id, Node::Record(fields)))
    }

    /// Takes the name of a type before its parts are read, which may mention it.
    fn define(&mut self, object: &Map<String, Value>, namespace: &str) -> Result<Defined, SchemaError> {
        let name = text(object, "name")?;
        let namespace = object.get("namespace").and_then(Value::as_str).unwrap_or(namespace);
        let full = full_name(name, namespace);
        let id = self.add(Node::Null);
        if self.names.insert(full.clone(), id).is_some() {
            return Err(SchemaError::Twice(full));
        }
        let namespace = full.rsplit_once('.').map_or("", |(namespace, _)| namespace).to_owned();
        Ok(Defined { id, namespace })
    }

    fn set(&mut self, id: NodeId, node: Node) -> NodeId {
        if let Some(place) = self.nodes.get_mut(id) {
            *place = node;
        }
        id
    }
}

struct Defined {
    id: NodeId,
    /// The namespace of names inside.
    namespace: String,
}

fn primitive(name: &str) -> Option<Node> {
    Some(match name {
        "null" => Node::Null,
        "boolean" => Node::Boolean,
        "int" | "long" => Node::Long(None),
        "float" => Node::Float,
        "double" => Node::Double,
        "bytes" => Node::Bytes,
        "string" => Node::Text,
        _ => return None,
    })
}

/// A local timestamp is taken as UTC: nothing in the schema says where local is.
fn tick(object: &Map<String, Value>) -> Option<Tick> {
    match object.get("logicalType")?.as_str()? {
        "timestamp-millis" | "local-timestamp-millis" => Some(Tick::Millis),
        "timestamp-micros" | "local-timestamp-micros" => Some(Tick::Micros),
        "timestamp-nanos" | "local-timestamp-nanos" => Some(Tick::Nanos),
        _ => None,
    }
}

fn full_name(name: &str, namespace: &str) -> String {
    if name.contains('.') || namespace.is_empty() { name.to_owned() } else { format!("{namespace}.{name}") }
}

fn part<'a>(object: &'a Map<String, Value>, name: &str) -> Result<&'a Value, SchemaError> {
    object.get(name).ok_or_else(|| SchemaError::Part(format!("a type or field without `{name}`")))
}

fn text<'a>(object: &'a Map<String, Value>, name: &str) -> Result<&'a str, SchemaError> {
    let text = part(object, name)?.as_str().filter(|text| !text.is_empty());
    text.ok_or_else(|| SchemaError::Part(format!("a `{name}` that is no text")))
}

fn list<'a>(object: &'a Map<String, Value>, name: &str) -> Result<&'a [Value], SchemaError> {
    let list = part(object, name)?.as_array();
    list.map(Vec::as_slice).ok_or_else(|| SchemaError::Part(format!("`{name}` that are no list")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str) -> String {
        Schema::parse(text).map(|_| ()).map_err(|error| error.to_string()).unwrap_err()
    }

    #[test]
    fn names_are_found_in_their_namespace_and_may_recur() {
        let text = r#"{"type":"record","name":"a.b.List","fields":[
            {"name":"kind","type":{"type":"enum","name":"Kind","symbols":["x"]}},
            {"name":"again","type":"a.b.Kind"}, {"name":"next","type":["null","List"]},
            {"name":"at","type":{"type":"long","logicalType":"timestamp-micros"}}]}"#;
        let schema = Schema::parse(text).unwrap();
        let Node::Record(fields) = schema.node(schema.root()) else { panic!("no record") };
        assert_eq!(fields[0].node, fields[1].node);
        let Node::Union(branches) = schema.node(fields[2].node) else { panic!("no union") };
        assert_eq!(branches[1], schema.root());
        assert_eq!(schema.node(fields[3].node), &Node::Long(Some(Tick::Micros)));
    }

    #[test]
    fn what_is_no_schema_is_refused_and_says_why() {
        assert_eq!(error("{"), "the schema is not JSON: line 1, column 1");
        assert_eq!(error("\"Gone\""), "the schema names the type `Gone`, which it does not define");
        assert_eq!(error(r#"[["null"]]"#), "the schema has a union within a union");
        assert_eq!(error("5"), "the schema has a type that is no text, list or object");
        assert_eq!(error(r#"{"type":"fixed","name":"F","size":-1}"#), "the schema has a `fixed` without a size");
        let twice = r#"{"type":"record","name":"R","fields":[{"name":"a","type":"int"},{"name":"a","type":"int"}]}"#;
        assert_eq!(error(twice), "the schema defines `a` twice");
    }

    #[test]
    fn a_schema_too_deep_or_too_long_is_refused() {
        let deep =
            |levels: usize| format!("{}\"int\"{}", r#"{"type":"array","items":"#.repeat(levels), "}".repeat(levels));
        assert!(Schema::parse(&deep(32)).is_ok());
        assert_eq!(error(&deep(33)), "the schema nests types deeper than 32");
        assert!(error(&deep(5_000)).starts_with("the schema is not JSON: line 1"));
        let long = format!("\"{}\"", "x".repeat(MAX_SCHEMA_BYTES));
        assert_eq!(error(&long), "the schema has 262146 bytes; at most 262144 are taken");
    }
}
