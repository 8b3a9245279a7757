//! Dead letters sent again: counted first, asked about, then sent.

use std::io::{BufRead, Write};

use serde::Serialize;

use crate::cli::replay::usage;
use crate::config::Config;
use crate::runtime::{LetterFilter, Letters, ResendParams, Resent, resend};
use crate::transport::Transport;

/// What a replay prints with `--json`.
#[derive(Serialize)]
struct Done<'a> {
    done: bool,
    sent: Vec<Count<'a>>,
    left: Vec<Count<'a>>,
}

#[derive(Serialize)]
struct Count<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    topic: Option<&'a str>,
    why: &'a str,
    letters: u64,
}

/// A replay as it was asked for.
pub(super) struct Replay<'a> {
    pub config: &'a Config,
    pub filter: LetterFilter,
    pub is_dry: bool,
    pub is_now: bool,
    pub is_confirmed: bool,
}

/// What came of it.
pub(super) struct Outcome {
    /// What was, or would be, sent.
    pub resent: Resent,
    pub is_done: bool,
}

impl Replay<'_> {
    /// Counts the letters, asks, and sends them.
    pub fn run(
        &self,
        cluster: &dyn Transport,
        answers: &mut impl BufRead,
        questions: &mut impl Write,
    ) -> anyhow::Result<Outcome> {
        let mut letters = Letters::open(cluster, self.config, self.filter.clone()).map_err(usage)?;
        let dry = ResendParams { is_dry: true, is_now: self.is_now };
        let resent = resend(&mut letters, cluster, self.config, dry).map_err(usage)?;
        if self.is_dry || resent.total() == 0 {
            return Ok(Outcome { resent, is_done: !self.is_dry });
        }
        if !self.is_confirmed && !confirm(&resent, &self.config.app, answers, questions)? {
            return Ok(Outcome { resent, is_done: false });
        }
        let mut again = letters.again().map_err(usage)?;
        let wet = ResendParams { is_dry: false, ..dry };
        Ok(Outcome { resent: resend(&mut again, cluster, self.config, wet).map_err(usage)?, is_done: true })
    }
}

fn confirm(plan: &Resent, app: &str, answers: &mut impl BufRead, questions: &mut impl Write) -> anyhow::Result<bool> {
    writeln!(questions, "This sends {} records again:\n", plan.total())?;
    for ((topic, code), count) in &plan.sent {
        writeln!(questions, "  {count:8} to {topic}, refused with {code}")?;
    }
    for (obstacle, count) in &plan.left {
        writeln!(questions, "  {count:8} stay: {}", obstacle.why())?;
    }
    writeln!(
        questions,
        "\nLetters that have been sent again before are sent once more; with `events.deduplicate` their events are found."
    )?;
    write!(questions, "Type the application's name, `{app}`, to go on: ")?;
    questions.flush()?;
    let mut answer = String::new();
    answers.read_line(&mut answer)?;
    Ok(answer.trim() == app)
}

/// Prints what came of it.
pub(super) fn report(outcome: &Outcome, json: bool, out: &mut impl Write) -> anyhow::Result<()> {
    let Outcome { resent, is_done } = outcome;
    if json {
        let sent = resent.sent.iter().map(|((topic, code), letters)| Count {
            topic: Some(topic),
            why: code,
            letters: *letters,
        });
        let left = resent.left.iter().map(|(why, letters)| Count { topic: None, why: why.why(), letters: *letters });
        serde_json::to_writer(&mut *out, &Done { done: *is_done, sent: sent.collect(), left: left.collect() })?;
        writeln!(out)?;
        return Ok(());
    }
    let what = if *is_done { "sent" } else { "not sent" };
    for ((topic, code), count) in &resent.sent {
        writeln!(out, "{count:8} {what}: {code}, to {topic}")?;
    }
    for (obstacle, count) in &resent.left {
        writeln!(out, "{count:8} left: {}", obstacle.why())?;
    }
    if resent.sent.is_empty() && resent.left.is_empty() {
        writeln!(out, "no such dead letters")?;
    }
    Ok(())
}
