//! Payments in a file: CSV with the columns `tx_id,ts,customer_id,terminal_id,amount,fraud,scenario`, gzipped where its
//! name ends in `.gz`.
//!
//! The columns may stand in any order and others are passed over. `ts` is UTC, with or without a zone. Payments have to be
//! in the order of their times; `scenario` is 0 for what is no fraud and may be left out.

use std::fs::File;
use std::io::{BufWriter, Read, Write};
use std::path::Path;

use anyhow::{Context, Result, anyhow, ensure};
use flate2::Compression;
use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;
use serde::Deserialize;

use super::Payment;
use crate::data::Timestamp;

const HEADER: &str = "tx_id,ts,customer_id,terminal_id,amount,fraud,scenario";

#[derive(Deserialize)]
struct Row {
    tx_id: u64,
    ts: String,
    customer_id: u32,
    terminal_id: u32,
    amount: f64,
    fraud: u8,
    #[serde(default)]
    scenario: u8,
}

/// A file of payments, read one by one.
pub struct PaymentFile {
    rows: csv::DeserializeRecordsIntoIter<Box<dyn Read>, Row>,
    path: String,
    latest: Timestamp,
}

/// A file of payments that is being written.
pub struct PaymentWriter {
    out: Box<dyn Finish>,
}

/// What is written to is to be ended: an archive without its end is damaged.
trait Finish: Write {
    fn finish(self: Box<Self>) -> std::io::Result<()>;
}

impl Finish for BufWriter<File> {
    fn finish(mut self: Box<Self>) -> std::io::Result<()> {
        self.flush()
    }
}

impl Finish for GzEncoder<BufWriter<File>> {
    fn finish(self: Box<Self>) -> std::io::Result<()> {
        GzEncoder::finish(*self)?.flush()
    }
}

fn is_gzip(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("gz"))
}

impl PaymentFile {
    /// Opens a file.
    ///
    /// # Errors
    /// A file that cannot be read.
    pub fn open(path: &Path) -> Result<Self> {
        let name = path.display().to_string();
        let file = File::open(path).with_context(|| format!("cannot read `{name}`"))?;
        let text: Box<dyn Read> = if is_gzip(path) { Box::new(MultiGzDecoder::new(file)) } else { Box::new(file) };
        let rows = csv::Reader::from_reader(text).into_deserialize();
        Ok(PaymentFile { rows, path: name, latest: Timestamp::MIN })
    }

    fn payment(&mut self, row: Row) -> Result<Payment> {
        let Row { tx_id, ts, customer_id, terminal_id, amount, fraud, scenario } = row;
        let at = Timestamp::from_rfc3339(&ts).or_else(|| Timestamp::from_rfc3339(&format!("{ts}Z")));
        let at = at.ok_or_else(|| anyhow!("`ts` is no time: `{}`", ts.chars().take(40).collect::<String>()))?;
        ensure!(at >= self.latest, "the payment is earlier than the one before it; sort the file by `ts`");
        ensure!(amount.is_finite(), "`amount` is no number: {amount}");
        ensure!(fraud <= 1 && (fraud == 1 || scenario == 0), "`fraud` is {fraud}, `scenario` {scenario}");
        self.latest = at;
        let scenario = if fraud == 1 { scenario.max(1) } else { 0 };
        Ok(Payment { id: tx_id, at, customer: customer_id, terminal: terminal_id, amount, scenario })
    }
}

impl Iterator for PaymentFile {
    type Item = Result<Payment>;

    fn next(&mut self) -> Option<Result<Payment>> {
        let row = self.rows.next()?;
        let line = self.rows.reader().position().line();
        let payment = row.map_err(anyhow::Error::from).and_then(|row| self.payment(row));
        Some(payment.with_context(|| format!("{}, line {}", self.path, line.saturating_sub(1))))
    }
}

impl PaymentWriter {
    /// Makes a file, with its header.
    ///
    /// # Errors
    /// A file that cannot be written.
    pub fn create(path: &Path) -> Result<Self> {
        let file = File::create(path).with_context(|| format!("cannot write `{}`", path.display()))?;
        let file = BufWriter::new(file);
        let mut out: Box<dyn Finish> =
            if is_gzip(path) { Box::new(GzEncoder::new(file, Compression::default())) } else { Box::new(file) };
        writeln!(out, "{HEADER}")?;
        Ok(PaymentWriter { out })
    }

    /// Writes a payment.
    ///
    /// # Errors
    /// A disk that is full.
    pub fn write(&mut self, payment: &Payment) -> Result<()> {
        let Payment { id, at, customer, terminal, amount, scenario } = payment;
        let at = at.to_string();
        let (ts, fraud) = (at.trim_end_matches('Z'), u8::from(payment.is_fraud()));
        writeln!(self.out, "{id},{ts},{customer},{terminal},{amount},{fraud},{scenario}")?;
        Ok(())
    }

    /// Ends the file.
    ///
    /// # Errors
    /// A disk that is full.
    pub fn finish(self) -> Result<()> {
        Ok(self.out.finish()?)
    }
}
