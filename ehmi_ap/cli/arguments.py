"""Arguments that several commands share."""

import argparse
import os
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


def add_message(parser: argparse.ArgumentParser) -> None:
    """The arguments that name one message."""
    parser.add_argument("message_id", metavar="ID", help="its MessageId")
    parser.add_argument(
        "--direction", choices=("outbound", "inbound"), help="which one, where it was sent and received"
    )
    parser.add_argument("--party", metavar="ID", help="PartyId of the partner, where several used the same MessageId")
