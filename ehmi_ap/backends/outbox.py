"""A folder into which C1 drops what it wants sent.

A drop is an SBD as NAME.xml, or a folder NAME with message.json and the payload files it names. It has to appear whole:
written under a name that begins with a dot or ends in .tmp or .part, then renamed. The JWS of NAME.xml is NAME.xml.jws,
which has to be there before; that of a payload in a folder stands in message.json. A name stands for one message: its
MessageId is NAME or made from it, so that the same drop after a crash, of ours or of C1's, is the same submission.
"""

import hashlib
import json
import os
import re
import shutil
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ehmi_ap.backends.inbox import METADATA, SIGNATURE
from ehmi_ap.backends.metadata import problem_json, read_description
from ehmi_ap.body import CHUNK
from ehmi_ap.crypto.jws import MAX_CHARACTERS
from ehmi_ap.durable import sync_folder, write_atomically
from ehmi_ap.ehmi import envelope
from ehmi_ap.errors import NoSignersAgreed, SignatureRefused, SubmissionError
from ehmi_ap.model import MessageId, Payload, Submission, is_message_id

ACCEPTED = ".accepted.json"
PROBLEM = ".problem.json"
_METADATA_LIMIT = 1024 * 1024
_NO_DROPS = (".tmp", ".part", SIGNATURE)
_DONE = ".done"
_LONGEST_NAME = 200  # bytes; file systems stop at 255, and an ending and a temporary name come on top
_UUID = re.compile(r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")
_OTHERWISE = f"Drop anything else as a folder with {METADATA} and the payload files."


@dataclass(frozen=True, slots=True)
class FileBody:
    """A body that is somebody else's file; it has to stay as it is while it is read."""

    path: Path
    size: int

    @property
    def resident(self) -> bool:
        return False

    def chunks(self, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
        left = (self.size if stop is None else min(stop, self.size)) - start
        with self.path.open("rb") as file:
            file.seek(start)
            while left > 0:
                chunk = file.read(min(CHUNK, left))
                if not chunk:
                    raise SubmissionError(
                        "a file became shorter while it was read",
                        fix="Write drops under a name that begins with a dot, and rename them when they are whole.",
                    )
                left -= len(chunk)
                yield chunk


class Outbox:
    """C1's folder, and the one where refused drops go. All methods block."""

    def __init__(self, folder: Path, errors: Path, *, backend: str, domain: str) -> None:
        self._folder = folder
        self._errors = errors
        self._backend = backend
        self._domain = domain

    def waiting(self) -> list[Path]:
        """The drops that are there, the oldest first. Raises OSError."""
        self._folder.mkdir(parents=True, exist_ok=True)
        found: list[tuple[int, str, Path]] = []
        with os.scandir(self._folder) as entries:
            for entry in entries:
                if entry.name.startswith(".") or entry.name.endswith(_NO_DROPS):
                    continue
                found.append((entry.stat(follow_symlinks=False).st_mtime_ns, entry.name, Path(entry.path)))
        return [path for _, _, path in sorted(found)]

    def read(self, drop: Path) -> Submission:
        """The submission that a drop is. Raises SubmissionError, OSError."""
        message_id = self.message_id(drop)
        if drop.is_symlink():
            raise SubmissionError("a symbolic link is no drop", fix="Drop the file itself.")
        if drop.is_dir():
            return _folder_submission(drop, message_id)
        if drop.suffix.lower() != ".xml":
            raise SubmissionError("a single file has to be a StandardBusinessDocument named *.xml", fix=_OTHERWISE)
        if not stat.S_ISREG(drop.stat().st_mode):
            raise SubmissionError("a pipe or a device is no drop", fix="Drop a file.")
        payload = Payload(body=_body(drop), mime_type="application/xml", jws=_signature(drop))
        return Submission(payloads=(payload,), message_id=message_id)

    def tidy(self, before: float) -> None:
        """Finish what a crash left of drops that were stored; signatures only if older than this POSIX time.

        A young one may wait for its drop. Raises OSError.
        """
        for path in self._folder.glob(f".*{_DONE}"):
            _delete_folder(path)
        for path in self._folder.glob(f"*{SIGNATURE}"):
            if path.lstat().st_mtime < before and not path.with_suffix("").exists():
                path.unlink(missing_ok=True)

    def message_id(self, drop: Path) -> MessageId:
        """The MessageId of a drop, unless its metadata has one (decision 36).

        NAME, if it is one, and NAME at our domain, if it is a UUID; C1 then knows it beforehand. Else a hash: what
        C1 puts into file names is no peer's business.
        """
        name = drop.name if drop.is_dir() else drop.stem
        if is_message_id(name):
            return MessageId(name)
        if _UUID.fullmatch(name):
            return MessageId(f"{name}@{self._domain}")
        digest = hashlib.sha256(f"{self._backend}\n{drop.name}".encode(errors="surrogateescape")).hexdigest()
        return MessageId(f"{digest[:40]}@{self._domain}")

    def accepted(self, drop: Path) -> None:
        """Take away a drop that is stored, then its signature. Raises OSError."""
        _take_away(drop)
        _beside(drop).unlink(missing_ok=True)

    def explained(self, drop: Path, error: SubmissionError) -> SubmissionError:
        """What is really wrong with a refused drop: a file that is no SBD cannot say where it goes. Raises OSError."""
        if isinstance(error, SignatureRefused | NoSignersAgreed):
            return error
        lone = drop.suffix.lower() == ".xml" and drop.is_file() and not drop.is_symlink()
        if not lone or envelope.read(_body(drop)).claimed:
            return error
        return SubmissionError("the file is not a StandardBusinessDocument", fix=_OTHERWISE)

    def refused(self, drop: Path, error: SubmissionError) -> None:
        """Move a drop to the folder of refused ones, and beside it what is wrong with it. Raises OSError."""
        self._errors.mkdir(parents=True, exist_ok=True)
        target = self._errors / drop.name
        number = 1
        while target.exists() or target.is_symlink():
            number += 1
            target = self._errors / f"{drop.stem}.{number}{drop.suffix}"
        text = json.dumps(problem_json(error), ensure_ascii=False, indent=2).encode()
        write_atomically(target.with_name(beside(target.name, PROBLEM)), (text,), mode=0o640)
        drop.rename(target)
        if _beside(drop).exists():
            _beside(drop).rename(_beside(target))
        sync_folder(self._errors)
        sync_folder(self._folder)


def beside(name: str, ending: str) -> str:
    """The name of what we write about a drop: its own and `ending`, or a part and a hash of it where it is too long."""
    raw = os.fsencode(name)
    if len(raw) > _LONGEST_NAME:
        name = f"{name[:40]}.{hashlib.sha256(raw).hexdigest()[:16]}"
    return name + ending


def _beside(drop: Path) -> Path:
    """Where the signature of a drop is that is a file."""
    return drop.with_name(drop.name + SIGNATURE)


def _signature(drop: Path) -> str | None:
    """The JWS of a drop that is a file, with no white space around it. Raises SubmissionError, OSError."""
    path = _beside(drop)
    if path.is_symlink() or not path.is_file():
        return None
    with path.open("rb") as file:
        return file.read(2 * MAX_CHARACTERS).decode("ascii", "replace").strip()


def _folder_submission(folder: Path, message_id: MessageId) -> Submission:
    metadata = folder / METADATA
    if metadata.is_symlink() or not metadata.is_file():
        raise SubmissionError(f"the folder has no {METADATA}", fix=f"Drop folders whole, with a {METADATA} in them.")
    if metadata.stat().st_size > _METADATA_LIMIT:
        raise SubmissionError(f"{METADATA} has more than {_METADATA_LIMIT} bytes")
    try:
        document = json.loads(metadata.read_bytes())
    except (ValueError, RecursionError) as error:
        raise SubmissionError(f"{METADATA} is not JSON that can be read: {type(error).__name__}") from None
    description = read_description(document, where=METADATA)
    bodies = []
    for number, part in enumerate(description.payloads, start=1):
        if part.file is None:
            raise SubmissionError(f"{METADATA}: payload {number} names no `file`")
        bodies.append(_body(_inside(folder, part.file, number)))
    return description.submission(bodies, message_id=message_id)


def _inside(folder: Path, name: str, number: int) -> Path:
    """The payload file of that name, which has to lie in the folder itself."""
    path = folder / name
    plain = name == Path(name).name and name not in ("", ".", "..", METADATA)
    if not plain or path.is_symlink() or not path.is_file():
        raise SubmissionError(
            f"{METADATA}: the `file` of payload {number} is not a file of this folder",
            fix="Name a file that lies beside message.json, without a path.",
        )
    return path


def _body(path: Path) -> FileBody:
    return FileBody(path, path.stat().st_size)


def _take_away(drop: Path) -> None:
    """Delete a drop; a folder at once for everybody who looks, though deleting what is in it may be interrupted."""
    if drop.is_dir() and not drop.is_symlink():
        aside = drop.with_name(beside(f".{drop.name}", _DONE))
        drop.rename(aside)
        sync_folder(drop.parent)
        _delete_folder(aside)
    else:
        drop.unlink()
        sync_folder(drop.parent)


def _delete_folder(folder: Path) -> None:
    shutil.rmtree(folder)
    sync_folder(folder.parent)
