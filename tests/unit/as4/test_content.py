"""What the digest of a part is over (as4-wire 3.3)."""

import hashlib
from collections.abc import Iterable

import pytest

from ehmi_ap.as4.content import XML_BYTES, content_digest, is_xml
from ehmi_ap.crypto.algorithms import DIGESTS
from ehmi_ap.errors import BudgetExceeded, MalformedXml

SHA256 = DIGESTS.by_word("sha256").uri


def _digest(media_type: str, chunks: Iterable[bytes]) -> bytes:
    digest = content_digest(media_type, SHA256)
    for chunk in chunks:
        digest.update(chunk)
    return digest.digest()


def _of(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


@pytest.mark.parametrize(
    ("media_type", "xml"),
    [
        ("text/xml", True),
        ("APPLICATION/XML; charset=utf-8", True),
        ("application/fhir+xml", True),
        ("image/svg+xml", True),
        ("model/x3d+xml", False),
        ("application/json", False),
        ("text/plain", False),
    ],
)
def test_which_types_are_xml(media_type: str, xml: bool) -> None:
    """as4-wire 3.3 rule 1, 9.6: by prefix, parameters and case do not matter."""
    assert is_xml(media_type) is xml


@pytest.mark.parametrize(
    ("data", "canonical"),
    [
        (b"<a><b/></a>", b"<a><b></b></a>"),
        (b"<?xml version='1.0'?>\n<!-- c --><a  y='2'  x='1'/>\n", b'<a x="1" y="2"></a>'),
        (b"\xef\xbb\xbf<a>\r\n</a>", b"<a>\n</a>"),
        (b"<?style x?><a/><?end?>", b"<?style x?>\n<a></a>\n<?end?>"),
        ("<?xml version='1.0' encoding='UTF-16'?><a>é</a>".encode("utf-16"), "<a>é</a>".encode()),
        ("<?xml version='1.0' encoding='ISO-8859-1'?><a>é</a>".encode("latin-1"), "<a>é</a>".encode()),
        ('<?xml version="1.0" encoding="utf-8"?><a>é</a>'.encode(), "<a>é</a>".encode()),
        ("<?xml version='1.0' encoding\n= \r\n'ISO-8859-1' ?><a>é</a>".encode("latin-1"), "<a>é</a>".encode()),
        (b"<?xml version='1.0'" + b" " * 500 + b"encoding='ISO-8859-1'?><a>\xe9</a>", "<a>é</a>".encode()),
    ],
)
def test_xml_is_canonicalised(data: bytes, canonical: bytes) -> None:
    """as4-wire 3.3 rule 1, 9.4: the whole document without comments, from whatever encoding."""
    assert _digest("application/xml", (data[:5], data[5:])) == _of(canonical)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"<a>",
        b"<!DOCTYPE a><a/>",
        b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>',
        b"<?xml version='1.0' encoding='EBCDIC-CP-DK'?><a/>",
        b"<?xml version='1.0' encoding='us-ascii'?><a>\xff</a>",
        b"<?xml version='1.0' encoding\n=\n'UTF-7'?><a>+ADw-b/+AD4-</a>",  # another text for whoever reads UTF-7
        b"<?xml version='1.0'" + b" " * 500 + b"encoding='UTF-7'?><a>+ADw-b/+AD4-</a>",
        b"\xff\xfe\x00",
    ],
)
def test_what_has_no_canonical_form(data: bytes) -> None:
    with pytest.raises(MalformedXml):
        _digest("text/xml", [data])


def test_the_budget_of_an_xml_part() -> None:
    chunks = [b"<a>", bytes(XML_BYTES - 3)]
    with pytest.raises(BudgetExceeded):
        _digest("text/xml", [*chunks, b"x"])


@pytest.mark.parametrize(
    "chunks",
    [
        [b"a\nb\r\nc\rd"],
        [b"a\n", b"b\r", b"\nc", b"\r", b"d"],
        [b"a", b"\n", b"b", b"\r", b"\n", b"c\rd"],
        [b"a\nb\r", b"", b"\nc\r", b"d"],
    ],
)
def test_text_gets_crlf_wherever_the_chunks_are_cut(chunks: list[bytes]) -> None:
    """as4-wire 3.3 rule 2, 9.5: CR, LF and CRLF alike, a lone CR too."""
    assert _digest("text/plain; charset=utf-8", chunks) == _of(b"a\r\nb\r\nc\r\nd")


def test_anything_else_is_taken_as_it_is() -> None:
    """as4-wire 3.3 rule 3: every gzip."""
    assert _digest("application/gzip", [b"a\n", memoryview(b"\rb")]) == _of(b"a\n\rb")  # type: ignore[list-item]
