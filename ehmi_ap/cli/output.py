"""How the command line speaks: exit codes, errors, JSON, and a bar for long work.

Rules of this room:
- Results go to stdout, everything else to stderr, so that `--json` output can be piped.
- An ApError is told as what happened, whose fault it is and what to do; never as a traceback.
- A progress bar is drawn only on a terminal.
"""

import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from enum import IntEnum
from typing import Protocol

from ehmi_ap.errors import ApError, ConfigError, Fault


class Exit(IntEnum):
    """What a command returns to the shell (documented in docs/reference/cli.md)."""

    OK = 0  # done; inspect: valid; smp: usable; sbdh: nothing that is refused
    FAILED = 1  # the answer is no; inspect: invalid; smp: unusable; sbdh: reject
    UNDECIDED = 2  # inspect: something needed is missing
    UNREADABLE = 3  # inspect: no AS4 message could be read; smp: no document of an SMP; sbdh: no envelope
    USAGE = 64  # wrong arguments (EX_USAGE of sysexits)
    UNREACHABLE = 69  # the daemon, or the SML, does not answer (EX_UNAVAILABLE)
    PENDING = 75  # send --wait: not settled in time, and not given up (EX_TEMPFAIL)
    CONFIG = 78  # the configuration has mistakes (EX_CONFIG)
    INTERRUPTED = 130  # Ctrl-C


class UsageError(ApError):
    """The arguments cannot be worked with: a file that is not there, two that exclude each other. Exit code 64."""

    code = "usage"
    fault = Fault.OPERATOR
    default_fix = "Correct the command; --help lists its arguments."


class Advance(Protocol):
    """What a long piece of work calls with the number of bytes or steps it got on."""

    def __call__(self, amount: int) -> None: ...


def print_json(value: object) -> None:
    """One JSON document on stdout."""
    json.dump(value, sys.stdout, indent=2, ensure_ascii=False)
    sys.stdout.write("\n")


def table(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Rows as lines, their cells below each other."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


def note(text: str) -> None:
    """A line for the person at the terminal, on stderr."""
    print(text, file=sys.stderr)


def print_error(error: ApError, *, as_json: bool = False) -> None:
    """Tell an error: what, fault, fix, and whether to try again; as problem JSON on stdout when `as_json`."""
    if as_json:
        print_json(
            {
                "error": {
                    "code": error.code,
                    "what": str(error),
                    "findings": list(error.findings) if isinstance(error, ConfigError) else [],
                    "fault": error.fault.value,
                    "fix": error.fix,
                    "resend": error.retryable,
                }
            }
        )
        return
    first, *rest = error.findings if isinstance(error, ConfigError) else (str(error),)
    note(f"error: {first}")
    for finding in rest:
        note(f"       {finding}")
    note(f"fault: {error.fault.value}")
    note(f"fix:   {error.fix}")


@contextmanager
def progress(what: str, total: int) -> Iterator[Advance]:
    """A progress bar over `total` bytes on stderr; nothing is drawn when stderr is no terminal."""
    if not sys.stderr.isatty():
        yield _silent
        return
    from rich.console import Console
    from rich.markup import escape
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn(escape(what)), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=total)

        def advance(amount: int) -> None:
            bar.advance(task, amount)

        yield advance


def _silent(amount: int) -> None:
    """Progress that nobody watches."""
