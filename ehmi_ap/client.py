"""A small synchronous client for the REST of a running access point, on requests: what an MSH embeds.

    with Client("http://127.0.0.1:8080", token) as client:
        message_id = client.submit_sbd(Path("observation.xml"))
        for message in client.inbox():
            client.payload(message["message_id"], 1, to=Path("in.xml"), direction="inbound")
            client.ack(message["message_id"])

Answers are the JSON objects of docs/reference/rest.md. One Session, so that connections are kept.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

from ehmi_ap.errors import ApError, Fault

Json = dict[str, Any]
Source = Path | bytes | BinaryIO


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """A payload to submit: a file, bytes, or an open binary file that can seek."""

    source: Source
    mime_type: str
    content_id: str | None = None
    character_set: str | None = None
    properties: Sequence[Mapping[str, str]] = ()


class ClientError(ApError):
    """The access point said no; `problem` is its application/problem+json, `status` the HTTP status."""

    code = "client"
    fault = Fault.C1

    def __init__(self, status: int, problem: Mapping[str, Any]) -> None:
        super().__init__(str(problem.get("detail") or problem.get("title") or status), fix=problem.get("fix"))
        self.status = status
        self.problem = dict(problem)


class Client:
    """Talks to the internal listener at `url` with a backend's or the administrator's token."""

    def __init__(
        self,
        url: str,
        token: str | None = None,
        *,
        timeout: tuple[float, float] = (10.0, 300.0),
        verify: bool | str | Path = True,
    ) -> None: ...

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None: ...

    def submit_sbd(self, source: Source, *, pmode: str | None = None, message_id: str | None = None) -> str: ...

    def submit(self, metadata: Mapping[str, Any], payloads: Sequence[Upload]) -> str: ...

    def messages(
        self,
        *,
        direction: str | None = None,
        state: str | Sequence[str] = (),
        party: str | None = None,
        participant: str | None = None,
        conversation: str | None = None,
        since: datetime | str | None = None,
        page: int = 50,
    ) -> Iterator[Json]: ...

    def message(self, message_id: str, *, direction: str | None = None, party: str | None = None) -> Json: ...

    def events(self, message_id: str, *, direction: str | None = None, party: str | None = None) -> list[Json]: ...

    def watch(self, *, after: int = 0, wait: float = 25.0) -> Iterator[Json]: ...

    def receipt(self, message_id: str, *, direction: str | None = None, party: str | None = None) -> bytes: ...

    def payload(
        self, message_id: str, number: int, *, to: Path | BinaryIO, direction: str | None = None, party: str | None = None
    ) -> int: ...

    def resend(self, message_id: str, *, direction: str | None = None, party: str | None = None) -> None: ...

    def inbox(self, *, page: int = 50) -> Iterator[Json]: ...

    def ack(self, message_id: str, *, party: str | None = None) -> None: ...

    def pmodes(self) -> list[str]: ...

    def pmode(self, name: str) -> Json: ...

    def put_pmode(self, name: str, pmode: Mapping[str, Any] | str) -> None: ...

    def delete_pmode(self, name: str) -> None: ...

    def certificates(self) -> list[Json]: ...

    def certificate(self, name: str) -> bytes: ...

    def put_certificate(self, name: str, data: bytes) -> None: ...

    def delete_certificate(self, name: str) -> None: ...

    def health(self) -> Json: ...
