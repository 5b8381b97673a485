"""`ehmi-ap wrap`: put a MedCom FHIR message into its ehmiSBDH envelope."""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from ehmi_ap.cli.files import read
from ehmi_ap.cli.output import Exit, UsageError

if TYPE_CHECKING:
    from ehmi_ap.cli.arguments import Subparsers
    from ehmi_ap.model import Organisation


def add(subparsers: "Subparsers") -> None:
    """Register the command."""
    parser = subparsers.add_parser(
        "wrap",
        help="put a FHIR message into its envelope",
        description="Writes the ehmiSBDH around FILE, a MedCom FHIR message, to stdout. What the header says is read "
        "from the message; the message itself is not changed.",
    )
    parser.add_argument("file", type=Path, metavar="FILE", help="a FHIR Bundle of type message, XML or JSON")
    parser.add_argument(
        "--type-version", metavar="V", help="version of the message (default: the one in MessageHeader.definition)"
    )
    parser.add_argument("--statistics", metavar="TEXT", help="StatisticalInformation (default: MCM:STANDARD)")
    parser.add_argument(
        "--acknowledges", metavar="ID", help="id of the Bundle that an acknowledgement is for; it does not stand in it"
    )
    parser.add_argument(
        "--receiver", metavar="GLN:SOR", help="who gets a secondary copy (default: the receiver in the message)"
    )
    parser.add_argument(
        "--xds-metadata", type=Path, metavar="FILE", help="the DocumentReference of a secondary copy, XML or JSON"
    )
    parser.add_argument(
        "--namespace",
        choices=("peppol", "sbdh"),
        default="peppol",
        help="namespace of BinaryContent; partners want one or the other (default: peppol)",
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Returns 0, the envelope is on stdout; 1, the message does not say what its envelope has to."""
    from datetime import UTC, datetime
    from uuid import uuid4

    from ehmi_ap.ehmi.wrap import wrap

    envelope = wrap(
        read(args.file),
        now=datetime.now(UTC).astimezone(),
        new_uuid=uuid4,
        version=args.type_version,
        statistics=args.statistics,
        acknowledges=args.acknowledges,
        receiver=_receiver(args.receiver),
        xds_metadata=_text(args.xds_metadata),
        namespace=args.namespace,
    )
    sys.stdout.buffer.write(envelope)
    sys.stdout.buffer.flush()
    return Exit.OK


def _receiver(text: str | None) -> "Organisation | None":
    from ehmi_ap.model import Organisation

    if text is None:
        return None
    gln, _, sor = text.partition(":")
    if not (gln and sor):
        raise UsageError("--receiver is not a GLN and a SOR code", fix="Write --receiver GLN:SOR.")
    return Organisation(sor=sor, gln=gln)


def _text(path: Path | None) -> str | None:
    if path is None:
        return None
    try:
        return read(path).decode("utf-8-sig")
    except UnicodeDecodeError:
        raise UsageError(f"{path} is not UTF-8", fix="Give the DocumentReference in UTF-8.") from None
