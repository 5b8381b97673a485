"""Arguments that several commands share."""

import argparse
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    Subparsers = argparse._SubParsersAction[argparse.ArgumentParser]
    """What a command's add() registers itself with; argparse gives it no public name."""

DEFAULT_CONFIG = "ehmi-ap.toml"


def add_config(parser: argparse.ArgumentParser) -> None:
    """`--config`, for every command that reads the configuration."""
    parser.add_argument(
        "--config",
        type=Path,
        default=Path(os.environ.get("EHMI_AP_CONFIG", DEFAULT_CONFIG)),
        metavar="FILE",
        help=f"the configuration (default: $EHMI_AP_CONFIG, else {DEFAULT_CONFIG} in this folder)",
    )


def moment(text: str) -> datetime:
    """A time as an argument; in UTC where it names no zone."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a time like 2026-11-23 or 2026-11-23T12:00:00Z") from None
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def positive(text: str) -> int:
    """A number from 1 as an argument."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 1")
    return int(text)


def add_message(parser: argparse.ArgumentParser) -> None:
    """The arguments that name one message."""
    parser.add_argument("message_id", metavar="ID", help="its MessageId")
    parser.add_argument(
        "--direction", choices=("outbound", "inbound"), help="which one, where it was sent and received"
    )
    parser.add_argument("--party", metavar="ID", help="PartyId of the partner, where several used the same MessageId")
