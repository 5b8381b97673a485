"""The synchronous client against two real access points that run in a thread of their own."""

import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from ehmi_ap.client import Client, ClientError, ServerFailed, Upload
from ehmi_ap.errors import (
    ConfigError,
    NotAllowed,
    NotFound,
    StoreError,
    SubmissionConflict,
    SubmissionError,
    TransportError,
)
from tests.pair import ACTION, SERVICE
from tests.unit.server.rest import ADMIN, C1, C4, OTHER, Running

FITTING = {"service": SERVICE, "action": ACTION}
XML = b"<a>one</a>"


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    both = Running(tmp_path_factory.mktemp("client"))
    yield both
    both.stop()


@pytest.fixture
def c1(running: Running) -> Iterator[Client]:
    with Client(running.alpha.addresses.internal + "/", C1) as client:
        yield client


@pytest.fixture
def c4(running: Running) -> Iterator[Client]:
    with Client(running.beta.addresses.internal, C4) as client:
        yield client


@pytest.fixture
def admin(running: Running) -> Iterator[Client]:
    with Client(running.alpha.addresses.internal, ADMIN) as client:
        yield client


def test_a_message_goes_from_c1_to_c4(running: Running, c1: Client, c4: Client, tmp_path: Path):
    """Files up, files down, byte for byte; the inbox empties as C4 acknowledges."""
    large = tmp_path / "large.xml"
    large.write_bytes(b"".join(b"<line>%d</line>" % number for number in range(300_000)))
    open_file = BytesIO(b"skipped<b/>")
    open_file.seek(len(b"skipped"))
    uploads = [
        Upload(source=XML, mime_type="application/xml"),
        Upload(source=large, mime_type="text/xml", content_id="large@lab", properties=[{"name": "k", "value": "v"}]),
        Upload(source=open_file, mime_type="application/fhir+xml", character_set="utf-8"),
    ]
    message_id = c1.submit({**FITTING, "message_id": "client+1/x@lab", "conversation_id": "client"}, uploads)
    assert message_id == "client+1/x@lab"
    running.settled(message_id)
    assert c1.message(message_id, direction="outbound")["state"] == "acknowledged"
    assert [event["kind"] for event in c1.events(message_id)] == ["msg-received", "msg-sent"]
    assert b"NonRepudiationInformation" in c1.receipt(message_id)

    waiting = next(message for message in c4.inbox(page=1) if message["message_id"] == message_id)
    assert [payload["mime_type"] for payload in waiting["payloads"]] == [
        "application/xml",
        "text/xml",
        "application/fhir+xml",
    ]
    assert waiting["payloads"][1]["properties"] == [{"name": "k", "value": "v", "type": None}]
    target = tmp_path / "got.xml"
    assert c4.payload(message_id, 2, to=target, party="alpha") == large.stat().st_size
    assert target.read_bytes() == large.read_bytes()
    held = BytesIO()
    c4.payload(message_id, 3, to=held)
    assert held.getvalue() == b"<b/>"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["got.xml", "large.xml"]
    c4.ack(message_id)
    c4.ack(message_id, party="alpha")
    assert message_id not in [message["message_id"] for message in c4.inbox()]


def test_an_sbd_is_submitted_from_a_path_bytes_or_a_file(c1: Client, tmp_path: Path):
    file = tmp_path / "sbd.xml"
    file.write_bytes(XML)
    ids = {
        c1.submit_sbd(file, pmode="beta", message_id="sbd1@lab"),
        c1.submit_sbd(XML, pmode="beta", message_id="sbd1@lab"),
        c1.submit_sbd(BytesIO(XML), pmode="beta", message_id="sbd1@lab"),
    }
    assert ids == {"sbd1@lab"}
    with file.open("rb") as opened:
        assert c1.submit_sbd(opened, pmode="beta", message_id="sbd1@lab") == "sbd1@lab"
        assert not opened.closed


def test_messages_are_listed_over_pages(running: Running, c1: Client):
    ids = [
        c1.submit({**FITTING, "conversation_id": "listed"}, [Upload(source=XML, mime_type="application/xml")])
        for _ in range(3)
    ]
    for message_id in ids:
        running.settled(message_id)
    since = datetime(2020, 1, 1, tzinfo=UTC)
    listed = c1.messages(
        conversation="listed", state=["acknowledged", "failed"], direction="outbound", since=since, page=2
    )
    assert [message["message_id"] for message in listed] == ids[::-1]
    assert not list(c1.messages(conversation="listed", state="failed"))
    assert not list(c1.messages(conversation="listed", party="nobody", participant="nobody"))


def test_what_eds_is_told_is_listed_over_pages_and_dealt_with(running: Running, c4: Client):
    seqs = [running.run(running.beta.keep_told(f"told-{number}@x")) for number in range(3)]
    with Client(running.beta.addresses.internal, ADMIN) as admin:
        assert [report["seq"] for report in admin.reports(state=["waiting", "parked"], page=1)] == seqs
        assert [report["seq"] for report in admin.reports(message_id="told-1@x")] == [seqs[1]]
        assert list(admin.reports(state="taken")) == []
        assert admin.drop_report(seqs[0], "a test")["state"] == "dropped"
        with pytest.raises(NotAllowed):
            admin.drop_report(seqs[0], "a test")
        assert admin.retry_report(seqs[1])["state"] == "waiting"
        assert admin.retry_reports() == 2
        with pytest.raises(NotFound):
            admin.retry_report(999)
    with pytest.raises(ClientError, match="Only the administrator"):
        next(c4.reports())


def test_events_are_watched_as_they_happen(running: Running, c1: Client):
    message_id = c1.submit(FITTING, [Upload(source=XML, mime_type="application/xml")])
    for event in c1.watch(wait=5.0):
        if event["message_id"] == message_id and event["kind"] == "msg-sent":
            break
    assert c1.message(message_id)["state"] == "acknowledged"


def test_what_goes_wrong_is_the_error_that_the_access_point_named(c1: Client, admin: Client):
    upload = Upload(source=XML, mime_type="application/xml")
    c1.submit({**FITTING, "message_id": "taken@lab"}, [upload])
    cases: list[tuple[type[Exception], Any]] = [
        (
            SubmissionConflict,
            lambda: c1.submit({**FITTING, "message_id": "taken@lab"}, [Upload(source=b"<c/>", mime_type="text/xml")]),
        ),
        (SubmissionError, lambda: c1.submit({"service": "urn:unknown"}, [upload])),
        (NotFound, lambda: c1.message("nobody@lab")),
        (NotFound, lambda: c1.payload("taken@lab", 9, to=BytesIO())),
        (NotAllowed, lambda: c1.resend("taken@lab")),
        (ConfigError, lambda: admin.put_pmode("bad", {"colour": "red"})),
        (ClientError, lambda: c1.pmodes()),
        (ClientError, lambda: list(c1.messages(direction="up"))),
    ]
    for kind, ask in cases:
        with pytest.raises(kind) as raised:
            ask()
        error = raised.value
        problem = error if isinstance(error, ClientError) else error.__cause__
        assert isinstance(problem, ClientError)
        assert problem.problem["fix"]
        assert problem.status == problem.problem["status"]
        assert str(error)


def test_who_shares_a_message_id_is_told(running: Running, c1: Client, c4: Client):
    message_id = c1.submit(FITTING, [Upload(source=XML, mime_type="application/xml")])
    running.settled(message_id)
    c4.submit({**FITTING, "message_id": message_id}, [Upload(source=XML, mime_type="application/xml")])
    running.settled(message_id, running.beta)
    with pytest.raises(ClientError) as caught:
        c4.message(message_id)
    assert caught.value.status == 409
    assert caught.value.fix == "Choose one with direction and party: outbound alpha; inbound alpha."
    c4.ack(message_id)


def test_a_wrong_token_is_told(running: Running):
    with Client(running.alpha.addresses.internal, "wrong") as client, pytest.raises(ClientError) as raised:
        list(client.messages())
    assert raised.value.status == 401
    with Client(running.alpha.addresses.internal) as client:
        assert client.health()["status"] == "ok"


def test_another_backend_finds_nothing(running: Running, c1: Client):
    message_id = c1.submit(FITTING, [Upload(source=XML, mime_type="application/xml")])
    with Client(running.alpha.addresses.internal, OTHER) as other, pytest.raises(NotFound):
        other.message(message_id)


def test_the_administrator_administers(admin: Client):
    table = admin.pmode("beta")
    admin.put_pmode("second", {**table, "service": "urn:second"})
    admin.put_pmode(
        "third",
        'partner = "beta"\nurl = "http://127.0.0.1:9/as4"\ncertificate = "beta"\nservice = "urn:third"\nactions = ["a"]\n',
    )
    assert admin.pmodes() == ["beta", "second", "third"]
    anchored = {"publishers": {"trust": ["pair-ca"]}, "receivers": {"trust": ["pair-ca"]}}
    admin.put_network("own", {"smp": "https://smp.example", **anchored})
    assert "own" in admin.networks()
    assert admin.network("own")["smp"] == "https://smp.example"
    admin.delete_network("own")
    assert "own" not in admin.networks()
    assert (admin.receivers(), admin.receivers("0088:1"), admin.forget_receivers()) == ([], [], 0)
    for name in ("second", "third"):
        admin.delete_pmode(name)
    with pytest.raises(NotFound):
        admin.delete_pmode("second")
    pem = admin.certificate("beta")
    admin.put_certificate("copy", pem)
    assert [each["name"] for each in admin.certificates()] == ["beta", "copy", "pair-ca"]
    admin.delete_certificate("copy")
    with pytest.raises(ConfigError):
        admin.delete_certificate("beta")
    with pytest.raises(ConfigError):
        admin.put_certificate("bad", b"nonsense")


def test_the_administrator_submits_in_a_backends_name(admin: Client, running: Running):
    message_id = admin.submit(FITTING, [Upload(source=XML, mime_type="application/xml")], backend="other")
    running.settled(message_id)
    assert admin.message(message_id)["backend"] == "other"


def test_nobody_listening_is_a_transport_error(tmp_path: Path):
    with Client("http://127.0.0.1:9", "token", timeout=(1.0, 1.0)) as client:
        for ask in (client.health, lambda: client.submit_sbd(XML), lambda: list(client.inbox())):
            with pytest.raises(TransportError) as raised:
                ask()
            assert raised.value.retryable


class _Scripted:
    """A server on a thread that answers one request with given bytes and closes."""

    def __init__(self, answer: bytes) -> None:
        import socket

        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        self._answer = answer
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        connection, _ = self._socket.accept()
        with connection:
            connection.recv(65536)
            connection.sendall(self._answer)

    def close(self) -> None:
        self._thread.join(10)
        self._socket.close()


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (b"HTTP/1.1 500 Oops\r\nContent-Length: 2\r\n\r\nno", ServerFailed),
        (b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 2\r\n\r\n[]", ServerFailed),
        (b'HTTP/1.1 503 x\r\nContent-Length: 16\r\n\r\n{"code":"store"}', StoreError),
        (b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:9/\r\nContent-Length: 0\r\n\r\n", ClientError),
        (b"HTTP/1.1 418 Teapot\r\nContent-Length: 0\r\n\r\n", ClientError),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nnope", TransportError),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 400\r\n\r\n{", TransportError),
        (b"", TransportError),
    ],
)
def test_answers_of_something_else_are_errors_too(answer: bytes, kind: type[Exception]):
    """A gateway in between, or a connection that breaks."""
    server = _Scripted(answer)
    with Client(server.url, "token") as client, pytest.raises(kind):
        client.message("a@b")
    server.close()


def test_a_download_that_breaks_off_leaves_no_file(tmp_path: Path):
    server = _Scripted(b"HTTP/1.1 200 OK\r\nContent-Length: 400\r\n\r\nhalf")
    with Client(server.url, "token") as client, pytest.raises(TransportError):
        client.payload("a@b", 1, to=tmp_path / "got.xml")
    server.close()
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_shrinks_while_it_is_sent_is_noticed(tmp_path: Path):
    class Shrinking(BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            return b""

    server = _Scripted(b"")
    with Client(server.url, "token") as client, pytest.raises(SubmissionError, match="shorter"):
        client.submit_sbd(Shrinking(b"<a/>"))
    server.close()
