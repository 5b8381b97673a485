"""DNS servers on the loopback that answer as a test wants, on dnslib: messages of another maker than the product's.

async with nameserver(zone("smp.test. 60 IN CNAME other.test.")) as server:
    server.address, server.asked
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import cast

from dnslib import EDNS0, QTYPE, RCODE, RR, DNSRecord, EDNSOption

from tests.servers import Speaker, streams

SOA = RR.fromZone("test. 300 IN SOA ns.test. root.test. 1 3600 600 86400 45")

Answerer = Callable[[DNSRecord, bool], DNSRecord | bytes | None]
"""From a question, and whether it came over TCP, to the answer, bytes in its place, or silence."""


@dataclass
class Asked:
    """A question as it arrived."""

    name: str
    type: str
    tcp: bool
    record: DNSRecord
    source: tuple[str, int]


@dataclass
class Nameserver:
    address: str
    asked: list[Asked] = field(default_factory=list)


@asynccontextmanager
async def nameserver(answer: Answerer) -> AsyncIterator[Nameserver]:
    """A server on one port of UDP and TCP."""
    found = Nameserver("")

    def reply(data: bytes, *, tcp: bool, source: tuple[str, int]) -> bytes | None:
        record = DNSRecord.parse(data)
        question = record.q
        found.asked.append(Asked(str(question.qname), QTYPE[question.qtype], tcp, record, source))
        said = answer(record, tcp)
        return said.pack() if isinstance(said, DNSRecord) else said

    class Datagrams(asyncio.DatagramProtocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            self.transport = cast(asyncio.DatagramTransport, transport)

        def datagram_received(self, data: bytes, source: tuple[str, int]) -> None:
            if (said := reply(data, tcp=False, source=source)) is not None:
                self.transport.sendto(said, source)

    async def stream(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            length = int.from_bytes(await reader.readexactly(2), "big")
            data = await reader.readexactly(length)
            if (said := reply(data, tcp=True, source=writer.get_extra_info("peername"))) is None:
                await reader.read()
            else:
                writer.write(len(said).to_bytes(2, "big") + said)
        writer.close()

    async with _one_port(Datagrams, stream) as (host, port):
        found.address = f"{host}:{port}"
        yield found


@asynccontextmanager
async def _one_port(datagrams: type[asyncio.DatagramProtocol], stream: Speaker) -> AsyncIterator[tuple[str, int]]:
    """A port that is free for both."""
    async with AsyncExitStack() as stack:
        while True:
            address = await stack.enter_async_context(streams(stream))
            with suppress(OSError):
                transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(datagrams, address)
                break
        stack.callback(transport.close)
        yield address


def zone(text: str, *, ad: bool = False, limit: int = 1232) -> Answerer:
    """The records of `text`, names below test. that are not there told by their SOA; aliases are followed."""
    records = RR.fromZone(text)

    def answer(record: DNSRecord, tcp: bool) -> DNSRecord:
        reply = record.reply(ra=1, aa=0)
        reply.header.ad = ad
        name = record.q.qname
        while True:
            here = [each for each in records if each.rname == name]
            fitting = [each for each in here if each.rtype == record.q.qtype]
            aliases = [each for each in here if each.rtype == QTYPE.CNAME]
            reply.add_answer(*(fitting or aliases))
            if fitting or not aliases:
                break
            name = aliases[0].rdata.label
        if not fitting:
            reply.header.rcode = RCODE.NOERROR if here else RCODE.NXDOMAIN
            reply.add_auth(*SOA)
        return truncated(record) if not tcp and len(reply.pack()) > limit else reply

    return answer


def truncated(record: DNSRecord, tcp: bool = False) -> DNSRecord:
    """Nothing but the hint to ask over TCP."""
    reply = record.reply(ra=1, aa=0)
    reply.header.tc = 1
    return reply


def refusing(rcode: str, *, reason: tuple[int, str] | None = None) -> Answerer:
    """An rcode by its name, with an extended error (RFC 8914)."""

    def answer(record: DNSRecord, tcp: bool) -> DNSRecord:
        reply = record.reply(ra=1, aa=0)
        reply.header.rcode = getattr(RCODE, rcode)
        if reason is not None:
            code, text = reason
            reply.add_ar(EDNS0(udp_len=1232, opts=[EDNSOption(15, code.to_bytes(2, "big") + text.encode())]))
        return reply

    return answer


def silent(record: DNSRecord, tcp: bool) -> None:
    """It listens, and never answers."""
