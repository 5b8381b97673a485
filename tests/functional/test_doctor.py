"""doctor: from the participant to the receipt, over real DNS, SMP, TLS and AS4; and every link broken on purpose."""

import inspect
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests import links_reference
from tests.broken_links import LINKS, Link
from tests.whole_way import Way, whole_way


@pytest.fixture
async def way(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Way]:
    monkeypatch.chdir(tmp_path)
    async with whole_way(tmp_path, capsys, monkeypatch) as made:
        await made.start()
        yield made


async def test_all_links_hold(way: Way) -> None:
    code, found = await way.doctor()
    assert (code, found["outcome"], found["problem"]) == (0, "found", None), found
    assert found["endpoint"]["url"] == way.url
    assert all(step["ok"] and not step["warning"] for step in found["steps"]), found["steps"]


@pytest.mark.parametrize("link", LINKS, ids=lambda link: link.what)
async def test_a_broken_link_is_named(way: Way, link: Link) -> None:
    """With its outcome, its reason, the sentence and the fix of the table."""
    if inspect.isawaitable(broken := link.breaks(way)):
        await broken
    code, found = await way.doctor()
    problem = found["problem"]
    assert (code, found["outcome"], problem and problem["reason"]) == (1, link.outcome, link.reason), found
    assert re.fullmatch(".*".join(map(re.escape, link.says.split("..."))), problem["what"]), problem["what"]
    assert problem["fix"] == link.fix


def test_the_page_says_what_is_tested_here() -> None:
    """Otherwise: python -m tests.links_reference"""
    assert links_reference.FILE.read_text(encoding="utf-8") == links_reference.render()
