"""Which addresses may be asked: the special-purpose registries of IANA, on every version of Python alike."""

import socket

import pytest

from ehmi_ap.net.addresses import AddressRefused, is_allowed, socket_for

GLOBAL = ["8.8.8.8", "192.0.1.1", "172.32.0.1", "2001:4860:4860::8888", "2a00:1450:400f::1"]
REACHING_GLOBAL = ["::ffff:8.8.8.8", "64:ff9b::808:808", "2002:808:808::1"]

CLOSED = ["10.1.2.3", "172.16.0.1", "172.31.255.255", "192.168.1.1", "100.64.0.1", "127.0.0.1", "127.8.8.8", "::1"]
REACHING_CLOSED = ["fc00::1", "fd12:3456::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::"]

NEVER = [
    "0.0.0.0",
    "0.1.2.3",
    "169.254.0.1",
    "169.254.169.254",  # metadata of most clouds
    "168.63.129.16",  # of Azure
    "100.100.100.200",  # of Alibaba
    "192.0.0.192",  # of Oracle
    "fd00:ec2::254",  # of AWS
    "192.0.0.8",
    "192.0.2.1",
    "198.18.0.1",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "239.1.1.1",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::127.0.0.1",  # IPv4-compatible, deprecated
    "::ffff:0.0.0.0",
    "::ffff:169.254.169.254",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::1",
    "2002:a9fe:a9fe::1",
    "100::1",
    "2001::1",  # Teredo
    "2001:db8::1",
    "3fff::1",
    "5f00::1",
    "fe80::1",
    "fe80::1%1",
    "fec0::1",  # site-local, deprecated
    "ff02::1",
]


@pytest.mark.parametrize("address", GLOBAL + REACHING_GLOBAL)
@pytest.mark.parametrize("private", [False, True])
def test_global_addresses_may_be_asked(address: str, private: bool) -> None:
    assert is_allowed(address, private=private)


@pytest.mark.parametrize("address", CLOSED + REACHING_CLOSED)
def test_addresses_of_a_closed_network_only_where_they_are_allowed(address: str) -> None:
    assert not is_allowed(address, private=False)
    assert is_allowed(address, private=True)


@pytest.mark.parametrize("address", NEVER)
@pytest.mark.parametrize("private", [False, True])
def test_some_addresses_never(address: str, private: bool) -> None:
    """Link-local too: a closed network is not made of it, and clouds keep credentials there."""
    assert not is_allowed(address, private=private)


def test_a_socket_is_made_only_for_what_is_allowed() -> None:
    info = (socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", ("127.0.0.1", 80))
    with socket_for(info, private=True) as made:
        assert made.family == socket.AF_INET
    with pytest.raises(AddressRefused, match=r"127\.0\.0\.1"):
        socket_for(info, private=False)
