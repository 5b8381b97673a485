"""bind9, with authority over two zones, and unbound, which validates: processes of their own, on ports of the loopback.

One zone is signed (ECDSA P-256, anew at each start), the other is not. unbound knows the key of the first, asks bind
for both, and a port where nobody is for a third.
"""

import asyncio
import re
import socket
import subprocess
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from ehmi_ap.discovery.network import Resolver
from ehmi_ap.net.dns import RecursiveDns
from ehmi_ap.questions import DnsQuestion, DnsStatus
from tests.interop.peer import PeerFailed

PACKAGES = {
    "named": "bind9",
    "dnssec-keygen": "bind9-utils",
    "dnssec-signzone": "bind9-utils",
    "unbound": "unbound",
}
STARTED = 20.0
"""Seconds that a server may take to answer on a busy machine."""


def sign(programs: Mapping[str, str], folder: Path, zone: str) -> str:
    """Sign the file named as its zone in `folder` into ZONE.signed; the trust anchor, a DNSKEY record."""
    make = [programs["dnssec-keygen"], "-q", "-K", ".", "-a", "ECDSAP256SHA256"]
    _run([*make, zone], folder)
    key = _run([*make, "-f", "KSK", zone], folder).strip()
    _run([programs["dnssec-signzone"], "-q", "-S", "-K", ".", "-o", zone, zone], folder)
    [anchor] = re.findall(r"^[^;].*\bDNSKEY\b.*$", (folder / f"{key}.key").read_text(), re.MULTILINE)
    return str(anchor)


@asynccontextmanager
async def bind(programs: Mapping[str, str], folder: Path, zones: Mapping[str, str]) -> AsyncIterator[str]:
    """HOST:PORT of a server with authority over `zones`, from their name to their file in `folder`; no recursion."""
    port = free_port()
    served = "\n".join(f'zone "{name}" {{ type primary; file "{file}"; }};' for name, file in zones.items())
    (folder / "named.conf").write_text(
        f"""options {{
  directory "{folder}";
  listen-on port {port} {{ 127.0.0.1; }};
  listen-on-v6 {{ none; }};
  pid-file "{folder}/named.pid";
  session-keyfile "{folder}/session.key";
  managed-keys-directory "{folder}";
  recursion no;
  dnssec-validation no;
  notify no;
}};
controls {{ }};
{served}
"""
    )
    command = [programs["named"], "-g", "-n", "1", "-c", str(folder / "named.conf")]
    async with _running(command, folder / "named.log", f"127.0.0.1:{port}", next(iter(zones))) as address:
        yield address


@asynccontextmanager
async def unbound(
    programs: Mapping[str, str], folder: Path, stubs: Mapping[str, str], anchors: Sequence[str]
) -> AsyncIterator[str]:
    """HOST:PORT of a validating resolver; `stubs` says whom it asks about which zone."""
    port = free_port()
    zones = "".join(
        f"stub-zone:\n  name: {name}\n  stub-addr: {address.replace(':', '@')}\n" for name, address in stubs.items()
    )
    lines = [
        'username: ""',
        'chroot: ""',
        'pidfile: ""',
        f'directory: "{folder}"',
        "use-syslog: no",
        'logfile: ""',
        f"interface: 127.0.0.1@{port}",
        "do-ip6: no",
        "do-not-query-localhost: no",
        "ede: yes",
        *(f"local-zone: {name} nodefault" for name in ("test.", *stubs)),
        *(f'trust-anchor: "{anchor}"' for anchor in anchors),
    ]
    server = "server:\n" + "".join(f"  {line}\n" for line in lines)
    (folder / "unbound.conf").write_text(f"{server}remote-control:\n  control-enable: no\n{zones}")
    command = [programs["unbound"], "-d", "-p", "-c", str(folder / "unbound.conf")]
    async with _running(command, folder / "unbound.log", f"127.0.0.1:{port}", next(iter(stubs))) as address:
        yield address


def free_port() -> int:
    """A port of the loopback where nobody is, neither by UDP nor by TCP."""
    while True:
        with socket.socket() as stream, socket.socket(type=socket.SOCK_DGRAM) as datagrams:
            stream.bind(("127.0.0.1", 0))
            try:
                datagrams.bind(stream.getsockname())
            except OSError:
                continue
            return int(stream.getsockname()[1])


@asynccontextmanager
async def _running(command: Sequence[str], log: Path, address: str, zone: str) -> AsyncIterator[str]:
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(*command, stdout=output, stderr=output, cwd=log.parent)
        try:
            await _answers(process, address, zone, log)
            yield address
        finally:
            if process.returncode is None:
                process.terminate()
            await process.wait()


async def _answers(process: asyncio.subprocess.Process, address: str, zone: str, log: Path) -> None:
    """Wait until the server answers for the zone."""
    dns = RecursiveDns(Resolver(servers=(address,), timeout=0.2, lifetime=0.2))
    try:
        async with asyncio.timeout(STARTED):
            while (await dns.ask(DnsQuestion(name=zone))).status is DnsStatus.FAILED:
                if process.returncode is not None:
                    break
                await asyncio.sleep(0.02)
            else:
                return
    except TimeoutError:
        pass
    raise PeerFailed(f"{log.stem} did not start:\n{log.read_text(errors='replace')[-2000:]}")


def _run(command: Sequence[str], folder: Path) -> str:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        raise PeerFailed(f"{' '.join(command)}: {done.stderr[-1000:]}")
    return done.stdout
