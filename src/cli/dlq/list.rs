//! Dead letters as a listing: when, why, and where each came from.

use std::io::Write;

use serde::Serialize;

use crate::cli::replay::usage;
use crate::config::Config;
use crate::data::Timestamp;
use crate::runtime::{Letter, Letters, Obstacle};

/// One letter in a listing.
#[derive(Serialize)]
struct Listed<'a> {
    partition: i32,
    offset: i64,
    at: Timestamp,
    code: &'a str,
    message: &'a str,
    source_topic: Option<&'a str>,
    source_partition: Option<i32>,
    source_offset: Option<i64>,
    source_timestamp: Option<Timestamp>,
    hops: u32,
    /// Why it cannot be sent again, if it cannot.
    stays: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<Option<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<Option<String>>,
}

/// How much of a letter, and in which form.
#[derive(Clone, Copy)]
pub(super) struct Shown {
    pub values: bool,
    pub json: bool,
}

/// Prints the letters and how many there are.
pub(super) fn list(
    mut letters: Letters<'_>,
    config: &Config,
    shown: Shown,
    out: &mut impl Write,
) -> anyhow::Result<()> {
    let mut by_code: Vec<(String, u64)> = Vec::new();
    while let Some(letter) = letters.next().map_err(usage)? {
        match by_code.iter_mut().find(|(code, _)| *code == letter.code) {
            Some((_, count)) => *count += 1,
            None => by_code.push((letter.code.clone(), 1)),
        }
        let listed = listed(&letter, config, shown.values);
        if shown.json {
            serde_json::to_writer(&mut *out, &listed)?;
            writeln!(out)?;
        } else {
            line(&listed, out)?;
        }
    }
    if !shown.json {
        by_code.sort();
        let total: u64 = by_code.iter().map(|(_, count)| count).sum();
        let codes: Vec<String> = by_code.iter().map(|(code, count)| format!("{code} {count}")).collect();
        let codes = if codes.is_empty() { String::new() } else { format!(": {}", codes.join(", ")) };
        writeln!(out, "{total} dead letters{codes}")?;
    }
    Ok(())
}

fn listed<'a>(letter: &'a Letter, config: &Config, values: bool) -> Listed<'a> {
    let text = |bytes: Option<&[u8]>| values.then(|| bytes.map(|bytes| String::from_utf8_lossy(bytes).into_owned()));
    let source = letter.source.as_ref();
    Listed {
        partition: letter.partition,
        offset: letter.record.offset,
        at: letter.record.timestamp,
        code: &letter.code,
        message: &letter.message,
        source_topic: source.map(|source| source.topic.as_str()),
        source_partition: source.map(|source| source.partition),
        source_offset: source.map(|source| source.offset),
        source_timestamp: source.map(|source| source.timestamp),
        hops: letter.hops,
        stays: letter.obstacle(config).map(Obstacle::why),
        key: text(letter.record.key.as_deref()),
        value: text(letter.record.value.as_deref()),
    }
}

fn line(listed: &Listed<'_>, out: &mut impl Write) -> anyhow::Result<()> {
    let Listed { partition, offset, at, code, message, hops, .. } = listed;
    let source = match (listed.source_topic, listed.source_partition, listed.source_offset) {
        (Some(topic), Some(partition), Some(offset)) => format!("{topic}:{partition}:{offset}"),
        _ => "unknown".to_owned(),
    };
    let sent = if *hops == 0 { String::new() } else { format!(", sent again {hops} times") };
    let stays = listed.stays.map_or(String::new(), |why| format!(", stays: {why}"));
    writeln!(out, "{partition}:{offset:<8} {at}  {code:16} {source}  {message}{sent}{stays}")?;
    for (name, text) in [("key", &listed.key), ("value", &listed.value)] {
        if let Some(text) = text {
            // Escaped: a record does not write to a terminal.
            let text = text.as_ref().map_or("none".to_owned(), |text| text.escape_debug().to_string());
            writeln!(out, "    {name:6}{text}")?;
        }
    }
    Ok(())
}
