"""[discovery] offline: signed metadata in NETWORK/*.xml. What cannot be used is said, and stops nobody."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from ehmi_ap.crypto.keys import Trust
from ehmi_ap.discovery.network import Network
from ehmi_ap.discovery.snapshots import Snapshot, objection, read_snapshot
from ehmi_ap.errors import DiscoveryError
from ehmi_ap.tables import reason

MAX_BYTES = 1024 * 1024
"""Of one file: as much as is read of an SMP's answer."""


@dataclass
class Offline:
    """The snapshots of each network, and what is to say about files of which nobody could be sent to now."""

    snapshots: dict[str, tuple[Snapshot, ...]] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)


def read_offline(folder: Path | None, networks: Mapping[str, Network], trust: Trust, *, now: datetime) -> Offline:
    """What the folder holds, each file verified and judged at `now`; None: there is no such folder."""
    offline = Offline()
    if folder is None:
        return offline
    try:
        names = sorted(path.name for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
    except OSError as error:
        offline.warnings.append(f"{folder.name}/: cannot be read ({reason(error)}); make it, or correct [discovery]")
        return offline
    for name in names:
        if name not in networks:
            offline.warnings.append(f"{folder.name}/{name}/: there is no network of this name; nothing in it is used")
            continue
        found: list[Snapshot] = []
        for path in sorted((folder / name).glob("*.xml")):
            try:
                found.append(_read(path, networks[name], trust, now))
            except (_NotUsed, DiscoveryError) as error:
                offline.warnings.append(f"{folder.name}/{name}/{path.name}: is not used: {error.what}; {error.fix}")
        offline.snapshots[name] = tuple(found)
    return offline


class _NotUsed(Exception):
    def __init__(self, what: str, fix: str) -> None:
        super().__init__(what)
        self.what = what
        self.fix = fix


def _read(path: Path, network: Network, trust: Trust, now: datetime) -> Snapshot:
    """Raises _NotUsed, DiscoveryError."""
    try:
        if path.stat().st_size > MAX_BYTES:
            raise _NotUsed(f"it has more than {MAX_BYTES} bytes", "No metadata is that large.")
        data = path.read_bytes()
    except OSError as error:
        raise _NotUsed(f"it cannot be read ({reason(error)})", "Correct its owner or mode.") from None
    snapshot = read_snapshot(path.name, data, network)
    against = objection(snapshot, network, trust, now=now)
    if against is not None:
        raise against
    return snapshot
