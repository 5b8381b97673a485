"""MIME: tolerant where as4-wire 1, 9 and peers-live 2 say so, strict where as4-wire 6.4 gives a status."""

import base64
from collections.abc import Iterator
from itertools import islice

import pytest

from ehmi_ap.as4.mime import MimeLimits, Part, check_content_ids, find, join, media_type, read
from ehmi_ap.body import Body, MemoryBody, read_all
from ehmi_ap.errors import HttpRefusal, MimeInconsistency
from ehmi_ap.model import Wire

TYPE = 'multipart/related; boundary="b"; type="application/soap+xml"'
ROOT = b"Content-Type: application/soap+xml; charset=UTF-8\r\nContent-ID: <root@x>\r\n\r\n<soap/>"
PART = b"Content-Type: application/gzip\r\nContent-ID: <p1@x>\r\n\r\n\x1f\x8b\r\n\n"
GOOD = b"--b\r\n" + ROOT + b"\r\n--b\r\n" + PART + b"\r\n--b--\r\n"


class Chopped:
    """A body read in pieces of a given size, as from a file or a slow network."""

    resident = False

    def __init__(self, data: bytes, piece: int) -> None:
        self.data = data
        self.size = len(data)
        self.piece = piece

    def chunks(self, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
        rest = iter(self.data[start:stop])
        while piece := bytes(islice(rest, self.piece)):
            yield piece


def _wire(data: bytes, content_type: str = TYPE) -> Wire:
    return Wire(content_type=content_type, body=MemoryBody(data))


def _bodies(parts: list[Part]) -> list[bytes]:
    return [read_all(part.body) for part in parts]


def _status(data: bytes, content_type: str = TYPE, limits: MimeLimits | None = None) -> int:
    with pytest.raises(HttpRefusal) as refused:
        read(_wire(data, content_type), limits or MimeLimits())
    assert refused.value.public == str(refused.value)  # one sentence, nothing of the message in it
    return refused.value.status


# -- as4-wire 1.1: what is read


def test_parts_are_slices_with_headers() -> None:
    root, part = read(_wire(GOOD))
    assert (root.content_id, root.content_type) == ("root@x", "application/soap+xml; charset=UTF-8")
    assert (part.content_id, part.content_type) == ("p1@x", "application/gzip")
    assert _bodies([root, part]) == [b"<soap/>", b"\x1f\x8b\r\n\n"]  # only one line end belongs to the delimiter
    assert part.headers["content-type"] == "application/gzip"


def test_bare_soap_is_one_part() -> None:
    (root,) = read(_wire(b"<soap/>", 'application/soap+xml; charset=UTF-8; action="urn:ReceiveResponse"'))
    assert read_all(root.body) == b"<soap/>"


def test_a_root_alone_may_come_as_multipart() -> None:
    """as4-wire 9.36, TA21 and TA22."""
    (root,) = read(_wire(b"--b\r\n" + ROOT + b"\r\n--b--"))
    assert read_all(root.body) == b"<soap/>"


@pytest.mark.parametrize("piece", range(1, 24))
def test_where_the_chunks_are_cut_makes_no_difference(piece: int) -> None:
    data = b"pre\r\n" + GOOD
    parts = read(Wire(content_type=TYPE, body=Chopped(data, piece)))
    assert _bodies(parts) == [b"<soap/>", b"\x1f\x8b\r\n\n"]


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"\r\n" + GOOD, id="empty line first (Oxalis, Domibus, phase4)"),
        pytest.param(GOOD.removesuffix(b"\r\n"), id="no line end last (Oxalis, Domibus)"),
        pytest.param(GOOD + b"epilogue\r\n--b\r\nno part", id="epilogue"),
        pytest.param(b"a preamble\r\n" + GOOD, id="preamble"),
        pytest.param(GOOD.replace(b"--b\r\n", b"--b \t\r\n"), id="white space after the boundary"),
        pytest.param(GOOD.replace(b"Content-ID", b"cOnTeNt-Id"), id="header case"),
        pytest.param(GOOD.replace(b"Content-ID: <", b"Content-ID:\r\n <"), id="folded header (9.42)"),
        pytest.param(GOOD.replace(b"<p1@x>", b"p1@x"), id="no angle brackets (9.9)"),
        pytest.param(GOOD.replace(PART, b"X-Extra: 1\r\nX-Extra: 2\r\n" + PART), id="extra headers"),
        pytest.param(GOOD.replace(PART, b"Content-Transfer-Encoding: 8BIT\r\n" + PART), id="8bit (9.42)"),
        pytest.param(GOOD.replace(b"\r\n--b", b"\n--b").replace(b"--b\r\n", b"--b\n"), id="LF around delimiters"),
    ],
)
def test_tolerated_forms_give_the_same_parts(data: bytes) -> None:
    parts = read(_wire(data))
    assert _bodies(parts) == [b"<soap/>", b"\x1f\x8b\r\n\n"]
    assert [part.content_id for part in parts] == ["root@x", "p1@x"]


@pytest.mark.parametrize(
    "content_type",
    [
        "multipart/related;boundary=b;type=application/soap+xml",
        'Multipart/Related; TYPE="Application/SOAP+xml"; start="<root@x>"; Boundary="b"; start-info="x; y=z"',
        'multipart/related; type="application/soap+xml"; boundary="b"; action="urn:x"; ;',
        'multipart/related; boundary="b"',
        'multipart/related; boundary="\\b"; start="<unknown@x>"',
    ],
)
def test_parameters_in_any_order_case_and_quoting(content_type: str) -> None:
    assert _bodies(read(_wire(GOOD, content_type))) == [b"<soap/>", b"\x1f\x8b\r\n\n"]


def test_a_boundary_with_slash_and_equals_sign() -> None:
    """As AS4.NET makes them (as4-wire 10.2, as4-multihop-message.as4)."""
    data = GOOD.replace(b"--b", b"--=-M/sM=")
    assert len(read(_wire(data, TYPE.replace('"b"', '"=-M/sM="')))) == 2
    assert len(read(_wire(data, TYPE.replace('"b"', "=-M/sM=")))) == 2


def test_no_start_and_a_root_without_content_id() -> None:
    """As phase4 sends (as4-wire 9.19)."""
    root, _ = read(_wire(GOOD.replace(b"Content-ID: <root@x>\r\n", b"")))
    assert root.content_id is None
    assert read_all(root.body) == b"<soap/>"


def test_start_names_the_root_wherever_it_stands() -> None:
    data = b"--b\r\n" + PART + b"\r\n--b\r\n" + ROOT + b"\r\n--b--\r\n"
    assert _bodies(read(_wire(data, TYPE + '; start="<root@x>"'))) == [b"<soap/>", b"\x1f\x8b\r\n\n"]


def test_base64_and_quoted_printable_parts_are_decoded() -> None:
    """as4-wire 1.1: before digest and decryption."""
    encoded = b"Content-ID: <q@x>\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\nk=C3=B8d=\r\n"
    data = (
        b"--b\r\n" + ROOT + b"\r\n--b\r\nContent-Transfer-Encoding: Base64\r\nContent-ID: <p@x>\r\n\r\n"
        + base64.encodebytes(bytes(range(200))) + b"\r\n--b\r\n" + encoded + b"\r\n--b--"
    )  # fmt: skip
    assert _bodies(read(_wire(data)))[1:] == [bytes(range(200)), "kød".encode()]


def test_empty_parts() -> None:
    headers = b"Content-ID: <e@x>\r\nContent-Type: text/plain\r\n"
    for empty in (headers + b"\r\n", headers, b"\r\n", b""):
        parts = read(_wire(b"--b\r\n" + ROOT + b"\r\n--b\r\n" + empty + b"\r\n--b--"))
        assert _bodies(parts)[1] == b""
        assert parts[1].content_type == "text/plain"  # RFC 2045 5.2 where there is none


def test_a_longer_boundary_within_a_part_is_content() -> None:
    inner = b"--b2\r\n\r\ninner\r\n--b2--\r\n"
    parts = read(_wire(b"--b\r\n" + ROOT + b"\r\n--b\r\nContent-ID: <m@x>\r\n\r\n" + inner + b"\r\n--b--"))
    assert _bodies(parts)[1] == inner


# -- as4-wire 6.4: what is refused, and how


@pytest.mark.parametrize(
    "content_type",
    [
        "",
        "nonsense",
        "text/xml; charset=UTF-8",
        "application/octet-stream",
        'multipart/mixed; boundary="b"',
        'multipart/form-data; boundary="b"',
        'multipart/related; boundary="b"; type="text/xml"',
        'multipart/related; boundary="b"; type="application/xop+xml"',
        'multipart/related; boundary="b',
        'multipart/related; boundary="b"; boundary="c"',
        'multipart/related; boundary="b" junk',
    ],
)
def test_415(content_type: str) -> None:
    """Content-Type missing, unreadable, SOAP 1.1, multipart but not related."""
    assert _status(GOOD, content_type) == 415


@pytest.mark.parametrize(
    "parameters", ["", '; boundary=""', "; boundary=", f'; boundary="{"b" * 201}"', '; boundary="ø"']
)
def test_400_without_a_usable_boundary(parameters: str) -> None:
    assert _status(GOOD, "multipart/related" + parameters) == 400


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"", id="empty body"),
        pytest.param(b"<soap/>", id="boundary not in the body"),
        pytest.param(GOOD.replace(b"--b", b"--c"), id="another boundary"),
        pytest.param(b"x" * 1030 + b"\r\n" + GOOD, id="preamble over budget"),
        pytest.param(GOOD.removesuffix(b"--b--\r\n"), id="body cut before the last delimiter"),
        pytest.param(GOOD.removesuffix(b"--\r\n"), id="body cut in the last delimiter"),
        pytest.param(GOOD[:60], id="body cut in the root"),
        pytest.param(b"--b--\r\n", id="no part"),
        pytest.param(
            b"--b\r\n" + ROOT.replace(b"application/soap+xml", b"text/xml") + b"\r\n--b--", id="SOAP 1.1 root"
        ),
        pytest.param(b"--b\r\n\r\n<soap/>\r\n--b--", id="root without Content-Type"),
        pytest.param(b"--b\r\nContent-Type: ;\r\n\r\n<soap/>\r\n--b--", id="root with unreadable Content-Type"),
        pytest.param(GOOD.replace(b"Content-ID: <p1", b"Content-ID <p1"), id="header without colon"),
        pytest.param(GOOD.replace(b"Content-ID: <p1", b"Content ID: <p1"), id="header name with a space"),
        pytest.param(GOOD.replace(b"<p1@x>", b"<p1\x00@x>"), id="control character in a header"),
        pytest.param(GOOD.replace(PART, b"Content-ID: <p2@x>\r\n" + PART), id="Content-ID twice"),
        pytest.param(GOOD.replace(PART, b"Content-Type: text/plain\r\n" + PART), id="Content-Type twice"),
        pytest.param(b"--b\r\n" + ROOT + b"\r\n--b\r\nContent-ID: <p1@x>\r\n--b--", id="headers without end"),
        pytest.param(GOOD.replace(PART, b"Content-Transfer-Encoding: x-y\r\n" + PART), id="CTE unknown"),
        pytest.param(GOOD.replace(PART, b"Content-Transfer-Encoding: base64\r\n" + PART), id="CTE false"),
        pytest.param(GOOD.replace(b"\x1f\x8b", b"\n--bb" * 65), id="boundary all over a part"),
    ],
)
def test_400(data: bytes) -> None:
    """Boundary not in the body, part headers malformed, body cut, CTE unknown or false, root part no SOAP 1.2."""
    assert _status(data) == 400


def test_413_and_431() -> None:
    """Budgets: parts, bytes of the envelope and of a part, header block."""
    assert _status(GOOD, limits=MimeLimits(parts=1)) == 413
    assert _status(GOOD, limits=MimeLimits(soap_bytes=6)) == 413
    assert _status(b"<soap/>", "application/soap+xml", MimeLimits(soap_bytes=6)) == 413
    assert _status(GOOD, limits=MimeLimits(part_bytes=4)) == 413
    assert _status(GOOD, limits=MimeLimits(header_bytes=40)) == 431
    assert len(read(_wire(GOOD), MimeLimits(parts=2, soap_bytes=7, part_bytes=7))) == 2


# -- ids


def _parts(*ids: str | None) -> list[Part]:
    return [Part({}, content_id, "text/plain", MemoryBody(b"")) for content_id in ids]


@pytest.mark.parametrize(
    ("href", "index"),
    [
        ("cid:a@x", 1),
        ("cid:a%40x", 1),
        ("cid:m+1", 2),  # never a space (as4-wire 1.2)
        ("cid:p%41", 3),  # the raw id first
        ("cid:no@x", None),
        ("a@x", None),
        ("http://x/a", None),
    ],
)
def test_href_to_part(href: str, index: int | None) -> None:
    assert find(_parts("root", "a@x", "m+1", "p%41", "pA"), href) == index


def test_every_part_has_an_id_of_its_own() -> None:
    """as4-wire 6.4: 0007. The root needs none."""
    check_content_ids(_parts(None, "a", "b"))
    for ids in ((None, None), ("r", "a", "a"), ("r", "r"), ("r", "")):
        with pytest.raises(MimeInconsistency):
            check_content_ids(_parts(*ids))


def test_media_type() -> None:
    assert media_type('Text/XML ; Charset = "utf\\"8" ;x=1') == ("text/xml", {"charset": 'utf"8', "x": "1"})


# -- writing


def test_what_join_writes_read_reads_back() -> None:
    payloads: list[tuple[str, str, Body]] = [
        ("root@soap", "application/octet-stream", MemoryBody(b"\r\n--x\r\n")),
        ("b@x", "application/gzip", MemoryBody(b"")),
    ]
    wire = join(b"<soap/>", payloads, "next.boundary")
    assert wire.content_type == (
        'multipart/related; boundary="next.boundary"; type="application/soap+xml"; '
        'start="<root1@soap>"; start-info="application/soap+xml"'
    )
    data = read_all(wire.body)
    assert wire.body.size == len(data)
    assert data.startswith(b"--next.boundary\r\nContent-Type: application/soap+xml; charset=UTF-8\r\n")
    parts = read(wire)
    assert [(p.content_id, p.content_type, read_all(p.body)) for p in parts[1:]] == [
        (content_id, content_type, read_all(body)) for content_id, content_type, body in payloads
    ]
    assert parts[0].headers["content-transfer-encoding"] == "binary"


def test_join_without_parts_is_bare_soap() -> None:
    wire = join(b"<soap/>", [], "b")
    assert (wire.content_type, read_all(wire.body)) == ("application/soap+xml; charset=UTF-8", b"<soap/>")


@pytest.mark.parametrize(
    ("content_id", "content_type", "boundary"),
    [
        ("a\r\nX: y", "text/plain", "b"),
        ("a>", "text/plain", "b"),
        ("a", "text/plain\n", "b"),
        ("kød", "text/plain", "b"),
        ("a", "text/plain", ""),
        ("a", "text/plain", 'b"'),
        ("a", "text/plain", "b" * 71),
    ],
)
def test_join_refuses_what_would_break_a_header(content_id: str, content_type: str, boundary: str) -> None:
    with pytest.raises(ValueError):
        join(b"", [(content_id, content_type, MemoryBody(b""))], boundary)
