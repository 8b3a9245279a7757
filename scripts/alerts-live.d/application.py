"""The system under watch: a Kafka of its own, an application in three processes of the binary, and what an operator does to it."""

import os
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
APP = "shops"
# How many times longer than usual anything may take (DRIFTLESS_ALERTS_PATIENCE): for machines that are busy with something else.
PATIENCE = float(os.environ.get("DRIFTLESS_ALERTS_PATIENCE", "1"))
ROLES = ("score", "monitor", "retrain")
# A day of event time passes in a second (feed.py), so windows are ten seconds long, and the first training comes after twenty.
CONFIG = f"""
app = "{APP}"

[events]
key = "shop"
id = "id"
time = "at"
lateness = "0s"
reject_window = 500
MAX_REJECTED

[events.fields.amount]
type = "number"
required = true
min = 0.0

[labels]
time = "known_at"
wait = "60d"

[labels.kinds.label.fields.fraud]
type = "boolean"
required = true

[labels.label]
field = "fraud"
prior = 0.5

[features]
fields = ["amount"]
max_keys = 1000

[[features.windows]]
spans = ["10d"]
aggregates = ["count"]
panes = 10

[score]
checkpoint = "2s"

[drift]
window = "10d"
min_n = 300

[performance]
window = "10d"
every = "5d"
min_n = 300

[retrain]
first_after = "20d"
min_labels = 1000
cool_down = "COOL_DOWN"
schedule = "SCHEDULE"
history = "HISTORY"
holdout = "6d"
trees = TREES
max_depth = MAX_DEPTH
families = ["forest"]

[promote]
metric = "auc"

[kafka]
brokers = ["BROKERS"]
on_gap = "skip"

[kafka.topics]
partitions = 2

[store]
path = "STORE"

[notify]
url = "NOTIFY"
format = "alertmanager"
on = ["alerts"]

[http]
listen = "127.0.0.1:PORT"

[log]
format = "json"
"""
DEFAULTS = {"MAX_REJECTED": "", "COOL_DOWN": "40d", "SCHEDULE": "10000d", "HISTORY": "120d", "TREES": "10", "MAX_DEPTH": "6"}


def free_port():
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        return held.getsockname()[1]


def run(*command, check=True):
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, timeout=300)
    if check and done.returncode != 0:
        raise RuntimeError(f"{' '.join(map(str, command))}: {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


@dataclass
class Versions:
    """Programs: as it is, and one built with the cargo feature `failpoints`, in which certain records stand for defects."""

    whole: Path
    defective: Path | None = None


class Instance:
    """One process of the binary, known to Prometheus by its address."""

    def __init__(self, application, role, name):
        self.application, self.role, self.name, self.binary = application, role, name, application.binary
        self.address = f"127.0.0.1:{free_port()}"
        self.file = application.directory / f"{name}.toml"
        self.log = application.directory / f"{name}.log"
        self.process = None

    def configure(self, **values):
        values = {**DEFAULTS, "STORE": self.application.store, "NOTIFY": self.application.notify, **values}
        text = CONFIG.replace("BROKERS", self.application.brokers).replace("PORT", self.address.split(":")[1])
        for key, value in values.items():
            assert key in text, key
            text = text.replace(key, str(value))
        self.file.write_text(text, encoding="utf-8")
        return self

    def start(self, *arguments, under=()):
        command = [*under, self.binary, "run", "--role", self.role, "--instance", self.name, "--config", self.file, *arguments]
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen([str(part) for part in command], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        return self

    def kill(self, sign=signal.SIGKILL):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.send_signal(sign)
            try:
                self.process.wait(timeout=30)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def stop(self):
        """As a service manager does: SIGTERM."""
        self.kill(signal.SIGTERM)

    def restart(self, **values):
        """With these settings beside the usual ones, taking over what it holds."""
        self.stop()
        previous = self.file.with_suffix(".previous.toml")
        previous.write_text(self.file.read_text(encoding="utf-8"), encoding="utf-8")
        self.configure(**values)
        return self.start("--previous", previous)

    def deploy(self, binary):
        """Another version of the program, in place of the one that runs."""
        self.stop()
        self.binary = binary
        return self.start()

    def get(self, page):
        try:
            with urllib.request.urlopen(f"http://{self.address}{page}", timeout=5) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        except (OSError, HTTPException):
            return 0, ""

    def is_ready(self):
        return self.get("/readyz")[0] == 200

    def says(self, message):
        """How many lines of the log have this message."""
        return self.log.read_text(errors="replace").count(f'"message":"{message}"') if self.log.exists() else 0


class Application:
    def __init__(self, directory, versions, brokers, notify):
        self.directory, self.brokers, self.notify = directory, brokers, notify
        self.binary, self.defective = versions.whole, versions.defective
        self.store = directory / "store"
        self.instances = {}
        for role in ROLES:
            self.add(role, role)
        self.cli("topics", "create")

    def add(self, role, name):
        self.instances[name] = Instance(self, role, name).configure()
        return self.instances[name]

    def remove(self, name):
        self.instances.pop(name).stop()

    def __getitem__(self, name):
        return self.instances[name]

    def cli(self, *arguments, check=True):
        """A command of the binary; given once more where a busy broker did not answer it."""
        command = (self.binary, *arguments, "--config", self["score"].file)
        try:
            return run(*command, check=check)
        except RuntimeError:
            return run(*command, check=check)

    def answer(self, *arguments):
        """Exit code and output of a command of the binary that may say no."""
        command = [str(part) for part in (self.binary, *arguments, "--config", self["score"].file)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300)
        return done.returncode, done.stdout + done.stderr

    def predictions_of(self, event):
        """How many predictions of an event can be read; read for a while, as a topic that is written to has no end."""
        read = run("timeout", "4", "kcat", "-C", "-q", "-b", self.brokers, "-t", self.topic("predictions"), "-o", "beginning",
                   "-X", "isolation.level=read_committed", check=False)
        return read.count(f'"event_id":"{event}"')

    def kafka(self, tool, *arguments):
        return run(ROOT / "scripts/kafka", "tool", tool, "--bootstrap-server", self.brokers, *arguments)

    def topic(self, name):
        return f"{APP}.{name}"

    def stop(self):
        for instance in self.instances.values():
            instance.kill()


def wait(seconds, what, reached, look=0.3):
    """Looks until it is so; returns how long that took. Who does not answer in time is asked again."""
    begun = time.monotonic()
    while not _is_so(reached):
        if time.monotonic() - begun > seconds * PATIENCE:
            raise TimeoutError(f"not within {seconds * PATIENCE:.0f} s: {what}")
        time.sleep(look)
    return time.monotonic() - begun


def _is_so(reached):
    try:
        return reached()
    except (OSError, HTTPException, ValueError):
        return False
