"""send, list, show and resend against a running access point, as a person or a program at the terminal uses them."""

import io
import json
import socket
import tomllib
from pathlib import Path
from typing import Any

import pytest

from ehmi_ap import cli
from ehmi_ap.cli.send import watched
from ehmi_ap.client import Client
from ehmi_ap.demo.network import Network
from ehmi_ap.tables import to_toml


def run(capsys: pytest.CaptureFixture[str], *argv: str) -> tuple[int, str, str]:
    code = cli.main(list(argv))
    said = capsys.readouterr()
    return code, said.out, said.err


SIGNED = ("--sign", "msh.pem")


def loaded(text: str) -> Any:
    return json.loads(text)


@pytest.mark.usefixtures("at_c2")
def test_send_an_sbd_and_wait_for_its_receipt(
    document: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The document says itself where it goes; --wait ends when the receipt is verified; show has the whole story."""
    (tmp_path / "sbd.xml").write_bytes(document)
    code, out, _ = run(capsys, "send", "sbd.xml", *SIGNED, "--wait")
    assert code == 0
    message_id, state = out.split()
    assert state == "acknowledged"

    code, out, _ = run(capsys, "show", message_id, "--receipt", "receipt.xml")
    assert code == 0
    assert "msg-received" in out
    assert "msg-sent" in out
    assert "receipt      stored" in out
    assert b"NonRepudiationInformation" in (tmp_path / "receipt.xml").read_bytes()
    code, _, err = run(capsys, "show", message_id, "--receipt", "no-folder/receipt.xml")
    assert (code, err) == (1, "error: no-folder/receipt.xml: No such file or directory\n")

    code, out, _ = run(capsys, "list", "--state", "acknowledged")
    assert code == 0
    assert out.splitlines()[0].split() == ["WHEN", "DIRECTION", "STATE", "PARTY", "MESSAGE", "ID"]
    assert message_id in out


@pytest.mark.usefixtures("at_c2")
def test_a_receiver_that_was_not_looked_up_yet(
    document: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """REST has null for its PartyId until then."""
    (tmp_path / "sbd.xml").write_bytes(document)
    _, out, _ = run(capsys, "send", "sbd.xml", *SIGNED, "--wait")
    message_id = out.split()[0]
    as_it_is = Client.message

    def undiscovered(client: Client, *args: Any, **which: Any) -> dict[str, Any]:
        found = as_it_is(client, *args, **which)
        return {**found, "to": {**found["to"], "id": None}, "party": {"id": None, "type": None}}

    monkeypatch.setattr(Client, "message", undiscovered)
    monkeypatch.setattr(Client, "messages", lambda client, **query: [client.message(message_id)])
    _, out, _ = run(capsys, "show", message_id)
    assert "to           (not looked up yet)" in out
    _, out, _ = run(capsys, "list")
    assert out.splitlines()[1].split()[-2:] == ["-", message_id]


@pytest.mark.usefixtures("at_c2")
def test_waiting_has_an_end(
    document: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What is not settled in time goes on by itself: 75, and not 1."""
    (tmp_path / "sbd.xml").write_bytes(document)
    waiting = {"state": "accepted", "last_code": "EBMS:0005", "last_detail": "", "message_id": "late@example"}
    monkeypatch.setattr("ehmi_ap.client.Client.message", lambda *args, **kwargs: waiting)
    code, out, err = run(capsys, "send", "sbd.xml", *SIGNED, "--message-id", "late@example", "--wait", "0.1")
    assert (code, out) == (75, "late@example  accepted\n")
    assert "EBMS:0005" in err
    failed = waiting | {"state": "failed", "last_detail": "the peer refused it"}
    monkeypatch.setattr("ehmi_ap.client.Client.message", lambda *args, **kwargs: failed)
    code, _, err = run(capsys, "send", "sbd.xml", *SIGNED, "--message-id", "late@example", "--wait")
    assert (code, err) == (1, "the message failed: the peer refused it\n")


@pytest.mark.usefixtures("at_c2")
def test_the_same_for_programs(document: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "sbd.xml").write_bytes(document)
    code, out, _ = run(capsys, "send", "sbd.xml", *SIGNED, "--message-id", "json@example", "--json")
    assert (code, loaded(out)) == (0, {"message_id": "json@example"})
    code, out, _ = run(capsys, "send", "sbd.xml", *SIGNED, "--message-id", "json@example", "--wait", "--json")
    assert (code, loaded(out)["state"]) == (0, "acknowledged")  # the same again is the same message
    code, out, _ = run(capsys, "show", "json@example", "--json")
    assert code == 0
    assert loaded(out)["message"]["message_id"] == "json@example"
    # Whether its envelope was seen before depends on which tests ran before.
    assert {event["kind"] for event in loaded(out)["events"]} - {"seen-before"} == {
        "msg-received",
        "discovered",
        "msg-sent",
    }
    code, out, _ = run(capsys, "list", "--json", "--direction", "outbound", "--limit", "1")
    assert code == 0
    assert len(loaded(out)) == 1


@pytest.mark.usefixtures("at_c3")
def test_what_c3_received_is_listed_there(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "list", "--direction", "inbound", "--json")
    assert code == 0
    assert all(message["direction"] == "inbound" for message in loaded(out))


def test_a_limit_below_one_is_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = run(capsys, "list", "--limit", "0")
    assert code == 64
    assert "--limit" in err


@pytest.mark.usefixtures("at_c2")
def test_since_is_a_day_or_a_time(document: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "sbd.xml").write_bytes(document)
    assert run(capsys, "send", "sbd.xml", *SIGNED, "--message-id", "since@example")[0] == 0
    for since, there in (("2026-01-01", True), ("2999-01-01", False), ("2999-01-01T12:00:00+02:00", False)):
        code, out, _ = run(capsys, "list", "--since", since)
        assert (code, "since@example" in out) == (0, there)
    code, _, err = run(capsys, "list", "--since", "yesterday")
    assert code == 64
    assert "is not a time like" in err


@pytest.mark.usefixtures("at_c2")
def test_nothing_found_is_said_so(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, "list", "--state", "failed")
    assert (code, out, err) == (0, "", "no messages\n")


@pytest.mark.usefixtures("at_c2")
def test_other_content_under_the_same_id_is_refused(
    document: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """409 of the REST, told as what, fault and fix."""
    (tmp_path / "one.xml").write_bytes(document)
    (tmp_path / "two.xml").write_bytes(document.replace(b"<HeaderVersion>", b"<HeaderVersion >"))
    assert run(capsys, "send", "one.xml", *SIGNED, "--message-id", "twice@example")[0] == 0
    code, out, err = run(capsys, "send", "two.xml", *SIGNED, "--message-id", "twice@example")
    assert (code, out) == (1, "")
    assert "new message_id" in err
    code, out, _ = run(capsys, "send", "two.xml", *SIGNED, "--message-id", "twice@example", "--json")
    assert code == 1
    assert set(loaded(out)["error"]) == {"code", "what", "findings", "fault", "fix", "resend"}


@pytest.mark.usefixtures("at_c2")
def test_a_message_that_is_not_there(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, "show", "nowhere@example")
    assert (code, out) == (1, "")
    assert err.startswith("error:")


@pytest.mark.usefixtures("at_c2")
def test_an_acknowledged_message_cannot_be_resent(
    document: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "sbd.xml").write_bytes(document)
    assert run(capsys, "send", "sbd.xml", *SIGNED, "--message-id", "done@example", "--wait")[0] == 0
    code, _, err = run(capsys, "resend", "done@example")
    assert code == 1
    assert "acknowledged" in err


@pytest.mark.usefixtures("at_refused_c2")
def test_a_refused_message_fails_and_can_be_resent(
    document: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """--wait says why; resend opens it again, and it fails again for the same reason."""
    (tmp_path / "sbd.xml").write_bytes(document)
    code, out, err = run(capsys, "send", "sbd.xml", *SIGNED, "--message-id", "refused@example", "--wait")
    assert (code, out) == (1, "refused@example  failed\n")
    assert "the message failed: " in err
    assert "EBMS:" in err
    code, out, _ = run(capsys, "resend", "refused@example")
    assert code == 0
    assert out.startswith("refused@example  ")
    assert run(capsys, "send", "sbd.xml", *SIGNED, "--message-id", "refused@example", "--wait")[0] == 1
    events = loaded(run(capsys, "show", "refused@example", "--json")[1])["events"]
    assert [event["kind"] for event in events].count("msg-sent") == 2
    assert "resent" in [event["kind"] for event in events]
    code, out, _ = run(capsys, "resend", "refused@example", "--json")
    assert (code, loaded(out)["message_id"]) == (0, "refused@example")


@pytest.mark.usefixtures("at_c2")
def test_plain_payloads_need_a_partner_who_takes_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """C2's only P-Mode is EHMI's, which takes one ehmiSBDH: the refusal says so, and stores nothing."""
    (tmp_path / "note.txt").write_text("hello")
    (tmp_path / "more.bin").write_bytes(b"\0" * 10)
    argv = ["send", "note.txt", "more.bin", "--to", "c3", "--message-id", "plain@example"]
    code, _, err = run(capsys, *argv, "--sender", "iso6523-actorid-upis::0088:1", "--receiver", "0088:2")
    assert code == 1
    assert "fix:" in err
    assert run(capsys, "show", "plain@example")[0] == 1


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["none.xml"], "none.xml is not a file"),
        (["a.txt", "b.txt"], "several files, but no --to"),
        (["a.txt", "--action", "x"], "--to is missing"),
        (["a.txt", "--to", "c3", "--service-type", "x"], "--service-type without --service"),
    ],
)
def test_arguments_that_do_not_go_together(
    argv: list[str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("a.txt", "b.txt"):
        (tmp_path / name).write_text(name)
    code, _, err = run(capsys, "send", *argv)
    assert code == 64
    assert said in err


def test_the_configuration_says_where_the_daemon_is(
    net: Network, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without environment: address and token come from ehmi-ap.toml (the port here is the one really listened on)."""
    monkeypatch.delenv("EHMI_AP_URL", raising=False)
    monkeypatch.delenv("EHMI_AP_TOKEN", raising=False)
    home = net.c2.ap.config.home
    port = net.c2.addresses.internal.rpartition(":")[2]
    settings = tomllib.loads((home / "ehmi-ap.toml").read_text())
    settings["internal"]["port"] = int(port)
    copy = home / "copy.toml"
    copy.write_text(to_toml(settings))
    monkeypatch.chdir(tmp_path)
    code, _, err = run(capsys, "list", "--config", str(copy))
    assert (code, err.replace("no messages\n", "")) == (0, "")
    monkeypatch.chdir(home)
    assert run(capsys, "list", "--config", "copy.toml")[0] == 0


def test_a_token_may_be_in_a_file(
    net: Network, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("EHMI_AP_TOKEN", raising=False)
    file = tmp_path / "token"
    file.write_text(net.c2.token + "\n")
    url = net.c2.addresses.internal
    assert run(capsys, "list", "--url", url, "--token-file", str(file))[0] == 0
    code, _, err = run(capsys, "list", "--url", url, "--token-file", str(tmp_path / "none"))
    assert code == 64
    assert "cannot read" in err


def test_a_token_that_can_be_none_is_wrong_usage(
    net: Network, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("EHMI_AP_URL", net.c2.addresses.internal)
    (tmp_path / "key.der").write_bytes(b"\x30\x82\xff\x00")
    code, _, err = run(capsys, "list", "--token-file", str(tmp_path / "key.der"))
    assert (code, "holds no token" in err) == (64, True)
    for token in ("s\u00e9cret\u20ac", "two\nlines"):
        monkeypatch.setenv("EHMI_AP_TOKEN", token)
        code, _, err = run(capsys, "list")
        assert (code, "holds no token" in err, token in err) == (64, True, False)


@pytest.mark.parametrize(
    "argv", [("--url", "127.0.0.1:8080"), ("--url", "https://127.0.0.1:1", "--ca", "no-such.pem")], ids=["url", "ca"]
)
def test_a_daemon_that_cannot_be_asked_is_wrong_usage(
    argv: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("EHMI_AP_TOKEN", "token")
    code, _, err = run(capsys, "list", *argv)
    assert code == 64
    assert argv[-1] in err


@pytest.mark.usefixtures("at_c2")
def test_a_wrong_token_is_refused(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("EHMI_AP_TOKEN", "wrong")
    code, _, err = run(capsys, "list")
    assert code == 1
    assert "token" in err
    assert "wrong" not in err


def test_nobody_there_is_69(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    monkeypatch.setenv("EHMI_AP_URL", f"http://127.0.0.1:{port}")
    code, _, err = run(capsys, "list")
    assert code == 69
    assert "fix:" in err


def test_no_configuration_is_wrong_usage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("EHMI_AP_URL", raising=False)
    code, _, err = run(capsys, "list")
    assert code == 64
    assert "ehmi-ap init" in err


def test_what_was_read_is_counted_once() -> None:
    """requests may read a file, seek back and read it again."""
    counted: list[int] = []
    file = watched(io.BytesIO(b"x" * 100), counted.append)
    assert file.readable()
    assert file.seekable()
    assert len(file.read(60)) == 60
    assert file.tell() == 60
    file.seek(0)
    assert len(file.read()) == 100
    assert sum(counted) == 100
