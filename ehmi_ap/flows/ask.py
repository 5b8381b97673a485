"""Have a look-up's questions answered: the protocol asks, the network answers."""

from collections.abc import Generator

from ehmi_ap.discovery.found import Result
from ehmi_ap.ports import Dns, Documents
from ehmi_ap.questions import Answer, DnsQuestion, Question


async def ask(lookup: Generator[Question, Answer, Result], dns: Dns, documents: Documents) -> Result:
    """Put its questions one after the other until it has a result."""
    try:
        question = next(lookup)
        while True:
            answer = await (dns.ask(question) if isinstance(question, DnsQuestion) else documents.fetch(question))
            question = lookup.send(answer)
    except StopIteration as end:
        result: Result = end.value
        return result
    finally:
        lookup.close()
