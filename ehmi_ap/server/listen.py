"""Both listeners, and the life of a daemon."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from ehmi_ap.access_point import AccessPoint
from ehmi_ap.config import Config


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where the two listeners really listen (port 0 in the configuration lets the system choose)."""

    as4: str  # e.g. https://127.0.0.1:8443/as4
    internal: str  # e.g. http://127.0.0.1:8080


@asynccontextmanager
async def listening(ap: AccessPoint) -> AsyncIterator[Addresses]:
    """Both listeners of a started access point, open while the block runs; requests under way end first."""
    raise RuntimeError("being written")
    yield


async def serve(config: Config, *, ready: Callable[[Addresses], None] | None = None) -> None:
    """Run an access point with both listeners until SIGTERM or SIGINT; `ready` is called once both listen."""
    raise RuntimeError("being written")


def run(config: Config) -> None:
    """serve(), on uvloop where that is installed."""
    raise RuntimeError("being written")
