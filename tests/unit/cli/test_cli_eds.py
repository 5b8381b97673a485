"""eds: the events of an envelope as JSON and for people, and the enrolment."""

import json
from pathlib import Path
from typing import Any

import pki
import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID

from ehmi_ap import cli
from ehmi_ap.cli.output import Exit
from ehmi_ap.demo.bundle import PATIENT_CPR
from tests.fhir_profiles import Profiles

CONFIG = """
domain = "ap.example.org"
party = { id = "our-ap" }

[as4]
public_url = "https://ap.example.org/as4"
tls = { certificate = "tls.pem" }

[keys.signing]
file = "tls.pem"
"""
EDS = """
[eds]
base = "https://eds.example/fhir"
issuer = "https://auth.example"
tls = { certificate = "eds.pem" }
renamed = { Bundle = "FHIR Bundle" }

[eds.device]
id = "Our-AP"
name = "Our access point"

[[eds.organisations]]
name = "Aarhus Kommune"
sor = "9999011000016008"
gln = "9520000001018"
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, document: bytes) -> Path:
    """An envelope of the demo, and nothing else."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "envelope.xml").write_bytes(document)
    return tmp_path


@pytest.fixture
def configured(folder: Path) -> Path:
    """With [eds], and a certificate with the attributes of an OCES3 system certificate."""
    attributes = (
        (NameOID.COUNTRY_NAME, "DK"),
        (NameOID.ORGANIZATION_IDENTIFIER, "NTRDK-12345678"),
        (NameOID.ORGANIZATION_NAME, "Us, and others"),
        (NameOID.SERIAL_NUMBER, "UI:DK-O:G:1"),
        (NameOID.COMMON_NAME, "Our AP"),
    )
    subject = x509.Name([x509.NameAttribute(oid, value) for oid, value in attributes])
    client = pki.make_leaf(pki.make_ca(), key="c", subject=subject)
    (folder / "eds.pem").write_bytes(client.key_pem + client.chain_pem)
    own = pki.make_leaf(None, "ap", key="a")
    (folder / "tls.pem").write_bytes(own.key_pem + own.pem)
    (folder / "ehmi-ap.toml").write_text(CONFIG + EDS)
    (folder / "trust").mkdir()
    (folder / "pmodes").mkdir()
    return folder


def run(capsys: pytest.CaptureFixture[str], *argv: str) -> tuple[int, str, str]:
    code = cli.main(["eds", *argv])
    said = capsys.readouterr()
    return code, said.out, said.err


def events(out: str) -> list[Any]:
    bundle = json.loads(out)
    assert (bundle["resourceType"], bundle["type"]) == ("Bundle", "collection")
    return [entry["resource"] for entry in bundle["entry"]]


def told(event: Any) -> tuple[str, str]:
    return event["subtype"][0]["code"], event["outcome"]


# -- preview


def test_two_events_a_side_without_a_configuration(folder, capsys):
    code, out, err = run(capsys, "preview", "envelope.xml", "--json", "--at", "2026-11-23T12:00:00+01:00")

    assert (code, err) == (Exit.OK, "")
    assert [told(event) for event in events(out)] == [("msg-received", "0"), ("msg-sent", "0")] * 2
    first = events(out)[0]
    assert first["recorded"] == "2026-11-23T12:00:00.000+01:00"
    assert first["source"]["observer"]["identifier"]["value"] == "example-ap"
    assert first["entity"][0]["what"]["identifier"]["value"] == PATIENT_CPR


@pytest.mark.parametrize("side", ["sender", "receiver"])
def test_the_events_of_one_side(folder, capsys, side):
    _, out, _ = run(capsys, "preview", "envelope.xml", "--at-ap", side, "--json")
    assert len(events(out)) == 2

    _, out, _ = run(capsys, "preview", "envelope.xml", "--at-ap", side)
    assert out.endswith(
        f"└── events\n    ├── msg-received at the {side}'s access point\n    └── msg-sent at the {side}'s access point\n"
    )


def test_the_events_hold_the_profiles_of_eds(configured, capsys, shared_data):
    profiles = Profiles(shared_data / "eds")
    _, out, _ = run(capsys, "preview", "envelope.xml", "--json")
    assert [profiles.findings(event) for event in events(out)] == [[]] * 4


def test_nobody_is_shown_the_patient(folder, capsys):
    """Wherever in the envelope it stands."""
    text = (folder / "envelope.xml").read_text()
    hidden = text.replace("MCM:homecareobservation-message", f"MCM:{PATIENT_CPR[:6]}-{PATIENT_CPR[6:]}")
    assert hidden != text
    (folder / "envelope.xml").write_text(hidden)
    code, out, err = run(capsys, "preview", "envelope.xml")

    assert (code, err) == (Exit.OK, "")
    assert "patient   named by a CPR number, which is not shown" in out
    assert "ehmiStatisticalInfo MCM:[number]" in out
    assert not any(part in out for part in (PATIENT_CPR, PATIENT_CPR[:6]))


def test_the_configuration_names_device_organisations_and_words(configured, capsys):
    _, out, _ = run(capsys, "preview", "envelope.xml")
    assert "device    Our-AP\n" in out
    assert "sender    SOR 9999011000016008, GLN 9520000001018, Aarhus Kommune\n" in out
    assert "receiver  SOR 9999021000016004, GLN 9520000001025\n" in out
    assert "ehmiMessageEnvelopeType FHIR Bundle\n" in out

    _, out, _ = run(capsys, "preview", "envelope.xml", "--json")
    (device,) = events(out)[0]["contained"]
    assert device["deviceName"] == [{"name": "Our access point", "type": "user-friendly-name"}]


def test_a_configuration_without_eds_is_none(configured, capsys):
    (configured / "ehmi-ap.toml").write_text(CONFIG)
    assert "device    example-ap\n" in run(capsys, "preview", "envelope.xml")[1]


def test_a_receipt_and_what_it_answers(folder, capsys, shared_data):
    """What the IG's receipt leaves out comes from the envelope that it answers."""
    sbdh = shared_data / "ehmi" / "sbdh"
    receipt = str(sbdh / "negative" / "signal-not-well-formed.xml")
    _, out, _ = run(capsys, "preview", receipt)
    assert out.startswith("envelope-receipt\n├── profile   EdsBasicDeliveryStatus\n")
    assert "ehmiMessageType unknown" in out
    assert "patient" not in out

    _, out, _ = run(capsys, "preview", receipt, "--original", str(sbdh / "valid" / "ig-fullsample-hco.xml"))
    assert "unknown" not in out
    assert "original transport envelope 9a6ff822-08de-5a6f-9670-9fa4b9d2f0dc\n" in out


def test_a_message_answers_nothing(folder, capsys):
    code, _, err = run(capsys, "preview", "envelope.xml", "--original", "envelope.xml")
    assert code == Exit.USAGE
    assert "answers nothing" in err


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        ("SENDERID", "SENDERX", "not exactly one scope SENDERID"),
        ("<HeaderVersion>1.0</HeaderVersion>", "", "StandardBusinessDocumentHeader has no HeaderVersion"),
        ("</StandardBusinessDocument>", "", "not well-formed XML"),
    ],
)
def test_an_envelope_that_gives_no_event(folder, capsys, old, new, what):
    text = (folder / "envelope.xml").read_text()
    assert old in text
    (folder / "envelope.xml").write_text(text.replace(old, new))
    code, out, err = run(capsys, "preview", "envelope.xml")
    assert (code, out) == (Exit.FAILED, "")
    assert what in err
    assert PATIENT_CPR not in err

    code, out, _ = run(capsys, "preview", "envelope.xml", "--json")
    assert (code, json.loads(out)["error"]["code"]) == (Exit.FAILED, "envelope")


def test_files_that_are_not_there(folder, capsys):
    assert run(capsys, "preview", "nowhere.xml")[0] == Exit.USAGE
    assert run(capsys, "preview", "envelope.xml", "--config", "nowhere.toml")[0] == Exit.USAGE


# -- enrolment


def test_the_enrolment(configured, capsys):
    """spec/eds.md 4; the subject as its example writes one, RFC 4514."""
    code, out, err = run(capsys, "enrolment", "--contact", "ap@example.org", "--contact", "b@example.org")

    assert (code, err) == (Exit.OK, "")
    assert json.loads(out) == {
        "client_name": "Our access point",
        "token_endpoint_auth_method": "tls_client_auth",
        "grant_types": ["client_credentials"],
        "scope": "EDS system/AuditEvent.crs",
        "tls_client_auth_subject_dn": "CN=Our AP,serialNumber=UI:DK-O:G:1,O=Us\\, and others,"
        "organizationIdentifier=NTRDK-12345678,C=DK",
        "ehmi:eer:device_id": "Our-AP",
        "ehmi:org_context": [{"name": "Aarhus Kommune", "sor": "9999011000016008", "gln": "9520000001018"}],
        "contacts": ["ap@example.org", "b@example.org"],
    }


def test_an_enrolment_that_names_nobody_to_ask(configured, capsys):
    (configured / "ehmi-ap.toml").write_text(CONFIG + EDS.replace('name = "Our access point"', ""))
    found = json.loads(run(capsys, "enrolment")[1])
    assert found["client_name"] == "Our-AP"
    assert "contacts" not in found


def test_no_enrolment_without_eds_or_its_certificate(configured, capsys):
    (configured / "ehmi-ap.toml").write_text(CONFIG)
    code, _, err = run(capsys, "enrolment")
    assert code == Exit.CONFIG
    assert "[eds]: is missing" in err

    (configured / "ehmi-ap.toml").write_text(CONFIG + EDS)
    (configured / "eds.pem").write_bytes(pki.make_leaf(None, key="c").key_pem)
    code, _, err = run(capsys, "enrolment")
    assert code == Exit.CONFIG
    assert "there is no certificate in" in err


# -- check


def test_check_says_that_nothing_is_reported_before_the_enrolment(configured, capsys):
    assert cli.main(["check", "--json"]) == Exit.OK
    said = json.loads(capsys.readouterr().out)
    assert "[eds] client_id: is missing, so nothing is reported" in " ".join(said["warnings"])


def test_check_looks_at_the_certificate_for_eds(configured, capsys):
    (configured / "eds.pem").write_text("nothing")
    assert cli.main(["check"]) == Exit.FAILED
    assert "[eds.tls]: " in capsys.readouterr().out
