"""How we speak HTTP as a client, whomever we call: no cookies, no encoding offered, nothing undone behind our back."""

from abc import ABC, abstractmethod
from importlib.metadata import version
from types import TracebackType
from typing import Self

import aiohttp


def session(
    connector: aiohttp.TCPConnector, *, answers: type[aiohttp.ClientResponse] = aiohttp.ClientResponse
) -> aiohttp.ClientSession:
    """A session that owns `connector`; `answers` is the class of its responses."""
    return aiohttp.ClientSession(
        connector=connector,
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        response_class=answers,
        headers={"Accept-Encoding": "identity", "User-Agent": f"ehmi-ap/{version('ehmi-ap')}"},
    )


class Closing(ABC):
    """What is ended by close(), or by leaving its block."""

    @abstractmethod
    async def close(self) -> None:
        """Close all connections."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()
