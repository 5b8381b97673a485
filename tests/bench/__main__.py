"""`make bench`: what the access point does on this machine, beside what the machine allows.

Prints a table and writes build/bench.json. Every figure of ours stands beside the floor measured in the same run: a lean
loop of the operations that no message can avoid (tests/bench/lean.py). Messages are 10 KB of FHIR-like XML, compressed,
signed and encrypted with RSA-2048, answered by a signed receipt, durable on both sides; plain HTTP on loopback, TLS beside it.
One core each: the side that is measured has a core to itself, its lean peer another.
"""

import json
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests import pair
from tests.bench import floor, partners
from tests.bench.processes import ROOT, call, cpu_seconds, peak_mb, running

MEASURED, PEER = 0, 1
IN_FLIGHT = 32
LOOKED_UP, RECEIVERS = 10_000, 100
BULK = {"10 MB": 10_000_000, "100 MB": 100_000_000, "1 GiB": 1 << 30}
SETTINGS = "[log]\nlevel = 'error'\n[workers]\nsend = 128\n"
REST = {"inbox": "kind = 'rest'\ntoken = { file = 'keys/inbox.token' }\n"}


def lean_floor(folder: Path, seconds: float = 6.0) -> dict[str, float]:
    """The lean loops on the measured core, while the same runs on the other one: a measured side has a busy neighbour."""
    pair.write_pair(folder)
    neighbour = subprocess.Popen(
        [sys.executable, "-m", "tests.bench.peer", "floor", str(PEER), str(folder), str(seconds + 2)],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
    )
    try:
        return call("tests.bench.peer", "floor", MEASURED, folder, seconds)
    finally:
        neighbour.wait()


def median(measure: Callable[[int], dict[str, float]]) -> dict[str, float]:
    """The run in the middle of three, by its rate."""
    return sorted((measure(number) for number in range(3)), key=lambda result: result["per_s"])[1]


def receive(folder: Path, *, tls: bool, count: int) -> dict[str, float]:
    """Our receiver alone on a core, fed by the lean sender."""
    _alpha, beta = pair.write_pair(folder, tls=tls, settings=SETTINGS, backends=REST)
    ca = [folder / "alpha" / "trust" / "pair-ca.pem"] if tls else []
    with running(beta.port, "tests.bench.daemon", MEASURED, beta.config) as daemon:
        call("tests.bench.peer", "load", PEER, beta.url, folder, 300, 16, *ca)
        before = cpu_seconds(daemon.pid)
        result = call("tests.bench.peer", "load", PEER, beta.url, folder, count, 16, *ca)
        spent = cpu_seconds(daemon.pid) - before
    return {"per_s": count / result["seconds"], "cpu_s_per_message": spent / count, "p50_ms": result["p50_ms"]}


def send(folder: Path, *, count: int) -> dict[str, float]:
    """Our sender alone on a core, answered by the lean receiver."""
    alpha, beta = pair.write_pair(folder, settings=SETTINGS, backends=REST)
    with running(beta.port, "tests.bench.peer", "sink", PEER, beta.port, folder):
        result = call("tests.bench.sender", "messages", MEASURED, alpha.config, count, IN_FLIGHT)
    return {"per_s": count / result["seconds"], "cpu_s_per_message": result["cpu"] / count}


def both(folder: Path, *, tls: bool, count: int) -> dict[str, float]:
    """Two of ours, one core each: one in flight for the latency, many for the rate."""
    alpha, beta = pair.write_pair(folder, tls=tls, settings=SETTINGS, backends=REST)
    with running(beta.port, "tests.bench.daemon", PEER, beta.config):
        latency = call("tests.bench.sender", "latency", MEASURED, alpha.config, 200)
        result = call("tests.bench.sender", "messages", MEASURED, alpha.config, count, 2 * IN_FLIGHT)
    return {"p50_ms": latency["p50_ms"], "per_s": count / result["seconds"]}


def bulk(folder: Path, source: Path) -> dict[str, float]:
    """Two of ours and one large payload: from the file to the verified receipt of the side that has it durably."""
    alpha, beta = pair.write_pair(folder, settings=SETTINGS, backends=REST)
    with running(beta.port, "tests.bench.daemon", PEER, beta.config) as daemon:
        result = call("tests.bench.sender", "bulk", MEASURED, alpha.config, source)
        received = peak_mb(daemon.pid)
    megabytes = result["bytes"] / 1e6
    return {
        "mb_per_s": megabytes / result["seconds"],
        "peak_rss_mb": max(result["peak_rss_mb"], received),
        "sender_rss_mb": result["peak_rss_mb"],
        "receiver_rss_mb": received,
    }


def look_ups(folder: Path, *, count: int) -> dict[str, float]:
    """Who asks on the measured core, DNS, SMP and CRLs on the other one."""
    folder.mkdir()
    with ready("tests.bench.lookups", "serve", PEER, folder):
        return call("tests.bench.lookups", "ask", MEASURED, folder, count)


def send_looked_up(folder: Path, *, count: int) -> dict[str, float]:
    """As send(), to RECEIVERS whom the sender has to look up; DNS, SMP and CRLs beside the lean receiver."""
    alpha, beta = pair.write_pair(folder, settings=SETTINGS + partners.settings(folder), backends=REST)
    with (
        ready("tests.bench.partners", PEER, folder, RECEIVERS),
        running(beta.port, "tests.bench.peer", "sink", PEER, beta.port, folder),
    ):
        result = call("tests.bench.sender", "looked-up", MEASURED, alpha.config, count, IN_FLIGHT, RECEIVERS)
    return {
        "per_s": count / result["seconds"],
        "cpu_s_per_message": result["cpu"] / count,
        "messages": count,
        "lookups": result["lookups"],
        "lookup_ms": result["lookup_seconds"] * 1e3,
    }


@contextmanager
def ready(*arguments: object) -> Iterator[None]:
    """A bench process that prints a line when it listens."""
    command = [sys.executable, "-m", *map(str, arguments)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as servers:
        try:
            assert servers.stdout is not None
            assert servers.stdout.readline() == "ready\n", "the servers did not start"
            yield
        finally:
            servers.send_signal(signal.SIGTERM)


def measure(folder: Path, count: int) -> dict[str, Any]:
    results: dict[str, Any] = {"floor": lean_floor(folder / "keys")}
    results["send"] = median(lambda n: send(folder / f"send-{n}", count=count))
    results["send_looked_up"] = send_looked_up(folder / "send-looked-up", count=LOOKED_UP)
    results["receive"] = median(lambda n: receive(folder / f"receive-{n}", tls=False, count=count))
    results["receive_tls"] = receive(folder / "receive-tls", tls=True, count=count)
    for side in ("send", "receive"):
        results[side]["ratio_to_floor"] = results[side]["per_s"] / results["floor"][side]
    results["end_to_end"] = both(folder / "both", tls=False, count=count)
    results["end_to_end_tls"] = both(folder / "both-tls", tls=True, count=count)
    results["p50_ms"] = results["end_to_end"]["p50_ms"]
    results["lookup"] = look_ups(folder / "lookup", count=max(count // 10, 100))
    for name, size in BULK.items():
        source = folder / "payload.xml"
        with source.open("wb") as file:
            for block in floor.fhir_like(size):
                file.write(block)
        at_least = floor.bulk(folder, source)
        key = "gib" if name == "1 GiB" else name.lower().replace(" ", "")
        results[key] = bulk(folder / f"bulk-{size}", source)
        results[key]["floor_mb_per_s"] = size / 1e6 / (at_least["send"] + at_least["receive"])
        source.unlink()
    return results


def table(results: dict[str, Any]) -> str:
    lines = ["10 KB messages, one core", f"{'':24}{'msg/s':>9}{'CPU ms':>9}{'floor/s':>9}{'ratio':>8}"]
    for side in ("send", "receive"):
        figures = results[side]
        lines.append(
            f"{side:24}{figures['per_s']:9.0f}{figures['cpu_s_per_message'] * 1000:9.2f}"
            f"{results['floor'][side]:9.0f}{figures['ratio_to_floor']:8.0%}"
        )
    for key, title in (("send_looked_up", "send, looked up"), ("receive_tls", "receive, TLS")):
        figures = results[key]
        lines.append(f"{title:24}{figures['per_s']:9.0f}{figures['cpu_s_per_message'] * 1000:9.2f}")
    lines += ["", "two of ours, a core each", f"{'':24}{'msg/s':>9}{'p50 ms, one in flight':>24}"]
    for name, title in (("end_to_end", "HTTP"), ("end_to_end_tls", "TLS")):
        lines.append(f"{title:24}{results[name]['per_s']:9.0f}{results[name]['p50_ms']:24.1f}")
    found = results["lookup"]
    lines += ["", "one look-up", f"{'':24}{'p50 ms':>9}{'p99 ms':>9}"]
    lines.append(f"{'nothing remembered':24}{found['cold_p50_ms']:9.1f}{found['cold_p99_ms']:9.1f}")
    lines.append(f"{'asked again':24}{found['again_p50_ms']:9.1f}")
    lines.append(f"{'from memory':24}{found['warm_us'] / 1000:9.4f}")
    sent = results["send_looked_up"]
    lines.append(f"{sent['messages']} messages to {sent['lookups']} receivers: {sent['lookups']} look-ups")
    lines += ["", "one payload, file to receipt", f"{'':24}{'MB/s':>9}{'floor':>9}{'sender MB':>11}{'receiver MB':>13}"]
    for key, title in (("10mb", "10 MB"), ("100mb", "100 MB"), ("gib", "1 GiB")):
        figures = results[key]
        lines.append(
            f"{title:24}{figures['mb_per_s']:9.0f}{figures['floor_mb_per_s']:9.0f}"
            f"{figures['sender_rss_mb']:11.0f}{figures['receiver_rss_mb']:13.0f}"
        )
    return "\n".join(lines)


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 3000
    with tempfile.TemporaryDirectory(prefix="ehmi-ap-bench-") as folder:
        results = measure(Path(folder), count)
    print(table(results))
    build = ROOT / "build"
    build.mkdir(exist_ok=True)
    (build / "bench.json").write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()
