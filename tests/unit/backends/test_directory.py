"""C1's folder: what is dropped is submitted once, what is wrong says so, what is half is left alone."""

import asyncio
import hashlib
import json
import logging
import os
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ehmi_ap.backends.directory import DirectoryBackend
from ehmi_ap.backends.outbox import FileBody, Outbox
from ehmi_ap.ehmi import names
from ehmi_ap.errors import (
    BackendError,
    ConfigError,
    NoSignersAgreed,
    SignatureRefused,
    StoreError,
    SubmissionConflict,
    SubmissionError,
)
from ehmi_ap.model import DeliveryEvent, Direction, EventKind, MessageId, Submission

SBD = f'<StandardBusinessDocument xmlns="{names.SBDH}"/>'.encode()

DEEP = "[" * 100_000


class C2:
    """The access point as a backend sees it: idempotent by message id, and refusing what it is told to refuse."""

    def __init__(self) -> None:
        self.kept: dict[str, tuple[bytes, ...]] = {}
        self.signatures: list[str | None] = []
        self.trouble: list[Exception] = []
        self.calls = 0

    async def __call__(self, submission: Submission) -> MessageId:
        self.calls += 1
        if self.trouble:
            raise self.trouble.pop(0)
        self.signatures += [payload.jws for payload in submission.payloads]
        content = tuple(b"".join(payload.body.chunks()) for payload in submission.payloads)
        assert submission.message_id is not None
        if self.kept.setdefault(submission.message_id, content) != content:
            raise SubmissionConflict(f"message {submission.message_id} has other content")
        return submission.message_id


@pytest.fixture
def base(tmp_path: Path) -> Path:
    for name in ("outbox", "events"):
        (tmp_path / "x" / name).mkdir(parents=True)
    return tmp_path / "x"


def backend(base: Path, **options: object) -> DirectoryBackend:
    table = {"path": base.name, "poll": 0.005, **options}
    return DirectoryBackend.from_config("msh", table, home=base.parent, domain="test.example")


@asynccontextmanager
async def running(base: Path, c2: C2) -> AsyncIterator[None]:
    task = asyncio.create_task(backend(base).run(c2))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def until(true: Callable[[], object]) -> None:
    async with asyncio.timeout(5):
        while not true():
            await asyncio.sleep(0)


def drop(base: Path, name: str, content: bytes = SBD) -> Path:
    path = base / "outbox" / name
    path.with_name(f".{name}").write_bytes(content)
    return path.with_name(f".{name}").rename(path)


def drop_folder(base: Path, name: str, metadata: object, **files: bytes) -> Path:
    aside = base / "outbox" / f".{name}"
    aside.mkdir()
    (aside / "message.json").write_text(metadata if metadata is DEEP else json.dumps(metadata))
    for file, content in files.items():
        (aside / file).write_bytes(content)
    return aside.rename(base / "outbox" / name)


def waiting(base: Path) -> list[str]:
    return sorted(path.name for path in (base / "outbox").iterdir())


class TestDrops:
    async def test_an_sbd(self, base: Path) -> None:
        c2 = C2()
        drop(base, "one.xml")
        async with running(base, c2):
            await until(lambda: waiting(base) == [])
        assert list(c2.kept.values()) == [(SBD,)]
        assert not (base / "errors").exists()

    async def test_a_folder(self, base: Path) -> None:
        c2 = C2()
        metadata = {
            "message_id": "own@x",
            "payloads": [{"file": "b", "mime_type": "text/plain"}, {"file": "a", "mime_type": "text/plain"}],
        }
        drop_folder(base, "two", metadata, a=b"2", b=b"1")
        async with running(base, c2):
            await until(lambda: waiting(base) == [])
        assert c2.kept == {"own@x": (b"1", b"2")}

    async def test_many(self, base: Path) -> None:
        c2 = C2()
        for number in range(50):
            drop(base, f"{number}.xml", str(number).encode())
        async with running(base, c2):
            await until(lambda: waiting(base) == [])
        assert sorted(c2.kept.values()) == sorted((str(number).encode(),) for number in range(50))
        assert c2.calls == 50

    async def test_what_is_not_whole_is_left_alone(self, base: Path) -> None:
        c2 = C2()
        names = [".hidden.xml", "a.xml.part", "b.tmp"]
        for name in names:
            (base / "outbox" / name).write_bytes(SBD)
        drop(base, "last.xml")
        async with running(base, c2):
            await until(lambda: waiting(base) == sorted(names))
        assert c2.calls == 1

    async def test_the_message_id_tells_nobody_the_file_name(self, base: Path) -> None:
        c2 = C2()
        drop(base, "2509479989 Nancy.xml")
        async with running(base, c2):
            await until(lambda: waiting(base) == [])
        [message_id] = c2.kept
        assert message_id.endswith("@test.example")
        assert "2509479989" not in message_id


class TestSignatures:
    """The JWS of a file is a file, which goes where the file goes; that of a payload in a folder is metadata."""

    async def test_beside_a_file(self, base: Path) -> None:
        c2 = C2()
        (base / "outbox" / "one.xml.jws").write_text(" protected..value\r\n")
        drop(base, "one.xml")
        async with running(base, c2):
            await until(lambda: waiting(base) == [])
        assert c2.signatures == ["protected..value"]

    async def test_in_the_metadata_of_a_folder(self, base: Path) -> None:
        c2 = C2()
        parts = [{"file": "a", "mime_type": "text/plain", "jws": "1"}, {"file": "b", "mime_type": "text/plain"}]
        drop_folder(base, "two", {"payloads": parts}, a=b"1", b=b"2")
        async with running(base, c2):
            await until(lambda: waiting(base) == [])
        assert c2.signatures == ["1", None]

    async def test_alone_it_waits_for_its_drop(self, base: Path) -> None:
        c2 = C2()
        (base / "outbox" / "one.xml.jws").write_text("x")
        drop(base, "last.xml")
        async with running(base, c2):
            await until(lambda: waiting(base) == ["one.xml.jws"])
        assert c2.signatures == [None]

    @pytest.mark.parametrize("content", [b"\xff\x00", b"x" * 1_000_000])
    async def test_whatever_it_holds_is_for_others_to_judge(self, base: Path, content: bytes) -> None:
        c2 = C2()
        (base / "outbox" / "one.xml.jws").write_bytes(content)
        drop(base, "one.xml")
        async with running(base, c2):
            await until(lambda: waiting(base) == [])
        assert [len(signature or "") for signature in c2.signatures] == [min(len(content), 24_576)]

    async def test_a_link_is_none(self, base: Path, tmp_path: Path) -> None:
        c2 = C2()
        (tmp_path / "secret").write_text("secret")
        (base / "outbox" / "one.xml.jws").symlink_to(tmp_path / "secret")
        drop(base, "one.xml")
        async with running(base, c2):
            await until(lambda: waiting(base) == [])
        assert c2.signatures == [None]
        assert (tmp_path / "secret").exists()

    @pytest.mark.parametrize("error", [SignatureRefused("no JWS"), NoSignersAgreed("nobody is agreed")])
    async def test_what_is_refused_for_its_signature_keeps_it_and_is_told_so(
        self, base: Path, error: SubmissionError
    ) -> None:
        """And not that it is no SBD, for which it would have to be read."""
        c2 = C2()
        c2.trouble = [error]
        (base / "outbox" / "one.xml.jws").write_text("x")
        drop(base, "one.xml", b"<Invoice/>")
        async with running(base, c2):
            await until(lambda: waiting(base) == [])
        problem = json.loads((base / "errors" / "one.xml.problem.json").read_text())
        assert (problem["code"], problem["what"]) == (error.code, error.what)
        assert (base / "errors" / "one.xml.jws").read_text() == "x"

    async def test_what_a_crash_left_of_one_is_removed_when_it_is_old(self, base: Path) -> None:
        """C1 writes it before its drop: a young one may still be waited for."""
        drop(base, "kept.xml")
        for name, age in (("old.xml.jws", 90_000), ("young.xml.jws", 60), ("kept.xml.jws", 90_000)):
            (base / "outbox" / name).write_text("x")
            os.utime(base / "outbox" / name, (time.time() - age,) * 2)
        Outbox(base / "outbox", base / "errors", backend="msh", domain="x").tidy(time.time() - 86_400)
        assert waiting(base) == ["kept.xml", "kept.xml.jws", "young.xml.jws"]


UUID = "6f1d2b3c-9a8B-4c7d-8e9f-0a1b2c3d4e5f"


class TestMessageIds:
    """What a drop's name makes its MessageId (decision 36)."""

    @pytest.mark.parametrize(
        ("name", "message_id"),
        [
            ("order-1@clinic.example.xml", "order-1@clinic.example"),
            ("order-1@clinic.example.XML", "order-1@clinic.example"),
            (f"{UUID}.xml", f"{UUID}@test.example"),
        ],
    )
    async def test_a_file_named_by_one(self, base: Path, name: str, message_id: str) -> None:
        c2 = C2()
        drop(base, name)
        async with running(base, c2):
            await until(lambda: waiting(base) == [])
        assert [*c2.kept] == [message_id]

    @pytest.mark.parametrize(
        ("name", "message_id"),
        [("order-1@clinic.example", "order-1@clinic.example"), (UUID, f"{UUID}@test.example")],
    )
    async def test_a_folder_named_by_one(self, base: Path, name: str, message_id: str) -> None:
        """Its name has no ending to take off."""
        c2 = C2()
        drop_folder(base, name, {"payloads": [{"file": "a", "mime_type": "text/plain"}]}, a=b"1")
        async with running(base, c2):
            await until(lambda: waiting(base) == [])
        assert [*c2.kept] == [message_id]

    @pytest.mark.parametrize(
        "stem", ["one", "a b@x", "<a@x>", "å@x", "a@", f"{{{UUID}}}", UUID.replace("-", ""), f"{UUID}.2", "\udcff@x"]
    )
    async def test_any_other_name_is_hashed(self, base: Path, stem: str) -> None:
        """By its whole name and the backend's, so that it stays as it was."""
        c2 = C2()
        drop(base, f"{stem}.xml")
        async with running(base, c2):
            await until(lambda: waiting(base) == [])
        digest = hashlib.sha256(f"msh\n{stem}.xml".encode(errors="surrogateescape")).hexdigest()
        assert [*c2.kept] == [f"{digest[:40]}@test.example"]


class TestAccepted:
    """C1 is told which message its drop became."""

    @pytest.mark.parametrize("name", ["one.xml", "\udcff å.xml"])
    async def test_a_drop_and_its_message(self, base: Path, name: str) -> None:
        c2 = C2()
        (base / "events").rmdir()
        drop(base, name)
        async with running(base, c2):
            await until(lambda: waiting(base) == [])
        [path] = (base / "events").iterdir()
        assert path.name == f"{name}.accepted.json"
        assert json.loads(path.read_text()) == {"drop": name, "message_id": next(iter(c2.kept))}
        assert path.stat().st_mode & 0o777 == 0o640

    async def test_it_is_told_before_the_drop_is_gone_and_again_after_a_crash(
        self, base: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        c2 = C2()
        drop(base, "one.xml")
        told = base / "events" / "one.xml.accepted.json"

        class Crash(BaseException):
            pass

        def crash(*_: object) -> None:
            raise Crash

        with monkeypatch.context() as patch:
            patch.setattr(Outbox, "accepted", crash)
            with pytest.raises(Crash):
                await backend(base).run(c2)
        first = told.read_text()
        assert waiting(base) == ["one.xml"]
        told.unlink()
        async with running(base, c2):
            await until(lambda: waiting(base) == [])
        assert told.read_text() == first
        assert len(c2.kept) == 1

    async def test_a_message_id_of_its_own_is_told(self, base: Path) -> None:
        c2 = C2()
        description = {"message_id": "own@x", "payloads": [{"file": "a", "mime_type": "text/plain"}]}
        drop_folder(base, UUID, description, a=b"1")
        async with running(base, c2):
            await until(lambda: waiting(base) == [])
        assert json.loads((base / "events" / f"{UUID}.accepted.json").read_text())["message_id"] == "own@x"

    async def test_a_refused_drop_is_not_accepted(self, base: Path) -> None:
        c2 = C2()
        c2.trouble = [SubmissionError("no P-Mode has the partner")]
        drop(base, "one.xml")
        async with running(base, c2):
            await until(lambda: waiting(base) == [])
        assert [*(base / "events").iterdir()] == []

    async def test_the_drop_waits_while_c1_cannot_be_told(self, base: Path, caplog: pytest.LogCaptureFixture) -> None:
        c2 = C2()
        (base / "events").rmdir()
        (base / "events").write_text("a file is in the way")
        drop(base, "one.xml")
        with caplog.at_level(logging.WARNING):
            async with running(base, c2):
                await until(lambda: c2.calls > 2)
                assert waiting(base) == ["one.xml"]
                (base / "events").unlink()
                await until(lambda: waiting(base) == [])
        [record] = caplog.records
        assert "events folder" in str(getattr(record, "detail", ""))
        assert (base / "events" / "one.xml.accepted.json").exists()
        assert len(c2.kept) == 1

    @pytest.mark.parametrize("letter", ["a", "å"])
    async def test_a_name_as_long_as_they_get(self, base: Path, letter: str) -> None:
        """What is written beside it has a shorter one; neither an accepted drop nor a refused one stays for ever."""
        c2 = C2()
        folder = letter * (250 // len(letter.encode()))
        drop_folder(base, folder, {"payloads": [{"file": "a", "mime_type": "text/plain"}]}, a=b"1")
        c2_refuses = f"{letter * (240 // len(letter.encode()))}.txt"
        drop(base, c2_refuses)
        async with running(base, c2):
            await until(lambda: waiting(base) == [])
        [told] = (base / "events").iterdir()
        assert told.name.endswith(".accepted.json")
        assert json.loads(told.read_text())["drop"] == folder
        assert sorted(path.suffix for path in (base / "errors").iterdir()) == [".json", ".txt"]


class TestRefusals:
    @pytest.mark.parametrize(
        ("metadata", "expected"),
        [
            ({"payloads": [{"file": "../../secret", "mime_type": "text/plain"}]}, "is not a file of this folder"),
            ({"payloads": [{"file": "/etc/passwd", "mime_type": "text/plain"}]}, "is not a file of this folder"),
            ({"payloads": [{"file": "none", "mime_type": "text/plain"}]}, "is not a file of this folder"),
            ({"payloads": [{"file": "message.json", "mime_type": "text/plain"}]}, "is not a file of this folder"),
            ({"payloads": [{"mime_type": "text/plain"}]}, "names no `file`"),
            ({"payload": []}, "did you mean `payloads`?"),
            ([], "has to be a JSON object"),
            (DEEP, "is not JSON that can be read"),
        ],
    )
    async def test_a_wrong_folder(self, base: Path, metadata: object, expected: str) -> None:
        c2 = C2()
        (base.parent / "secret").write_bytes(b"not yours")
        drop_folder(base, "wrong", metadata, a=b"1")
        async with running(base, c2):
            await until(lambda: waiting(base) == [])
        assert c2.calls == 0
        assert (base / "errors" / "wrong" / "message.json").exists()
        problem = json.loads((base / "errors" / "wrong.problem.json").read_text())
        assert expected in problem["what"]
        assert problem["fault"] == "submitter"
        assert problem["fix"]

    @pytest.mark.parametrize("name", ["data.json", "no-ending"])
    async def test_a_file_that_is_no_sbd(self, base: Path, name: str) -> None:
        drop(base, name)
        async with running(base, C2()):
            await until(lambda: waiting(base) == [])
        assert sorted(path.name for path in (base / "errors").iterdir()) == [name, f"{name}.problem.json"]

    async def test_a_folder_without_metadata(self, base: Path) -> None:
        (base / "outbox" / "empty").mkdir()
        async with running(base, C2()):
            await until(lambda: waiting(base) == [])
        assert "has no message.json" in (base / "errors" / "empty.problem.json").read_text()

    async def test_a_symbolic_link(self, base: Path) -> None:
        (base.parent / "secret").write_bytes(SBD)
        (base / "outbox" / "link.xml").symlink_to(base.parent / "secret")
        c2 = C2()
        async with running(base, c2):
            await until(lambda: waiting(base) == [])
        assert c2.calls == 0
        assert (base / "errors" / "link.xml").is_symlink()

    async def test_what_can_be_read_only_once(self, base: Path) -> None:
        """A pipe: whoever opened it would wait for a writer, and all other drops with him."""
        os.mkfifo(base / "outbox" / "pipe.xml")
        c2 = C2()
        async with running(base, c2):
            await until(lambda: waiting(base) == [])
        assert c2.calls == 0
        assert "is no drop" in (base / "errors" / "pipe.xml.problem.json").read_text()

    async def test_what_the_access_point_refuses(self, base: Path) -> None:
        c2 = C2()
        c2.trouble = [SubmissionError("no P-Mode has the partner", fix="Add one.")]
        drop(base, "one.xml")
        async with running(base, c2):
            await until(lambda: waiting(base) == [])
        problem = json.loads((base / "errors" / "one.xml.problem.json").read_text())
        assert (problem["what"], problem["fix"]) == ("no P-Mode has the partner", "Add one.")
        assert (base / "errors" / "one.xml").read_bytes() == SBD

    @pytest.mark.parametrize("content", [b"<Invoice/>", b"{}", b""])
    async def test_what_is_no_sbd_is_told_so(self, base: Path, content: bytes) -> None:
        """And not that it names no action, which only an SBD can."""
        c2 = C2()
        c2.trouble = [SubmissionError("P-Mode b has 6 actions and the submission names none")]
        drop(base, "one.xml", content)
        async with running(base, c2):
            await until(lambda: waiting(base) == [])
        problem = json.loads((base / "errors" / "one.xml.problem.json").read_text())
        assert problem["what"] == "the file is not a StandardBusinessDocument"
        assert "message.json" in problem["fix"]

    async def test_two_refusals_of_one_name(self, base: Path) -> None:
        c2 = C2()
        c2.trouble = [SubmissionError("first"), SubmissionError("second")]
        async with running(base, c2):
            for _ in range(2):
                drop(base, "one.xml")
                await until(lambda: waiting(base) == [])
        names = sorted(path.name for path in (base / "errors").iterdir())
        assert names == ["one.2.xml", "one.2.xml.problem.json", "one.xml", "one.xml.problem.json"]

    async def test_other_content_under_a_used_name(self, base: Path) -> None:
        c2 = C2()
        async with running(base, c2):
            for content in (SBD, SBD + b" "):
                drop(base, "one.xml", content)
                await until(lambda: waiting(base) == [])
        assert list(c2.kept.values()) == [(SBD,)]
        assert "under a new name" in (base / "errors" / "one.xml.problem.json").read_text()


class TestTrouble:
    async def test_a_full_store_does_not_lose_a_drop(self, base: Path, caplog: pytest.LogCaptureFixture) -> None:
        c2 = C2()
        c2.trouble = [StoreError("the disk is full")] * 3
        drop(base, "one.xml")
        with caplog.at_level(logging.WARNING):
            async with running(base, c2):
                await until(lambda: waiting(base) == [])
        assert list(c2.kept.values()) == [(SBD,)]
        assert len(caplog.records) == 1  # said once, not at every look

    async def test_one_drop_does_not_hold_up_the_others(self, base: Path, caplog: pytest.LogCaptureFixture) -> None:
        """Not even by a failure that nobody foresaw."""

        class Picky(C2):
            async def __call__(self, submission: Submission) -> MessageId:
                content = b"".join(submission.payloads[0].body.chunks())
                if content == b"poison":
                    raise ZeroDivisionError
                return await super().__call__(submission)

        c2 = Picky()
        drop(base, "a.xml", b"poison")
        for number in range(20):
            drop(base, f"b{number}.xml", str(number).encode())
        with caplog.at_level(logging.WARNING):
            async with running(base, c2):
                await until(lambda: waiting(base) == ["a.xml"])
        assert len(c2.kept) == 20
        assert len(caplog.records) == 1

    async def test_a_crash_after_submitting_and_before_taking_away(
        self, base: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The drop is there again for the next process; the access point has it once."""
        c2 = C2()
        drop(base, "one.xml")
        drop_folder(base, "two", {"payloads": [{"file": "a", "mime_type": "text/plain"}]}, a=b"1")

        class Crash(BaseException):
            pass

        def crash(*_: object) -> None:
            raise Crash

        with monkeypatch.context() as patch:
            patch.setattr(Outbox, "accepted", crash)
            with pytest.raises(Crash):
                await backend(base).run(c2)
        async with running(base, c2):
            await until(lambda: waiting(base) == [])
        assert len(c2.kept) == 2
        assert not (base / "errors").exists()

    async def test_what_a_crash_left_of_a_stored_folder_is_removed(self, base: Path) -> None:
        c2 = C2()
        left = base / "outbox" / ".two.done"
        left.mkdir()
        (left / "payload").write_bytes(b"x")
        async with running(base, c2):
            await until(lambda: waiting(base) == [])
        assert c2.calls == 0

    async def test_an_outbox_that_comes_back(self, base: Path, caplog: pytest.LogCaptureFixture) -> None:
        c2 = C2()
        (base / "outbox").rmdir()
        (base / "outbox").write_text("a file is in the way")
        async with running(base, c2):
            await until(lambda: caplog.records)
            (base / "outbox").unlink()
            await until((base / "outbox").is_dir)
            drop(base, "one.xml")
            await until(lambda: waiting(base) == [])
        assert len(c2.kept) == 1

    def test_a_file_that_shrinks(self, tmp_path: Path) -> None:
        path = tmp_path / "x"
        path.write_bytes(b"12345")
        body = FileBody(path, 5)
        assert b"".join(body.chunks(1, 3)) == b"23"
        path.write_bytes(b"12")
        with pytest.raises(SubmissionError, match="became shorter"):
            list(body.chunks())


class TestEvents:
    event = DeliveryEvent(
        kind=EventKind.SENT,
        message_id=MessageId("../1@x"),
        direction=Direction.OUTBOUND,
        at=datetime(2026, 11, 23, tzinfo=UTC),
        seq=12,
    )

    async def test_a_repeat_is_the_same_file(self, base: Path) -> None:
        for _ in range(2):
            await backend(base).notify(self.event)
        [path] = (base / "events").iterdir()
        assert path.name == "000000000012-msg-sent-%2E.%2F1@x.json"
        assert json.loads(path.read_text())["seq"] == 12
        assert path.stat().st_mode & 0o777 == 0o640

    async def test_a_folder_that_cannot_be_written(self, base: Path) -> None:
        (base / "events").rmdir()
        (base / "events").write_text("a file is in the way")
        with pytest.raises(BackendError, match="the events folder cannot be written") as failed:
            await backend(base).notify(self.event)
        assert failed.value.retryable


class TestOptions:
    @pytest.mark.parametrize(
        ("options", "expected"),
        [
            ({"mode": "rw"}, "[backends.msh] mode: has to be an octal file mode"),
            ({"poll": 0}, "[backends.msh] poll: has to be more than 0"),
            ({"ledger_days": 0}, "[backends.msh] ledger_days: has to be at least 1"),
            ({"errors": "outbox"}, "[backends.msh] errors: has to be outside `outbox`"),
            ({"inbox": "./x/../outbox/in"}, "[backends.msh] inbox: has to be outside `outbox`"),
            ({"outbox": ".", "events": "sent"}, "[backends.msh] inbox: has to be outside `outbox`"),
            ({"form": "zip"}, "[backends.msh] form: has to be one of 'folder' or 'file'"),
            ({"pth": "x"}, "[backends.msh] pth: is not a setting; did you mean `path`?"),
        ],
    )
    def test_mistakes(self, base: Path, options: dict[str, object], expected: str) -> None:
        with pytest.raises(ConfigError) as refused:
            backend(base, **options)
        assert refused.value.findings[0].startswith(f"ehmi-ap.toml: {expected}")

    def test_checking_makes_no_folder(self, tmp_path: Path) -> None:
        backend(tmp_path / "x")
        assert not (tmp_path / "x").exists()
