"""`ehmi-ap sml`, what it does with participants: add, remove, list, and migrate them between SMPs."""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from ehmi_ap.cli.files import read
from ehmi_ap.cli.output import Exit, UsageError, note, print_json
from ehmi_ap.cli.smlservice import add_part, add_smp, connected, tell

if TYPE_CHECKING:
    from ehmi_ap.cli.arguments import Subparsers
    from ehmi_ap.model import Participant

_DEFAULT_SCHEME = "iso6523-actorid-upis"
_PARTICIPANT = f"[SCHEME::]VALUE, like 0088:GLN (scheme: {_DEFAULT_SCHEME}), or an ebCore party id"


def add(parts: "Subparsers") -> None:
    """Register these parts of the command."""
    _add_participants(parts)
    _add_migrations(parts)


def _add_participants(parts: "Subparsers") -> None:
    register = add_part(parts, "add", run_add, "register participants at an SMP; all are checked before one is sent")
    remove = add_part(parts, "remove", run_remove, "take participants of an SMP out")
    for part in (register, remove):
        add_smp(part)
        part.add_argument("participant", nargs="*", metavar="ID", help=_PARTICIPANT)
        part.add_argument(
            "--from", type=Path, dest="file", metavar="FILE", help="more of them, one a line; - for stdin"
        )
    register.add_argument(
        "--service", metavar="NAME", help="the NAPTR service to publish them under (default: the SML's, Meta:SMP)"
    )
    add_smp(add_part(parts, "list", run_list, "list the participants of an SMP"))


def _add_migrations(parts: "Subparsers") -> None:
    prepare = add_part(
        parts,
        "prepare-migration",
        run_prepare_migration,
        "print a key with which another SMP can take a participant over; repeated, it replaces the key",
    )
    migrate = add_part(parts, "migrate", run_migrate, "take a participant over, with the key that its old SMP prepared")
    for part in (prepare, migrate):
        add_smp(part)
        part.add_argument("participant", metavar="ID", help=_PARTICIPANT)
    prepare.add_argument("--key-file", type=Path, metavar="FILE", help="file with the key (default: a new one)")
    migrate.add_argument("--key-file", type=Path, metavar="FILE", required=True, help="file with the key; - for stdin")


def run_add(args: argparse.Namespace) -> int:
    """Create, CreateList or BDMSL's CreateParticipantIdentifier."""
    participants = _participants(args)
    with connected(args) as sml, _Count("registered", participants) as advance:
        sml.create(args.smp, participants, service=args.service, advance=advance)
    return _tell_many(args, participants, "registered")


def run_remove(args: argparse.Namespace) -> int:
    """Delete or DeleteList."""
    participants = _participants(args)
    with connected(args) as sml, _Count("taken out", participants) as advance:
        sml.delete(args.smp, participants, advance=advance)
    return _tell_many(args, participants, "taken out")


def run_list(args: argparse.Namespace) -> int:
    """List, all pages."""
    with connected(args) as sml:
        found = list(sml.participants(args.smp))
    if args.json:
        print_json([str(each) for each in found])
    elif found:
        print("\n".join(str(each) for each in found))
    else:
        note("no participants")
    return Exit.OK


def run_prepare_migration(args: argparse.Namespace) -> int:
    """PrepareToMigrate."""
    from ehmi_ap.sml import new_migration_key

    participant = _participant(args.participant)
    key = new_migration_key() if args.key_file is None else _key(args.key_file)
    with connected(args) as sml:
        sml.prepare_to_migrate(args.smp, participant, key)
    return tell(args, {"smp": args.smp, "participant": str(participant), "key": key}, key)


def run_migrate(args: argparse.Namespace) -> int:
    """Migrate."""
    participant = _participant(args.participant)
    with connected(args) as sml:
        sml.migrate(args.smp, participant, _key(args.key_file))
    return tell(args, {"smp": args.smp, "participant": str(participant)}, f"{participant} is at {args.smp} now.")


# -- below -----------------------------------------------------------------------------------------------------------


class _Count:
    """How many participants are done; says so when the rest fails."""

    def __init__(self, done: str, participants: "list[Participant]") -> None:
        self._done, self._all, self._so_far = done, participants, 0

    def __enter__(self) -> "_Count":
        return self

    def __call__(self, amount: int, /) -> None:
        self._so_far += amount

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        if error is not None and self._so_far:
            last = self._all[self._so_far - 1]
            note(f"{self._so_far} of {len(self._all)} are {self._done}, up to {last}; what follows is about the rest")


def _tell_many(args: argparse.Namespace, participants: "list[Participant]", done: str) -> int:
    facts: dict[str, object] = {"smp": args.smp, "participants": [str(each) for each in participants]}
    return tell(args, facts, f"{len(participants)} participant{'s are' if participants[1:] else ' is'} {done}.")


def _participants(args: argparse.Namespace) -> "list[Participant]":
    lines = [] if args.file is None else _text(args.file).splitlines()
    return [_participant(each) for each in (*args.participant, *map(str.strip, lines)) if each]


def _participant(text: str) -> "Participant":
    from ehmi_ap.discovery.identifiers import read_participant
    from ehmi_ap.errors import Misconfigured

    try:
        return read_participant(text, _DEFAULT_SCHEME)
    except Misconfigured as error:  # it is the argument that is wrong
        raise UsageError(error.what) from None


def _key(path: Path) -> str:
    return _text(path).strip("\r\n")


def _text(path: Path) -> str:
    if str(path) == "-":
        return sys.stdin.read()
    return read(path).decode("utf-8-sig", errors="replace")
