"""`ehmi-ap sml` against a management service of its own: every part, what it prints, and how each failure is told."""

import io
import json
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pki
import pytest

from ehmi_ap import cli
from ehmi_ap.cli.output import Exit
from ehmi_ap.model import Participant
from ehmi_ap.sml import Sml
from ehmi_ap.sml.values import check_migration_key
from tests.sml_stub import FIRST, ROOT, SECOND, SmlStub, fault, say

Said = pytest.CaptureFixture[str]
GLN = "0088:5790000121526"


@pytest.fixture
def stub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SmlStub]:
    """A service, and a folder with `first.pem`, `second.pem` and the service's `ca.pem`; the environment names two of them."""
    for name, identity in (("first", FIRST), ("second", SECOND)):
        (tmp_path / f"{name}.pem").write_bytes(identity.key_pem + identity.chain_pem)
    (tmp_path / "ca.pem").write_bytes(ROOT.pem)
    monkeypatch.chdir(tmp_path)
    with SmlStub() as running:
        monkeypatch.setenv("EHMI_AP_SML", running.url)
        monkeypatch.setenv("EHMI_AP_SML_CERTIFICATE", "first.pem")
        yield running


def sml(part: str, *arguments: str) -> int:
    return cli.main(["sml", part, "--ca", "ca.pem", *arguments])


@pytest.fixture
def registered(stub: SmlStub, capsys: Said) -> SmlStub:
    """With an SMP of the first operator's."""
    assert sml("register-smp", "FIRST-SMP", "https://smp.example/", "192.0.2.1") == Exit.OK
    capsys.readouterr()
    return stub


def told(capsys: Said) -> Any:
    """The JSON on stdout, and nothing on stderr."""
    out, err = capsys.readouterr()
    assert err == ""
    return json.loads(out)


def test_a_whole_life(stub: SmlStub, capsys: Said) -> None:
    """What an operator types, and what is printed; nothing is printed on stderr."""
    second = ("--certificate", "second.pem")
    assert sml("alive") == 0
    assert sml("register-smp", "FIRST-SMP", "https://smp.example/", "192.0.2.1") == 0
    assert sml("register-smp", "SECOND-SMP", "https://other.example/", "192.0.2.2", *second) == 0
    assert sml("add", "FIRST-SMP", GLN, "0088:2", "ehealth-actorid-qns::urn:poland:ncpb") == 0
    assert sml("list", "FIRST-SMP") == 0
    capsys.readouterr()
    assert sml("prepare-migration", "FIRST-SMP", GLN) == 0
    key = capsys.readouterr().out
    Path("key").write_text(key)
    assert sml("migrate", "SECOND-SMP", GLN, "--key-file", "key", *second) == 0
    assert sml("remove", "FIRST-SMP", "0088:2", "ehealth-actorid-qns::urn:poland:ncpb") == 0
    assert sml("update-smp", "FIRST-SMP", "https://new.example/", "192.0.2.3") == 0
    assert sml("read-smp", "FIRST-SMP") == 0
    assert sml("delete-smp", "FIRST-SMP") == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert out.splitlines() == [
        f"iso6523-actorid-upis::{GLN} is at SECOND-SMP now.",
        "2 participants are taken out.",
        "FIRST-SMP is changed.",
        "FIRST-SMP  https://new.example/  192.0.2.3",
        "FIRST-SMP is taken out.",
    ]
    assert list(stub.publishers) == ["SECOND-SMP"]
    assert stub.participants == {("iso6523-actorid-upis", GLN): ("SECOND-SMP", "Meta:SMP")}


def test_json(registered: SmlStub, capsys: Said) -> None:
    upis = "iso6523-actorid-upis"
    assert sml("alive", "--json") == 0
    assert told(capsys) == {"alive": True}
    assert sml("read-smp", "FIRST-SMP", "--json") == 0
    assert told(capsys) == {"smp": "FIRST-SMP", "url": "https://smp.example/", "ip": "192.0.2.1"}
    assert sml("add", "FIRST-SMP", GLN, "--json") == 0
    assert told(capsys) == {"smp": "FIRST-SMP", "participants": [f"{upis}::{GLN}"]}
    assert sml("list", "FIRST-SMP", "--json") == 0
    assert told(capsys) == [f"{upis}::{GLN}"]
    assert sml("prepare-migration", "FIRST-SMP", GLN, "--json") == 0
    assert registered.migrations[upis, GLN] == ("FIRST-SMP", told(capsys)["key"])


def test_an_smp_without_participants(registered: SmlStub, capsys: Said) -> None:
    assert sml("list", "FIRST-SMP") == 0
    assert capsys.readouterr() == ("", "no participants\n")
    assert sml("list", "FIRST-SMP", "--json") == 0
    assert told(capsys) == []


class TestParticipants:
    def test_from_a_file(self, registered: SmlStub) -> None:
        """With blank lines, a byte order mark and either kind of line end."""
        Path("ids").write_bytes(b"\xef\xbb\xbf0088:1\r\n\r\n  0088:2  \n0088:3")
        assert sml("add", "FIRST-SMP", "0088:0", "--from", "ids") == 0
        assert [value for _, value in registered.participants] == ["0088:0", "0088:1", "0088:2", "0088:3"]

    def test_from_stdin(self, registered: SmlStub, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(sys, "stdin", io.StringIO("0088:1\n0088:2\n"))
        assert sml("add", "FIRST-SMP", "--from", "-") == 0
        assert len(registered.participants) == 2

    def test_ebcore_party_ids(self, registered: SmlStub) -> None:
        """In either spelling."""
        urn = "urn:oasis:names:tc:ebcore:partyid-type:iso6523:0088"
        assert sml("add", "FIRST-SMP", f"{urn}:5790000121526", f"{urn}::5790000201389") == 0
        assert list(registered.participants) == [(urn, "5790000121526"), (urn, "5790000201389")]

    def test_under_a_service_of_the_network(self, registered: SmlStub) -> None:
        assert sml("add", "FIRST-SMP", GLN, "--service", "Meta:EHMI") == 0
        assert registered.participants["iso6523-actorid-upis", GLN] == ("FIRST-SMP", "Meta:EHMI")

    def test_one_mistake_and_none_is_sent(self, registered: SmlStub, capsys: Said) -> None:
        before = len(registered.told)
        assert sml("add", "FIRST-SMP", GLN, "5790000121526", "0088:") == Exit.USAGE
        said = capsys.readouterr().err
        assert said.count("four digits, a colon") == 2
        assert "nothing was sent" in said
        assert len(registered.told) == before

    @pytest.mark.parametrize("part", ["add", "remove"])
    def test_nobody_is_named(self, registered: SmlStub, part: str, capsys: Said) -> None:
        assert sml(part, "FIRST-SMP") == Exit.USAGE
        assert "no participant is named" in capsys.readouterr().err

    def test_what_is_done_is_told_when_the_rest_fails(self, registered: SmlStub, capsys: Said) -> None:
        assert sml("add", "FIRST-SMP", "0088:150") == 0
        Path("ids").write_text("\n".join(f"0088:{number}" for number in range(250)))
        capsys.readouterr()
        assert sml("add", "FIRST-SMP", "--from", "ids") == Exit.FAILED
        said = capsys.readouterr().err
        assert said.startswith("100 of 250 are registered, up to iso6523-actorid-upis::0088:99;")
        assert "already exist" in said
        assert len(registered.participants) == 101

    def test_nothing_is_told_of_what_is_not_done(self, registered: SmlStub, capsys: Said) -> None:
        assert sml("remove", "FIRST-SMP", GLN) == Exit.FAILED
        assert capsys.readouterr().err.startswith("error: the SML says: [ERR-110]")


class TestDeleteSmp:
    def test_its_participants_are_not_lost_by_accident(self, registered: SmlStub, capsys: Said) -> None:
        """The SML would take them out with it, and not ask."""
        sml("add", "FIRST-SMP", GLN)
        capsys.readouterr()
        assert sml("delete-smp", "FIRST-SMP") == Exit.USAGE
        said = capsys.readouterr().err
        assert f"participants still, iso6523-actorid-upis::{GLN} for one" in said
        assert "--with-participants" in said
        assert len(registered.publishers) == len(registered.participants) == 1

    def test_but_on_purpose(self, registered: SmlStub) -> None:
        sml("add", "FIRST-SMP", GLN)
        assert sml("delete-smp", "FIRST-SMP", "--with-participants") == 0
        assert (registered.publishers, registered.participants) == ({}, {})


class TestMigration:
    def test_a_key_of_our_own(self, registered: SmlStub, capsys: Said) -> None:
        sml("add", "FIRST-SMP", GLN)
        Path("key").write_text("aB1-cD2-eF3=gH4\n")
        capsys.readouterr()
        assert sml("prepare-migration", "FIRST-SMP", GLN, "--key-file", "key") == 0
        assert capsys.readouterr().out == "aB1-cD2-eF3=gH4\n"
        assert registered.migrations["iso6523-actorid-upis", GLN][1] == "aB1-cD2-eF3=gH4"

    def test_a_new_key_each_time(self, registered: SmlStub, capsys: Said) -> None:
        sml("add", "FIRST-SMP", GLN)
        capsys.readouterr()
        for _ in range(2):
            assert sml("prepare-migration", "FIRST-SMP", GLN) == 0
        first, second = capsys.readouterr().out.splitlines()
        check_migration_key(first)
        assert first != second
        assert registered.migrations["iso6523-actorid-upis", GLN][1] == second

    def test_a_key_from_stdin(self, registered: SmlStub, monkeypatch: pytest.MonkeyPatch, capsys: Said) -> None:
        """Never as an argument, which other users of the machine can read."""
        sml("add", "FIRST-SMP", GLN)
        sml("register-smp", "NEW-SMP", "https://new.example", "192.0.2.5")
        capsys.readouterr()
        assert sml("prepare-migration", "FIRST-SMP", GLN) == 0
        monkeypatch.setattr(sys, "stdin", io.StringIO(capsys.readouterr().out))
        assert sml("migrate", "NEW-SMP", GLN, "--key-file", "-") == 0
        assert registered.participants["iso6523-actorid-upis", GLN][0] == "NEW-SMP"

    @pytest.mark.parametrize("part", ["prepare-migration", "migrate"])
    def test_a_weak_key_is_refused_and_not_printed(self, registered: SmlStub, part: str, capsys: Said) -> None:
        Path("key").write_text("password")
        assert sml(part, "FIRST-SMP", GLN, "--key-file", "key") == Exit.USAGE
        said = "".join(capsys.readouterr())
        assert "password" not in said
        assert "fewer than two capital letters" in said


class TestPrepareCertificate:
    NEW = pki.make_leaf(ROOT, "first operator", key="d")

    @pytest.mark.parametrize("form", ["pem", "der"])
    def test_it_is_sent_as_pem(self, registered: SmlStub, form: str, capsys: Said) -> None:
        Path("new").write_bytes(getattr(self.NEW, form))
        assert sml("prepare-certificate", "new", "--on", "2030-01-01", "--json") == 0
        assert registered.changes == {"CN=first operator": (self.NEW.pem.decode(), "2030-01-01")}
        assert told(capsys)["on"] == "2030-01-01"

    def test_the_day_it_becomes_valid(self, registered: SmlStub, capsys: Said) -> None:
        later = datetime.now(UTC).replace(microsecond=0) + pki.YEAR
        Path("new").write_bytes(pki.make_leaf(ROOT, "first operator", key="d", not_before=later).pem)
        assert sml("prepare-certificate", "new") == 0
        assert registered.changes["CN=first operator"][1] is None
        assert f"on {later.date()}." in capsys.readouterr().out

    @pytest.mark.parametrize(
        ("content", "said"),
        [
            (b"MIIBszCCARygAwIBAgIB", "not a certificate"),  # phoss-smp 151: PEM's inside alone
            (FIRST.key_pem, "no certificate in the PEM file"),
            (FIRST.chain_pem, "holds 2 certificates"),
            (FIRST.pem, "is valid since"),
        ],
    )
    def test_no_new_certificate(self, registered: SmlStub, content: bytes, said: str, capsys: Said) -> None:
        Path("new").write_bytes(content)
        before = len(registered.told)
        assert sml("prepare-certificate", "new") == Exit.USAGE
        assert said in capsys.readouterr().err
        assert len(registered.told) == before

    @pytest.mark.parametrize("day", ["2020-01-01", "2099-01-01", "soon"])
    def test_no_day(self, registered: SmlStub, day: str) -> None:
        Path("new").write_bytes(self.NEW.pem)
        assert sml("prepare-certificate", "new", "--on", day) == Exit.USAGE
        assert registered.changes == {}


class TestFailures:
    """What happened, whose fault it is, what to do, does it help to try again."""

    @pytest.mark.parametrize(
        ("arguments", "code", "whose"),
        [
            (("read-smp", "NOBODY"), "sml.not-found", "operator"),
            (("read-smp", "FIRST-SMP", "--certificate", "second.pem"), "sml.unauthorized", "operator"),
            (("register-smp", "FIRST-SMP", "https://smp.example", "192.0.2.1"), "sml.bad-request", "operator"),
        ],
    )
    def test_faults(self, registered: SmlStub, arguments: tuple[str, ...], code: str, whose: str, capsys: Said) -> None:
        assert sml(*arguments, "--json") == Exit.FAILED
        error = told(capsys)["error"]
        assert (error["code"], error["fault"], error["resend"]) == (code, whose, False)
        assert error["what"].startswith("the SML says: [ERR-1")
        assert sml(*arguments) == Exit.FAILED
        lines = capsys.readouterr().err.splitlines()
        assert [line.split(":")[0] for line in lines] == ["error", "fault", "fix"]

    @pytest.mark.parametrize(
        ("status", "body", "code", "resend"),
        [
            (500, fault("InternalError", "Internal error"), "sml.internal-error", True),
            (503, b"<html/>", "sml.unavailable", True),
            (200, b"<html/>", "sml.unreadable", False),
            (403, b"", "sml.unauthorized", False),
        ],
    )
    def test_odd_answers(self, stub: SmlStub, status: int, body: bytes, code: str, resend: bool, capsys: Said) -> None:
        stub.scene = lambda handler: say(handler, status, body)
        assert sml("alive", "--json") == Exit.FAILED
        error = told(capsys)["error"]
        assert (error["code"], error["resend"]) == (code, resend)

    def test_no_tls(self, stub: SmlStub, capsys: Said) -> None:
        """The system's CAs do not know the service's."""
        assert cli.main(["sml", "alive", "--json"]) == Exit.FAILED
        assert told(capsys)["error"]["code"] == "sml.tls"

    def test_no_answer_in_time(self, stub: SmlStub, capsys: Said) -> None:
        def wait(_: object) -> None:
            stub.over.wait(20)

        stub.scene = wait
        assert sml("alive", "--timeout", "0.2", "--json") == Exit.UNREACHABLE
        error = told(capsys)["error"]
        assert (error["code"], error["resend"]) == ("transport", True)

    def test_a_mistake_is_wrong_usage_in_json_too(self, stub: SmlStub, capsys: Said) -> None:
        assert sml("read-smp", "a_b", "--json") == Exit.USAGE
        assert told(capsys)["error"]["code"] == "usage"


class TestTheService:
    """Which one, and with which certificate."""

    def test_everything_by_arguments(self, stub: SmlStub, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("EHMI_AP_SML")
        monkeypatch.delenv("EHMI_AP_SML_CERTIFICATE")
        Path("cert.pem").write_bytes(FIRST.chain_pem)
        Path("key.pem").write_bytes(FIRST.key_pem)
        assert sml("alive", "--sml", f"{stub.url}/", "--certificate", "cert.pem", "--key", "key.pem") == 0

    @pytest.mark.parametrize("by", ["file", "environment"])
    def test_a_key_with_a_password(self, stub: SmlStub, by: str, monkeypatch: pytest.MonkeyPatch) -> None:
        from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat

        locked = FIRST.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"pass word"))
        Path("first.pem").write_bytes(locked + FIRST.chain_pem)
        assert sml("alive") == Exit.USAGE
        if by == "file":
            Path("password").write_text("pass word\n")
            assert sml("alive", "--password-file", "password") == 0
        else:
            monkeypatch.setenv("EHMI_AP_SML_PASSWORD", "pass word")
            assert sml("alive") == 0

    @pytest.mark.parametrize(
        ("arguments", "said"),
        [
            (("--sml", "http://sml.example"), "it is not https"),
            (("--sml", "https://sml.example/edelivery-sml/bdmslservice"), "one interface"),
            (("--certificate", "none.pem"), "none.pem"),
            (("--certificate", "ca.pem"), "ca.pem"),
            (("--key", "ca.pem"), "ca.pem"),
            (("--ca", "first.pm"), "first.pm"),
            (("--ca", "ids"), "ids"),
            (("--password-file", "none"), "none"),
            (("--timeout", "0"), "seconds"),
            (("--timeout", "nan"), "seconds"),
            (("--timeout", "long"), "seconds"),
        ],
    )
    def test_wrong_arguments(self, stub: SmlStub, arguments: tuple[str, ...], said: str, capsys: Said) -> None:
        Path("ids").write_text("0088:1\n")
        assert sml("alive", *arguments) == Exit.USAGE
        assert said in capsys.readouterr().err
        assert stub.told == []

    @pytest.mark.parametrize("name", ["EHMI_AP_SML", "EHMI_AP_SML_CERTIFICATE"])
    def test_what_is_missing_is_named(self, stub: SmlStub, name: str, monkeypatch: pytest.MonkeyPatch, capsys: Said):
        monkeypatch.delenv(name)
        assert sml("alive") == Exit.USAGE
        assert f"${name}" in capsys.readouterr().err


def test_the_access_point_never_loads_the_client() -> None:
    """Neither the daemon nor any other command: zeep is for the operator of an SMP."""
    code = (
        "import sys, ehmi_ap, ehmi_ap.server, ehmi_ap.client, ehmi_ap.demo.exchange, ehmi_ap.cli;"
        "ehmi_ap.cli.main(['sml', '--help']);"
        "sys.exit(', '.join(name for name in sys.modules if name == 'zeep' or name.startswith('ehmi_ap.sml')) or None)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_what_the_shell_prints_is_what_the_library_reads(registered: SmlStub) -> None:
    """A key that `prepare-migration` printed works with the library, and the other way round."""
    from ehmi_ap.net.tls import client_context

    sml("add", "FIRST-SMP", GLN)
    context = client_context(anchors=[ROOT.der], certificate=Path("first.pem"))
    with Sml(registered.url, context) as service:
        assert list(service.participants("FIRST-SMP")) == [Participant(GLN, "iso6523-actorid-upis")]
