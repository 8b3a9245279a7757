//! A version that takes charge while its artifact is not in the store: nobody goes by another model than the others, and
//! nobody stops, whoever dies meanwhile.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot be set up is to fail loudly")]

mod support;

use std::path::PathBuf;
use std::sync::Arc;

use driftless::data::{ArtifactRef, ModelCommand, ModelRecord, Prediction};
use driftless::registry::Store;
use driftless::runtime::{App, ReplayParams, Roles, replay};
use driftless::transport::memory::Memory;
use support::bench::Bench;
use support::models::tell;
use support::{command, config, model};

const STEP: usize = 40;

/// An application whose store can lose artifacts.
struct Site {
    memory: Memory,
    bench: Bench,
    published: usize,
}

impl Site {
    fn new() -> Self {
        let memory = Memory::new();
        Site { bench: Bench::new(Arc::new(memory.clone()), config()), memory, published: 0 }
    }

    fn start(&self, instance: &str) -> App {
        self.bench.start_as(instance, Roles { score: true, monitor: false, retrain: false }, false)
    }

    /// Kills the score role, and clears it away.
    fn kill(&self, instance: &str, app: App) {
        self.memory.kill(&format!("shops.score.{instance}.0"));
        let _ = app.stop();
    }

    /// Publishes some events, and gives the versions that answered.
    fn feed(&mut self, app: &App) -> Vec<u32> {
        self.bench.publish_slowly(self.published, STEP);
        self.published += STEP;
        self.bench.until(app, || self.bench.predicted().len() == self.published);
        let mut predicted: Vec<Prediction> = self.bench.predicted();
        predicted.sort_by_key(|prediction| prediction.event_time);
        let mut versions: Vec<u32> =
            predicted.iter().rev().take(STEP).map(|prediction| prediction.model_version).collect();
        versions.sort_unstable();
        versions.dedup();
        versions
    }

    /// Feeds until one version answers everywhere.
    fn feed_until(&mut self, app: &App, version: u32) {
        for _ in 0..200 {
            if self.feed(app) == [version] {
                return;
            }
        }
        panic!("v{version} does not take charge");
    }

    fn put(&self, version: u32) -> ArtifactRef {
        Store::local(self.bench.store.path()).unwrap().put_model(&model(version)).unwrap()
    }

    fn place(&self, artifact: &ArtifactRef) -> PathBuf {
        self.bench.store.path().join("models").join(&artifact.sha256)
    }

    /// Registers a version, takes its artifact away, and promotes it.
    fn promote_without(&self, version: u32, replaces: u32) -> ArtifactRef {
        let artifact = self.put(version);
        std::fs::remove_file(self.place(&artifact)).unwrap();
        self.promote(&artifact, version, replaces);
        artifact
    }

    fn promote(&self, artifact: &ArtifactRef, version: u32, replaces: u32) {
        let registered =
            ModelRecord { artifact: Some(artifact.clone()), ..command(ModelCommand::Registered, version, replaces) };
        tell(&self.bench, &[registered, command(ModelCommand::Promoted, version, replaces)]);
    }

    fn lacks(&self, app: &App, version: u32) {
        let what = format!("v{version} is to take charge and cannot be loaded: ");
        self.bench.until(app, || app.missing().iter().any(|missing| missing.starts_with(&what)));
    }

    /// The past is computed again, and every event was predicted once.
    fn check(&self) {
        let report = replay(&self.bench.config, &*self.bench.transport, &ReplayParams::default(), &mut |_| {}).unwrap();
        assert!(report.identical, "{report}");
        let ids: std::collections::BTreeSet<String> =
            self.bench.predicted().into_iter().map(|prediction| prediction.event_id).collect();
        assert_eq!((ids.len(), self.bench.predicted().len()), (self.published, self.published));
    }
}

#[test]
fn a_promotion_waits_for_its_artifact_and_the_version_before_goes_on() {
    let mut site = Site::new();
    let app = site.start("a");
    assert_eq!(site.feed(&app), [0]);
    let artifact = site.promote_without(1, 0);
    site.lacks(&app, 1);
    assert_eq!(site.feed(&app), [0]);
    site.put(1);
    site.feed_until(&app, 1);
    site.bench.until(&app, || app.missing().is_empty());
    // Once taken, the promotion is needed again by whoever restores.
    std::fs::remove_file(site.place(&artifact)).unwrap();
    assert_eq!(site.feed(&app), [1]);
    site.kill("a", app);
    let app = site.start("a");
    site.lacks(&app, 1);
    let before = site.bench.predicted().len();
    site.bench.publish_slowly(site.published, STEP);
    site.published += STEP;
    std::thread::sleep(std::time::Duration::from_millis(300));
    assert_eq!(site.bench.predicted().len(), before, "nobody else answers in its place");
    site.put(1);
    site.feed_until(&app, 1);
    app.stop().unwrap();
    site.check();
}

#[test]
fn a_process_that_dies_and_starts_again_while_the_artifact_is_away_goes_on_like_the_others() {
    let mut site = Site::new();
    let app = site.start("a");
    assert_eq!(site.feed(&app), [0]);
    site.promote_without(1, 0);
    site.lacks(&app, 1);
    assert_eq!(site.feed(&app), [0]);
    site.kill("a", app);
    let app = site.start("b");
    assert_eq!(site.feed(&app), [0], "it has taken no promotion yet");
    site.lacks(&app, 1);
    app.stop().unwrap();
    let app = site.start("b");
    assert_eq!(site.feed(&app), [0], "nor after a clean stop");
    site.put(1);
    site.feed_until(&app, 1);
    site.kill("b", app);
    let app = site.start("c");
    assert_eq!(site.feed(&app), [1]);
    app.stop().unwrap();
    site.check();
}

#[test]
fn one_that_begins_waits_for_the_version_in_charge() {
    let mut site = Site::new();
    site.promote_without(1, 0);
    let app = site.start("a");
    site.lacks(&app, 1);
    site.bench.publish_slowly(0, STEP);
    site.published += STEP;
    std::thread::sleep(std::time::Duration::from_millis(300));
    assert_eq!(site.bench.predicted().len(), 0);
    site.put(1);
    assert_eq!(site.feed(&app), [1]);
    app.stop().unwrap();
    site.check();
}

#[test]
fn an_operator_gets_past_a_version_that_cannot_be_loaded() {
    let mut site = Site::new();
    let app = site.start("a");
    let artifact = site.put(1);
    site.promote(&artifact, 1, 0);
    site.feed_until(&app, 1);
    site.promote_without(2, 1);
    site.lacks(&app, 2);
    assert_eq!(site.feed(&app), [1]);
    tell(&site.bench, &[command(ModelCommand::RolledBack, 1, 2)]);
    site.bench.until(&app, || app.missing().is_empty());
    assert_eq!(site.feed(&app), [1]);
    let artifact = site.put(3);
    site.promote(&artifact, 3, 1);
    site.feed_until(&app, 3);
    site.kill("a", app);
    // v2 was never in charge of an event: nobody needs it, whoever starts.
    let app = site.start("b");
    assert_eq!(site.feed(&app), [3]);
    app.stop().unwrap();
    site.check();
}

#[test]
fn an_artifact_with_other_bytes_is_waited_for_and_one_that_is_no_model_is_refused_by_all_alike() {
    let mut site = Site::new();
    let app = site.start("a");
    assert_eq!(site.feed(&app), [0]);
    let artifact = site.put(1);
    let whole = std::fs::read(site.place(&artifact)).unwrap();
    let mut damaged = whole.clone();
    damaged[100] ^= 1;
    std::fs::write(site.place(&artifact), &damaged).unwrap();
    site.promote(&artifact, 1, 0);
    site.lacks(&app, 1);
    assert_eq!(site.feed(&app), [0]);
    std::fs::write(site.place(&artifact), &whole).unwrap();
    site.feed_until(&app, 1);
    let no_model = Store::local(site.bench.store.path()).unwrap().put_artifact(b"no model".to_vec()).unwrap();
    site.promote(&no_model, 2, 1);
    for _ in 0..20 {
        assert_eq!(site.feed(&app), [1], "there is always one that answers");
    }
    assert_eq!(app.missing(), Vec::<String>::new());
    site.kill("a", app);
    let app = site.start("b");
    assert_eq!(site.feed(&app), [1]);
    app.stop().unwrap();
    site.check();
}

#[test]
fn of_two_stores_the_one_without_the_artifact_keeps_its_shards_waiting_and_hands_them_over_whole() {
    let mut site = Site::new();
    // Another directory: a volume that is not mounted.
    let mut elsewhere = site.bench.changed((*site.bench.config).clone());
    let mut config = (*elsewhere.config).clone();
    config.store.path = elsewhere.store.path().to_owned();
    (elsewhere.config, elsewhere.previous) = (Arc::new(config), None);
    let without = elsewhere.start_live("without");
    assert_eq!(site.feed(&without), [0]);
    let artifact = site.put(1);
    site.promote(&artifact, 1, 0);
    site.lacks(&without, 1);
    let with = site.start("with");
    site.bench.until(&with, || with.missing().is_empty());
    let mut seen = Vec::new();
    for _ in 0..200 {
        seen = site.feed(&with);
        if seen == [0, 1] {
            break;
        }
    }
    assert_eq!(seen, [0, 1], "each shard goes by one version");
    site.kill("without", without);
    site.feed_until(&with, 1);
    with.stop().unwrap();
    site.check();
}
