"""How faults are caused in the running system, and what an operator does about them; `cases.py` says which alert is which.

Each of these takes the running system (`live`): its application, its feed, its Prometheus and Alertmanager.
"""

import json
import os
import shutil
import signal
import subprocess
import time

import memory
from application import APP, PATIENCE, ROLES, ROOT
from feed import World


def nothing(live):
    """It clears by itself once the cause is over."""


# --- Processes

def kill(name):
    return lambda live: live.application[name].kill()


def stop(name):
    return lambda live: live.application[name].stop()


def start(name):
    return lambda live: live.application[name].start()


def start_again_and_again(live):
    retrain = live.application["retrain"]
    begun = f'driftless_start_timestamp_seconds{{instance="{retrain.address}"}}'
    for _ in range(4):
        before = live.watchers.count(begun)
        retrain.kill()
        retrain.start()
        live.wait(120, "Prometheus sees that retrain started", lambda: live.watchers.count(begun) > before)


def come_and_go(live):
    """An autoscaler gone wrong: each time a shard is taken away from the one that stays, and comes back to it."""
    stays = live.application["score"]
    for number in range(40):
        if live.watchers.alerts("DriftlessRebalancing"):
            return
        name, before = f"score-{number}", stays.says("assigned")
        one = live.application.add("score", name).start()
        live.wait(120, "another instance is assigned", lambda: one.says("assigned") > 0)
        live.application.remove(name)
        live.wait(120, "the shard comes back", lambda: stays.says("assigned") > before)


def lack_processor_time(alert):
    """More comes, and the process gets a tenth of a processor, until the alert fires."""

    def apply(live):
        live.feed.world.rate = 5000.0
        starve(live, "score", alert)
        live.feed.world.rate = 200.0

    return apply


def starve(live, name, alert):
    """A tenth of a processor, until the alert fires."""
    process = live.application[name].process
    until = time.monotonic() + 150 * PATIENCE
    while not live.watchers.alerts(alert) and time.monotonic() < until:
        for sign, seconds in ((signal.SIGSTOP, 0.4), (signal.SIGCONT, 0.04)):
            process.send_signal(sign)
            time.sleep(seconds)


def near_the_limit(live):
    """The score role gets a control group of its own, whose limit is drawn close, and follows what it takes until the alert fires."""
    score = live.application["score"]
    score.stop()
    score.start(under=memory.limited())
    resident = f'driftless_resident_memory_bytes{{instance="{score.address}"}}'
    live.wait(150, "it is ready", score.is_ready)
    live.wait(30, "its memory is known", lambda: live.watchers.count(resident) > 0)

    def is_near():
        taken = live.watchers.count(resident)
        if taken and not 0.92 < taken / memory.limit_now() < 0.96:
            memory.limit(taken / 0.94)
        return live.watchers.alerts("DriftlessMemoryNearLimit")

    live.wait(150, "DriftlessMemoryNearLimit fires", is_near)


def raise_the_limit(live):
    memory.limit(4 * memory.limit_now())


# --- Brokers

def refuse_writes(live):
    """Somebody made the longest record of a topic so short that no prediction fits."""
    _set_limit(live, 100)


def take_writes(live):
    _set_limit(live, 1_048_588)


def _set_limit(live, size):
    topic = live.application.topic("predictions")
    live.application.kafka("kafka.admin.ConfigCommand", "--alter", "--entity-type", "topics", "--entity-name", topic,
                           "--add-config", f"max.message.bytes={size}")


def leave_a_transaction_open(live):
    """Another writer of the events topic opens a transaction and dies."""
    application = live.application
    writer = subprocess.Popen(
        [ROOT / "scripts/kafka", "tool", "ProducerPerformance", "--topic", application.topic("events"), "--num-records", "1000000",
         "--throughput", "500", "--record-size", "100", "--transactional-id", "somebody", "--transaction-duration-ms", "900000",
         "--producer-props", f"bootstrap.servers={application.brokers}", "transaction.timeout.ms=900000"],
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    try:
        live.wait(120, "a transaction of somebody else is open on both partitions", lambda: len(_open_transactions(application)) == 2)
    finally:
        os.killpg(writer.pid, signal.SIGKILL)
        writer.wait()


def abort_it(live):
    application = live.application
    for partition, start in _open_transactions(application):
        application.kafka("TransactionsCommand", "abort", "--topic", application.topic("events"), "--partition", partition,
                          "--start-offset", start)


def _open_transactions(application):
    """Partition and first offset of each transaction that is open on the events topic."""
    found = []
    for partition in ("0", "1"):
        told = application.kafka("TransactionsCommand", "describe-producers", "--topic", application.topic("events"), "--partition", partition)
        header, *rows = [line.split("\t") for line in told.splitlines() if line.strip()]
        place = [name.strip() for name in header].index("CurrentTransactionStartOffset")
        found += [(partition, row[place].strip()) for row in rows if row[place].strip() not in ("-1", "None")]
    return found


def remove_unread(live):
    """Score is away for longer than records are kept."""
    application = live.application
    application["score"].stop()
    time.sleep(3)
    topic = application.topic("events")
    file = application.directory / "delete.json"
    partitions = [{"topic": topic, "partition": partition, "offset": -1} for partition in (0, 1)]
    file.write_text(json.dumps({"partitions": partitions, "version": 1}), encoding="utf-8")
    application.kafka("DeleteRecordsCommand", "--offset-json-file", file)
    application["score"].start()


# --- Data

def change(**values):
    def apply(live):
        for name, value in values.items():
            assert hasattr(live.feed.world, name), name
            setattr(live.feed.world, name, value)

    return apply


def let_the_bad_ones_pass(live):
    """As recovery.md says of a producer that is mended: start with `max_rejected = 1.0`, and put it back afterwards."""
    live.feed.world.unusable = 0.0
    score = live.application["score"].restart(MAX_REJECTED="max_rejected = 1.0")
    live.wait(150, "the bad ones have passed", lambda: score.is_ready() and lag(live) < 200)
    score.restart()


def lag(live):
    """Events that wait; many while nobody says."""
    said = live.watchers.value("sum(driftless_lag_records)")
    return float("inf") if said is None else said


# --- Defects: records that stand for one, in a program in which they do

def deploy_a_defect(live):
    """A new version; who answers is ready for events."""
    score = live.application["score"].deploy(live.application.defective)
    live.wait(150, "the new version scores", score.is_ready)


def go_back_to_the_version_before(live):
    score = live.application["score"].deploy(live.application.binary)
    live.wait(150, "the version before scores", score.is_ready)


def lose_an_event(live):
    deploy_a_defect(live)
    live.feed.send_one("lost", "trapdoor")


def go_back(live):
    application = live.application
    go_back_to_the_version_before(live)
    code, told = application.answer("replay")
    if code != 1 or "lost" not in told:
        raise RuntimeError(f"`driftless replay` does not name the event that was lost ({code}): {told}")
    live.feed.send_one("not-lost", "trapdoor")
    live.wait(60, "a whole version predicts for such an event", lambda: application.predictions_of("not-lost") == 1)
    if application.predictions_of("lost"):
        raise RuntimeError("the event was not lost")


def panic(live):
    deploy_a_defect(live)
    live.feed.send_one("tripped", "tripwire")


def deploy_what_is_mended(live):
    application = live.application
    if application["score"].says("record_panicked") != 1:
        raise RuntimeError("the log does not tell of the record, once")
    go_back_to_the_version_before(live)
    application.cli("dlq", "replay", "--code", "panic", "--yes", APP)
    live.wait(60, "the record has its prediction", lambda: application.predictions_of("tripped") == 1)


# --- Notifications

def mistype_the_receiver(live):
    """The next notice is refused for good."""
    monitor = live.application["monitor"].restart(NOTIFY=f"{live.application.notify}/wrong/alerts")
    live.wait(150, "it is ready", monitor.is_ready)
    live.feed.world.centre += 60.0


def correct_the_receiver(live):
    live.feed.world.centre -= 60.0
    if not live.application["monitor"].says("notification_given_up"):
        raise RuntimeError("the log does not tell what was given up")
    address = live.application["monitor"].restart().address
    taken = f'driftless_notifications_total{{instance="{address}",result="delivered"}}'
    live.wait(150, "the next notice is taken", lambda: live.watchers.count(taken) > 0)


# --- Models

def drift_unanswered(live):
    live.application["retrain"].stop()
    live.feed.world.centre += 60.0


def see_that_a_training_ends(live):
    """Where it fails, another is due: a rollback begins the incident that asks for it."""
    live.application["retrain"].start()
    ended = 'sum(driftless_trainings_total{{result="{}"}})'.format
    live.wait(150, "a training ends", lambda: live.watchers.count(ended("registered")) + live.watchers.count(ended("training_failed")))
    if not live.watchers.count(ended("registered")):
        roll_back(live)


def perform_badly(live):
    live.application["retrain"].stop()
    live.feed.world.reversed = not live.feed.world.reversed


def see_that_it_is_answered(live):
    """The training that was asked for, and where that came too early to know the world as it is now, those that come after it."""
    before = decided(live)
    promoted = lambda: any(state != "refused" for version, state in decided(live).items() if version not in before)  # noqa: E731
    failed = 'sum(driftless_trainings_total{result="training_failed"})'
    retrain = live.application["retrain"].start()
    live.wait(150, "the training that was asked for has an end", lambda: len(decided(live)) > len(before) or live.watchers.count(failed))
    if not promoted():
        retrain.restart(HISTORY="30d")
        train_often(live)
        live.wait(150, "a model is promoted", promoted)
        retrain.restart()
        train_seldom(live)


def train_often(live):
    live.application["monitor"].restart(COOL_DOWN="10d", SCHEDULE="10d")


def train_seldom(live):
    live.application["monitor"].restart()


def look_back_too_little(live):
    """Within `retrain.history` there are fewer rows than a training needs."""
    live.application["retrain"].restart(HISTORY="10d")
    train_often(live)


def look_back_far_enough(live):
    live.application["retrain"].restart()
    registered = 'sum(increase(driftless_trainings_total{result="registered"}[30s]))'
    live.wait(150, "a training succeeds", lambda: live.watchers.count(registered) > 0)
    train_seldom(live)


def train_for_ever(live):
    """As large a forest as there can be, and little time for it."""
    live.application["retrain"].restart(TREES="1000", MAX_DEPTH="32")
    train_often(live)
    live.wait(150, "a training begins", lambda: live.watchers.count("sum(driftless_trainings_open)") > 0)
    starve(live, "retrain", "DriftlessTrainingHangs")


def train_less(live):
    live.application["retrain"].restart()
    train_seldom(live)


def roll_back(live):
    live.application.cli("models", "rollback", "--why", "the runbook says so")


def break_the_store(live):
    """The store does not answer while the score role starts."""
    models = live.application.store / "models"
    models.rename(models.with_suffix(".away"))
    models.write_text("no directory", encoding="utf-8")
    live.application["score"].restart()


def mend_the_store(live):
    models = live.application.store / "models"
    models.unlink()
    models.with_suffix(".away").rename(models)


def promote_what_one_has_not(live):
    """Two instances, one of them with a store of its own, to which a new model does not come."""
    application = live.application
    application.cli("models", "freeze", "--why", "to see who follows")
    live.wait(60, "the freeze is known", lambda: not live.watchers.count("sum(driftless_trainings_open)"))
    shutil.copytree(application.store, application.directory / "copied-store")
    other = application.add("score", "score-b").configure(STORE=application.directory / "copied-store").start()
    live.wait(150, "both score", lambda: other.says("restored") > 0 and other.is_ready() and application["score"].is_ready())
    before = len(versions(live))
    train_often(live)
    live.wait(150, "another model is registered", lambda: len(versions(live)) > before)
    train_seldom(live)
    live.wait(150, "the monitor is back", application["monitor"].is_ready)
    application.cli("models", "promote", max(versions(live)), "--why", "to see who follows")


def versions(live):
    """What became of each candidate."""
    lines = live.application.cli("models", "list", "--json").splitlines()
    listed = [record for record in map(json.loads, lines) if record["command"] == "registered"]
    return {record["version"]: record["state"] for record in listed}


def decided(live):
    return {version: state for version, state in versions(live).items() if state != "candidate"}


def share_its_store(live):
    application = live.application
    shutil.copytree(application.store, application.directory / "copied-store", dirs_exist_ok=True)
    application["score-b"].restart(STORE=application.directory / "copied-store")
    live.wait(150, "it is ready", application["score-b"].is_ready)
    score = 'driftless_model_version{role="score"}'
    live.wait(150, "both score with one model", lambda: live.watchers.value(f"max({score}) - min({score})") == 0)
    application.remove("score-b")
    application.cli("models", "unfreeze", "--why", "seen")


def as_before(live):
    """What a case that failed may have left behind."""
    live.feed.world = World()
    abort_it(live)
    take_writes(live)
    for name in [name for name in live.application.instances if name not in ROLES]:
        live.application.remove(name)
    away = live.application.store / "models.away"
    if away.exists():
        mend_the_store(live)
    live.application.cli("models", "unfreeze", "--why", "a case failed", check=False)
    for instance in live.application.instances.values():
        instance.binary = live.application.binary
        instance.restart()
