"""From one of our SMPs to another."""

from ehmi_ap.discovery.published import Dialect
from ehmi_ap.discovery.smp_urls import metadata_urls
from tests.interop.cells import Cell
from tests.interop.smp import limits
from tests.interop.smp.scene import Scene
from tests.interop.smp.terms import FIRST, TWO, adding, as_told, other, redirect, refused

CELLS: list[Cell] = []
cell = adding(CELLS)

REDIRECTED = "Redirects"


@cell(REDIRECTED, "{} redirect to another SMP", "followed, and its signer is the one announced", dialects=FIRST)
async def redirected(scene: Scene, dialect: Dialect) -> None:
    wanted = other(11)
    redirect(scene, dialect, wanted)
    answer = await scene.ask("metadata", dialect, wanted)
    assert answer["processes"][0]["endpoints"] == [as_told(scene.endpoint(), dialect)]
    assert len(scene.asked) == 2


@cell(REDIRECTED, "{} redirect that announces another signer", "refused", dialects=FIRST)
async def other_signer(scene: Scene, dialect: Dialect) -> None:
    wanted = other(12)
    redirect(scene, dialect, wanted, signer="here")
    assert "certificate UID of the redirect did not match" in refused(await scene.ask("metadata", dialect, wanted))
    assert len(scene.asked) == 2


@cell(
    REDIRECTED,
    "{} redirect to the base URL of another SMP",
    "read and verified; then the base URL itself is asked",
    dialects=TWO,
    explained={"oasis2": limits.REDIRECT_2},
)
async def redirected_base(scene: Scene, dialect: Dialect) -> None:
    wanted = other(13)
    redirect(scene, dialect, wanted)
    assert "SMPClientNotFoundException" in refused(await scene.ask("metadata", dialect, wanted))
    assert scene.asked[1:] == [()]


@cell(
    REDIRECTED,
    "{} redirect to the URL of the metadata",
    "followed and verified; then refused",
    dialects=TWO,
    explained={"oasis2": limits.REDIRECT_2},
)
async def redirected_metadata(scene: Scene, dialect: Dialect) -> None:
    wanted = other(14)
    base = scene.smp(dialect, "elsewhere").base
    redirect(scene, dialect, wanted, to=metadata_urls(base, wanted.participant, wanted.document, smp2=True)[0])
    assert "did not contain a certificate subject" in refused(await scene.ask("metadata", dialect, wanted))
    assert len(scene.asked) == 2
