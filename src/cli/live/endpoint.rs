//! One process, asked over HTTP: its metrics and whether it is ready.
//!
//! A process that does not answer is a fact like others, kept with the reason; nothing here fails. The looks of the last
//! seconds are kept, so that counters become rates.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use serde::Deserialize;

use super::exposition::{Buckets, Page};
use crate::cli::WrongUsage;
use crate::cli::connect::agent;
use crate::telemetry::Metric;

/// A process that takes longer does not answer.
const TIMEOUT: Duration = Duration::from_secs(2);
/// A page that is longer is none of ours.
const MAX_PAGE_BYTES: u64 = 16 * 1024 * 1024;
/// Rates are over so long.
pub(super) const OVER: Duration = Duration::from_secs(10);

/// Where a process serves its metrics, and what it said.
pub(super) struct Endpoint {
    name: String,
    base: String,
    agent: ureq::Agent,
}

/// What a process said at one moment.
#[derive(Debug)]
pub(super) struct Answer {
    pub at: Instant,
    pub page: Page,
    /// Whether it is ready, and what is missing until then.
    pub readiness: Readiness,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct Readiness {
    pub ready: bool,
    #[serde(default)]
    pub missing: Vec<String>,
}

impl Endpoint {
    /// Reads `HOST:PORT`, or an address that begins with `http://` or `https://`; a path is not needed.
    pub fn parse(text: &str) -> anyhow::Result<Endpoint> {
        let wrong = |why: &str| {
            // The address may hold what is not to be shown.
            WrongUsage::because(format!("--endpoint: {why}; write HOST:PORT or http://HOST:PORT"))
        };
        let (scheme, rest) = text.split_once("://").unwrap_or(("http", text));
        if !["http", "https"].contains(&scheme) {
            return Err(wrong("only http and https are understood"));
        }
        let name = rest.split('/').next().unwrap_or_default();
        if name.contains('@') {
            return Err(wrong("an address holds no user and no password"));
        }
        let known = |c: char| c.is_ascii_alphanumeric() || "-_.:[]".contains(c);
        if name.is_empty() || !name.chars().all(known) {
            return Err(wrong("this is no address"));
        }
        Ok(Endpoint { name: name.to_owned(), base: format!("{scheme}://{name}"), agent: agent(TIMEOUT) })
    }

    /// How it is named to a person.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Asks.
    ///
    /// # Errors
    /// Why there is no answer, in few words.
    pub fn ask(&self) -> Result<Answer, String> {
        let page = Page::parse(&self.get("metrics")?).map_err(|error| format!("no page of Driftless: {error}"))?;
        if page.sum(Metric::BuildInfo) == 0.0 {
            return Err("no page of Driftless: it says nothing of its version".to_owned());
        }
        let readiness = serde_json::from_str(&self.get("readyz")?);
        let readiness = readiness.map_err(|_| "no page of Driftless: `/readyz` is not understood".to_owned())?;
        Ok(Answer { at: Instant::now(), page, readiness })
    }

    fn get(&self, path: &str) -> Result<String, String> {
        let mut response = self.agent.get(format!("{}/{path}", self.base)).call().map_err(|error| in_words(&error))?;
        let text = response.body_mut().with_config().limit(MAX_PAGE_BYTES).read_to_string();
        text.map_err(|error| in_words(&error))
    }
}

fn in_words(error: &ureq::Error) -> String {
    match error {
        ureq::Error::Timeout(_) => format!("no answer within {} s", TIMEOUT.as_secs()),
        ureq::Error::Io(error) if error.kind() == std::io::ErrorKind::ConnectionRefused => {
            "connection refused".to_owned()
        }
        ureq::Error::Io(error) => error.kind().to_string(),
        ureq::Error::HostNotFound => "no such host".to_owned(),
        other => other.to_string(),
    }
}

/// The answers of one process over the last seconds.
#[derive(Debug, Default)]
pub(super) struct Answers {
    kept: VecDeque<Answer>,
    /// Why the last question had no answer.
    pub error: Option<String>,
    /// Whether it was asked at all.
    pub asked: bool,
}

impl Answers {
    /// Takes the outcome of a question.
    pub fn take(&mut self, outcome: Result<Answer, String>) {
        self.asked = true;
        match outcome {
            Ok(answer) => {
                while self.kept.len() > 1 && self.kept.get(1).is_some_and(|next| answer.at - next.at >= OVER) {
                    self.kept.pop_front();
                }
                self.kept.push_back(answer);
                self.error = None;
            }
            Err(why) => {
                // A process that comes back may be another one: its rates begin anew.
                self.kept.clear();
                self.error = Some(why);
            }
        }
    }

    /// What it says now; `None` if it does not answer.
    pub fn latest(&self) -> Option<&Answer> {
        self.kept.back()
    }

    /// Growth per second of a figure over the last seconds; `None` before the second answer.
    pub fn rate(&self, figure: impl Fn(&Page) -> f64) -> Option<f64> {
        let (first, last) = (self.kept.front()?, self.kept.back()?);
        let seconds = (last.at - first.at).as_secs_f64();
        if seconds <= 0.0 {
            return None;
        }
        let steps = self.kept.iter().zip(self.kept.iter().skip(1));
        // A counter that has fallen belongs to a new process: what it shows has come since.
        let grown = steps.map(|(before, after)| match figure(&after.page) - figure(&before.page) {
            growth if growth < 0.0 => figure(&after.page),
            growth => growth,
        });
        Some(grown.sum::<f64>() / seconds)
    }

    /// What a histogram has counted over the last seconds, or since the process started before the second answer.
    pub fn recent(&self, buckets: impl Fn(&Page) -> Buckets) -> Buckets {
        match (self.kept.front(), self.kept.back()) {
            (Some(first), Some(last)) if self.kept.len() > 1 => buckets(&last.page).since(&buckets(&first.page)),
            (_, Some(last)) => buckets(&last.page),
            _ => Buckets::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answers(texts: &[(u64, &str)]) -> Answers {
        let start = Instant::now();
        let mut answers = Answers::default();
        for (at, text) in texts {
            let at = start + Duration::from_secs(*at);
            let page = Page::parse(text).unwrap();
            answers.take(Ok(Answer { at, page, readiness: Readiness::default() }));
        }
        answers
    }

    #[test]
    fn a_counter_becomes_a_rate_also_over_a_restart() {
        let rate = |answers: &Answers| answers.rate(|page| page.sum(Metric::Consumed));
        let page = ["driftless_consumed_total{input=\"events\"} 100", "driftless_consumed_total{input=\"events\"} 120"];
        assert_eq!(rate(&answers(&[(0, page[0])])), None);
        assert_eq!(rate(&answers(&[(0, page[0]), (4, page[1])])), Some(5.0));
        assert_eq!(rate(&answers(&[(0, page[1]), (4, page[0])])), Some(25.0));
        let mut gone = answers(&[(0, page[0]), (4, page[1])]);
        gone.take(Err("connection refused".to_owned()));
        assert_eq!((rate(&gone), gone.latest().is_none()), (None, true));
    }

    #[test]
    fn rates_are_over_the_last_ten_seconds() {
        let texts: Vec<String> = (0..30).map(|at| format!("driftless_late_total {}", at * at)).collect();
        let looks: Vec<(u64, &str)> = (0_u64..).zip(texts.iter().map(String::as_str)).collect();
        let rate = answers(&looks).rate(|page| page.sum(Metric::Late));
        // From 19 to 29 s.
        assert_eq!(rate, Some(f64::from(29 * 29 - 19 * 19) / 10.0));
    }

    #[test]
    fn an_address_is_a_host_and_a_port_and_holds_no_password() {
        let name = |text: &str| Endpoint::parse(text).map(|endpoint| endpoint.name().to_owned());
        assert_eq!(name("10.0.0.7:9464").unwrap(), "10.0.0.7:9464");
        assert_eq!(name("http://score:9464/metrics").unwrap(), "score:9464");
        assert_eq!(name("[::1]:9464").unwrap(), "[::1]:9464");
        for text in ["", "ftp://host", "http://user:pass@host:1", "http://", "a b"] {
            let error = name(text).unwrap_err().to_string();
            assert!(error.starts_with("--endpoint: ") && !error.contains("pass@"), "{error}");
        }
    }

    #[test]
    fn nobody_there_is_an_answer_too() {
        let error = Endpoint::parse("127.0.0.1:1").unwrap().ask().unwrap_err();
        assert_eq!(error, "connection refused");
    }
}
