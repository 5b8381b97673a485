"""For how long a look-up's result may be used."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pki
import pytest
from registry import found, missed

from ehmi_ap.crypto.certs import Certificate
from ehmi_ap.crypto.keys import Trust
from ehmi_ap.discovery.network import Cache, Network, Publishers, Receivers
from ehmi_ap.flows.remembered import Remembered, basis_of, remember

NETWORK = Network(name="net", cache=Cache(ttl=900, negative=30, stale=3600, refresh=0.8))
BASIS = basis_of(NETWORK, Trust({}))


def later(seconds: float) -> datetime:
    return pki.NOW + timedelta(seconds=seconds)


def entry(test_pki: Any, **changes: Any) -> Remembered:
    return remember(None, found(test_pki.receiver, **changes), BASIS, pki.NOW)


@pytest.mark.parametrize(
    ("changes", "ttl"),
    [
        ({}, 900),
        ({"ttl": 300}, 300),  # the DNS record
        ({"ttl": 5}, 60),  # not shorter than SML records are
        ({"ttl": 7200}, 900),
        ({"usable_until": later(100)}, 100),  # a certificate ends
        ({"usable_until": later(20), "ttl": 5}, 20),
    ],
)
def test_fresh(test_pki: Any, changes: dict[str, Any], ttl: float) -> None:
    kept = entry(test_pki, **changes)
    assert [kept.fresh(later(at)) is kept.found for at in (ttl - 1, ttl, ttl + 1)] == [True, False, False]
    assert [kept.ages(later(at)) for at in (ttl * 0.79, ttl * 0.81)] == [False, True]


def test_what_ended_is_never_fresh(test_pki: Any) -> None:
    kept = entry(test_pki, usable_until=later(-1))
    assert (kept.fresh(pki.NOW), kept.stale(pki.NOW)) == (None, None)


def test_stale_while_nobody_can_be_asked(test_pki: Any) -> None:
    """So much longer than fresh, but never beyond the end of its certificates."""
    kept = entry(test_pki)
    assert [kept.stale(later(at)) is kept.found for at in (4499, 4500)] == [True, False]
    kept = entry(test_pki, usable_until=later(1000))
    assert [kept.stale(later(at)) is kept.found for at in (999, 1000)] == [True, False]


@pytest.mark.parametrize("reason", ["SMP_TIMEOUT", "SMP_FORBIDDEN"])
def test_what_says_nothing_of_the_receiver_leaves_what_was_found(test_pki: Any, reason: str) -> None:
    kept = remember(entry(test_pki), missed(reason), BASIS, later(1000))
    assert kept.stale(later(1001)) is not None
    error = kept.missed(later(1029))
    assert error is not None
    assert error.reason == reason
    assert kept.missed(later(1030)) is None


@pytest.mark.parametrize("reason", ["PARTICIPANT_NOT_REGISTERED", "NO_ACTIVE_ENDPOINT", "SIGNER_REVOKED"])
def test_what_the_network_says_takes_back_what_was_found(test_pki: Any, reason: str) -> None:
    """An authoritative negative, and what must not be trusted: nothing older is used in its place."""
    kept = remember(entry(test_pki), missed(reason), BASIS, later(10))
    assert (kept.found, kept.fresh(later(11)), kept.stale(later(11))) == (None, None, None)
    assert kept.missed(later(39)) is not None
    assert kept.missed(later(40)) is None


def test_nobody_is_taken_to_be_unregistered_for_long(test_pki: Any) -> None:
    patient = replace(BASIS, network=replace(NETWORK, cache=Cache(negative=9999)))
    kept = remember(None, missed("PARTICIPANT_NOT_REGISTERED"), patient, pki.NOW)
    assert [kept.missed(later(at)) is not None for at in (59, 60)] == [True, False]


def test_what_becomes_of_it(test_pki: Any) -> None:
    """As an administrator is told it."""
    kept = entry(test_pki)
    assert (kept.use(later(899)), kept.use(later(901))) == ("fresh", "asked anew")
    down, no = missed("SMP_TIMEOUT"), missed("PARTICIPANT_NOT_REGISTERED")
    assert remember(kept, down, BASIS, later(901)).use(later(902)) == "stale"
    assert remember(kept, no, BASIS, later(901)).use(later(902)) == "missed"
    assert remember(kept, missed("SMP_FORBIDDEN"), BASIS, later(901)).use(later(902)) == "missed"
    assert remember(None, down, BASIS, later(901)).use(later(902)) == "missed"
    snapshot = remember(None, down, BASIS, later(901), stored=found(test_pki.receiver))
    assert (snapshot.use(later(902)), snapshot.use(later(999))) == ("snapshot", "asked anew")


def test_what_is_found_ends_what_was_missed(test_pki: Any) -> None:
    kept = remember(remember(None, missed("SMP_TIMEOUT"), BASIS, pki.NOW), found(test_pki.receiver), BASIS, later(1))
    assert kept.missed(later(2)) is None
    assert kept.fresh(later(2)) is not None


def test_the_basis_is_the_network_and_the_certificates_it_names(test_pki: Any) -> None:
    publishers, receivers = Publishers(trust=("smps",)), Receivers(trust=("aps",))
    network = Network(name="net", publishers=publishers, receivers=receivers)
    root, issuing = (Certificate.from_der(each.der) for each in (test_pki.root, test_pki.issuing))
    basis = basis_of(network, Trust({"smps": [root], "aps": [issuing]}))
    assert basis == basis_of(network, Trust({"smps": [root], "aps": [issuing], "other": [root]}))
    assert basis != basis_of(network, Trust({"smps": [issuing], "aps": [issuing]}))
    assert basis != basis_of(network, Trust({"smps": [root], "aps": [issuing, root]}))
    assert basis != basis_of(
        replace(network, smp="https://elsewhere.example"), Trust({"smps": [root], "aps": [issuing]})
    )
