//! Payments as records: the event at its time, and the label as much later as it takes to become known.
//!
//! Field names are those of `examples/payments.toml`. Labels are held until their time comes; where an event and a label
//! have the same time, the event comes first, because a label counts only for later ones.

use std::collections::VecDeque;

use anyhow::Result;
use serde::Serialize;

use super::Payment;
use crate::data::{Span, Timestamp};

/// Which topic a record belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PaymentStream {
    /// A payment.
    Event,
    /// Whether it was a fraud.
    Label,
}

/// One record to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PaymentRecord {
    /// What it is.
    pub stream: PaymentStream,
    /// When it is sent; also its record timestamp.
    pub at: Timestamp,
    /// Record key: the customer.
    pub key: Vec<u8>,
    /// Record value.
    pub value: Vec<u8>,
}

/// The records of payments that come in the order of their times.
pub struct PaymentRecords<I: Iterator<Item = Result<Payment>>> {
    payments: std::iter::Peekable<I>,
    delay: Span,
    /// What has been paid and is not known yet, the earliest first.
    unknown: VecDeque<Payment>,
}

#[derive(Serialize)]
struct Event {
    tx_id: u64,
    ts: i64,
    customer_id: String,
    terminal_id: String,
    amount: f64,
}

#[derive(Serialize)]
struct Label {
    event_id: u64,
    customer_id: String,
    known_at: i64,
    fraud: u8,
}

impl<I: Iterator<Item = Result<Payment>>> PaymentRecords<I> {
    /// Labels become known `delay` after their payment.
    pub fn new(payments: I, delay: Span) -> Self {
        PaymentRecords { payments: payments.peekable(), delay, unknown: VecDeque::new() }
    }

    fn event(&mut self, payment: Payment) -> Result<PaymentRecord> {
        self.unknown.push_back(payment);
        let customer_id = payment.customer.to_string();
        let key = customer_id.clone().into_bytes();
        let value = serde_json::to_vec(&Event {
            tx_id: payment.id,
            ts: payment.at.millis(),
            customer_id,
            terminal_id: payment.terminal.to_string(),
            amount: payment.amount,
        })?;
        Ok(PaymentRecord { stream: PaymentStream::Event, at: payment.at, key, value })
    }
}

fn label(payment: &Payment, known_at: Timestamp) -> Result<PaymentRecord> {
    let customer_id = payment.customer.to_string();
    let key = customer_id.clone().into_bytes();
    let fraud = u8::from(payment.is_fraud());
    let value = serde_json::to_vec(&Label { event_id: payment.id, customer_id, known_at: known_at.millis(), fraud })?;
    Ok(PaymentRecord { stream: PaymentStream::Label, at: known_at, key, value })
}

impl<I: Iterator<Item = Result<Payment>>> Iterator for PaymentRecords<I> {
    type Item = Result<PaymentRecord>;

    fn next(&mut self) -> Option<Self::Item> {
        let next = match self.payments.peek() {
            Some(Ok(payment)) => Some(payment.at),
            // An error goes out at once.
            Some(Err(_)) => Some(Timestamp::MIN),
            None => None,
        };
        let known_at = self.unknown.front().map(|payment| payment.at.plus(self.delay));
        if let Some(known_at) = known_at
            && next.is_none_or(|next| known_at < next)
        {
            return self.unknown.pop_front().map(|payment| label(&payment, known_at));
        }
        self.payments.next().map(|payment| payment.and_then(|payment| self.event(payment)))
    }
}
