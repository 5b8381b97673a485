"""init, partner and check: a configuration that works from the first minute, and every mistake of one that does not."""

import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pki
import pytest

from ehmi_ap import cli, tables
from ehmi_ap.cli.init import write
from ehmi_ap.cli.output import Exit
from ehmi_ap.config import Config, load_agreements, product_pmodes
from ehmi_ap.model import AgreementRef, PartyId, Service


def ehmi_ap(*arguments: str) -> int:
    return cli.main(arguments)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two configurations, made once: `a` and `b`."""
    base = tmp_path_factory.mktemp("made")
    for name in ("a", "b"):
        write(
            base / name,
            party=f"ap-{name}",
            domain="localhost",
            port=0,
            internal_port=0,
            public_url=f"https://localhost:8443/{name}",
        )
    return base


@pytest.fixture
def at_a(made: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """In the folder of `a`, without partners."""
    folder = made / "a"
    for path in (*(folder / "trust").iterdir(), *(folder / "pmodes").iterdir()):
        if path.name != "msh.pem":
            path.unlink()
    monkeypatch.chdir(folder)
    return folder


def add_b(*more: str, trust: str = "--certificate", file: str = "../b/keys/ap.crt.pem") -> int:
    return ehmi_ap("partner", "add", "b", "--url", "https://localhost:8443/b", "--party", "ap-b", trust, file, *more)


def with_a_network(folder: Path) -> None:
    """`ours`, complete."""
    (folder / "networks").mkdir(exist_ok=True)
    table = {"smp": "https://smp.example", "publishers": {"trust": ["ca"]}, "receivers": {"trust": ["ca"]}}
    (folder / "networks" / "ours.toml").write_text(tables.to_toml(table))
    (folder / "trust" / "ca.pem").write_bytes((folder / "keys" / "ca.crt.pem").read_bytes())


class TestInit:
    def test_what_is_written_is_right(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert ehmi_ap("init", str(tmp_path / "new"), "--party", "our-ap", "--domain", "ap.example.org") == Exit.OK
        config = Config.load(tmp_path / "new" / "ehmi-ap.toml")
        assert (config.party.value, config.domain) == ("our-ap", "ap.example.org")
        assert config.as4.public_url == "https://ap.example.org:8443/as4"
        assert load_agreements(config).keys.signing.certificate.common_name == "our-ap"
        shown = capsys.readouterr().out
        assert "ehmi-ap partner sheet" in shown
        assert "ehmi-ap serve" in shown

    def test_in_an_empty_folder(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)
        assert ehmi_ap("init", ".") == Exit.OK
        assert (tmp_path / "ehmi-ap.toml").is_file()

    def test_nothing_is_overwritten(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        (tmp_path / "mine").write_text("x")
        assert ehmi_ap("init", str(tmp_path)) == Exit.USAGE
        assert os.listdir(tmp_path) == ["mine"]
        assert "not empty" in capsys.readouterr().err

    @pytest.mark.parametrize("port", ["x", "-1", "65536"])
    def test_no_port(self, tmp_path: Path, port: str) -> None:
        assert ehmi_ap("init", str(tmp_path / "new"), f"--port={port}") == Exit.USAGE
        assert not (tmp_path / "new").exists()

    def test_a_party_that_no_certificate_can_carry(self, tmp_path: Path) -> None:
        assert ehmi_ap("init", str(tmp_path / "new"), "--party", "x" * 65) == Exit.CONFIG
        assert not (tmp_path / "new").exists()

    def test_secrets_are_for_the_owner_only(self, made: Path) -> None:
        keys = [path for path in (made / "a" / "keys").iterdir() if b"PRIVATE KEY" in path.read_bytes()]
        secret = [*(made / "a" / "tokens").iterdir(), *keys]
        assert sorted(path.name for path in keys) == ["ap.key.pem", "delivery.key.pem", "msh.pem", "tls.key.pem"]
        assert len(secret) == 6
        assert {path.stat().st_mode & 0o777 for path in secret} == {0o600}
        assert {(made / "a" / name).stat().st_mode & 0o777 for name in ("keys", "tokens", "trust", "data")} == {0o700}
        assert (made / "a" / "exchange" / "outbox").stat().st_mode & 0o777 == 0o770

    def test_tokens_are_long_and_different(self, made: Path) -> None:
        tokens = {path.read_text().strip() for name in ("a", "b") for path in (made / name / "tokens").iterdir()}
        assert len(tokens) == 4
        assert min(map(len, tokens)) >= 40

    def test_the_commented_settings_are_the_defaults(self, made: Path) -> None:
        text = (made / "a" / "ehmi-ap.toml").read_text()
        uncommented = made / "a" / "uncommented.toml"
        uncommented.write_text(re.sub(r"(?m)^#([a-z_]+ = )", r"\1", text))
        try:
            assert uncommented.read_text() != text
            assert Config.load(uncommented) == Config.load(made / "a" / "ehmi-ap.toml")
        finally:
            uncommented.unlink()

    def test_odd_values_stay_values(self, tmp_path: Path) -> None:
        party = 'we "are" \\ us = [x]'
        write(tmp_path / "x", party=party, domain="localhost", port=1, internal_port=2, public_url="https://x")
        assert Config.load(tmp_path / "x" / "ehmi-ap.toml").party.value == party


class TestPartnerAdd:
    def test_at_most_ten_lines(self, at_a: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """With everything that can be said about a partner in one line."""
        every = ("--type", "urn:t", "--service", "urn:s", "--action", "a", "--action", "b", "--agreement", "x")
        assert (
            add_b(*every, "--participant", "0088:1", "--backend", "exchange", "--tls-ca", "../b/keys/ca.crt.pem") == 0
        )
        text = (at_a / "pmodes" / "b.toml").read_text()
        assert len(text.splitlines()) == 10
        assert text.strip() in capsys.readouterr().out
        [pmode] = load_agreements(Config.load(at_a / "ehmi-ap.toml")).pmodes
        assert (pmode.actions, pmode.participants, pmode.tls_trust) == (("a", "b"), ("0088:1",), "b-tls")
        assert pmode.partner == PartyId("ap-b", "urn:t")

    def test_a_partner_without_a_type(self, at_a: Path) -> None:
        assert add_b("--type", "") == 0
        [pmode] = load_agreements(Config.load(at_a / "ehmi-ap.toml")).pmodes
        assert pmode.partner == PartyId("ap-b")

    def test_the_plain_case(self, at_a: Path) -> None:
        assert add_b() == Exit.OK
        assert tomllib.loads((at_a / "pmodes" / "b.toml").read_text()) == {
            "profile": "ehmi",
            "partner": "ap-b",
            "url": "https://localhost:8443/b",
            "certificate": "b",
        }
        assert (at_a / "trust" / "b.pem").read_bytes() == (at_a.parent / "b" / "keys" / "ap.crt.pem").read_bytes()
        assert ehmi_ap("check") == Exit.OK

    @pytest.mark.parametrize("product", sorted(product_pmodes()))
    def test_like_a_product(self, at_a: Path, product: str, capsys: pytest.CaptureFixture[str]) -> None:
        """Its values, and none of its examples; what the command says goes first."""
        assert add_b("--like", product) == Exit.OK
        shipped = {**product_pmodes()[product]}
        written = tomllib.loads((at_a / "pmodes" / "b.toml").read_text())
        for name in ("partner", "url", "certificate"):
            assert shipped.pop(name) != written.pop(name)
        assert written == {key: value for key, value in shipped.items() if value != {}}
        assert ehmi_ap("check") == Exit.OK
        assert ehmi_ap("partner", "add", "--help") == Exit.OK
        assert re.search(rf"[ ,]{product}[, \n]", capsys.readouterr().out)

    def test_like_a_product_with_values_of_our_own(self, at_a: Path) -> None:
        more = ("--profile", "edelivery", "--service", "urn:s", "--action", "a", "--agreement", "x")
        assert add_b("--like", "oxalis-peppol", *more) == Exit.OK
        [pmode] = load_agreements(Config.load(at_a / "ehmi-ap.toml")).pmodes
        assert (pmode.profile, pmode.actions, pmode.agreement) == ("edelivery", ("a",), AgreementRef("x"))
        assert pmode.service == Service("urn:s", "cenbii-procid-ubl")
        assert pmode.partner == PartyId("ap-b", "urn:fdc:peppol.eu:2017:identifiers:ap")
        assert pmode.us == PartyId("ap-a", "urn:fdc:peppol.eu:2017:identifiers:ap")
        assert pmode.limits.outbound_parts == 1
        assert add_b("--like", "oxalis-peppol", "--type", "urn:t", "--replace") == Exit.OK
        [pmode] = load_agreements(Config.load(at_a / "ehmi-ap.toml")).pmodes
        assert pmode.partner == PartyId("ap-b", "urn:t")

    def test_like_a_product_in_another_network(self, at_a: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """The documents of EHMI are not taken along; the arguments have to name others."""
        assert add_b("--like", "oxalis-peppol", "--profile", "edelivery") == Exit.CONFIG
        assert "service: is missing" in capsys.readouterr().err
        assert list((at_a / "pmodes").iterdir()) == []

    def test_like_a_product_nobody_knows(self, at_a: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert add_b("--like", "as4.net") == Exit.USAGE
        assert "oxalis-peppol" in capsys.readouterr().err
        assert list((at_a / "pmodes").iterdir()) == []

    def test_a_ca_instead(self, at_a: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert add_b(trust="--trust", file="../b/keys/ca.crt.pem") == Exit.OK
        [pmode] = load_agreements(Config.load(at_a / "ehmi-ap.toml")).pmodes
        assert (pmode.trust, pmode.party_binding, pmode.certificate) == (("b-ca",), "subject-cn", None)
        assert "nothing can be sent until it is named" in capsys.readouterr().err

    def test_a_der_certificate(self, at_a: Path, tmp_path: Path, test_pki: Any) -> None:
        (tmp_path / "c.der").write_bytes(test_pki.receiver.der)
        assert add_b(file=str(tmp_path / "c.der")) == Exit.OK
        assert (at_a / "trust" / "b.pem").read_bytes() == test_pki.receiver.pem

    def test_json(self, at_a: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert add_b("--json") == Exit.OK
        assert json.loads(capsys.readouterr().out)["pmode"].endswith("pmodes/b.toml")

    def test_not_twice_unless_asked(self, at_a: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert add_b() == Exit.OK
        assert add_b() == Exit.USAGE
        assert "--replace" in capsys.readouterr().err
        assert add_b("--replace", "--agreement", "x") == Exit.OK
        assert 'agreement = "x"' in (at_a / "pmodes" / "b.toml").read_text()

    def test_another_partners_trust_is_not_replaced_by_a_name(
        self, at_a: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """`b` trusts trust/b-ca.pem, which is also where the certificate of a partner called `b-ca` belongs."""
        assert add_b(trust="--trust", file="../b/keys/ca.crt.pem") == Exit.OK
        before = (at_a / "trust" / "b-ca.pem").read_bytes()
        other = ("partner", "add", "b-ca", "--url", "https://localhost:1/", "--party", "other", "--certificate")
        assert ehmi_ap(*other, "../b/keys/ap.crt.pem") == Exit.USAGE
        assert "b-ca.pem is there already" in capsys.readouterr().err
        assert (at_a / "trust" / "b-ca.pem").read_bytes() == before
        assert not (at_a / "pmodes" / "b-ca.toml").exists()

    def test_the_same_certificate_may_be_there(self, at_a: Path) -> None:
        (at_a / "trust" / "b.pem").write_bytes((at_a.parent / "b" / "keys" / "ap.crt.pem").read_bytes())
        assert add_b() == Exit.OK

    @pytest.mark.parametrize(
        ("arguments", "expected"),
        [
            (("--profile", "edelivery"), Exit.CONFIG),  # which asks for service and actions
            (("--profile", "none"), Exit.CONFIG),
            (("--backend", "none"), Exit.CONFIG),
            (("--tls-ca", "no-such-file"), Exit.USAGE),
            (("--trust", "../b/keys/ca.crt.pem"), Exit.USAGE),
        ],
    )
    def test_nothing_is_written_when_something_is_wrong(
        self, at_a: Path, arguments: tuple[str, ...], expected: int
    ) -> None:
        assert add_b(*arguments) == expected
        assert list((at_a / "pmodes").iterdir()) == []
        assert [path.name for path in (at_a / "trust").iterdir()] == ["msh.pem"]

    def test_all_partners_of_a_network(self, at_a: Path, capsys: pytest.CaptureFixture[str]) -> None:
        with_a_network(at_a)
        assert ehmi_ap("partner", "add", "all", "--network", "ours", "--tls-ca", "../b/keys/ca.crt.pem") == Exit.OK
        assert tomllib.loads((at_a / "pmodes" / "all.toml").read_text(encoding="utf-8")) == {
            "profile": "ehmi",
            "network": "ours",
            "tls_trust": "all-tls",
        }
        assert ehmi_ap("check") == Exit.OK, capsys.readouterr()

    @pytest.mark.parametrize(
        ("arguments", "said"),
        [
            (("--network", "ours", "--url", "https://x"), "--url: a look-up in the network says it"),
            (("--network", "ours", "--type", "", "--party", "x"), "Leave out --party and --type."),
            (("--certificate", "../b/keys/ap.crt.pem", "--party", "x"), "a partner needs --url and --party"),
            (("--certificate", "../b/keys/ap.crt.pem", "--url", "https://x"), "a partner needs --url and --party"),
        ],
    )
    def test_a_partner_is_one_or_all_of_a_network(
        self, at_a: Path, arguments: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        with_a_network(at_a)
        assert ehmi_ap("partner", "add", "all", *arguments) == Exit.USAGE
        assert said in capsys.readouterr().err
        assert list((at_a / "pmodes").iterdir()) == []

    @pytest.mark.parametrize("name", ["../x", ".x", "a b"])
    def test_names(self, at_a: Path, name: str) -> None:
        arguments = ("--url", "https://x", "--party", "x", "--certificate", "../b/keys/ap.crt.pem")
        assert ehmi_ap("partner", "add", name, *arguments) == Exit.CONFIG

    def test_an_unfit_certificate(self, at_a: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        (tmp_path / "weak.pem").write_bytes(pki.make_leaf(None, "b", key="rsa1024-a").pem)
        assert add_b(file=str(tmp_path / "weak.pem")) == Exit.CONFIG
        assert "too short" in capsys.readouterr().err
        assert [path.name for path in (at_a / "trust").iterdir()] == ["msh.pem"]


class TestSheet:
    def test_what_a_partner_needs(self, at_a: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert ehmi_ap("partner", "sheet") == Exit.OK
        shown = capsys.readouterr().out
        pem = (at_a / "keys" / "ap.crt.pem").read_text().strip()
        for fact in ("https://localhost:8443/a", "ap-a", "urn:ehmi:sdn-emergence", "aes128-gcm", "rsa-sha256", pem):
            assert fact in shown
        assert "PRIVATE" not in shown

    def test_json_is_enough_to_add_us(self, at_a: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
        """What the sheet says is all that the other side's `partner add` asks for."""
        assert ehmi_ap("partner", "sheet", "--json") == Exit.OK
        told = json.loads(capsys.readouterr().out)
        for use in ("encryption", "tls"):
            (tmp_path / use).write_text(told["certificates"][use]["pem"])
        os.chdir(at_a.parent / "b")
        party = told["party"]
        arguments = ("--url", told["url"], "--party", party["id"], "--type", party["type"], "--replace")
        certificates = ("--certificate", str(tmp_path / "encryption"), "--tls-ca", str(tmp_path / "tls"))
        assert ehmi_ap("partner", "add", "a", *arguments, *certificates) == Exit.OK

    def test_for_one_partner(self, at_a: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert add_b("--agreement", "urn:agreed") == Exit.OK
        assert ehmi_ap("partner", "sheet", "b") == Exit.OK
        shown = capsys.readouterr().out
        assert "urn:agreed" in shown
        assert "200704/oneWay, push\n" in shown
        assert ehmi_ap("partner", "sheet", "c") == Exit.USAGE
        assert "Name one of: b." in capsys.readouterr().err

    def test_for_one_partner_with_replies(self, at_a: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert add_b() == Exit.OK
        file = at_a / "pmodes" / "b.toml"
        file.write_text('mep = "two-way"\n' + file.read_text())
        assert ehmi_ap("partner", "sheet", "b") == Exit.OK
        assert "200704/twoWay, pushAndPush\n" in capsys.readouterr().out


class TestCheck:
    def test_right(self, at_a: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert add_b() == Exit.OK
        assert ehmi_ap("check") == Exit.OK
        assert "ehmi-ap.toml is right. Partners: b." in capsys.readouterr().out

    def test_json(self, at_a: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert ehmi_ap("check", "--json") == Exit.OK
        told = json.loads(capsys.readouterr().out)
        assert (told["ok"], told["mistakes"], told["partners"]) == (True, [], [])
        assert "add one with" in told["warnings"][0]

    def test_every_mistake_at_once(self, at_a: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """In ehmi-ap.toml, P-Modes, certificates, keys, backends and TLS, in one go."""
        text = (at_a / "ehmi-ap.toml").read_text()
        for old, new in {
            'domain = "localhost"': 'domain = "local host"',
            'path = "exchange"': 'pth = "exchange"',
            "[as4.tls]": '[as4.tls]\nciphers = ["NO-SUCH-SUITE"]',
            '"keys/ap.crt.pem"': '"keys/tls.crt.pem"',
        }.items():
            assert old in text
            text = text.replace(old, new)
        (at_a / "wrong.toml").write_text(text)
        (at_a / "trust" / "x.pem").write_text("nothing")
        (at_a / "pmodes" / "x.toml").write_text('partner = "x"\nurl = "x"\n')
        try:
            assert ehmi_ap("check", "--config", "wrong.toml") == Exit.FAILED
        finally:
            (at_a / "wrong.toml").unlink()
        shown = capsys.readouterr().out
        for expected in (
            "wrong.toml: domain: has to be a host name",
            "[backends.exchange] pth: is not a setting; did you mean `path`?",
            "[as4.tls]: no known cipher suite among NO-SUCH-SUITE",
            "[keys.signing]: ap.key.pem:",
            "trust/x.pem: not a certificate",
            "pmodes/x.toml: service: is missing",
        ):
            assert expected in shown, shown

    def test_a_certificate_that_is_not_valid_now(
        self, at_a: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        old = pki.make_leaf(None, "b", not_before=pki.NOW - 3 * pki.YEAR, not_after=pki.NOW - 2 * pki.YEAR)
        (tmp_path / "old.pem").write_bytes(old.pem)
        assert add_b(file=str(tmp_path / "old.pem")) == Exit.OK
        assert "expired" in capsys.readouterr().err
        assert ehmi_ap("check") == Exit.FAILED
        assert (
            "not valid: trust/b.pem: cannot be used to encrypt: the certificate expired on" in capsys.readouterr().out
        )

    def test_no_configuration(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)
        assert ehmi_ap("check") == Exit.FAILED

    def test_it_starts_nothing_and_writes_nothing(self, at_a: Path) -> None:
        before = sorted(path for path in at_a.rglob("*"))
        assert ehmi_ap("check") == Exit.OK
        assert sorted(path for path in at_a.rglob("*")) == before


def test_help_needs_no_configuration_to_be_read() -> None:
    """The commands import what they need when they run."""
    code = "import sys; from ehmi_ap import cli; cli.parser(); print([m for m in ('pydantic', 'aiohttp') if m in sys.modules])"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert shown.strip() == "[]"
