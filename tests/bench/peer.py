"""The lean peers: one that answers with valid receipts at little cost, one that posts messages made beforehand.

python -m tests.bench.peer sink CORE PORT KEYS         until it is ended
python -m tests.bench.peer floor CORE KEYS SECONDS     the lean loops; prints messages per second
python -m tests.bench.peer load CORE URL KEYS COUNT CONCURRENCY [CA]
    prints a JSON object: seconds, latencies in ms
"""

import asyncio
import json
import ssl
import statistics
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import aiohttp
from aiohttp import web
from cryptography import x509

from tests import pair, pki
from tests.bench import floor, lean
from tests.bench.processes import pin


def agreement(folder: Path) -> lean.Agreement:
    """alpha sends to beta, with the keys and certificates that write_pair() put into `folder`."""

    def identity(name: str, key: str) -> lean.Identity:
        certificate = x509.load_pem_x509_certificate((folder / name / "keys" / "ap.crt.pem").read_bytes())
        return lean.Identity(pki.private_key(key), certificate)

    return lean.Agreement(
        sender=identity("alpha", "a"),
        receiver=identity("beta", "b"),
        from_id="alpha",
        to_id="beta",
        party_type=pair.PARTY_TYPE,
        service=pair.SERVICE,
        action=pair.ACTION,
    )


def stamp() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")


async def sink(port: int, folder: Path) -> None:
    """Answer every POST with a receipt for whatever it holds."""
    answer = lean.answer(agreement(folder).receiver)

    async def take(request: web.BaseRequest) -> web.StreamResponse:
        body = await request.read()
        return web.Response(body=answer(body, stamp()), content_type="application/soap+xml", charset="UTF-8")

    runner = web.ServerRunner(web.Server(take))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    await asyncio.Event().wait()


async def load(url: str, folder: Path, count: int, concurrency: int, ca: str | None) -> dict[str, object]:
    """Post `count` distinct messages over kept connections; every answer has to be a receipt."""
    agreed = agreement(folder)
    payload = b"".join(floor.fhir_like(10_240))
    messages = [lean.send(agreed, f"{time.time_ns()}.{n}@load.example", payload, stamp()) for n in range(count)]
    context = ssl.create_default_context(cafile=ca) if ca else None
    latencies: list[float] = []
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=concurrency, ssl=context or True)) as session:

        async def worker() -> None:
            while messages:
                message = messages.pop()
                start = time.perf_counter()
                async with session.post(
                    url, data=message.body, headers={"Content-Type": message.content_type}
                ) as reply:
                    answer = await reply.read()
                assert reply.status == 200, answer[:400]
                assert b"NonRepudiationInformation" in answer, answer[:2000]
                latencies.append((time.perf_counter() - start) * 1000)

        start = time.perf_counter()
        await asyncio.gather(*(worker() for _ in range(concurrency)))
        seconds = time.perf_counter() - start
    return {"seconds": seconds, "count": count, "p50_ms": statistics.median(latencies)}


def measure_floor(folder: Path, seconds: float) -> dict[str, float]:
    """What this core allows while the other one is as busy as it is when the product is measured."""
    return floor.per_second(agreement(folder), b"".join(floor.fhir_like(10_240)), seconds)


def main() -> None:
    kind, core = sys.argv[1], int(sys.argv[2])
    pin(core)
    if kind == "floor":
        print(json.dumps(measure_floor(Path(sys.argv[3]), float(sys.argv[4]))))
    elif kind == "sink":
        asyncio.run(sink(int(sys.argv[3]), Path(sys.argv[4])))
    else:
        url, folder, count, concurrency = sys.argv[3], Path(sys.argv[4]), int(sys.argv[5]), int(sys.argv[6])
        print(
            json.dumps(asyncio.run(load(url, folder, count, concurrency, sys.argv[7] if len(sys.argv) > 7 else None)))
        )


if __name__ == "__main__":
    main()
