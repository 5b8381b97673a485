"""Documents over HTTP: by the path as it is written, with 304 for what did not change."""

from datetime import UTC, datetime, timedelta

import aiohttp
import pytest
from yarl import URL

from ehmi_ap.demo.pages import Page, Segments, segments, serving

SINCE = datetime(2026, 11, 23, 12, 0, 0, 500, tzinfo=UTC)
SAYS = "Mon, 23 Nov 2026 12:00:00 GMT"


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("", ()),
        ("/", ()),
        ("/a", ("a",)),
        ("/a/", ("a",)),
        ("/a//b", ("a", "", "b")),
        ("/a%2Fb/c%3A%3Ad%23%23e", ("a/b", "c::d##e")),
        ("/a:b", ("a:b",)),
        ("/%252F", ("%2F",)),
        ("/s%C3%B8g", ("søg",)),
    ],
)
def test_a_path_is_its_segments(path: str, expected: Segments) -> None:
    assert segments(path) == expected


def pages(path: Segments) -> Page | None:
    return Page(body=repr(path).encode(), content_type="application/x-test", since=SINCE) if path else None


async def test_a_page() -> None:
    async with serving(pages) as base, aiohttp.ClientSession() as session:
        async with session.get(URL(f"{base}/a%2Fb/c?d=e", encoded=True)) as answer:
            assert (answer.status, await answer.read()) == (200, b"('a/b', 'c')")
            assert (answer.headers["Content-Type"], answer.headers["Last-Modified"]) == ("application/x-test", SAYS)
        async with session.get(base) as answer:
            assert answer.status == 404
        async with session.post(f"{base}/a", data=b"x") as answer:
            assert (answer.status, answer.headers["Allow"]) == (405, "GET")


async def test_pages_below_a_path() -> None:
    async with serving(pages, path="/smp/one") as base, aiohttp.ClientSession() as session:
        assert base.endswith("/smp/one")
        async with session.get(f"{base}/a") as answer:
            assert await answer.read() == b"('a',)"
        async with session.get(f"{base}/../a") as answer:
            assert answer.status == 404


@pytest.mark.parametrize(
    ("seconds", "status"), [(-1, 200), (0, 304), (1, 304)], ids=["changed since", "the same", "older"]
)
async def test_a_page_that_did_not_change(seconds: int, status: int) -> None:
    known = (SINCE + timedelta(seconds=seconds)).strftime("%a, %d %b %Y %H:%M:%S GMT")
    async with (
        serving(pages) as base,
        aiohttp.ClientSession() as session,
        session.get(f"{base}/a", headers={"If-Modified-Since": known}) as answer,
    ):
        assert (answer.status, bool(await answer.read())) == (status, status == 200)
