"""With whom we exchange messages, under which P-Modes and with which keys: one value, checked as a whole.

It is what may change while we run. Nothing here reads a file: `ehmi_ap.config` brings the tables and the bytes.
"""

from dataclasses import dataclass

from ehmi_ap.crypto.certs import Certificate
from ehmi_ap.crypto.keys import Keys, Trust
from ehmi_ap.pmode import PMode


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreements:
    """P-Modes, our keys and the certificates we trust. `warnings` are findings that do not stop us."""

    pmodes: tuple[PMode, ...]
    keys: Keys
    trust: Trust
    warnings: tuple[str, ...] = ()

    def recipient(self, pmode: PMode) -> Certificate | None:
        """The partner's certificate to encrypt for: the newest valid one under the name, or None."""
