"""What is uploaded: files, bytes and forms as bodies of known length that requests sends piece by piece.

requests can build multipart/form-data only in memory; a body that has a length and can be iterated it streams.
"""

import hashlib
import json
import os
import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, BinaryIO

from ehmi_ap.errors import SubmissionError

if TYPE_CHECKING:
    from ehmi_ap.crypto.keys import KeyPair

Source = Path | bytes | BinaryIO

CHUNK = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """A payload to submit: a file, bytes, or an open binary file that can seek (sent from where it stands)."""

    source: Source
    mime_type: str
    content_id: str | None = None
    character_set: str | None = None
    properties: Sequence[Mapping[str, str]] = ()
    jws: str | None = None


@contextmanager
def opened(source: Source) -> Iterator[tuple[BinaryIO, int]]:
    """A source as an open file and how many bytes it has from there."""
    made: Any = nullcontext(source)
    if isinstance(source, bytes):
        made = BytesIO(source)
    elif isinstance(source, Path):
        made = source.open("rb")
    with made as file:
        start = file.tell()
        size = file.seek(0, os.SEEK_END) - start
        file.seek(start)
        yield file, size


def signed(source: Source, pair: "KeyPair") -> str:
    """A detached JWS over a source, which is read once and left as it was (ehmi_ap.crypto.jws)."""
    from ehmi_ap.crypto import jws

    with opened(source) as (file, size):
        start, digest = file.tell(), hashlib.sha256()
        for chunk in Parts([(file, size)]):
            digest.update(chunk)
        file.seek(start)
    return jws.make(digest.digest(), pair)


class Parts:
    """Files one after the other, as a body of known length that requests can send piece by piece."""

    def __init__(self, files: Sequence[tuple[BinaryIO, int]]) -> None:
        self._files = files

    def __len__(self) -> int:
        return sum(size for _, size in self._files)

    def __iter__(self) -> Iterator[bytes]:
        for file, size in self._files:
            while size > 0:
                chunk = file.read(min(size, CHUNK))
                if not chunk:
                    raise SubmissionError("a payload became shorter while it was being sent", fix="Send it again.")
                size -= len(chunk)
                yield chunk


class Form:
    """multipart/form-data of the metadata and the payloads; open while the block runs."""

    def __init__(self, metadata: Mapping[str, Any], payloads: Sequence[Upload]) -> None:
        self._boundary = secrets.token_hex(24)
        self.content_type = f'multipart/form-data; boundary="{self._boundary}"'
        described = [
            {
                "mime_type": payload.mime_type,
                "content_id": payload.content_id,
                "character_set": payload.character_set,
                "properties": [dict(item) for item in payload.properties],
                "jws": payload.jws,
            }
            for payload in payloads
        ]
        self._metadata = json.dumps({**metadata, "payloads": described}).encode()
        self._payloads = payloads
        self._stack = ExitStack()

    def __enter__(self) -> "Form":
        pieces: list[tuple[BinaryIO, int]] = []
        self._text(pieces, self._head("metadata", "application/json") + self._metadata)
        try:
            for number, payload in enumerate(self._payloads, 1):
                self._text(pieces, b"\r\n" + self._head(f"payload-{number}", "application/octet-stream"))
                pieces.append(self._stack.enter_context(opened(payload.source)))
        except BaseException:
            self._stack.close()
            raise
        self._text(pieces, f"\r\n--{self._boundary}--\r\n".encode())
        self.body = Parts(pieces)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def _head(self, name: str, content_type: str) -> bytes:
        lines = (
            f"--{self._boundary}",
            f'Content-Disposition: form-data; name="{name}"',
            f"Content-Type: {content_type}",
            "",
            "",
        )
        return "\r\n".join(lines).encode()

    def _text(self, pieces: list[tuple[BinaryIO, int]], data: bytes) -> None:
        pieces.append((BytesIO(data), len(data)))
