"""What a DNS message says about the question it answers."""

from collections.abc import Iterable
from dataclasses import dataclass

import dns.edns
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdata
import dns.rdatatype
from dns.rdtypes.ANY.CNAME import CNAME
from dns.rdtypes.IN.NAPTR import NAPTR

from ehmi_ap.questions import DnsAnswer, DnsStatus, Naptr

_REASON_LIMIT = 200
"""Characters of an extended DNS error that are kept; whoever answers chooses them."""


@dataclass(frozen=True, slots=True)
class Useless:
    """No answer to the question; `final`: the same server will not say anything else soon."""

    why: str
    final: bool = True


def read(message: dns.message.Message, server: str) -> DnsAnswer | Useless:
    """What `message`, which fits its question, says; `server` is who sent it.

    Raises:
        DNSException: its aliases go in circles, or it is at odds with itself.
    """
    assert isinstance(message, dns.message.QueryMessage)  # it answers a query
    if message.rcode() not in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN):
        return Useless(dns.rcode.to_text(message.rcode()) + _reasons(message))
    if message.flags & dns.flags.TC:
        return Useless("truncated, over TCP too")
    chain = message.resolve_chaining()
    proof = _has_soa(message, chain.canonical_name)
    if message.rcode() == dns.rcode.NOERROR and chain.answer is None and not proof and _is_open(message):
        return Useless("a referral or an alias not followed; it is no resolver, or not ours" + _reasons(message))
    records = tuple(chain.answer) if chain.answer is not None else ()
    return DnsAnswer(
        status=_status(message, bool(records)),
        naptrs=_naptrs(records),
        texts=tuple(_text(each) for each in records if not isinstance(each, NAPTR)),
        aliases=tuple(_text(each) for cname in chain.cnames for each in cname),
        ttl=chain.minimum_ttl if records or proof else None,
        secure=bool(message.flags & dns.flags.AD),
        server=server,
    )


def _status(message: dns.message.Message, found: bool) -> DnsStatus:
    if found:
        return DnsStatus.FOUND
    return DnsStatus.NO_NAME if message.rcode() == dns.rcode.NXDOMAIN else DnsStatus.NO_DATA


def _has_soa(message: dns.message.Message, name: dns.name.Name) -> bool:
    """Whether the zone of `name` is named, as it is where that zone has nothing (RFC 2308 2)."""
    return any(each.rdtype == dns.rdatatype.SOA and name.is_subdomain(each.name) for each in message.authority)


def _is_open(message: dns.message.QueryMessage) -> bool:
    """Whether an answer without records and SOA leaves the question to others."""
    if any(each.rdtype == dns.rdatatype.NS for each in message.authority):
        return True
    if message.flags & dns.flags.RA:
        return False
    return bool(message.answer) or not message.flags & dns.flags.AA


def _reasons(message: dns.message.Message) -> str:
    """Extended DNS errors (RFC 8914); nothing that a terminal would obey."""
    reasons = "".join(f", {each.to_text()}" for each in message.options if isinstance(each, dns.edns.EDEOption))
    return "".join(each if each.isprintable() else "\ufffd" for each in reasons[:_REASON_LIMIT])


def _naptrs(records: Iterable[dns.rdata.Rdata]) -> tuple[Naptr, ...]:
    read = [_naptr(each) for each in records if isinstance(each, NAPTR)]
    return tuple(sorted(read, key=lambda each: (each.order, each.preference, each.service, each.regexp)))


def _naptr(record: NAPTR) -> Naptr:
    """Its texts are UTF-8 (RFC 3403 4.1); what is none becomes U+FFFD, which no URL has."""
    flags, service, regexp = (each.decode("utf-8", "replace") for each in (record.flags, record.service, record.regexp))
    return Naptr(
        order=record.order,
        preference=record.preference,
        flags=flags,
        service=service,
        regexp=regexp,
        replacement=record.replacement.to_text(omit_final_dot=True),
    )


def _text(record: dns.rdata.Rdata) -> str:
    """A name without its last dot, or an address."""
    return record.target.to_text(omit_final_dot=True) if isinstance(record, CNAME) else record.to_text()
