//! A stream of card payments with known frauds, drawn from a seed.
//!
//! After the published description of the simulator in "Reproducible Machine Learning for Credit Card Fraud Detection -
//! Practical Handbook" (Le Borgne, Siblini, Lebichot and Bontempi 2022, chapter 3.2), written anew. Customers live and
//! terminals stand on a map; a customer pays at terminals within a radius, so many times a day (Poisson), around noon
//! (normal), amounts of his own size (normal, redrawn evenly below zero). Frauds come in three ways: every payment above
//! 220; two terminals a day, at which everything is a fraud for the next 28 days; three customers a day, whose payments of
//! the next 14 days are one in three taken five times as large and a fraud. The latter overrules the former.
//!
//! Invariant: a payment depends on the parameters and its day alone. Days come one after the other, payments of a day in
//! the order of their times; what is held is the people and one day.

mod draw;
mod file;
mod people;
mod records;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;

use crate::data::{Span, Timestamp};
use draw::{Draw, Purpose};
pub use file::{PaymentFile, PaymentWriter};
use people::{Customer, customers};
pub use records::{PaymentRecord, PaymentRecords, PaymentStream};

const SECONDS: f64 = 86_400.0;
/// Payments lie around noon, this many seconds from it.
const TIME_OF_DAY: f64 = 43_200.0;
const TIME_DEVIATION: f64 = 20_000.0;
/// A payment above it is a fraud.
const TOO_MUCH: f64 = 220.0;
/// Terminals compromised each day, and for how many days after it.
const TERMINALS_A_DAY: usize = 2;
const TERMINAL_DAYS: usize = 28;
/// Customers compromised each day, and for how many days after it.
const CUSTOMERS_A_DAY: usize = 3;
const CUSTOMER_DAYS: usize = 14;
/// One payment in so many of a compromised customer is not his.
const ONE_IN: usize = 3;
const TIMES: f64 = 5.0;

/// How large the stream is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PaymentsParams {
    /// Customers; numbered from 0.
    pub customers: usize,
    /// Terminals; numbered from 0. Customers hold 4 bytes for each terminal within their reach.
    pub terminals: usize,
    /// How far from a customer the terminals are that he uses, on a map 100 wide.
    pub radius: f64,
    /// Days of payments.
    pub days: u32,
    /// Same parameters, same seed: the same stream.
    pub seed: u64,
    /// Beginning of the first day.
    pub start: Timestamp,
}

/// Parameters that give no stream.
#[derive(Debug, thiserror::Error, PartialEq)]
pub enum PaymentsError {
    /// More than numbers of people and terminals can tell apart.
    #[error("{0} customers or terminals are too many; give at most 4294967295 of each")]
    TooMany(usize),
    /// A radius that is none.
    #[error("a radius of {0} reaches nothing; give a number above zero")]
    Radius(f64),
}

/// One payment.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Payment {
    /// Its number in the stream.
    pub id: u64,
    /// Event time, in whole seconds when generated.
    pub at: Timestamp,
    /// Number of the customer.
    pub customer: u32,
    /// Number of the terminal.
    pub terminal: u32,
    /// Amount; whole hundredths when generated.
    pub amount: f64,
    /// What is wrong with it: 0 nothing, 1 too much, 2 the terminal, 3 the customer.
    pub scenario: u8,
}

/// The stream, payment by payment.
#[derive(Clone, Debug)]
pub struct Payments {
    params: PaymentsParams,
    customers: Vec<Customer>,
    day: u32,
    next_id: u64,
    /// The payments left of the day before `day`.
    today: std::vec::IntoIter<Payment>,
    /// Compromised on each of the last days, the latest at the back.
    terminals: VecDeque<Vec<u32>>,
    victims: VecDeque<Vec<u32>>,
}

impl Payment {
    /// Whether it is a fraud.
    pub fn is_fraud(&self) -> bool {
        self.scenario != 0
    }
}

impl Payments {
    /// Draws customers and terminals.
    ///
    /// # Errors
    /// Parameters that give no stream.
    pub fn new(params: PaymentsParams) -> Result<Self, PaymentsError> {
        if !(params.radius.is_finite() && params.radius > 0.0) {
            return Err(PaymentsError::Radius(params.radius));
        }
        Ok(Payments {
            customers: customers(&params)?,
            params,
            day: 0,
            next_id: 0,
            today: Vec::new().into_iter(),
            terminals: VecDeque::new(),
            victims: VecDeque::new(),
        })
    }

    /// The payments of the next day, in the order of their times.
    fn draw_day(&mut self) -> Vec<Payment> {
        let mut draw = Draw::new(self.params.seed, Purpose::Payments, u64::from(self.day));
        let start = self.params.start.plus(Span::from_days(i64::from(self.day)));
        let mut payments = Vec::new();
        for (number, customer) in (0_u32..).zip(&self.customers) {
            let is_victim = self.victims.iter().any(|victims| victims.contains(&number));
            for _ in 0..draw.poisson(customer.per_day) {
                let Some(mut payment) = pay(&mut draw, customer) else { continue };
                payment.at = Timestamp::from_millis(start.millis() + payment.at.millis());
                payment.customer = number;
                if self.terminals.iter().any(|terminals| terminals.contains(&payment.terminal)) {
                    payment.scenario = 2;
                }
                if is_victim && draw.below(ONE_IN) == 0 {
                    payment.amount = cents(payment.amount * TIMES);
                    payment.scenario = 3;
                }
                payments.push(payment);
            }
        }
        payments.sort_by_key(|payment| payment.at);
        for payment in &mut payments {
            payment.id = self.next_id;
            self.next_id += 1;
        }
        payments
    }

    /// Draws who is compromised from tomorrow on, and lets go of those whose days are over.
    fn compromise(&mut self) {
        let mut draw = Draw::new(self.params.seed, Purpose::Compromised, u64::from(self.day));
        self.terminals.push_back(some(&mut draw, TERMINALS_A_DAY, self.params.terminals));
        self.victims.push_back(some(&mut draw, CUSTOMERS_A_DAY, self.params.customers));
        if self.terminals.len() > TERMINAL_DAYS {
            self.terminals.pop_front();
        }
        if self.victims.len() > CUSTOMER_DAYS {
            self.victims.pop_front();
        }
    }
}

impl Iterator for Payments {
    type Item = Payment;

    fn next(&mut self) -> Option<Payment> {
        loop {
            if let Some(payment) = self.today.next() {
                return Some(payment);
            }
            if self.day >= self.params.days {
                return None;
            }
            self.today = self.draw_day().into_iter();
            self.compromise();
            self.day += 1;
        }
    }
}

/// A payment with its time within the day; `None` where it falls outside, or the customer reaches no terminal.
fn pay(draw: &mut Draw, customer: &Customer) -> Option<Payment> {
    let second = draw.normal(TIME_OF_DAY, TIME_DEVIATION);
    if !(second > 0.0 && second < SECONDS) || customer.terminals.is_empty() {
        return None;
    }
    let mut amount = draw.normal(customer.mean_amount, customer.mean_amount / 2.0);
    if amount < 0.0 {
        amount = draw.between(0.0, 2.0 * customer.mean_amount);
    }
    let amount = cents(amount);
    let terminal = customer.terminals.get(draw.below(customer.terminals.len())).copied()?;
    let at = Timestamp::from_millis(second as i64 * 1_000);
    Some(Payment { id: 0, at, customer: 0, terminal, amount, scenario: u8::from(amount > TOO_MUCH) })
}

/// Different numbers below `bound`; fewer than `n` only where there are not so many.
fn some(draw: &mut Draw, n: usize, bound: usize) -> Vec<u32> {
    let mut chosen = Vec::new();
    while chosen.len() < n.min(bound) {
        let number = draw.below(bound) as u32;
        if !chosen.contains(&number) {
            chosen.push(number);
        }
    }
    chosen
}

/// Rounded to hundredths.
fn cents(amount: f64) -> f64 {
    (amount * 100.0).round() / 100.0
}
