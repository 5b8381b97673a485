"""The life of a daemon: it says when it is ready, ends when it is told to, and leaves nobody without an answer."""

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import aiohttp
import pytest

from ehmi_ap.config import Config
from ehmi_ap.server import Addresses, serve
from tests.pair import write_pair
from tests.unit.server.conftest import Connection
from tests.unit.server.rest import ADMIN

HEAD = b"POST /as4 HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/soap+xml\r\nContent-Length: 4\r\n\r\n"


def configured(folder: Path) -> Config:
    _, beta = write_pair(folder)
    config = Config.load(beta.config)
    config = replace(config, web=replace(config.web, insecure_http=True))
    return replace(config, as4=replace(config.as4, port=0), internal=replace(config.internal, port=0))


async def started(config: Config) -> tuple[asyncio.Task[None], Addresses]:
    """serve() as a task, once it listens."""
    ready: asyncio.Future[Addresses] = asyncio.get_running_loop().create_future()
    serving = asyncio.create_task(serve(config, ready=ready.set_result))
    async with asyncio.timeout(20):
        return serving, await ready


async def connect(url: str) -> Connection:
    return Connection(*await asyncio.open_connection("127.0.0.1", int(url.split(":")[2].split("/")[0])))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_ends_it_after_the_requests_under_way(tmp_path, number):
    """An upload that is half done when the signal comes gets its answer; a new connection is refused."""
    serving, addresses = await started(configured(tmp_path))
    half, idle = await connect(addresses.as4), await connect(addresses.as4)
    await idle.send(HEAD + b"<a/>")
    assert (await idle.answer()).status == 400
    await half.send(HEAD.replace(b"\r\n\r\n", b"\r\nExpect: 100-continue\r\n\r\n"))
    async with asyncio.timeout(5):
        assert b" 100 " in await half.reader.readuntil(b"\r\n\r\n")
    await half.send(b"<a")
    os.kill(os.getpid(), number)
    assert await idle.ended() == b""
    with pytest.raises(OSError):
        await connect(addresses.as4)
    assert not serving.done()
    await half.send(b"/>")
    assert (await half.answer()).status == 400
    assert await half.ended() == b""
    async with asyncio.timeout(20):
        await serving
    for connection in (half, idle):
        connection.writer.close()


async def test_who_waits_for_events_is_answered_when_it_stops(tmp_path):
    serving, addresses = await started(configured(tmp_path))
    async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {ADMIN}"}) as session:

        async def poll() -> list[object]:
            async with session.get(f"{addresses.internal}/api/v1/events?wait=60") as answer:
                return list((await answer.json())["events"])

        polling = asyncio.create_task(poll())
        assert not (await asyncio.wait([polling], timeout=0.1))[0]
        os.kill(os.getpid(), signal.SIGTERM)
        async with asyncio.timeout(10):
            assert await polling == []
            await serving


async def test_one_line_of_the_log_says_where_it_listens(tmp_path, caplog):
    caplog.set_level("INFO", logger="ehmi_ap.server")
    serving, addresses = await started(configured(tmp_path))
    os.kill(os.getpid(), signal.SIGTERM)
    async with asyncio.timeout(20):
        await serving
    ready = [record.__dict__ for record in caplog.records if record.getMessage() == "ready"]
    assert [(line["as4"], line["internal"]) for line in ready] == [(addresses.as4, addresses.internal)]


@pytest.mark.parametrize("uvloop", ["installed", "missing"])
async def test_run_serves_in_a_process_of_its_own_and_ends_with_0(tmp_path, uvloop):
    """On uvloop where that is installed."""
    _, beta = write_pair(tmp_path)
    program = f"""
import asyncio, sys
from dataclasses import replace
from pathlib import Path
if {uvloop == "missing"}:
    sys.modules["uvloop"] = None
from ehmi_ap.config import Config
from ehmi_ap.server import run
config = Config.load(Path({str(beta.config)!r}))
config = replace(config, web=replace(config.web, insecure_http=True))
run(config, ready=lambda addresses: print(type(asyncio.get_running_loop()).__module__, addresses.as4, flush=True))
"""
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", program, stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    async with asyncio.timeout(30):
        module, url = (await process.stdout.readline()).decode().split()
        assert url == beta.url
        assert module.startswith("uvloop") == (uvloop == "installed")
        connection = await connect(url)
        await connection.send(HEAD + b"<a/>")
        assert (await connection.answer()).status == 400
        connection.writer.close()
        process.send_signal(signal.SIGTERM)
        assert await process.wait() == 0


async def test_a_mistake_of_configuration_is_told_before_anything_listens(tmp_path):
    config = configured(tmp_path)
    (config.pmodes / "bad.toml").write_text("colour = 'red'\n")
    from ehmi_ap.errors import ConfigError

    called: list[Addresses] = []
    ready: Callable[[Addresses], None] = called.append
    with pytest.raises(ConfigError, match="colour"):
        await serve(config, ready=ready)
    assert called == []
