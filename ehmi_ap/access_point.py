"""The access point: the one file that names concrete parts, joins, starts and stops them."""

from collections.abc import AsyncIterator, Mapping
from types import TracebackType

from ehmi_ap.agreements import Agreements
from ehmi_ap.config import Config
from ehmi_ap.model import DeliveryEvent, MessageId, Submission, Wire
from ehmi_ap.ports import Backend, Blobs, Store


class AccessPoint:
    """An AS4 access point: submit, receive, and everything in between, as long as it is started.

    `config`, `store`, `blobs` and `agreements` may be read; the last is replaced as a whole when an administrator
    changes it.
    """

    config: Config
    store: Store
    blobs: Blobs
    agreements: Agreements

    def __init__(self, config: Config, *, backends: Mapping[str, Backend] | None = None) -> None:
        """`backends` stand beside those of the configuration, by name; nothing is opened yet."""

    async def __aenter__(self) -> "AccessPoint": ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    async def start(self) -> None:
        """Open the store and start sending and delivering. Raises ConfigError, StoreError."""

    async def stop(self) -> None:
        """Finish what is in flight, within the grace time, and close the store."""

    async def submit(self, submission: Submission, *, backend: str | None = None) -> MessageId: ...

    async def receive(self, wire: Wire) -> Wire: ...

    def events(
        self, *, after: int = 0, message_id: MessageId | None = None, follow: bool = True
    ) -> AsyncIterator[DeliveryEvent]: ...

    async def resend(self, key: int) -> None:
        """Raises NotFound, NotAllowed."""

    async def acknowledge(self, key: int) -> None:
        """C4 has fetched the message itself. Idempotent. Raises NotFound, NotAllowed."""

    async def put_pmode(self, name: str, table: Mapping[str, object]) -> None: ...

    async def delete_pmode(self, name: str) -> None: ...

    async def put_certificate(self, name: str, data: bytes) -> None: ...

    async def delete_certificate(self, name: str) -> None: ...

    def health(self) -> Mapping[str, object]: ...
