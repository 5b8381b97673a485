"""The demo's DNS server, asked by the product's own resolver adapter, and by another maker's messages (dnslib)."""

import asyncio
import random
import socket
from collections.abc import AsyncIterator
from contextlib import suppress

import dns.zone
import pytest
from dnslib import EDNS0, QTYPE, RCODE, DNSHeader, DNSQuestion, DNSRecord

from ehmi_ap.demo.dns import Zone, serving, u_naptr
from ehmi_ap.discovery.naptr import select
from ehmi_ap.discovery.network import Resolver
from ehmi_ap.net.dns import RecursiveDns
from ehmi_ap.questions import DnsAnswer, DnsStatus, Naptr
from ehmi_ap.questions import DnsQuestion as Question

URL = "https://smp.demo.example:8443/a/%21b!c"


@pytest.fixture
def zone() -> Zone:
    zone = Zone("sml.example", ttl=30)
    zone.put("abc.iso6523-actorid-upis", "NAPTR", u_naptr(URL))
    zone.put("alias.iso6523-actorid-upis", "CNAME", "Abc.Iso6523-ActorId-Upis")
    zone.put("away", "CNAME", "elsewhere.example.")
    zone.put("dangling", "CNAME", "nothing")
    zone.put("circle", "CNAME", "circle")
    zone.put("many", "NAPTR", *(u_naptr(URL, order=number) for number in range(60)))
    zone.put("smp", "A", "192.0.2.1", "192.0.2.2")
    return zone


@pytest.fixture
async def server(zone: Zone) -> AsyncIterator[str]:
    async with serving(zone) as address:
        yield address


async def ask(server: str, name: str, *, tcp: bool = False) -> DnsAnswer:
    return await RecursiveDns(Resolver(servers=(server,), tcp=tcp), moment=0).ask(Question(name=f"{name}.sml.example"))


def test_a_zone_has_a_text_that_zone_files_have(zone: Zone) -> None:
    read = dns.zone.from_text(zone.text(), "sml.example.")
    assert sum(len(records) for _, records in read.iterate_rdatasets()) == 2 + 1 + 4 + 60 + 2
    assert read.find_rdataset("smp", "A")[1].to_text() == "192.0.2.2"
    assert read.find_rdataset("abc.iso6523-actorid-upis", "NAPTR").ttl == 30


@pytest.mark.parametrize("tcp", [False, True])
@pytest.mark.parametrize("name", ["abc.iso6523-actorid-upis", "ABC.ISO6523-actorid-upis", "alias.iso6523-actorid-upis"])
async def test_a_participant_has_an_smp(server: str, name: str, tcp: bool) -> None:
    answer = await ask(server, name, tcp=tcp)
    record = Naptr(order=100, preference=10, flags="U", service="Meta:SMP", regexp=f"!.*!{URL.replace('!', '%21')}!")
    assert (answer.status, answer.naptrs, answer.ttl, answer.server) == (DnsStatus.FOUND, (record,), 30, server)
    assert select(answer.naptrs, name, ["Meta:SMP"]).url == URL.replace("!", "%21")


@pytest.mark.parametrize(
    ("name", "status"),
    [
        ("nobody", DnsStatus.NO_NAME),
        ("dangling", DnsStatus.NO_NAME),
        ("smp", DnsStatus.NO_DATA),
        ("iso6523-actorid-upis", DnsStatus.NO_DATA),  # nothing there, but below it
        ("away", DnsStatus.FAILED),  # we resolve for nobody
        ("circle", DnsStatus.FAILED),
    ],
)
async def test_a_name_without_smp(server: str, name: str, status: DnsStatus) -> None:
    answer = await ask(server, name)
    assert answer.status is status
    assert answer.ttl == (None if status is DnsStatus.FAILED else 30)


async def test_a_zone_changes_while_it_is_served(zone: Zone, server: str) -> None:
    zone.put("new", "NAPTR", u_naptr(URL, service="oasis-bdxr-smp-2"))
    assert (await ask(server, "new")).naptrs[0].service == "oasis-bdxr-smp-2"
    zone.remove("new")
    assert (await ask(server, "new")).status is DnsStatus.NO_NAME


async def test_many_records_come_over_tcp(server: str) -> None:
    assert len((await ask(server, "many")).naptrs) == 60


# -- another maker's messages


async def said(server: str, question: DNSRecord | bytes) -> DNSRecord:
    """The answer to a datagram."""
    data = question if isinstance(question, bytes) else question.pack()
    host, port = server.split(":")
    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sending:
        sending.setblocking(False)
        await loop.sock_connect(sending, (host, int(port)))
        await loop.sock_sendall(sending, data)
        return DNSRecord.parse(await asyncio.wait_for(loop.sock_recv(sending, 65535), 5))


async def test_an_answer_with_authority(server: str) -> None:
    answer = await said(server, DNSRecord.question("smp.sml.example", "A"))
    assert (answer.header.aa, answer.header.ra, answer.header.rcode) == (1, 0, RCODE.NOERROR)
    assert sorted(str(each.rdata) for each in answer.rr) == ["192.0.2.1", "192.0.2.2"]


@pytest.mark.parametrize(("kind", "text"), [("SOA", "ns.sml.example. hostmaster.sml.example."), ("NS", "ns.sml.")])
async def test_the_zone_itself(server: str, kind: str, text: str) -> None:
    answer = await said(server, DNSRecord.question("SML.example", kind))
    assert str(answer.a.rdata).lower().startswith(text)


@pytest.mark.parametrize(("payload", "most"), [(None, 512), (100, 512), (1000, 1000), (4096, 1232)])
async def test_a_datagram_is_no_larger_than_both_sides_say(server: str, payload: int | None, most: int) -> None:
    question = DNSRecord.question("many.sml.example", "NAPTR")
    if payload is not None:
        question.add_ar(EDNS0(udp_len=payload))
    answer = await said(server, question)
    assert answer.header.tc == 1
    assert len(answer.pack()) <= most
    assert answer.q == question.q


@pytest.mark.parametrize(
    ("question", "rcode"),
    [
        (DNSRecord.question("other.example", "NAPTR"), RCODE.REFUSED),
        (DNSRecord.question("sml.example", "ANY"), RCODE.REFUSED),
        (DNSRecord.question("sml.example", "AXFR"), RCODE.REFUSED),
        (DNSRecord.question("sml.example", "SOA", "CH"), RCODE.REFUSED),
        (DNSRecord(DNSHeader(opcode=4), q=DNSQuestion("sml.example")), RCODE.NOTIMP),  # NOTIFY
        (DNSRecord(DNSHeader(), questions=[DNSQuestion("sml.example", QTYPE.A)] * 2), RCODE.FORMERR),
    ],
)
async def test_questions_that_are_not_answered(server: str, question: DNSRecord, rcode: int) -> None:
    answer = await said(server, question)
    assert (answer.header.rcode, answer.header.id, answer.rr) == (rcode, question.header.id, [])


async def test_a_later_version_of_edns(server: str) -> None:
    """BADVERS is 16: one in the upper bits, which are in the OPT record (RFC 6891 6.1.3)."""
    question = DNSRecord.question("sml.example", "SOA")
    question.add_ar(EDNS0(udp_len=1232, version=1))
    answer = await said(server, question)
    assert (answer.header.rcode, answer.ar[0].edns_rcode) == (0, 1)


async def test_whatever_comes_the_next_question_is_answered(server: str) -> None:
    """Answers get no answer, or two servers would talk for ever; nor does what is no message."""
    chance = random.Random(5)
    host, port = server.split(":")
    good = bytes(DNSRecord.question("smp.sml.example", "A").pack())
    noise = [b"", b"\0", bytes(DNSRecord.question("smp.sml.example").reply().pack())]
    for _ in range(300):
        data = bytearray(good)
        for _ in range(chance.randint(1, 3)):
            data[chance.randrange(len(data))] = chance.randrange(256)
        noise.append(bytes(data))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sending:
        for data in noise:
            sending.sendto(data, (host, int(port)))
    for data in (*noise[:20], len(good).to_bytes(2, "big") + good[:5]):
        reader, writer = await asyncio.open_connection(host, int(port))
        with suppress(ConnectionError):
            writer.write(data)
            writer.write_eof()
            await reader.read()
        writer.close()
    assert len((await said(server, good)).rr) == 2


async def test_several_questions_over_one_connection(server: str) -> None:
    """RFC 7766 6.2.1."""
    reader, writer = await asyncio.open_connection(*server.split(":"))
    good = bytes(DNSRecord.question("smp.sml.example", "A").pack())
    for _ in range(3):
        writer.write(len(good).to_bytes(2, "big") + good)
        length = int.from_bytes(await reader.readexactly(2), "big")
        assert len(DNSRecord.parse(await reader.readexactly(length)).rr) == 2
    writer.close()
    await writer.wait_closed()


async def test_a_server_that_ends_ends_its_conversations(zone: Zone) -> None:
    async with serving(zone) as server:
        reader, writer = await asyncio.open_connection(*server.split(":"))
        writer.write(b"\0")
        await writer.drain()
        await said(server, DNSRecord.question("smp.sml.example", "A"))
    assert await reader.read() == b""
    writer.close()


async def test_a_port_that_is_taken(zone: Zone) -> None:
    async with serving(zone) as server:
        with pytest.raises(OSError, match="in use"):
            async with serving(zone, port=int(server.split(":")[1])):
                raise AssertionError
