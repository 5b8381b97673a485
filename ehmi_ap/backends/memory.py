"""C1 and C4 in the program that embeds the access point.

    async def take(message): ...                      # returns once the host has it durably; raises to be asked again
    ap = AccessPoint(config, backends={"host": MemoryBackend(on_message=take)})

Without callbacks, messages and events wait in queues in memory: good for tests and demos, but what waits there is lost
with the process, as far as C3 is concerned it was delivered. The host submits with `ap.submit`.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping

from ehmi_ap.errors import ConfigError
from ehmi_ap.model import DeliveryEvent, UserMessage
from ehmi_ap.ports import Submit

OnMessage = Callable[[UserMessage], Awaitable[None]]
OnEvent = Callable[[DeliveryEvent], Awaitable[None]]


class MemoryBackend:
    """Hands messages and events to callbacks, or puts them into `messages` and `events`.

    A message may come again after a crash between the callback's return and our commit: `(message.from_.id,
    message.message_id)` names it.
    """

    fetches = False

    def __init__(self, *, on_message: OnMessage | None = None, on_event: OnEvent | None = None) -> None:
        self.messages: asyncio.Queue[UserMessage] = asyncio.Queue()
        self.events: asyncio.Queue[DeliveryEvent] = asyncio.Queue()
        self._on_message: OnMessage = on_message or self.messages.put
        self._on_event: OnEvent = on_event or self.events.put

    @classmethod
    def from_config(cls, name: str, table: Mapping[str, object], **_place: object) -> "MemoryBackend":
        """One with queues; a host with callbacks passes its own to AccessPoint. It has no options: ConfigError."""
        if table:
            keys = ", ".join(sorted(table))
            raise ConfigError([f"ehmi-ap.toml: [backends.{name}]: a memory backend has no {keys}; leave it out"])
        return cls()

    async def deliver(self, message: UserMessage) -> None:
        """Await the host's callback; what it raises means: ask again."""
        await self._on_message(message)

    async def notify(self, event: DeliveryEvent) -> None:
        """Await the host's callback."""
        await self._on_event(event)

    async def run(self, submit: Submit) -> None:
        """Nothing to feed: the host calls `ap.submit`."""
