"""The world outside: payments and their labels, written to Kafka by kcat as they happen, until told otherwise.

What can be changed while it runs stands in `World`: how much comes, how much of it can be used, and how payments and fraud hang
together. A day of event time passes in a second of the clock, because models are compared over days.
"""

import json
import random
import subprocess
import threading
import time
from collections import deque
from dataclasses import dataclass

TICK_S = 0.1
LABEL_AFTER_S = 1.0
BEGIN_MS = 1_000_000_000_000
MS_IN_A_SECOND = 86_400_000


@dataclass
class World:
    rate: float = 200.0
    """Payments a second."""
    shops: int = 20
    centre: float = 50.0
    """About so much is paid."""
    reversed: bool = False
    """Fraud is where little is paid, instead of where much is."""
    unusable: float = 0.0
    """Share of the payments that lack their amount."""
    labels: bool = True


class Feed:
    def __init__(self, brokers, app):
        self.world = World()
        self.brokers, self.events = brokers, f"{app}.events"
        self.random = random.Random(1)
        self.count = 0
        self.waiting = deque()
        self.pipes = {topic: self._pipe(brokers, f"{app}.{topic}") for topic in ("events", "labels")}
        self.begun = time.time()
        self.stopped = threading.Event()
        self.failed = None
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    @staticmethod
    def _pipe(brokers, topic):
        return subprocess.Popen(
            ["kcat", "-P", "-b", brokers, "-t", topic, "-K", "\t", "-X", "linger.ms=20", "-X", "topic.partitioner=murmur2_random",
             "-X", "message.timeout.ms=0"],
            stdin=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)

    def event_time(self, now):
        return BEGIN_MS + int((now - self.begun) * MS_IN_A_SECOND)

    def _run(self):
        due, last = 0.0, time.time()
        try:
            while not self.stopped.wait(TICK_S):
                now = time.time()
                due += (now - last) * self.world.rate
                last = now
                self.send(int(due), now)
                due -= int(due)
                self._send_labels(now)
        except OSError as error:
            self.failed = f"the feed broke off: {error}"

    def send(self, number, now):
        """So many payments at once."""
        lines, world = [], self.world
        for _ in range(number):
            self.count += 1
            shop, event = f"shop-{self.random.randrange(world.shops)}", f"p{self.count}"
            amount = max(0.0, self.random.gauss(world.centre, 10.0))
            above = (amount - world.centre) / 10.0 * (-1.0 if world.reversed else 1.0)
            payment = {"id": event, "at": self.event_time(now)}
            if self.random.random() >= world.unusable:
                payment["amount"] = round(amount, 2)
                self.waiting.append((now + LABEL_AFTER_S, shop, event, above + self.random.gauss(0.0, 0.5) > 0.0))
            lines.append(f"{shop}\t{json.dumps(payment)}\n")
        self._write("events", lines)

    def send_one(self, event, header):
        """A payment with a header, by itself."""
        payment = {"id": event, "at": self.event_time(time.time()), "amount": round(self.world.centre, 2)}
        subprocess.run(["kcat", "-P", "-b", self.brokers, "-t", self.events, "-K", "\t", "-H", f"{header}=yes"],
                       input=f"shop-1\t{json.dumps(payment)}\n", text=True, check=True, capture_output=True, timeout=60)

    def _send_labels(self, now):
        lines, world = [], self.world
        while self.waiting and self.waiting[0][0] <= now:
            at, shop, event, fraud = self.waiting.popleft()
            label = {"event_id": event, "known_at": self.event_time(at), "fraud": fraud}
            lines.append(f"{shop}\t{json.dumps(label)}\n")
        if world.labels:
            self._write("labels", lines)

    def _write(self, topic, lines):
        self.pipes[topic].stdin.write("".join(lines))
        self.pipes[topic].stdin.flush()

    def stop(self):
        self.stopped.set()
        self.thread.join(timeout=10)
        for pipe in self.pipes.values():
            pipe.kill()
            pipe.wait()
