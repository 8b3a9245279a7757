"""A control group with a limit of memory, which the process in it sees as a container sees its own. Linux, and root only."""

import os
from pathlib import Path

ROOT = Path("/sys/fs/cgroup")


def _is_version_2():
    return (ROOT / "cgroup.controllers").exists()


def _mounted():
    return ROOT if _is_version_2() else ROOT / "memory"


def _group():
    return _mounted() / f"driftless-alerts-{os.getpid()}"


def _file():
    return _group() / ("memory.max" if _is_version_2() else "memory.limit_in_bytes")


def why_not():
    if os.geteuid() != 0:
        return "setting a limit of memory needs root"
    return None if os.access(_mounted(), os.W_OK) else f"{_mounted()} cannot be written to"


def limited():
    """What a command has to be started under; without a limit as yet."""
    _group().mkdir(exist_ok=True)
    enter = f'echo $$ > {_group()}/cgroup.procs && mount --bind {_group()} {_mounted()} && exec "$@"'
    return ["unshare", "--mount", "sh", "-c", enter, "sh"]


def limit(size):
    _file().write_text(str(int(size)), encoding="ascii")


def limit_now():
    return int(_file().read_text(encoding="ascii"))


def clean_up():
    """Once the process is gone."""
    if _group().exists():
        _group().rmdir()
