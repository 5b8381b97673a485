"""C4's folder: whole or not there, once, under a name that cannot escape."""

import json
import os
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ehmi_ap.backends import inbox as room
from ehmi_ap.backends.inbox import Inbox, ending, message_name, safe_name
from ehmi_ap.backends.outbox import FileBody
from ehmi_ap.body import Body, MemoryBody
from ehmi_ap.errors import BackendError
from ehmi_ap.model import MessageId, Party, PartyId, Payload, Service, UserMessage


def message(*bodies: Body, message_id: str = "1@test.example", mime_type: str = "application/fhir+xml") -> UserMessage:
    return UserMessage(
        message_id=MessageId(message_id),
        timestamp=datetime(2026, 11, 23, tzinfo=UTC),
        from_=Party(PartyId("partner-ap"), "initiator"),
        to=Party(PartyId("our-ap"), "responder"),
        service=Service("urn:service"),
        action="urn:action",
        conversation_id="c",
        payloads=tuple(Payload(body=body, mime_type=mime_type) for body in bodies),
    )


def signed(asked: UserMessage) -> UserMessage:
    payloads = (replace(payload, jws=f"jws of {number}") for number, payload in enumerate(asked.payloads, start=1))
    return replace(asked, payloads=tuple(payloads))


def visible(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))


class TestNames:
    @pytest.mark.parametrize(
        "message_id",
        ["../../etc/passwd", ".hidden@x", "a/b@x", "a\\b@x", "a b@x", "æøå@x", "a\nb", "x" * 900, "..", "."],
    )
    def test_stay_in_the_folder(self, message_id: str) -> None:
        name = safe_name(MessageId(message_id))
        assert name == Path(name).name
        assert not name.startswith(".")
        assert len(name) < 200
        assert name.isascii()

    def test_readable(self) -> None:
        assert safe_name(MessageId("0f8f-1@ap.example.org")) == "0f8f-1@ap.example.org"

    def test_different_ids_have_different_names(self) -> None:
        ids = ["a", "A%", "a%25", "%2Ea", ".a", "x" * 900, "x" * 901]
        assert len({safe_name(MessageId(each)) for each in ids}) == len(ids)

    @pytest.mark.parametrize(
        ("mime_type", "expected"),
        [
            ("application/fhir+xml; charset=utf-8", ".xml"),
            ("APPLICATION/XML", ".xml"),
            ("application/fhir+json", ".json"),
            ("application/pdf", ".pdf"),
            ("odd", ".bin"),
            ("../../x", ".bin"),
        ],
    )
    def test_endings(self, mime_type: str, expected: str) -> None:
        assert ending(Payload(body=MemoryBody(b""), mime_type=mime_type)) == expected


class TestPut:
    def test_folder(self, tmp_path: Path) -> None:
        asked = message(MemoryBody(b"<a/>"), MemoryBody(b"2"))
        Inbox(tmp_path, single=False, mode=0o640).put(asked)
        [name] = visible(tmp_path)
        assert name == message_name(asked)
        assert visible(tmp_path / name) == ["message.json", "payload-1.xml", "payload-2.xml"]
        told = json.loads((tmp_path / name / "message.json").read_text())
        assert [part["file"] for part in told["payloads"]] == ["payload-1.xml", "payload-2.xml"]
        assert (tmp_path / name / "payload-1.xml").read_bytes() == b"<a/>"

    def test_single_file(self, tmp_path: Path) -> None:
        inbox = Inbox(tmp_path, single=True, mode=0o640)
        one, two = message(MemoryBody(b"<a/>")), message(MemoryBody(b"1"), MemoryBody(b"2"), message_id="2@x")
        inbox.put(one)
        inbox.put(two)
        assert visible(tmp_path) == [message_name(one) + ".xml", message_name(two)]
        assert (tmp_path / (message_name(one) + ".xml")).read_bytes() == b"<a/>"

    def test_our_signature_is_in_the_metadata_of_a_folder(self, tmp_path: Path) -> None:
        Inbox(tmp_path, single=False, mode=0o640).put(signed(message(MemoryBody(b"1"), MemoryBody(b"2"))))
        [name] = visible(tmp_path)
        told = json.loads((tmp_path / name / "message.json").read_text())
        assert [(part["file"], part["jws"]) for part in told["payloads"]] == [
            ("payload-1.xml", "jws of 1"),
            ("payload-2.xml", "jws of 2"),
        ]

    def test_our_signature_is_beside_a_single_file(self, tmp_path: Path) -> None:
        Inbox(tmp_path, single=True, mode=0o640).put(asked := signed(message(MemoryBody(b"<a/>"))))
        name = message_name(asked) + ".xml"
        assert visible(tmp_path) == [name, f"{name}.jws"]
        assert (tmp_path / f"{name}.jws").read_text() == "jws of 1\n"
        assert (tmp_path / f"{name}.jws").stat().st_mode & 0o777 == 0o640

    def test_modes_whatever_the_umask(self, tmp_path: Path) -> None:
        before = os.umask(0o077)
        try:
            Inbox(tmp_path, single=False, mode=0o640).put(message(MemoryBody(b"x")))
        finally:
            os.umask(before)
        [folder] = [path for path in tmp_path.iterdir() if not path.name.startswith(".")]
        assert folder.stat().st_mode & 0o777 == 0o750
        assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o640}

    def test_a_file_of_the_store_is_linked_and_not_copied(self, tmp_path: Path) -> None:
        blob = tmp_path / "blob"
        blob.write_bytes(b"large")
        Inbox(tmp_path / "in", single=True, mode=0o640).put(message(FileBody(blob, 5)))
        [name] = visible(tmp_path / "in")
        assert (tmp_path / "in" / name).samefile(blob)

    def test_a_file_on_another_file_system_is_copied(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        blob = tmp_path / "blob"
        blob.write_bytes(b"large")

        def across(*_: object) -> None:
            raise OSError(18, "Invalid cross-device link")

        monkeypatch.setattr("os.link", across)
        Inbox(tmp_path / "in", single=True, mode=0o640).put(message(FileBody(blob, 5)))
        [name] = visible(tmp_path / "in")
        assert (tmp_path / "in" / name).read_bytes() == b"large"
        assert not (tmp_path / "in" / name).samefile(blob)

    def test_what_lies_in_the_way_is_not_overwritten(self, tmp_path: Path) -> None:
        asked = message(MemoryBody(b"ours"))
        theirs = tmp_path / (message_name(asked) + ".xml")
        theirs.write_bytes(b"theirs")
        inbox = Inbox(tmp_path, single=True, mode=0o640)
        with pytest.raises(BackendError, match="did not come from here"):
            inbox.put(asked)
        assert theirs.read_bytes() == b"theirs"
        theirs.unlink()
        inbox.put(asked)
        assert theirs.read_bytes() == b"ours"

    def test_an_attempt_that_still_writes(self, tmp_path: Path) -> None:
        inbox = Inbox(tmp_path, single=False, mode=0o640)
        asked = message(MemoryBody(b"x"))
        with inbox._alone(message_name(asked)), pytest.raises(BackendError, match="still writing"):
            inbox.put(asked)
        inbox.put(asked)
        assert len(visible(tmp_path)) == 1

    def test_forget(self, tmp_path: Path) -> None:
        inbox = Inbox(tmp_path, single=False, mode=0o640)
        inbox.put(message(MemoryBody(b"x")))
        assert inbox.forget(time.time() - 60) == 0
        assert inbox.forget(time.time() + 60) == 1


class Crash(BaseException):
    """kill -9, as far as the code that runs can tell: nothing after it happens, no `except` of ours catches it."""


@pytest.mark.parametrize("single", [False, True])
@pytest.mark.parametrize("unsigned", [False, True])
def test_a_crash_at_every_step(tmp_path: Path, single: bool, unsigned: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whichever call to the file system is the last one, the next process completes the delivery exactly once."""
    asked = message(MemoryBody(b"whole" * 1000))
    asked = asked if unsigned else signed(asked)
    calls = ("fsync", "mkdir", "open", "link", "rename", "unlink", "rmdir", "chmod", "fchmod")
    steps = 0
    while True:
        folder = tmp_path / f"{single}-{steps}"
        taken = 0
        with monkeypatch.context() as patch:
            left = [steps]

            def counted(name: str, left: list[int] = left) -> object:
                real = getattr(os, name)

                def call(*args: object, **kwargs: object) -> object:
                    if left[0] == 0:
                        raise Crash
                    left[0] -= 1
                    return real(*args, **kwargs)

                return call

            for name in calls:
                patch.setattr(f"os.{name}", counted(name))
            try:
                Inbox(folder, single=single, mode=0o640).put(asked)
            except Crash:
                crashed = True
            else:
                crashed = False
        if folder.is_dir():
            taken += take(folder)
        for _ in range(2):  # the next process, and one more
            Inbox(folder, single=single, mode=0o640).put(asked)
            taken += take(folder)
        assert taken == 1, f"crash at call {steps}"
        assert list((folder / ".staging").iterdir()) == []
        if not crashed:
            break
        steps += 1
    assert steps > 10
    assert room.METADATA == "message.json"


def take(folder: Path) -> int:
    """C4 takes what is there; each has to be whole, with the signature that lies beside a file."""
    signatures = [name for name in visible(folder) if name.endswith(".jws")]
    names = [name for name in visible(folder) if name not in signatures]
    for name in names:
        path = folder / name
        if signatures:
            assert (folder / f"{name}.jws").read_text() == "jws of 1\n"
            (folder / f"{name}.jws").unlink()
        parts = sorted(path.iterdir()) if path.is_dir() else [path]
        assert parts[-1].read_bytes() == b"whole" * 1000
        if path.is_dir():
            json.loads((path / "message.json").read_text())
        for part in parts:
            part.unlink()
        if path.is_dir():
            path.rmdir()
    return len(names)
