"""The arithmetic of `make bench-peers`, its JSON and its table, and what it says when it cannot run; without Java."""

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
import zlib
from pathlib import Path

import pytest

from tests.bench import peers, processes, sides
from tests.bench.comparison import PAIRS, PHASE4, US, Large, Pair, Rate, as_json, markdown, ratios
from tests.interop import maven
from tests.interop.letters import Json

CPU_MS = {US: (1.5, 2.0), PHASE4: (6.0, 7.0)}
"""To send and to receive, with 16 in flight; one more with 1."""
CONDITIONS: Json = {
    "date": "2026-11-23",
    "cpu": "a processor",
    "cores": 2,
    "load": 0.1,
    "python": "3.13.1",
    "java": 25,
    PHASE4: "4.4.1",
    "messages": 2000,
    "warm_up": 4000,
}
PAGE = Path(__file__).parents[2] / "docs" / "explanation" / "performance.md"

linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="cores and /proc are Linux's")


def pair_of(sender: str, receiver: str) -> Pair:
    """Figures as a run has them; a receiver pays 0.5 ms more for what phase4 sends."""
    send, receive = CPU_MS[sender][0], CPU_MS[receiver][1] + 0.5 * (sender == PHASE4)
    rates = [
        Rate(concurrency=16, messages=2000, per_s=158.0, send_cpu_ms=send, receive_cpu_ms=receive),
        Rate(concurrency=1, messages=2000, per_s=60.0, send_cpu_ms=send + 1, receive_cpu_ms=receive + 1),
    ]
    return Pair(
        sender=sender, receiver=receiver, rates=rates, large=Large(seconds=4.6, sender_mib=80, receiver_mib=207.4)
    )


ALL = [pair_of(*kinds) for kinds in PAIRS]


def test_a_rate_is_per_second_and_its_cpu_per_message() -> None:
    rate = Rate.of(concurrency=16, messages=2000, seconds=10.0, send_cpu=3.0, receive_cpu=4.2)
    assert (rate.per_s, rate.send_cpu_ms, rate.receive_cpu_ms) == pytest.approx((200.0, 1.5, 2.1))


def test_the_ratios_are_phase4s_cpu_over_ours_with_16_in_flight_and_ours_on_the_other_side() -> None:
    assert ratios(ALL) == pytest.approx({"cpu_ratio_receive": 7.0 / 2.0, "cpu_ratio_send": 6.0 / 1.5})


def test_the_json_has_every_figure_its_conditions_and_the_ratios() -> None:
    told = json.loads(json.dumps(as_json(ALL, CONDITIONS)))
    assert told["conditions"] == CONDITIONS
    assert [(pair["sender"], pair["receiver"]) for pair in told["pairs"]] == list(PAIRS)
    assert told["pairs"][1] == {
        "sender": "us",
        "receiver": "phase4",
        "rates": [
            {"concurrency": 16, "messages": 2000, "per_s": 158.0, "send_cpu_ms": 1.5, "receive_cpu_ms": 7.0},
            {"concurrency": 1, "messages": 2000, "per_s": 60.0, "send_cpu_ms": 2.5, "receive_cpu_ms": 8.0},
        ],
        "large": {"seconds": 4.6, "sender_mib": 80, "receiver_mib": 207.4},
    }
    assert (told["cpu_ratio_receive"], told["cpu_ratio_send"]) == (3.5, 4.0)


def test_the_table_has_a_row_for_each_pair_and_says_under_which_conditions() -> None:
    first, _, head, _, *rows, _, last = markdown(ALL, CONDITIONS).splitlines()
    assert "2026-11-23" in first
    assert "load 0.1" in first
    assert head.count("|") == rows[0].count("|")
    assert rows[1] == "| us → phase4 | 60 / 158 | 2.5 / 1.5 | 8.0 / 7.0 | 80 / 207 | 4.6 |"
    assert len(rows) == 4
    assert last == "phase4's CPU over ours: 3.5 to receive, 4.0 to send."


def test_without_java_it_fails_with_a_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def missing(*_: object) -> list[str]:
        raise maven.Missing("no Maven: install it")

    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1}, raising=False)
    monkeypatch.setattr(maven, "phase4", missing)
    assert peers.main([]) == 1
    assert capsys.readouterr().err == "bench-peers: not run: no Maven: install it\n"


def test_on_one_core_it_does_not_compare(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0}, raising=False)
    assert peers.main([]) == 1
    assert "two cores" in capsys.readouterr().err


@linux
def test_sigterm_ends_it_in_good_order(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Else the processes that it began would go on."""
    ended = []

    async def measure(*_: object, **__: object) -> list[Pair]:
        try:
            os.kill(os.getpid(), signal.SIGTERM)
            await asyncio.Event().wait()
        finally:
            ended.append(True)
        raise AssertionError("nothing ended it")

    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1})
    monkeypatch.setattr(maven, "phase4", lambda: ["java"])
    monkeypatch.setattr(peers, "conditions", lambda **_: CONDITIONS)
    monkeypatch.setattr(peers, "measure", measure)
    assert peers.main([]) == 1
    assert ended == [True]
    assert capsys.readouterr().err == "bench-peers: ended before it was done\n"


@pytest.mark.parametrize("wrong", ["0", "-1", "many"])
def test_it_measures_at_least_one_message(wrong: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        peers.main(["--messages", wrong])
    assert "--messages" in capsys.readouterr().err


def test_a_message_that_phase4_has_no_receipt_for_ends_the_run(tmp_path: Path) -> None:
    class Fails:
        pid = 1

        async def bench(self, *_: object, **__: object) -> Json:
            return {"seconds": 1.0, "ok": 1, "failed": 2, "first_failure": {"result": "TRANSPORT_ERROR"}}

    sender = sides.phase4_sender(Fails(), tmp_path, url="http://127.0.0.1:1/as4", recipient=tmp_path / "beta.pem")
    with pytest.raises(sides.SideFailed, match=r"2 messages.*TRANSPORT_ERROR"):
        asyncio.run(sender.send(3, 1))


def test_the_large_payload_gzips_to_some_30_percent() -> None:
    data = peers.with_images(2_000_000)
    assert len(data) == 2_000_000
    assert 0.28 < len(zlib.compress(data)) / len(data) < 0.35


@linux
def test_a_pinned_command_has_one_core_from_its_start_and_its_own_process_id() -> None:
    program = "import os; print(os.getpid(), len(os.sched_getaffinity(0)))"
    child = subprocess.Popen(
        processes.pinned(0, sys.executable, "-c", program), stdout=subprocess.PIPE, text=True, cwd="/"
    )
    said, _ = child.communicate(timeout=60)
    assert said.split() == [str(child.pid), "1"]


@linux
def test_cpu_and_peak_memory_are_those_of_the_process() -> None:
    spent = sum(os.times()[:2])
    assert processes.cpu_seconds(os.getpid()) == pytest.approx(spent, abs=0.5)
    assert 10 < processes.peak_mb(os.getpid()) < 10_000


def test_the_page_names_the_figures_by_the_names_of_the_json() -> None:
    assert set(re.findall(r"`(cpu_ratio_\w+)`", PAGE.read_text(encoding="utf-8"))) == set(ratios(ALL))
