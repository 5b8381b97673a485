"""The P-Modes and networks that travel with the package, as commented TOML."""

import tomllib
from collections.abc import Mapping
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path


def shipped_pmodes() -> Traversable:
    """The folder of shipped P-Modes, which are templates for an operator's own.

    In a wheel it is inside the package, in an editable install it is the checkout's.
    """
    package = files("ehmi_ap")
    packed = package.joinpath("shipped", "pmodes")
    return packed if packed.is_dir() else Path(str(package)).parent / "pmodes"


def product_pmodes() -> Mapping[str, Mapping[str, object]]:
    """The tables of pmodes/products/, which say what a product needs, by its name."""
    folder = shipped_pmodes() / "products"
    return {
        file.name.removesuffix(".toml"): tomllib.loads(file.read_text(encoding="utf-8")) for file in folder.iterdir()
    }


def shipped_networks() -> Traversable:
    """Their folder of networks, which are used as they are unless an operator has one of the same name."""
    return shipped_pmodes() / "networks"


def network_tables() -> Mapping[str, Mapping[str, object]]:
    """The tables of the shipped networks, by their names."""
    files = [each for each in shipped_networks().iterdir() if each.name.endswith(".toml")]
    return {each.name.removesuffix(".toml"): tomllib.loads(each.read_text(encoding="utf-8")) for each in files}
