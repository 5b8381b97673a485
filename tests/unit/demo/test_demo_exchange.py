"""The project's main job, as the demo runs it: C1 to C4 through two access points over TLS, with a verified receipt."""

import asyncio
import json
import socket
import stat
import threading
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import pytest

from ehmi_ap import cli
from ehmi_ap.config import Config
from ehmi_ap.demo import network, report
from ehmi_ap.demo.envelope import standard_business_document
from ehmi_ap.demo.exchange import Result, exchange
from ehmi_ap.errors import SubmissionError
from ehmi_ap.pmode import Addressing


def own_document() -> bytes:
    return standard_business_document(now=datetime.now(UTC), new_uuid=uuid4)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("demo")


@pytest.fixture(scope="module")
def left_behind() -> set[threading.Thread]:
    """Threads that the exchange of `result` left running."""
    return set()


@pytest.fixture(scope="module")
def result(home: Path, left_behind: set[threading.Thread]) -> Result:
    """One exchange of the demo's own message, looked at by the tests below."""
    before = set(threading.enumerate())
    done = asyncio.run(exchange(own_document(), home))
    left_behind |= set(threading.enumerate()) - before
    return done


def test_c4_holds_the_very_bytes_that_c1_sent(result: Result) -> None:
    assert result.ok
    assert result.failure is None
    assert result.identical in result.c4
    assert result.identical is not None
    assert result.identical.read_bytes() == result.document


def test_the_receipt_repeats_every_reference_with_its_digest(result: Result) -> None:
    """Header, body and payload are signed; the receipt names all three."""
    assert result.receipt is not None
    assert result.receipt.holds
    assert len(result.receipt.references) == 3
    assert sum(sent.uri.startswith("cid:") for sent, _ in result.receipt.references) == 1
    assert "demo-ap-c3" in result.receipt.signer


def test_the_timeline_goes_from_c1_to_c4_in_order(result: Result) -> None:
    """The receipt leaves after the message was stored at C3; C2 calls it sent only after that."""
    whats = [step.what for step in result.timeline]
    assert [step.after for step in result.timeline] == sorted(step.after for step in result.timeline)

    def at(text: str) -> int:
        return next(index for index, what in enumerate(whats) if text in what)

    assert at("C1 posts") == 0
    assert at("AS4 message") < at("stored with its receipt") < at("AS4 receipt") < at("receipt is verified")
    assert at("AS4 message") < at("C4 has the document")


def test_on_the_wire_are_an_envelope_and_one_encrypted_part(result: Result) -> None:
    """Nothing of the document is readable on the wire, and it is smaller than the document."""
    assert result.wire is not None
    types = [part.content_type.partition(";")[0] for part in result.wire.request.parts]
    assert types == ["application/soap+xml", "application/octet-stream"]
    assert result.wire.request.parts[1].size < len(result.document)
    assert result.wire.answer.content_type.startswith("application/soap+xml")


def test_the_configurations_are_files_that_serve_would_take(result: Result, home: Path) -> None:
    assert result.ok
    for name in ("c2", "c3"):
        config = Config.load(home / name / "ehmi-ap.toml")
        assert config.party.value == f"demo-ap-{name}"
        assert stat.S_IMODE((home / name / "token").stat().st_mode) == 0o600
        assert len((home / name / "pmodes" / ("c3.toml" if name == "c2" else "c2.toml")).read_text().splitlines()) <= 12


def test_everything_that_was_started_has_ended(result: Result, left_behind: set[threading.Thread]) -> None:
    """No thread is left, and nobody listens any more."""
    assert left_behind == set()
    for address in (result.c2, result.c3):
        host, _, port = address.removeprefix("https://").removesuffix("/as4").rpartition(":")
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((host, int(port)), timeout=5)


def test_the_report_tells_people_everything(result: Result, home: Path) -> None:
    told = report.text(result, home)
    assert result.sha256 in told
    assert result.message_id in told
    assert "= the document" in told
    assert told.endswith("C4 holds the byte-identical document, and the receipt proves that C3 took it.\n")
    assert str(home) not in told


def test_the_report_for_programs_says_the_same(result: Result, home: Path) -> None:
    told = json.loads(json.dumps(report.as_json(result, home)))
    assert told["ok"] is True
    assert told["receipt"]["verified"] is True
    assert all(reference["sent"] == reference["received"] for reference in told["receipt"]["references"])
    assert told["document"]["sha256"] == result.sha256
    assert [step["what"] for step in told["timeline"]] == [step.what for step in result.timeline]


def test_no_document_at_c4_is_a_failure(result: Result, home: Path) -> None:
    failed = replace(result, identical=None)
    assert not failed.ok
    assert "FAILED: C4 does not hold the document." in report.text(failed, home)


def test_no_receipt_is_a_failure(result: Result, home: Path) -> None:
    failed = replace(result, receipt=None, failure="the peer did not answer")
    assert not failed.ok
    told = report.text(failed, home)
    assert "there is none that holds" in told
    assert told.endswith("FAILED: no receipt proves that C3 took it. the peer did not answer\n")


def test_a_receipt_for_other_digests_is_a_failure(result: Result, home: Path) -> None:
    assert result.receipt is not None
    [(sent, received), *others] = result.receipt.references
    other = replace(result.receipt, references=((sent, replace(received, digest=b"other")), *others))
    failed = replace(result, receipt=other)
    assert not failed.ok
    assert f"OTHER  {sent.uri}" in report.text(failed, home)


def envelopes(shared_data: Path) -> list[Path]:
    """Every public and golden envelope; the one with a broken signal inside is relayed unopened (decision 13)."""
    folder = shared_data / "ehmi" / "sbdh"
    return [*sorted((folder / "valid").glob("*.xml")), folder / "negative" / "signal-not-well-formed.xml"]


def test_public_envelopes_travel_unchanged(shared_data: Path, tmp_path: Path) -> None:
    for number, path in enumerate(envelopes(shared_data)):
        sent = asyncio.run(exchange(path.read_bytes(), tmp_path / str(number)))
        assert sent.ok, (path.name, sent.failure)


async def test_what_is_no_envelope_is_refused_before_anything_starts(tmp_path: Path) -> None:
    with pytest.raises(SubmissionError, match="not a right ehmiSBDH"):
        await exchange(b"<Bundle/>", tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_the_command_prints_json_and_keeps_its_folder(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """`ehmi-ap demo FILE --keep DIR --json` from an empty folder."""
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "sbd.xml"
    file.write_bytes(own_document())
    assert cli.main(["demo", "sbd.xml", "--keep", "kept", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["ok"]
    assert (tmp_path / "kept" / told["c4"]["identical"]).read_bytes() == file.read_bytes()
    assert cli.main(["demo", "--keep", "kept"]) == 64
    assert "not an empty folder" in capsys.readouterr().err


def test_the_command_leaves_nothing_behind(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    assert cli.main(["demo"]) == 0
    assert "the receipt proves" in capsys.readouterr().out
    assert list(tmp_path.iterdir()) == []


def test_the_demos_own_document_can_be_had(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    """Each is a new one, with ids of its own."""
    documents = []
    for _ in range(2):
        assert cli.main(["demo", "--document"]) == 0
        documents.append(capfdbinary.readouterr().out)
    assert all(
        document.startswith(b"<?xml") and document.endswith(b"</StandardBusinessDocument>\n") for document in documents
    )
    assert documents[0] != documents[1]


def test_a_refusal_is_told_as_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """C3 does not know C2's party: the timeline says refusal, the report why, and the result is no success."""
    introduce = network._introduce

    async def only_c3_to_c2(site: network.Site, *, to: network.Site, offer: Addressing) -> None:
        if site.name == "c2":
            await introduce(site, to=to, offer=offer)

    monkeypatch.setattr(network, "_introduce", only_c3_to_c2)
    refused = asyncio.run(exchange(own_document(), tmp_path))
    assert not refused.ok
    assert refused.c4 == ()
    assert refused.receipt is None
    assert any("AS4 refusal" in step.what for step in refused.timeline)
    assert refused.failure is not None
    assert "FAILED: C4 does not hold the document." in report.text(refused, tmp_path)


def test_a_file_that_is_not_there_is_wrong_usage(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["demo", str(tmp_path / "none.xml")]) == 64
    assert "cannot read" in capsys.readouterr().err
