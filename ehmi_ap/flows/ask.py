"""Have a look-up's questions answered: the protocol asks, the network answers."""

from collections.abc import Callable, Generator
from functools import partial

from ehmi_ap.discovery.found import Result
from ehmi_ap.flows.offload import in_thread
from ehmi_ap.ports import Dns, Documents
from ehmi_ap.questions import Answer, DnsQuestion, Question, WebAnswer, WebQuestion

LARGE = 64 * 1024
"""Bytes of an answer from which on it is judged in a thread: a list of revoked certificates takes 0.4 s at its largest,
metadata at its worst 0.2 s, and nobody else would be served meanwhile."""


async def ask(lookup: Generator[Question, Answer, Result], dns: Dns, documents: Documents) -> Result:
    """Put its questions one after the other until it has a result."""
    try:
        step = _taken(partial(next, lookup))
        while isinstance(step, DnsQuestion | WebQuestion):
            answer = await (dns.ask(step) if isinstance(step, DnsQuestion) else documents.fetch(step))
            taking = partial(lookup.send, answer)
            step = await in_thread(_taken, taking) if _is_large(answer) else _taken(taking)
        return step
    finally:
        lookup.close()


def _taken(step: Callable[[], Question]) -> Question | Result:
    """The question that a step leads to, or the result."""
    try:
        return step()
    except StopIteration as end:
        result: Result = end.value
        return result


def _is_large(answer: Answer) -> bool:
    return isinstance(answer, WebAnswer) and len(answer.body) > LARGE
