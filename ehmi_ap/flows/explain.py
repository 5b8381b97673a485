"""What a peer's error may mean, in words that help; and a peer's text, made fit for our log and events.

A received code is no cause: products use 0101, 0102, 0103 and 0004 for each other's faults (peers-live 4), so a hint
names all that are worth a look. Some products' texts say more than their code; docs/reference/peers.md says whose.
"""

import re
from collections.abc import Iterable

from ehmi_ap.errors import ApError
from ehmi_ap.model import ErrorSignal

_SECURITY = (
    "The peer did not accept how the message is secured: check that it knows our signing certificate, that we encrypt "
    "for its current one, and that the P-Mode's algorithms and token forms are the agreed ones."
)
_AGREEMENT = (
    "The peer has no agreement like this: compare parties and their types, roles, service, action, agreement and "
    "required properties with the peer's P-Mode."
)
_CONTENT = "The peer does not accept the form of the message: show it this message with `ehmi-ap show`."
_HEADER = (
    "The peer does not accept the header; with some products (Oxalis) it is as well our signing certificate that is "
    "unknown or expired there, or an algorithm that they do not take. Compare certificates and algorithms, and show it "
    "this message with `ehmi-ap show`."
)
_DUPLICATE = (
    "The peer has a message with this MessageId already. Ask whether it is this one: if so, nothing is to be done; if "
    "not, submit it anew under another MessageId."
)
_VAGUE = ("EBMS:0004", "EBMS:0009", "EBMS:0101", "EBMS:0102", "EBMS:0103")
"""Codes that stand for so much that the text beside them is worth more."""
_TEXTS = {
    "PEPPOL:NOT_SERVICED": "Oxalis says this of nearly anything: the receiver may be unknown there, the message not "
    "encrypted for its current certificate, the signature not accepted or its certificate not named by a "
    "BinarySecurityToken. Compare sheets and `[security]` with the peer, and ask it with the MessageId.",
    "Cannot find key for certificate": "The peer has no key for the certificate that we encrypt for: get its current "
    "one and put it into trust/.",
    "No trusted certs found": "The peer does not trust our signing certificate: send it what `ehmi-ap partner sheet` "
    "prints, and have it take up the certificate or its CA.",
    "A0001:Authorization": "The peer has another certificate stored for our party: have it store the one that `ehmi-ap "
    "partner sheet` prints.",
    "Tag mismatch": "What we encrypted did not open there: it was changed on the way, or the peer's certificate here "
    "is not the one of its key. Compare certificates, then look for a gateway that rewrites bodies.",
}
_HINTS = {
    "EBMS:0001": _AGREEMENT,
    "EBMS:0003": _AGREEMENT,
    "EBMS:0010": _AGREEMENT,
    "EBMS:0101": _SECURITY,
    "EBMS:0102": _SECURITY,
    "EBMS:0103": _SECURITY,
    "EBMS:0007": _CONTENT,
    "EBMS:0009": _HEADER,
    "EBMS:0011": _CONTENT,
    "EBMS:0303": _CONTENT,
    "EBMS:0005": "The peer could not reach a system behind it: ask the peer, then resend.",
    "EBMS:0008": "The peer's product does not support something that the message asks for: compare the P-Mode with "
    "what it can do.",
    "EBMS:0052": "The peer does not accept how the payloads are compressed. Ours are application/gzip, as AS4 asks: "
    "ask the peer what it expects.",
    "EBMS:4001": _DUPLICATE,
    "EBMS:0202": "The peer took the message but could not finish with it: ask the peer, then resend.",
    "EBMS:0004": "The peer's catch-all: its receiver may be unknown there, its security check may have failed, or its "
    "own system. Ask the peer, with the MessageId.",
}

_LONGEST = 500
_UUID = "[0-9A-Fa-f]{8}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{12}"
_CPR = re.compile(rf"(\b{_UUID}\b)|(?<![0-9])[0-9]{{6}}-?[0-9]{{4}}(?![0-9])")
"""Of its form; one in a hundred UUIDs has a stretch like that, and people ask by them."""
_INVISIBLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")


def hint(code: str | None, text: str = "") -> str:
    """What to look at after an error with this code and the `text` that came with it."""
    said = next((words for words in _TEXTS if words in text), None) if code in _VAGUE else None
    return _TEXTS[said] if said else _HINTS.get(code or "", "Ask the peer, with the MessageId.")


def told(errors: Iterable[ErrorSignal]) -> str:
    """A peer's errors as one line: codes and texts, bounded, without what looks like a CPR number."""
    return "; ".join(told_once(error) for error in errors)


def told_once(error: ErrorSignal) -> str:
    """One error as one line."""
    texts = dict.fromkeys(text for text in (error.short, error.description, error.detail) if text)
    return quoted(f"{error.code} {': '.join(texts)}".strip())


def advised(error: ApError) -> str:
    """What happened and what to do, as sentences."""
    return f"{error.what.removesuffix('.')}. {error.fix}"


def quoted(text: str) -> str:
    """A peer's text for our log and events: one line, bounded, numbers of the form of a CPR number masked.

    UUIDs stay whole.
    """
    line = _CPR.sub(lambda found: found[1] or "[number]", _INVISIBLE.sub(" ", text))
    return line if len(line) <= _LONGEST else line[: _LONGEST - 1] + "…"
