"""Processes of a benchmark: each on a core of its own, measured by what Linux says of it, ended by its id.

python tests/bench/processes.py CORE COMMAND...    becomes COMMAND on that core, with the same process id
"""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]


def pin(core: int) -> None:
    """Keep this process on one core, where the system can do that and has that many."""
    if hasattr(os, "sched_setaffinity"):
        cores = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, {cores[core % len(cores)]})


def pinned(core: int, *command: object) -> list[str]:
    """The command that runs `command` on one core. A JVM looks for its cores when it starts, so it begins there."""
    return [sys.executable, str(Path(__file__).resolve()), str(core), *map(str, command)]


def call(*arguments: object) -> dict[str, Any]:
    """Run a bench process to its end; what it printed."""
    done = subprocess.run(
        [sys.executable, "-m", *map(str, arguments)], cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True
    )
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


@contextlib.contextmanager
def running(port: int, *arguments: object) -> Iterator[subprocess.Popen[bytes]]:
    """A bench process that listens on `port`, ended by its process id afterwards."""
    child = subprocess.Popen([sys.executable, "-m", *map(str, arguments)], cwd=ROOT)
    try:
        deadline = time.monotonic() + 30
        while True:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
                break
            if child.poll() is not None or time.monotonic() > deadline:
                raise SystemExit(f"{' '.join(map(str, arguments))} did not start")
            time.sleep(0.05)
        yield child
    finally:
        child.send_signal(signal.SIGTERM)
        child.wait(timeout=30)


def cpu_seconds(pid: int) -> float:
    """User and system time of a process so far (Linux)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def peak_mb(pid: int) -> float:
    """Peak resident memory of a process (Linux)."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) / 1024
    return 0.0


def main() -> None:
    pin(int(sys.argv[1]))
    os.execvp(sys.argv[2], sys.argv[2:])


if __name__ == "__main__":
    main()
