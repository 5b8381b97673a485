"""How a cell is written here, and what the cells have in common."""

import base64
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime

from lxml import etree

from ehmi_ap.crypto.algorithms import DS
from ehmi_ap.discovery.found import Identifier, Wanted
from ehmi_ap.discovery.published import Dialect, PublishedEndpoint
from ehmi_ap.model import Participant
from tests.interop.cells import Cell, Limit, Way
from tests.interop.letters import Json
from tests.interop.smp.scene import DIALECTS, Scene, Site
from tests.publisher import WANTED

Run = Callable[[Scene, Dialect], Awaitable[None]]
TITLES: dict[Dialect, str] = {"peppol": "Peppol SMP 1.4", "oasis1": "OASIS SMP 1.0", "oasis2": "OASIS SMP 2.0"}
FIRST: tuple[Dialect, ...] = ("peppol", "oasis1")
ONE: tuple[Dialect, ...] = ("oasis1",)
TWO: tuple[Dialect, ...] = ("oasis2",)


def adding(cells: list[Cell]) -> Callable[..., Callable[[Run], Run]]:
    """A decorator that makes a cell of a function for each of the dialects, and adds it to `cells`."""

    def cell(
        group: str,
        what: str,
        expected: str,
        *,
        dialects: tuple[Dialect, ...] = DIALECTS,
        explained: dict[Dialect, Limit] | None = None,
        way: Way = Way.READ,
    ) -> Callable[[Run], Run]:
        def add(run: Run) -> Run:
            for dialect in dialects:
                limit = (explained or {}).get(dialect)
                cells.append(
                    Cell(
                        f"smp-{run.__name__.replace('_', '-')}" + (f"-{dialect}" if len(dialects) > 1 else ""),
                        group,
                        way,
                        what.format(TITLES[dialect]),
                        expected,
                        _bound(run, dialect),
                        limit,
                    )
                )
            return run

        return add

    return cell


def _bound(run: Run, dialect: Dialect) -> Callable[[Scene], Awaitable[None]]:
    return lambda scene: run(scene, dialect)


def other(number: int) -> Wanted:
    """A participant of a cell's own."""
    return replace(WANTED, participant=Participant(f"0088:579000000{number:04}", WANTED.participant.scheme))


def told(identifier: Participant | Identifier) -> Json:
    return {"scheme": identifier.scheme, "value": identifier.value}


def as_told(endpoint: PublishedEndpoint, dialect: Dialect) -> Json:
    """An endpoint in the words of the clients: times in UTC, whole days in OASIS SMP 2.0."""

    def text(at: datetime | None) -> str | None:
        if at is None:
            return None
        return at.date().isoformat() if dialect == "oasis2" else at.replace(tzinfo=None).isoformat()

    certificate = endpoint.certificates[0].certificate
    assert certificate is not None
    return {
        "profile": endpoint.transport_profile,
        "url": endpoint.url,
        "certificate": base64.b64encode(certificate.der).decode(),
        "activates": text(endpoint.activates),
        "expires": text(endpoint.expires),
    }


def refused(answer: Json) -> str:
    """Every exception, outermost first."""
    assert list(answer) == ["refused"], answer
    return "\n".join(answer["refused"])


def redirect(scene: Scene, dialect: Dialect, wanted: Wanted, *, signer: Site = "elsewhere", to: str = "") -> None:
    """From our first SMP to the second, which is announced to sign as `signer`."""
    scene.register(dialect, wanted=wanted, site="elsewhere")
    scene.smp(dialect).redirect(
        wanted.participant,
        wanted.document,
        to=to or scene.smp(dialect, "elsewhere").base,
        signer=scene.signers[signer],
        now=scene.now,
    )


def signature(root: etree._Element) -> etree._Element:
    [found] = root.iterchildren(f"{{{DS}}}Signature")
    return found
