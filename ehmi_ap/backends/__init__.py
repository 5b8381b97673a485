"""C1 and C4: one file per way to reach them, each found by its entry point in group `ehmi_ap.backends`.

A backend is a class with

    fetches: bool                                              True: C4 fetches from our REST inbox
    @classmethod from_config(cls, name, table, *, home, domain)   its table of ehmi-ap.toml, without `kind` and `token`
    async deliver(message)                                     the only method that has to do something

and, where it makes sense, `async run(submit)` to feed C1's submissions and `async notify(event)` to tell of receipts
and errors (ports.Backend). docs/how-to/write-a-backend.md has a skeleton to copy.
"""

from collections.abc import Mapping
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Protocol

from ehmi_ap.errors import ConfigError
from ehmi_ap.ports import Backend

GROUP = "ehmi_ap.backends"


def kinds() -> Mapping[str, EntryPoint]:
    """The installed kinds of backend by name."""
    return {point.name: point for point in entry_points(group=GROUP)}


def build(name: str, kind: str, table: Mapping[str, object], *, home: Path, domain: str) -> Backend:
    """The backend that `[backends.NAME]` describes.

    Args:
        name: its name in the configuration.
        kind: name of an entry point in group `ehmi_ap.backends`.
        table: the options, without `kind` and `token`.
        home: what relative paths are relative to.
        domain: right side of the MessageIds it makes.

    Raises:
        ConfigError: an unknown kind, or what the backend has against its options.
    """
    point = kinds().get(kind)
    if point is None:
        known = ", ".join(sorted(kinds()))
        raise ConfigError([f"ehmi-ap.toml: [backends.{name}] kind: {kind!r} is not installed; use one of {known}"])
    backend: Backend = point.load().from_config(name, table, home=home, domain=domain)
    return backend


class Described(Protocol):
    """What a configuration says of a backend."""

    @property
    def kind(self) -> str: ...

    @property
    def options(self) -> Mapping[str, object]: ...


def build_all(tables: Mapping[str, Described], *, home: Path, domain: str) -> dict[str, Backend]:
    """The backends of a configuration by name; see build(). Raises ConfigError: the findings of all of them."""
    built: dict[str, Backend] = {}
    findings: list[str] = []
    for name, table in tables.items():
        try:
            built[name] = build(name, table.kind, table.options, home=home, domain=domain)
        except ConfigError as error:
            findings += error.findings
    if findings:
        raise ConfigError(findings)
    return built
