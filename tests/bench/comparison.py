"""What a run beside phase4 found: nouns, the two ratios, the JSON and the table. No process, no clock."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

US, PHASE4 = "us", "phase4"
PAIRS = ((US, US), (US, PHASE4), (PHASE4, US), (PHASE4, PHASE4))
"""Sender and receiver."""
CONCURRENCIES = (1, 16)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """`concurrency` messages in flight. CPU is user and system time of the whole process, divided by the messages."""

    concurrency: int
    messages: int
    per_s: float
    send_cpu_ms: float
    receive_cpu_ms: float

    @classmethod
    def of(cls, *, concurrency: int, messages: int, seconds: float, send_cpu: float, receive_cpu: float) -> "Rate":
        """From what was measured, in seconds, of all messages together."""
        return cls(
            concurrency=concurrency,
            messages=messages,
            per_s=messages / seconds,
            send_cpu_ms=send_cpu / messages * 1000,
            receive_cpu_ms=receive_cpu / messages * 1000,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Large:
    """One payload of 100 MB between two fresh processes. Memory is the peak of the resident set of each, in MiB."""

    seconds: float
    sender_mib: float
    receiver_mib: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """All that was measured of one sender with one receiver; each is `us` or `phase4`."""

    sender: str
    receiver: str
    rates: Sequence[Rate]
    large: Large

    def rate(self, concurrency: int) -> Rate:
        return next(rate for rate in self.rates if rate.concurrency == concurrency)


def ratios(pairs: Sequence[Pair]) -> dict[str, float]:
    """phase4's CPU for a message over ours, with 16 in flight; the other side is ours in all three runs they come from.

    cpu_ratio_receive: phase4 receives from us, over us receiving from us.
    cpu_ratio_send: phase4 sends to us, over us sending to us.
    """
    found = {(pair.sender, pair.receiver): pair.rate(max(CONCURRENCIES)) for pair in pairs}
    own = found[US, US]
    return {
        "cpu_ratio_receive": found[US, PHASE4].receive_cpu_ms / own.receive_cpu_ms,
        "cpu_ratio_send": found[PHASE4, US].send_cpu_ms / own.send_cpu_ms,
    }


def as_json(pairs: Sequence[Pair], conditions: Mapping[str, object]) -> dict[str, object]:
    """build/bench-peers.json: every figure, how it was measured, and the ratios."""
    return {"conditions": dict(conditions), "pairs": [asdict(pair) for pair in pairs], **ratios(pairs)}


def markdown(pairs: Sequence[Pair], conditions: Mapping[str, object]) -> str:
    """The block of docs/explanation/performance.md that a run replaces."""
    few, many = CONCURRENCIES
    lines = [
        (
            f"{conditions['date']}, {conditions['cores']} cores ({conditions['cpu']}), load {conditions['load']} before; "
            f"Python {conditions['python']}, Java {conditions['java']}, phase4 {conditions['phase4']}; "
            f"{conditions['warm_up']} messages to warm up, {conditions['messages']} measured:"
        ),
        "",
        (
            f"| sender → receiver | messages/s, {few} / {many} in flight | CPU ms to send | CPU ms to receive "
            "| 100 MB: MiB of sender / receiver | seconds |"
        ),
        "|---|---|---|---|---|---|",
        *(_row(pair, pair.rate(few), pair.rate(many)) for pair in pairs),
        "",
        "phase4's CPU over ours: {cpu_ratio_receive:.1f} to receive, {cpu_ratio_send:.1f} to send.".format(
            **ratios(pairs)
        ),
    ]
    return "\n".join(lines)


def _row(pair: Pair, few: Rate, many: Rate) -> str:
    return (
        f"| {pair.sender} → {pair.receiver} | {few.per_s:.0f} / {many.per_s:.0f} "
        f"| {few.send_cpu_ms:.1f} / {many.send_cpu_ms:.1f} | {few.receive_cpu_ms:.1f} / {many.receive_cpu_ms:.1f} "
        f"| {pair.large.sender_mib:.0f} / {pair.large.receiver_mib:.0f} | {pair.large.seconds:.1f} |"
    )
