//! Which card payments are sent: generated ones, or those of a file.

use std::path::PathBuf;

use anyhow::Result;

use super::{Destination, Records, Sending, WrongUsage, date};
use crate::data::Span;
use crate::demo::payments::{
    Payment, PaymentFile, PaymentRecord, PaymentRecords, PaymentStream, PaymentWriter, Payments, PaymentsError,
    PaymentsParams,
};

/// Arguments of `driftless produce --payments`.
#[derive(Clone, Debug, clap::Args)]
pub struct PaymentsArgs {
    /// Send card payments, generated from a seed, with labels that tell frauds.
    #[arg(long, conflicts_with_all = ["flights", "events", "labels"])]
    pub payments: bool,
    /// With --payments: how many customers there are.
    #[arg(long, value_name = "N", requires = "payments", default_value_t = 5_000)]
    pub customers: usize,
    /// With --payments: how many terminals there are.
    #[arg(long, value_name = "N", requires = "payments", default_value_t = 10_000)]
    pub terminals: usize,
    /// With --payments: how far from a customer the terminals are that the customer uses, on a map 100 wide.
    #[arg(long, value_name = "R", requires = "payments", default_value_t = 5.0)]
    pub radius: f64,
    /// With --payments: how many days they last.
    #[arg(long, value_name = "N", requires = "payments", default_value_t = 122)]
    pub days: u32,
    /// With --payments: what they are drawn from; the same seed and sizes give the same payments.
    #[arg(long, value_name = "N", requires = "payments", default_value_t = 1)]
    pub seed: u64,
    /// With --payments: the first day (`2018-04-01`, or RFC 3339).
    #[arg(long, value_name = "DATE", requires = "payments", default_value = "2018-04-01")]
    pub start: String,
    /// With --payments: when the label of a payment becomes known, after the payment.
    #[arg(long, value_name = "SPAN", requires = "payments", default_value = "7d")]
    pub label_delay: String,
    /// With --payments: send those of this file instead; columns tx_id, ts, customer_id, terminal_id, amount, fraud and
    /// scenario, gzipped if its name ends in `.gz`.
    #[arg(long, value_name = "FILE", requires = "payments",
        conflicts_with_all = ["customers", "terminals", "radius", "days", "seed", "start"])]
    pub csv: Option<PathBuf>,
    /// With --payments: write them to a file of that form instead of sending them.
    #[arg(long, value_name = "FILE", requires = "payments", conflicts_with_all = ["csv", "rate", "speed"])]
    pub to_csv: Option<PathBuf>,
}

/// The payments as records.
pub(super) fn records(args: &PaymentsArgs) -> Result<Records> {
    let delay: Span =
        args.label_delay.parse().map_err(|error| WrongUsage::because(format!("`--label-delay`: {error}")))?;
    Ok(match &args.csv {
        Some(path) => sendings(PaymentFile::open(path)?, delay),
        None => sendings(generated(args)?.map(Ok), delay),
    })
}

fn sendings(payments: impl Iterator<Item = Result<Payment>> + 'static, delay: Span) -> Records {
    Box::new(PaymentRecords::new(payments, delay).map(|record| record.map(sending)))
}

fn generated(args: &PaymentsArgs) -> Result<Payments> {
    let start = date(&args.start)?;
    let PaymentsArgs { customers, terminals, radius, days, seed, .. } = *args;
    Payments::new(PaymentsParams { customers, terminals, radius, days, seed, start })
        .map_err(|error: PaymentsError| WrongUsage::because(error.to_string()))
}

fn sending(record: PaymentRecord) -> Sending {
    let PaymentRecord { stream, at, key, value } = record;
    let to = match stream {
        PaymentStream::Event => Destination::Events,
        PaymentStream::Label => Destination::Labels,
    };
    Sending { to, key: Some(key), value: Some(value), at: Some(at), broken: false }
}

/// Writes the generated payments; returns how many there are.
pub(super) fn write(args: &PaymentsArgs, path: &std::path::Path) -> Result<u64> {
    let mut writer = PaymentWriter::create(path)?;
    let mut count = 0;
    for payment in generated(args)? {
        writer.write(&payment)?;
        count += 1;
    }
    writer.finish()?;
    Ok(count)
}
