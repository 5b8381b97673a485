"""Ways to change bytes and trees anywhere, drawn by hypothesis."""

from collections.abc import Sequence

from hypothesis import settings
from hypothesis import strategies as st
from lxml import etree

WITHIN = settings(max_examples=250, deadline=None, derandomize=True)

_SPICE = st.sampled_from(
    [b"", b"\0", b"\n", b"\r\n", b"\xff", b"<", b">", b"&", b'"', b"--", b"<!---->", b"<x/>", b"0" * 400]
)
_PLACE = st.floats(0, 1, exclude_max=True)
STROKES = st.lists(
    st.tuples(
        st.sampled_from(["flip", "delete", "repeat", "exchange", "insert"]), _PLACE, _PLACE, st.integers(0, 200), _SPICE
    ),
    min_size=1,
    max_size=3,
)


CHANGE = st.tuples(
    st.sampled_from(["remove", "double", "move", "wrap", "rename", "text", "attribute", "no attribute", "comment"]),
    st.integers(0, 10_000),
    st.integers(0, 10_000),
)
CHANGES = st.lists(CHANGE, min_size=1, max_size=2)


def struck(data: bytes, strokes: Sequence[tuple[str, float, float, int, bytes]]) -> bytes:
    """Bits turned, spans gone, repeated or exchanged, bytes put in."""
    for kind, first, second, size, spice in strokes:
        at, other = int(first * len(data)), int(second * len(data))
        span = data[other : other + size + 1]
        match kind:
            case "flip":
                data = data[:at] + bytes([data[at] ^ 1 << size % 8]) + data[at + 1 :] if data else data
            case "delete":
                data = data[:at] + data[at + size + 1 :]
            case "repeat":
                data = data[:at] + span + data[at:]
            case "exchange":
                data = data[:at] + span + data[at + len(span) :]
            case _:
                data = data[:at] + spice + data[at:]
    return data


def rebuilt(envelope: bytes, changes: Sequence[tuple[str, int, int]]) -> bytes:
    """The envelope with elements gone, doubled, moved, wrapped or renamed, values exchanged, comments put in."""
    root = etree.fromstring(envelope)
    for kind, first, second in changes:
        elements = [element for element in root.iter(etree.Element) if element is not root]
        if not elements:
            break
        element, other = elements[first % len(elements)], elements[second % len(elements)]
        parent = element.getparent()
        assert parent is not None
        match kind:
            case "remove":
                parent.remove(element)
            case "double":
                parent.insert(second % (len(parent) + 1), etree.fromstring(etree.tostring(element, with_tail=False)))
            case "move" if element is not other and element not in other.iterancestors():
                other.append(element)
            case "wrap":
                wrapper = etree.Element("{urn:x}wrapper")
                parent.replace(element, wrapper)
                wrapper.append(element)
            case "rename":
                element.tag = other.tag
            case "text":
                element.text = other.text
            case "attribute" if other.attrib:
                name, value = other.items()[first % len(other.attrib)]
                element.set(name, value)
            case "no attribute" if element.attrib:
                del element.attrib[element.keys()[second % len(element.attrib)]]
            case "comment":
                element.insert(0, etree.Comment("c"))
    return etree.tostring(root, xml_declaration=True, encoding="UTF-8")
