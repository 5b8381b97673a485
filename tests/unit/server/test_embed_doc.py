"""docs/how-to/embed.md, run: a program sends with the library to one that has mounted the faces in its own server."""

import asyncio
import re
import ssl
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any
from urllib.parse import quote

import aiohttp
import pytest
from aiohttp import web

from tests.pair import Side, free_ports, write_pair
from tests.unit.server.rest import ADMIN

DOC = Path(__file__).parents[3] / "docs" / "how-to" / "embed.md"


@pytest.fixture(scope="module")
def doc() -> dict[str, Any]:
    """Everything that the document's Python blocks define."""
    names: dict[str, Any] = {}
    for block in blocks():
        exec(compile(block, str(DOC), "exec"), names)
    return names


def blocks() -> Iterator[str]:
    yield from re.findall(r"```python\n(.*?)```", DOC.read_text(), flags=re.S)


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Side, Side]:
    """`alpha`, and `beta` without any backend in its configuration."""
    alpha, beta = write_pair(tmp_path, tls=True)
    text = re.sub(r"default_backend = .*\n", "", beta.config.read_text())
    beta.config.write_text(re.sub(r"\[backends\.files\]\n(\w.*\n)*", "", text))
    return alpha, beta


async def test_the_document_says_what_works(doc, pair, tmp_path):
    alpha, beta = pair
    pmode = alpha.home / "pmodes" / "beta.toml"
    pmode.write_text(pmode.read_text().replace('/as4"', '/partners/as4"'))
    inbox = tmp_path / "inbox"
    inbox.mkdir()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(beta.home / "keys" / "tls.crt.pem", beta.home / "keys" / "tls.key.pem")
    (internal_port,) = free_ports(1)
    world, inside = doc["hosts"](beta.config, inbox)
    async with AsyncExitStack() as stack:
        for application, port, tls in ((world, beta.port, context), (inside, internal_port, None)):
            runner = web.AppRunner(application, auto_decompress=False, access_log=None)
            await runner.setup()
            stack.push_async_callback(runner.cleanup)
            await web.TCPSite(runner, "127.0.0.1", port, ssl_context=tls).start()
        async with asyncio.timeout(20):
            message_id = await doc["send_one"](alpha.config, b"<a>one</a>")
            received = inbox / f"{quote(message_id, safe='')}-1"
            while not received.exists() or not received.stat().st_size:
                await asyncio.sleep(0.01)
        assert received.read_bytes() == b"<a>one</a>"
        async with aiohttp.ClientSession() as session:
            url = f"http://127.0.0.1:{internal_port}/messaging"
            async with session.get(f"{url}/health") as answer:
                assert (await answer.json())["status"] == "ok"
            async with session.get(f"{url}/api/v1/messages/{message_id}") as answer:
                assert answer.status == 401
            session.headers["Authorization"] = f"Bearer {ADMIN}"
            async with session.get(f"{url}/api/v1/events?after=1000&wait=0.05") as answer:
                assert (await answer.json())["events"] == []
            async with session.get(f"{url}/api/v1/openapi.json") as answer:
                assert (await answer.json())["servers"] == [{"url": "/messaging/api/v1"}]
            headers = {"Content-Type": "application/xml"}
            async with session.post(f"{url}/api/v1/messages", data=b"<a/>", headers=headers) as answer:
                assert answer.headers["Location"].startswith("/messaging/api/v1/messages/")


async def test_the_ports_of_the_configuration(doc, pair, tmp_path, capsys):
    stopped = asyncio.Event()
    running = asyncio.create_task(doc["run_until"](stopped, pair[1].config, tmp_path))
    async with asyncio.timeout(20):
        while not (printed := capsys.readouterr().out):
            await asyncio.sleep(0.01)
        stopped.set()
        await running
    assert printed.split() == [pair[1].url, f"http://127.0.0.1:{pair[1].internal_port}"]


async def test_a_large_payload_goes_through_a_spool(doc, pair, tmp_path):
    file = tmp_path / "large.xml"
    file.write_bytes(b"x" * 1_000_000)
    async with doc["AccessPoint"](doc["Config"].load(pair[0].config)) as ap:
        payload = doc["from_file"](ap, file)
        assert payload.body.size == 1_000_000
        assert not payload.body.resident
