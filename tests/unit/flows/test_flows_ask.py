"""Questions go to whom they are for, and their answers back into the look-up."""

import threading
from collections.abc import Generator

import pytest
from registry import missed

from ehmi_ap.discovery.found import Result
from ehmi_ap.flows.ask import LARGE, ask
from ehmi_ap.questions import Answer, DnsAnswer, DnsQuestion, DnsStatus, Question, WebAnswer, WebQuestion

END = missed("SMP_TIMEOUT")


class Outside:
    """DNS and the web."""

    def __init__(self) -> None:
        self.asked: list[Question] = []

    async def ask(self, question: DnsQuestion) -> DnsAnswer:
        self.asked.append(question)
        return DnsAnswer(status=DnsStatus.FOUND, texts=("https://smp.example",))

    async def fetch(self, question: WebQuestion) -> WebAnswer:
        self.asked.append(question)
        return WebAnswer(status=200, body=question.url.encode())


def lookup(heard: list[Answer]) -> Generator[Question, Answer, Result]:
    name = yield DnsQuestion(name="a.example")
    assert isinstance(name, DnsAnswer)
    heard.append(name)
    heard.append((yield WebQuestion(url=name.texts[0])))
    return END


async def test_each_question_is_answered_by_its_port() -> None:
    outside, heard = Outside(), list[Answer]()
    assert await ask(lookup(heard), outside, outside) is END
    assert outside.asked == [DnsQuestion(name="a.example"), WebQuestion(url="https://smp.example")]
    assert [type(answer) for answer in heard] == [DnsAnswer, WebAnswer]
    assert heard[1] == WebAnswer(status=200, body=b"https://smp.example")


@pytest.mark.parametrize(("size", "elsewhere"), [(LARGE, False), (LARGE + 1, True)])
async def test_what_is_large_is_judged_in_a_thread(size: int, elsewhere: bool) -> None:
    """A list of revoked certificates may have 16 MB: the loop serves others meanwhile."""
    judged_in: list[bool] = []

    class Lists(Outside):
        async def fetch(self, question: WebQuestion) -> WebAnswer:
            return WebAnswer(status=200, body=bytes(size))

    def judging() -> Generator[Question, Answer, Result]:
        yield WebQuestion(url="http://ca.example/list")
        judged_in.append(threading.current_thread() is not threading.main_thread())
        return END

    assert await ask(judging(), Outside(), Lists()) is END
    assert judged_in == [elsewhere]


async def test_a_lookup_that_asks_nothing_ends_at_once() -> None:
    outside = Outside()

    def silent() -> Generator[Question, Answer, Result]:
        return END
        yield

    assert await ask(silent(), outside, outside) is END
    assert outside.asked == []


async def test_a_lookup_that_is_given_up_is_closed() -> None:
    closed: list[bool] = []

    class Dead(Outside):
        async def ask(self, question: DnsQuestion) -> DnsAnswer:
            raise TimeoutError

    def noting() -> Generator[Question, Answer, Result]:
        try:
            yield DnsQuestion(name="a.example")
        finally:
            closed.append(True)
        return END

    with pytest.raises(TimeoutError):
        await ask(noting(), Dead(), Outside())
    assert closed == [True]
