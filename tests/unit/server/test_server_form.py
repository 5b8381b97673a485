"""multipart/form-data, in chunks of any size, and everything that is not quite it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ehmi_ap.errors import RequestRefused
from ehmi_ap.server.form import PARTS, PREAMBLE, End, FormPart, FormReader

BOUNDARY = "x-1"


def form(*parts: tuple[str, bytes], boundary: str = BOUNDARY) -> bytes:
    """A form as browsers and curl write it; a part is its header block and its bytes."""
    joined = b"".join(b"--%s\r\n%s\r\n\r\n%s\r\n" % (boundary.encode(), head.encode(), body) for head, body in parts)
    return joined + f"--{boundary}--\r\n".encode()


def named(name: str, content_type: str | None = None) -> str:
    disposition = f'Content-Disposition: form-data; name="{name}"'
    return f"{disposition}\r\nContent-Type: {content_type}" if content_type else disposition


def read(data: bytes, *, step: int = 65536, boundary: str | None = BOUNDARY) -> list[tuple[FormPart, bytes]]:
    """All parts of a form that arrives `step` bytes at a time."""
    reader = FormReader(boundary)
    parts: list[tuple[FormPart, bytes]] = []
    ended = 0
    for at in range(0, len(data), step):
        for event in reader.feed(data[at : at + step]):
            if isinstance(event, FormPart):
                assert ended == len(parts)
                parts.append((event, b""))
            elif isinstance(event, End):
                ended += 1
            else:
                parts[-1] = (parts[-1][0], parts[-1][1] + event)
    reader.finish()
    assert ended == len(parts)
    return parts


@given(
    bodies=st.lists(
        st.binary(max_size=200) | st.sampled_from([b"", b"\r\n", b"--x-1", b"\r\n--x", b"-\r\n-"]), max_size=4
    ),
    step=st.integers(1, 70),
)
def test_every_byte_of_every_part_comes_out_whatever_the_chunks(bodies, step):
    """A body that holds the delimiter itself cannot be told from two parts; nobody sends one."""
    bodies = [body for body in bodies if b"\r\n--x-1" not in b"\r\n" + body]
    data = form(*((named(f"p{n}", "text/plain"), body) for n, body in enumerate(bodies)))
    parts = read(data, step=step)
    assert [(part.name, body) for part, body in parts] == [(f"p{n}", body) for n, body in enumerate(bodies)]


def test_field_names_and_types_are_read_in_any_notation():
    data = form(
        ('content-disposition: form-data; filename="a;name=b.xml"; name="m\\"x"', b"1"),
        ("Content-Disposition: form-data; name=plain\r\nContent-Type: text/xml", b"2"),
    )
    assert [part for part, _ in read(data)] == [FormPart('m"x', None), FormPart("plain", "text/xml")]


def test_a_preamble_padding_and_an_epilogue_are_ignored():
    data = b"preamble\r\n--x-1 \t\r\n" + named("a").encode() + b"\r\n\r\nbody\r\n--x-1--\r\nepilogue" * 3
    assert read(data)[0][1] == b"body"


@pytest.mark.parametrize("step", [1, 7, 65536])
def test_a_part_without_a_body_may_share_its_blank_line_with_the_delimiter(step):
    data = b"--x-1\r\n" + named("a").encode() + b"\r\n\r\n--x-1\r\n" + named("b").encode() + b"\r\n\r\n2\r\n--x-1--"
    assert [(part.name, body) for part, body in read(data, step=step)] == [("a", b""), ("b", b"2")]


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"", 400),
        (b"no delimiter at all", 400),
        (b"p" * (PREAMBLE + 100), 400),
        (form((named("a"), b"1")).removesuffix(b"--x-1--\r\n"), 400),
        (b"--x-1garbage\r\n", 400),
        (b"--x-1" + b" " * 200, 400),
        (form(("", b"1")), 400),
        (form(("Content-Disposition: attachment; name=a", b"1")), 400),
        (form(("Content-Disposition: form-data", b"1")), 400),
        (form((named("a") + "\r\nno colon", b"1")), 400),
        (form((named("a") + "\r\n folded: x", b"1")), 400),
        (form((named("a") + "\r\n" + named("b"), b"1")), 400),
        (form((named("a") + "\r\nContent-Transfer-Encoding: base64", b"1")), 400),
        (form(('Content-Disposition: form-data; name="\x80"', b"1")).replace(b"\xc2\x80", b"\xff"), 400),
        (form((named("a") + "\r\nX: " + "x" * 20000, b"1")), 431),
        (form(*((named("a"), b"") for _ in range(PARTS + 1))), 413),
    ],
)
def test_what_is_no_form_is_refused(data, status):
    with pytest.raises(RequestRefused) as refused:
        read(data)
    assert refused.value.status == status


@pytest.mark.parametrize("boundary", [None, "", "x" * 71, "a\r\nb", "ends with space ", "ø"])
def test_a_boundary_is_needed_and_is_one(boundary):
    with pytest.raises(RequestRefused) as refused:
        FormReader(boundary)
    assert refused.value.status == 400
