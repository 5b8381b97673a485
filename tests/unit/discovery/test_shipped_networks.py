"""The networks that travel with the package: each parses, and says what it lacks."""

import dataclasses
import re
import tomllib
from collections.abc import Iterator
from importlib.resources.abc import Traversable

import pytest

from ehmi_ap.config import shipped_networks
from ehmi_ap.discovery.network import Network, gaps, parse_network

SHIPPED = sorted(shipped_networks().iterdir(), key=lambda file: file.name)
STATIC = (shipped_networks() / "static.toml").read_text(encoding="utf-8")


def read(name: str) -> Network:
    return parse_network(name, tomllib.loads((shipped_networks() / f"{name}.toml").read_text(encoding="utf-8")))


def test_they_are_five() -> None:
    assert [file.name for file in SHIPPED] == ["ehmi.toml", "eu.toml", "nemhandel.toml", "peppol.toml", "static.toml"]


@pytest.mark.parametrize("file", SHIPPED, ids=lambda file: file.name)
def test_each_is_right(file: Traversable) -> None:
    """Each parses, and a default that is shown as "#key = value" is the default."""
    text = file.read_text(encoding="utf-8")
    shown = re.sub(r"(?m)^#([a-z0-9_]+ = )", r"\1", text)
    plain, uncommented = (parse_network("test", tomllib.loads(each)) for each in (text, shown))
    assert plain == uncommented
    assert max(map(len, text.splitlines())) <= 120


def keys(cls: type = Network) -> Iterator[str]:
    for field in dataclasses.fields(cls):
        yield field.name
        if dataclasses.is_dataclass(field.default_factory):
            yield from keys(field.default_factory)


def test_one_of_them_explains_every_key() -> None:
    missing = {key for key in keys() if not re.search(rf"(?m)^(# ?)?\[?{key}(\]| = )", STATIC)}
    assert missing == {"name"}


@pytest.mark.parametrize(
    ("name", "lacking"),
    [
        ("ehmi", ["zones", "[publishers] trust", "[receivers] trust"]),
        ("static", ["zones", "[publishers] trust", "[receivers] trust"]),
        ("nemhandel", []),
        ("peppol", []),
        ("eu", []),
    ],
)
def test_what_is_not_known_is_empty_and_found(name: str, lacking: list[str]) -> None:
    assert [text.partition(":")[0] for text in gaps(read(name))] == lacking


@pytest.mark.parametrize("name", ["ehmi", "nemhandel", "peppol", "eu", "static"])
def test_none_of_them_is_lax(name: str) -> None:
    network = read(name)
    assert (network.publishers.sha1, network.publishers.https_only, network.receivers.https_only) == (False, True, True)
    assert (network.publishers.revocation, network.receivers.revocation) == ("hard", "hard")
    assert (network.publishers.private_addresses, network.receivers.private_addresses) == (False, False)
    assert network.legacy is False
    assert not set(network.publishers.trust) & set(network.receivers.trust)


def test_ehmi_takes_both_transports_the_danish_lists_first() -> None:
    assert read("ehmi").receivers.transport_profiles == ("peppol-transport-as4-v2_0", "bdxr-transport-ebms3-as4-v1p0")
