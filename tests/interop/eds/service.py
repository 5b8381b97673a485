"""EDS: the judge of AuditEvents behind TLS and tokens (tests/interop/fhir), at one port through all its lives."""

import json
from contextlib import AsyncExitStack
from pathlib import Path

from tests.interop.eds.identities import Identities
from tests.interop.eds.realm import AUDIENCE, Json
from tests.interop.fhir import judge
from tests.interop.identities import PASSWORD
from tests.pair import free_ports


class Eds:
    """What it took stays when it is stopped; the keys of the authorization server do not."""

    def __init__(self, profiles: Path, folder: Path, ids: Identities, *, issuer: str) -> None:
        self.versions: Json = {}
        self._profiles = profiles
        self._log = folder / "eds.log"
        self._config = folder / "eds.json"
        self._taken = folder / "taken.ndjson"
        [self._port] = free_ports(1)
        self._life: AsyncExitStack | None = None
        self._config.write_text(
            json.dumps(
                {
                    "port": self._port,
                    "p12": str(ids.files / "server.p12"),
                    "password": PASSWORD,
                    "trust": str(ids.trusted),
                    "issuer": issuer,
                    "audience": AUDIENCE,
                    "keys": f"{issuer}/protocol/openid-connect/certs",
                    "taken": str(self._taken),
                }
            )
        )

    @property
    def base(self) -> str:
        return f"https://127.0.0.1:{self._port}"

    async def start(self) -> None:
        """Raises Missing, PeerFailed."""
        if self._life is None:
            life = AsyncExitStack()
            self.versions = await life.enter_async_context(judge.running(self._profiles, self._log, self._config))
            self._life = life

    async def stop(self) -> None:
        """End its process."""
        life, self._life = self._life, None
        if life is not None:
            await life.aclose()

    @property
    def taken(self) -> list[Json]:
        """All events that it took, in their order."""
        lines = self._taken.read_text("utf-8").splitlines() if self._taken.exists() else []
        return [json.loads(line) for line in lines]
