"""A real Prometheus and a real Alertmanager (Debian's binaries) beside the application, both asked as an operator would."""

import json
import subprocess
import time
import urllib.parse
import urllib.request

import rules
from application import APP, ROOT, free_port, run, wait

SERVERS = ("prometheus", "prometheus-alertmanager", "promtool")
CONFIG = """
global: {{ scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s }}
rule_files: ["{rules}/*.rules.yml"]
alerting: {{ alertmanagers: [{{ static_configs: [{{ targets: ["{alertmanager}"] }}] }}] }}
scrape_configs:
  - job_name: {app}
    file_sd_configs: [{{ files: ["{targets}"], refresh_interval: 5m }}]
"""


def rule_files():
    return sorted((ROOT / "deploy/prometheus").glob("*.rules.yml"))


def dashboards():
    return sorted((ROOT / "deploy/grafana/dashboards").glob("*.json"))


class Watchers:
    def __init__(self, directory):
        self.directory = directory
        self.targets = directory / "targets.json"
        self.processes = []
        self.known = None
        folder = directory / "rules"
        folder.mkdir()
        for file in rule_files():
            (folder / file.name).write_text(rules.scaled(file.read_text(encoding="utf-8")), encoding="utf-8")
        run("promtool", "check", "rules", *folder.glob("*.yml"))
        self.alertmanager, self.prometheus = (f"127.0.0.1:{free_port()}" for _ in range(2))
        config = directory / "prometheus.yml"
        config.write_text(CONFIG.format(rules=folder, alertmanager=self.alertmanager, app=APP, targets=self.targets), encoding="utf-8")
        self.targets.write_text("[]", encoding="utf-8")
        self._start("prometheus-alertmanager", f"--config.file={ROOT / 'deploy/alertmanager/alertmanager.yml'}",
                    f"--storage.path={directory / 'alertmanager'}", f"--web.listen-address={self.alertmanager}",
                    "--cluster.listen-address=")
        self._start("prometheus", f"--config.file={config}", f"--storage.tsdb.path={directory / 'prometheus'}",
                    f"--web.listen-address={self.prometheus}", "--log.level=warn")
        wait(60, "Prometheus and Alertmanager answer", lambda: self._ready(self.prometheus) and self._ready(self.alertmanager))

    def _start(self, *command):
        with open(self.directory / f"{command[0]}.log", "wb") as log:
            self.processes.append(subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log))

    @staticmethod
    def _ready(address):
        try:
            with urllib.request.urlopen(f"http://{address}/-/ready", timeout=5) as answer:
                return answer.status == 200
        except OSError:
            return False

    def follow(self, application):
        """Tells Prometheus which instances there are, as service discovery would."""
        found = [{"targets": [one.address], "labels": {"service": one.role}} for one in application.instances.values()]
        if found != self.known:
            self.known = found
            partial = self.targets.with_suffix(".partial")
            partial.write_text(json.dumps(found), encoding="utf-8")
            partial.rename(self.targets)

    def query(self, expression):
        """The samples of an instant query: pairs of labels and a number."""
        asked = urllib.parse.urlencode({"query": expression})
        with urllib.request.urlopen(f"http://{self.prometheus}/api/v1/query?{asked}", timeout=10) as answer:
            return [(one["metric"], float(one["value"][1])) for one in json.load(answer)["data"]["result"]]

    def value(self, expression):
        found = self.query(expression)
        return found[0][1] if found else None

    def count(self, expression):
        """What a query of one number answers; nothing is 0."""
        return self.value(expression) or 0.0

    def alerts(self, name):
        """What Prometheus has told Alertmanager under this name; also what that does not pass on because of another alert."""
        return [one for one in self._held(name) if one["labels"].get("job") == APP]

    def notices(self, name):
        """What the application itself has told Alertmanager under this name (`[notify]`): alerts that have begun."""
        found = [one for one in self._held(name) if one["labels"].get("app") == APP]
        soon = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 5))
        ahead = [one["startsAt"] for one in found if one["startsAt"] > soon]
        if ahead:
            raise RuntimeError(f"Alertmanager has been told of {name} from {ahead} on")
        return found

    def _held(self, name):
        asked = urllib.parse.urlencode({"filter": f'alertname="{name}"', "active": "true", "inhibited": "true"})
        with urllib.request.urlopen(f"http://{self.alertmanager}/api/v2/alerts?{asked}", timeout=10) as answer:
            return json.load(answer)

    def stop(self):
        for process in self.processes:
            process.terminate()
        for process in self.processes:
            try:
                process.wait(timeout=15)
            except subprocess.TimeoutExpired:
                process.kill()
