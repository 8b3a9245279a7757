"""The runbook tried: for each alert how its fault is caused, and what clears it, which is what `docs/runbook.md` says to do."""

import json
import os
import signal
import time
from dataclasses import dataclass
from typing import Callable

from application import wait


@dataclass
class Case:
    alert: str
    cause: Callable
    clear: Callable
    quick: bool = False
    """Also without --runbook."""
    fires_s: int = 90
    clears_s: int = 90
    labels: Callable = lambda live: {}
    """Labels that the alert must have, beside its name."""


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
        wait(30, "retrain answers", lambda: retrain.get("/livez")[0] == 200)
        time.sleep(2)


def come_and_go(live):
    """An autoscaler gone wrong."""
    for _ in range(6):
        live.application.add("score", "score-b").start()
        live.wait(30, "another instance is assigned", lambda: live.application["score-b"].says("assigned") > 0)
        live.application.remove("score-b")


def lack_processor_time(live):
    """More comes, and the process gets a tenth of a processor, until the alert fires."""
    live.feed.world.rate = 2000.0
    score = live.application["score"].process
    until = time.monotonic() + 120
    while not live.watchers.alerts("DriftlessLagGrowing") and time.monotonic() < until:
        for sign, seconds in ((signal.SIGSTOP, 0.45), (signal.SIGCONT, 0.05)):
            score.send_signal(sign)
            time.sleep(seconds)
    live.feed.world.rate = 200.0


# --- Brokers

def refuse_writes(live):
    """Fewer replicas are in sync than the topic of the predictions asks for."""
    _set_replicas(live, 2)


def take_writes(live):
    _set_replicas(live, 1)


def _set_replicas(live, number):
    topic = live.application.topic("predictions")
    live.application.kafka("kafka.admin.ConfigCommand", "--alter", "--entity-type", "topics", "--entity-name", topic,
                                 "--add-config", f"min.insync.replicas={number}")


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


def send_many(live):
    live.feed.send(60_000, time.time())


def let_the_bad_ones_pass(live):
    """As recovery.md says of a producer that is mended: start with `max_rejected = 1.0`, and put it back afterwards."""
    live.feed.world.unusable = 0.0
    score = live.application["score"].restart(MAX_REJECTED="max_rejected = 1.0")
    live.wait(60, "the bad ones have passed", lambda: live.watchers.value("sum(driftless_lag_records)") == 0)
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


def lose_the_training_log(live):
    """Retrain has another store than the other roles: a volume that was not mounted."""
    live.application["retrain"].restart(STORE=live.application.directory / "another-store")
    train_often(live)


def share_the_store(live):
    live.application["retrain"].restart()
    live.wait(90, "a training succeeds", lambda: (live.watchers.value('sum(increase(driftless_trainings_total{result="registered"}[30s]))') or 0) > 0)
    train_seldom(live)


def train_for_ever(live):
    live.application["retrain"].restart(TREES="1000")
    train_often(live)


def train_less(live):
    live.application["retrain"].restart()
    train_seldom(live)


def roll_back(live):
    live.application.cli("models", "rollback", "--why", "the runbook says so")


def lose_the_store(live):
    """The score role is started where the store is not mounted."""
    live.application["score"].restart(STORE=live.application.directory / "empty-store")


def mount_the_store(live):
    os.symlink(live.application.store / "models", live.application.directory / "empty-store" / "models")


def drifts(live):
    return {"severity": "info", "signal": "amount"}


def serves(role):
    return lambda live: {"instance": live.application[role].address, "service": role, "severity": "page"}


CASES = (
    Case("DriftlessDrift", change(centre=150.0), nothing, quick=True, fires_s=120, clears_s=180, labels=drifts),
    Case("DriftlessDown", kill("retrain"), start("retrain"), quick=True, labels=serves("retrain")),
    Case("DriftlessNothingScores", stop("score"), start("score"), quick=True),
    Case("DriftlessDeadLetters", change(unusable=0.3), change(unusable=0.0), quick=True),
    Case("DriftlessNothingMonitors", stop("monitor"), start("monitor")),
    Case("DriftlessNotReady", lose_the_store, mount_the_store),
    Case("DriftlessShardHeldBack", change(unusable=1.0), let_the_bad_ones_pass),
    Case("DriftlessStuck", refuse_writes, take_writes),
    Case("DriftlessTransactionsAborted", refuse_writes, take_writes),
    Case("DriftlessPredictionsLate", send_many, nothing),
    Case("DriftlessLagGrowing", lack_processor_time, nothing),
    Case("DriftlessFlapping", start_again_and_again, nothing),
    Case("DriftlessRebalancing", come_and_go, nothing),
    Case("DriftlessOffsetsSkipped", remove_unread, nothing),
    Case("DriftlessGroupsEvicted", change(shops=6000, rate=1000.0), change(shops=20, rate=200.0)),
    Case("DriftlessLabelsMissing", change(labels=False), change(labels=True)),
    Case("DriftlessPerformanceLow", perform_badly, start("retrain"), clears_s=180),
    Case("DriftlessTrainingFailed", lose_the_training_log, share_the_store, fires_s=180, clears_s=180),
    Case("DriftlessTrainingHangs", train_for_ever, train_less, fires_s=180, clears_s=180),
    Case("DriftlessModelOld", nothing, roll_back, fires_s=300),
    Case("DriftlessDriftUnanswered", drift_unanswered, start("retrain"), fires_s=420, clears_s=240),
)
# Why the others are not tried.
NOT_CAUSED = {
    "DriftlessCountIdentityBroken": "a defect of Driftless, which no input is known to cause",
    "DriftlessPanicked": "a defect of Driftless, which no record is known to cause",
    "DriftlessVersionsDiffer": "?",
    "DriftlessMemoryNearLimit": "?",
}
