"""C1 and C4 over our own REST: C1 posts to /messages, C4 fetches from /inbox and acknowledges.

The faces do the work (server/); this says only that nothing is delivered from our side, and that events are fetched
too. Delivery is exactly once: a message leaves the inbox when C4 has acknowledged it.
"""

from collections.abc import Mapping

from ehmi_ap.errors import BackendError, ConfigError
from ehmi_ap.model import UserMessage
from ehmi_ap.ports import Submit


class RestBackend:
    """C4 fetches its messages, C1 reads its events."""

    fetches = True

    @classmethod
    def from_config(cls, name: str, table: Mapping[str, object], **_place: object) -> "RestBackend":
        """It has no options. Raises ConfigError."""
        if table:
            keys = ", ".join(sorted(table))
            raise ConfigError([f"ehmi-ap.toml: [backends.{name}]: a rest backend has no {keys}; leave it out"])
        return cls()

    async def deliver(self, message: UserMessage) -> None:
        """Never called, as C4 fetches; raises BackendError."""
        raise BackendError(f"message {message.message_id} waits to be fetched over REST", fix="Fetch it from /inbox.")

    async def run(self, submit: Submit) -> None:
        """Nothing to feed: C1 posts to /messages."""
