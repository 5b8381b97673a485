"""Envelopes opened: which rule is broken, what is no base64, and nothing of it in a repr."""

import pytest
from test_wrap import CPR, message, wrapped

from ehmi_ap.ehmi.unwrap import unwrap
from ehmi_ap.errors import EnvelopeError


def test_unwrap_tells_which_rule_is_broken() -> None:
    envelope = wrapped(message())
    for broken, said in ((b"{}", "V-1"), (envelope.replace(b"<HeaderVersion>1.0</HeaderVersion>", b""), "V-2")):
        with pytest.raises(EnvelopeError, match=said) as refused:
            unwrap(broken)
        assert CPR not in str(refused.value)


@pytest.mark.parametrize("content", ["", "!!", "QUJ", "QUJD=QUJD"])
def test_what_is_not_base64(content: str) -> None:
    head, _, rest = wrapped(message()).decode().partition('encoding="UTF-8">')
    text = f'{head}encoding="UTF-8">{content}<{rest.partition("<")[2]}'.replace('encoding="UTF-8"?>', "?>")
    with pytest.raises(EnvelopeError, match="BinaryContent"):
        unwrap(text.encode())


def test_line_breaks_in_base64_are_nothing() -> None:
    envelope = wrapped(message()).decode()
    start = envelope.index('encoding="UTF-8">') + 60
    assert unwrap((envelope[:start] + "\n  " + envelope[start:]).encode()).content == unwrap(envelope.encode()).content


def test_no_repr_shows_patient_or_document() -> None:
    opened = unwrap(wrapped(message()))
    assert CPR in opened.content.decode()
    assert CPR not in repr(opened)
