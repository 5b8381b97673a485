"""Document types with a wildcard: which of a participant's fits the one that is to be sent (Peppol PFUOI 4.3).

The rule is that of PINT: `SYNTAX##CUSTOMIZATION::VERSION`, where a customization that is registered with `*` at its
end stands for all that begin so, part by part. The participant's ServiceGroup says what is registered; the longest
match is taken. Document types of any other scheme stand for themselves alone (spec/discovery.md 2.4).
"""

from collections.abc import Iterable, Iterator

from ehmi_ap.discovery.found import Identifier

SCHEME = "peppol-doctype-wildcard"


def matching(document: Identifier, registered: Iterable[Identifier]) -> Identifier | None:
    """What of `registered` is to be asked for `document`: itself, else the nearest with a wildcard, else None."""
    known = list(registered)
    return next((each for each in candidates(document) if each in known), None)


def candidates(document: Identifier) -> Iterator[Identifier]:
    """The document types that stand for `document`, nearest first."""
    yield document
    syntax, separator, rest = document.value.partition("##")
    customization, colons, version = rest.rpartition("::")
    if document.scheme != SCHEME or not separator or not colons or "*" in customization:
        return
    while customization:
        yield Identifier(f"{syntax}##{customization}*::{version}", SCHEME)
        customization = customization.rpartition("@")[0]
