"""The P-Modes that travel with the package, as commented templates."""

from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path


def shipped_pmodes() -> Traversable:
    """The folder of shipped P-Modes: in a wheel inside the package, in an editable install the checkout's pmodes/."""
    package = files("ehmi_ap")
    packed = package.joinpath("shipped", "pmodes")
    return packed if packed.is_dir() else Path(str(package)).parent / "pmodes"
