"""What our SMP publishes, by the clients of peppol-commons."""

from dataclasses import replace
from datetime import UTC, datetime, time, timedelta

from ehmi_ap.discovery.found import Identifier
from ehmi_ap.discovery.published import Dialect, Process
from tests.interop.cells import Cell
from tests.interop.smp import limits
from tests.interop.smp.scene import Scene
from tests.interop.smp.terms import adding, as_told, other, told
from tests.publisher import WANTED

CELLS: list[Cell] = []
cell = adding(CELLS)

PUBLISHED = "What is published"


@cell(PUBLISHED, "{} service metadata", "valid by schema and signature; participant, document, process and endpoint")
async def metadata(scene: Scene, dialect: Dialect) -> None:
    scene.register(dialect)
    answer = await scene.ask("metadata", dialect)
    assert answer == {
        "participant": told(WANTED.participant),
        "document": told(WANTED.document),
        "processes": [{"identifiers": [told(WANTED.process)], "endpoints": [as_told(scene.endpoint(), dialect)]}],
    }


@cell(PUBLISHED, "{} service group", "the participant, and all of its document types")
async def group(scene: Scene, dialect: Dialect) -> None:
    wanted = other(1)
    second = replace(wanted, document=Identifier("urn:other/document::a b*@#1", "busdox-docid-qns"))
    scene.register(dialect, wanted=wanted)
    scene.register(dialect, wanted=second)
    answer = await scene.ask("group", dialect, wanted)
    assert answer["participant"] == told(wanted.participant)
    assert answer["documents"] == [told(wanted.document), told(second.document)]


def days(dialect: Dialect, now: datetime, number: int) -> datetime:
    """OASIS SMP 2.0 publishes days."""
    at = now + timedelta(days=number)
    return datetime.combine(at.date(), time(), UTC) if dialect == "oasis2" else at


@cell(PUBLISHED, "{} metadata of two processes, each with two endpoints, with and without dates", "all of them")
async def processes(scene: Scene, dialect: Dialect) -> None:
    wanted = other(2)
    plain = scene.endpoint(url="https://ap.example/other?a=1&b=2", transport_profile="peppol-transport-as4-v2_0")
    dated = scene.endpoint(activates=days(dialect, scene.now, -1), expires=days(dialect, scene.now, 2))
    names = (wanted.process, Identifier("urn:ehmi:other<&>", "cenbii-procid-ubl"))
    published = tuple(Process(identifiers=(name,), endpoints=(plain, dated)) for name in names)
    scene.register(dialect, *published, wanted=wanted)
    answer = await scene.ask("metadata", dialect, wanted)
    endpoints = [as_told(each, dialect) for each in (plain, dated)]
    assert answer["processes"] == [{"identifiers": [told(name)], "endpoints": endpoints} for name in names]


@cell(PUBLISHED, "{} endpoint for a process and a transport profile", "the one")
async def endpoint(scene: Scene, dialect: Dialect) -> None:
    wanted = other(3)
    decoy = scene.endpoint(url="https://decoy.example", transport_profile="peppol-transport-as4-v2_0")
    elsewhere = Process(identifiers=(Identifier("urn:ehmi:other", wanted.process.scheme),), endpoints=(decoy,))
    here = Process(identifiers=(wanted.process,), endpoints=(decoy, scene.endpoint()))
    scene.register(dialect, elsewhere, here, wanted=wanted)
    answer = await scene.ask("endpoint", dialect, wanted)
    assert answer == {"endpoint": as_told(scene.endpoint(), dialect)}


@cell(
    PUBLISHED,
    "{} endpoint that is not active yet, before one that is",
    "the one that is active; where dates are not looked at, the first",
    explained={"oasis1": limits.DATES, "oasis2": limits.DATES},
)
async def dates(scene: Scene, dialect: Dialect) -> None:
    wanted = other(4)
    future = scene.endpoint(url="https://future.example", activates=days(dialect, scene.now, 3))
    both = Process(identifiers=(wanted.process,), endpoints=(future, scene.endpoint()))
    scene.register(dialect, both, wanted=wanted)
    answer = await scene.ask("endpoint", dialect, wanted)
    selected = scene.endpoint() if dialect == "peppol" else future
    assert answer == {"endpoint": as_told(selected, dialect)}
