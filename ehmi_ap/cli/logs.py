"""The daemon's log: one line per event on stderr, as JSON for programs or as text for people.

What our own code logs is a fixed sentence and named facts (`extra=`), none of which may hold a CPR number, a payload
or a header value that may carry one. What Python says of an unforeseen failure may hold anything, so of that only the
kind and the places in the code are logged, not its text.
"""

import json
import logging
import sys
import traceback
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from ehmi_ap.errors import ApError

if TYPE_CHECKING:
    from ehmi_ap.config import Log

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


def configure(settings: "Log") -> None:
    """Log to stderr as the configuration says; replaces what was configured before."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter() if settings.format == "json" else TextFormatter())
    logging.basicConfig(handlers=[handler], level=settings.level.upper(), force=True)
    # Libraries at their info level tell of every connection; what they warn of is worth a line.
    for name in ("aiohttp", "asyncio"):
        logging.getLogger(name).setLevel(logging.WARNING)


class JsonFormatter(logging.Formatter):
    """{"time", "level", "logger", "event", ...}: `event` is the sentence, the rest its facts.

    A fact that has the name of one of our own keys gets an underscore behind it.
    """

    def format(self, record: logging.LogRecord) -> str:
        return json.dumps(_line(record), ensure_ascii=False, default=str)


class TextFormatter(logging.Formatter):
    """TIME LEVEL sentence key=value ..."""

    def format(self, record: logging.LogRecord) -> str:
        line = _line(record)
        time, level, _, event = (line.pop(key) for key in ("time", "level", "logger", "event"))
        facts = " ".join(f"{key}={json.dumps(value, ensure_ascii=False, default=str)}" for key, value in line.items())
        return f"{time} {level:7} {event} {facts}".rstrip()


def _line(record: logging.LogRecord) -> dict[str, Any]:
    line: dict[str, Any] = {
        "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
        "level": record.levelname.lower(),
        "logger": record.name,
        "event": record.getMessage(),
    }
    failure = _failure(record.exc_info[1]) if record.exc_info and record.exc_info[1] is not None else {}
    ours = {*line, *failure}
    for key, value in vars(record).items():
        if key not in _STANDARD and value is not None:
            line[f"{key}_" if key in ours else key] = value
    return line | failure


def _failure(error: BaseException) -> dict[str, Any]:
    """Our own errors in their words; others by kind and place alone."""
    where = [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in traceback.extract_tb(error.__traceback__)]
    told: dict[str, Any] = {"error": type(error).__name__, "where": where}
    if isinstance(error, ApError):
        told |= {"code": error.code, "what": str(error), "fix": error.fix}
    if error.__cause__ is not None:
        told["cause"] = _failure(error.__cause__)
    return told
