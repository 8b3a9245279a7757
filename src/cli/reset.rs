//! `driftless reset`: lets an application that is stopped begin anew.
//!
//! It says what it will do and asks for the application's name before it does it.

use std::io::{BufRead, Write};
use std::process::ExitCode;

use serde::Serialize;

use super::WrongUsage;
use super::connect::{ConfigArgs, kafka};
use crate::runtime::{Beginning, ResetParams, ResetPlan, plan_reset};

/// A role that can begin anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum ResetRole {
    /// Windows, waiting predictions, and what was read of events and labels.
    Score,
    /// Alerts, performance, and what was read of summaries.
    Monitor,
}

/// Where the next start begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum To {
    /// At the first records there are: predictions of old events are published again.
    Earliest,
    /// At the records that come after the reset.
    Latest,
}

/// Arguments of `driftless reset`.
#[derive(Clone, Debug, clap::Args)]
pub struct ResetArgs {
    #[command(flatten)]
    config: ConfigArgs,
    /// Role to reset; both by default.
    #[arg(long, value_name = "ROLE")]
    role: Vec<ResetRole>,
    /// Where the next start begins.
    #[arg(long, value_enum, default_value_t = To::Earliest)]
    to: To,
    /// The application's name, instead of being asked for it.
    #[arg(long, value_name = "NAME")]
    yes: Option<String>,
    /// Print what was done as one JSON object.
    #[arg(long)]
    json: bool,
}

/// What is printed with `--json`.
#[derive(Serialize)]
struct Done<'a> {
    done: bool,
    #[serde(flatten)]
    plan: &'a ResetPlan,
}

/// Resets once it is confirmed.
///
/// # Errors
/// A wrong configuration, an application that runs, a cluster that does not answer or does not allow it.
pub fn run(args: &ResetArgs) -> anyhow::Result<ExitCode> {
    let config = args.config.load()?;
    if let Some(name) = args.yes.as_ref().filter(|name| **name != config.app) {
        return Err(WrongUsage::because(format!("`--yes {name}`: the application is called `{}`", config.app)));
    }
    let has = |role| args.role.is_empty() || args.role.contains(&role);
    let to = match args.to {
        To::Earliest => Beginning::Earliest,
        To::Latest => Beginning::Latest,
    };
    let params = ResetParams { score: has(ResetRole::Score), monitor: has(ResetRole::Monitor), to };
    let cluster = kafka(&config, "reset")?;
    let plan = plan_reset(&cluster, &config, params)?;
    let is_confirmed = match &args.yes {
        Some(_) => true,
        None => confirm(&plan, &mut std::io::stdin().lock(), &mut std::io::stderr().lock())?,
    };
    if is_confirmed {
        plan.carry_out(&cluster, &config)?;
    }
    let mut out = std::io::stdout().lock();
    if args.json {
        serde_json::to_writer(&mut out, &Done { done: is_confirmed, plan: &plan })?;
        writeln!(out)?;
    } else if is_confirmed {
        writeln!(out, "done; start the roles again when you are ready")?;
    } else {
        writeln!(out, "nothing was done")?;
    }
    Ok(if is_confirmed { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Shows the plan and asks for the application's name.
fn confirm(plan: &ResetPlan, answers: &mut impl BufRead, out: &mut impl Write) -> anyhow::Result<bool> {
    describe(plan, out)?;
    write!(out, "\nType the application's name, `{}`, to go on: ", plan.app)?;
    out.flush()?;
    let mut answer = String::new();
    answers.read_line(&mut answer)?;
    Ok(answer.trim() == plan.app)
}

fn describe(plan: &ResetPlan, out: &mut impl Write) -> anyhow::Result<()> {
    writeln!(out, "This lets `{}` begin anew:\n", plan.app)?;
    for role in &plan.roles {
        writeln!(out, "  {:8} group {}: its offsets are deleted", role.role, role.group)?;
        for topic in &role.topics {
            let what = match topic.offsets {
                Some(offsets) => format!("deleted with its {offsets} offsets, and made anew"),
                None => "made, it does not exist".to_owned(),
            };
            writeln!(out, "           {} ({} partitions): {what}", topic.topic, topic.partitions)?;
        }
    }
    let is_made_anew = |input: &String| plan.roles.iter().flat_map(|role| &role.topics).any(|own| own.topic == *input);
    let inputs = plan.roles.iter().flat_map(|role| &role.inputs).filter(|input| !is_made_anew(input));
    let inputs: Vec<&str> = inputs.map(String::as_str).collect();
    let inputs = inputs.join(", ");
    match plan.to {
        Beginning::Earliest => writeln!(
            out,
            "\nThe next start reads {inputs}\nfrom the first record there is, with empty windows. What it makes of old records it \
             PUBLISHES AGAIN:\nreaders of predictions, outcomes, alerts and performance see them twice."
        )?,
        Beginning::Latest => writeln!(
            out,
            "\nThe next start reads {inputs}\nfrom their present ends, with empty windows. Records that were not read until \
             now are passed over,\nand labels of earlier events find no prediction."
        )?,
    }
    writeln!(out, "Inputs, predictions, outcomes, dead letters, alerts, performance and models stay as they are.")?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::config::Config;
    use crate::runtime::topic_specs;
    use crate::transport::Transport;
    use crate::transport::memory::Memory;

    fn plan(to: Beginning) -> ResetPlan {
        let config = Config::parse(include_str!("../../examples/flights.toml")).unwrap();
        let memory = Arc::new(Memory::new());
        memory.create(&topic_specs(&config)).unwrap();
        plan_reset(&*memory, &config, ResetParams { score: true, monitor: true, to }).unwrap()
    }

    #[test]
    fn only_the_name_of_the_application_confirms() {
        for (answer, expected) in [("flights\n", true), ("yes\n", false), ("", false), ("flight\n", false)] {
            let mut shown = Vec::new();
            let plan = plan(Beginning::Earliest);
            assert_eq!(confirm(&plan, &mut answer.as_bytes(), &mut shown).unwrap(), expected, "{answer:?}");
            let shown = String::from_utf8(shown).unwrap();
            assert!(shown.contains("flights.monitor-state") && shown.contains("PUBLISHES AGAIN"), "{shown}");
        }
    }

    #[test]
    fn nothing_is_deleted_that_others_read() {
        let plan = plan(Beginning::Latest);
        let topics: Vec<&str> =
            plan.roles.iter().flat_map(|role| &role.topics).map(|reset| reset.topic.as_str()).collect();
        let expected = ["journal", "state", "summaries", "monitor-journal", "monitor-state"];
        assert_eq!(topics, expected.map(|topic| format!("flights.{topic}")));
    }
}
