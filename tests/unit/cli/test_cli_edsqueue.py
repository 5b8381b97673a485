"""eds queue, retry and drop, and what show says of delivery status, against a running access point."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from store_samples import NOW, RECEIVER, later

from ehmi_ap import cli
from ehmi_ap.reports import ReportState
from tests.unit.server.rest import ADMIN, C4, Running

REFUSED, FIX = "EDS answers with HTTP 422: agent", "Compare the event with EDS's profiles."
WHO = f"{RECEIVER.sor}/{RECEIVER.gln}"


@pytest.fixture(scope="module")
def seqs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Running, dict[str, int]]]:
    """Reports by their messages, in every state; nobody tells them, as this access point has no [eds]."""
    both = Running(tmp_path_factory.mktemp("queue"))
    names = ("waiting@x", "parked@x", "parked-too@x", "taken@x", "dropped@x")
    numbers = {name: both.run(both.beta.keep_told(name)) for name in names}
    reports = both.beta.ap.store.reports
    both.run(reports.hold([numbers["waiting@x"]], until=later(60), what="EDS answers with HTTP 503"))
    for name in ("parked@x", "parked-too@x"):
        both.run(reports.settle(numbers[name], ReportState.PARKED, now=later(60), what=REFUSED, fix=FIX))
    place = "https://eds.example/AuditEvent/1"
    both.run(reports.settle(numbers["taken@x"], ReportState.TAKEN, now=NOW, what="HTTP 201", reference=place))
    both.run(reports.settle(numbers["dropped@x"], ReportState.DROPPED, now=NOW, what="a test."))
    yield both, numbers
    both.stop()


@pytest.fixture(autouse=True)
def at_beta(seqs: tuple[Running, dict[str, int]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EHMI_AP_URL", seqs[0].beta.addresses.internal)
    monkeypatch.setenv("EHMI_AP_TOKEN", ADMIN)


@pytest.fixture
def seq(seqs: tuple[Running, dict[str, int]]) -> dict[str, int]:
    return seqs[1]


def run(capsys: pytest.CaptureFixture[str], *argv: str) -> tuple[int, str, str]:
    code = cli.main(list(argv))
    said = capsys.readouterr()
    return code, said.out, said.err


def test_the_queue_says_what_hinders(seq: dict[str, int], capsys: pytest.CaptureFixture[str]) -> None:
    """Once for what is hindered alike."""
    code, out, err = run(capsys, "eds", "queue")
    assert (code, err) == (0, "")
    assert [re.sub(" +", " ", line) for line in out.splitlines()] == [
        "SEQ WHEN EVENT STATE WHY SOR/GLN MESSAGE ID",
        f"{seq['waiting@x']} 2026-11-23 08:00:00 msg-received waiting 1 {WHO} waiting@x",
        f"{seq['parked@x']} 2026-11-23 08:00:00 msg-received parked 2 {WHO} parked@x",
        f"{seq['parked-too@x']} 2026-11-23 08:00:00 msg-received parked 2 {WHO} parked-too@x",
        "",
        "1 EDS answers with HTTP 503",
        "",
        f"2 {REFUSED}",
        f" fix: {FIX}",
    ]


def test_the_queue_can_be_chosen_from(seq: dict[str, int], capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "eds", "queue", "--state", "taken", "--state", "dropped", "--json")
    assert (code, [each["seq"] for each in json.loads(out)]) == (0, [seq["taken@x"], seq["dropped@x"]])
    code, out, _ = run(capsys, "eds", "queue", "--message", "parked@x", "--json")
    assert (code, [each["seq"] for each in json.loads(out)]) == (0, [seq["parked@x"]])
    assert run(capsys, "eds", "queue", "--message", "taken@x") == (0, "", "no reports\n")
    code, out, err = run(capsys, "eds", "queue", "--limit", "2")
    assert (code, "parked-too@x" in out, err) == (0, False, "there are more: --limit\n")
    assert run(capsys, "eds", "queue", "--limit", "3")[2] == ""
    assert run(capsys, "eds", "queue", "--state", "lost")[0] == 64


def test_the_queue_is_the_administrators(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EHMI_AP_TOKEN", C4)
    code, out, err = run(capsys, "eds", "queue")
    assert (code, out) == (1, "")
    assert "administrator's token" in err


@pytest.mark.parametrize(
    ("message", "said"),
    [
        ("waiting@x", "EDS does not have it yet: EDS answers with HTTP 503."),
        ("parked@x", f"EDS does not have it, parked since 2026-11-23 08:01:00: {REFUSED}. {FIX}"),
        ("taken@x", "EDS has it since 2026-11-23 08:00:00: https://eds.example/AuditEvent/1"),
        ("dropped@x", "EDS is never told, dropped at 2026-11-23 08:00:00: a test."),
    ],
)
def test_the_timeline_says_what_eds_has(
    message: str, said: str, seq: dict[str, int], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """To the administrator: what hinders is of our certificate and our enrolment."""
    code, out, _ = run(capsys, "show", message)
    *_, event, told = out.splitlines()
    assert (code, event.split()[2], told) == (0, "msg-received", " " * 25 + said)
    assert [each["seq"] for each in json.loads(run(capsys, "show", message, "--json")[1])["reports"]] == [seq[message]]
    monkeypatch.setenv("EHMI_AP_TOKEN", C4)
    code, out, _ = run(capsys, "show", message)
    assert (code, "msg-received" in out, "EDS" in out) == (0, True, False)


def test_what_was_mended_is_told_at_once(
    seqs: tuple[Running, dict[str, int]], capsys: pytest.CaptureFixture[str]
) -> None:
    both, seq = seqs
    reports = both.beta.ap.store.reports
    names = ("mended@x", "mended-too@x")
    numbers = [str(both.run(both.beta.keep_told(name))) for name in names]
    for number in numbers:
        both.run(reports.settle(int(number), ReportState.PARKED, now=NOW, what=REFUSED))
    code, out, err = run(capsys, "eds", "retry", *numbers, numbers[0])
    assert (code, out) == (0, "told at once: 2\n")
    assert "eds queue" in err
    assert len(json.loads(run(capsys, "eds", "queue", "--state", "waiting", "--json")[1])) == 3
    assert run(capsys, "eds", "retry", "--all", "--json") == (0, '{\n  "retried": 5\n}\n', "")
    for name in ("parked@x", "parked-too@x"):
        both.run(reports.settle(seq[name], ReportState.PARKED, now=later(60), what=REFUSED, fix=FIX))
    for number in numbers:
        both.run(reports.settle(int(number), ReportState.TAKEN, now=NOW))
    code, out, err = run(capsys, "eds", "retry", numbers[0])
    assert (code, out, "taken" in err, "fix:" in err) == (1, "", True, True)
    for argv in ([], ["--all", numbers[0]], ["zero"], ["0"]):
        assert run(capsys, "eds", "retry", *argv)[0] == 64


def test_a_drop_is_for_good_and_says_so(
    seqs: tuple[Running, dict[str, int]], capsys: pytest.CaptureFixture[str]
) -> None:
    both, _ = seqs
    seq = str(both.run(both.beta.keep_told("drop@x")))
    assert run(capsys, "eds", "drop", seq)[0] == 64
    code, _, err = run(capsys, "eds", "drop", seq, "--reason", "two\nlines")
    assert (code, "one line" in err) == (1, True)
    code, out, _ = run(capsys, "eds", "drop", seq, "--reason", "the message was a test")
    assert (code, out) == (0, f"{seq}  dropped for good: EDS is not told msg-received of drop@x\n")
    code, out, _ = run(capsys, "eds", "drop", seq, "--reason", "again", "--json")
    assert (code, json.loads(out)["error"]["code"]) == (1, "not-allowed")
    assert run(capsys, "eds", "drop", "999", "--reason", "nothing")[0] == 1
    assert "EDS is never told, dropped at" in run(capsys, "show", "drop@x")[1]
    assert ": the message was a test." in run(capsys, "show", "drop@x")[1]
