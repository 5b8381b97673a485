"""C1 and C4 behind folders: drop a file, take a file. What a program, a share or a person can do without an API.

    outbox/   C1 drops what is to be sent          (outbox.py)
    inbox/    C4 takes what came, each exactly once (inbox.py)
    events/   what happened to messages, one JSON file each; and of each drop that was taken NAME.accepted.json
    errors/   drops that were refused, each with a NAME.problem.json beside it

Files move by rename, so nobody sees half of one; names that begin with a dot or end in .tmp or .part are not
looked at. A file has its JWS beside it, as NAME.xml.jws, a folder has it in message.json. What blocks runs in a thread.
"""

import asyncio
import json
import logging
import os.path
import re
import time
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, TypeVar

from ehmi_ap import tables
from ehmi_ap.backends.inbox import Inbox, safe_name
from ehmi_ap.backends.metadata import event_json
from ehmi_ap.backends.outbox import ACCEPTED, Outbox, beside
from ehmi_ap.durable import sync_folder, write_atomically
from ehmi_ap.errors import ApError, BackendError, ConfigError, SubmissionConflict, SubmissionError
from ehmi_ap.model import DeliveryEvent, MessageId, UserMessage
from ehmi_ap.ports import Submit

T = TypeVar("T")

log = logging.getLogger(__name__)

AT_ONCE = 16
"""Drops submitted side by side, so that they share the store's commits."""
_TIDY_EVERY = 3600.0
_DAY = 86400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The table [backends.NAME] of kind "directory". Folders are below `path` unless they are absolute."""

    path: Path
    outbox: Path = Path("outbox")
    inbox: Path = Path("inbox")
    events: Path = Path("events")
    errors: Path = Path("errors")
    form: Literal["folder", "file"] = "folder"  # file: a message of one payload is that payload, without metadata
    poll: float = 1.0  # seconds between two looks into the outbox
    mode: str = "0640"  # of what C4 and C1 take
    ledger_days: int = 35  # how long a delivery is remembered, to be kept longer than a delivery may take


class DirectoryBackend:
    """C1 and C4 as folders."""

    fetches = False

    def __init__(self, name: str, options: Options, *, domain: str) -> None:
        base = options.path
        self._options = options
        self._mode = int(options.mode, 8)
        self._events = base / options.events
        self._inbox = Inbox(base / options.inbox, single=options.form == "file", mode=self._mode)
        self._outbox = Outbox(base / options.outbox, base / options.errors, backend=name, domain=domain)
        self._troubled: set[str] = set()

    @classmethod
    def from_config(cls, name: str, table: Mapping[str, object], *, home: Path, domain: str) -> "DirectoryBackend":
        """Raises ConfigError."""
        at = ("backends", name)
        options = tables.read(Options, table, where="ehmi-ap.toml", at=at)
        findings = [f"ehmi-ap.toml: {tables.place((*at, key))}: {text}" for key, text in _contradictions(options)]
        if findings:
            raise ConfigError(findings)
        return cls(name, replace(options, path=home / options.path.expanduser()), domain=domain)

    async def deliver(self, message: UserMessage) -> None:
        """Put the message into C4's folder, durably, exactly once. Raises BackendError."""
        try:
            await asyncio.to_thread(self._inbox.put, message)
        except OSError as error:
            raise _folder_error("inbox", error) from error

    async def notify(self, event: DeliveryEvent) -> None:
        """Write the event as a file; a repeat has the same name. Raises BackendError."""
        name = f"{event.seq:012d}-{event.kind.value}-{safe_name(event.message_id)}.json"
        text = json.dumps(event_json(event), ensure_ascii=False, indent=2).encode()
        try:
            await asyncio.to_thread(self._write_event, self._events / name, text)
        except OSError as error:
            raise _folder_error("events", error) from error

    def _write_event(self, path: Path, text: bytes) -> None:
        if not path.parent.is_dir():
            path.parent.mkdir(parents=True, exist_ok=True)
            sync_folder(path.parent.parent)
        write_atomically(path, (text,), mode=self._mode)

    async def run(self, submit: Submit) -> None:
        """Submit what C1 drops until cancelled. A drop that the access point cannot take now stays where it is."""
        tidied = -_TIDY_EVERY
        while True:
            if time.monotonic() - tidied >= _TIDY_EVERY:
                tidied = time.monotonic()
                await self._guarded("tidy", self._tidy())
            drops = await self._guarded("look", asyncio.to_thread(self._outbox.waiting)) or []
            taken = 0
            for start in range(0, len(drops), AT_ONCE):
                batch = drops[start : start + AT_ONCE]
                taken += sum(await asyncio.gather(*(self._take(drop, submit) for drop in batch)))
            if not taken:
                await asyncio.sleep(self._options.poll)

    async def _tidy(self) -> None:
        await asyncio.to_thread(self._outbox.tidy, time.time() - _DAY)
        await asyncio.to_thread(self._inbox.forget, time.time() - self._options.ledger_days * _DAY)

    async def _take(self, drop: Path, submit: Submit) -> bool:
        """Submit one drop; whether it is gone from the outbox."""
        return bool(await self._guarded(drop.name, self._taken(drop, submit)))

    async def _taken(self, drop: Path, submit: Submit) -> bool:
        try:
            submission = await asyncio.to_thread(self._outbox.read, drop)
            message_id = await submit(submission)
        except SubmissionConflict as error:
            error.fix = "A name stands for one message: drop new content under a new name."
            await self._refuse(drop, error)
        except SubmissionError as error:
            await self._refuse(drop, error)
        else:
            await asyncio.to_thread(self._accepted, drop, message_id)
            log.debug("drop submitted", extra={"message_id": message_id})
        return True

    def _accepted(self, drop: Path, message_id: MessageId) -> None:
        """Tell C1 which message its drop became, then take the drop away: a crash between the two repeats both."""
        text = json.dumps({"drop": drop.name, "message_id": message_id}, indent=2).encode()
        try:
            self._write_event(self._events / beside(drop.name, ACCEPTED), text)
        except OSError as error:
            raise _folder_error("events", error) from error
        self._outbox.accepted(drop)

    async def _refuse(self, drop: Path, error: SubmissionError) -> None:
        error = await asyncio.to_thread(self._outbox.explained, drop, error)
        await asyncio.to_thread(self._outbox.refused, drop, error)
        log.warning("drop refused", extra={"code": error.code, "detail": error.what})

    async def _guarded(self, what: str, work: Coroutine[Any, Any, T]) -> T | None:
        """The result, or None after trouble that may pass; said once, until it has passed."""
        try:
            result = await work
        except FileNotFoundError:
            return None  # C1 took it back
        except (OSError, ApError) as error:
            # An OSError's own text has the file's name, which is C1's and may say too much.
            self._say(what, tables.reason(error) if isinstance(error, OSError) else error.what)
            return None
        except Exception as error:
            # One drop that nobody foresaw must not hold up all the others.
            self._say(what, f"a failure of our own ({type(error).__name__})", unforeseen=error)
            return None
        self._troubled.discard(what)
        return result

    def _say(self, what: str, detail: str, *, unforeseen: Exception | None = None) -> None:
        """Log it once until it has passed, as it comes again at every look."""
        if what not in self._troubled:
            self._troubled.add(what)
            log.warning("the outbox has to wait", extra={"detail": detail}, exc_info=unforeseen)


def _contradictions(options: Options) -> list[tuple[str, str]]:
    found = []
    if not re.fullmatch(r"0?[0-7]{3}", options.mode):
        found.append(("mode", 'has to be an octal file mode like "0640"'))
    if options.poll <= 0:
        found.append(("poll", "has to be more than 0 seconds"))
    if options.ledger_days < 1:
        found.append(("ledger_days", "has to be at least 1"))
    outbox = _plain(options, options.outbox)
    found += [
        (key, "has to be outside `outbox`: what we write there would be sent")
        for key in ("inbox", "events", "errors")
        if _plain(options, getattr(options, key)).is_relative_to(outbox)
    ]
    return found


def _plain(options: Options, folder: Path) -> Path:
    return Path(os.path.normpath(options.path / folder))


def _folder_error(which: str, error: OSError) -> BackendError:
    return BackendError(
        f"the {which} folder cannot be written: {tables.reason(error)}",
        fix="Check that the folder is there, is ours to write, and has room; delivery goes on by itself.",
    )
