"""Whom look-ups ask: kept as long as a network's settings stay the same."""

import ssl
from collections.abc import AsyncIterator
from typing import Any

import pytest

from ehmi_ap.crypto.certs import Certificate
from ehmi_ap.crypto.keys import Trust
from ehmi_ap.discovery.network import Network, Publishers, Resolver
from ehmi_ap.net.outside import Outside
from ehmi_ap.net.tls import client_context


class Contexts:
    """What TLS was asked for."""

    def __init__(self) -> None:
        self.asked: list[tuple[tuple[bytes, ...], bool]] = []

    def __call__(self, anchors: tuple[bytes, ...], shown: bool) -> ssl.SSLContext:
        self.asked.append((anchors, shown))
        return client_context(anchors=anchors)


@pytest.fixture
def contexts() -> Contexts:
    return Contexts()


@pytest.fixture
async def outside(contexts: Contexts) -> AsyncIterator[Outside]:
    made = Outside(contexts)
    yield made
    await made.close()


def network(**changes: Any) -> Network:
    resolver, publishers = changes.pop("resolver", {}), changes.pop("publishers", {})
    return Network(name="net", resolver=Resolver(**resolver), publishers=Publishers(**publishers), **changes)


async def test_the_same_settings_ask_over_the_same_connections(outside: Outside, contexts: Contexts) -> None:
    first, second = outside.of(network(), Trust({})), outside.of(network(smp="https://x.example"), Trust({}))
    assert first[0] is second[0]
    assert first[1] is second[1]
    assert contexts.asked == [((), False)]


async def test_other_settings_have_others_asked(outside: Outside, contexts: Contexts, test_pki: Any) -> None:
    """Other servers of DNS; other CAs of SMPs; our certificate only where the network wants it."""
    root, issuing = (Certificate.from_der(each.der) for each in (test_pki.root, test_pki.issuing))
    plain, _ = outside.of(network(), Trust({}))
    other, _ = outside.of(network(resolver={"servers": ("192.0.2.1:53",)}), Trust({}))
    assert plain is not other
    outside.of(network(publishers={"tls_trust": "ca"}), Trust({"ca": [root]}))
    outside.of(network(publishers={"tls_trust": "ca"}), Trust({"ca": [issuing]}))
    outside.of(network(publishers={"client_certificate": True}), Trust({}))
    assert contexts.asked == [((), False), ((root.der,), False), ((issuing.der,), False), ((), True)]
