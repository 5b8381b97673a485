"""Captures in all the shapes tools leave them in (the issue's inspect bullet; as4-wire 10.2 to 10.4)."""

import gzip

import pytest

from ehmi_ap.as4.capture import read_capture
from ehmi_ap.body import read_all
from ehmi_ap.errors import HttpRefusal

ENVELOPE = b"<soap:Envelope/>"
MULTIPART = b"--b.1\r\nContent-Type: application/soap+xml\r\n\r\n<soap/>\r\n--b.1--\r\n"
SOAP = b"Content-Type: application/soap+xml\r\n"
CHUNKED = b"10\r\n<soap:Envelope/>\r\n0\r\n\r\n"


def _body(data: bytes) -> bytes:
    return read_all(read_capture(data).wire.body)


@pytest.mark.parametrize(
    "head",
    [
        pytest.param(b"POST /as4 HTTP/1.1\r\nHost: x\r\n", id="request"),
        pytest.param(b"HTTP/1.1 200 OK\r\nServer: x\r\n", id="response"),
        pytest.param(b"HTTP/1.1 200 \r\n", id="status line without reason (Domibus)"),
        pytest.param(b"HTTP/1.1 200\r\n", id="status line that ends in the number"),
        pytest.param(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n", id="100 Continue first"),
        pytest.param(b"Date: today\r\n", id="headers without a first line"),
        pytest.param(b"\xef\xbb\xbfDate: today\r\n", id="byte order mark"),
        pytest.param(b"X-Folded: a\r\n\tb\r\n", id="folded header"),
    ],
)
@pytest.mark.parametrize("newline", [b"\r\n", b"\n"])
def test_heads(head: bytes, newline: bytes) -> None:
    capture = read_capture((head + SOAP + b"\r\n").replace(b"\r\n", newline) + ENVELOPE)
    assert read_all(capture.wire.body) == ENVELOPE
    assert capture.wire.content_type == "application/soap+xml"
    assert capture.wire.status == 200
    assert capture.complete


def test_the_status_is_kept() -> None:
    assert read_capture(b"HTTP/1.1 500 Error\r\n" + SOAP + b"\r\n" + ENVELOPE).wire.status == 500


@pytest.mark.parametrize(
    "data", [ENVELOPE, b"\xef\xbb\xbf" + ENVELOPE, b"\r\n \n" + ENVELOPE, b"<?xml version='1.0'?>" + ENVELOPE]
)
def test_bare_envelopes_may_lack_their_parts(data: bytes) -> None:
    capture = read_capture(data)
    assert capture.wire.content_type.startswith("application/soap+xml")
    assert not capture.complete


@pytest.mark.parametrize("before", [b"", b"\r\n", b"\n", b"\xef\xbb\xbf\n", b"This is a multipart message\r\n"])
@pytest.mark.parametrize("boundary", [b"b.1", b"=-M/sMGEhQK8=", b"--=_Part_0_x", b"uuid:1 2"])
def test_multipart_without_headers(before: bytes, boundary: bytes) -> None:
    capture = read_capture(before + MULTIPART.replace(b"b.1", boundary))
    expected = f'multipart/related; boundary="{boundary.decode()}"; type="application/soap+xml"'
    assert capture.wire.content_type == expected
    assert capture.complete


def test_mime_headers_without_http() -> None:
    """As WSS4J and mail tools write."""
    capture = read_capture(b'MIME-Version: 1.0\r\nContent-Type: multipart/related; boundary="b.1"\r\n\r\n' + MULTIPART)
    assert capture.wire.content_type == 'multipart/related; boundary="b.1"'
    assert read_all(capture.wire.body) == MULTIPART


@pytest.mark.parametrize("content_type", [b"", b"Content-Type: text/plain\r\n", b"Content-Type: multipart/related\r\n"])
def test_a_content_type_that_does_not_help_is_guessed(content_type: bytes) -> None:
    capture = read_capture(b"HTTP/1.1 200 OK\r\n" + content_type + b"\r\n" + MULTIPART)
    assert 'boundary="b.1"' in capture.wire.content_type


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(CHUNKED, id="one chunk"),
        pytest.param(b"5\r\n<soap\r\nB\r\n:Envelope/>\r\n0\r\n\r\n", id="two chunks"),
        pytest.param(b"10;x=y\r\n<soap:Envelope/>\r\n00\r\nTrailer: z\r\n\r\n", id="extension and trailer"),
        pytest.param(b"10\r\n<soap:Envelope/>", id="cut after a chunk"),
        pytest.param(ENVELOPE, id="not chunked any more (Governikus)"),
    ],
)
def test_chunks_are_joined(body: bytes) -> None:
    assert _body(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n" + SOAP + b"\r\n" + body) == ENVELOPE


@pytest.mark.parametrize("body", [gzip.compress(ENVELOPE), ENVELOPE], ids=["gzip", "plain"])
def test_gzip_content_is_inflated_unless_it_was_already(body: bytes) -> None:
    assert _body(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n" + SOAP + b"\r\n" + body) == ENVELOPE


def test_what_follows_on_the_connection_is_cut_off() -> None:
    data = b"POST / HTTP/1.1\r\nContent-Length: 16\r\n" + SOAP + b"\r\n" + ENVELOPE + b"POST / HTTP/1.1\r\n"
    assert _body(data) == ENVELOPE


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\n\r\nno",
        b"just some text",
        b"\x00\x01\x02",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n" + SOAP + b"\r\n" + gzip.compress(ENVELOPE, mtime=0)[:-4],
    ],
)
def test_no_message_in_it(data: bytes) -> None:
    with pytest.raises(HttpRefusal):
        read_capture(data)
