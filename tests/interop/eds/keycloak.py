"""Keycloak, the authorization server: processes on ports of the loopback, with a folder of its own, and its administrator.

It is stopped and started again with what it knows: keys, clients and scopes.
"""

import asyncio
import os
import signal
import ssl
from contextlib import suppress
from pathlib import Path
from typing import Any

import aiohttp

from tests.interop import maven
from tests.interop.eds import clients
from tests.interop.eds.identities import Identities
from tests.interop.eds.realm import NAME, Json
from tests.interop.peer import PeerFailed
from tests.pair import free_ports

STARTED = 180.0
"""Seconds that the first start may take on a busy machine; there it makes its database."""
ENDED = 30.0
_ADMINISTRATOR = {"client_id": "administrator", "client_secret": "throw-away"}


class Keycloak:
    """One Keycloak; `home` is the folder of the distribution (`maven.keycloak`), `folder` an empty one."""

    def __init__(self, home: Path, folder: Path, ids: Identities) -> None:
        self._home = home
        self._folder = folder.resolve()
        self._port, self._management = free_ports(2)
        self._process: asyncio.subprocess.Process | None = None
        self._tls = ssl.create_default_context(cafile=ids.files / "server.chain.pem")
        self._options = {
            "cache": "local",
            "http-host": "127.0.0.1",
            "https-port": self._port,
            "http-management-host": "127.0.0.1",
            "http-management-port": self._management,
            "hostname": self.url,
            "https-certificate-file": ids.chain("server"),
            "https-certificate-key-file": ids.key("server"),
            "https-trust-store-file": ids.trusted,
        }

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self._port}"

    @property
    def issuer(self) -> str:
        return f"{self.url}/realms/{NAME}"

    @property
    def version(self) -> str:
        """That of the distribution."""
        return self._home.name.removeprefix("keycloak-")

    @property
    def log(self) -> Path:
        return self._folder / "keycloak.log"

    async def start(self) -> None:
        """Raises PeerFailed when it does not."""
        if self._process is not None:
            return
        own = self._folder / "home"
        if not own.exists():  # what it writes goes here; the distribution is only read
            own.mkdir(parents=True)
            (own / "lib").symlink_to(self._home / "lib")
        options = [f"--{name}={value}" for name, value in self._options.items()]
        environment = {
            **os.environ,
            "JAVA": str(maven.java()),
            "JAVA_OPTS_KC_HEAP": "-Xms64m -Xmx512m",
            "JAVA_OPTS_APPEND": maven.QUICK,
            **{f"KC_BOOTSTRAP_ADMIN_{name.upper()}": value for name, value in _ADMINISTRATOR.items()},
        }
        with self.log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *(str(self._home / "bin" / "kc.sh"), "start", "--optimized", f"-Dkc.home.dir={own}", *options),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=environment,
                start_new_session=True,  # the script and its JVM are ended together
            )
        await self._ready(self._process)

    async def stop(self) -> None:
        """End its processes."""
        process, self._process = self._process, None
        if process is None or process.returncode is not None:
            return
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
            try:
                async with asyncio.timeout(ENDED):
                    await process.wait()
            except TimeoutError:
                os.killpg(process.pid, signal.SIGKILL)
        await process.wait()

    async def create(self, realm: Json) -> None:
        """A realm with all that is in it."""
        await self._administer("POST", "/admin/realms", realm)

    async def change(self, client_id: str, **changes: Any) -> None:
        """Something of a client."""
        await self._administer("PUT", f"/admin/realms/{NAME}/clients/{client_id}", {"clientId": client_id, **changes})

    async def _ready(self, process: asyncio.subprocess.Process) -> None:
        url = f"https://127.0.0.1:{self._management}/health/ready"
        try:
            async with asyncio.timeout(STARTED), aiohttp.ClientSession() as session:
                while process.returncode is None:
                    try:
                        async with session.get(url, ssl=self._tls) as answer:
                            if answer.status == 200:
                                return
                    except aiohttp.ClientError:
                        pass
                    await asyncio.sleep(0.1)
        except TimeoutError:
            pass
        raise PeerFailed(f"Keycloak did not start:\n{self.log.read_text(errors='replace')[-2000:]}")

    async def administrator(self) -> str:
        """A token of the realm `master`."""
        form = {"grant_type": "client_credentials", **_ADMINISTRATOR}
        said = await clients.post(f"{self.url}/realms/master/protocol/openid-connect/token", self._tls, data=form)
        return str(said.body["access_token"])

    async def _administer(self, method: str, path: str, said: Json) -> None:
        headers = {"Authorization": f"Bearer {await self.administrator()}"}
        async with (
            aiohttp.ClientSession() as session,
            session.request(method, self.url + path, json=said, headers=headers, ssl=self._tls) as answer,
        ):
            if answer.status not in (201, 204):
                raise PeerFailed(f"{method} {path}: HTTP {answer.status} {await answer.text()}")
