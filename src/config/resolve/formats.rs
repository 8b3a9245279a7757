//! Formats of inputs and outputs, and the schema registry.

use std::collections::BTreeMap;
use std::path::Path;

use super::kafka::secret;
use super::range::{name, positive};
use crate::config::error::Problem;
use crate::config::formats::{Framing, OutputIds, OutputParams, SchemaRegistryParams};
use crate::config::load::read_text;
use crate::config::raw::{RawFormat, RawInputFormat, RawOutputs, RawPropertyValue, RawSchemaRegistry};
use crate::data::params::{InputFormat, OutputForm};

/// What an input's format may rest on.
#[derive(Clone, Copy)]
pub(super) struct Sources<'a> {
    /// Folder of the configuration file, which schema files are relative to.
    pub base: &'a Path,
    pub has_registry: bool,
}

/// `format`, `schema` and `schemas` of the table `table`.
pub(super) fn input(table: &str, raw: RawInputFormat<'_>, sources: Sources<'_>) -> Result<InputFormat, Problem> {
    let RawInputFormat { format, schema, schemas } = raw;
    let (schema_key, schemas_key) = (format!("{table}.schema"), format!("{table}.schemas"));
    let idle = |key: &str, instead: &str| {
        let message = format!("has no use while `{table}.format` is `{}`; {instead}", format.name());
        Err(Problem::new(key, message))
    };
    match (format, schema) {
        (RawFormat::Json, Some(_)) => idle(&schema_key, "write `avro`, or leave it out"),
        (RawFormat::ConfluentAvro, Some(_)) => {
            idle(&schema_key, &format!("each value names its schema: write `{schemas_key}`, or leave it out"))
        }
        (RawFormat::Json | RawFormat::Avro, _) if !schemas.is_empty() => {
            idle(&schemas_key, "write `confluent-avro`, or leave it out")
        }
        (RawFormat::Json, None) => Ok(InputFormat::Json),
        (RawFormat::Avro, None) => {
            Err(Problem::new(schema_key, "missing; write the file with the Avro schema of the records"))
        }
        (RawFormat::Avro, Some(file)) => {
            Ok(InputFormat::Avro { schema: schema_file(&schema_key, file, sources.base)? })
        }
        (RawFormat::ConfluentAvro, None) => {
            let schemas = schema_files(&schemas_key, schemas, sources.base)?;
            if schemas.is_empty() && !sources.has_registry {
                let message = "is `confluent-avro`, but no schema can be found; write `schema_registry.urls`, or the files \
                               by id: `schemas = { 1 = \"event.avsc\" }`";
                return Err(Problem::new(format!("{table}.format"), message));
            }
            Ok(InputFormat::ConfluentAvro { schemas, asks_registry: sources.has_registry })
        }
    }
}

fn schema_files(key: &str, files: &BTreeMap<String, String>, base: &Path) -> Result<BTreeMap<u32, String>, Problem> {
    let mut schemas = BTreeMap::new();
    for (id, file) in files {
        let key = format!("{key}.{id}");
        let id = id.parse().map_err(|_| {
            Problem::new(key.as_str(), format!("`{id}` is no schema id; write a whole number from 0 to {}", u32::MAX))
        })?;
        schemas.insert(id, schema_file(&key, file, base)?);
    }
    Ok(schemas)
}

/// A schema as compact JSON, so that how its file is laid out means nothing.
fn schema_file(key: &str, file: &str, base: &Path) -> Result<String, Problem> {
    let path = base.join(name(key, file)?);
    let text = read_text(&path)
        .map_err(|error| Problem::new(key, format!("cannot read the schema `{}`: {error}", path.display())))?;
    let json: serde_json::Value = serde_json::from_str(&text).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        Problem::new(key, format!("`{}` is not JSON: line {line}, column {column}", path.display()))
    })?;
    Ok(json.to_string())
}

pub(super) fn outputs(raw: &RawOutputs, has_registry: bool) -> Result<OutputParams, Problem> {
    let ids = [
        ("predictions", raw.ids.predictions),
        ("outcomes", raw.ids.outcomes),
        ("drift-alerts", raw.ids.drift_alerts),
        ("performance", raw.ids.performance),
    ];
    let given = ids.iter().find(|(_, id)| id.is_some());
    if let Some((output, _)) = given.filter(|_| raw.format != RawFormat::ConfluentAvro) {
        let message = format!(
            "has no use while `outputs.format` is `{}`; write `confluent-avro`, or leave it out",
            raw.format.name()
        );
        return Err(Problem::new(format!("outputs.ids.{output}"), message));
    }
    let framing = match raw.format {
        RawFormat::Json => return Ok(OutputParams::default()),
        RawFormat::Avro => Framing::Plain,
        RawFormat::ConfluentAvro => match ids.map(|(_, id)| id) {
            [None, None, None, None] if has_registry => Framing::Registered,
            [None, None, None, None] => {
                let message = "is `confluent-avro`, but no schema has an id; write `schema_registry.urls` to register them \
                               at the start, or `outputs.ids`";
                return Err(Problem::new("outputs.format", message));
            }
            [Some(predictions), Some(outcomes), Some(drift_alerts), Some(performance)] => {
                Framing::Ids(OutputIds { predictions, outcomes, drift_alerts, performance })
            }
            _ => {
                let lacking = ids.iter().find(|(_, id)| id.is_none()).map_or("", |(output, _)| output);
                let message = "missing; write the ids of all four, or of none to register them at the start";
                return Err(Problem::new(format!("outputs.ids.{lacking}"), message));
            }
        },
    };
    Ok(OutputParams { form: OutputForm::Avro, framing })
}

pub(super) fn schema_registry(raw: &RawSchemaRegistry) -> Result<Option<SchemaRegistryParams>, Problem> {
    const PASSWORD: &str = "schema_registry.password";
    let password = match &raw.password {
        None => None,
        Some(RawPropertyValue::Table(table)) => {
            let source = secret(PASSWORD, table)?;
            let either = || Problem::new(PASSWORD, "write one of `{ env = \"NAME\" }` and `{ file = \"PATH\" }`");
            Some(source.ok_or_else(either)?)
        }
        Some(RawPropertyValue::Text(_)) => {
            let message = "is a secret and must not stand in the file; write `{ env = \"SCHEMA_REGISTRY_PASSWORD\" }` or \
                           `{ file = \"/path/to/it\" }`";
            return Err(Problem::new(PASSWORD, message));
        }
    };
    if raw.urls.is_empty() {
        let keys = [("user", raw.user.is_some()), ("password", password.is_some()), ("ca", raw.ca.is_some())];
        return match keys.iter().find(|(_, is_given)| *is_given) {
            None => Ok(None),
            Some((key, _)) => {
                let message = "has no use without `schema_registry.urls`; write the address of the registry";
                Err(Problem::new(format!("schema_registry.{key}"), message))
            }
        };
    }
    if raw.user.is_some() != password.is_some() {
        let (key, other) = if raw.user.is_some() { ("password", "user") } else { ("user", "password") };
        let message = format!("missing, but `schema_registry.{other}` is given; write both, or neither");
        return Err(Problem::new(format!("schema_registry.{key}"), message));
    }
    let urls = raw.urls.iter().enumerate().map(|(position, url)| {
        let url = url.trim_end_matches('/');
        let rest = url.strip_prefix("http://").or_else(|| url.strip_prefix("https://")).unwrap_or_default();
        if url.contains('@') {
            let message = "holds a name or a password; write `schema_registry.user` and `schema_registry.password`";
            return Err(Problem::new(format!("schema_registry.urls[{position}]"), message));
        }
        if rest.is_empty()
            || rest.starts_with(['/', ':'])
            || rest.contains(|c: char| c.is_whitespace() || "?#\"".contains(c))
        {
            let message = format!("`{url}` is no address of a registry; write one such as `http://127.0.0.1:8081`");
            return Err(Problem::new(format!("schema_registry.urls[{position}]"), message));
        }
        Ok(url.to_owned())
    });
    Ok(Some(SchemaRegistryParams {
        urls: urls.collect::<Result<_, _>>()?,
        user: raw.user.clone(),
        password,
        timeout: positive("schema_registry.timeout", raw.timeout)?,
        ca: raw.ca.as_deref().map(|path| name("schema_registry.ca", path).map(Into::into)).transpose()?,
    }))
}
