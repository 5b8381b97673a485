"""The project's main job, as the demo runs it: C1 to C4 through two access points over TLS, with a verified receipt."""

import asyncio
import json
import re
import socket
import stat
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import pytest
from cryptography.x509 import load_pem_x509_certificate, load_pem_x509_certificates

from ehmi_ap import cli
from ehmi_ap.body import MemoryBody
from ehmi_ap.config import Config, load_agreements
from ehmi_ap.crypto.certificate import Certificate
from ehmi_ap.demo import report
from ehmi_ap.demo.bundle import PATIENT_CPR, RECEIVER, SENDER
from ehmi_ap.demo.eds import outcome
from ehmi_ap.demo.envelope import standard_business_document
from ehmi_ap.demo.exchange import Result, exchange
from ehmi_ap.demo.layout import PMODE
from ehmi_ap.demo.network import Network, network
from ehmi_ap.demo.registry import AP_CA, NETWORK, SMP_CA, ZONE
from ehmi_ap.discovery.found import Found, Wanted
from ehmi_ap.discovery.identifiers import ISO6523, wanted
from ehmi_ap.discovery.network import Naming
from ehmi_ap.discovery.sml import dns_name
from ehmi_ap.ehmi import sbdh
from ehmi_ap.errors import SubmissionError
from ehmi_ap.model import Participant, Payload
from tests.fhir_profiles import Profiles


def own_document() -> bytes:
    return standard_business_document(now=datetime.now(UTC), new_uuid=uuid4)


OFFER = sbdh.address(Payload(body=MemoryBody(own_document()), mime_type="application/xml"))
assert OFFER is not None
IDS = (f"0088:{RECEIVER.gln}", OFFER.action, OFFER.service.value)


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


@pytest.mark.parametrize("name", ["c2", "c3"])
def test_the_configurations_are_files_that_serve_would_take(result: Result, home: Path, name: str) -> None:
    assert result.ok
    config = Config.load(home / name / "ehmi-ap.toml")
    assert config.party.value == f"demo-ap-{name}"
    assert stat.S_IMODE((home / name / "token").stat().st_mode) == 0o600
    assert load_agreements(config).warnings == ()


@pytest.mark.parametrize(("name", "other"), [("c2", "c3"), ("c3", "c2")])
def test_nothing_of_the_partner_is_in_the_files(result: Result, home: Path, name: str, other: str) -> None:
    """One template names the network; no party, URL, port or certificate of the other side is anywhere."""
    [pmode] = load_agreements(Config.load(home / name / "ehmi-ap.toml")).pmodes
    assert (pmode.network, pmode.partner, pmode.url, pmode.certificate) == (NETWORK, None, None, None)
    assert pmode.participants == ()
    certificate = load_pem_x509_certificate((home / other / "keys" / "ap.crt.pem").read_bytes())
    port = str(urlsplit(getattr(result, other)).port)
    files = [path for path in (home / name).rglob("*") if path.suffix in (".toml", ".pem")]
    assert {"demo.toml", "ehmi.toml", "ehmi-ap.toml"} < {path.name for path in files}
    for path in files:
        text = path.read_text()
        if path.suffix == ".toml":
            assert f"demo-ap-{other}" not in text
            assert port not in text
            assert {"c2": RECEIVER, "c3": SENDER}[name].gln not in text
        elif "BEGIN CERTIFICATE" in text:
            assert certificate not in load_pem_x509_certificates(path.read_bytes())


def test_the_look_up_is_shown_from_the_name_to_the_certificate(result: Result, home: Path) -> None:
    """By what the servers were asked, in its order, and by what C2 saw."""
    assert isinstance(result.lookup, Found)
    name = dns_name(Participant(f"0088:{RECEIVER.gln}", ISO6523), ZONE, Naming())
    told = report.text(result, home)
    for text in (name, result.sml, result.smp, '"Meta:SMP"', "CN=demo-smp", result.c3, "CN=demo-ap-c3", "CRL at"):
        assert text in told.partition("Look-up by C2")[2].partition("On the wire")[0]
    steps = [(step.where, step.what) for step in result.timeline]
    asked = [where for where, _ in steps if where in ("C2 -> SML", "C2 -> SMP", "C2 -> CA")]
    assert asked == ["C2 -> SML", "C2 -> SMP", "C2 -> CA", "C2 -> CA"]
    [discovered] = [what for where, what in steps if what.startswith("discovered")]
    assert all(text in discovered for text in (result.c3, "CN=demo-ap-c3", "CN=demo-smp"))
    assert steps.index(("at C2", discovered)) < [where for where, _ in steps].index("C2 -> C3")


def test_what_was_published_is_kept(result: Result, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The servers are gone, so a look-up finds nobody to ask; what the SMP had can still be judged."""
    assert isinstance(result.lookup, Found)
    kept = home / "registry"
    assert result.smp in (kept / f"{ZONE}.zone").read_text()
    metadata = kept / f"0088-{RECEIVER.gln}.xml"
    assert metadata.read_bytes() == result.lookup.metadata
    assert cli.main(["smp", str(metadata), "--trust", str(kept / f"{SMP_CA}.pem"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["chosen"]["url"] == result.c3
    assert (
        cli.main(["lookup", *IDS, "--network", NETWORK, "--config", str(home / "c2" / "ehmi-ap.toml"), "--json"]) == 1
    )
    assert json.loads(capsys.readouterr().out)["outcome"] == "unavailable"


def test_everything_that_was_started_has_ended(result: Result, left_behind: set[threading.Thread]) -> None:
    """No thread is left, and nobody listens any more."""
    assert left_behind == set()
    for address in (result.c2, result.c3, result.smp, f"dns://{result.sml}", result.eds, result.issuer):
        url = urlsplit(address)
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((url.hostname, url.port), timeout=5)


def test_the_report_tells_people_everything(result: Result, home: Path) -> None:
    told = report.text(result, home)
    assert result.sha256 in told
    assert result.message_id in told
    assert "= the document" in told
    assert told.endswith(
        "C4 holds the byte-identical document, the receipt proves that C3 took it, and EDS knows the way it went.\n"
    )
    assert str(home) not in told


def test_the_report_for_programs_says_the_same(result: Result, home: Path) -> None:
    told = json.loads(json.dumps(report.as_json(result, home)))
    assert told["ok"] is True
    assert told["receipt"]["verified"] is True
    assert all(reference["sent"] == reference["received"] for reference in told["receipt"]["references"])
    assert told["document"]["sha256"] == result.sha256
    assert told["lookup"]["found"] is True
    assert all(step["ok"] for step in told["lookup"]["steps"])
    assert told["network"] == {"sml": result.sml, "smp": result.smp, "eds": result.eds, "issuer": result.issuer}
    assert told["trace"]["whole"] is True
    assert len(told["trace"]["events"]) == 4
    assert [step["what"] for step in told["timeline"]] == [step.what for step in result.timeline]


def test_eds_knows_when_and_where_and_nothing_of_the_patient_is_shown(result: Result, home: Path) -> None:
    """Received and sent, by each access point, at the times of their timeline."""
    assert [(each.station, each.deed, each.failed) for each in result.trace if each.station == "demo-ap-c2"] == [
        ("demo-ap-c2", "msg-received", False),
        ("demo-ap-c2", "msg-sent", False),
    ]
    assert sorted(each.deed for each in result.trace if each.station == "demo-ap-c3") == ["msg-received", "msg-sent"]
    assert len(result.trace) == 4
    assert [each.at for each in result.trace] == sorted(each.at for each in result.trace)
    shown = report.text(result, home).partition("Track and trace, as EDS has it; no document was opened for it\n")[2]
    lines = [line.split() for line in shown.partition("\n\n")[0].splitlines()]
    assert lines == [
        [each.at.isoformat(timespec="milliseconds"), each.station, each.deed, "success"] for each in result.trace
    ]
    for told in (report.text(result, home), json.dumps(report.as_json(result, home))):
        assert PATIENT_CPR not in told


def test_each_access_point_is_enrolled_with_a_key_and_a_device_of_its_own(result: Result, home: Path) -> None:
    assert result.ok
    tables = {name: Config.load(home / name / "ehmi-ap.toml").eds for name in ("c2", "c3")}
    names = ("ap", "tls", "smp-client", "eds-client", "delivery")
    keys = {(home / side / "keys" / f"{name}.key.pem").read_text() for side in tables for name in names}
    assert len(keys) == len(tables) * len(names)
    for (name, eds), serves in zip(tables.items(), (SENDER, RECEIVER), strict=True):
        assert eds is not None
        assert (eds.client_id, eds.device.id) == (f"demo-ap-{name}", f"demo-ap-{name}")
        assert eds.tls.certificate == home / name / "keys" / "eds-client.crt.pem"
        assert [(each.sor, each.gln) for each in eds.organisations] == [(serves.sor, serves.gln)]


def test_a_gap_in_what_eds_knows_is_a_failure(result: Result, home: Path) -> None:
    for known in (result.trace[:3], ()):
        failed = replace(result, trace=known)
        assert not failed.ok
        assert report.text(failed, home).endswith("FAILED: EDS does not know the whole way.\n")
    assert "\n  nothing\n\nFAILED: EDS" in report.text(replace(result, trace=()), home)


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


def test_an_envelope_without_what_eds_needs_is_delivered_and_said_to_lack_it(tmp_path: Path) -> None:
    document = own_document().replace(b">SENDERID<", b">OTHER<")
    result = asyncio.run(exchange(document, tmp_path))
    assert result.identical is not None
    assert result.trace == ()
    last = report.text(result, tmp_path).splitlines()[-1]
    assert last == ("FAILED: EDS does not know the whole way. the envelope has not exactly one scope SENDERID")


@asynccontextmanager
async def changed(change: Callable[[Network], Awaitable[None]], home: Path, **arguments: Any) -> AsyncIterator[Network]:
    """The demo's network, after something was done to it."""
    async with network(home, **arguments) as net:
        await change(net)
        yield net


def run_changed(
    change: Callable[[Network], Awaitable[None]], home: Path, monkeypatch: pytest.MonkeyPatch
) -> tuple[Result, str]:
    """One exchange of the demo's own message there, and what the demo would print."""
    monkeypatch.setattr("ehmi_ap.demo.exchange.network", partial(changed, change))
    result = asyncio.run(exchange(own_document(), home))
    assert not result.ok
    assert (result.c4, result.receipt) == ((), None)
    return result, report.text(result, home)


def test_what_eds_refuses_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """C4 has its document all the same."""

    async def refusing(net: Network) -> None:
        monkeypatch.setattr(net.eds.service, "answer_to", lambda event, claims: outcome(422, "invalid", "a test"))

    monkeypatch.setattr("ehmi_ap.demo.exchange.network", partial(changed, refusing))
    result = asyncio.run(exchange(own_document(), tmp_path))
    assert result.identical is not None
    last = report.text(result, tmp_path).splitlines()[-1]
    assert last == "FAILED: EDS does not know the whole way. EDS answers with HTTP 422: invalid: a test"


def test_what_eds_is_told_is_of_its_profiles(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shared_data: Path
) -> None:
    told: list[dict[str, Any]] = []

    async def noting(net: Network) -> None:
        monkeypatch.setattr(net.eds.service, "taken", told)

    monkeypatch.setattr("ehmi_ap.demo.exchange.network", partial(changed, noting))
    assert asyncio.run(exchange(own_document(), tmp_path)).ok
    profiles = Profiles(shared_data / "eds")
    assert [profiles.findings(event) for event in told] == [[]] * 4


def test_a_refusal_is_told_as_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """C3 has no P-Mode: the timeline says refusal, the report why, and the result is no success."""

    async def without_pmode(net: Network) -> None:
        await net.c3.ap.delete_pmode(PMODE)

    refused, told = run_changed(without_pmode, tmp_path, monkeypatch)
    assert any("AS4 refusal" in step.what for step in refused.timeline)
    assert refused.failure is not None
    assert "FAILED: C4 does not hold the document. refused by the peer" in told
    assert [(each.station, each.deed, each.failed) for each in refused.trace] == [
        ("demo-ap-c2", "msg-received", False),
        ("demo-ap-c2", "msg-sent", True),
    ]
    assert re.search(r"demo-ap-c2  msg-sent +failure\n", told)


def entry(net: Network) -> Wanted:
    return wanted(*IDS, net.registry.network)


def register(net: Network, ca: str, **changes: Any) -> None:
    """C3's entry anew, with a certificate of its name below this CA that is not C3's, but for the `changes`."""
    now = datetime.now(UTC)
    other = Certificate.from_pem(net.registry.authorities[ca].access_point("demo-ap-c3", now=now).certificate_pem)
    net.registry.register(entry(net), **{"url": net.c3.addresses.as4, "certificate": other, "now": now, **changes})


async def of_another_ca(net: Network) -> None:
    register(net, SMP_CA)


async def of_another_key(net: Network) -> None:
    register(net, AP_CA)


async def where_nobody_listens(net: Network) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        url = f"https://127.0.0.1:{taken.getsockname()[1]}/as4"
    register(net, AP_CA, url=url)


async def not_at_the_smp(net: Network) -> None:
    net.registry.smp.remove(entry(net).participant, entry(net).document)


async def not_in_the_zone(net: Network) -> None:
    net.registry.zone.remove(f"{dns_name(entry(net).participant, ZONE, net.registry.network.naming)}.")


@pytest.mark.parametrize(
    ("change", "broken", "told"),
    [
        (of_another_ca, "Choose the endpoint", "no path from the certificate to a trusted one"),
        (of_another_key, None, "looked up anew: certificate and URL are the same"),
        (where_nobody_listens, None, "the peer could not be reached in 1 attempts"),
        (not_at_the_smp, "Ask the SMP for what the participant is registered for", "does not know"),
        (not_in_the_zone, "Have it confirmed that the name is not there", "is not registered in sml.demo.example"),
    ],
)
def test_a_wrong_entry_is_told_as_what_it_is(
    change: Callable[[Network], Awaitable[None]],
    broken: str | None,
    told: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The last line is one sentence; the look-up shows the step that failed, if it did."""
    result, text = run_changed(change, tmp_path, monkeypatch)
    last = text.splitlines()[-1]
    assert last.startswith("FAILED: C4 does not hold the document. ")
    assert told in last
    assert result.lookup is not None
    assert next((step.what for step in result.lookup.steps if not step.ok), None) == broken
    assert (f"broken  {broken}\n" in text) is (broken is not None)


def test_a_file_that_is_not_there_is_wrong_usage(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["demo", str(tmp_path / "none.xml")]) == 64
    assert "cannot read" in capsys.readouterr().err
