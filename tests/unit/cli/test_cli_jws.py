"""`ehmi-ap jws`: signing a payload, and judging the signature of one; and sending over mutual TLS."""

import json
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pki
import pytest

from ehmi_ap import cli
from ehmi_ap.body import MemoryBody
from ehmi_ap.cli.output import Exit
from ehmi_ap.crypto import jws
from ehmi_ap.crypto.certificate import Certificate
from ehmi_ap.crypto.signers import Signers
from ehmi_ap.demo.pki import write_private

ROOT = pki.make_ca("system root")
MSH = pki.make_leaf(ROOT, "msh", key="p256", policies=["1.2.3"])
AT = ("--at", pki.NOW.isoformat())
MESSAGE = json.dumps({"payloads": [{"file": "other.xml"}, {"file": "a.xml", "jws": "{}"}]})


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.xml").write_bytes(b"<a/>")
    write_private(tmp_path / "msh.pem", MSH.key_pem + MSH.pem)
    write_private(tmp_path / "msh.p12", MSH.p12("open"))
    (tmp_path / "password").write_text("open\n")
    (tmp_path / "root.pem").write_bytes(ROOT.pem)
    return tmp_path


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = cli.main(arguments)
    said = capsys.readouterr()
    return code, said.out, said.err


def signature(capsys: pytest.CaptureFixture[str]) -> str:
    return run(capsys, "jws", "a.xml", "--sign", "msh.pem")[1]


def test_signed_and_judged(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "a.xml.jws").write_text(signature(capsys))

    code, out, _ = run(capsys, "jws", "a.xml", "--trust", "root.pem", *AT)

    assert (code, out) == (Exit.OK, "signed by CN=msh,O=Test,C=DK\n")
    code, out, _ = run(capsys, "jws", "a.xml", "--trust", "msh.pem", "--policy", "1.2.3", "--json", *AT)
    assert (code, json.loads(out)["signer"]) == (Exit.OK, "CN=msh,O=Test,C=DK")


def test_a_key_in_pkcs12_with_a_password(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ("jws", "a.xml", "--sign", "msh.p12", "--password-file", "password", "--json")
    text = json.loads(run(capsys, *arguments)[1])["jws"]
    (folder / "its.jws").write_text(text)
    assert run(capsys, "jws", "a.xml", "--jws", "its.jws", "--trust", "root.pem", *AT)[0] == Exit.OK


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--subject", "CN=other"), "subject is not one"),
        (("--policy", "1.2.4"), "policies"),
        (("--at", "2040-01-01"), "expired"),
        (("--trust", "elsewhere.pem"), None),
    ],
)
def test_wrong(folder: Path, arguments: tuple[str, ...], words: str | None, capsys: pytest.CaptureFixture[str]) -> None:
    """A second --trust adds to the first."""
    (folder / "elsewhere.pem").write_bytes(pki.make_ca("elsewhere", key="d").pem)
    (folder / "a.xml.jws").write_text(signature(capsys))
    code, out, _ = run(capsys, "jws", "a.xml", "--trust", "root.pem", *AT, *arguments)
    assert (code, words is None or words in out) == (Exit.OK if words is None else Exit.FAILED, True)


def test_another_payload(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "a.xml.jws").write_text(signature(capsys))
    (folder / "a.xml").write_bytes(b"<b/>")
    code, out, _ = run(capsys, "jws", "a.xml", "--trust", "root.pem", *AT)
    assert (code, out) == (
        Exit.FAILED,
        "wrong: the signature of the JWS does not verify: it is over something else\n",
    )
    assert json.loads(run(capsys, "jws", "a.xml", "--trust", "root.pem", "--json", *AT)[1])["right"] is False


def test_what_the_inbox_tells_beside_the_payload(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "message.json").write_text(MESSAGE.replace("{}", signature(capsys).strip(), 1))
    (folder / "other.xml").write_bytes(b"<a/>")
    assert run(capsys, "jws", "a.xml", "--trust", "root.pem", *AT)[0] == Exit.OK
    code, _, err = run(capsys, "jws", "other.xml", "--trust", "root.pem", *AT)
    assert (code, "no JWS for other.xml" in err) == (Exit.USAGE, True)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("a.xml", "--trust", "root.pem"), "there is no JWS for a.xml"),
        (("nothing.xml", "--sign", "msh.pem"), "cannot read nothing.xml"),
        (("a.xml", "--sign", "a.xml"), "a.xml: "),
        (("a.xml", "--sign", "msh.p12"), "password"),
        (("a.xml", "--sign", "ed.pem"), "Sign with RSA"),
        (("a.xml", "--trust", "a.xml", "--jws", "root.pem"), "a.xml: "),
    ],
)
def test_wrong_usage(folder: Path, arguments: tuple[str, ...], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    odd = pki.make_leaf(None, "ed", key="ed25519")
    write_private(folder / "ed.pem", odd.key_pem + odd.pem)
    code, out, err = run(capsys, "jws", *arguments)
    assert (code, out, words in err) == (Exit.USAGE, "", True), err


def test_a_message_that_is_none(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for text in ("[", "[]", '{"payloads": 1}', '{"payloads": ["x"]}'):
        (folder / "message.json").write_text(text)
        code, _, err = run(capsys, "jws", "a.xml", "--trust", "root.pem")
        assert (code, "not one that an access point wrote" in err) == (Exit.USAGE, True)


# -- a daemon on another server


class _Daemon(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.seen.append((self.headers, body, self.connection.getpeercert()))  # type: ignore[attr-defined]  # of the server below
        self.send_response(202)
        self.end_headers()
        self.wfile.write(b'{"message_id": "1@x"}')

    def log_message(self, *_: object) -> None:
        """Quiet."""


@contextmanager
def asking_for_a_certificate(folder: Path) -> Iterator[Any]:
    server_ = pki.make_leaf(ROOT, "localhost", key="a", san=("localhost",))
    write_private(folder / "server.pem", server_.key_pem + server_.pem)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.pem")
    context.load_verify_locations(folder / "root.pem")
    context.verify_mode = ssl.CERT_REQUIRED
    server = HTTPServer(("127.0.0.1", 0), _Daemon)
    server.seen = []  # type: ignore[attr-defined]  # where its handlers note
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_send_signs_and_shows_a_certificate(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("EHMI_AP_TOKEN", "token")
    tls = pki.make_leaf(ROOT, "msh tls", key="b")
    write_private(folder / "tls.key", tls.key_pem)
    (folder / "tls.crt").write_bytes(tls.pem)
    with asking_for_a_certificate(folder) as daemon:
        url = f"https://localhost:{daemon.server_port}"
        send = ("send", "a.xml", "--url", url, "--ca", "root.pem", "--sign", "msh.p12", "--password-file", "password")
        code, out, err = run(capsys, *send, "--certificate", "tls.crt", "--key", "tls.key")
        assert (code, out) == (Exit.OK, "1@x\n"), err
        [(headers, body, peer)] = daemon.seen
        assert (("commonName", "msh tls"),) in peer["subject"]
        digest = jws.digest_of(MemoryBody(body))
        signers = Signers(anchors=(Certificate.from_x509(ROOT.cert),))
        assert jws.verify(headers["Ehmi-Ap-JWS"], digest, signers, now=pki.NOW).common_name == "msh"
        code, _, err = run(capsys, *send)
        assert code == Exit.UNREACHABLE, err
    for name in ("certificate", "key"):
        code, _, err = run(capsys, *send, f"--{name}", "nowhere.pem")
        assert (code, f"--{name}: there is no nowhere.pem" in err) == (Exit.USAGE, True)
