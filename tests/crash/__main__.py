"""`make crash KILLS=N`: two real access points, killed N times with SIGKILL, must lose nothing and repeat nothing.

C1 drops files into alpha's outbox, C4 takes them from beta's inbox as soon as they appear; both are this program. Each
victim is a process of its own, forked from a server that has the imports done, armed with a step drawn at random from
all steps of its side (tests/crash/victim.py) and a countdown; `any` is a kill from outside at a random moment. When the
kills are used up, both run unharmed until everything is settled, and the books are compared:

- every document that C1 dropped is at C4, byte for byte, and none is there twice;
- alpha has every message acknowledged, with beta's stored receipt byte for byte, and C1 was told so;
- C1 was told of each drop which message it became;
- EDS was told both events of every message by both access points, in their order, though it is unwell now and then;
- nothing was refused.
"""

import base64
import hashlib
import json
import multiprocessing
import os
import random
import re
import shutil
import signal
import sqlite3
import sys
import tempfile
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from multiprocessing.connection import wait
from multiprocessing.context import ForkServerContext, ForkServerProcess
from pathlib import Path

from ehmi_ap.demo.envelope import standard_business_document
from ehmi_ap.ehmi.unwrap import unwrap
from tests import pair
from tests.crash import victim
from tests.crash.status import MoodyEds

IN_FLIGHT = 24
RETRY = "[retry]\nfirst_wait = 0.3\nfactor = 1.0\njitter = 0.5\nwindow = 86400\n"
PATIENCE = 3.0
"""Seconds a victim may take to reach its step; then it is killed where it is."""
ASKING = threading.Lock()
"""multiprocessing looks at all its processes whenever one is started, and two threads that look at the same one at the
same moment tear its exit code apart (255 for -9)."""
QUIET = 120.0
"""Seconds the unharmed pair has to settle what is left."""


class Side(threading.Thread):
    """Starts one access point again and again, until no kills are left; then once more, unharmed."""

    def __init__(
        self, context: ForkServerContext, role: str, side: pair.Side, budget: "Budget", chance: random.Random
    ) -> None:
        super().__init__(name=role)
        self.role, self.side, self.budget, self.chance = role, side, budget, chance
        self.context = context
        self.killed: Counter[str] = Counter()
        self.process: ForkServerProcess | None = None
        self.faults: list[str] = []

    def run(self) -> None:
        while self.budget.take():
            step = self.chance.choice(victim.steps(self.role))
            process = self._start(step)
            outside = not wait([process.sentinel], self.chance.uniform(0.05, 1.0) if step == "any" else PATIENCE)
            if outside:
                assert process.pid is not None
                os.kill(process.pid, signal.SIGKILL)
                wait([process.sentinel])
            with ASKING:
                code = process.exitcode
            if code != -signal.SIGKILL:
                self.faults.append(f"{self.role} ended with {code} on its way to {step}")
                self.budget.end()
                return
            self.killed["any" if outside else step] += 1
        self.process = self._start("none")

    def _start(self, step: str) -> ForkServerProcess:
        process = self.context.Process(
            target=victim.run,
            args=(self.role, step, self.chance.randint(1, 4), str(self.side.config), str(self.side.home / "log")),
            daemon=True,
        )
        with ASKING:
            process.start()
        return process

    def end(self) -> None:
        if self.process is not None and self.process.pid is not None:
            os.kill(self.process.pid, signal.SIGTERM)
            self.process.join(30)


class Budget:
    """The kills that are left, shared by both sides."""

    def __init__(self, kills: int) -> None:
        self.left = kills
        self._lock = threading.Lock()

    def end(self) -> None:
        with self._lock:
            self.left = 0

    def take(self) -> bool:
        with self._lock:
            self.left -= 1
            return self.left >= 0


class Customer(threading.Thread):
    """C1 and C4 in one: drops documents and takes what arrives, and keeps the books."""

    def __init__(self, alpha: pair.Side, beta: pair.Side) -> None:
        super().__init__(name="customer")
        self.outbox, self.inbox = alpha.backend / "outbox", beta.backend / "inbox"
        self.taken_to = beta.home / "taken"
        self.taken_to.mkdir()
        self.dropped: dict[str, str] = {}
        self.envelopes: list[str] = []
        self.taken: list[tuple[str, str]] = []
        self.dropping = True
        self.stopping = False

    def run(self) -> None:
        while not self.stopping:
            if self.dropping and len(self.dropped) - len({name for name, _ in self.taken}) < IN_FLIGHT:
                self._drop()
            elif not self._take():
                time.sleep(0.01)

    def _drop(self) -> None:
        number = len(self.dropped)
        name = f"document-{number}"
        size = 64 * (1 + number % 40) if number % 25 else 300_000  # now and then one that is a file in the store
        envelope, data = envelope_of(os.urandom(size))
        self.envelopes.append(envelope)
        making = self.outbox / f".{name}"
        making.mkdir(parents=True)
        (making / "p").write_bytes(data)
        description = {
            "message_id": f"{name}@alpha.example",
            "pmode": "beta",
            "payloads": [{"file": "p", "mime_type": "application/xml"}],
        }
        (making / "message.json").write_text(json.dumps(description))
        self.dropped[name] = hashlib.sha256(data).hexdigest()
        making.rename(self.outbox / name)

    def _take(self) -> int:
        count = 0
        for found in sorted(self.inbox.iterdir()) if self.inbox.is_dir() else ():
            if found.name.startswith("."):
                continue
            target = self.taken_to / f"{len(self.taken)}"
            found.rename(target)
            message = json.loads((target / "message.json").read_text())
            payloads = [path for path in target.iterdir() if path.name != "message.json"]
            assert len(payloads) == 1, payloads
            name = message["message_id"].partition("@")[0]
            self.taken.append((name, hashlib.sha256(payloads[0].read_bytes()).hexdigest()))
            shutil.rmtree(target)
            count += 1
        return count


def envelope_of(content: bytes) -> tuple[str, bytes]:
    """A new envelope around bytes that no access point opens, and its EnvelopeIdentifier."""
    document = standard_business_document(now=datetime.now(UTC), new_uuid=uuid.uuid4)
    around = re.sub(rb"(<[^>]*BinaryContent[^>]*>)[^<]*", rb"\g<1>" + base64.b64encode(content), document, count=1)
    return unwrap(document).header.instance_identifier, around


def wait_until(true: Callable[[], bool], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not true():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def rows(side: pair.Side, statement: str) -> list[tuple[object, ...]]:
    """What the access point's own database says, read by nobody's code but sqlite's."""
    with sqlite3.connect(f"file:{side.home / 'data' / 'ehmi-ap.db'}?mode=ro", uri=True) as database:
        return database.execute(statement).fetchall()


def torment(kills: int, seed: int, folder: Path) -> tuple[int, int, list[str], Counter[str]]:
    """Run it all; lost, twice, other complaints, kills by step."""
    chance = random.Random(seed)
    eds = MoodyEds(folder, random.Random(chance.random()))
    settings = "[workers]\nsend = 8\ndeliver = 4\n[log]\nlevel = 'warning'\n"
    alpha, beta = pair.write_pair(folder, tls=True, pmode=RETRY, settings=settings, profile="ehmi")
    eds.serve((alpha, beta))
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.crash.victim"])
    budget = Budget(kills)
    sides = [
        Side(context, "sender", alpha, budget, random.Random(chance.random())),
        Side(context, "receiver", beta, budget, random.Random(chance.random())),
    ]
    customer = Customer(alpha, beta)
    for thread in (eds, customer, *sides):
        thread.start()
    while any(side.is_alive() for side in sides):
        print(
            f"\r{sum(sum(s.killed.values()) for s in sides)} kills, {len(customer.taken)} delivered",
            end="",
            file=sys.stderr,
        )
        time.sleep(0.2)
    print(file=sys.stderr)
    customer.dropping, eds.calm = False, True
    wait_until(lambda: len({name for name, _ in customer.taken}) >= len(customer.dropped), QUIET)
    settled = "select count(*) from message where direction = 'outbound' and state <> 'acknowledged'"
    wait_until(lambda: rows(alpha, settled) == [(0,)], QUIET / 4)
    told = {f"document-{n}" for n in range(len(customer.dropped))}
    wait_until(lambda: told <= names_told(alpha), QUIET / 4)
    untold = "select count(*) from report where state = 'waiting'"
    wait_until(lambda: rows(alpha, untold) == rows(beta, untold) == [(0,)], QUIET)
    customer.stopping = True
    customer.join()
    for side in sides:
        side.end()
    eds.end()
    complaints = [fault for side in sides for fault in side.faults] + audit(alpha, beta, told)
    complaints += eds.faults(customer.envelopes)
    counted = Counter(name for name, _ in customer.taken)
    wrong = [name for name, digest in customer.taken if customer.dropped.get(name) != digest]
    if wrong:
        complaints.append(f"{len(wrong)} documents arrived with other bytes")
    lost = len(set(customer.dropped) - set(counted))
    twice = sum(1 for count in counted.values() if count > 1)
    print(f"{len(customer.dropped)} documents, {len(customer.taken)} delivered", file=sys.stderr)
    steps = Counter({f"{s.role} {step}": count for s in sides for step, count in s.killed.items()})
    return lost, twice, complaints, steps


def names_told(alpha: pair.Side) -> set[str]:
    """The documents of which C1 has an event file that says they arrived."""
    found = set()
    for path in (alpha.backend / "events").glob("*msg-sent*.json"):
        event = json.loads(path.read_text())
        if not event.get("failed"):
            found.add(event["message_id"].partition("@")[0])
    return found


def audit(alpha: pair.Side, beta: pair.Side, told: set[str]) -> list[str]:
    """What the two access points' own books say."""
    complaints = []
    open_ = rows(alpha, "select count(*) from message where state <> 'acknowledged'")[0][0]
    if open_:
        complaints.append(f"alpha has {open_} messages that are not acknowledged")
    receipts = "select message_id, body from message join receipt using (key)"
    given, got = dict(rows(beta, receipts)), dict(rows(alpha, receipts))
    differing = [key for key, receipt in got.items() if receipt != given.get(key)]
    if differing:
        complaints.append(f"{len(differing)} receipts differ from those that beta stored")
    missing = told - names_told(alpha)
    if missing:
        complaints.append(f"C1 was not told of {len(missing)} documents that arrived")
    events = alpha.backend / "events"
    accepted = {json.loads(path.read_text())["drop"] for path in events.glob("*.accepted.json")}
    if told - accepted:
        complaints.append(f"C1 was not told which messages {len(told - accepted)} of its drops became")
    refused = [p.name for p in (alpha.backend / "errors").glob("*")] if (alpha.backend / "errors").is_dir() else []
    if refused:
        complaints.append(f"C1's drops were refused: {refused[:3]}")
    return complaints


def main() -> int:
    kills = int(sys.argv[1]) if len(sys.argv) > 1 else 300
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else random.SystemRandom().randrange(1 << 32)
    print(f"seed {seed}", file=sys.stderr)
    folder = Path(tempfile.mkdtemp(prefix="ehmi-ap-crash-"))
    lost, twice, complaints, steps = torment(kills, seed, folder)
    for step, count in sorted(steps.items()):
        print(f"{count:5} {step}")
    for complaint in complaints:
        print(f"BUT {complaint}")
    bad = bool(lost or twice or complaints)
    if bad:
        print(f"the access points' folders are kept in {folder}")
    else:
        shutil.rmtree(folder)
    print(f"{sum(steps.values())} kills, {lost} lost, {twice} twice")
    return int(bad)


if __name__ == "__main__":
    sys.exit(main())
