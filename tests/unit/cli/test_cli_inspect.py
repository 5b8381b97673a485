"""inspect: exit codes, JSON, extracting, canonical bytes and the tree, over recordings of live peers."""

import base64
import hashlib
import json
import stat
from pathlib import Path
from typing import Any

import pytest

from ehmi_ap import cli
from ehmi_ap.cli.tree import tree


@pytest.fixture
def recordings() -> Path:
    return Path(__file__).parents[2] / "vectors" / "data"


def run(capsys: pytest.CaptureFixture[str], *argv: object) -> tuple[int, str, str]:
    code = cli.main(["inspect", *map(str, argv)])
    said = capsys.readouterr()
    return code, said.out, said.err


def keys(recordings: Path) -> list[object]:
    folder = recordings / "live-keys" / "domibus-holodeck"
    return [
        "--key",
        folder / "receiver.key.pem",
        "--cert",
        folder / "receiver.crt.pem",
        "--trust",
        folder / "ca.crt.pem",
    ]


def test_a_valid_request_is_0(recordings: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, recordings / "domibus" / "bst-2payloads.request", *keys(recordings), "--json")
    found = json.loads(out)
    assert (code, found["verdict"], err) == (0, "valid", "")
    assert found["encryption"]["key"] == "ok"
    assert found["trust"]["verdict"] == "trusted"
    assert [payload["size"] for payload in found["payloads"]] == [1525, 1525]


def test_a_receipt_is_compared_with_its_request(recordings: Path, capsys: pytest.CaptureFixture[str]) -> None:
    answer, request = (recordings / "domibus" / f"bst-2payloads.{kind}" for kind in ("response", "request"))
    code, out, _ = run(capsys, answer, "--request", request, "--json")
    assert (code, json.loads(out)["messages"][0]["kind"]) == (0, "Receipt")
    code, out, _ = run(capsys, answer, "--request", recordings / "domibus" / "probe-01-ok.request", "--json")
    assert code in (0, 1)
    assert json.loads(out)["messages"][0]["kind"] == "Receipt"


def test_an_untrusted_signer_is_1(recordings: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = recordings / "live-keys" / "phase4" / "ca.pem"
    code, out, _ = run(capsys, recordings / "domibus" / "bst-2payloads.response", "--trust", other, "--json")
    found = json.loads(out)
    assert (code, found["verdict"], found["trust"]["verdict"]) == (1, "invalid", "untrusted")


def test_the_time_of_judgement_can_be_chosen(recordings: Path, capsys: pytest.CaptureFixture[str]) -> None:
    argv = [recordings / "domibus" / "bst-2payloads.response", *keys(recordings)[4:], "--json"]
    assert run(capsys, *argv, "--at", "2026-12-01")[0] == 0
    code, out, _ = run(capsys, *argv, "--at", "2040-01-01T00:00:00Z")
    assert (code, json.loads(out)["trust"]["verdict"]) == (1, "expired")
    assert run(capsys, *argv, "--at", "yesterday")[0] == 64


def test_without_a_key_it_is_undecided(recordings: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, recordings / "domibus" / "bst-2payloads.request", "--json")
    found = json.loads(out)
    assert (code, found["verdict"], found["encryption"]["key"]) == (2, "undecided", "none-fits")


def test_what_is_no_message_is_3(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "noise"
    file.write_bytes(b"no message at all")
    code, out, _ = run(capsys, file, "--json")
    assert (code, json.loads(out)["verdict"]) == (3, "unreadable")


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["none"], "cannot read"),
        (["noise", "--key", "noise"], "private key"),
        (["noise", "--cert", "noise"], "certificates"),
        (["noise", "--cert", "key.pem"], "no certificate"),
    ],
)
def test_files_that_are_not_what_they_should_be_are_64(
    argv: list[str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "noise").write_bytes(b"noise")
    (tmp_path / "key.pem").write_bytes(b"-----BEGIN PRIVATE KEY-----\nAA==\n-----END PRIVATE KEY-----\n")
    code, out, err = run(capsys, *argv)
    assert (code, out) == (64, "")
    assert said in err


def test_payloads_are_extracted_as_they_would_be_delivered(
    shared_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """From PKCS#12 with a password; decrypted, decompressed, and only inside the folder."""
    recordings = shared_data / "as4" / "as4net"
    capture = recordings / "as4-encrypted-signed-issuerserial.as4"
    argv = ["--key", recordings / "AccessPointB.pfx", "--password", "Pz4cZK4SULUwmraZb"]
    code, out, err = run(capsys, capture, *argv, "--extract", tmp_path / "out", "--json")
    found = json.loads(out)
    assert code == 2  # the signer's certificate is not in the capture
    written = sorted((tmp_path / "out").iterdir())
    hashes = [hashlib.sha256(path.read_bytes()).hexdigest() for path in written]
    assert hashes == [payload["sha256"] for payload in found["payloads"]]
    assert [path.suffix for path in written] == [".jpg", ".xml"]
    assert all(stat.S_ISREG(path.lstat().st_mode) for path in written)
    assert err.count("wrote ") == 2
    assert run(capsys, capture, *argv[:2], "--password", "wrong")[0] == 64


def test_a_folder_that_cannot_be_written_is_not_told_as_invalid(
    recordings: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_bytes(b"")
    capture = recordings / "domibus" / "bst-2payloads.request"
    code, out, err = run(capsys, capture, *keys(recordings), "--extract", tmp_path / "file", "--json")
    assert code == 64
    assert json.loads(out)["error"]["code"] == "usage"
    assert err == ""


@pytest.mark.parametrize("option", ["--key", "--cert"])
def test_a_key_that_pkcs12_cannot_give_is_not_told_as_a_wrong_password(
    option: str, recordings: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "capture").write_bytes(b"nothing")
    file = recordings / "wss4j" / "keys" / "x25519-receiver.p12"
    code, _, said = run(capsys, tmp_path / "capture", option, file, "--password", "test")
    assert code == 64
    assert "not supported in PKCS#12; give it as PEM" in said


def test_canonical_bytes_of_a_reference_on_request(recordings: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    """Exactly the bytes whose digest is in the Reference; with or without the #."""
    capture = str(recordings / "domibus" / "bst-2payloads.response")
    assert cli.main(["inspect", capture, "--json"]) == 0
    reference = json.loads(capfdbinary.readouterr().out)["signature"]["references"][0]
    for uri in (reference["uri"], reference["uri"].removeprefix("#")):
        assert cli.main(["inspect", capture, "--canonical", uri]) == 0
        form = capfdbinary.readouterr().out
        assert base64.b64encode(hashlib.sha256(form).digest()).decode() == reference["expected"]
    assert cli.main(["inspect", capture, "--canonical", "nowhere"]) == 64
    assert reference["uri"].encode() in capfdbinary.readouterr().err


def test_the_tree_shows_what_the_json_holds(recordings: Path, capsys: pytest.CaptureFixture[str]) -> None:
    argv = [recordings / "domibus" / "bst-2payloads.request", *keys(recordings)]
    found = json.loads(run(capsys, *argv, "--json")[1])
    shown = run(capsys, *argv)[1]
    assert shown == tree(found)
    assert shown.splitlines()[0] == "valid"
    assert all(payload["sha256"] in shown for payload in found["payloads"])


def test_a_tree_of_everything_that_can_be_wrong() -> None:
    found: dict[str, Any] = {
        "verdict": "invalid",
        "messages": [
            {
                "kind": "Error",
                "message_id": "1@example",
                "ref_to_message_id": "0@example",
                "test_service": True,
                "errors": [{"code": "EBMS:0101", "severity": "failure", "detail": "two\nlines"}],
                "receipt": [],
            }
        ],
        "signature": {
            "present": True,
            "algorithm": "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256",
            "value": "ok",
            "signer": None,
            "references": [{"uri": "#body", "digest": "wrong", "expected": "AA==", "computed": "AQ=="}],
        },
        "encryption": {"present": False, "key": None, "algorithms": []},
        "trust": {"verdict": "unchecked", "chain": []},
        "payloads": [],
        "problems": [{"code": "EBMS:0101", "what": "a digest differs", "fix": "Look at --canonical."}],
    }
    assert tree(found).splitlines() == [
        "invalid",
        "├── Error",
        "│   ├── message id  1@example",
        "│   ├── answers     0@example",
        "│   ├── for the test service: answered, never delivered",
        "│   └── EBMS:0101 failure two",
        "│       lines",
        "├── signature   value ok, rsa-sha256",
        "│   └── #body  digest wrong",
        "│       ├── expected AA==",
        "│       └── computed AQ==",
        "├── encryption  none",
        "├── trust       unchecked",
        "└── problems    1",
        "    └── EBMS:0101 a digest differs",
        "        └── fix: Look at --canonical.",
    ]
    found["signature"]["present"] = False
    assert "signature   none" in tree(found)
