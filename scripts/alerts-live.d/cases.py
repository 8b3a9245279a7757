"""The runbook tried: for each alert how its fault is caused, and what clears it, which is what `docs/runbook.md` says to do."""

from dataclasses import dataclass
from typing import Callable

import faults
import memory


@dataclass
class Case:
    alert: str
    cause: Callable
    clear: Callable
    quick: bool = False
    """Also without --runbook."""
    fires_s: int = 180
    clears_s: int = 180
    possible: Callable = lambda: None
    """Why it cannot be tried here, or nothing."""
    labels: Callable = lambda live: {}
    """Labels that the alert must have, beside its name."""
    is_told: bool = False
    """The application tells Alertmanager of it as well, of itself (`[notify]`), and that it is over."""
    is_defect: bool = False
    """No input is known to cause it: a record stands for it, in a binary built with the cargo feature `failpoints`."""


def drifts(live):
    return {"severity": "info", "signal": "amount"}


def serves(role):
    return lambda live: {"instance": live.application[role].address, "service": role, "severity": "page"}


CASES = (
    Case("DriftlessDrift", faults.change(centre=150.0), faults.nothing, quick=True, labels=drifts, is_told=True),
    Case("DriftlessDown", faults.kill("retrain"), faults.start("retrain"), quick=True, labels=serves("retrain")),
    Case("DriftlessNothingScores", faults.stop("score"), faults.start("score"), quick=True),
    Case("DriftlessDeadLetters", faults.change(unusable=0.3), faults.change(unusable=0.0), quick=True),
    Case("DriftlessCountIdentityBroken", faults.lose_an_event, faults.go_back, is_defect=True),
    Case("DriftlessPanicked", faults.panic, faults.deploy_what_is_mended, is_defect=True),
    Case("DriftlessNothingMonitors", faults.stop("monitor"), faults.start("monitor")),
    Case("DriftlessNotReady", faults.break_the_store, faults.mend_the_store),
    Case("DriftlessShardHeldBack", faults.change(unusable=1.0), faults.let_the_bad_ones_pass),
    Case("DriftlessStuck", faults.leave_a_transaction_open, faults.abort_it),
    Case("DriftlessTransactionsAborted", faults.refuse_writes, faults.take_writes),
    Case("DriftlessPredictionsLate", faults.lack_processor_time("DriftlessPredictionsLate"), faults.nothing),
    Case("DriftlessLagGrowing", faults.lack_processor_time("DriftlessLagGrowing"), faults.nothing),
    Case("DriftlessFlapping", faults.start_again_and_again, faults.nothing),
    Case("DriftlessMemoryNearLimit", faults.near_the_limit, faults.raise_the_limit, possible=memory.why_not),
    Case("DriftlessRebalancing", faults.come_and_go, faults.nothing),
    Case("DriftlessOffsetsSkipped", faults.remove_unread, faults.nothing),
    Case("DriftlessGroupsEvicted", faults.change(shops=6000, rate=1000.0), faults.change(shops=20, rate=200.0)),
    Case("DriftlessLabelsMissing", faults.change(labels=False), faults.change(labels=True)),
    Case("DriftlessNotificationsLost", faults.mistype_the_receiver, faults.correct_the_receiver),
    Case("DriftlessPerformanceLow", faults.perform_badly, faults.see_that_it_is_answered),
    Case("DriftlessTrainingFailed", faults.look_back_too_little, faults.look_back_far_enough),
    Case("DriftlessTrainingHangs", faults.train_for_ever, faults.train_less),
    Case("DriftlessVersionsDiffer", faults.promote_what_one_has_not, faults.share_its_store),
    Case("DriftlessModelOld", faults.nothing, faults.roll_back, fires_s=300),
    Case("DriftlessDriftUnanswered", faults.drift_unanswered, faults.see_that_a_training_ends, fires_s=420, clears_s=240),
)
