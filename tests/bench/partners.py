"""The network of a benchmark: DNS, an SMP over mutual TLS and CRLs, in which all receivers are registered behind beta.

    python -m tests.bench.partners CORE FOLDER COUNT    until it is ended; prints a line when all listen

FOLDER is where write_pair() was told to write. Of beta, alpha's P-Mode then says nothing: it names the network.
"""

import asyncio
import sys
from dataclasses import replace
from pathlib import Path

from ehmi_ap import tables
from ehmi_ap.config import Config
from ehmi_ap.crypto.keys import load_certificates
from ehmi_ap.discovery.identifiers import wanted
from ehmi_ap.discovery.published import PublishedCertificate
from tests import pair
from tests.bench.processes import pin
from tests.publisher import Net, published
from tests.simulated_network import smp_ca

NAME = "bench"
WARM_UP = "c4"
"""Registered as well, for messages that are sent before those that count."""


def receivers(count: int) -> list[str]:
    return [f"c4-{number}" for number in range(count)]


def settings(folder: Path) -> str:
    """What alpha's ehmi-ap.toml has to say."""
    return f"[discovery.tls]\ncertificate = '{folder / 'network' / 'client.pem'}'\n"


def register(net: Net, folder: Path, count: int) -> None:
    """Everybody at beta's URL, with its certificate."""
    [certificate] = load_certificates((folder / "beta" / "keys" / "ap.crt.pem").read_bytes())
    url = Config.load(folder / "beta" / "ehmi-ap.toml").as4.public_url
    for receiver in (WARM_UP, *receivers(count)):
        sought = wanted(receiver, pair.ACTION, pair.SERVICE, net.network)
        net.register(sought, url=url, certificates=(PublishedCertificate(certificate=certificate),))


def write(net: Net, alpha: Path, tls_ca: bytes) -> None:
    """What alpha needs to look them up."""
    net.network = replace(net.network, name=NAME)
    net.change("publishers", tls_trust="tls", client_certificate=True)
    net.change("receivers", trust=("pair-ca",), revocation="off", https_only=False)
    (alpha / "networks").mkdir()
    net.write(alpha / "networks")
    for name, pem in (("smp-ca", smp_ca().pem), ("tls", tls_ca)):
        (alpha / "trust" / f"{name}.pem").write_bytes(pem)
    pmode = {"network": NAME, "service": pair.SERVICE, "actions": [pair.ACTION]}
    (alpha / "pmodes" / "beta.toml").write_text(tables.to_toml(pmode))


async def serve(folder: Path, count: int) -> None:
    (folder / "network").mkdir()
    async with published(folder / "network") as net:
        write(net, folder / "alpha", (folder / "network" / "ca.pem").read_bytes())
        register(net, folder, count)
        print("ready", flush=True)
        await asyncio.Event().wait()


def main() -> None:
    pin(int(sys.argv[1]))
    asyncio.run(serve(Path(sys.argv[2]), int(sys.argv[3])))


if __name__ == "__main__":
    main()
