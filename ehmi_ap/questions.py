"""What a look-up asks of the outside, and what it is told: DNS records and documents over HTTP, as plain values.

`discovery` yields questions and is sent answers; `ports.Dns` and `ports.Documents` have them answered. A question that
could not be put, or that got no usable answer, is an answer too: the look-up decides what it means.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class DnsQuestion:
    """One question to the resolver; `name` is absolute, without its last dot, and no search list is tried.

    ADDRESS asks for A and AAAA, through any CNAME. `again_after` asks for a second opinion: it is the `server` that
    answered before, and another one is asked, or the same one a moment later where there is no other.
    """

    name: str
    type: Literal["NAPTR", "ADDRESS"] = "NAPTR"
    again_after: str | None = None


class DnsStatus(StrEnum):
    """What became of a DNS question (spec/discovery.md 4)."""

    FOUND = "found"
    NO_NAME = "no-name"  # NXDOMAIN
    NO_DATA = "no-data"  # the name is there, but no record of this type
    FAILED = "failed"  # timeout, SERVFAIL (bogus DNSSEC too), REFUSED
    BAD_NAME = "bad-name"  # it makes no DNS name


@dataclass(frozen=True, slots=True, kw_only=True)
class Naptr:
    """A NAPTR record (RFC 3403 4.1), its texts as they stand in it."""

    order: int
    preference: int
    flags: str
    service: str
    regexp: str
    replacement: str = "."


@dataclass(frozen=True, slots=True, kw_only=True)
class DnsAnswer:
    """What the resolver said. `texts` are the names or addresses asked for; `naptrs` the NAPTR records."""

    status: DnsStatus
    naptrs: tuple[Naptr, ...] = ()
    texts: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()  # the names that CNAME and DNAME led through
    ttl: int | None = None  # seconds; the shortest of the answer, or the negative TTL of its SOA
    secure: bool = False  # the resolver validated it by DNSSEC: the AD bit
    server: str = ""  # who answered, HOST:PORT
    detail: str = ""  # for FAILED: why; extended DNS errors (RFC 8914) are part of it


@dataclass(frozen=True, slots=True, kw_only=True)
class WebQuestion:
    """One HTTP request, not redirected by HTTP. GET; POST where there is a `body` (OCSP).

    `purpose` says whose TLS settings and client certificate count: `smp` those of the network, `status` (OCSP, CRL)
    none. `url` is sent as it is written, percent-encodings included. `private` allows addresses that are not global.
    """

    url: str
    purpose: Literal["smp", "status"] = "smp"
    body: bytes | None = None
    content_type: str = ""
    if_modified_since: str | None = None
    private: bool = False
    limit: int = 1024 * 1024  # bytes of the answer


class WebFailure(StrEnum):
    """Why a WebQuestion has no answer."""

    CONNECT = "connect"  # refused, unreachable, or the host has no address
    TLS = "tls"  # the handshake failed, or the server's certificate is not trusted
    CLIENT_CERTIFICATE = "client-certificate"  # the server says that it did not take ours, or wants one
    TIMEOUT = "timeout"
    TOO_LARGE = "too-large"
    ADDRESS = "address"  # the URL, or the address of its host, is none that may be asked (SSRF)
    BROKEN = "broken"  # the connection ended in the middle, or what came is no HTTP


@dataclass(frozen=True, slots=True, kw_only=True)
class WebAnswer:
    """What the server said, whatever its status; or `failure` says why there is none.

    `date` is the server's clock (aware); `certificate` (DER) and `protocol` are those of its TLS, where there is TLS.
    """

    status: int = 0
    content_type: str = ""
    body: bytes = b""
    last_modified: str | None = None
    retry_after: float | None = None  # seconds
    date: datetime | None = None
    certificate: bytes | None = None
    protocol: str = ""
    failure: WebFailure | None = None
    detail: str = ""  # for the operator


Question = DnsQuestion | WebQuestion
Answer = DnsAnswer | WebAnswer
