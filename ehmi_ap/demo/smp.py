"""An SMP: where participants receive what, signed, in three dialects (Peppol SMP 1.4, OASIS SMP 1.0 and 2.0).

    publisher = Publisher(pair)
    async with serving(publisher.page, tls=context) as publisher.base:
        publisher.register(metadata, now=now)

At the URLs of SMP 1.x it answers in one dialect, and below /bdxr-smp-2 in OASIS SMP 2.0, as other products do. What is
signed, is signed once: when it is registered.
"""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from typing import Literal

from ehmi_ap.crypto.certificate import Certificate
from ehmi_ap.crypto.keys import KeyPair
from ehmi_ap.demo.pages import Page, Segments, segments
from ehmi_ap.discovery import smp
from ehmi_ap.discovery.found import Identifier
from ehmi_ap.discovery.published import (
    Document,
    Group,
    Metadata,
    Process,
    PublishedCertificate,
    Redirect,
    Reference,
    Target,
)
from ehmi_ap.discovery.smp_urls import SMP2, group_urls, metadata_urls
from ehmi_ap.model import Participant


class Publisher:
    """What one SMP has; it may change while it is served. `base` is the URL at which it is, for its own references."""

    def __init__(self, pair: KeyPair, *, dialect: Literal["peppol", "oasis1"] = "oasis1") -> None:
        """`pair` signs; `dialect` is that of the URLs of SMP 1.x."""
        self.base = ""
        self._pair = pair
        self._dialect = dialect
        self._pages: dict[Segments, Page] = {}
        self._registered: dict[Participant, dict[Identifier, datetime]] = {}

    def register(self, metadata: Metadata, *, now: datetime) -> None:
        """Publish this, in the place of what there was for the same participant and document; `now` is aware."""
        first = replace(metadata, dialect=self._dialect)
        self._put(metadata.participant, metadata.document, first, replace(metadata, dialect="oasis2"), now)

    def redirect(
        self, participant: Participant, document: Identifier, *, to: str, signer: Certificate, now: datetime
    ) -> None:
        """Say that the SMP at the base URL `to` has the metadata, signed by `signer` (spec/discovery.md 2.7)."""
        [href, *_] = metadata_urls(to, participant, document, smp2=False)
        target = Target(href=href, subject=signer.x509.subject.rfc4514_string())
        second = Target(href=to, certificates=(PublishedCertificate(certificate=signer),))
        anywhere = Metadata(
            dialect="oasis2",
            participant=participant,
            document=document,
            processes=(Process(identifiers=(), redirect=second),),
        )
        self._put(participant, document, Redirect(dialect=self._dialect, target=target), anywhere, now)

    def remove(self, participant: Participant, document: Identifier) -> None:
        """Let it not be there any more, and the participant neither when this was its last document."""
        for smp2 in (False, True):
            for path in _paths(participant, document, smp2=smp2):
                self._pages.pop(path, None)
        documents = self._registered.get(participant, {})
        documents.pop(document, None)
        if not documents:
            self._registered.pop(participant, None)

    def page(self, path: Segments) -> Page | None:
        """What is at this path below `base`."""
        if "services" in path:
            return self._pages.get(_folded(path))
        return self._group(_folded(path))

    def _put(
        self, participant: Participant, document: Identifier, first: Document, second: Document, now: datetime
    ) -> None:
        for smp2, content in ((False, first), (True, second)):
            page = Page(body=smp.write(content, self._pair), since=now)
            self._pages.update(dict.fromkeys(_paths(participant, document, smp2=smp2), page))
        self._registered.setdefault(participant, {})[document] = now

    def _group(self, path: Segments) -> Page | None:
        smp2 = path[:1] == (SMP2,)
        for participant, documents in self._registered.items():
            if path in (_folded(segments(each)) for each in group_urls("", participant, smp2=smp2)):
                references = tuple(
                    Reference(document=each, href=metadata_urls(self.base, participant, each, smp2=smp2)[0])
                    for each in documents
                )
                dialect = "oasis2" if smp2 else self._dialect
                group = Group(dialect=dialect, participant=participant, references=references)
                return Page(body=smp.write(group, self._pair), since=max(documents.values()))
        return None


def _paths(participant: Participant, document: Identifier, *, smp2: bool) -> Iterator[Segments]:
    return (_folded(segments(each)) for each in metadata_urls("", participant, document, smp2=smp2))


def _folded(path: Segments) -> Segments:
    """The participant in small letters: its identifier is the same in any (spec/discovery.md 1.2)."""
    at = 1 if path[:1] == (SMP2,) else 0
    return (*path[:at], *(each.lower() for each in path[at : at + 1]), *path[at + 1 :])
