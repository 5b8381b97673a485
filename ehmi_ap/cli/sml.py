"""`ehmi-ap sml`: what the operator of an SMP asks of the SML's management service."""

import argparse
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from ehmi_ap.cli import smlparticipants
from ehmi_ap.cli.files import read
from ehmi_ap.cli.output import UsageError
from ehmi_ap.cli.smlservice import add_part, add_smp, connected, tell

if TYPE_CHECKING:
    from ehmi_ap.cli.arguments import Subparsers
    from ehmi_ap.sml import Publisher


def add(subparsers: "Subparsers") -> None:
    """Register the command and its parts."""
    parser = subparsers.add_parser(
        "sml",
        help="for operators of an SMP: register it and its participants in the SML",
        description="Ask the management service of the SML (BDMSL), as the SMP whose certificate is shown. "
        "An access point needs none of this.",
    )
    parts = parser.add_subparsers(title="what to do", metavar="WHAT", required=True, dest="what")
    add_part(parts, "alive", run_alive, "ask whether the service works")
    _add_publishers(parts)
    smlparticipants.add(parts)
    change = add_part(
        parts,
        "prepare-certificate",
        run_prepare_certificate,
        "announce the certificate that the SMPs of the one shown change to; before that one ends",
    )
    change.add_argument("new", type=Path, metavar="NEW", help="file with the new certificate alone, PEM or DER")
    change.add_argument(
        "--on",
        type=_day,
        metavar="DAY",
        help="the day of the change, like 2026-12-01 (default: when the new certificate becomes valid)",
    )


def _add_publishers(parts: "Subparsers") -> None:
    for name, run, words in (
        ("register-smp", run_register_smp, "register an SMP for the certificate that is shown"),
        ("update-smp", run_update_smp, "give an SMP another URL and address"),
    ):
        part = add_part(parts, name, run, words)
        add_smp(part)
        part.add_argument("url", metavar="URL", help="where the SMP is: the SML publishes it as it stands here")
        part.add_argument("ip", metavar="IP", help="the SMP's IPv4 address")
    add_smp(add_part(parts, "read-smp", run_read_smp, "show what is registered for an SMP"))
    delete = add_part(
        parts,
        "delete-smp",
        run_delete_smp,
        "take an SMP out, when it has no participants any more: the SML would take them out with it",
    )
    add_smp(delete)
    delete.add_argument("--with-participants", action="store_true", help="take the SMP's participants out with it")


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a day like 2026-12-01") from None


# -- what is run: each returns 0, or raises as cli.smlservice.connected does ------------------------------------------


def run_alive(args: argparse.Namespace) -> int:
    """Nothing but an answer is wanted."""
    with connected(args) as sml:
        sml.check_alive()
    return tell(args, {"alive": True}, "The SML answers.")


def run_register_smp(args: argparse.Namespace) -> int:
    """Create."""
    with connected(args) as sml:
        sml.create_publisher(_publisher(args))
    return tell(args, _facts(_publisher(args)), f"{args.smp} is registered.")


def run_update_smp(args: argparse.Namespace) -> int:
    """Update."""
    with connected(args) as sml:
        sml.update_publisher(_publisher(args))
    return tell(args, _facts(_publisher(args)), f"{args.smp} is changed.")


def run_read_smp(args: argparse.Namespace) -> int:
    """Read."""
    with connected(args) as sml:
        found = sml.read_publisher(args.smp)
    return tell(args, _facts(found), f"{found.id}  {found.logical_address}  {found.physical_address}")


def run_delete_smp(args: argparse.Namespace) -> int:
    """Delete, which takes the participants along; so one of them is asked for first."""
    with connected(args) as sml:
        if not args.with_participants and (one := next(sml.participants(args.smp), None)) is not None:
            raise UsageError(
                f"{args.smp} has participants still, {one} for one",
                fix="Remove or migrate them first, or add --with-participants to take all of them out of the SML.",
            )
        sml.delete_publisher(args.smp)
    return tell(args, {"smp": args.smp}, f"{args.smp} is taken out.")


def run_prepare_certificate(args: argparse.Namespace) -> int:
    """PrepareChangeCertificate."""
    from ehmi_ap.crypto.keys import load_certificates
    from ehmi_ap.errors import XmlSecurityError

    try:
        certificates = load_certificates(read(args.new))
    except XmlSecurityError as error:
        raise UsageError(
            f"{args.new}: {error}", fix="Give it as PEM, from -----BEGIN CERTIFICATE----- to -----END CERTIFICATE-----."
        ) from error
    if len(certificates) != 1:
        raise UsageError(f"{args.new} holds {len(certificates)} certificates", fix="Give the new certificate alone.")
    [new] = certificates
    on = args.on or new.not_before.date()
    with connected(args) as sml:
        sml.prepare_change_certificate(new, args.on, today=datetime.now(UTC).date())
    change = {"on": on.isoformat(), "subject": new.subject, "sha256": new.sha256}
    return tell(args, change, f"The SML changes to {new.subject} on {on}.")


# -- below -----------------------------------------------------------------------------------------------------------


def _publisher(args: argparse.Namespace) -> "Publisher":
    from ehmi_ap.sml import Publisher

    return Publisher(id=args.smp, logical_address=args.url, physical_address=args.ip)


def _facts(publisher: "Publisher") -> dict[str, object]:
    return {"smp": publisher.id, "url": publisher.logical_address, "ip": publisher.physical_address}
