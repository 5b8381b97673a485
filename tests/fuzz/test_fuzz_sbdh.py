"""Whatever an envelope, a signal or a message is: the judge judges, the readers say no in their own words."""

import contextlib
from base64 import b64encode
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from ehmi_ap.body import MemoryBody
from ehmi_ap.ehmi.judge import judge
from ehmi_ap.ehmi.message import read_message
from ehmi_ap.ehmi.signals import read_signal
from ehmi_ap.ehmi.unwrap import unwrap
from ehmi_ap.errors import EnvelopeError

GOLDEN = sorted((Path(__file__).parents[1] / "unit" / "ehmi" / "golden").glob("*.xml"))
REQUEST = next(path for path in GOLDEN if path.stem == "golden-request-peppolns").read_text()
HEAD = REQUEST[: REQUEST.index(">", REQUEST.index("<BinaryContent"))]
MESSAGE = b"""{"resourceType": "Bundle", "id": "1", "entry": [{"fullUrl": "u", "resource": {"resourceType": "MessageHeader",
"id": "2", "eventCoding": {"code": "x-message"}, "destination": [{"receiver": {"reference": "u"}}]}}]}"""
SIGNAL = b"""<s:Exception xmlns:s="http://docs.oasis-open.org/ebxml-bp/ebbp-signals-2.0"><s:OriginalMessageIdentifier>1
</s:OriginalMessageIdentifier><s:ExceptionType><s:ReceiptException>Syntax</s:ReceiptException></s:ExceptionType></s:Exception>"""
NOISE = st.one_of(
    st.binary(max_size=12), st.sampled_from([b"<", b">", b"/", b"<!--", b'"', b"[", b"null", b"{}", b"&"])
)


@st.composite
def damaged(draw: st.DrawFn, whole: bytes) -> bytes:
    """The document with a stretch of it replaced."""
    start = draw(st.integers(0, len(whole)))
    stop = draw(st.integers(start, min(len(whole), start + 400)))
    return whole[:start] + draw(NOISE) + whole[stop:]


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_the_judge_always_judges(path: Path, data: st.DataObject) -> None:
    envelope = data.draw(damaged(path.read_bytes()))
    judgement = judge(MemoryBody(envelope))
    assert judgement.verdict in ("ok", "warn", "reject")
    assert (judgement.kind is None) <= (judgement.verdict == "reject")
    with contextlib.suppress(EnvelopeError):
        assert unwrap(envelope).header is not None


@settings(max_examples=150, deadline=None)
@given(st.one_of(damaged(MESSAGE), damaged(SIGNAL), st.binary(max_size=60)))
@example(b'{"resourceType": "Bundle", "entry": [null, 1, {"resource": [1, {"resourceType": 2}]}]}')
@example(b'{"resourceType": "Bundle", "entry": {"resource": {"resourceType": "MessageHeader", "sender": 1}}}')
@example(b'{"resourceType": ' + b"1" * 100_000 + b"}")
def test_a_reader_reads_or_says_no(content: bytes) -> None:
    for read in (read_message, read_signal):
        with contextlib.suppress(EnvelopeError):
            read(content)
    text = f"{HEAD}>{b64encode(content).decode()}</BinaryContent></StandardBusinessDocument>"
    assert judge(MemoryBody(text.encode())).findings
