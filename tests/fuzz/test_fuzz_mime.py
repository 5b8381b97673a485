"""Whatever comes: the MIME reader gives parts or an HttpRefusal, and reads back whatever join wrote."""

from collections.abc import Iterator

from hypothesis import example, given, settings
from hypothesis import strategies as st

from ehmi_ap.as4.mime import MimeLimits, Part, join, media_type, read
from ehmi_ap.body import Body, MemoryBody, read_all
from ehmi_ap.errors import HttpRefusal
from ehmi_ap.model import Wire

TYPE = 'multipart/related; boundary="b"; type="application/soap+xml"'
FRAGMENTS = st.sampled_from(
    [
        b"--b", b"--b--", b"--bb", b"--", b"\r\n", b"\n", b"\r", b"\r\n\r\n", b" ", b"\t", b":", b";", b"<", b"=", b"\x00",
        b"Content-Type: application/soap+xml\r\n", b"Content-ID: <a@x>\r\n", b"Content-ID:\r\n a\r\n",
        b"Content-Transfer-Encoding: base64\r\n", b"Content-Transfer-Encoding: quoted-printable\r\n", b"YWJj", b"=3D",
        b"<soap/>", b"\xff\xfe",
    ]
)  # fmt: skip
ROUGH = st.lists(st.one_of(FRAGMENTS, st.binary(max_size=8)), max_size=40).map(b"".join)
LIMITS = MimeLimits(parts=5, header_bytes=120, preamble=60, soap_bytes=400, part_bytes=500)


class Chopped:
    """A body whose chunks end where the test says."""

    resident = False

    def __init__(self, data: bytes, piece: int) -> None:
        self._data = data
        self._piece = piece
        self.size = len(data)

    def chunks(self, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
        data = self._data[start:stop]
        for at in range(0, len(data), self._piece):
            yield data[at : at + self._piece]


def _outcome(body: Body, content_type: str) -> list[tuple[str | None, bytes]] | int:
    try:
        parts = read(Wire(content_type=content_type, body=body), LIMITS)
    except HttpRefusal as refusal:
        return refusal.status
    assert 1 <= len(parts) <= LIMITS.parts
    return [(part.content_id, read_all(part.body)) for part in parts]


@settings(max_examples=300, deadline=None)
@given(data=ROUGH, piece=st.integers(1, 40))
@example(data=b"--b\r\nContent-Type: application/soap+xml\r\n\r\n<soap/>\r\n--b--", piece=1)
@example(data=b"\r\n--b\n\n--b--", piece=3)
def test_any_body_gives_parts_or_a_refusal_however_it_is_cut(data: bytes, piece: int) -> None:
    whole = _outcome(MemoryBody(data), TYPE)
    assert not isinstance(whole, int) or whole in (400, 413, 431)
    assert _outcome(Chopped(data, piece), TYPE) == whole


@settings(max_examples=200, deadline=None)
@given(inside=ROUGH)
def test_any_part_within_a_good_frame(inside: bytes) -> None:
    root = b"--b\r\nContent-Type: application/soap+xml\r\n\r\n<soap/>\r\n--b\r\n"
    outcome = _outcome(MemoryBody(root + inside + b"\r\n--b--\r\n"), TYPE)
    assert outcome in (400, 413, 431) if isinstance(outcome, int) else outcome[0][1] == b"<soap/>"


@settings(max_examples=200, deadline=None)
@given(value=st.one_of(st.text(max_size=60), st.lists(st.sampled_from(list('/;="\\ \tab')), max_size=30).map("".join)))
def test_any_content_type_is_read_or_refused(value: str) -> None:
    try:
        kind, parameters = media_type(value)
    except ValueError:
        assert _outcome(MemoryBody(b""), value) == 415
    else:
        assert "/" in kind
        assert all(name == name.lower() for name in parameters)


@settings(max_examples=150, deadline=None)
@given(
    root=st.binary(max_size=200),
    payloads=st.lists(st.one_of(st.binary(max_size=80), ROUGH), max_size=4),
    piece=st.integers(1, 64),
)
def test_what_join_writes_is_read_back(root: bytes, payloads: list[bytes], piece: int) -> None:
    boundary = "a-boundary-that-no-fragment-has"
    wire = join(root, [(f"{n}@x", "text/plain", MemoryBody(each)) for n, each in enumerate(payloads)], boundary)
    data = read_all(wire.body)
    assert len(data) == wire.body.size
    parts: list[Part] = read(Wire(content_type=wire.content_type, body=Chopped(data, piece)))
    assert [read_all(part.body) for part in parts] == [root, *payloads]
