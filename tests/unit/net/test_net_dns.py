"""RecursiveDns against name servers of another maker (dnslib): what is found, what is not there, and what is unsure."""

import asyncio
import random
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from types import SimpleNamespace
from typing import Any, Literal

import dns.resolver
import pytest
from dnslib import NS, QTYPE, RR, DNSRecord

from ehmi_ap.discovery.network import Resolver
from ehmi_ap.net.dns import RecursiveDns
from ehmi_ap.questions import DnsAnswer, DnsQuestion, DnsStatus, Naptr
from tests.nameservers import Answerer, Nameserver, nameserver, refusing, silent, truncated, zone

RECORD = r"""found.test. 60 IN NAPTR 100 10 "U" "Meta:SMP" "!.*!https://smp.test/!" ."""
FOUND = Naptr(order=100, preference=10, flags="U", service="Meta:SMP", regexp="!.*!https://smp.test/!")
EMPTY = zone("")
HERE = zone(RECORD)

Kind = Literal["NAPTR", "ADDRESS"]


@asynccontextmanager
async def asking(*answers: Answerer, **options: Any) -> AsyncIterator[tuple[RecursiveDns, list[Nameserver]]]:
    """A resolver that asks servers with these answers, in this order."""
    async with AsyncExitStack() as stack:
        servers = [await stack.enter_async_context(nameserver(each)) for each in answers]
        defaults = {"timeout": 5.0, "lifetime": 10.0, "servers": tuple(each.address for each in servers)}
        yield RecursiveDns(Resolver(**{**defaults, **options}), moment=0.01), servers


async def ask(resolver: RecursiveDns, name: str = "found.test", kind: Kind = "NAPTR") -> DnsAnswer:
    return await resolver.ask(DnsQuestion(name=name, type=kind))


def counts(servers: Iterable[Nameserver]) -> list[int]:
    return [len(server.asked) for server in servers]


# -- what is found


async def test_a_naptr_record() -> None:
    async with asking(HERE) as (dns, [server]):
        assert await ask(dns) == DnsAnswer(status=DnsStatus.FOUND, naptrs=(FOUND,), ttl=60, server=server.address)
    [asked] = server.asked
    assert (asked.name, asked.type, asked.tcp) == ("found.test.", "NAPTR", False)
    assert (asked.record.header.rd, asked.record.header.ad, asked.record.header.cd) == (1, 1, 0)
    [options] = asked.record.ar
    assert (options.rtype, options.rclass) == (QTYPE.OPT, 1232)


async def test_every_question_has_an_id_and_a_port_of_its_own() -> None:
    """What makes forged answers hard (RFC 5452)."""
    async with asking(HERE) as (dns, [server]):
        await asyncio.gather(*(ask(dns) for _ in range(8)))
    assert len({asked.record.header.id for asked in server.asked}) == 8
    assert len({asked.source for asked in server.asked}) == 8


async def test_questions_in_capitals() -> None:
    async with asking(HERE) as (dns, _):
        assert (await ask(dns, "FOUND.Test")).naptrs == (FOUND,)


async def test_texts_stand_as_they_are_in_the_record() -> None:
    """Backslashes and UTF-8 too; bytes that are no UTF-8 become a character that no URL has. Sorted by order."""

    def answer(record: DNSRecord, tcp: bool) -> DNSRecord:
        reply = record.reply(ra=1)
        reply.add_answer(
            RR("found.test", QTYPE.NAPTR, ttl=5, rdata=naptr(200, b"s", b"a\xffb", b"", "next.test")),
            RR(
                "found.test", QTYPE.NAPTR, ttl=5, rdata=naptr(100, b"u", "mæta:smp".encode(), rb"!^(.*)$!http://\1\!!i")
            ),
        )
        return reply

    async with asking(answer) as (dns, _):
        assert (await ask(dns)).naptrs == (
            Naptr(order=100, preference=1, flags="u", service="mæta:smp", regexp=r"!^(.*)$!http://\1\!!i"),
            Naptr(order=200, preference=1, flags="s", service="a\ufffdb", regexp="", replacement="next.test"),
        )


def naptr(order: int, flags: bytes, service: bytes, regexp: bytes, replacement: str = ".") -> Any:
    from dnslib import NAPTR

    return NAPTR(order, 1, flags, service, regexp, replacement)


@pytest.mark.parametrize("kind", ["NAPTR", "ADDRESS"])
async def test_aliases_are_told(kind: Kind) -> None:
    text = f"""{RECORD}
a.test. 300 IN CNAME b.test.
b.test. 20 IN CNAME found.test.
found.test. 60 IN A 192.0.2.1
found.test. 60 IN A 192.0.2.2
found.test. 50 IN AAAA 2001:db8::1
"""
    async with asking(zone(text)) as (dns, _):
        answer = await ask(dns, "a.test", kind)
    found = {
        "NAPTR": ((FOUND,), (), ("b.test", "found.test"), 20),
        "ADDRESS": ((), ("192.0.2.1", "192.0.2.2", "2001:db8::1"), ("b.test", "found.test"), 20),
    }[kind]
    assert (answer.naptrs, answer.texts, answer.aliases, answer.ttl) == found


@pytest.mark.parametrize("ad", [False, True])
async def test_the_resolver_says_whether_it_validated(ad: bool) -> None:
    async with asking(zone(RECORD, ad=ad)) as (dns, _):
        assert (await ask(dns)).secure is ad
        assert (await ask(dns, "none.test")).secure is ad


async def test_many_records_come_over_tcp() -> None:
    """60 records are more than a datagram of 1232 bytes holds."""
    many = "\n".join(RECORD.replace("100", str(100 + number)) for number in range(60))
    async with asking(zone(many)) as (dns, [server]):
        answer = await ask(dns)
    assert [each.order for each in answer.naptrs] == list(range(100, 160))
    assert [asked.tcp for asked in server.asked] == [False, True]


async def test_tcp_only() -> None:
    async with asking(HERE, tcp=True) as (dns, [server]):
        assert (await ask(dns)).naptrs == (FOUND,)
        assert (await ask(dns, "none.test")).status is DnsStatus.NO_NAME
    assert [asked.tcp for asked in server.asked] == [True, True]


async def test_an_address_of_one_kind_is_enough() -> None:
    async with asking(zone("found.test. 60 IN AAAA 2001:db8::1")) as (dns, [server]):
        answer = await ask(dns, kind="ADDRESS")
    assert (answer.status, answer.texts, answer.ttl) == (DnsStatus.FOUND, ("2001:db8::1",), 60)
    assert sorted(asked.type for asked in server.asked) == ["A", "AAAA"]


# -- what is not there


async def test_a_name_that_is_not_there() -> None:
    async with asking(EMPTY, HERE) as (dns, servers):
        answer = await ask(dns)
    assert answer == DnsAnswer(status=DnsStatus.NO_NAME, ttl=45, server=servers[0].address)
    assert counts(servers) == [1, 0]


async def test_a_name_without_such_a_record() -> None:
    async with asking(zone("found.test. 60 IN A 192.0.2.1")) as (dns, [server]):
        answer = await ask(dns)
    assert answer == DnsAnswer(status=DnsStatus.NO_DATA, ttl=45, server=server.address)


async def test_an_alias_that_leads_nowhere() -> None:
    async with asking(zone("found.test. 30 IN CNAME gone.test.")) as (dns, _):
        answer = await ask(dns)
    assert (answer.status, answer.aliases, answer.ttl) == (DnsStatus.NO_NAME, ("gone.test",), 30)


# -- second opinions


async def again(resolver: RecursiveDns, server: Nameserver) -> DnsAnswer:
    return await resolver.ask(DnsQuestion(name="found.test", again_after=server.address))


async def test_a_second_opinion_is_another_servers() -> None:
    """Flaky DNS said "not registered" of registered receivers (spec/discovery.md 4)."""
    async with asking(EMPTY, HERE, EMPTY) as (dns, servers):
        first = await ask(dns)
        second = await again(dns, servers[0])
        third = await again(dns, servers[1])
    assert [each.server for each in (first, second, third)] == [servers[i].address for i in (0, 1, 0)]
    assert [each.status for each in (first, second, third)] == [DnsStatus.NO_NAME, DnsStatus.FOUND, DnsStatus.NO_NAME]


async def test_the_only_server_is_asked_again() -> None:
    answers = iter([EMPTY, HERE])
    async with asking(lambda record, tcp: next(answers)(record, tcp)) as (dns, [server]):
        assert (await ask(dns)).status is DnsStatus.NO_NAME
        assert (await again(dns, server)).status is DnsStatus.FOUND


@pytest.mark.parametrize("other", [silent, refusing("SERVFAIL")])
async def test_the_same_server_is_asked_again_where_no_other_answers(other: Answerer) -> None:
    async with asking(EMPTY, other, timeout=0.1) as (dns, servers):
        answer = await again(dns, servers[0])
    assert (answer.status, answer.server) == (DnsStatus.NO_NAME, servers[0].address)
    assert counts(servers) == [1, 1]


async def test_nobody_has_a_second_opinion() -> None:
    async with asking(refusing("REFUSED"), refusing("SERVFAIL")) as (dns, servers):
        answer = await again(dns, servers[0])
    assert answer.status is DnsStatus.FAILED
    assert answer.detail == f"{servers[1].address}: SERVFAIL; {servers[0].address}: REFUSED"


# -- what is unsure


async def test_what_each_server_said_is_told() -> None:
    reason = (6, "RRSIG with malformed signature\x1b[31m")
    async with asking(refusing("SERVFAIL", reason=reason), refusing("REFUSED"), silent, timeout=0.05) as (dns, servers):
        answer = await ask(dns)
    assert answer.status is DnsStatus.FAILED
    first, second, third = answer.detail.split("; ")
    assert first.startswith(f"{servers[0].address}: SERVFAIL, EDE 6")
    assert "RRSIG with malformed signature" in first
    assert first.isprintable()
    assert second == f"{servers[1].address}: REFUSED"
    assert third == f"{servers[2].address}: no answer within 0.05 s"
    assert counts(servers)[:2] == [1, 1]
    assert counts(servers)[2] == 5


@pytest.mark.parametrize("first", [silent, refusing("SERVFAIL"), refusing("REFUSED"), refusing("FORMERR")])
async def test_the_next_server_is_asked_when_one_fails(first: Answerer) -> None:
    async with asking(first, HERE, timeout=0.1) as (dns, servers):
        answer = await ask(dns)
    assert (answer.status, answer.server) == (DnsStatus.FOUND, servers[1].address)


async def test_a_server_that_answers_the_second_time() -> None:
    """A lost datagram."""
    answers = iter([silent, HERE])
    async with asking(lambda record, tcp: next(answers)(record, tcp), timeout=0.1) as (dns, _):
        assert (await ask(dns)).status is DnsStatus.FOUND


async def test_all_tries_together_have_a_time() -> None:
    async with asking(silent, silent, lifetime=0.1) as (dns, servers):
        answer = await ask(dns)
    said = "; ".join(f"{server.address}: no answer in time" for server in servers)
    assert (answer.status, answer.detail) == (DnsStatus.FAILED, said)
    assert counts(servers) == [1, 0]


async def test_nobody_listens() -> None:
    async with asking(silent, tcp=True) as (dns, [server]):
        pass
    answer = await ask(dns)
    assert answer.status is DnsStatus.FAILED
    assert f"{server.address}: no connection" in answer.detail


def lame(*, ns: bool = False, aa: bool = False, alias: bool = False) -> Answerer:
    """A server that does not resolve for us, though it says NOERROR."""

    def answer(record: DNSRecord, tcp: bool) -> DNSRecord:
        reply = record.reply(ra=0, aa=int(aa))
        if alias:
            reply.add_answer(*RR.fromZone(f"{record.q.qname} 60 IN CNAME elsewhere.example."))
        if ns:
            reply.add_auth(RR("test", QTYPE.NS, ttl=60, rdata=NS("ns.test")))
        return reply

    return answer


@pytest.mark.parametrize("first", [lame(ns=True), lame(), lame(alias=True, aa=True), lame(alias=True)])
async def test_a_referral_is_not_nothing(first: Answerer) -> None:
    """NOERROR without SOA from a server that does not resolve for us (RFC 2308 2.2)."""
    async with asking(first) as (dns, _):
        answer = await ask(dns)
    assert answer.status is DnsStatus.FAILED
    assert "no resolver" in answer.detail


async def test_an_authority_that_has_nothing_is_believed() -> None:
    async with asking(lame(aa=True)) as (dns, _):
        answer = await ask(dns)
    assert (answer.status, answer.ttl) == (DnsStatus.NO_DATA, None)


async def test_aliases_in_a_circle() -> None:
    def answer(record: DNSRecord, tcp: bool) -> DNSRecord:
        reply = record.reply(ra=1)
        reply.add_answer(*RR.fromZone("found.test. 60 IN CNAME b.test.\nb.test. 60 IN CNAME found.test."))
        return reply

    async with asking(answer) as (dns, _):
        failed = await ask(dns)
    assert failed.status is DnsStatus.FAILED
    assert "ChainTooLong" in failed.detail


# -- who did not want to answer


def other_id(record: DNSRecord, tcp: bool) -> DNSRecord:
    reply = HERE(record, tcp)
    assert isinstance(reply, DNSRecord)
    reply.header.id ^= 1
    return reply


def other_question(record: DNSRecord, tcp: bool) -> DNSRecord:
    reply = HERE(record, tcp)
    assert isinstance(reply, DNSRecord)
    reply.q.qname = "other.test"
    return reply


def no_answer(record: DNSRecord, tcp: bool) -> DNSRecord:
    """The question itself, sent back."""
    return record


def garbage(record: DNSRecord, tcp: bool) -> bytes:
    return b"\xff" * 40


def half(record: DNSRecord, tcp: bool) -> bytes:
    reply = HERE(record, tcp)
    assert isinstance(reply, DNSRecord)
    return bytes(reply.pack())[:-9]


FORGED = [other_id, other_question, no_answer, garbage, half]


@pytest.mark.parametrize("forged", FORGED)
async def test_datagrams_that_do_not_fit_are_passed_over(forged: Answerer) -> None:
    """A right answer that comes after them counts: they end no question."""
    async with asking(forged, HERE, timeout=0.1) as (dns, servers):
        answer = await ask(dns)
    assert (answer.status, answer.server) == (DnsStatus.FOUND, servers[1].address)


@pytest.mark.parametrize("forged", FORGED)
async def test_streams_that_do_not_fit_are_failures(forged: Answerer) -> None:
    async with asking(forged, tcp=True) as (dns, _):
        answer = await ask(dns)
    assert answer.status is DnsStatus.FAILED
    assert "an answer that is none" in answer.detail


async def test_an_answer_truncated_over_tcp_too() -> None:
    async with asking(truncated) as (dns, _):
        failed = await ask(dns)
    assert failed.status is DnsStatus.FAILED
    assert "truncated, over TCP too" in failed.detail


async def test_whatever_bytes_come_nothing_is_raised() -> None:
    """Answers with bytes changed, over TCP, where all of them are looked at."""
    chance = random.Random(7)
    text = RECORD + "\na.test. 60 IN CNAME found.test."

    def answer(record: DNSRecord, tcp: bool) -> bytes:
        reply = zone(text)(record, tcp)
        assert isinstance(reply, DNSRecord)
        data = bytearray(reply.pack())
        for _ in range(chance.randint(1, 4)):
            data[chance.randrange(2, len(data))] = chance.randrange(256)
        return bytes(data)

    statuses = set()
    async with asking(answer, tcp=True) as (dns, _):
        for _ in range(400):
            statuses.add((await ask(dns, "a.test")).status)
    assert DnsStatus.FAILED in statuses


# -- what is asked, and whom


@pytest.mark.parametrize("name", ["", "a..test", ".test", "test.", "x" * 64 + ".test", "a." * 127 + "test", "søg.test"])
async def test_names_that_are_none(name: str) -> None:
    async with asking(HERE) as (dns, [server]):
        answer = await ask(dns, name)
    assert answer.status is DnsStatus.BAD_NAME
    assert answer.detail
    assert not server.asked


async def test_a_name_is_asked_label_by_label() -> None:
    """No escape is read into it, and no search list is tried."""
    async with asking(EMPTY) as (dns, [server]):
        await ask(dns, r"a\046b:c *.x")
    assert {asked.record.q.qname.label for asked in server.asked} == {(rb"a\046b:c *", b"x")}


async def test_the_servers_of_the_system(monkeypatch: pytest.MonkeyPatch) -> None:
    """They are read for every question: networks change while a daemon runs."""
    async with nameserver(HERE) as server, nameserver(HERE) as other:
        asking = RecursiveDns(Resolver())
        for each in (server, other):
            host, port = each.address.split(":")
            system = SimpleNamespace(nameservers=[host], port=int(port))
            monkeypatch.setattr(dns.resolver, "Resolver", lambda system=system: system)
            assert (await ask(asking)).server == each.address


async def test_a_system_without_servers(monkeypatch: pytest.MonkeyPatch) -> None:
    def none() -> None:
        raise dns.resolver.NoResolverConfiguration

    monkeypatch.setattr(dns.resolver, "Resolver", none)
    answer = await ask(RecursiveDns(Resolver()))
    assert answer.status is DnsStatus.FAILED
    assert "no DNS server" in answer.detail
