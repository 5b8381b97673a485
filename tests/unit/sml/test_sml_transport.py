"""Connections: our certificate, their certificate, and everything that can go wrong before an answer is there."""

import errno
import socket
import ssl
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler

import pki
import pytest
from lxml import etree

from ehmi_ap.errors import ApError, TransportError
from ehmi_ap.net.tls import client_context
from ehmi_ap.sml import Sml, SmlNotFound, SmlTls, SmlUnreadable
from ehmi_ap.sml.answers import LIMIT
from ehmi_ap.sml.transport import Transport
from tests.sml_stub import FIRST, ROOT, SmlStub, envelope, fault, say

Shown = Callable[[pki.Identity], ssl.SSLContext]


def asked(url: str, context: ssl.SSLContext, *, timeout: float = 20.0) -> ApError:
    with Sml(url, context, timeout=timeout) as sml, pytest.raises(ApError) as refused:
        sml.check_alive()
    assert refused.value.fix
    return refused.value


def test_the_request_is_soap_1_1_and_says_who_asks(stub: SmlStub, sml: Sml) -> None:
    sml.check_alive()
    [told] = stub.told
    assert told.path == "/edelivery-sml/bdmslservice"
    assert told.headers["soapaction"] == '"ec:services:wsdl:BDMSL:1.0:isAliveIn"'
    assert told.headers["content-type"] == "text/xml; charset=utf-8"
    assert told.headers["accept-encoding"] == "identity"
    assert told.headers["user-agent"].startswith("ehmi-ap/")
    assert "authorization" not in told.headers


def test_neither_netrc_nor_proxies_are_looked_at(
    stub: SmlStub, showing: Shown, monkeypatch: pytest.MonkeyPatch, tmp_path
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("default login somebody password secret\n")
    monkeypatch.setenv("NETRC", str(netrc))
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    with Sml(stub.url, showing(FIRST)) as sml:
        sml.check_alive()
    assert "authorization" not in stub.told[0].headers


def test_one_connection_serves_many_questions(stub: SmlStub, sml: Sml) -> None:
    ports: set[int] = set()

    def remember(handler: BaseHTTPRequestHandler) -> None:
        ports.add(handler.client_address[1])
        say(handler, 200, envelope(""))

    stub.scene = remember
    for _ in range(3):
        sml.check_alive()
    assert len(ports) == 1


def test_an_answer_in_chunks(stub: SmlStub, sml: Sml) -> None:
    """As Java servers write one whose length they do not know yet."""
    stub.scene = lambda handler: in_chunks(handler, envelope("<!-- nothing -->"), end=True)
    sml.check_alive()
    stub.scene = lambda handler: in_chunks(handler, fault("NotFound", "[ERR-100] no"), end=True)
    with pytest.raises(SmlNotFound, match="ERR-100"):
        sml.check_alive()


def in_chunks(handler: BaseHTTPRequestHandler, body: bytes, *, end: bool) -> None:
    handler.send_response(200)
    handler.send_header("Content-Type", "text/xml")
    handler.send_header("Transfer-Encoding", "chunked")
    handler.end_headers()
    for start in range(0, len(body), 100):
        piece = body[start : start + 100]
        handler.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece))
        handler.wfile.flush()
    if end:
        handler.wfile.write(b"0\r\n\r\n")
    handler.close_connection = not end


class TestTls:
    def test_no_other_ca_is_trusted_than_those_given(self, stub: SmlStub, showing: Shown) -> None:
        """requests would add the CAs of certifi to them."""
        context = showing(FIRST)
        with Sml(stub.url, context) as sml:
            sml.check_alive()
        assert [
            dict(pair for part in ca["subject"] for pair in part)["commonName"] for ca in context.get_ca_certs()
        ] == ["SML root"]
        assert context.verify_mode is ssl.CERT_REQUIRED

    def test_a_server_below_another_ca(self, showing: Shown) -> None:
        stranger = pki.make_leaf(pki.make_ca("Other root", key="d"), "localhost", san=["localhost"])
        with SmlStub(server=stranger) as stub:
            error = asked(stub.url, showing(FIRST))
        assert isinstance(error, SmlTls)
        assert "certificate of localhost" in str(error)
        assert not error.retryable
        assert stub.told == []

    def test_a_server_of_another_name(self, showing: Shown) -> None:
        with SmlStub(server=pki.make_leaf(ROOT, "other", san=["other.example"])) as stub:
            error = asked(stub.url, showing(FIRST))
        assert isinstance(error, SmlTls)
        assert "localhost" in str(error)
        assert stub.told == []

    @pytest.mark.parametrize(
        ("identity", "said"),
        [
            (pki.make_leaf(pki.make_ca("Other root", key="d"), "first operator", key="b"), "does not trust the CA"),
            (
                pki.make_leaf(
                    ROOT,
                    "first operator",
                    key="b",
                    not_after=datetime.now(UTC).replace(microsecond=0) - timedelta(days=1),
                ),
                "expired",
            ),
            (None, "client certificate"),
        ],
    )
    def test_our_certificate_is_not_accepted(self, showing: Shown, identity: pki.Identity | None, said: str) -> None:
        context = client_context(anchors=[ROOT.der]) if identity is None else showing(identity)
        with SmlStub(newest="1.2") as stub:
            error = asked(stub.url, context)
        assert isinstance(error, SmlTls)
        assert said in f"{error} {error.fix}"
        assert stub.told == []

    def test_our_certificate_is_not_accepted_after_the_handshake(self, showing: Shown) -> None:
        """TLS 1.3: the alert may come after the request was sent, or the connection may just end."""
        stranger = pki.make_leaf(pki.make_ca("Other root", key="d"), "first operator", key="b")
        with SmlStub() as stub:
            error = asked(stub.url, showing(stranger))
        assert isinstance(error, SmlTls | TransportError)
        assert "certificate" in f"{error} {error.fix}"
        assert stub.told == []

    def test_no_tls_at_all(self, showing: Shown) -> None:
        with socket.create_server(("127.0.0.1", 0)) as plain:

            def greet() -> None:
                connection, _ = plain.accept()
                with connection:
                    connection.recv(16)
                    connection.sendall(b"HTTP/1.0 400 Bad Request\r\n\r\n")
                    connection.recv(65536)

            thread = threading.Thread(target=greet)
            thread.start()
            error = asked(f"https://localhost:{plain.getsockname()[1]}/", showing(FIRST))
            thread.join()
        assert isinstance(error, SmlTls)
        assert "TLS with localhost" in str(error)


class TestNoAnswer:
    def test_nobody_listens(self, showing: Shown) -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
        error = asked(f"https://localhost:{port}/", showing(FIRST))
        assert isinstance(error, TransportError)
        assert str(error) == f"localhost:{port} refuses connections"
        assert error.retryable

    def test_no_such_name(self, showing: Shown, monkeypatch: pytest.MonkeyPatch) -> None:
        def unknown(*_: object, **__: object) -> None:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

        monkeypatch.setattr(socket, "getaddrinfo", unknown)
        error = asked("https://sml.example/", showing(FIRST))
        assert isinstance(error, TransportError)
        assert str(error) == "the name sml.example cannot be resolved"

    def test_no_way_there(self, showing: Shown, monkeypatch: pytest.MonkeyPatch) -> None:
        def unreachable(*_: object) -> None:
            raise OSError(errno.ENETUNREACH, "Network is unreachable")

        monkeypatch.setattr(socket.socket, "connect", unreachable)
        error = asked("https://localhost:9/", showing(FIRST))
        assert isinstance(error, TransportError)
        assert str(error) == "no connection to localhost:9: Network is unreachable"

    def test_an_answer_that_does_not_come(self, stub: SmlStub, showing: Shown) -> None:
        def wait(handler: BaseHTTPRequestHandler) -> None:
            stub.over.wait(20)

        stub.scene = wait
        error = asked(stub.url, showing(FIRST), timeout=0.2)
        assert isinstance(error, TransportError)
        assert "no whole answer" in str(error)
        assert "whether it was done" in error.fix
        assert len(stub.told) == 1  # nothing is sent twice

    def test_an_answer_that_does_not_end(self, stub: SmlStub, showing: Shown) -> None:
        """Each byte comes in time, the whole does not."""

        def drip(handler: BaseHTTPRequestHandler) -> None:
            handler.send_response(200)
            handler.send_header("Content-Length", "1000000")
            handler.end_headers()
            while not stub.over.wait(0.02):
                handler.wfile.write(b"x")
                handler.wfile.flush()

        stub.scene = drip
        error = asked(stub.url, showing(FIRST), timeout=0.1)
        assert isinstance(error, TransportError)
        assert "no whole answer" in str(error)

    def test_an_answer_that_stops_in_between(self, stub: SmlStub, showing: Shown) -> None:
        def stop(handler: BaseHTTPRequestHandler) -> None:
            handler.send_response(200)
            handler.send_header("Content-Length", "100")
            handler.end_headers()
            handler.wfile.write(b"<s")
            handler.wfile.flush()
            stub.over.wait(20)

        stub.scene = stop
        error = asked(stub.url, showing(FIRST), timeout=0.2)
        assert isinstance(error, TransportError)
        assert "no whole answer" in str(error)

    @pytest.mark.parametrize("begun", [False, True])
    def test_an_answer_that_is_cut(self, stub: SmlStub, showing: Shown, begun: bool) -> None:
        def cut(handler: BaseHTTPRequestHandler) -> None:
            if begun:
                handler.send_response(200)
                handler.send_header("Content-Length", "100")
                handler.end_headers()
                handler.wfile.write(b"<s")
            handler.close_connection = True

        stub.scene = cut
        error = asked(stub.url, showing(FIRST))
        assert isinstance(error, TransportError)
        assert "closed the connection before its answer was whole" in str(error)
        assert len(stub.told) == 1

    def test_chunks_that_are_cut(self, stub: SmlStub, showing: Shown) -> None:
        """What came is a whole envelope, but the end of the answer did not."""
        stub.scene = lambda handler: in_chunks(handler, envelope(""), end=False)
        error = asked(stub.url, showing(FIRST))
        assert isinstance(error, TransportError)
        assert "closed the connection before its answer was whole" in str(error)


class TestOddAnswers:
    def test_a_redirect_is_not_followed(self, stub: SmlStub, showing: Shown) -> None:
        def redirect(handler: BaseHTTPRequestHandler) -> None:
            handler.send_response(307)
            handler.send_header("Location", stub.url)
            handler.send_header("Content-Length", "0")
            handler.end_headers()

        stub.scene = redirect
        error = asked(stub.url, showing(FIRST))
        assert isinstance(error, SmlUnreadable)
        assert "HTTP 307" in str(error)
        assert len(stub.told) == 1

    def test_too_much(self, stub: SmlStub, showing: Shown) -> None:
        stub.scene = lambda handler: say(handler, 200, envelope("x" * LIMIT))
        error = asked(stub.url, showing(FIRST))
        assert isinstance(error, SmlUnreadable)
        assert f"larger than {LIMIT}" in str(error)

    def test_an_encoding_that_was_not_offered(self, stub: SmlStub, showing: Shown) -> None:
        def zipped(handler: BaseHTTPRequestHandler) -> None:
            handler.send_response(200)
            handler.send_header("Content-Encoding", "gzip")
            handler.send_header("Content-Length", "4")
            handler.end_headers()
            handler.wfile.write(b"\x1f\x8b\x08\x00")

        stub.scene = zipped
        error = asked(stub.url, showing(FIRST))
        assert isinstance(error, SmlUnreadable)
        assert "Content-Encoding" in str(error)

    def test_no_http(self, stub: SmlStub, showing: Shown) -> None:
        stub.scene = lambda handler: handler.wfile.write(b"220 mail.example ESMTP\r\n")
        error = asked(stub.url, showing(FIRST))
        assert isinstance(error, SmlUnreadable)
        assert "does not answer with HTTP" in str(error)


def test_zeep_is_given_nothing_from_elsewhere() -> None:
    transport = Transport(client_context(), timeout=1.0)
    with pytest.raises(SmlUnreadable, match="never does"):
        transport.load("https://schemas.example/a.xsd")
    transport.close()


def test_plain_http_has_no_way_out() -> None:
    """Not even by an address that nobody checked."""
    transport = Transport(client_context(), timeout=1.0)
    with pytest.raises(TransportError):
        transport.post_xml("http://127.0.0.1:1/", etree.Element("x"), {})
    transport.close()
