"""Stored metadata: what it is of, and by what it is believed."""

from dataclasses import replace
from typing import Any

import pytest

from ehmi_ap.discovery.found import Identifier
from ehmi_ap.discovery.network import Network
from ehmi_ap.discovery.snapshots import Snapshot, is_of, objection, read_snapshot
from ehmi_ap.errors import DiscoveryError
from ehmi_ap.model import Participant
from tests.pki import NOW, YEAR
from tests.simulated_network import (
    HCO,
    NETWORK,
    PROCESS,
    RECEIVER,
    WANTED,
    World,
    ap_certificate,
    endpoint,
    good_metadata,
    group,
    metadata,
    redirect,
    signed,
    smp_certificate,
)


def snapshot(data: bytes | None = None, network: Network = NETWORK) -> Snapshot:
    return read_snapshot("c4.xml", data or good_metadata().body, network)


def why(kept: Snapshot, **changes: Any) -> str | None:
    world = World()
    world.change(**changes)
    error = objection(kept, world.network, world.trust, now=NOW)
    return error.reason if error else None


def test_it_says_itself_of_whom_it_is() -> None:
    kept = snapshot()
    assert (kept.participant, kept.document, kept.processes) == (RECEIVER, HCO, (PROCESS,))
    assert is_of(kept, WANTED, NETWORK)


@pytest.mark.parametrize(
    ("changes", "fits"),
    [
        ({"participant": Participant(RECEIVER.value.upper(), RECEIVER.scheme)}, True),
        ({"participant": Participant("0088:5790000201389", RECEIVER.scheme)}, False),
        ({"document": Identifier("urn:other", HCO.scheme)}, False),
        ({"process": Identifier("urn:other")}, True),  # its judge says
    ],
)
def test_whose_it_is(changes: dict[str, Any], fits: bool) -> None:
    assert is_of(snapshot(), replace(WANTED, **changes), NETWORK) is fits


def test_a_spelling_of_the_network_s_is_the_same_document() -> None:
    network = replace(NETWORK, spellings={HCO.value: ("urn:hco",)})
    wanted = replace(WANTED, document=Identifier("urn:hco", HCO.scheme))
    assert is_of(snapshot(), wanted, network)
    assert not is_of(snapshot(), wanted, NETWORK)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"<html/>", "UNKNOWN_DIALECT"),
        (b"no xml", "SMP_NOT_XML"),
        (signed(redirect()), "UNKNOWN_DIALECT"),
        (signed(group(HCO)), "UNKNOWN_DIALECT"),
        (good_metadata().body.replace(b"https://ap.", b"https://xx."), "SIGNATURE_DIGEST"),
    ],
)
def test_what_is_no_metadata_is_not_kept(data: bytes, reason: str) -> None:
    with pytest.raises(DiscoveryError) as refused:
        snapshot(data)
    assert refused.value.reason == reason


def test_it_is_judged_as_the_answer_of_an_smp_is() -> None:
    """By anchors, dates and transport; whether certificates are revoked is asked when it is used."""
    assert why(snapshot()) is None
    assert why(snapshot(), receivers={"transport_profiles": ("other",)}) == "NO_TRANSPORT_PROFILE"
    assert why(snapshot(), publishers={"trust": ("ap-ca",)}) == "SIGNER_UNTRUSTED"
    stranger = smp_certificate(issuer=ap_certificate().issuer)
    assert why(snapshot(signed(metadata(), stranger))) == "SIGNER_UNTRUSTED"
    lapsed = ap_certificate(not_after=NOW - YEAR / 2)
    assert why(snapshot(signed(metadata(endpoint(identity=lapsed))))) == "ENDPOINT_EXPIRED"
