"""Strict reading: no stray text, no unknown child, no comment inside a value."""

import pytest

from ehmi_ap.crypto.elements import attribute, base64_of, children, escaped, no_children, optional, single, text_of
from ehmi_ap.crypto.safexml import parse
from ehmi_ap.errors import MalformedSecurity


def test_children_are_given_by_local_name_whatever_stands_between_them():
    root = parse(b'<r xmlns="u:1" xmlns:o="u:2">\n<a/><!-- c --> <a/><o:b/></r>')
    found = children(root, "u:1", ("a", "{u:2}b", "c"))

    assert {name: len(elements) for name, elements in found.items()} == {"a": 2, "b": 1}
    assert optional(found, "c") is None
    assert single(found, "b") is root[3]


@pytest.mark.parametrize(
    "content", ["text", "<a/>text", "<!-- c -->text", "<b xmlns='u:2'/>", "<a xmlns=''/>", "<d/>", "<a/><?i?>"]
)
def test_what_does_not_belong_is_refused(content):
    root = parse(f'<r xmlns="u:1">{content}</r>'.encode(), instructions=True)

    with pytest.raises(MalformedSecurity):
        children(root, "u:1", ("a", "b"))


@pytest.mark.parametrize("content", ["", "<a/><a/>"])
def test_single_wants_exactly_one(content):
    with pytest.raises(MalformedSecurity):
        single(children(parse(f"<r>{content}</r>".encode()), "", ("a",)), "a")


@pytest.mark.parametrize("value", ["YWJj", "YW\r\nJj", " Y W J j\t", "&#13;\nYWJj"])
def test_base64_may_be_wrapped_any_way(value):
    assert base64_of(parse(f"<v>{value}</v>".encode()), 3) == b"abc"


@pytest.mark.parametrize("value", ["", " ", "YWJ", "YWJj!", "YW<!-- c -->Jj", "<a/>", "YWJjZA==", "Y" * 500, "æ"])
def test_a_value_that_is_not_plain_base64_within_its_limit_is_refused(value):
    with pytest.raises(MalformedSecurity):
        base64_of(parse(f"<v>{value}</v>".encode()), 3)


def test_small_questions():
    root = parse(b'<r a="1">t</r>')

    assert attribute(root, "a") == "1"
    assert text_of(root) == "t"
    assert escaped('<&">\t\r\n') == "&lt;&amp;&quot;>&#x9;&#xD;&#xA;"
    no_children(root)
    with pytest.raises(MalformedSecurity):
        attribute(root, "b")
    with pytest.raises(MalformedSecurity):
        no_children(parse(b"<r><a/></r>"))
