"""What a look-up does not see of the way to a receiver: TLS, clocks, our own entry, the answer to a test message. Pure.

Each check gives its evidence, as text and whether it should be looked at all the same, or raises what is broken.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlsplit

from ehmi_ap.agreements import SOON
from ehmi_ap.crypto.certificate import Certificate
from ehmi_ap.crypto.keys import Keys
from ehmi_ap.discovery.found import Endpoint, Found, Result
from ehmi_ap.errors import (
    ApError,
    DiscoveryError,
    Misconfigured,
    NotSupported,
    Unavailable,
    Untrusted,
    XmlSecurityError,
)
from ehmi_ap.flows.explain import hint, quoted, told
from ehmi_ap.model import Acknowledged, Outcome, Refused
from ehmi_ap.questions import WebAnswer, WebFailure

CLOSE = 60.0
"""Seconds by which clocks may differ: more than any network takes, less than what certificates and tokens mind."""

_RECEIVER = "Show the operator of the receiver's access point this line"

REASONS: dict[str, tuple[type[DiscoveryError], str]] = {
    "ENDPOINT_UNREACHABLE": (
        Unavailable,
        f"Check the way to the endpoint: DNS, firewall, proxy. {_RECEIVER} where it is right.",
    ),
    "ENDPOINT_TLS": (
        Unavailable,
        f"Check the CA that the P-Mode names in `tls_trust`. {_RECEIVER} where it is the right one.",
    ),
    "ENDPOINT_CLIENT_CERTIFICATE": (
        Misconfigured,
        f"Check the certificate of `[web.tls]`. {_RECEIVER} where it is the agreed one.",
    ),
    "ENDPOINT_ADDRESS": (
        Untrusted,
        "In a closed network set `[receivers] private_addresses = true`; in any other show the receiver this line.",
    ),
    "ENDPOINT_BROKEN": (Unavailable, f"{_RECEIVER}: its server does not speak HTTP as it should."),
    "CLOCK_OFF": (Misconfigured, "Set this machine's clock, and let it be kept by NTP; then look again."),
    "OWN_CERTIFICATE": (
        Misconfigured,
        "Have the certificate of `[keys]` registered in the SMP (EHMI: through EER); who sends to us goes by that one.",
    ),
    "OWN_URL": (
        Misconfigured,
        "Have `public_url` of `[as4]` registered in the SMP, or correct it; who sends to us goes there.",
    ),
    "TEST_NOT_SENT": (Misconfigured, "Correct the P-Mode or the key that the line names; `ehmi-ap check` helps."),
    "TEST_NOT_DECRYPTED": (
        Untrusted,
        f"{_RECEIVER}: it has no key for the certificate that is published for it, or another one is published by now.",
    ),
    "TEST_REFUSED": (NotSupported, ""),  # what the peer's error may mean
    "TEST_RECEIPT": (
        Untrusted,
        f"{_RECEIVER}: its receipt has to be signed with the key of the certificate that is published for it.",
    ),
    "TEST_UNANSWERED": (
        Unavailable,
        f"{_RECEIVER}, if it lasts: it did not answer the test message as an AS4 access point does.",
    ),
}
"""What may be broken behind a look-up, as discovery.faults.FAULTS has it for the look-up itself."""

_FAILURES = {
    WebFailure.TLS: "ENDPOINT_TLS",
    WebFailure.CLIENT_CERTIFICATE: "ENDPOINT_CLIENT_CERTIFICATE",
    WebFailure.ADDRESS: "ENDPOINT_ADDRESS",
    WebFailure.BROKEN: "ENDPOINT_BROKEN",
}


@dataclass(frozen=True, slots=True)
class Evidence:
    """What was seen; `warning`: it did not break anything, and should be looked at all the same."""

    text: str
    warning: bool = False


def broken(reason: str, what: str, *, fix: str | None = None) -> DiscoveryError:
    """The error for `reason`, a key of REASONS."""
    kind, usual = REASONS[reason]
    return kind(reason, what, fix=fix or usual)


def not_sent(error: ApError) -> DiscoveryError:
    """What stood in the way of a message on our own side."""
    return broken("TEST_NOT_SENT", error.what, fix=error.fix)


def tls(url: str, answer: WebAnswer, now: datetime) -> Evidence:
    """Who answers at the endpoint. Raises Unavailable, Untrusted, Misconfigured."""
    if answer.failure is not None and answer.failure is not WebFailure.TOO_LARGE:
        raise broken(_FAILURES.get(answer.failure, "ENDPOINT_UNREACHABLE"), f"{url}: {answer.detail or answer.failure}")
    if answer.certificate is None:
        return Evidence(f"{url} is not protected by TLS", warning=True)
    try:
        shown = Certificate.from_der(answer.certificate)
    except XmlSecurityError as error:
        return Evidence(f"{answer.protocol}, with a certificate that we cannot show: {error.what}", warning=True)
    return Evidence(f"{answer.protocol} with {_shown(shown)}", warning=shown.not_after - now < SOON)


def certificate(endpoint: Endpoint, now: datetime) -> Evidence:
    """Whether the endpoint's published certificates, and its entry, last."""
    several = dict.fromkeys((endpoint.encryption, *endpoint.signing))
    ends = [each.not_after for each in several] + ([endpoint.expires] if endpoint.expires is not None else [])
    ends_at = "does not end" if endpoint.expires is None else f"ends {endpoint.expires:%F}"
    text = f"{', '.join(map(_shown, several))}; the entry {ends_at}"
    return Evidence(text, warning=min(ends) - now < SOON)


def clock(seen: Mapping[str, float], *, doubted: bool = False) -> Evidence:
    """How far the clocks of servers are from ours, in seconds by their hosts. Raises Misconfigured.

    One server alone may be wrong itself; it is believed where our clock is `doubted` anyway, as a certificate seems to
    be out of its time.
    """
    if not seen:
        return Evidence("no server said what time it has", warning=True)
    text = ", ".join(f"{host} {_apart(seconds)}" for host, seconds in seen.items())
    off = [seconds for seconds in seen.values() if abs(seconds) > CLOSE]
    if len(off) > (0 if doubted else 1) and len(off) == len(seen) and len({seconds > 0 for seconds in off}) == 1:
        raise broken("CLOCK_OFF", f"our clock differs from all others: {text}")
    return Evidence(text, warning=bool(off))


def own_entry(result: Result, keys: Keys, public_url: str, now: datetime) -> Evidence:
    """Whether what is published for us is what we are. Raises DiscoveryError."""
    if not isinstance(result, Found):
        error = result.error
        raise type(error)(error.reason, f"our own entry: {error.what}", fix=error.fix, retry_after=error.retry_after)
    found = result.endpoint
    if keys.for_certificate(found.encryption) is None:
        raise broken("OWN_CERTIFICATE", f"our entry has {_shown(found.encryption)}, for which we have no key")
    if keys.signing.certificate not in found.signing:
        raise broken(
            "OWN_CERTIFICATE", f"our entry does not have {_shown(keys.signing.certificate)}, which we sign with"
        )
    if _place(found.url) != _place(public_url):
        raise broken("OWN_URL", f"our entry leads to {found.url}, and we are at {public_url}")
    return certificate(found, now)


def answer(outcome: Outcome, endpoint: Endpoint) -> Evidence:
    """What the receiver's access point made of a test message. Raises DiscoveryError."""
    match outcome:
        case Acknowledged():
            signer = ", ".join(each.subject for each in endpoint.signing)
            return Evidence(f"acknowledged by {outcome.receipt.message_id}, signed by {signer} as it is published")
        case Refused():
            said = told(outcome.errors)
            code = next((each.code for each in outcome.errors if each.severity == "failure"), outcome.errors[0].code)
            reason = "TEST_NOT_DECRYPTED" if code == "EBMS:0102" else "TEST_REFUSED"
            fix = None if reason == "TEST_NOT_DECRYPTED" else hint(code, said)
            raise broken(reason, f"{endpoint.url} refuses the test message: {said}", fix=fix)
        case _:
            reason = "TEST_RECEIPT" if outcome.code == "EBMS:0302" else "TEST_UNANSWERED"
            raise broken(reason, f"{endpoint.url}: {quoted(outcome.reason)}")


def _place(url: str) -> tuple[str, str, int | None, str]:
    """Where a URL leads: a host in any case is the same, and so is a port that is the usual one."""
    parts = urlsplit(url)
    usual = {"https": 443, "http": 80}.get(parts.scheme)
    return (parts.scheme, (parts.hostname or "").lower(), parts.port or usual, parts.path or "/")


def _shown(certificate: Certificate) -> str:
    return (
        f"{certificate.subject} (serial {certificate.serial_number:x}, issued by {certificate.issuer}, "
        f"valid until {certificate.not_after:%F})"
    )


def _apart(seconds: float) -> str:
    if abs(seconds) < 2:  # a Date has whole seconds, and was written before it came
        return "has the same time"
    return f"is {abs(seconds):.0f} s {'ahead' if seconds > 0 else 'behind'}"
