"""What may be asked of an SML: each value checked before anything is sent.

The rules are those that the services in use enforce and explain badly, and the networks' own for identifiers
(spec/discovery.md 1.2, 1.3, 3). What only the SML can know (who has registered what) is left to it.
"""

import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from ipaddress import IPv4Address

from ehmi_ap.crypto.certificate import Certificate
from ehmi_ap.discovery.identifiers import EBCORE, ISO6523
from ehmi_ap.discovery.urls import refusal
from ehmi_ap.model import Participant
from ehmi_ap.sml.faults import SmlInput

_LABEL = "[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_PUBLISHER_ID = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")
_SCHEME = re.compile(r"(?=.{1,25}$)[a-z0-9]+-[a-z0-9]+-[a-z0-9]+")
_EBCORE = re.compile(rf"(?i:{EBCORE})(?:(?:iso6523|iso9735):[!-9;-~]+|unregistered(?::[!-9;-~]+)?)")
_PEPPOL_VALUE = re.compile(r"[0-9]{4}:[A-Za-z0-9._~-]{1,130}")
_VALUE = re.compile(r"[!-~]{1,255}")
_WILDCARD = "*"
_SERVICE = re.compile(r"[A-Za-z0-9][A-Za-z0-9+.:-]{0,254}")
_KEY_LENGTH = range(8, 25)
_KEY_SPECIALS = "@#$%()[]{}*^_-!~|+="
_KEY_KINDS = {
    "capital letters": "[A-Z]",
    "small letters": "[a-z]",
    "digits": "[0-9]",
    f"of {_KEY_SPECIALS}": f"[{re.escape(_KEY_SPECIALS)}]",
}
_INTERFACES = ("manageservicemetadata", "manageparticipantidentifier", "managebusinessidentifier", "bdmslservice")


@dataclass(frozen=True, slots=True, kw_only=True)
class Publisher:
    """An SMP as the SML knows it: its id, its URL (`logical_address`) and its IPv4 address (`physical_address`)."""

    id: str
    logical_address: str
    physical_address: str


def base_url(url: str) -> str:
    """The base URL of a management service, without its last slashes. Raises SmlInput."""
    if refused := refusal(url, https_only=True, private=True):
        raise SmlInput(f"{url!r} cannot be the SML's URL: {refused}", fix="Give it as https://HOST/PATH.")
    base = url.rstrip("/")
    if base.rpartition("/")[2].lower() in _INTERFACES:
        raise SmlInput(
            f"{url} is the URL of one interface of the management service", fix="Leave out the last part of its path."
        )
    return base


def check_publisher(publisher: Publisher) -> None:
    """Whether an SMP can be registered so. Raises SmlInput."""
    check_publisher_id(publisher.id)
    url = publisher.logical_address
    refused = refusal(url, https_only=False, private=True)
    if refused is None and "!" in url:
        refused = "it has a !, which is where it would end in a NAPTR record"
    if refused:
        raise SmlInput(f"{url!r} cannot be the SMP's URL: {refused}", fix="Give it as https://HOST/PATH.")
    try:
        IPv4Address(publisher.physical_address)
    except ValueError:
        raise SmlInput(f"{publisher.physical_address} is no IPv4 address", fix="Give it like 192.0.2.10.") from None


def check_publisher_id(text: str) -> None:
    """An SMP's id becomes a DNS name: labels of letters, digits and hyphens. Raises SmlInput."""
    if len(text) > 253 or not _PUBLISHER_ID.fullmatch(text):
        raise SmlInput(
            f"{text!r} is no id of an SMP",
            fix="It is a DNS name: letters, digits and hyphens, like MY-SMP.",
        )


def check_participants(participants: Sequence[Participant]) -> None:
    """Whether each of them can be registered, and none is there twice. Raises SmlInput with every mistake."""
    if not participants:
        raise SmlInput("no participant is named", fix="Name one or more.")
    mistakes = [mistake for each in participants if (mistake := _mistake(each))]
    seen: set[tuple[str | None, str]] = set()
    for each in participants:
        known = (each.scheme, each.value.lower())
        if known in seen:
            mistakes.append(f"{each} is named twice")
        seen.add(known)
    if mistakes:
        raise SmlInput("; ".join(mistakes), fix="Correct the identifiers; nothing was sent.")


def _mistake(participant: Participant) -> str | None:
    scheme, value = participant.scheme, participant.value
    if scheme is None or not (_SCHEME.fullmatch(scheme) or _EBCORE.fullmatch(scheme)):
        return f"{participant}: {scheme!r} is no scheme of participants"
    if value == _WILDCARD:
        return None
    if scheme == ISO6523 and not _PEPPOL_VALUE.fullmatch(value):
        return f"{participant}: in this scheme a value is four digits, a colon, and letters, digits or . _ ~ -"
    return None if _VALUE.fullmatch(value) else f"{participant}: a value is at most 255 visible ASCII characters"


def check_service(name: str) -> None:
    """The service of a NAPTR record, like Meta:SMP. Raises SmlInput.

    An SML that is given the SMP's URL in its place takes and publishes it, and nobody finds the participant (phoss-smp
    482).
    """
    if not _SERVICE.fullmatch(name):
        raise SmlInput(
            f"{name!r} is no NAPTR service",
            fix="Give the name under which the network looks for SMPs, like Meta:SMP; the SMP itself has the URL.",
        )


def check_migration_key(key: str) -> None:
    """8 to 24 visible ASCII characters, two or more of each kind (spec/discovery.md 3). Raises SmlInput without it."""
    wrong = [f"fewer than two {kind}" for kind, pattern in _KEY_KINDS.items() if len(re.findall(pattern, key)) < 2]
    if len(key) not in _KEY_LENGTH:
        wrong.insert(0, f"{len(key)} characters")
    if not re.fullmatch("[!-~]*", key):
        wrong.append("others than visible ASCII characters")
    if wrong:
        raise SmlInput(
            f"the migration key has {', '.join(wrong)}",
            fix="A migration key has 8 to 24 visible ASCII characters, at least two of each kind.",
        )


def new_migration_key() -> str:
    """A migration key by chance: 24 characters that can be read out, and begin with a letter."""
    kinds = ("ABCDEFGHJKLMNPQRSTUVWXYZ", "abcdefghijkmnpqrstuvwxyz", "23456789", "@_-=~")
    chance = secrets.SystemRandom()
    letters = [chance.choice(kind) for kind in kinds for _ in range(2)]
    letters += [chance.choice("".join(kinds)) for _ in range(_KEY_LENGTH.stop - 2 - len(letters))]
    chance.shuffle(letters)
    return chance.choice(kinds[0] + kinds[1]) + "".join(letters)


def check_change(certificate: Certificate, on: date | None, *, today: date) -> None:
    """Whether an SMP can change to `certificate` `on` a day; None: on the day it becomes valid. Raises SmlInput."""
    begins, ends = certificate.not_before.date(), certificate.not_after.date()
    if on is None and begins <= today:
        raise SmlInput(
            f"the new certificate is valid since {begins}, so it does not say when to change to it",
            fix="Name the day of the change.",
        )
    if on is not None and on < today:
        raise SmlInput(f"{on} has passed", fix="Name a day to come.")
    if on is not None and not begins <= on < ends:
        raise SmlInput(
            f"the new certificate is not valid on {on}, but from {begins} to {ends}",
            fix="Name a day within its validity.",
        )
