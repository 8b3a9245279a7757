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
from application import ROLES, ROOT
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
    for _ in range(4):
        retrain.kill()
        retrain.start()
        live.wait(120, "retrain answers", lambda: retrain.get("/livez")[0] == 200)
        time.sleep(2)


def come_and_go(live):
    """An autoscaler gone wrong."""
    for number in range(40):
        if live.watchers.alerts("DriftlessRebalancing"):
            return
        name = f"score-{number}"
        one = live.application.add("score", name).start()
        live.wait(120, "another instance is assigned", lambda: one.says("assigned") > 0)
        live.application.remove(name)


def lack_processor_time(alert):
    """More comes, and the process gets a tenth of a processor, until the alert fires."""

    def apply(live):
        live.feed.world.rate = 5000.0
        score = live.application["score"].process
        until = time.monotonic() + 150
        while not live.watchers.alerts(alert) and time.monotonic() < until:
            for sign, seconds in ((signal.SIGSTOP, 0.4), (signal.SIGCONT, 0.04)):
                score.send_signal(sign)
                time.sleep(seconds)
        live.feed.world.rate = 200.0

    return apply


def near_the_limit(live):
    """The score role gets a control group of its own, whose limit is then drawn close."""
    score = live.application["score"]
    score.stop()
    score.start(under=memory.limited())
    resident = f'driftless_resident_memory_bytes{{instance="{score.address}"}}'
    live.wait(150, "it is ready", score.is_ready)
    time.sleep(5)
    live.wait(30, "its memory is known", lambda: live.watchers.value(resident) is not None)
    memory.limit(live.watchers.value(resident) / 0.94)


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
    live.wait(150, "the bad ones have passed", lambda: live.watchers.value("sum(driftless_lag_records)") < 200)
    score.restart()


# --- Models

def drift_unanswered(live):
    live.application["retrain"].stop()
    live.feed.world.centre += 60.0


def perform_badly(live):
    live.application["retrain"].stop()
    live.feed.world.reversed = not live.feed.world.reversed


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
    live.wait(150, "a training succeeds", lambda: (live.watchers.value(registered) or 0) > 0)
    train_seldom(live)


def train_for_ever(live):
    live.application["retrain"].restart(TREES="1000")
    train_often(live)


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
    live.wait(60, "the freeze is known", lambda: not live.watchers.value("sum(driftless_trainings_open)"))
    shutil.copytree(application.store, application.directory / "copied-store")
    other = application.add("score", "score-b").configure(STORE=application.directory / "copied-store").start()
    live.wait(150, "both score", lambda: other.says("restored") > 0 and other.is_ready() and application["score"].is_ready())
    before = versions(live)
    train_often(live)
    live.wait(150, "another model is registered", lambda: versions(live) - before)
    train_seldom(live)
    live.wait(150, "the monitor is back", application["monitor"].is_ready)
    application.cli("models", "promote", max(versions(live)), "--why", "to see who follows")


def versions(live):
    lines = live.application.cli("models", "list", "--json").splitlines()
    return {record["version"] for record in map(json.loads, lines) if record["command"] == "registered"}


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
        instance.restart()
