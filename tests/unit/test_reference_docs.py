"""The reference names every setting with its default, and its examples work."""

import dataclasses
import re
import tomllib
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from ehmi_ap import tables
from ehmi_ap.backends import directory, webhook
from ehmi_ap.body import MemoryBody
from ehmi_ap.config import Config, product_pmodes, settings
from ehmi_ap.discovery.network import Cache, Naming, Network, Publishers, Receivers, Resolver, gaps, parse_network
from ehmi_ap.ehmi import rules
from ehmi_ap.lifecycle import RetryPolicy
from ehmi_ap.model import MessageId, Party, PartyId, Payload, Service, UserMessage
from ehmi_ap.pmode import Limits, PMode, Security, parse_pmode
from ehmi_ap.profiles import PROFILES, RULES
from tests import ehmisbdh_reference, networks_reference

DOCS = Path(__file__).parent.parent.parent / "docs"
CONFIGURATION = (DOCS / "reference" / "configuration.md").read_text(encoding="utf-8")
PMODES = (DOCS / "reference" / "pmodes.md").read_text(encoding="utf-8")
NETWORKS = (DOCS / "reference" / "networks.md").read_text(encoding="utf-8")


def section(text: str, heading: str) -> str:
    """What stands under a heading, down to the next one of its level or above."""
    level = heading.split(" ")[0]
    _, found, rest = text.partition(f"\n{heading}")
    assert found, heading
    return re.split(rf"\n#{{1,{len(level)}}} ", rest)[0]


def rows(text: str) -> dict[str, str]:
    """First cell of each table row -> the row."""
    found = re.findall(r"(?m)^\| `([^`]+)` \|(.*)$", text)
    return dict(found)


@pytest.mark.parametrize(
    ("cls", "heading"),
    [
        (Config, "## Top level"),
        (settings.As4Listener, "## `[as4]`"),
        (settings.Tls, "## `[as4.tls]`, `[internal.tls]`, `[web.tls]`, `[discovery.tls]`, `[eds.tls]`"),
        (settings.InternalListener, "## `[internal]`"),
        (settings.WebClient, "## `[web]`"),
        (settings.Discovery, "## `[discovery]`"),
        (settings.Eds, "## `[eds]`"),
        (settings.EdsDevice, "### `[eds.device]`"),
        (settings.EdsOrganisation, "### `[[eds.organisations]]`"),
        (settings.KeyFile, "## `[keys.signing]`, `[[keys.decryption]]`"),
        (settings.KeyFiles, "## `[keys.signing]`, `[[keys.decryption]]`"),
        (settings.BackendConfig, "## `[backends.NAME]`"),
        (settings.BackendSignature, "### `[backends.NAME.signature]`"),
        (directory.Options, '### `kind = "directory"`'),
        (webhook.Options, '### `kind = "webhook"`'),
        (settings.Retention, "## `[retention]`"),
        (settings.Workers, "## `[workers]`"),
        (settings.HttpLimits, "## `[limits]`"),
        (settings.Log, "## `[log]`"),
    ],
)
def test_every_setting_with_its_default(cls: Any, heading: str) -> None:
    documented = rows(section(CONFIGURATION, heading))
    for item in dataclasses.fields(cls):
        if item.name not in ("home", "options"):
            assert item.name in documented
            assert shown(item.default) in documented[item.name], item.name


@pytest.mark.parametrize(
    ("cls", "heading"), [(Security, "## `[security]`"), (RetryPolicy, "## `[retry]`"), (Limits, "## `[limits]`")]
)
def test_every_key_of_a_pmodes_tables_with_its_default(cls: Any, heading: str) -> None:
    documented = rows(section(PMODES, heading))
    assert set(documented) == {item.name for item in dataclasses.fields(cls)}
    for item in dataclasses.fields(cls):
        if item.name != "accept_token":  # "all six"
            assert shown(item.default) in documented[item.name], item.name


def test_every_key_of_a_pmode() -> None:
    documented = rows(PMODES)
    keys = {item.name for item in dataclasses.fields(PMode)} - {"name", "security", "retry", "limits"}
    assert keys <= set(documented)
    for item in dataclasses.fields(PMode):
        if isinstance(item.default, bool | int | float):
            assert shown(item.default) in documented[item.name], item.name


def test_every_product_with_what_differs() -> None:
    """Each file below pmodes/products/, and the keys in it that are no examples and no defaults."""
    documented = rows(section(PMODES, "## Products"))
    assert {name.removesuffix(".toml") for name in documented} == set(product_pmodes())
    for product, table in product_pmodes().items():
        named = set(re.findall(r"`(\w+)`", documented[f"{product}.toml"].rpartition("|")[0].rpartition("|")[2]))
        nested = {key for value in table.values() if isinstance(value, dict) for key in value} - {"id", "type", "value"}
        plain = {key for key, value in table.items() if not isinstance(value, dict)}
        assert named == nested | plain - {"profile", "partner", "url", "certificate"}, product
        typed = sum(isinstance(table.get(key), dict) for key in ("partner", "us", "service"))
        assert ("types of both parties" in documented[f"{product}.toml"]) == (typed >= 2)


@pytest.mark.parametrize(
    ("cls", "heading"),
    [
        (Naming, "## `[naming]`"),
        (Resolver, "## `[resolver]`"),
        (Publishers, "## `[publishers]`"),
        (Receivers, "## `[receivers]`"),
        (Cache, "## `[cache]`"),
    ],
)
def test_every_key_of_a_networks_tables_with_its_default(cls: Any, heading: str) -> None:
    documented = rows(section(NETWORKS, heading))
    assert set(documented) == {item.name for item in dataclasses.fields(cls)}
    for item in dataclasses.fields(cls):
        assert shown(item.default) in documented[item.name], item.name


def test_every_key_of_a_network_with_its_default() -> None:
    documented = rows(section(NETWORKS, "## Where an SMP is")) | rows(section(NETWORKS, "## Identifiers"))
    tables_ = {"naming", "resolver", "publishers", "receivers", "cache"}
    assert set(documented) == {item.name for item in dataclasses.fields(Network)} - tables_ - {"name"}
    for item in dataclasses.fields(Network):
        if item.name in documented:
            assert shown(item.default) in documented[item.name], item.name


def test_the_smallest_network() -> None:
    assert gaps(parse_network("mine", tomllib.loads(examples(NETWORKS, "toml")[0]))) == ()


def test_the_reasons_are_those_of_the_code() -> None:
    """Otherwise: python -m tests.networks_reference"""
    assert networks_reference.render(NETWORKS) == NETWORKS


def shown(default: object) -> str:
    """A default as a table shows it; nothing can be asked of what has none."""
    if default is dataclasses.MISSING or default is None or default == ():
        return ""
    return tables.to_toml({"x": str(default) if isinstance(default, Path) else default}).removeprefix("x = ").strip()


def test_every_rule() -> None:
    """Each with the level that an access point gives it by default, and what it asks."""
    said = rows(section(CONFIGURATION, "## `[checks]`"))
    assert set(said) == set(RULES)
    for rule in rules.RULES:
        assert rule.ap is None or said[rule.id] == f" {rule.ap} | {rule.what} |"


def test_the_rules_are_those_of_the_code() -> None:
    """Otherwise: python -m tests.ehmisbdh_reference"""
    page = ehmisbdh_reference.FILE.read_text(encoding="utf-8")
    assert ehmisbdh_reference.render(page) == page


def examples(text: str, kind: str) -> list[str]:
    return re.findall(rf"```{kind}\n(.*?)```", text, re.DOTALL)


def test_the_smallest_configuration_and_one_with_eds(tmp_path: Path, test_pki: Any) -> None:
    for name, content in {
        "keys/tls.pem": test_pki.sender.key_pem + test_pki.sender.pem,
        "keys/ap.p12": test_pki.sender.p12("open"),
        "keys/ap.password": b"open\n",
        "tokens/msh": b"s3cret\n",
    }.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(content)
    smallest, eds = examples(CONFIGURATION, "toml")
    (tmp_path / "ehmi-ap.toml").write_text(smallest)
    assert Config.load(tmp_path / "ehmi-ap.toml").party.value == "our-ap"
    (tmp_path / "ehmi-ap.toml").write_text(smallest + eds)
    found = Config.load(tmp_path / "ehmi-ap.toml").eds
    assert found is not None
    assert found.organisations[0].name == "Aarhus Kommune"


def test_the_smallest_pmode() -> None:
    table = tomllib.loads(examples(PMODES, "toml")[0])
    assert parse_pmode("partner", table, us=PartyId("us"), profiles=PROFILES).four_corner


async def test_how_to_write_a_backend(tmp_path: Path) -> None:
    """The skeleton keeps what it promises: a message that comes again is there once."""
    text = (DOCS / "how-to" / "write-a-backend.md").read_text(encoding="utf-8")
    [code] = examples(text, "python")
    namespace: dict[str, Any] = {}
    exec(compile(code, "write-a-backend.md", "exec"), namespace)
    backend = namespace["TableBackend"].from_config("ward", {"database": "inbox.db"}, home=tmp_path, domain="x")
    message = UserMessage(
        message_id=MessageId("1@x"),
        timestamp=datetime(2026, 11, 23, tzinfo=UTC),
        from_=Party(PartyId("a"), "initiator"),
        to=Party(PartyId("b"), "responder"),
        service=Service("urn:s"),
        action="urn:a",
        conversation_id="c",
        payloads=(Payload(body=MemoryBody(b"<a/>"), mime_type="application/xml"),),
    )
    for _ in range(2):
        await backend.deliver(message)
    connection = namespace["sqlite3"].connect(tmp_path / "inbox.db")
    try:
        assert connection.execute("SELECT message_id, payload FROM inbox").fetchall() == [("1@x", b"<a/>")]
    finally:
        connection.close()
