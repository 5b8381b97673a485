"""ehmi-ap.toml, trust/ and pmodes/: what is read, what is refused and with which words, and that nothing is half written."""

import dataclasses
import os
import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any, ClassVar

import pki
import pytest

from ehmi_ap import config as room
from ehmi_ap.config import Config, Secret, load_agreements
from ehmi_ap.discovery.network import Resolver
from ehmi_ap.errors import ConfigError, NotFound
from ehmi_ap.model import PartyId
from ehmi_ap.pmode import INITIATOR, RESPONDER
from ehmi_ap.tables import to_toml
from tests.simulated_network import ap_ca, good_metadata, smp_ca

MINIMAL = """
domain = "ap.example.org"
party = { id = "our-ap" }

[as4]
public_url = "https://ap.example.org/as4"
tls = { certificate = "keys/tls.pem" }

[keys.signing]
file = "keys/signing.pem"

[backends.msh]
kind = "rest"
token = { file = "tokens/msh" }
"""
TWICE = """[[eds.organisations]]
name = "Aarhus Kommune"
sor = "937961000016000"
gln = "5790000121526"
"""
EDS = f"""
[eds]
base = "https://eds.example/fhir"
issuer = "https://auth.example/realms/ehmi"
tls = {{ certificate = "keys/tls.pem" }}

[eds.device]
id = "Our-AP"

{TWICE}"""
PMODE = {
    "partner": "partner-ap",
    "url": "https://ap.partner.example/as4",
    "certificate": "partner",
    "service": "urn:example:service",
    "actions": ["urn:example:action"],
}

Home = Callable[..., Path]


@pytest.fixture
def home(tmp_path: Path, test_pki: Any) -> Home:
    """Writes a whole configuration around `text`, the ehmi-ap.toml."""

    def write(text: str = MINIMAL) -> Path:
        for folder in ("keys", "tokens", "trust", "pmodes"):
            (tmp_path / folder).mkdir(exist_ok=True)
        (tmp_path / "keys" / "tls.pem").write_bytes(test_pki.sender.key_pem + test_pki.sender.pem)
        (tmp_path / "keys" / "signing.pem").write_bytes(test_pki.sender.key_pem + test_pki.sender.pem)
        (tmp_path / "tokens" / "msh").write_text("s3cret\nnot this line\n")
        (tmp_path / "trust" / "partner.pem").write_bytes(test_pki.receiver.pem)
        for path in (*(tmp_path / "keys").iterdir(), *(tmp_path / "tokens").iterdir()):
            path.chmod(0o600)
        path = tmp_path / "ehmi-ap.toml"
        path.write_text(text)
        return path

    return write


def findings(path: Path) -> tuple[str, ...]:
    with pytest.raises(ConfigError) as refused:
        Config.load(path)
    return refused.value.findings


def changed(text: str, old: str, new: str) -> str:
    assert old in text
    return text.replace(old, new)


class TestLoad:
    def test_minimal(self, home: Home, tmp_path: Path) -> None:
        config = Config.load(home())
        assert config.home == tmp_path
        assert config.party == PartyId("our-ap", room.UNREGISTERED)
        assert config.keys.signing.file == tmp_path / "keys" / "signing.pem"
        assert config.as4.tls is not None
        assert config.as4.tls.versions == ("1.2", "1.3")
        assert config.backends["msh"].token is not None
        assert config.backends["msh"].token.read() == "s3cret"
        assert config.backend_of(None) == "msh"

    def test_a_party_without_a_type(self, home: Home) -> None:
        config = Config.load(home(changed(MINIMAL, 'id = "our-ap"', 'id = "urn:our-ap", type = ""')))
        assert config.party == PartyId("urn:our-ap")

    def test_safe_defaults(self, home: Home) -> None:
        """No default opens anything: no plain HTTP, no administrator, REST on this machine only."""
        config = Config.load(home())
        assert not any(part.insecure_http for part in (config.as4, config.internal, config.web))
        assert config.internal.admin_token is None
        assert config.internal.host == "127.0.0.1"
        assert config.retention.message_days >= 30  # the duplicate key lives as long (design decision 22)

    def test_absolute_paths_stay(self, home: Home, tmp_path: Path) -> None:
        text = changed(MINIMAL, "public_url", 'path = "/as4"\npublic_url').replace(
            "\n[as4]", f'\nstore = "{tmp_path}/x"\n[as4]'
        )
        assert Config.load(home(text)).store == tmp_path / "x"

    def test_options_of_a_backend(self, home: Home) -> None:
        text = MINIMAL + '\n[backends.files]\nkind = "directory"\npath = "exchange"\npoll = 0.5\n'
        config = Config.load(home(changed(text, "\n[as4]", '\ndefault_backend = "msh"\n[as4]')))
        assert config.backends["files"].options == {"path": "exchange", "poll": 0.5}

    def test_no_secret_in_a_repr(self, home: Home) -> None:
        config = Config.load(home())
        assert config.backends["msh"].token is not None
        assert "s3cret" not in repr(config)
        assert "s3cret" not in repr(Secret(value="s3cret"))

    def test_every_value_is_frozen(self, home: Home) -> None:
        config = Config.load(home())
        for value in (config, config.as4, config.keys, config.web.tls):
            name = dataclasses.fields(value)[0].name
            with pytest.raises(dataclasses.FrozenInstanceError):
                setattr(value, name, "x")


class TestMistakes:
    def test_all_at_once(self, home: Home) -> None:
        text = changed(MINIMAL, 'domain = "ap.example.org"', 'domian = "ap.example.org"')
        text = changed(text, 'public_url = "https://ap.example.org/as4"', 'port = "8443"')
        text += '\n[workers]\nsend = 0\n[log]\nlevel = "loud"\n[web.tls]\nversions = ["1.0"]\n'
        assert sorted(findings(home(text))) == [
            "ehmi-ap.toml: [as4] port: has to be a whole number, without quotes",
            "ehmi-ap.toml: [as4] public_url: is missing; add it",
            "ehmi-ap.toml: [log] level: has to be one of 'debug', 'info', 'warning' or 'error'",
            "ehmi-ap.toml: [web.tls] versions #1: has to be one of '1.2' or '1.3'",
            "ehmi-ap.toml: [workers] send: has to be at least 1",
            "ehmi-ap.toml: domain: is missing; add it",
            "ehmi-ap.toml: domian: is not a setting; did you mean `domain`?",
        ]

    @pytest.mark.parametrize(
        ("old", "new", "expected"),
        [
            ('tls = { certificate = "keys/tls.pem" }', "", "[as4] tls: is missing"),
            ('tls = { certificate = "keys/tls.pem" }', "tls = {}", "[as4.tls] certificate: is missing"),
            ("https://ap.example.org/as4", "http://ap.example.org/as4", "[as4] public_url: has to begin with https"),
            ("keys/tls.pem", "keys/none.pem", "[as4.tls] certificate: there is no file"),
            ("keys/signing.pem", "keys/none.pem", "[keys.signing] file: there is no file"),
            ("tokens/msh", "tokens/none", "[backends.msh] token: "),
            ('{ file = "tokens/msh" }', '{ value = "s3cret" }', "[backends.msh] token: secrets do not stand"),
            ('{ file = "tokens/msh" }', "{}", "[backends.msh] token: name either"),
            ('{ file = "tokens/msh" }', '{ file = "tokens/msh", env = "X" }', "[backends.msh] token: name either"),
            ('{ file = "tokens/msh" }', '{ env = "EHMI_AP_NOT_SET" }', "the environment variable EHMI_AP_NOT_SET"),
            ("[as4]", 'default_backend = "x"\n[as4]', "default_backend: there is no [backends.x]"),
            ("[as4]", 'home = "x"\n[as4]', "home: is the folder of this file"),
            ("[as4]", 'checks = { "V-4" = "no" }\n[as4]', "[checks] V-4: has to be one of 'off', 'warn' or 'reject'"),
            ("[as4]", 'checks = { "V-10" = "warn" }\n[as4]', "[checks] V-10: is not a rule of any profile"),
            ("[as4]", 'internal = { host = "0.0.0.0" }\n[as4]', "[internal] tls: is missing"),
            ("[as4]", "retention = { payload_days = 365 }\n[as4]", "[retention] message_days: has to be at least"),
            ("[as4]", "retention = { message_days = 7 }\n[as4]", "[retention] message_days: has to be at least 30"),
            ("[as4]", 'web = { tls = { client_ca = "keys/tls.pem" } }\n[as4]', "[web.tls] client_ca: is for listeners"),
            (
                "[as4]",
                'discovery = { tls = { client_ca = "keys/tls.pem" } }\n[as4]',
                "[discovery.tls] client_ca: is for listeners",
            ),
            (
                "[as4]",
                'discovery = { tls = { certificate = "keys/none.pem" } }\n[as4]',
                "[discovery.tls] certificate: there is no file",
            ),
            (
                "[as4]",
                'discovery = { resolver = { servers = ["dns.example"] } }\n[as4]',
                "[discovery.resolver] servers: has to be addresses with a port",
            ),
            ('id = "our-ap"', 'type = "x"', "[party] id: is missing"),
            ('id = "our-ap"', 'id = "our-ap", typ = "x"', "[party] typ: is not a setting; did you mean `type`?"),
            ('"ap.example.org"', '"ap example"', "domain: has to be a host name"),
        ],
    )
    def test_one(self, home: Home, old: str, new: str, expected: str) -> None:
        found = findings(home(changed(MINIMAL, old, new)))
        assert len(found) == 1, found
        assert found[0].startswith("ehmi-ap.toml: ")
        assert expected in found[0]

    @pytest.mark.parametrize(
        ("old", "new", "expected"),
        [
            ('base = "https://', 'base = "http://', "[eds] base: has to be a URL that begins with https://"),
            ("/realms/ehmi", "/realms/ehmi?x=1", "[eds] issuer: has to be a URL that begins with https://"),
            ("https://auth.example", "https://me@auth.example", "[eds] issuer: has to be"),
            ("https://auth.example", "https://auth.example:99999", "[eds] issuer: has to be"),
            ("https://eds.example/fhir", "https:///fhir", "[eds] base: has to be"),
            ("https://eds.example/fhir", "https://[::1/fhir", "[eds] base: has to be"),
            ('{ certificate = "keys/tls.pem" }\n\n[eds.d', "{}\n\n[eds.d", "[eds.tls] certificate: is missing"),
            (
                'tls = { certificate = "keys/tls.pem" }\n\n[eds.d',
                'tls = { certificate = "keys/tls.pem", client_ca = "keys/tls.pem" }\n\n[eds.d',
                "[eds.tls] client_ca: is for listeners",
            ),
            (
                'tls = { certificate = "keys/tls.pem" }\n\n[eds.d',
                'tls = { certificate = "keys/none.pem" }\n\n[eds.d',
                "[eds.tls] certificate: there is no file",
            ),
            ('tls = { certificate = "keys/tls.pem" }\n\n[eds.d', "\n\n[eds.d", "[eds] tls: is missing"),
            ('id = "Our-AP"', "", "[eds.device] id: is missing"),
            ('id = "Our-AP"', 'id = "x"\nsource = "MSH"', "[eds.device] source: has to be one of 'AP' or 'AP-MSH'"),
            ('"937961000016000"', '"937961 EDS"', "[eds] organisations #1 sor: has to be the digits"),
            ("5790000121526", "5790000121527", "[eds] organisations #1 gln: has to be 13 digits"),
            ("name = ", "nam = ", "[eds.organisations] name #1: is missing"),
            ("[[eds.organisations]]", TWICE + "[[eds.organisations]]", "[eds] organisations #2: has the SOR code"),
        ],
    )
    def test_one_of_eds(self, home: Home, old: str, new: str, expected: str) -> None:
        found = findings(home(MINIMAL + changed(EDS, old, new)))
        assert any(text.startswith(f"ehmi-ap.toml: {expected}") for text in found), found

    def test_eds_without_organisations(self, home: Home) -> None:
        text = EDS.replace(TWICE, "").replace("[eds.device]", "organisations = []\n[eds.device]")
        found = findings(home(MINIMAL + text))
        assert any("[eds] organisations: " in each for each in found), found

        assert "s3cret" not in found[0]

    def test_two_backends_need_a_default_and_tokens_of_their_own(self, home: Home) -> None:
        found = findings(home(MINIMAL + '\n[backends.b]\nkind = "rest"\ntoken = { file = "tokens/msh" }\n'))
        assert [text.split(": ")[1] for text in found] == ["default_backend", "[backends.b] token"]

    def test_no_file(self, tmp_path: Path) -> None:
        assert "ehmi-ap init" in findings(tmp_path / "ehmi-ap.toml")[0]

    def test_no_toml(self, home: Home) -> None:
        assert findings(home("a = = b")) == ("ehmi-ap.toml: is not TOML: Invalid value (at line 1, column 5)",)

    def test_not_utf8(self, tmp_path: Path) -> None:
        (tmp_path / "ehmi-ap.toml").write_bytes(b'domain = "\xff"')
        assert "it is not UTF-8" in findings(tmp_path / "ehmi-ap.toml")[0]

    def test_plain_http_has_to_be_written(self, home: Home) -> None:
        text = changed(MINIMAL, 'tls = { certificate = "keys/tls.pem" }', "insecure_http = true")
        config = Config.load(home(changed(text, "https://ap", "http://ap")))
        assert config.as4.tls is None


class TestAgreements:
    def config(self, home: Home, pmode: dict[str, object] | None = None) -> Config:
        config = Config.load(home())
        room.put_pmode(config, "partner", {**PMODE, **(pmode or {})})
        return config

    def test_whole(self, home: Home, test_pki: Any) -> None:
        agreements = load_agreements(self.config(home), now=pki.NOW)
        [pmode] = agreements.pmodes
        assert (pmode.name, pmode.us.value) == ("partner", "our-ap")
        assert pmode.partner == PartyId("partner-ap", room.UNREGISTERED)
        assert agreements.keys.signing.certificate.der == test_pki.sender.der
        assert agreements.keys.decryption == (agreements.keys.signing,)
        assert agreements.trust.certificate("partner").der == test_pki.receiver.der
        assert (agreements.lapsed, agreements.warnings) == ((), ())

    def test_pkcs12_with_a_password(self, home: Home, tmp_path: Path, test_pki: Any) -> None:
        text = changed(MINIMAL, "keys/signing.pem", "keys/signing.p12")
        text = changed(text, "\n[backends", 'password = { env = "EHMI_AP_TEST_PASSWORD" }\n[backends')
        path = home()
        (tmp_path / "keys" / "signing.p12").write_bytes(test_pki.receiver.p12("open"))
        (tmp_path / "keys" / "signing.p12").chmod(0o600)
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("EHMI_AP_TEST_PASSWORD", "open")
            path.write_text(text)
            keys = load_agreements(Config.load(path), now=pki.NOW).keys
        assert keys.signing.certificate.der == test_pki.receiver.der

    def test_key_and_certificate_in_two_files(self, home: Home, tmp_path: Path, test_pki: Any) -> None:
        text = changed(MINIMAL, 'file = "keys/signing.pem"', 'file = "keys/k"\ncertificate = "keys/c"')
        home()
        (tmp_path / "keys" / "k").write_bytes(test_pki.sender.key_pem)
        (tmp_path / "keys" / "c").write_bytes(test_pki.sender.pem)
        assert load_agreements(Config.load(home(text)), now=pki.NOW).keys.signing.certificate.common_name == "sender"
        (tmp_path / "keys" / "c").write_bytes(test_pki.receiver.pem)
        with pytest.raises(ConfigError, match="belongs to it"):
            load_agreements(Config.load(home(text)), now=pki.NOW)

    def test_roll_over(self, home: Home, tmp_path: Path, test_pki: Any) -> None:
        """Two certificates under one name: the newer one encrypts, from when it is valid."""
        later = pki.make_leaf(test_pki.issuing, "receiver", key="c", not_before=pki.NOW + timedelta(days=5))
        config = self.config(home)
        (tmp_path / "trust" / "partner.pem").write_bytes(test_pki.receiver.pem + later.pem)
        agreements = load_agreements(config, now=pki.NOW)
        [pmode] = agreements.pmodes
        assert agreements.lapsed == ()
        now, then = (agreements.recipient(pmode, pki.NOW + timedelta(days=days)) for days in (0, 6))
        assert now is not None
        assert then is not None
        assert (now.der, then.der) == (test_pki.receiver.der, later.der)

    def test_every_mistake_at_once(self, home: Home, tmp_path: Path, test_pki: Any) -> None:
        config = self.config(home)
        (tmp_path / "keys" / "signing.pem").write_bytes(b"nothing")
        (tmp_path / "trust" / "broken.pem").write_bytes(b"nothing")
        (tmp_path / "pmodes" / "broken.toml").write_text("a = = b")
        (tmp_path / "pmodes" / "wrong.toml").write_text('partner = "x"\nserviec = "y"\n')
        (tmp_path / "pmodes" / "other.toml").write_text(
            'partner = "x"\nservice = "s"\nactions = "a"\ncertificate = "nobody"\nbackend = "none"\n'
            'url = "http://x"\nsecurity = { sign = "rsa-sha1" }\n'
        )
        with pytest.raises(ConfigError) as refused:
            load_agreements(config, now=pki.NOW)
        assert sorted(": ".join(re.split("[:;] ", text)[:2]) for text in refused.value.findings) == [
            "[keys.signing]: signing.pem",
            "pmodes/broken.toml: is not TOML",
            "pmodes/other.toml: [security] sign",
            "pmodes/other.toml: backend",
            "pmodes/other.toml: certificate",
            "pmodes/other.toml: url",
            "pmodes/wrong.toml: actions",
            "pmodes/wrong.toml: service",
            "pmodes/wrong.toml: serviec",
            "trust/broken.pem: not a certificate that can be read",
        ]

    @pytest.mark.parametrize(
        ("key", "usage", "expected"),
        [
            ("rsa1024-a", pki.BOTH, "too short"),
            ("rsa8192-a", pki.BOTH, "longer than 4096"),
            ("b", ("digital_signature",), "does not allow encryption"),
            ("b", ("key_encipherment",), "does not allow signatures"),
        ],
    )
    def test_unfit_certificate(
        self, home: Home, tmp_path: Path, test_pki: Any, key: str, usage: tuple[str, ...], expected: str
    ) -> None:
        config = self.config(home)
        unfit = pki.make_leaf(test_pki.issuing, "receiver", key=key, key_usage=usage)
        (tmp_path / "trust" / "partner.pem").write_bytes(unfit.pem)
        with pytest.raises(ConfigError) as refused:
            load_agreements(config, now=pki.NOW)
        assert refused.value.findings[0].startswith("trust/partner.pem: cannot be used to ")
        assert expected in str(refused.value)

    @pytest.mark.parametrize("years", [-2, 12])
    def test_a_lapsed_certificate_does_not_stop_the_others(self, home: Home, years: int) -> None:
        agreements = load_agreements(self.config(home), now=pki.NOW + years * pki.YEAR)
        assert [text.split(":")[0] for text in agreements.lapsed] == [
            "[keys.signing] certificate",
            "[keys] decryption certificate",
            "trust/partner.pem",
            "trust/partner.pem",
        ]
        assert agreements.warnings == agreements.lapsed

    def test_a_certificate_that_ends_soon_is_a_warning(self, home: Home) -> None:
        agreements = load_agreements(self.config(home), now=pki.NOW + 10 * pki.YEAR - timedelta(days=3))
        assert agreements.lapsed == ()
        assert any("trust/partner.pem" in text and "ask for the next one" in text for text in agreements.warnings)

    def test_time_passes(self, home: Home, tmp_path: Path) -> None:
        """What is in force is judged again at another time; no file but for its permissions is looked at."""
        config = self.config(home)
        agreements = load_agreements(config, now=pki.NOW)
        assert agreements.warnings == ()
        (tmp_path / "trust" / "partner.pem").write_text("half a file")
        (tmp_path / "keys" / "signing.pem").chmod(0o644)
        soon = room.judge_again(config, agreements, now=pki.NOW + 10 * pki.YEAR - timedelta(days=3))
        assert soon.lapsed == ()
        assert [text.split(":")[0] for text in soon.warnings] == [
            "[keys.signing] certificate",
            "[keys] decryption certificate",
            "trust/partner.pem",
            "trust/partner.pem",
            "signing.pem",
        ]
        late = room.judge_again(config, agreements, now=pki.NOW + 12 * pki.YEAR)
        assert len(late.lapsed) == 4
        assert late.pmodes == agreements.pmodes

    def test_two_pmodes_for_the_same_messages(self, home: Home) -> None:
        config = self.config(home)
        with pytest.raises(ConfigError, match=r"pmodes/twin.toml: matches the same messages as pmodes/partner.toml"):
            room.put_pmode(config, "twin", {**PMODE, "actions": ["other", PMODE["actions"][0]]})
        room.put_pmode(config, "twin", {**PMODE, "agreement": "another"})

    def test_a_two_way_pmode_is_for_replies_with_swapped_roles_too(self, home: Home) -> None:
        config = self.config(home, {"mep": "two-way"})
        swapped = {**PMODE, "initiator_role": RESPONDER, "responder_role": INITIATOR}
        with pytest.raises(ConfigError, match=r"pmodes/twin.toml: matches the same messages as pmodes/partner.toml"):
            room.put_pmode(config, "twin", swapped)
        config = self.config(home, {"mep": "one-way"})
        room.put_pmode(config, "twin", swapped)

    def test_open_permissions_are_a_warning(self, home: Home, tmp_path: Path) -> None:
        config = self.config(home)
        (tmp_path / "keys" / "signing.pem").chmod(0o644)
        [warning] = load_agreements(config, now=pki.NOW).warnings
        assert warning.startswith("signing.pem: others on this machine may read it; `chmod 600")

    def test_no_certificate_to_encrypt_for_is_a_warning(self, home: Home) -> None:
        config = self.config(home, {"certificate": None, "trust": ["partner"], "party_binding": "subject-cn"})
        [warning] = load_agreements(config, now=pki.NOW).warnings
        assert "nothing can be sent until it is named" in warning

    @pytest.mark.parametrize(
        ("changes", "warned"),
        [
            ({"partner": None, "party_binding": "none"}, "may name itself as any party"),
            ({"partner": None}, "may name itself as any party"),
            ({"party_binding": "none", "trust": ["partner"]}, "may sign for the partner"),
            ({"party_binding": "none"}, ""),  # no CA is asked: only `certificate` may sign, whatever the binding
            ({"partner": None, "trust": ["partner"], "party_binding": "subject-cn"}, ""),
            ({"trust": ["partner"]}, ""),
        ],
    )
    def test_a_signer_that_nothing_binds_to_a_party_is_a_warning(
        self, home: Home, changes: dict[str, Any], warned: str
    ) -> None:
        warnings = load_agreements(self.config(home, changes), now=pki.NOW).warnings
        assert len(warnings) == bool(warned)
        assert all(text.startswith("pmodes/partner.toml: party_binding: ") and warned in text for text in warnings)

    def test_missing_folders(self, home: Home, tmp_path: Path) -> None:
        config = Config.load(home())
        (tmp_path / "pmodes").rmdir()
        with pytest.raises(ConfigError, match="pmodes/: there is no such folder"):
            load_agreements(config, now=pki.NOW)


NETWORK = """
smp = "https://smp.example"
[publishers]
trust = ["ca"]
[receivers]
trust = ["ca"]
policies = ["1.2.3"]
party_id = "subject-serial"
"""


EHMI = {key: value for key, value in PMODE.items() if key not in ("service", "actions")} | {"profile": "ehmi"}
SIGNED = """
[backends.msh.signature]
trust = ["msh-ca"]
subjects = ["CN=MSH,O=Test,C=DK"]
policies = ["1.2.3"]

[backends.msh.signature.key]
file = "keys/delivery.pem"
"""


class TestSignatures:
    """Between MSH and access point (spec/ehmi.md 6.1)."""

    @pytest.fixture
    def signed(self, home: Home, tmp_path: Path, test_pki: Any) -> Home:
        def write(text: str = MINIMAL + SIGNED, *, key: pki.Identity = test_pki.receiver) -> Path:
            path = home(text)
            (tmp_path / "keys" / "delivery.pem").write_bytes(key.key_pem + key.pem)
            (tmp_path / "keys" / "delivery.pem").chmod(0o600)
            (tmp_path / "trust" / "msh-ca.pem").write_bytes(test_pki.issuing.pem)
            (tmp_path / "pmodes" / "partner.toml").write_text(to_toml(EHMI))
            return path

        return write

    def mistakes(self, path: Path) -> tuple[str, ...]:
        """What is found when it is loaded whole, as at the start and by `ehmi-ap check`."""
        with pytest.raises(ConfigError) as refused:
            load_agreements(Config.load(path), now=pki.NOW)
        return refused.value.findings

    def test_who_signs_and_with_which_key_we_do(self, signed: Home, test_pki: Any) -> None:
        agreements = load_agreements(Config.load(signed()), now=pki.NOW)
        terms = agreements.authorship["msh"]
        assert (terms.demand, terms.built_together) == ("jws", False)
        assert terms.key is not None
        assert terms.key.certificate.der == test_pki.receiver.der
        signers = terms.signers(agreements.trust)
        assert [each.der for each in signers.anchors] == [test_pki.issuing.der]
        assert (signers.subjects, signers.policies) == (("CN=MSH,O=Test,C=DK",), ("1.2.3",))
        assert agreements.warnings == ()

    def test_a_backend_of_an_ehmi_pmode_says_how(self, signed: Home) -> None:
        """As the P-Mode's own, or as the default one."""
        [mistake] = self.mistakes(signed(MINIMAL))
        assert mistake.startswith(
            "ehmi-ap.toml: [backends.msh] signature: is missing, and P-Modes of profile ehmi need"
        )
        assert "built_together = true" in mistake
        without_key = MINIMAL + SIGNED.partition("[backends.msh.signature.key]")[0]
        [mistake] = self.mistakes(signed(without_key))
        assert mistake.startswith("ehmi-ap.toml: [backends.msh.signature] key: is missing, and P-Modes of profile ehmi")

    def test_built_together(self, signed: Home) -> None:
        text = changed(MINIMAL, 'kind = "rest"', 'kind = "rest"\nbuilt_together = true')
        assert load_agreements(Config.load(signed(text)), now=pki.NOW).authorship["msh"].built_together
        [mistake] = findings(signed(text + SIGNED))
        assert mistake == (
            "ehmi-ap.toml: [backends.msh] built_together: means that nothing is signed; leave it out, or `signature`"
        )

    def test_another_backend_and_another_profile_may_say_nothing(self, signed: Home, tmp_path: Path) -> None:
        other = '[backends.other]\nkind = "memory"\n'
        text = MINIMAL.replace("[as4]", 'default_backend = "msh"\n[as4]', 1)
        assert (
            load_agreements(Config.load(signed(text + SIGNED + other)), now=pki.NOW).authorship["other"].demand is None
        )
        (tmp_path / "pmodes" / "partner.toml").write_text(to_toml({**EHMI, "backend": "other"}))
        path = home_of(text + SIGNED + other, tmp_path)
        assert [text.partition(":")[2][:28] for text in self.mistakes(path)] == [" [backends.other] signature:"]
        (tmp_path / "pmodes" / "partner.toml").write_text(to_toml({**PMODE, "backend": "other"}))
        load_agreements(Config.load(path), now=pki.NOW)

    @pytest.mark.parametrize(
        ("old", "new", "expected"),
        [
            ('["msh-ca"]', '["nobody"]', "[backends.msh.signature] trust: there is no trust/nobody.pem"),
            ('["msh-ca"]', "[]", "[backends.msh.signature] trust: "),
            ('trust = ["msh-ca"]', "", "[backends.msh.signature] trust: is missing"),
            ("trust =", 'demand = "pgp"\ntrust =', "[backends.msh.signature] demand: has to be one of"),
            ("delivery.pem", "nothing.pem", "[backends.msh.signature] key file: there is no file"),
            ("delivery.pem", "signing.pem", "[backends.msh.signature] key: is one of [keys], which are for AS4"),
            ("delivery.pem", "../trust/msh-ca.pem", "no private key in the PEM file"),
        ],
    )
    def test_mistakes(self, signed: Home, old: str, new: str, expected: str) -> None:
        assert any(expected in text for text in self.mistakes(signed(MINIMAL + changed(SIGNED, old, new))))

    def test_a_key_that_signs_no_jws(self, signed: Home) -> None:
        found = self.mistakes(signed(key=pki.make_leaf(None, "delivery", key="ed25519")))
        assert found == (
            "ehmi-ap.toml: [backends.msh.signature] key: has to be RSA, or EC on P-256 or P-384; make another",
        )

    def test_what_ends_and_what_others_may_read_is_told(self, signed: Home, tmp_path: Path, test_pki: Any) -> None:
        soon = pki.make_leaf(test_pki.issuing, "delivery", key="p256", not_after=pki.NOW + timedelta(days=9))
        config = Config.load(signed(key=soon))
        (tmp_path / "keys" / "delivery.pem").chmod(0o644)
        agreements = load_agreements(config, now=pki.NOW)
        assert [text.partition(":")[0] for text in agreements.warnings] == ["ehmi-ap.toml", "delivery.pem"]
        later = room.judge_again(config, agreements, now=pki.NOW + timedelta(days=10))
        assert [text[:42] for text in later.lapsed] == ["ehmi-ap.toml: [backends.msh.signature] key"]

    def test_a_ca_that_a_backend_names_stays(self, signed: Home) -> None:
        config = Config.load(signed())
        with pytest.raises(ConfigError, match=r"there is no trust/msh-ca.pem"):
            room.delete_certificate(config, "msh-ca")
        assert (config.trust / "msh-ca.pem").is_file()


def home_of(text: str, folder: Path) -> Path:
    (folder / "ehmi-ap.toml").write_text(text)
    return folder / "ehmi-ap.toml"


class TestNetworks:
    """Networks of the operator's own; a P-Mode that names one is judged together with it."""

    TEMPLATE: ClassVar = {"service": "urn:example:service", "actions": ["urn:example:action"], "network": "net"}

    @pytest.fixture
    def config(self, home: Home, tmp_path: Path, test_pki: Any) -> Config:
        path = home()
        (tmp_path / "trust" / "ca.pem").write_bytes(test_pki.root.pem)
        (tmp_path / "networks").mkdir()
        (tmp_path / "networks" / "net.toml").write_text(NETWORK)
        return Config.load(path)

    def findings(self, config: Config) -> tuple[str, ...]:
        with pytest.raises(ConfigError) as refused:
            room.put_pmode(config, "dynamic", self.TEMPLATE)
        return refused.value.findings

    def test_a_template_and_its_network(self, config: Config) -> None:
        [pmode] = room.put_pmode(config, "dynamic", self.TEMPLATE).pmodes
        assert (pmode.trust, pmode.policies, pmode.party_binding) == (("ca",), ("1.2.3",), "subject-serial")
        agreements = load_agreements(config, now=pki.NOW)
        assert agreements.networks["net"].smp == "https://smp.example"
        assert agreements.warnings == ()
        assert "net" in room.judge_again(config, agreements, now=pki.NOW).networks

    def test_the_folder_need_not_be_there(self, config: Config, tmp_path: Path) -> None:
        (tmp_path / "networks" / "net.toml").unlink()
        (tmp_path / "networks").rmdir()
        assert "net" not in load_agreements(config, now=pki.NOW).networks
        [finding] = self.findings(config)
        assert finding.startswith("pmodes/dynamic.toml: network: 'net' is not a network; use one of ")

    def test_one_mistake_is_one_finding(self, config: Config, tmp_path: Path) -> None:
        """Whether its file cannot be read or says something wrong, the P-Mode's network is known."""
        for text, expected in (
            ("no toml", "networks/net.toml: is not TOML"),
            (NETWORK + "pratner = 1", "networks/net.toml: [receivers] pratner: is not a setting"),
            (NETWORK.replace("https://smp.example", "?"), "networks/net.toml: smp: "),
        ):
            (tmp_path / "networks" / "net.toml").write_text(text)
            [finding] = self.findings(config)
            assert finding.startswith(expected)

    def test_what_a_network_lacks(self, config: Config, tmp_path: Path) -> None:
        """Said where a P-Mode names it: the networks that ship are no use before they are completed."""
        (tmp_path / "networks" / "net.toml").write_text("[publishers]\nclient_certificate = true\n")
        load_agreements(config, now=pki.NOW)
        assert [text.partition(": ")[2].partition(":")[0] for text in self.findings(config)] == [
            "zones",
            "[publishers] trust",
            "[receivers] trust",
            "[publishers] client_certificate",
        ]

    def test_anchors_that_are_not_there_or_lapsed(self, config: Config, tmp_path: Path) -> None:
        (tmp_path / "networks" / "net.toml").write_text(
            NETWORK.replace('["ca"]', '["none"]', 1).replace('["ca"]', '["nobody"]')
        )
        assert [text.partition("; ")[0] for text in self.findings(config)] == [
            "networks/net.toml: [publishers] trust: there is no trust/none.pem",
            "networks/net.toml: [receivers] trust: there is no trust/nobody.pem",
        ]
        (tmp_path / "networks" / "net.toml").write_text(NETWORK)
        room.put_pmode(config, "dynamic", self.TEMPLATE)
        later = load_agreements(config, now=pki.NOW + 12 * pki.YEAR)
        assert "trust/ca.pem: no certificate in it is valid now; put the CA's new one there" in later.lapsed

    def test_what_is_stored_for_when_nobody_can_be_asked(self, config: Config, tmp_path: Path, test_pki: Any) -> None:
        """Each file verified by the network's rules; what cannot be used is a warning, and stops nobody."""
        path = tmp_path / "ehmi-ap.toml"
        path.write_text(path.read_text() + '[discovery]\noffline = "offline"\n')
        config = Config.load(path)
        assert load_agreements(config, now=pki.NOW).warnings == (
            "offline/: cannot be read (No such file or directory); make it, or correct [discovery]",
        )
        folder = tmp_path / "offline" / "net"
        folder.mkdir(parents=True)
        (tmp_path / "offline" / "unknown").mkdir()
        (folder / "page.xml").write_bytes(b"<html/>")
        (folder / "large.xml").write_bytes(b" " * (1024 * 1024 + 1))
        (folder / "good.xml").write_bytes(good_metadata().body)
        (folder / "notes.txt").write_bytes(b"not read")
        (tmp_path / "networks" / "net.toml").write_text('[publishers]\ntrust = ["smp"]\n[receivers]\ntrust = ["ap"]\n')
        (tmp_path / "trust" / "smp.pem").write_bytes(smp_ca().pem)
        (tmp_path / "trust" / "ap.pem").write_bytes(ap_ca().pem)
        agreements = room.put_pmode(config, "dynamic", self.TEMPLATE)
        assert [each.name for each in agreements.snapshots["net"]] == ["good.xml"]
        agreements = load_agreements(config, now=pki.NOW)
        assert [": ".join(text.split(": ")[:2]) for text in agreements.warnings] == [
            "offline/net/large.xml: is not used",
            "offline/net/page.xml: is not used",
            "offline/unknown/: there is no network of this name; nothing in it is used",
        ]
        later = room.judge_again(config, agreements, now=pki.NOW + 11 * pki.YEAR)
        assert later.snapshots == {"net": ()}
        assert any("good.xml: is not used" in text for text in later.warnings)

    def test_a_resolver_for_all_that_have_none(self, config: Config, tmp_path: Path) -> None:
        own = 'zones = ["example"]\n[resolver]\nservers = ["192.0.2.2:53"]\n'
        (tmp_path / "networks" / "own.toml").write_text(own)
        ours = dataclasses.replace(config.discovery, resolver=Resolver(servers=("192.0.2.1:53",)))
        networks = load_agreements(dataclasses.replace(config, discovery=ours), now=pki.NOW).networks
        assert networks["net"].resolver.servers == ("192.0.2.1:53",)
        assert networks["own"].resolver.servers == ("192.0.2.2:53",)


class TestChanges:
    def test_put_and_delete(self, home: Home, tmp_path: Path, test_pki: Any) -> None:
        config = Config.load(home())
        agreements = room.put_certificate(config, "other", test_pki.stranger.der)
        assert agreements.trust.certificate("other").der == test_pki.stranger.der
        assert (tmp_path / "trust" / "other.pem").read_bytes() == test_pki.stranger.pem
        table = {**PMODE, "partner": {"id": "x", "type": "urn:t"}, "certificate": "other", "retry": {"attempts": 2}}
        [pmode] = room.put_pmode(config, "other", table).pmodes
        assert load_agreements(config).pmodes == (pmode,)
        assert pmode.retry.attempts == 2
        assert pmode.partner == PartyId("x", "urn:t")
        assert room.delete_pmode(config, "other").pmodes == ()
        assert room.delete_certificate(config, "other").trust.names == ("partner",)
        assert sorted(path.name for path in (tmp_path / "trust").iterdir()) == ["partner.pem"]

    def test_no_private_key_gets_into_trust(self, home: Home, tmp_path: Path, test_pki: Any) -> None:
        room.put_certificate(Config.load(home()), "both", test_pki.stranger.pem + test_pki.stranger.key_pem)
        assert b"PRIVATE" not in (tmp_path / "trust" / "both.pem").read_bytes()

    def test_what_would_be_wrong_is_not_written(self, home: Home, tmp_path: Path) -> None:
        config = Config.load(home())
        with pytest.raises(ConfigError):
            room.put_pmode(config, "x", {**PMODE, "certificate": "nobody"})
        with pytest.raises(ConfigError):
            room.put_certificate(config, "x", b"nothing")
        room.put_pmode(config, "partner", PMODE)
        with pytest.raises(ConfigError, match=r"there is no trust/partner\.pem"):
            room.delete_certificate(config, "partner")
        assert sorted(os.listdir(tmp_path / "pmodes")) == ["partner.toml"]
        assert sorted(os.listdir(tmp_path / "trust")) == ["partner.pem"]

    @pytest.mark.parametrize("name", ["", "../x", "a/b", ".x", "x\n", "a" * 65])
    def test_names(self, home: Home, name: str) -> None:
        config = Config.load(home())
        with pytest.raises(ConfigError, match="a name has letters"):
            room.put_pmode(config, name, PMODE)
        with pytest.raises(ConfigError, match="a name has letters"):
            room.put_certificate(config, name, b"")

    def test_delete_what_is_not_there(self, home: Home) -> None:
        config = Config.load(home())
        with pytest.raises(NotFound):
            room.delete_pmode(config, "none")
        with pytest.raises(NotFound):
            room.delete_certificate(config, "../ehmi-ap")

    def test_a_folder_that_cannot_be_written(self, home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
        config = Config.load(home())

        def full(*_: object) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr("os.fsync", full)
        with pytest.raises(ConfigError, match=r"partner.toml: cannot be written \(No space left on device\)"):
            room.put_pmode(config, "partner", PMODE)
        assert list(config.pmodes.iterdir()) == []
