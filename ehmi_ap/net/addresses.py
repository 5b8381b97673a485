"""Which addresses a URL that others wrote may lead to: a filter against requests into our own network (SSRF).

The URL of an SMP comes from DNS, that of a revocation list from a certificate: whoever writes them must not reach what
only we can reach. So addresses are judged where a connection is made, not where a name is looked up.
"""

import ipaddress
import socket
from typing import Any

_IPv4 = ipaddress.IPv4Address
_IPv6 = ipaddress.IPv6Address

_PRIVATE = tuple(
    ipaddress.ip_network(network)
    for network in (
        "10.0.0.0/8",  # RFC 1918
        "172.16.0.0/12",
        "192.168.0.0/16",
        "100.64.0.0/10",  # shared, RFC 6598
        "127.0.0.0/8",
        "::1/128",
        "fc00::/7",  # unique local, RFC 4193
    )
)
"""What a closed network may be made of. Not link-local, where clouds keep the credentials of their machines."""

_CLOUD = frozenset(map(ipaddress.ip_address, ("168.63.129.16", "100.100.100.200", "192.0.0.192", "fd00:ec2::254")))
"""Metadata services of clouds at addresses that are not link-local."""

_UNICAST = ipaddress.ip_network("2000::/3")  # the only global unicast that IANA has given out
_NOT_UNICAST = tuple(map(ipaddress.ip_network, ("192.0.0.0/24", "2001::/23", "2001:db8::/32", "3fff::/20")))
"""Special purposes (IANA's registries) that some versions of `ipaddress` call global."""
_NAT64 = ipaddress.ip_network("64:ff9b::/96")  # RFC 6052: an IPv4 address in its last 32 bits


class AddressRefused(OSError):
    """The host is at an address that must not be asked."""


def socket_for(info: tuple[Any, ...], *, private: bool) -> socket.socket:
    """The socket for a connection to `info` (as getaddrinfo gives it); `private` allows what _PRIVATE lists.

    Raises:
        AddressRefused: the address is none that may be asked.
    """
    family, kind, protocol, _, address = info
    if not is_allowed(address[0], private=private):
        raise AddressRefused(f"{address[0]} is not an address that may be asked")
    return socket.socket(family=family, type=kind, proto=protocol)


def is_allowed(text: str, *, private: bool) -> bool:
    """Whether a connection to this IP address may be made; with `private`, also to those of a closed network."""
    address = _reached(ipaddress.ip_address(text))
    if address in _CLOUD:
        return False
    return _is_global(address) or (private and any(address in network for network in _PRIVATE))


def _reached(address: _IPv4 | _IPv6) -> _IPv4 | _IPv6:
    """The IPv4 address that an IPv6 address leads to, if it does (mapped, 6to4, NAT64); else itself."""
    if isinstance(address, _IPv4):
        return address
    if address in _NAT64:
        return _IPv4(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour or address


def _is_global(address: _IPv4 | _IPv6) -> bool:
    if any(address in network for network in _NOT_UNICAST):
        return False
    if isinstance(address, _IPv6) and address not in _UNICAST:
        return False
    return address.is_global and not address.is_multicast
