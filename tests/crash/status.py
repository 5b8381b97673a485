"""EDS for the crash run: real, over mutual TLS, and moody. What it was told is compared with what C1 sent.

It is unwell now and then (503), and sometimes takes an event and breaks the connection before it says so: an access
point has to tell that one again. It runs in a thread of its own.
"""

import asyncio
import random
import threading
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path

from aiohttp import web

from ehmi_ap.demo.authorization import Enrolment
from ehmi_ap.demo.bundle import RECEIVER, SENDER
from ehmi_ap.model import Organisation
from ehmi_ap.net.tls import server_context
from tests import pair
from tests.delivery_status import AuthorizationServer, StatusService, let_report
from tests.servers import TlsFiles, peer

UNWELL, CUT_OFF = 0.1, 0.1
"""How often it does not take an event, and how often it does not say that it has."""


class MoodyEds(threading.Thread):
    """Started and ended with the crash run."""

    def __init__(self, folder: Path, chance: random.Random) -> None:
        super().__init__(name="eds")
        self._files = TlsFiles(folder)
        self._chance = chance
        served = frozenset(Organisation(each.sor, each.gln) for each in (SENDER, RECEIVER))
        self._enrolment = Enrolment(
            client_id="our-ap", subject="CN=client,O=Test,C=DK", device_id="Our-AP", organisations=served
        )
        self._authorization = AuthorizationServer(self._enrolment)
        self._service = StatusService(self._authorization.key.public_key())
        eds, issuer = pair.free_ports(2)
        self._ports = (eds, issuer)
        self._loop = asyncio.new_event_loop()
        self._ended = asyncio.Event()
        self.calm = False

    def serve(self, sides: Iterable[pair.Side]) -> None:
        """Let these report; before they are started."""
        for side in sides:
            let_report(side, self._enrolment, ports=self._ports, tls=self._files, client=self._files.client)

    def run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._serve())
        self._loop.close()

    def end(self) -> None:
        self._loop.call_soon_threadsafe(self._ended.set)
        self.join()

    def faults(self, envelopes: Iterable[str]) -> list[str]:
        """What EDS was not told, and what in another order, of envelopes that were sent and delivered."""
        told = self._told()
        found = []
        for organisation in (SENDER, RECEIVER):
            histories = [told.get((organisation.sor, envelope), []) for envelope in envelopes]
            untold = sum(set(history) != {"msg-received", "msg-sent"} for history in histories)
            disordered = sum(history != sorted(history) for history in histories)
            if untold:
                found.append(f"EDS was not told both events of {untold} envelopes by {organisation.name}")
            if disordered:
                found.append(f"EDS was told {disordered} envelopes in another order by {organisation.name}")
        return found

    def _told(self) -> Mapping[tuple[str, str], list[str]]:
        """The subtypes of each envelope, by whose token they came."""
        told: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
        for event, context in zip(self._service.taken, self._service.contexts, strict=True):
            [envelope] = [e for e in event["entity"] if e["type"]["code"] == "ehmiTransportEnvelope"]
            told[context.sor, envelope["what"]["identifier"]["value"]].append(event["subtype"][0]["code"])
        return told

    async def _serve(self) -> None:
        context = server_context(certificate=self._files.server, client_ca=self._files.client_ca)
        async with peer(self._answer, context, self._ports[0]), peer(self._authorization, context, self._ports[1]):
            await self._ended.wait()

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        mood = 1.0 if self.calm else self._chance.random()
        if mood < UNWELL:
            return web.Response(status=503)
        answer = await self._service(request)
        if mood < UNWELL + CUT_OFF and request.transport is not None:
            request.transport.abort()
        return answer
