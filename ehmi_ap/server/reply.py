"""Giving out a body: in one piece when it is in memory, chunk by chunk from a thread when it is not."""

from collections.abc import Mapping

from aiohttp import web

from ehmi_ap.body import CHUNK, Body, read_all
from ehmi_ap.errors import ApError
from ehmi_ap.server.intake import in_thread


async def give(request: web.BaseRequest, body: Body, *, status: int, headers: Mapping[str, str]) -> web.StreamResponse:
    """Answer with this body; its length is known before its first byte."""
    if body.resident and body.size <= CHUNK:
        return web.Response(status=status, headers=dict(headers), body=read_all(body))
    chunks = body.chunks()
    chunk = await in_thread(next, chunks, b"")  # before the head of the answer, so that a failure can still be told
    answer = web.StreamResponse(status=status, headers=dict(headers))
    answer.content_length = body.size
    await answer.prepare(request)
    try:
        while chunk:
            await answer.write(chunk)
            chunk = await in_thread(next, chunks, b"")
    except ApError:
        # Whatever were written now would be taken for the rest of the body.
        if request.transport is not None:
            request.transport.abort()
        raise
    await answer.write_eof()
    return answer
