"""wrap, unwrap and sbdh: exit codes, JSON and the tree; neither a patient's number nor a document in any output."""

import json
import re
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import pytest

from ehmi_ap import cli
from ehmi_ap.demo import bundle, fhir
from ehmi_ap.ehmi.unwrap import unwrap

GOLDEN = Path(__file__).parents[1] / "ehmi" / "golden"
CPR = bundle.PATIENT_CPR
XDS = '{"resourceType": "DocumentReference"}'


@pytest.fixture
def message(tmp_path: Path) -> Path:
    path = tmp_path / "message.json"
    path.write_bytes(fhir.to_json(bundle.home_care_observation(now=datetime.now(UTC), new_uuid=uuid4)))
    return path


@pytest.fixture
def envelope(message: Path, tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> Path:
    path = tmp_path / "envelope.xml"
    path.write_bytes(run(capfdbinary, "wrap", message)[1])
    return path


def run(capture: pytest.CaptureFixture[bytes], *argv: object) -> tuple[int, bytes, str]:
    code = cli.main([str(each) for each in argv])
    said = capture.readouterr()
    return code, said.out, said.err.decode()


def test_what_is_wrapped_is_ok_and_comes_out_byte_for_byte(envelope, message, capfdbinary):
    code, out, err = run(capfdbinary, "sbdh", envelope, "--json")
    assert (code, json.loads(out), err) == (0, {"verdict": "ok", "kind": "message", "findings": []}, "")
    assert run(capfdbinary, "unwrap", envelope) == (0, message.read_bytes(), "")


def test_wrap_takes_what_the_message_does_not_say(message, tmp_path, capfdbinary):
    (tmp_path / "xds.json").write_text(XDS)
    options = ("--receiver", "5790002515798:1134991000016003", "--xds-metadata", tmp_path / "xds.json")
    code, out, _ = run(capfdbinary, "wrap", message, *options, "--type-version", "1.1", "--namespace", "sbdh")
    header = unwrap(out).header
    assert (code, header.receiver.value, header.scope("XDS-METADATA")) == (0, "0088:5790002515798", XDS)
    assert header.type_version == "1.1"
    assert b"peppol" not in out


@pytest.mark.parametrize("options", [("--receiver", "5790002515798"), ("--xds-metadata", "latin.json")])
def test_wrong_arguments_are_64(options, message, tmp_path, capfdbinary, monkeypatch):
    (tmp_path / "latin.json").write_bytes(b"\xff")
    monkeypatch.chdir(tmp_path)
    assert run(capfdbinary, "wrap", message, *options)[0] == 64


def test_a_message_that_cannot_be_wrapped_is_1(message, capfdbinary):
    message.write_text(message.read_text().replace(CPR, f"{CPR}00"))
    code, out, err = run(capfdbinary, "wrap", message)
    assert (code, out) == (1, b"")
    assert "CPR number of the patient has not the form" in err
    assert CPR not in err


def test_an_envelope_that_contradicts_its_document_is_1(envelope, capfdbinary):
    envelope.write_text(envelope.read_text().replace(f">{CPR}<", ">7403489987<"))
    code, out, _ = run(capfdbinary, "sbdh", envelope)
    assert code == 1
    assert "V-10 reject: PATIENTID is not the patient of the Bundle" in out.decode()
    assert (
        "at /StandardBusinessDocument/StandardBusinessDocumentHeader/BusinessScope/Scope[Type='PATIENTID']"
        in out.decode()
    )
    assert "fix: Wrap the FHIR message anew" in out.decode()


def test_a_warning_is_0(capfdbinary):
    code, out, _ = run(capfdbinary, "sbdh", GOLDEN / "golden-request-peppolns.xml", "--json")
    found = json.loads(out)
    assert (code, found["verdict"]) == (0, "warn")
    assert [set(each) for each in found["findings"]] == [{"rule", "level", "path", "what", "fix"}]


def test_a_receipt_is_known_as_one(capfdbinary):
    code, out, _ = run(capfdbinary, "sbdh", GOLDEN / "golden-exception-peppolns.xml", "--json")
    assert (code, json.loads(out)["kind"]) == (0, "envelope-receipt")


@pytest.mark.parametrize("content", ["", "{}", "<a/>", f"<{CPR}"])
def test_what_is_no_envelope_is_3(content, tmp_path, capfdbinary):
    path = tmp_path / "other"
    path.write_text(content)
    code, out, _ = run(capfdbinary, "sbdh", path, "--json")
    found = json.loads(out)
    assert (code, found["verdict"], found["kind"]) == (3, "reject", None)
    assert CPR not in out.decode()
    code, out, err = run(capfdbinary, "unwrap", path)
    assert (code, out) == (1, b"")
    assert "V-1" in err
    assert CPR not in err


def test_a_wrong_structure_is_1(envelope, capfdbinary):
    envelope.write_text(re.sub("<HeaderVersion>.*?</HeaderVersion>", "", envelope.read_text()))
    assert run(capfdbinary, "sbdh", envelope)[0] == 1


def test_a_file_that_is_not_there_is_64(tmp_path, capfdbinary):
    for command in ("wrap", "unwrap", "sbdh"):
        assert run(capfdbinary, command, tmp_path / "none")[0] == 64


def test_neither_number_nor_document_in_any_mutation(envelope, capfdbinary):
    """A canary: the envelope cut, doubled and damaged in every line of it; only `unwrap` may show a document."""
    text = envelope.read_text()
    lines = text.splitlines()
    for number, line in enumerate(lines):
        damaged = re.sub(">([^<]*)<", f">x{CPR}<", line, count=1) if ">" in line else f"<x{CPR}/>"
        for other in ("", line + line, damaged, f"<!-- {CPR} -->" + line):
            envelope.write_text("\n".join((*lines[:number], other, *lines[number + 1 :])))
            _, out, err = run(capfdbinary, "sbdh", envelope, "--json")
            assert CPR not in out.decode() + err
            assert "Signe" not in out.decode() + err


def test_the_three_commands_work_as_programs(message, tmp_path):
    """stdout holds the bytes and nothing else."""
    program = [sys.executable, "-m", "ehmi_ap.cli"]
    envelope = tmp_path / "envelope.xml"
    envelope.write_bytes(subprocess.run([*program, "wrap", message], check=True, capture_output=True).stdout)
    opened = subprocess.run([*program, "unwrap", envelope], check=True, capture_output=True)
    assert opened.stdout == message.read_bytes()
