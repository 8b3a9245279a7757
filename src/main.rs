//! The `driftless` command: arguments in, one command run, an exit code out.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use driftless::cli::{
    self, check, demo, dlq, health, models, produce, replay, reset, run, set, status, top, topics, why,
};

/// Keeps machine-learning models honest on live Kafka streams.
#[derive(Parser)]
#[command(version, about, max_term_width = 100)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Replay a year of real events through the whole loop, on a broker of its own.
    Demo(demo::DemoArgs),
    /// Run roles against a Kafka cluster.
    Run(run::RunArgs),
    /// Check a configuration and print what it means; needs no broker.
    Check(check::CheckArgs),
    /// Send events and labels to their topics.
    Produce(produce::ProduceArgs),
    /// Create the topics of a configuration, or list them.
    Topics(topics::TopicsArgs),
    /// Compute the past again from the topics and compare, or ask what would have been otherwise.
    Replay(replay::ReplayArgs),
    /// Show one past decision whole: the event, its windows, the row, the model, the score.
    Why(why::WhyArgs),
    /// List model versions, promote, roll back, freeze.
    Models(models::ModelsArgs),
    /// List dead letters, or send them to where they came from.
    Dlq(dlq::DlqArgs),
    /// Watch a running application: partitions, models, drift, alerts, trainings.
    Top(top::TopArgs),
    /// Print the same once, as text or JSON; exit code 1 if something is critical.
    Status(status::StatusArgs),
    /// Change a threshold for all, or what the process of this machine logs; or say how another setting is changed.
    Set(set::SetArgs),
    /// Ask the process of this machine whether it is ready; exit code 0 or 1.
    Health(health::HealthArgs),
    /// Let an application that is stopped begin anew: its offsets, journals and state are deleted.
    Reset(reset::ResetArgs),
}

fn main() -> ExitCode {
    let result = match Arguments::parse().command {
        Command::Demo(args) => demo::run(&args),
        Command::Run(args) => run::run(&args),
        Command::Check(args) => check::run(&args),
        Command::Produce(args) => produce::run(&args),
        Command::Topics(args) => topics::run(&args),
        Command::Replay(args) => replay::run(&args),
        Command::Why(args) => why::run(&args),
        Command::Models(args) => models::run(&args),
        Command::Dlq(args) => dlq::run(&args),
        Command::Top(args) => top::run(&args),
        Command::Status(args) => status::run(&args),
        Command::Set(args) => set::run(&args),
        Command::Health(args) => health::run(&args),
        Command::Reset(args) => reset::run(&args),
    };
    cli::exit_code(result)
}
