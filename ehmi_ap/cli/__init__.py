"""`ehmi-ap`: the command line. One file per command; this one joins them.

Each command file has `add(subparsers)`, which registers its arguments, and `run(args) -> int`, which does the
work and returns an exit code of `cli.output.Exit`. What a command needs it imports inside `run`, so that
`ehmi-ap --help` and a wrong argument answer at once.
"""

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import NoReturn, cast

from ehmi_ap import __version__
from ehmi_ap.cli.output import Exit, UsageError, note, print_error
from ehmi_ap.errors import ApError, ConfigError, TransportError

COMMANDS = (
    "demo",
    "init",
    "partner",
    "check",
    "serve",
    "send",
    "list",
    "show",
    "resend",
    "inspect",
    "jws",
    "wrap",
    "unwrap",
    "sbdh",
    "smp",
    "lookup",
    "doctor",
    "eds",
    "sml",
)
"""The commands in the order of the help text; each is a module of this package."""

Run = Callable[[argparse.Namespace], int]


class Parser(argparse.ArgumentParser):
    """argparse, with exit code 64 for wrong usage; argparse's own 2 means `undecided` here."""

    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        self.exit(Exit.USAGE, f"{self.prog}: error: {message}\n")


def parser() -> argparse.ArgumentParser:
    """The whole command line as a parser; each command's defaults hold its `run`."""
    top = Parser(prog="ehmi-ap", description="An AS4 eDelivery access point.")
    top.add_argument("--version", action="version", version=f"ehmi-ap {__version__}")
    commands = top.add_subparsers(title="commands", metavar="COMMAND", required=True, dest="command")
    for name in COMMANDS:
        import_module(f"ehmi_ap.cli.{name}").add(commands)
    return top


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code; what a command raises as ApError is printed, not thrown."""
    try:
        args = parser().parse_args(argv)
    except SystemExit as done:  # argparse leaves this way after --help, --version and wrong usage
        return done.code if isinstance(done.code, int) else int(Exit.USAGE)
    try:
        return int(cast(Run, args.run)(args))
    except ApError as error:
        print_error(error, as_json=bool(getattr(args, "json", False)))
        return int(_exit_code(error))
    except KeyboardInterrupt:
        note("interrupted")
        return int(Exit.INTERRUPTED)
    except BrokenPipeError:
        # The reader of our output has gone; stdout must not be flushed into it again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return int(Exit.FAILED)
    except OSError as error:
        if error.filename is None:
            raise
        note(f"error: {error.filename}: {error.strerror}")
        return int(Exit.FAILED)


def _exit_code(error: ApError) -> Exit:
    kinds: tuple[tuple[type[ApError], Exit], ...] = (
        (UsageError, Exit.USAGE),
        (ConfigError, Exit.CONFIG),
        (TransportError, Exit.UNREACHABLE),  # here it is the daemon, or the SML, that could not be reached
    )
    return next((code for kind, code in kinds if isinstance(error, kind)), Exit.FAILED)
