"""smp: exit codes, JSON and the tree, over recordings of phoss SMP."""

import json
from pathlib import Path

import pki
import pytest

from ehmi_ap import cli

PHOSS = Path(__file__).parents[2] / "vectors" / "data" / "smp" / "phoss"
METADATA = PHOSS / "oasis2" / "service-metadata.xml"
AT = ("--at", "2026-11-23")


def run(capsys: pytest.CaptureFixture[str], *argv: object) -> tuple[int, str, str]:
    code = cli.main(["smp", *map(str, argv)])
    said = capsys.readouterr()
    return code, said.out, said.err


def test_usable_metadata_is_0_and_names_what_would_be_chosen(capsys):
    code, out, err = run(capsys, METADATA, "--trust", PHOSS / "ca.pem", *AT, "--json")

    found = json.loads(out)
    assert (code, found["verdict"], err) == (0, "usable", "")
    assert (found["dialect"], found["kind"], found["signature"], found["trust"]) == (
        "oasis2",
        "metadata",
        "ok",
        "trusted",
    )
    assert found["chosen"] == found["endpoints"][0]
    assert found["chosen"]["url"] == "https://ap.test/bdxr-transport-ebms3-as4-v1p0"
    assert found["chosen"]["active"] is True
    assert found["problems"] == []


def test_a_process_is_chosen_for(capsys):
    code, out, _ = run(capsys, METADATA, *AT, "--process", "cenbii-procid-ubl::urn:dk:medcom:process:receipt", "--json")

    found = json.loads(out)
    assert code == 0
    assert found["chosen"]["process"] == "cenbii-procid-ubl::urn:dk:medcom:process:receipt"
    assert found["endpoints"][0]["dropped"] == "process"


def test_another_participant_than_asked_for_is_1(capsys):
    code, out, _ = run(capsys, METADATA, *AT, "--participant", "0088:1", "--json")

    found = json.loads(out)
    assert (code, found["verdict"], found["chosen"], found["trust"]) == (1, "unusable", None, "unchecked")
    assert "answered for the participant" in found["problems"][0]["what"]


def test_another_document_than_asked_for_is_1(capsys):
    code, out, _ = run(capsys, METADATA, *AT, "--document", "urn:x::hco##urn:y::1.2")

    assert code == 1
    assert "the SMP answered for the document busdox-docid-qns::urn:dk:healthcare" in out


def test_a_signer_below_no_given_ca_is_1(capsys, tmp_path):
    (tmp_path / "other.pem").write_bytes(pki.make_ca("Other CA").pem)
    code, out, _ = run(capsys, METADATA, *AT, "--trust", tmp_path / "other.pem", "--json")

    assert (code, json.loads(out)["trust"]) == (1, "untrusted")


def test_a_changed_document_is_1_and_nothing_of_it_is_chosen(capsys, tmp_path):
    changed = tmp_path / "changed.xml"
    changed.write_bytes(METADATA.read_bytes().replace(b"https://ap.test/", b"https://evil.test/"))
    code, out, _ = run(capsys, changed, "--trust", PHOSS / "ca.pem", *AT, "--json")

    found = json.loads(out)
    assert (code, found["signature"], found["trust"], found["chosen"]) == (1, "wrong", "unchecked", None)
    assert found["endpoints"][0]["url"].startswith("https://evil.test/")
    assert found["problems"][0]["fix"]


def test_metadata_without_its_signature_is_1(capsys, tmp_path):
    start, _, rest = METADATA.read_bytes().partition(b"<Signature ")
    (tmp_path / "unsigned.xml").write_bytes(start + rest.partition(b"</Signature>")[2])
    code, out, _ = run(capsys, tmp_path / "unsigned.xml", *AT, "--json")

    assert (code, json.loads(out)["signature"], json.loads(out)["chosen"]) == (1, "missing", None)


def test_what_is_no_document_of_an_smp_is_3(capsys, tmp_path):
    page = tmp_path / "page.html"
    page.write_bytes(b'<html xmlns="http://www.w3.org/1999/xhtml"><body/></html>')

    assert run(capsys, PHOSS / "oasis1" / "not-found.txt", *AT)[0] == 3
    code, out, _ = run(capsys, page, *AT, "--json")
    assert (code, json.loads(out)["verdict"], json.loads(out)["kind"]) == (3, "unreadable", None)


def test_the_tree_says_why_each_endpoint_was_not_chosen(capsys):
    code, out, _ = run(capsys, METADATA, *AT)

    assert code == 0
    assert out.startswith("usable\n")
    assert "│   ├── chosen\n" in out
    assert "it expired at 2026-01-01 00:00:00Z" in out


def test_a_redirect_and_a_group_are_shown(capsys):
    code, out, _ = run(capsys, PHOSS / "peppol" / "redirect.xml", *AT)
    assert code == 0
    assert "redirect    http://127.0.0.1:23701/" in out
    assert "signer SMP_OTHER" in out

    code, out, _ = run(capsys, PHOSS / "peppol" / "service-group.xml", *AT)
    assert code == 0
    assert "document busdox-docid-qns::urn:x::hco##urn:y::1.2" in out
    assert "signature   none-expected\n" in out


def test_a_document_that_is_not_in_a_group_is_1(capsys):
    group = PHOSS / "peppol" / "service-group.xml"

    assert run(capsys, group, *AT, "--document", "urn:x::hco##urn:y::1.2")[0] == 0
    code, out, _ = run(capsys, group, *AT, "--document", "urn:z", "--json")
    assert code == 1
    assert "is not registered for busdox-docid-qns::urn:z" in json.loads(out)["problems"][0]["what"]


def test_wrong_arguments_are_64(capsys, tmp_path):
    assert run(capsys, tmp_path / "nowhere.xml")[0] == 64
    assert run(capsys, METADATA, "--participant", "urn:oasis:names:tc:ebcore:partyid-type:nothing:1")[0] == 64
    assert run(capsys, METADATA, "--trust", METADATA)[0] == 64
