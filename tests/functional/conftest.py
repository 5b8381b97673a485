"""Two access points that know each other, over both stores."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from msh import Ehmi
from sim import Net, Site


@pytest.fixture
def net() -> Net:
    return Net()


@pytest.fixture(params=["memory", "sqlite"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path | None:
    """Where the sites keep their stores; None for stores in memory."""
    return tmp_path if request.param == "sqlite" else None


@pytest.fixture
async def c2(net: Net, folder: Path | None, test_pki: Any) -> AsyncIterator[Site]:
    site = Site(net, "c2", test_pki.sender, folder=folder and folder / "c2")
    await site.open()
    yield site
    await site.close()


@pytest.fixture
async def c3(net: Net, folder: Path | None, test_pki: Any, c2: Site) -> AsyncIterator[Site]:
    """C3; it and C2 know each other."""
    site = Site(net, "c3", test_pki.receiver, folder=folder and folder / "c3")
    await site.open()
    c2.knows(site)
    site.knows(c2)
    yield site
    await site.close()


@pytest.fixture
async def ehmi(net: Net, folder: Path | None, test_pki: Any) -> AsyncIterator[Ehmi]:
    """Access points of EHMI."""
    made = Ehmi(net, test_pki, folder)
    for site in made.behind.values():
        await site.open()
    yield made
    for site in made.behind.values():
        await site.close()
