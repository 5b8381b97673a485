"""A network's file: what it means, and every mistake in it at once."""

import pytest

from ehmi_ap.discovery.network import (
    Cache,
    Naming,
    Network,
    Publishers,
    Receivers,
    Resolver,
    Server,
    gaps,
    parse_network,
    resolver_mistakes,
)
from ehmi_ap.errors import ConfigError


def mistakes(**table: object) -> tuple[str, ...]:
    with pytest.raises(ConfigError) as refused:
        parse_network("test", table)
    assert all(text.startswith("networks/test.toml: ") for text in refused.value.findings)
    return tuple(text.removeprefix("networks/test.toml: ") for text in refused.value.findings)


def test_an_empty_file_is_a_network_with_our_defaults() -> None:
    assert parse_network("test", {}) == Network(name="test")


def test_every_key() -> None:
    table: dict[str, object] = {
        "zones": ["sml.example", "sml2.example."],
        "zone_of": {"0088:5790000121526": "other.example"},
        "smp": "https://smp.example/base",
        "smps": {"0088:5790000201389": "https://smp2.example"},
        "services": ["oasis-bdxr-smp-2", "Meta:SMP"],
        "legacy": False,
        "regexp": True,
        "participant_scheme": "iso6523-actorid-upis",
        "document_scheme": "",
        "process_scheme": "dk-messaging",
        "wildcards": True,
        "fold_case": True,
        "spellings": {"urn:a": ["urn:b", "::urn:c"]},
        "naming": {
            "template": "{hash}.{icd}.{scheme}.{zone}",
            "digest": "sha224",
            "encoding": "hex",
            "prefix": "B-",
            "hashed": "scheme::value",
        },
        "resolver": {"servers": ["192.0.2.1:53", "[2001:db8::1]:5353"], "dnssec": "require", "tcp": True},
        "publishers": {
            "dialects": ["oasis2", "oasis1"],
            "trust": ["smp-ca"],
            "subject": "CN=SMP.*",
            "policies": ["1.2.208.1"],
            "sha1": True,
            "revocation": "soft",
            "redirects": 0,
            "tls_trust": "",
            "client_certificate": True,
            "private_addresses": True,
        },
        "receivers": {
            "transport_profiles": ["peppol-transport-as4-v2_0"],
            "trust": ["ap-ca"],
            "party_type": "",
            "party_id": "subject-serial",
        },
        "cache": {"ttl": 60.0, "negative": 0.0, "stale": 0.0, "refresh": 1.0, "size": 1},
    }
    network = parse_network("test", table)
    assert network == Network(
        name="test",
        zones=("sml.example", "sml2.example."),
        zone_of={"0088:5790000121526": "other.example"},
        smp="https://smp.example/base",
        smps={"0088:5790000201389": "https://smp2.example"},
        services=("oasis-bdxr-smp-2", "Meta:SMP"),
        regexp=True,
        document_scheme=None,
        process_scheme="dk-messaging",
        wildcards=True,
        fold_case=True,
        spellings={"urn:a": ("urn:b", "::urn:c")},
        naming=Naming(
            template="{hash}.{icd}.{scheme}.{zone}",
            digest="sha224",
            encoding="hex",
            prefix="B-",
            hashed="scheme::value",
        ),
        resolver=Resolver(servers=("192.0.2.1:53", "[2001:db8::1]:5353"), dnssec="require", tcp=True),
        publishers=Publishers(
            dialects=("oasis2", "oasis1"),
            trust=("smp-ca",),
            subject="CN=SMP.*",
            policies=("1.2.208.1",),
            sha1=True,
            revocation="soft",
            redirects=0,
            client_certificate=True,
            private_addresses=True,
        ),
        receivers=Receivers(
            transport_profiles=("peppol-transport-as4-v2_0",), trust=("ap-ca",), party_id="subject-serial"
        ),
        cache=Cache(ttl=60.0, negative=0.0, stale=0.0, refresh=1.0, size=1),
    )
    assert gaps(network) == ()


@pytest.mark.parametrize(
    ("table", "text"),
    [
        ({"name": "x"}, "name: is the file's name; leave it out"),
        ({"zoned": []}, "zoned: is not a setting; did you mean `zones`?"),
        ({"publishers": {"sha256": True}}, "[publishers] sha256: is not a setting; did you mean `sha1`?"),
        ({"zones": "sml.example"}, 'zones: has to be a list: ["one", "two"]'),
        ({"publishers": {"dialects": ["busdox"]}}, "[publishers] dialects #1: has to be one of 'peppol', 'oasis1' or"),
        ({"resolver": {"dnssec": True}}, "[resolver] dnssec: has to be one of"),
        ({"zones": ["a b"]}, "zones: has to be names of DNS zones"),
        ({"zones": ["a..b"]}, "zones: has to be names of DNS zones"),
        ({"zones": [""]}, "zones: has to be names of DNS zones"),
        ({"zone_of": {"x": "a_/"}}, "[zone_of]: has to be names of DNS zones"),
        ({"naming": {"template": "{scheme}.{zone}"}}, "[naming] template: needs {hash} and {zone}"),
        ({"naming": {"template": "{hash}.{zone}.{x}"}}, "[naming] template: needs {hash} and {zone}"),
        ({"naming": {"template": "{hash.__class__}.{zone}"}}, "[naming] template: needs {hash} and {zone}"),
        ({"naming": {"template": "{hash}.{zone"}}, "[naming] template: needs {hash} and {zone}"),
        ({"naming": {"encoding": "hex"}}, "[naming] encoding: digest and prefix are longer"),
        ({"naming": {"prefix": "twelve-chars"}}, "[naming] encoding: digest and prefix are longer"),
        ({"legacy": True}, "legacy: a CNAME leads to plain http"),
        ({"zones": ["a"], "services": []}, "services: is empty"),
        ({"smp": "http://smp.example"}, "smp: an SMP's URL cannot be used: it is not https; correct it"),
        ({"smps": {"x": "smp.example"}}, "[smps]: an SMP's URL cannot be used: it is neither https nor http"),
        ({"resolver": {"servers": ["ns.example"]}}, "[resolver] servers: has to be addresses with a port"),
        ({"resolver": {"servers": ["192.0.2.1"]}}, "[resolver] servers: has to be addresses with a port"),
        ({"resolver": {"dnssec": "prefer"}}, "[resolver] dnssec: needs `servers`"),
        ({"resolver": {"timeout": 7.0}}, "[resolver] timeout, lifetime: "),
        ({"resolver": {"timeout": 0.0}}, "[resolver] timeout, lifetime: "),
        ({"publishers": {"dialects": []}}, "[publishers] dialects: is empty"),
        ({"publishers": {"subject": "("}}, "[publishers] subject: is no regular expression"),
        ({"publishers": {"policies": ["x"]}}, "[publishers] policies: has to be object identifiers"),
        ({"publishers": {"redirects": 2}}, "[publishers] redirects: has to be 0 or 1"),
        ({"receivers": {"policies": ["1"]}}, "[receivers] policies: has to be object identifiers"),
        ({"receivers": {"transport_profiles": []}}, "[receivers] transport_profiles: is empty"),
        ({"cache": {"negative": 61.0}}, "[cache] ttl, negative, stale: in seconds, from 0; negative at most 60"),
        ({"cache": {"refresh": 0.0}}, "[cache] refresh, size: "),
        ({"cache": {"size": 0}}, "[cache] refresh, size: "),
    ],
)
def test_mistakes(table: dict[str, object], text: str) -> None:
    found = mistakes(**table)
    assert any(each.startswith(text) for each in found), found


def test_all_mistakes_at_once() -> None:
    found = mistakes(name="x", legacy=True, cache={"size": 0}, resolver={"dnssec": "require"})
    assert len(found) == 4


def test_mistakes_of_shape_come_with_those_that_need_no_shape() -> None:
    assert len(mistakes(name="x", zones=1, publishers={"redirects": "one"})) == 3


def test_what_a_network_lacks() -> None:
    assert [text.partition(":")[0] for text in gaps(Network(name="test"))] == [
        "zones",
        "[publishers] trust",
        "[receivers] trust",
    ]
    only_one = Network(
        name="test", smps={"x": "https://smp.example"}, publishers=Publishers(trust=("a",)), receivers=Receivers()
    )
    assert len(gaps(only_one)) == 1


@pytest.mark.parametrize("text", ["127.0.0.1:53", "[::1]:5353", "[fe80::1%eth0]:53", "255.255.255.255:65535"])
def test_a_server_is_an_address_and_a_port(text: str) -> None:
    assert str(Server.read(text)) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        ":53",
        "ns.example:53",
        "127.0.0.1",
        "127.0.0.1:",
        "127.0.0.1:0",
        "127.0.0.1:053",
        "127.0.0.1:65536",
        "127.0.0.1:+53",
        "127.0.0.1:53/x",
        "a@127.0.0.1:53",
        "999.0.0.1:53",
        "[127.0.0.1]:53",
        "::1:53",
        "[::1:53",
        "::1]:53",
        "[::1]",
        "[::1]x",
        "127.0.0.1:\u0665\u0663",
    ],
)
def test_a_server_that_is_none(text: str) -> None:
    with pytest.raises(ValueError):
        Server.read(text)
    assert [each.partition(":")[0] for each in resolver_mistakes(Resolver(servers=(text,)))] == ["servers"]
