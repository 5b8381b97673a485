"""A folder from which C4 takes messages, each exactly once.

A message becomes a folder (or a single file, and NAME.jws before it where we sign) that is there whole or not at all.
The steps, each durable before the next:

1. write everything into `.staging/NAME`, on the same file system as the folder C4 looks into
2. enter the message in `.ledger`
3. rename `.staging/NAME` to `NAME`

Called again after a crash: no entry in the ledger, then what is staged is a fragment and is written anew (1); an entry
and something staged, then only the rename is missing (3); an entry and nothing staged, then C4 has had it already,
whether or not it took it meanwhile. NAME comes from the MessageId and the sender alone, so it is the same every time,
and two partners' equal MessageIds do not meet.
"""

import errno
import hashlib
import json
import mimetypes
import os
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

from ehmi_ap.backends.metadata import message_json
from ehmi_ap.body import Body
from ehmi_ap.durable import sync_folder, write_atomically, write_synced
from ehmi_ap.errors import BackendError
from ehmi_ap.model import MessageId, Payload, UserMessage
from ehmi_ap.ports import party_key

METADATA = "message.json"
SIGNATURE = ".jws"
_LONGEST_NAME = 160  # file systems stop at 255 bytes; endings and the sender's mark come on top
_ENDINGS = {
    "application/xml": ".xml",
    "text/xml": ".xml",
    "application/json": ".json",
    "text/plain": ".txt",
    "application/octet-stream": ".bin",
}


class Inbox:
    """Where C4 takes. `single` writes a message of one payload as a file; file and folder get `mode` and `mode`+x."""

    def __init__(self, folder: Path, *, single: bool, mode: int) -> None:
        self._folder = folder
        self._staging = folder / ".staging"
        self._ledger = folder / ".ledger"
        self._single = single
        self._mode = mode
        self._busy: set[str] = set()
        self._lock = threading.Lock()

    def put(self, message: UserMessage) -> None:
        """Put a message there, durable when this returns. Blocking; raises BackendError, OSError."""
        name = message_name(message)
        single = self._single and len(message.payloads) == 1
        final = self._folder / (name + ending(message.payloads[0]) if single else name)
        staged = self._staging / name
        with self._alone(name):
            self._make_folders()
            entry = self._entry(message)
            if not entry.exists():
                self._stage(message, staged, single=single)
                self._enter(entry)
            if staged.exists():
                self._publish(staged, final, message.payloads[0].jws if single else None)

    def forget(self, before: float) -> int:
        """Delete the ledger's entries made before this POSIX time; returns how many. Blocking."""
        stale = [path for path in self._ledger.glob("??/*") if path.stat().st_mtime < before]
        for path in stale:
            path.unlink(missing_ok=True)
        return len(stale)

    def _make_folders(self) -> None:
        for folder in (self._folder, self._staging, self._ledger):
            if not folder.is_dir():
                folder.mkdir(parents=True, exist_ok=True)
                sync_folder(folder.parent)

    def _entry(self, message: UserMessage) -> Path:
        """The ledger's file for a message: by a hash, as its key is longer than a file name may be."""
        key = hashlib.sha256(f"{party_key(message.from_.id)}\n{message.message_id}".encode()).hexdigest()
        return self._ledger / key[:2] / key[2:]

    def _stage(self, message: UserMessage, staged: Path, *, single: bool) -> None:
        _remove(staged)  # a fragment of an attempt that did not get to its entry
        if single:
            _place(message.payloads[0].body, staged, self._mode)
        else:
            staged.mkdir(mode=self._folder_mode())
            description = message_json(message)
            for number, payload in enumerate(message.payloads, start=1):
                name = f"payload-{number}{ending(payload)}"
                _place(payload.body, staged / name, self._mode)
                description["payloads"][number - 1]["file"] = name
            text = json.dumps(description, ensure_ascii=False, indent=2).encode()
            write_synced(staged / METADATA, (text,), mode=self._mode)
            staged.chmod(self._folder_mode())
            sync_folder(staged)
        sync_folder(self._staging)

    def _folder_mode(self) -> int:
        return self._mode | (self._mode & 0o444) >> 2

    def _enter(self, entry: Path) -> None:
        if not entry.parent.is_dir():
            entry.parent.mkdir(exist_ok=True)
            sync_folder(self._ledger)
        write_synced(entry, ())
        sync_folder(entry.parent)

    def _publish(self, staged: Path, final: Path, signature: str | None) -> None:
        if final.exists():
            # Not ours: what we put there has no staged twin any more. Renaming a file would overwrite it.
            raise BackendError(
                f"{final.name} is in C4's folder already and did not come from here",
                fix="Move it away; delivery goes on by itself.",
            )
        if signature is not None:
            write_atomically(final.with_name(final.name + SIGNATURE), (signature.encode() + b"\n",), mode=self._mode)
        staged.rename(final)
        sync_folder(self._folder)
        sync_folder(self._staging)

    @contextmanager
    def _alone(self, name: str) -> Iterator[None]:
        """A delivery that was given up for its time may still be writing in its thread."""
        with self._lock:
            if name in self._busy:
                raise BackendError("an earlier attempt is still writing this message")
            self._busy.add(name)
        try:
            yield
        finally:
            with self._lock:
                self._busy.discard(name)


def message_name(message: UserMessage) -> str:
    """The MessageId as a file name, and a mark of its sender: `ID.xxxxxxxx`."""
    mark = hashlib.sha256(party_key(message.from_.id).encode()).hexdigest()[:8]
    return f"{safe_name(message.message_id)}.{mark}"


def safe_name(message_id: MessageId) -> str:
    """A MessageId as part of a file name: percent-encoded, never hidden, never too long, and still its own."""
    name = quote(message_id, safe="@+=")
    if name.startswith("."):
        name = "%2E" + name[1:]
    if len(name) > _LONGEST_NAME:
        name = f"{name[:100]}.{hashlib.sha256(message_id.encode()).hexdigest()}"
    return name


def ending(payload: Payload) -> str:
    """The file ending for a payload's MIME type."""
    kind = payload.mime_type.partition(";")[0].strip().lower()
    structured = ".xml" if kind.endswith("+xml") else ".json" if kind.endswith("+json") else None
    return _ENDINGS.get(kind) or structured or mimetypes.guess_extension(kind) or ".bin"


def _place(body: Body, target: Path, mode: int) -> None:
    """The bytes of a body as a file: linked where the body is a file on the same file system, else copied."""
    source = getattr(body, "path", None)
    if isinstance(source, Path):
        try:
            os.link(source, target)
        except OSError as error:
            if error.errno not in (errno.EXDEV, errno.EPERM, errno.EMLINK, errno.EOPNOTSUPP, errno.ENOENT):
                raise
        else:
            target.chmod(mode)
            return
    write_synced(target, body.chunks(), mode=mode)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
