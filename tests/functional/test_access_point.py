"""Two whole access points over HTTP on the loopback: everything that runs by itself, started and stopped."""

import asyncio
import logging
import tomllib
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ehmi_ap.access_point import AccessPoint
from ehmi_ap.backends.memory import MemoryBackend
from ehmi_ap.body import MemoryBody, read_all
from ehmi_ap.config import Config
from ehmi_ap.errors import BackendError, ConfigError, NotAllowed, NotFound, StoreError, SubmissionError
from ehmi_ap.lifecycle import State
from ehmi_ap.model import Direction, EventKind, MessageId, Payload, Submission, UserMessage
from ehmi_ap.ports import Query, Stored, Submit
from ehmi_ap.server import listening
from tests.pair import write_pair

RETRY = "[retry]\nfirst_wait = 0.05\nlongest_wait = 0.05\njitter = 0.0\n"


def result(data: bytes = b"<result/>", **changes: object) -> Submission:
    payload = Payload(body=MemoryBody(data), mime_type="application/xml")
    return Submission(**{"payloads": (payload,), **changes})  # type: ignore[arg-type]


@dataclass
class Pair:
    alpha: AccessPoint
    beta: AccessPoint
    c1: MemoryBackend
    c4: MemoryBackend


@asynccontextmanager
async def pair(
    folder: Path, *, tls: bool = False, pmode: str = RETRY, c4: MemoryBackend | None = None
) -> AsyncIterator[Pair]:
    """`alpha` sends to `beta`; C1 and C4 live in this test."""
    sides = write_pair(folder, tls=tls, pmode=pmode, backends={"unused": 'kind = "memory"\n'})
    hosts = (MemoryBackend(), c4 or MemoryBackend())
    async with AsyncExitStack() as stack:
        aps = []
        for side, host in zip(sides, hosts, strict=True):
            ap = AccessPoint(Config.load(side.config), backends={"unused": host})
            await stack.enter_async_context(ap)
            await stack.enter_async_context(listening(ap))
            aps.append(ap)
        yield Pair(*aps, *hosts)


async def until(ap: AccessPoint, message_id: MessageId, kind: EventKind) -> None:
    """Wait for an event of a message; a test that waits in vain fails after ten seconds."""
    async with asyncio.timeout(10):
        async for event in ap.events(message_id=message_id):
            if event.kind is kind:
                return


async def only(ap: AccessPoint, direction: Direction) -> Stored:
    [stored] = await ap.store.find(Query(direction=direction))
    return stored


@pytest.mark.parametrize("tls", [False, True])
async def test_a_message_goes_from_c1_to_c4(tmp_path: Path, tls: bool) -> None:
    """Submit, and the rest happens: C4 has the bytes, both backends and the followers of events are told."""
    async with pair(tmp_path, tls=tls) as net, asyncio.timeout(10):
        message_id = await net.alpha.submit(result(b"<result>42</result>"))
        message = await net.c4.messages.get()
        assert (message.message_id, read_all(message.payloads[0].body)) == (message_id, b"<result>42</result>")
        await until(net.alpha, message_id, EventKind.SENT)
        await until(net.beta, message_id, EventKind.SENT)
        for host in (net.c1, net.c4):
            kinds = [(await host.events.get()).kind for _ in range(2)]
            assert kinds == [EventKind.RECEIVED, EventKind.SENT]
        assert (await only(net.alpha, Direction.OUTBOUND)).state is State.ACKNOWLEDGED
        assert net.alpha.stats["sent"] == net.beta.stats["delivered"] == 1
        assert (await net.alpha.health())["status"] == "ok"
    assert await net.alpha.health() == {"status": "stopped"}


async def test_many_messages_arrive_once_each(tmp_path: Path) -> None:
    """More than there are workers, all at once."""
    async with pair(tmp_path) as net, asyncio.timeout(20):
        wanted = set(await asyncio.gather(*(net.alpha.submit(result()) for _ in range(40))))
        got = [(await net.c4.messages.get()).message_id for _ in wanted]
        assert set(got) == wanted
        assert net.c4.messages.empty()


async def test_a_large_payload_passes_through_files(tmp_path: Path) -> None:
    """Three megabytes that do not compress: spooled, signed, sent and received in threads."""
    data = b"".join(number.to_bytes(4, "big") * 3 for number in range(0, 2**32, 2**32 // 250_000))
    async with pair(tmp_path) as net, asyncio.timeout(20):
        spool = net.alpha.blobs.spool()
        spool.write(data)
        payload = Payload(body=spool.finish(), mime_type="application/octet-stream")
        await net.alpha.submit(Submission(payloads=(payload,)))
        message = await net.c4.messages.get()
        assert read_all(message.payloads[0].body) == data


async def test_delivery_goes_on_until_c4_takes_it(tmp_path: Path) -> None:
    """C4 refuses finally: UNDELIVERED; an operator's resend opens it again."""
    willing = False
    taken: list[UserMessage] = []

    class Broken(BackendError):
        retryable = False

    async def take(message: UserMessage) -> None:
        if not willing:
            raise Broken("C4 will not have it")
        taken.append(message)

    async with pair(tmp_path, c4=MemoryBackend(on_message=take)) as net, asyncio.timeout(10):
        message_id = await net.alpha.submit(result())
        await until(net.beta, message_id, EventKind.SENT)
        undelivered = await only(net.beta, Direction.INBOUND)
        assert undelivered.state is State.UNDELIVERED
        willing = True
        await net.beta.resend(undelivered.key)
        async for event in net.beta.events(message_id=message_id):
            if event.kind is EventKind.SENT and not event.failed:
                break
        assert [message.message_id for message in taken] == [message_id]
        with pytest.raises(NotAllowed, match="delivered"):
            await net.beta.resend(undelivered.key)


async def test_resend_and_acknowledge_know_their_messages(tmp_path: Path) -> None:
    async with pair(tmp_path) as net, asyncio.timeout(10):
        message_id = await net.alpha.submit(result())
        await until(net.alpha, message_id, EventKind.SENT)
        await until(net.beta, message_id, EventKind.SENT)
        sent, kept = await only(net.alpha, Direction.OUTBOUND), await only(net.beta, Direction.INBOUND)
        await net.beta.acknowledge(kept.key)
        with pytest.raises(NotFound):
            await net.alpha.acknowledge(sent.key)
        for ap in (net.alpha, net.beta):
            with pytest.raises(NotFound):
                await ap.resend(4711)


async def test_agreements_change_while_it_runs(tmp_path: Path) -> None:
    """A P-Mode that is put is used at once; a wrong one changes nothing; one that is deleted is gone (G27)."""
    async with pair(tmp_path) as net, asyncio.timeout(10):
        before = net.alpha.agreements
        file = net.alpha.config.pmodes / "beta.toml"
        table = tomllib.loads(file.read_text())
        with pytest.raises(ConfigError):
            await net.alpha.put_pmode("beta", {**table, "actions": []})
        assert net.alpha.agreements is before
        await net.alpha.delete_pmode("beta")
        with pytest.raises(SubmissionError):
            await net.alpha.submit(result())
        await net.alpha.put_pmode("beta", table)
        message_id = await net.alpha.submit(result())
        await until(net.alpha, message_id, EventKind.SENT)
        with pytest.raises(NotFound):
            await net.alpha.delete_certificate("nobody")


async def test_what_was_accepted_is_sent_after_a_restart(tmp_path: Path) -> None:
    """The peer is down, we stop and start: the message goes when the peer is back."""
    alpha, beta = write_pair(tmp_path, pmode=RETRY, backends={"host": 'kind = "memory"\n'})
    async with AccessPoint(Config.load(alpha.config)) as ap:
        message_id = await ap.submit(result())
        await until(ap, message_id, EventKind.ATTEMPT)
    with pytest.raises(StoreError):
        await ap.submit(result())
    host = MemoryBackend()
    async with AsyncExitStack() as stack:
        receiver = await stack.enter_async_context(AccessPoint(Config.load(beta.config), backends={"host": host}))
        await stack.enter_async_context(listening(receiver))
        again = await stack.enter_async_context(AccessPoint(Config.load(alpha.config)))
        await until(again, message_id, EventKind.SENT)
        async with asyncio.timeout(10):
            assert (await host.messages.get()).message_id == message_id


async def test_events_can_be_read_without_following(tmp_path: Path) -> None:
    """All there are, then the end; and from a seq on."""
    async with pair(tmp_path) as net:
        message_id = await net.alpha.submit(result())
        await until(net.alpha, message_id, EventKind.SENT)
        events = [event async for event in net.alpha.events(follow=False)]
        assert [event.kind for event in events] == [EventKind.RECEIVED, EventKind.SENT]
        rest = [event async for event in net.alpha.events(after=events[0].seq, follow=False)]
        assert rest == events[1:]


async def test_followers_end_when_it_stops(tmp_path: Path) -> None:
    async with pair(tmp_path) as net:

        async def follow() -> int:
            return len([event async for event in net.alpha.events()])

        following = asyncio.create_task(follow())
        await asyncio.sleep(0)
        await net.alpha.stop()
        async with asyncio.timeout(5):
            assert await following == 0


async def test_a_backend_feeds_submissions_in_its_own_name(tmp_path: Path) -> None:
    """run(submit) is started, and started again when it fails; its messages are its own."""

    class Feeding(MemoryBackend):
        async def run(self, submit: Submit) -> None:
            await submit(result(message_id=MessageId("fed@c1.example")))

    feeding = Feeding()
    alpha, _ = write_pair(tmp_path, backends={"unused": 'kind = "memory"\n'})
    async with AccessPoint(Config.load(alpha.config), backends={"feeding": feeding}) as ap, asyncio.timeout(10):
        event = await feeding.events.get()
        assert (event.message_id, event.kind) == ("fed@c1.example", EventKind.RECEIVED)
        assert (await only(ap, Direction.OUTBOUND)).backend == "feeding"


async def test_a_backend_that_breaks_shows_in_health(tmp_path: Path) -> None:
    """Its feed is started again a little later; the rest goes on."""

    class Breaking(MemoryBackend):
        async def run(self, submit: Submit) -> None:
            raise ZeroDivisionError

    alpha, _ = write_pair(tmp_path, backends={"unused": 'kind = "memory"\n'})
    async with AccessPoint(Config.load(alpha.config), backends={"breaking": Breaking()}) as ap:
        await ap.store.counts()
        health = await ap.health()
        assert (health["status"], health["sending"]) == ("trouble", 0)
        assert "backend breaking" in str(health["trouble"])


async def test_a_full_disk_shows_in_health(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Though nothing is due."""
    alpha, _ = write_pair(tmp_path, backends={"unused": 'kind = "memory"\n'})
    monkeypatch.setattr("ehmi_ap.store.blobs.LEAST_FREE", 1 << 62)
    async with AccessPoint(Config.load(alpha.config)) as ap:
        health = await ap.health()
        assert health["status"] == "trouble"
        assert "the disk is full" in str(health["trouble"])


async def test_certificates_that_end_are_warned_of_at_start_and_daily(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The log says it and so does health, in a process that was started when all was well."""
    logged: asyncio.Queue[str] = asyncio.Queue()

    class Warnings(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if record.getMessage() == "worth a look":
                logged.put_nowait(vars(record)["detail"])

    listening_in = Warnings()
    logger = logging.getLogger("ehmi_ap.access_point")
    logger.addHandler(listening_in)
    alpha, _ = write_pair(tmp_path, backends={"unused": 'kind = "memory"\n'}, days=30)
    try:
        async with AccessPoint(Config.load(alpha.config)) as ap, asyncio.timeout(10):
            at_start = ap.agreements.warnings
            assert [await logged.get() for _ in at_start] == list(at_start)
            assert all("ask for the next one" in text for text in at_start)
        monkeypatch.setattr("ehmi_ap.access_point.DAILY", 0.01)
        monkeypatch.setattr("ehmi_ap.access_point._now", lambda: datetime.now(UTC) + timedelta(days=40))
        async with AccessPoint(Config.load(alpha.config)) as ap, asyncio.timeout(10):
            while "cannot be used" not in await logged.get():
                pass
            assert all("cannot be used" in text for text in (await ap.health())["warnings"])  # type: ignore[attr-defined]
    finally:
        logger.removeHandler(listening_in)


async def test_mistakes_are_all_named_at_start(tmp_path: Path) -> None:
    """ConfigError, and nothing is left open."""
    alpha, _ = write_pair(tmp_path, backends={"a": 'kind = "nonsense"\n', "b": 'kind = "nonsense"\n'})
    with pytest.raises(ConfigError) as caught:
        async with AccessPoint(Config.load(alpha.config)):
            pass
    assert len(caught.value.findings) == 2
