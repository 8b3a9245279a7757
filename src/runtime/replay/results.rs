//! Where computed outputs go: a file of predictions, or topics of another name.
//!
//! The live application's topics are never among them: a name is refused when anything of it exists already.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::PathBuf;

use crate::codec::published_json;
use crate::config::Config;
use crate::data::{Output, Sink};
use crate::runtime::history::HistoryError;
use crate::runtime::stage::target;
use crate::runtime::topics::topic_specs;
use crate::transport::{Outgoing, Publisher, Transport};

/// Outputs that are written elsewhere.
const WRITTEN: [(Sink, &str); 6] = [
    (Sink::Predictions, "predictions"),
    (Sink::Outcomes, "outcomes"),
    (Sink::DeadLetters, "dead-letters"),
    (Sink::Late, "late"),
    (Sink::DriftAlerts, "drift-alerts"),
    (Sink::Performance, "performance"),
];

/// Where results are wanted.
#[derive(Clone, Debug, Default)]
pub struct Destination {
    /// A file of predictions, one JSON object a line.
    pub file: Option<PathBuf>,
    /// The first part of the names of topics to be made.
    pub app: Option<String>,
}

/// Results on their way.
#[derive(Default)]
pub(super) struct Results {
    file: Option<(String, BufWriter<File>)>,
    elsewhere: Option<Elsewhere>,
}

struct Elsewhere {
    publisher: Box<dyn Publisher>,
    names: Vec<(Sink, String)>,
}

impl Results {
    /// Makes the file and the topics.
    pub(super) fn open(
        wanted: &Destination,
        config: &Config,
        transport: &dyn Transport,
    ) -> Result<Results, HistoryError> {
        let mut results = Results::default();
        if let Some(app) = &wanted.app {
            results.elsewhere = Some(Elsewhere::make(app, config, transport)?);
        }
        if let Some(path) = &wanted.file {
            let file = path.display().to_string();
            let made = File::create(path).map_err(|error| HistoryError::File { file: file.clone(), error })?;
            results.file = Some((file, BufWriter::new(made)));
        }
        Ok(results)
    }

    /// Takes an output of a shard.
    pub(super) fn take(&mut self, output: &Output<'_>, shard: i32, config: &Config) -> Result<(), HistoryError> {
        if let Some((name, file)) = &mut self.file
            && output.sink == Sink::Predictions
        {
            let value = output.value.unwrap_or_default();
            let json = published_json(value).map(|json| json.to_string().into_bytes());
            let line = file.write_all(json.as_deref().unwrap_or(value)).and_then(|()| file.write_all(b"\n"));
            line.map_err(|error| HistoryError::File { file: name.clone(), error })?;
        }
        let Some(Elsewhere { publisher, names }) = &mut self.elsewhere else { return Ok(()) };
        let Some((_, topic)) = names.iter().find(|(sink, _)| *sink == output.sink) else { return Ok(()) };
        publisher.send(&Outgoing {
            topic,
            partition: Some(target(&config.topics, output.sink, shard).partition),
            key: output.key,
            value: output.value,
            headers: output.headers,
            timestamp: None,
        })?;
        Ok(())
    }

    /// Waits until all is written; names what was.
    pub(super) fn finish(mut self) -> Result<Vec<String>, HistoryError> {
        let mut written = Vec::new();
        if let Some((file, mut out)) = self.file.take() {
            out.flush().map_err(|error| HistoryError::File { file: file.clone(), error })?;
            written.push(file);
        }
        if let Some(Elsewhere { mut publisher, names }) = self.elsewhere {
            publisher.flush()?;
            written.extend(names.into_iter().map(|(_, topic)| topic));
        }
        Ok(written)
    }
}

impl Elsewhere {
    fn make(app: &str, config: &Config, transport: &dyn Transport) -> Result<Self, HistoryError> {
        if app == config.app {
            let why = format!("`{app}` is the live application; name another for the results");
            return Err(HistoryError::Wrong(why));
        }
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        if app.is_empty() || app.len() > 100 || !app.chars().all(allowed) {
            return Err(HistoryError::Wrong(format!(
                "`{app}` cannot begin the name of a topic; use `a-z`, `0-9`, `-`"
            )));
        }
        let specs = topic_specs(config);
        let mut names = Vec::new();
        let mut wanted = Vec::new();
        let written = WRITTEN.into_iter().filter(|(sink, _)| *sink != Sink::Late || config.topics.late.is_some());
        for (sink, name) in written {
            let topic = format!("{app}.{name}");
            let taken = config.topics.named().iter().any(|named| named.name == topic);
            if taken || transport.bounds(&topic)?.is_some() {
                let why = format!("topic `{topic}` exists already; name an application that has none");
                return Err(HistoryError::Wrong(why));
            }
            let live = target(&config.topics, sink, 0).topic;
            let Some(spec) = specs.iter().find(|spec| spec.name == live) else { continue };
            let mut spec = spec.clone();
            spec.partitions = transport.bounds(live)?.map_or(spec.partitions, |bounds| bounds.len() as i32);
            spec.name.clone_from(&topic);
            wanted.push(spec);
            names.push((sink, topic));
        }
        transport.create(&wanted)?;
        Ok(Elsewhere { publisher: transport.publisher()?, names })
    }
}
