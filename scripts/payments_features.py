"""The features of examples/payments.toml computed with pandas over a whole file of payments, and the comparison with predictions.

A window over a span S in P panes covers, for a payment at time t, the pane that holds t and the P-1 before it. Panes are S/P
long and aligned to 1970-01-01T00:00Z: the window begins at floor(t / pane) * pane - (P - 1) * pane and ends at t.

- Windows of a customer are over his payments, those of the same moment that came earlier and the payment itself included.
- Windows of a terminal are over labels of payments there, at the time they became known: seven days after their payment.
  Only what was known before t is in them, so never a label of the same moment.
"""
import json
import sys
import tomllib
from pathlib import Path

import numpy as np
import pandas as pd

EXAMPLE = Path(__file__).resolve().parent.parent / "examples" / "payments.toml"
DAY = 86_400_000
DELAY = 7 * DAY
DAYS = (1, 7, 30)
# Sums of the same numbers in another order differ in the last bits; counts do not differ at all.
TOLERANCE = 1e-9
# Above any time in milliseconds: key * WIDE + time orders by key, then by time.
WIDE = 1 << 42


def pane_counts():
    """Panes of the windows of a customer and of a terminal, as the example says."""
    windows = tomllib.loads(EXAMPLE.read_text())["features"]["windows"]
    return {(window["by"][0], span): window["panes"] for window in windows for span in window["spans"]}


class Bounds(pd.api.indexers.BaseIndexer):
    """Windows by first row and row after the last, worked out beforehand."""

    def get_window_bounds(self, num_values=0, min_periods=None, center=None, closed=None, step=None):
        return self.start, self.end


def rolling_sum(values, start, end):
    indexer = Bounds(start=start.astype(np.int64), end=end.astype(np.int64))
    return pd.Series(values).rolling(indexer, min_periods=0).sum().to_numpy()


class Expected:
    """Every feature of every payment, by name; NaN for missing."""

    def __init__(self, payments):
        self.payments = payments
        self.time = payments["at"].to_numpy()
        self.features = {"amount": payments.amount.to_numpy()}
        clock = pd.to_datetime(payments["at"], unit="ms", utc=True).dt
        self.features["weekend"] = (clock.dayofweek >= 5).to_numpy(dtype=float)
        self.features["night"] = (clock.hour < 6).to_numpy(dtype=float)
        panes = pane_counts()
        for days in DAYS:
            key = ("customer_id", f"{days}d")
            if key in panes:
                self.customer(days, self.begin(days, panes[key]))
            key = ("terminal_id", f"{days}d")
            if key in panes:
                self.terminal(days, self.begin(days, panes[key]))

    def begin(self, days, panes):
        """When the window of each payment begins."""
        pane, rest = divmod(days * DAY, panes)
        assert rest == 0, "panes of whole milliseconds"
        return self.time // pane * pane - (panes - 1) * pane

    def customer(self, days, begin):
        customer = self.payments.customer_id.to_numpy()
        order = np.argsort(customer, kind="stable")
        place = customer[order] * WIDE + self.time[order]
        start = np.searchsorted(place, customer[order] * WIDE + begin[order], side="left")
        end = np.arange(len(order)) + 1
        total = rolling_sum(self.features["amount"][order], start, end)
        self.put(order, f"customer_id.events.count.{days}d", end - start)
        self.put(order, f"customer_id.events.mean_amount.{days}d", total / (end - start))

    def terminal(self, days, begin):
        terminal, fraud = self.payments.terminal_id.to_numpy(), self.payments.fraud.to_numpy()
        order = np.argsort(terminal, kind="stable")
        known = terminal[order] * WIDE + self.time[order] + DELAY
        frauds_before = np.concatenate([[0], np.cumsum(fraud[order])])
        start = np.searchsorted(known, terminal * WIDE + begin, side="left")
        end = np.searchsorted(known, terminal * WIDE + self.time, side="left")
        count, frauds = end - start, frauds_before[end] - frauds_before[start]
        everyone = np.arange(len(terminal))
        self.put(everyone, f"terminal_id.label.count.{days}d", count)
        with np.errstate(invalid="ignore"):
            self.put(everyone, f"terminal_id.label.mean_fraud.{days}d", frauds / count)

    def put(self, order, name, values):
        column = np.empty(len(order))
        column[order] = values
        self.features[name] = column


class Table:
    """The payments of a file, and what was predicted for each."""

    def __init__(self, csv, names):
        payments = pd.read_csv(csv, float_precision="round_trip")
        at = pd.to_datetime(payments.ts, format="ISO8601", utc=True)
        payments["at"] = (at - pd.Timestamp(0, tz="UTC")) // pd.Timedelta(milliseconds=1)
        self.payments, self.n, self.names = payments, len(payments), names
        self.row_of = {str(id): row for row, id in enumerate(payments.tx_id)}
        self.times = payments["at"].tolist()
        self.seen = np.zeros(self.n, dtype=np.int64)
        self.taken, self.unknown = 0, 0
        self.wrong_times = 0
        self.found = None

    def take(self, prediction):
        """Takes a prediction in. Of one that comes twice, the latter is compared."""
        row = self.row_of.get(prediction["event_id"])
        if row is None:
            self.unknown += 1
            return
        features = prediction["features"]
        if self.found is None:
            self.found = np.full((self.n, len(features)), np.nan)
        self.taken += self.seen[row] == 0
        self.seen[row] += 1
        self.wrong_times += prediction["event_time"] != self.times[row]
        self.found[row] = [np.nan if value is None else value for value in features]

    def take_file(self, path):
        with open(path) as lines:
            for line in lines:
                self.take(json.loads(line))

    def compare(self, expected):
        names = self.names or list(expected.features)
        lost = int((self.seen == 0).sum())
        result = {
            "events": self.n, "lost": lost, "doubled": int((self.seen > 1).sum()) + self.unknown,
            "features": len(names), "compared": 0, "differences": self.wrong_times, "largest_relative_error": 0.0}
        unknown = [name for name in names if name not in expected.features]
        if unknown:
            sys.exit(f"check-payments: {EXAMPLE} has features this script does not compute: {', '.join(unknown)}")
        if self.found is None:
            return result
        there = self.seen > 0
        for column, name in enumerate(names):
            found, right = self.found[there, column], expected.features[name][there]
            both_missing = np.isnan(found) & np.isnan(right)
            with np.errstate(invalid="ignore", divide="ignore"):
                error = np.where(found == right, 0.0, np.abs(found - right) / np.abs(right))
            error[both_missing] = 0.0
            error[np.isnan(error)] = np.inf
            wrong = error > (0.0 if ".mean_" not in name else TOLERANCE)
            result["compared"] += len(found)
            result["differences"] += int(wrong.sum())
            result["largest_relative_error"] = max(result["largest_relative_error"], float(error.max(initial=0.0)))
            for place in np.flatnonzero(wrong)[:3]:
                row = np.flatnonzero(there)[place]
                print(f"check-payments: {name} of payment {self.payments.tx_id[row]} is {found[place]!r}, pandas says "
                      f"{right[place]!r}", file=sys.stderr)
        return result
