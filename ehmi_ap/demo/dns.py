"""A DNS server with authority over one zone, in which participants have the address of their SMP: the demo's SML.

    zone = Zone("sml.demo.example")
    zone.put("<hash>.iso6523-actorid-upis", "NAPTR", u_naptr("https://localhost:8443"))
    async with serving(zone) as address:            # 127.0.0.1:PORT, by UDP and TCP

It follows aliases inside its zone and nothing else: it asks nobody (RFC 1034 4.3.2, without delegations and wildcards).
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import cast

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.opcode
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.rrset

PAYLOAD = 1232  # bytes of our largest datagram
IDLE = 5.0  # seconds until the next question over TCP has to come
_ALIASES = 8  # aliases that are followed


class Zone:
    """The records of a zone; they may change while it is served."""

    def __init__(self, origin: str, *, ttl: int = 60) -> None:
        """`ttl` is in seconds, also for the answer that there is nothing."""
        self.origin = dns.name.from_text(origin)
        self._ttl = ttl
        self._records: dict[dns.name.Name, dict[dns.rdatatype.RdataType, dns.rrset.RRset]] = {}
        self.put("@", "SOA", f"ns hostmaster 1 3600 600 86400 {ttl}")
        self.put("@", "NS", "ns")

    def put(self, name: str, kind: str, *records: str) -> None:
        """Replace the records of a type; `records` as in a zone file, names without a last dot are below the zone."""
        owner = self._owner(name)
        found = dns.rrset.from_text_list(owner, self._ttl, "IN", kind, records, origin=self.origin, relativize=False)
        self._records.setdefault(owner, {})[found.rdtype] = found

    def remove(self, name: str) -> None:
        """Let there be nothing at this name."""
        self._records.pop(self._owner(name), None)

    def text(self) -> str:
        """All of it, as a zone file."""
        return "".join(f"{each}\n" for kinds in self._records.values() for each in kinds.values())

    def _owner(self, name: str) -> dns.name.Name:
        return dns.name.from_text(name, self.origin)

    def answer(self, query: dns.message.Message) -> dns.message.Message:
        """The answer to a question, or why there is none."""
        reply = dns.message.make_response(query, our_payload=PAYLOAD)
        if query.edns > 0:
            reply.set_rcode(dns.rcode.BADVERS)
        elif query.opcode() != dns.opcode.QUERY:
            reply.set_rcode(dns.rcode.NOTIMP)
        elif len(query.question) != 1:
            reply.set_rcode(dns.rcode.FORMERR)
        elif not self._is_ours(query.question[0]):
            reply.set_rcode(dns.rcode.REFUSED)
        else:
            self._fill(reply, query.question[0])
        return reply

    def _is_ours(self, question: dns.rrset.RRset) -> bool:
        known = question.rdclass == dns.rdataclass.IN and not dns.rdatatype.is_metatype(question.rdtype)
        return known and question.name.is_subdomain(self.origin)

    def _fill(self, reply: dns.message.Message, question: dns.rrset.RRset) -> None:
        reply.flags |= dns.flags.AA
        name = question.name
        for _ in range(_ALIASES):
            here = self._records.get(name, {})
            if found := here.get(question.rdtype):
                reply.answer.append(found)
                return
            alias = here.get(dns.rdatatype.CNAME)
            if alias is None:
                break
            reply.answer.append(alias)
            name = alias[0].target
            if not name.is_subdomain(self.origin):
                return
        if not any(each.is_subdomain(name) for each in self._records):
            reply.set_rcode(dns.rcode.NXDOMAIN)
        reply.authority.append(self._records[self.origin][dns.rdatatype.SOA])


def u_naptr(url: str, *, service: str = "Meta:SMP", order: int = 100, preference: int = 10) -> str:
    """The record, as in a zone file, that says where the SMP of a participant is (BDX Location 1.0; RFC 4848)."""
    return f'{order} {preference} "U" "{service}" "!.*!{url.replace("!", "%21")}!" .'


@asynccontextmanager
async def serving(zone: Zone, *, host: str = "127.0.0.1", port: int = 0) -> AsyncIterator[str]:
    """HOST:PORT, where questions about the zone are answered by UDP and TCP; port 0: one that is free for both."""
    loop = asyncio.get_running_loop()
    conversations: set[asyncio.Task[None]] = set()

    def begin(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        conversation = asyncio.ensure_future(_converse(zone, reader, writer))
        conversations.add(conversation)
        conversation.add_done_callback(conversations.discard)

    async with AsyncExitStack() as stack:
        while True:
            server = await asyncio.start_server(begin, host, port)
            stack.callback(server.close)
            address = server.sockets[0].getsockname()[:2]
            try:
                transport, _ = await loop.create_datagram_endpoint(lambda: _Datagrams(zone), address)
            except OSError:
                if port:
                    raise
            else:
                break
        stack.callback(transport.close)
        try:
            yield f"{address[0]}:{address[1]}"
        finally:
            for conversation in conversations:
                conversation.cancel()
            await asyncio.gather(*conversations, return_exceptions=True)


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, zone: Zone) -> None:
        self._zone = zone

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, source: tuple[str, int]) -> None:
        if (query := _read(data)) is not None:
            limit = min(PAYLOAD, max(512, query.payload))  # 512: without EDNS
            self._transport.sendto(self._zone.answer(query).to_wire(max_size=limit, prefer_truncation=True), source)


async def _converse(zone: Zone, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Question after question over TCP, until the other side ends it or is idle."""
    try:
        while True:
            async with asyncio.timeout(IDLE):
                length = int.from_bytes(await reader.readexactly(2), "big")
                query = _read(await reader.readexactly(length))
                if query is None:
                    return
                writer.write(zone.answer(query).to_wire(max_size=65535, prepend_length=True))
                await writer.drain()
    except (asyncio.IncompleteReadError, TimeoutError, ConnectionError):
        return
    finally:
        writer.close()


def _read(data: bytes) -> dns.message.Message | None:
    """A question; None for what gets no answer: answers, and what is no message."""
    try:
        query = dns.message.from_wire(data, ignore_trailing=True)
    except dns.exception.DNSException:
        return None
    return None if query.flags & dns.flags.QR else query
