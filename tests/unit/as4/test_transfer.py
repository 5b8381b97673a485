"""Content-Transfer-Encoding: as4-wire 1.1 (must be decoded) and 9.42 (absent, 7bit, 8bit, binary are the octets)."""

import base64
from collections.abc import Iterator

import pytest

from ehmi_ap.as4.transfer import FalseEncoding, undo
from ehmi_ap.body import Body, MemoryBody, read_all


class ByteByByte:
    """A body whose every chunk is one byte: what could be cut in two is."""

    resident = False

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.size = len(data)

    def chunks(self, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
        for byte in self.data[start:stop]:
            yield bytes([byte])


@pytest.mark.parametrize("encoding", ["", "7bit", "8bit", "binary", " Binary "])
def test_identity_is_the_body_itself(encoding: str) -> None:
    body = MemoryBody(b"\r\n\x00tail\n")
    assert undo(encoding, body) is body


@pytest.mark.parametrize("make", [MemoryBody, ByteByByte])
@pytest.mark.parametrize("content", [b"", b"a", b"ab", b"abc", b"abcd", bytes(range(256)) * 3])
def test_base64_is_undone_whatever_the_chunks(make: type, content: bytes) -> None:
    body: Body = make(base64.encodebytes(content).replace(b"\n", b"\r\n"))
    decoded = undo("BASE64", body)
    assert decoded.size == len(content)
    assert read_all(decoded) == content
    assert read_all(decoded) == content  # more than once


@pytest.mark.parametrize("text", [b"YWJj!", b"YWJ", b"YQ==YWJj", b"Y===", b"=", b"YQ==\r\n="])
def test_what_is_not_base64_is_refused(text: bytes) -> None:
    for body in (MemoryBody(text), ByteByByte(text)):
        with pytest.raises(FalseEncoding):
            undo("base64", body)


@pytest.mark.parametrize("make", [MemoryBody, ByteByByte])
def test_quoted_printable_is_undone_whatever_the_chunks(make: type) -> None:
    decoded = undo("quoted-printable", make(b"k=C3=B8d =\r\nost\r\ntwo=3D2\r\n  end"))
    assert read_all(decoded) == "kød ost\r\ntwo=2\r\n  end".encode()


@pytest.mark.parametrize("text", [b"a=ZZ", b"a=4", b"x" * 1001, b"ok\r\n" + b"x" * 1001])
def test_what_is_not_quoted_printable_is_refused(text: bytes) -> None:
    with pytest.raises(FalseEncoding):
        undo("quoted-printable", MemoryBody(text))


def test_an_unknown_encoding_is_refused() -> None:
    with pytest.raises(FalseEncoding, match="unknown"):
        undo("x-uuencode", MemoryBody(b"x"))


def test_a_stretch_of_a_decoded_body_is_read_from_its_start() -> None:
    decoded = undo("base64", MemoryBody(base64.b64encode(b"0123456789")))
    assert b"".join(decoded.chunks(2, 5)) == b"234"
    assert b"".join(decoded.chunks(8)) == b"89"
    assert b"".join(decoded.chunks(10)) == b""
