//! The roles over the memory transport, step by step: faults at any commit leave the same topics as an undisturbed run.

mod support;

use std::sync::Arc;

use driftless::transport::memory::{Cue, Fault, Memory};
use support::bench::{Bench, Published, assert_whole, differences};
use support::config;

fn bench() -> (Memory, Bench) {
    let memory = Memory::new();
    (memory.clone(), Bench::new(Arc::new(memory), config()))
}

fn undisturbed(seed: u64, n: usize) -> Published {
    let (_, bench) = bench();
    bench.run(seed, n, |_, app| app);
    bench.published()
}

#[test]
fn two_runs_over_the_same_input_publish_the_same_bytes() {
    let published = undisturbed(11, 400);
    assert_whole(&published);
    assert_eq!(differences(&published, &undisturbed(11, 400)), Vec::<String>::new());
}

#[test]
fn a_failed_commit_of_any_kind_leaves_no_trace_in_what_is_published() {
    let expected = undisturbed(12, 300);
    for (fault, nth) in [
        (Fault::RefuseCommit, 2),
        (Fault::RefuseCommit, 3),
        (Fault::LoseAnswer, 2),
        (Fault::LoseCommit, 3),
        (Fault::Kick, 2),
        (Fault::RefuseSend, 40),
    ] {
        for role in ["score", "monitor"] {
            let (memory, bench) = bench();
            memory.plan(Cue { transactional_id: format!("shops.{role}.a.0"), nth, fault });
            bench.run(12, 300, |_, app| app);
            let found = differences(&bench.published(), &expected);
            assert!(found.is_empty(), "{fault:?} at {nth} of {role}: {found:#?}");
        }
    }
}

#[test]
fn a_process_that_dies_and_starts_again_goes_on_where_its_journal_ends() {
    let expected = undisturbed(13, 300);
    let (memory, bench) = bench();
    bench.run(13, 300, |step, app| {
        if step == 0 || step % 2 == 1 {
            return app;
        }
        for role in ["score", "monitor", "retrain"] {
            memory.kill(&format!("shops.{role}.a.0"));
        }
        let _ = app.stop();
        bench.start()
    });
    let published = bench.published();
    assert_whole(&published);
    assert_eq!(differences(&published, &expected), Vec::<String>::new());
}
