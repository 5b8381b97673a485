"""What the AS4 listener answers below ebMS, over real sockets (as4-wire 1.1, 1.3, 6.4; RFC 9112)."""

import asyncio
from dataclasses import replace

import pytest

from ehmi_ap.body import MemoryBody
from ehmi_ap.config import HttpLimits
from ehmi_ap.model import Wire
from ehmi_ap.server.protocol import FaceProtocol
from tests.unit.server.conftest import SMALL, Face, eventually, face

pytestmark = pytest.mark.asyncio(loop_scope="module")

HOST = b"Host: localhost\r\n"
SOAP = b"Content-Type: application/soap+xml\r\n"
NOT_SOAP = b"<a/>"


def post(headers: bytes = SOAP, body: bytes = NOT_SOAP, *, path: bytes = b"/as4", length: int | None = None) -> bytes:
    size = len(body) if length is None else length
    return b"POST %s HTTP/1.1\r\n%s%sContent-Length: %d\r\n\r\n%s" % (path, HOST, headers, size, body)


def chunked(*chunks: bytes, headers: bytes = SOAP, last: bytes = b"0\r\n\r\n") -> bytes:
    body = b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks)
    return b"POST /as4 HTTP/1.1\r\n" + HOST + headers + b"Transfer-Encoding: chunked\r\n\r\n" + body + last


def one_sentence(answer) -> bool:
    """text/plain, one line, without anything of the request."""
    return answer.headers["content-type"].startswith("text/plain") and answer.text.count("\n") <= 1


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "OPTIONS", "PATCH"])
async def test_other_methods_405(small_face: Face, method):
    answer = await small_face.ask(f"{method} /as4 HTTP/1.1\r\n".encode() + HOST + b"\r\n")
    assert (answer.status, answer.headers["allow"]) == (405, "POST")
    assert one_sentence(answer) or method == "HEAD"


@pytest.mark.parametrize("path", [b"/", b"/as4/", b"/as4x", b"/AS4", b"/api/v1/messages", b"/metrics", b"/%2e%2e/as4"])
async def test_other_paths_404(small_face: Face, path):
    answer = await small_face.ask(post(path=path))
    assert answer.status == 404
    assert one_sentence(answer)


@pytest.mark.parametrize("coding", [b"gzip", b"br", b"identity", b"deflate, gzip", b""])
async def test_content_encoding_415(small_face: Face, coding):
    answer = await small_face.ask(post(SOAP + b"Content-Encoding: " + coding + b"\r\n"))
    assert (answer.status, answer.headers["accept-encoding"]) == (415, "identity")
    assert one_sentence(answer)


@pytest.mark.parametrize(
    "content_type",
    [
        b"",
        b"Content-Type: \r\n",
        b"Content-Type: text/xml\r\n",
        b"Content-Type: multipart/mixed; boundary=b\r\n",
        b"Content-Type: ;\r\n",
    ],
)
async def test_no_or_odd_content_type_415(small_face: Face, content_type):
    answer = await small_face.ask(post(content_type))
    assert answer.status == 415
    assert one_sentence(answer)


async def test_body_that_is_no_soap_400(small_face: Face):
    answer = await small_face.ask(post(body=b"not XML"))
    assert answer.status == 400
    assert one_sentence(answer)


async def test_announced_too_large_413_before_a_byte_of_it(small_face: Face):
    connection = await small_face.connect()
    await connection.send(post(body=b"", length=SMALL.message_bytes + 1))
    assert (await connection.answer()).status == 413


async def test_too_large_in_chunks_413_as_soon_as_it_is(small_face: Face):
    """The client never ends its body: the answer comes because of what has arrived."""
    connection = await small_face.connect()
    await connection.send(chunked(*[b"x" * 50_000] * 5, last=b""))
    assert (await connection.answer()).status == 413


async def test_refusal_reaches_a_client_that_goes_on_sending(small_face: Face):
    """413 is not lost in a reset, though the client writes its whole body before it reads."""
    answer = await small_face.ask(post(body=b"x" * 5_000_000))
    assert answer.status == 413


@pytest.mark.parametrize(
    "head",
    [
        b"POST /as4?" + b"x" * 10_000 + b" HTTP/1.1\r\n" + HOST,
        b"POST /as4 HTTP/1.1\r\n" + HOST + b"X: " + b"x" * 20_000 + b"\r\n",
        b"POST /as4 HTTP/1.1\r\n" + HOST + b"x" * 20_000 + b": x\r\n",
        b"POST /as4 HTTP/1.1\r\n" + HOST + b"".join(b"X-%d: x\r\n" % n for n in range(200)),
    ],
)
async def test_too_large_headers_431(small_face: Face, head):
    answer = await small_face.ask(head + b"\r\n")
    assert answer.status == 431
    assert one_sentence(answer)


@pytest.mark.parametrize(
    "request_",
    [
        chunked(last=b"zz\r\n"),
        chunked(b"<a", last=b"zz\r\n"),
        chunked(b"<a", last=b"-1\r\nx\r\n0\r\n\r\n"),
        chunked(b"<a", last=b"2\r\nxyz\r\n0\r\n\r\n"),
        chunked(b"<a", headers=SOAP + b"Content-Length: 4\r\n"),
        post(SOAP + b"Content-Length: 5\r\n"),
        post(SOAP + b"Content-Type: text/xml\r\n"),
        post(SOAP + b"Transfer-Encoding: gzip\r\n"),
        b"POST /as4 HTTP/1.1\r\n" + HOST + SOAP + b"Content-Length: -1\r\n\r\n",
        b"POST /as4 HTTP/1.1\r\n" + HOST + b"no colon\r\n\r\n",
        b"POST /as4 HTTP/1.1\r\n" + HOST + b"X: a\x00b\r\n\r\n",
        b"POST /as4 HTTP/9.9\r\n" + HOST + b"\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        b"hello\r\n\r\n",
    ],
)
async def test_bad_framing_400(small_face: Face, request_):
    connection = await small_face.connect()
    await connection.send(request_)
    answer = await connection.answer()
    assert answer.status == 400
    assert one_sentence(answer)
    assert await connection.ended() == b""


async def test_body_cut_400(small_face: Face):
    """The client announces ten bytes, sends four and is done."""
    connection = await small_face.connect()
    await connection.send(post(length=10))
    connection.writer.write_eof()
    assert (await connection.answer()).status == 400
    assert await connection.ended() == b""


async def test_client_done_sending_still_gets_its_answer(small_face: Face):
    connection = await small_face.connect()
    await connection.send(post())
    connection.writer.write_eof()
    assert (await connection.answer()).status == 400
    assert await connection.ended() == b""


async def test_stalled_body_408(small_face: Face):
    connection = await small_face.connect()
    await connection.send(post(length=1000))
    answer = await connection.answer()
    assert answer.status == 408
    assert one_sentence(answer)


@pytest.mark.parametrize(
    ("limits", "piece"),
    [
        (replace(SMALL, idle_timeout=0.2, total_timeout=60.0), b"x"),
        (replace(SMALL, idle_timeout=60.0, total_timeout=0.2), b"x" * 1000),
    ],
    ids=["slower-than-the-minimum-rate", "longer-than-the-total-time"],
)
async def test_dribbling_body_408(tmp_path, limits, piece):
    """No single pause is too long."""
    async with face(tmp_path, lambda config: replace(config, limits=limits)) as running:
        connection = await running.connect()
        await connection.send(post(body=b"", length=150_000))
        waiting = asyncio.create_task(connection.answer())
        while not (await asyncio.wait([waiting], timeout=0.03))[0]:
            await connection.send(piece)
        assert (await waiting).status == 408


async def test_dribbling_headers_408():
    """Headers that do not end within the time for them are answered, not just dropped; an idle connection is neither."""

    async def answer(request):
        raise AssertionError("no request was complete")

    from aiohttp import web

    loop = asyncio.get_running_loop()
    server = web.Server(answer)
    listener = await loop.create_server(lambda: FaceProtocol(server, loop=loop, headers_within=0.1), "127.0.0.1", 0)
    port = listener.sockets[0].getsockname()[1]
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    _, idle = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"POST /as4 HTTP/1.1\r\nHost: loc")
    async with asyncio.timeout(5):
        said = await reader.read()
    assert said.startswith(b"HTTP/1.1 408 ")
    assert len(server.connections) == 1
    for each in (writer, idle):
        each.close()
    listener.close()
    await server.shutdown(1)


@pytest.mark.parametrize("request_", [post(), chunked(b"<", b"a/>"), chunked(b"<a/>", last=b"0\r\nTrailer: x\r\n\r\n")])
async def test_content_length_and_chunked_are_both_read_to_the_end(small_face: Face, request_):
    """The connection is good for another request afterwards, whatever the first one was answered."""
    connection = await small_face.connect()
    await connection.send(request_)
    first = await connection.answer()
    await connection.send(post())
    second = await connection.answer()
    assert (first.status, first.body) == (second.status, second.body) == (400, second.body)


async def test_expect_100_continue(small_face: Face):
    connection = await small_face.connect()
    await connection.send(post(SOAP + b"Expect: 100-continue\r\n", b"", length=4))
    async with asyncio.timeout(5):
        assert await connection.reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
    await connection.send(NOT_SOAP)
    assert (await connection.answer()).status == 400


@pytest.mark.parametrize(
    ("headers", "length", "status"),
    [
        (b"Expect: 100-continue\r\n", SMALL.message_bytes + 1, 413),
        (b"Expect: 100-continue\r\nContent-Encoding: gzip\r\n", 4, 415),
        (b"Expect: tea\r\n", 4, 417),
    ],
)
async def test_expectation_refused_without_a_100(small_face: Face, headers, length, status):
    answer = await small_face.ask(post(SOAP + headers, b"", length=length))
    assert (answer.status, answer.interim) == (status, ())


@pytest.mark.parametrize("make", [post, lambda headers: chunked(NOT_SOAP, headers=headers)])
async def test_upgrade_to_h2c_is_ignored(small_face: Face, make):
    """Oxalis 7.0.0 offers it with every message (as4-wire 1.1)."""
    offer = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n"
    connection = await small_face.connect()
    await connection.send(make(SOAP + offer))
    plain = await small_face.ask(make(SOAP))
    answer = await connection.answer()
    assert (answer.status, answer.body) == (plain.status, plain.body)
    await connection.send(post())
    assert (await connection.answer()).status == plain.status


async def test_http_1_0_is_answered(small_face: Face):
    answer = await small_face.ask(post().replace(b"HTTP/1.1", b"HTTP/1.0"))
    assert answer.status == 400


async def test_server_header_tells_no_versions(small_face: Face):
    for request in (post(), post(path=b"/"), b"GET /as4 HTTP/1.1\r\n" + HOST + b"\r\n", b"hello\r\n\r\n"):
        answer = await small_face.ask(request)
        assert answer.headers["server"] == "ehmi-ap"
        assert not {word for word in ("aiohttp", "python", "x-powered-by") if word in str(answer).lower()}


async def test_no_answer_repeats_what_was_sent(small_face: Face):
    secret = b"2512489996"
    for request in (
        post(body=secret),
        post(SOAP + secret + b"\r\n"),
        post(SOAP + b"X: " + secret * 2000 + b"\r\n"),
        post(path=b"/" + secret),
        chunked(b"<a", last=secret + b"zz\r\n"),
        post(b"Content-Type: " + secret + b"\r\n"),
    ):
        assert secret not in (await small_face.ask(request)).body


async def test_no_log_line_repeats_what_was_sent(small_face: Face, caplog):
    caplog.set_level("DEBUG", logger="ehmi_ap")
    await test_no_answer_repeats_what_was_sent(small_face)
    said = [str(record.__dict__) for record in caplog.records if record.name.startswith(("ehmi_ap", "aiohttp"))]
    assert said
    assert not [line for line in said if "2512489996" in line]


async def test_uploads_in_progress_are_bounded_503(small_face: Face):
    """Three clients hold all places by sending steadily; a fourth is told to come back."""
    busy = [await small_face.connect() for _ in range(SMALL.requests)]
    for connection in busy:
        await connection.send(post(body=b"", length=150_000))
    late = await small_face.connect()
    await late.send(post())
    waiting = asyncio.create_task(late.answer())
    while not (await asyncio.wait([waiting], timeout=0.05))[0]:
        for connection in busy:
            await connection.send(b"x" * 1000)
    answer = await waiting
    assert (answer.status, answer.headers["retry-after"]) == (503, "60")


async def test_a_place_that_becomes_free_is_used(small_face: Face):
    """More clients than places, none of them slow: all are answered."""
    answers = await asyncio.gather(*(small_face.ask(post()) for _ in range(4 * SMALL.requests)))
    assert {answer.status for answer in answers} == {400}


async def test_client_that_goes_away_leaves_no_spool(tmp_path):
    limits = HttpLimits(message_bytes=10_000_000)
    async with face(tmp_path, lambda config: replace(config, limits=limits)) as running:
        connection = await running.connect()
        await connection.send(post(body=b"x" * 3_000_000, length=9_000_000))
        await eventually(lambda: len(running.spools) == 1)
        connection.writer.transport.abort()
        await eventually(lambda: running.spools == [])
        assert (await running.ask(post())).status == 400


async def test_refused_body_leaves_no_spool(tmp_path):
    limits = HttpLimits(message_bytes=2_000_000)
    async with face(tmp_path, lambda config: replace(config, limits=limits)) as running:
        answer = await running.ask(chunked(*[b"x" * 500_000] * 6))
        assert answer.status == 413
        assert running.spools == []
        answer = await running.ask(post(body=b"x" * 1_500_000))
        assert answer.status == 413  # an envelope of that size
        assert running.spools == []


async def test_failure_of_the_disk_is_503_and_no_ebms_error(tmp_path):
    """An eb:Error would end the sender's retries (as4-wire 6.4)."""
    async with face(tmp_path) as running:
        spool = running.ap.config.store / "payloads" / "spool"
        spool.rmdir()
        answer = await running.ask(post(body=b"x" * 1_000_000))
        assert (answer.status, answer.headers["retry-after"]) == (503, "60")
        assert one_sentence(answer)
        spool.mkdir()
        assert (await running.ask(post())).status == 400


async def test_failure_of_our_own_is_503_and_shows_nothing(tmp_path, monkeypatch):
    async with face(tmp_path) as running:

        async def receive(wire):
            raise RuntimeError("2512489996")

        monkeypatch.setattr(running.ap, "receive", receive)
        answer = await running.ask(post())
        assert (answer.status, answer.headers["retry-after"]) == (503, "60")
        assert one_sentence(answer)
        assert b"2512489996" not in answer.body


async def test_answers_of_any_size_and_status_go_out_as_they_are(tmp_path, monkeypatch):
    async with face(tmp_path) as running:
        spool = running.ap.blobs.spool()
        spool.write(b"r" * 3_000_000)
        large = Wire(content_type="multipart/related; boundary=b", body=spool.finish(), status=500)

        async def receive(wire):
            return large if wire.body.size else Wire(content_type="", body=MemoryBody(b""), status=202)

        monkeypatch.setattr(running.ap, "receive", receive)
        answer = await running.ask(post())
        assert (answer.status, answer.body) == (500, b"r" * 3_000_000)
        assert answer.headers["content-type"] == "multipart/related; boundary=b"
        empty = await running.ask(post(body=b""))
        assert (empty.status, empty.body) == (202, b"")
        assert "content-type" not in empty.headers
