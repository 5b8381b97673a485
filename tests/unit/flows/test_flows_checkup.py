"""What shows when one goes on from a look-up, judged as values; test_doctor breaks the same on real parts."""

from dataclasses import replace
from datetime import timedelta

import pytest

from ehmi_ap.agreements import SOON
from ehmi_ap.crypto.keys import KeyPair, Keys
from ehmi_ap.discovery.faults import FAULTS
from ehmi_ap.errors import DiscoveryError, Misconfigured, NotSupported, Unavailable, Untrusted
from ehmi_ap.flows import checkup
from ehmi_ap.model import ErrorSignal, MessageId, Refused, Unsettled
from ehmi_ap.questions import WebAnswer, WebFailure
from tests import pki
from tests.pki import NOW
from tests.simulated_network import World, access_point, ap_certificate, certificate

URL = "https://ap.example/as4"
ENDPOINT = World().found().endpoint


def refused(code: str, severity: str = "failure") -> Refused:
    return Refused(errors=(ErrorSignal(code=code, severity=severity, ref_to=MessageId("m@example")),))


@pytest.mark.parametrize(
    ("failure", "kind", "reason"),
    [
        (WebFailure.CONNECT, Unavailable, "ENDPOINT_UNREACHABLE"),
        (WebFailure.TIMEOUT, Unavailable, "ENDPOINT_UNREACHABLE"),
        (WebFailure.TLS, Unavailable, "ENDPOINT_TLS"),
        (WebFailure.CLIENT_CERTIFICATE, Misconfigured, "ENDPOINT_CLIENT_CERTIFICATE"),
        (WebFailure.ADDRESS, Untrusted, "ENDPOINT_ADDRESS"),
        (WebFailure.BROKEN, Unavailable, "ENDPOINT_BROKEN"),
    ],
)
def test_no_connection(failure: WebFailure, kind: type[DiscoveryError], reason: str) -> None:
    with pytest.raises(kind) as caught:
        checkup.tls(URL, WebAnswer(failure=failure, detail="it says why"), NOW)
    assert (caught.value.reason, caught.value.what) == (reason, f"{URL}: it says why")


def test_a_connection() -> None:
    """Whatever HTTP says to a GET: an access point takes POST only. A long page comes from a server too."""
    shown = certificate(access_point())
    answer = WebAnswer(status=405, certificate=shown.der, protocol="TLSv1.3")
    assert not checkup.tls(URL, answer, NOW).warning
    assert checkup.tls(URL, answer, NOW).text.startswith("TLSv1.3 with CN=ap.example")
    assert checkup.tls(URL, answer, shown.not_after - SOON / 2).warning
    assert checkup.tls(URL, replace(answer, failure=WebFailure.TOO_LARGE, certificate=None), NOW).warning
    assert checkup.tls(URL, replace(answer, certificate=b"no certificate"), NOW).warning


def test_what_is_published_and_ends_soon() -> None:
    assert not checkup.certificate(ENDPOINT, NOW).warning
    assert "the entry does not end" in checkup.certificate(ENDPOINT, NOW).text
    ending = replace(ENDPOINT, expires=NOW + timedelta(days=3))
    assert checkup.certificate(ending, NOW) == checkup.Evidence(
        checkup.certificate(ENDPOINT, NOW).text.replace("does not end", "ends 2026-11-26"), warning=True
    )
    assert checkup.certificate(ENDPOINT, ENDPOINT.encryption.not_after - SOON / 2).warning


@pytest.mark.parametrize(
    ("seen", "warning"),
    [
        ({}, True),
        ({"smp": 0.4, "ap": -59.0}, False),
        ({"smp": 3600.0}, True),  # one alone may be wrong itself
        ({"smp": 3600.0, "ap": 1.0}, True),
        ({"smp": 3600.0, "ap": -3600.0}, True),
    ],
)
def test_clocks(seen: dict[str, float], warning: bool) -> None:
    assert checkup.clock(seen).warning is warning


@pytest.mark.parametrize("sign", [1, -1])
def test_a_clock_of_ours_that_is_wrong(sign: int) -> None:
    with pytest.raises(Misconfigured, match="our clock differs from all others") as caught:
        checkup.clock({"smp": sign * 300.0, "ap": sign * 301.0})
    with pytest.raises(Misconfigured):
        checkup.clock({"smp": sign * 300.0}, doubted=True)
    assert not checkup.clock({"smp": sign * 1.0}, doubted=True).warning
    assert f"smp is 300 s {'ahead' if sign > 0 else 'behind'}" in caught.value.what


@pytest.mark.parametrize(
    ("code", "kind", "reason"),
    [
        ("EBMS:0102", Untrusted, "TEST_NOT_DECRYPTED"),
        ("EBMS:0101", NotSupported, "TEST_REFUSED"),
        ("EBMS:0010", NotSupported, "TEST_REFUSED"),
    ],
)
def test_a_refused_test_message(code: str, kind: type[DiscoveryError], reason: str) -> None:
    with pytest.raises(kind) as caught:
        checkup.answer(refused(code), ENDPOINT)
    assert caught.value.reason == reason
    assert code in caught.value.what
    assert caught.value.fix


def test_the_failure_counts_and_not_the_warning_before_it() -> None:
    errors = (*refused("EBMS:0010", severity="warning").errors, *refused("EBMS:0102").errors)
    with pytest.raises(Untrusted):
        checkup.answer(Refused(errors=errors), ENDPOINT)


@pytest.mark.parametrize(
    ("code", "reason"),
    [("EBMS:0302", "TEST_RECEIPT"), ("EBMS:0301", "TEST_UNANSWERED"), ("EBMS:0005", "TEST_UNANSWERED")],
)
def test_an_answer_that_settles_nothing(code: str, reason: str) -> None:
    with pytest.raises(DiscoveryError) as caught:
        checkup.answer(Unsettled(code=code, reason="of 010203-1234\x1b"), ENDPOINT)
    assert caught.value.reason == reason
    assert "010203" not in caught.value.what
    assert "\x1b" not in caught.value.what


def test_our_own_entry_says_the_same_place_in_other_letters() -> None:
    """The certificates are those of the simulated network; its endpoint is ours here."""
    result, mine = World().found(), certificate(access_point())
    pair = KeyPair(access_point().key, mine, (mine,))
    keys = Keys(signing=pair, decryption=(pair,))
    for url in (result.endpoint.url, "HTTPS://AP.example:443/as4"):
        assert not checkup.own_entry(result, keys, url, NOW).warning
    with pytest.raises(Misconfigured, match="our entry leads to"):
        checkup.own_entry(result, keys, "https://ap.example/AS4", NOW)
    other = certificate(ap_certificate(key="c"))
    with pytest.raises(Misconfigured, match="which we sign with"):
        checkup.own_entry(result, replace(keys, signing=KeyPair(pki.private_key("c"), other, (other,))), URL, NOW)


def test_reasons_are_none_of_a_look_ups() -> None:
    assert not checkup.REASONS.keys() & FAULTS.keys()
