"""Look-ups over real DNS, mutual TLS and HTTP on the loopback; servers and who asks them are processes of their own.

    python -m tests.bench.lookups serve CORE FOLDER            until it is ended; prints a line when all listen
    python -m tests.bench.lookups ask CORE FOLDER COUNT        prints a JSON object

cold      nothing remembered and no connection open: a DNS question, TLS with both certificates, the metadata, two CRLs
again     asked anew over open connections, where the SMP says that nothing changed
warm      from memory, as a message is addressed while the result is fresh
"""

import asyncio
import json
import ssl
import statistics
import sys
import time
import tomllib
from collections.abc import Awaitable, Callable
from pathlib import Path

from ehmi_ap.agreements import Agreements
from ehmi_ap.crypto.keys import Keys, Trust
from ehmi_ap.discovery.found import Found, Result, Wanted
from ehmi_ap.discovery.lookup import judge_metadata, lookup
from ehmi_ap.discovery.network import Network, parse_network
from ehmi_ap.discovery.snapshots import Snapshot
from ehmi_ap.flows.ask import ask
from ehmi_ap.flows.directory import Directory
from ehmi_ap.net.dns import RecursiveDns
from ehmi_ap.net.documents import WebDocuments
from ehmi_ap.net.tls import client_context
from tests.bench.processes import pin
from tests.pki import NOW
from tests.publisher import WANTED, published
from tests.simulated_network import ap_ca, certificate, key_pair, smp_ca, smp_certificate

WARM = 20_000
TRUST = Trust({"smp-ca": [certificate(smp_ca())], "ap-ca": [certificate(ap_ca())]})


async def serve(folder: Path) -> None:
    async with published(folder) as net:
        net.register()
        net.write(folder)
        print("ready", flush=True)
        await asyncio.Event().wait()


async def measured(folder: Path, count: int) -> dict[str, float]:
    network = parse_network("test", tomllib.loads((folder / "test.toml").read_text()))
    context = client_context(
        anchors=[ssl.PEM_cert_to_DER_cert((folder / "ca.pem").read_text())], certificate=folder / "client.pem"
    )
    dns = RecursiveDns(network.resolver)

    async def cold() -> None:
        async with WebDocuments(context) as documents:
            result = await ask(lookup(WANTED, network, TRUST, now=NOW), dns, documents)
        assert isinstance(result, Found), result.error

    async with WebDocuments(context) as kept:
        directory = _directory(network, dns, kept)

        async def again() -> None:
            assert isinstance(await directory.find("test", WANTED, fresh=True), Found)

        async def warm() -> None:
            assert isinstance(await directory.find("test", WANTED), Found)

        first = await _times(cold, count)
        second = await _times(again, count)
        from_memory = await _times(warm, WARM)
    return {
        "cold_p50_ms": statistics.median(first) * 1e3,
        "cold_p99_ms": statistics.quantiles(first, n=100)[98] * 1e3,
        "again_p50_ms": statistics.median(second) * 1e3,
        "warm_us": statistics.median(from_memory) * 1e6,
    }


def _directory(network: Network, dns: RecursiveDns, documents: WebDocuments) -> Directory:
    async def look(wanted: Wanted, network: Network, trust: Trust, *, now: object, known: Found | None) -> Result:
        return await ask(lookup(wanted, network, trust, now=NOW, known=known), dns, documents)

    async def judge(snapshot: Snapshot, wanted: Wanted, network: Network, trust: Trust, *, now: object) -> Result:
        return await ask(judge_metadata(snapshot.data, wanted, network, trust, now=NOW), dns, documents)

    pair = key_pair(smp_certificate())
    agreed = Agreements(
        pmodes=(), keys=Keys(signing=pair, decryption=(pair,)), trust=TRUST, networks={network.name: network}
    )
    return Directory(
        look, judge=judge, agreements=lambda: agreed, now=lambda: NOW, clock=time.monotonic, count=lambda _: None
    )


async def _times(what: Callable[[], Awaitable[None]], count: int) -> list[float]:
    """Seconds that each took, the first ones not counted."""
    for _ in range(5):
        await what()
    found = []
    for _ in range(count):
        start = time.perf_counter()
        await what()
        found.append(time.perf_counter() - start)
    return found


def main() -> None:
    kind, core, folder = sys.argv[1], int(sys.argv[2]), Path(sys.argv[3])
    pin(core)
    if kind == "serve":
        asyncio.run(serve(folder))
    else:
        print(json.dumps(asyncio.run(measured(folder, int(sys.argv[4])))))


if __name__ == "__main__":
    main()
