"""DNS: `ports.Dns` on dnspython, by asking resolvers that follow delegations and aliases for us.

- A question has no search list, EDNS with 1232 bytes, and TCP when an answer is truncated. Each try has an id and a
  port of its own, and datagrams that do not fit it are passed over.
- A second opinion (`again_after`) is another server's, or the same one's a moment later where no other answers: flaky
  DNS has said of many participants that they are not there (spec/discovery.md 4).
- What is no answer to the question (SERVFAIL, a referral, an alias not followed) is a failure, never "nothing".
"""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

import dns.asyncbackend
import dns.asyncquery
import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.resolver

from ehmi_ap.discovery.network import Resolver, Server
from ehmi_ap.net.dns_answers import Useless, read
from ehmi_ap.questions import DnsAnswer, DnsQuestion, DnsStatus

PAYLOAD = 1232
"""Bytes of a datagram that no path fragments (DNS flag day 2020)."""

MOMENT = 0.5
"""Seconds until a server is asked for a second opinion on its own answer."""

_PAUSES = (0.0, 0.1, 0.2, 0.4, 0.8)
"""Seconds before each round over the servers that may still answer."""

_TYPES = {"NAPTR": ("NAPTR",), "ADDRESS": ("A", "AAAA")}
_BACKEND = dns.asyncbackend.get_backend("asyncio")


@dataclass(frozen=True, slots=True)
class _Asking:
    """A question on its way; `until` is on the loop's clock."""

    name: dns.name.Name
    types: tuple[str, ...]
    until: float


class RecursiveDns:
    """The resolvers of one network; holds nothing open, and takes any number of questions at a time."""

    def __init__(self, resolver: Resolver, *, moment: float = MOMENT) -> None:
        """`moment` is in seconds; raises ValueError when a server is no address with a port (see Server.read)."""
        self._servers = tuple(map(Server.read, resolver.servers))
        self._tcp = resolver.tcp
        self._timeout = resolver.timeout
        self._lifetime = resolver.lifetime
        self._moment = moment

    async def ask(self, question: DnsQuestion) -> DnsAnswer:
        """What the first server says that answers at all; takes no longer than the resolver's `lifetime`."""
        try:
            name = _absolute(question.name)
        except (dns.exception.DNSException, UnicodeError) as error:
            return DnsAnswer(status=DnsStatus.BAD_NAME, detail=str(error) or type(error).__name__)
        servers = self._servers or _of_the_system()
        if not servers:
            return DnsAnswer(
                status=DnsStatus.FAILED, detail="no DNS server: the system names none, nor does [resolver]"
            )
        asking = _Asking(name, _TYPES[question.type], asyncio.get_running_loop().time() + self._lifetime)
        if question.again_after is None:
            return await self._any(asking, servers, rounds=len(_PAUSES))
        return await self._second_opinion(asking, servers, question.again_after)

    async def _second_opinion(self, asking: _Asking, servers: Sequence[Server], before: str) -> DnsAnswer:
        others = [server for server in servers if str(server) != before]
        second = await self._any(asking, others, rounds=1)
        if second.status is not DnsStatus.FAILED:
            return second
        await asyncio.sleep(self._moment)
        same = [server for server in servers if str(server) == before]
        again = await self._any(asking, same, rounds=1)
        if again.status is not DnsStatus.FAILED:
            return again
        return replace(again, detail="; ".join(each.detail for each in (second, again) if each.detail))

    async def _any(self, asking: _Asking, servers: Sequence[Server], *, rounds: int) -> DnsAnswer:
        return _joined(await asyncio.gather(*(self._first(asking, each, servers, rounds) for each in asking.types)))

    async def _first(self, asking: _Asking, kind: str, servers: Sequence[Server], rounds: int) -> DnsAnswer:
        """The first answer to the question; FAILED with each server's reason when none gives one in time."""
        able, why = list(servers), dict.fromkeys(servers, "no answer in time")
        with suppress(TimeoutError):
            async with asyncio.timeout_at(asking.until):
                for pause in _PAUSES[:rounds]:
                    await asyncio.sleep(pause if able else 0)
                    for server in tuple(able):
                        outcome = await self._try(asking.name, kind, server)
                        if isinstance(outcome, DnsAnswer):
                            return outcome
                        why[server] = outcome.why
                        if outcome.final:
                            able.remove(server)
        return DnsAnswer(status=DnsStatus.FAILED, detail="; ".join(f"{each}: {said}" for each, said in why.items()))

    async def _try(self, name: dns.name.Name, kind: str, server: Server) -> DnsAnswer | Useless:
        query = dns.message.make_query(name, kind, use_edns=0, payload=PAYLOAD)
        query.flags |= dns.flags.AD  # says that we understand it in the answer (RFC 6840 5.7)
        try:
            async with asyncio.timeout(self._timeout):
                return read(await self._exchange(query, server), str(server))
        except TimeoutError:
            return Useless(f"no answer within {self._timeout:g} s", final=False)
        except (OSError, EOFError) as error:
            reason = error.strerror if isinstance(error, OSError) and error.strerror else type(error).__name__
            return Useless(f"no connection: {reason}")
        except dns.exception.DNSException as error:
            return Useless(f"an answer that is none ({type(error).__name__})")

    async def _exchange(self, query: dns.message.Message, server: Server) -> dns.message.Message:
        if self._tcp:
            return await dns.asyncquery.tcp(query, server.host, port=server.port, backend=_BACKEND)
        message, _ = await dns.asyncquery.udp_with_fallback(
            query, server.host, port=server.port, ignore_unexpected=True, ignore_errors=True, backend=_BACKEND
        )
        return message


def _absolute(text: str) -> dns.name.Name:
    """The labels as they stand: no escapes, no IDNA, no search list."""
    return dns.name.Name([*(label.encode("ascii") for label in text.split(".")), b""])


def _of_the_system() -> tuple[Server, ...]:
    """Read for each question, so that a changed network is noticed."""
    try:
        found = dns.resolver.Resolver()
    except dns.resolver.NoResolverConfiguration:
        return ()
    return tuple(Server(each, found.port) for each in found.nameservers if isinstance(each, str))


def _joined(answers: Sequence[DnsAnswer]) -> DnsAnswer:
    """One answer for several types of one name: what was found counts, then what failed."""
    order = (DnsStatus.FOUND, DnsStatus.FAILED, DnsStatus.NO_DATA, DnsStatus.NO_NAME)
    best = min(answers, key=lambda answer: order.index(answer.status))
    if best.status is not DnsStatus.FOUND:
        return best
    found = [answer for answer in answers if answer.status is DnsStatus.FOUND]
    return replace(
        best,
        texts=tuple(text for answer in found for text in answer.texts),
        ttl=min((answer.ttl for answer in found if answer.ttl is not None), default=None),
        secure=all(answer.secure for answer in found),
    )
