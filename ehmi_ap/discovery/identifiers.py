"""Identifiers of participants, documents and processes: read from text, joined, compared (spec/discovery.md 1).

Rules: an identifier is never changed, only compared by rules: what goes into AS4 and the envelope is what C1 gave.
Participants are compared as the SML hashes them, without case; documents and processes by the network's rule. Several
spellings mean the same only where the network's `spellings` says so.
"""

import re
from collections.abc import Iterator

from ehmi_ap import gln
from ehmi_ap.discovery.faults import fault
from ehmi_ap.discovery.found import Identifier, Wanted
from ehmi_ap.discovery.network import Network
from ehmi_ap.model import Participant

EBCORE = "urn:oasis:names:tc:ebcore:partyid-type:"
"""ebCore Party Id 1.0: iso6523, iso9735 or unregistered follow, a scheme in the catalogue, and the id."""

ISO6523 = "iso6523-actorid-upis"
WILDCARD = "peppol-doctype-wildcard"
_GLN = "0088"
_CATALOGUES = ("iso6523", "iso9735")
_SCHEME = re.compile(r"([a-z0-9]+(?:-[a-z0-9]+)+)::")
_PINT = "##urn:peppol:pint:"


def wanted(participant: str, document: str, process: str, network: Network) -> Wanted:
    """What is looked for, from the texts that a person or a program gives.

    Raises:
        Misconfigured: one of them is no identifier.
    """
    return Wanted(
        participant=read_participant(participant, network.participant_scheme),
        document=read_identifier(document, network.document_scheme),
        process=read_identifier(process, network.process_scheme),
    )


def read_participant(text: str, scheme: str | None) -> Participant:
    """`scheme::value`, a plain value (of the default `scheme`), `::value` (of none) or an ebCore party id.

    Raises:
        Misconfigured: empty, or an ebCore id that the ebCore catalogue does not allow.
    """
    text = text.strip()
    if _is_ebcore(text.removeprefix("::")):
        return _read_ebcore(text.removeprefix("::"))
    before, separator, after = text.partition("::")
    value, own = (after, before or None) if separator else (text, scheme)
    if not value:
        raise fault("IDENTIFIER_SYNTAX_ERROR", "the receiver's identifier is empty")
    return Participant(value, own)


def read_identifier(text: str, scheme: str | None) -> Identifier:
    """A document or process identifier: taken whole, as its value may contain `::`; `::value` has no scheme.

    A scheme stands before it only if it has the form of one, words joined by dashes, or is the default one.

    Raises:
        Misconfigured: empty.
    """
    text = text.strip()
    found = _SCHEME.match(text)
    if found:
        scheme, value = found[1], text[found.end() :]
    elif text.startswith("::"):
        scheme, value = None, text[2:]
    else:
        value = text.removeprefix(f"{scheme}::")
    if not value:
        raise fault("IDENTIFIER_SYNTAX_ERROR", "the identifier of the document or process is empty")
    return Identifier(value, scheme)


# --- ebCore -------------------------------------------------------------------------------------------------------


def _is_ebcore(text: str) -> bool:
    return text[: len(EBCORE)].lower() == EBCORE


def _read_ebcore(text: str) -> Participant:
    """The scheme is the URN up to the id; `::` between its last parts, as some write it, is read as `:`."""
    catalogue, *parts = [part.strip() for part in re.split("::?", text[len(EBCORE) :])]
    sections = 3 if catalogue.lower() in _CATALOGUES else 2
    if catalogue.lower() not in (*_CATALOGUES, "unregistered") or len(parts) < sections - 1 or not all(parts):
        raise fault("IDENTIFIER_SYNTAX_ERROR", f"{text} is not an ebCore party id: catalogue, scheme and id are needed")
    own, rest = (parts[:1], parts[1:]) if len(parts) > 1 else ([], parts)
    return Participant(":".join(rest), text[: len(EBCORE)] + ":".join([catalogue, *own]))


def ebcore(participant: Participant) -> str | None:
    """The whole URN of an ebCore party id, whose parts are joined by one colon; None: it is none."""
    if participant.scheme and _is_ebcore(participant.scheme):
        return f"{participant.scheme}:{participant.value}"
    return participant.value if _is_ebcore(participant.value) else None


# --- comparing ----------------------------------------------------------------------------------------------------


def same_participant(one: Participant, other: Participant, network: Network) -> bool:
    """Whether both name the same participant (Peppol PFUOI 4.4, OASIS SMP 1.0, ebCore Party Id 1.0)."""
    urns = ebcore(one), ebcore(other)
    if any(urns):
        return all(urns) and len({_fold_urn(each) for each in urns if each}) == 1
    folds = network.fold_case or one.scheme == ISO6523
    values = (one.value.lower(), other.value.lower()) if folds else (one.value, other.value)
    return (one.scheme or None) == (other.scheme or None) and values[0] == values[1]


def _fold_urn(urn: str) -> str:
    return re.sub("::?", ":", urn).lower()


def same_identifier(one: Identifier, other: Identifier, network: Network) -> bool:
    """Whether both are the same document or process, by the network's rule of case; schemes are compared exactly."""
    values = (one.value.lower(), other.value.lower()) if network.fold_case else (one.value, other.value)
    return (one.scheme or None) == (other.scheme or None) and values[0] == values[1]


def means(found: Identifier, asked: Identifier, network: Network) -> bool:
    """Whether an SMP that says `found` speaks of the document or process `asked`, in this or another spelling."""
    return any(same_identifier(found, each, network) for each in forms(asked, network))


def forms(asked: Identifier, network: Network) -> tuple[Identifier, ...]:
    """The identifiers under which an SMP may have `asked`, the preferred first: itself, its spellings, wildcards."""
    found = [asked, *_spellings(asked, network)]
    if network.wildcards and asked.scheme == WILDCARD:
        found += _wildcards(asked.value)
    return tuple(dict.fromkeys(found))


def _spellings(asked: Identifier, network: Network) -> Iterator[Identifier]:
    """The members of the groups of `spellings` to which it belongs; a scheme left out there is its own."""
    for one, others in network.spellings.items():
        group = [read_identifier(text, asked.scheme) for text in (one, *others)]
        if any(same_identifier(asked, each, network) for each in group):
            yield from group


def _wildcards(value: str) -> Iterator[Identifier]:
    """Ever wider PINT wildcards (Peppol PFUOI 4.3): `custom`, `custom*`, and so on without its last `@part`."""
    syntax, pint, rest = value.partition(_PINT)
    custom, separator, version = rest.rpartition("::")
    if not pint or not separator:
        return
    narrowed = custom.removesuffix("*")
    yield Identifier(f"{syntax}{pint}{narrowed}::{version}", WILDCARD)
    while narrowed:
        yield Identifier(f"{syntax}{pint}{narrowed}*::{version}", WILDCARD)
        narrowed = narrowed.rpartition("@")[0]


# --- GLN ----------------------------------------------------------------------------------------------------------


def gln_doubt(participant: Participant) -> str | None:
    """What is odd about a GLN (ISO 6523 code 0088): its length or its check digit. None: nothing, or it is no GLN.

    It is for a warning: whether the participant is registered is for the network to say.
    """
    number = _gln(participant)
    if number is None or gln.is_valid(number):
        return None
    if not gln.DIGITS.fullmatch(number):
        return f"{number} is no GLN: that has 13 digits"
    return f"the check digit of GLN {number} would be {gln.check_digit(number)}"


def _gln(participant: Participant) -> str | None:
    urn = ebcore(participant)
    if urn:
        participant = _read_ebcore(urn)
        return participant.value if (participant.scheme or "").lower() == f"{EBCORE}iso6523:{_GLN}" else None
    code, _, value = participant.value.partition(":")
    return value if code == _GLN else None
