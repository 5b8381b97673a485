"""A schema by hand: order, multiplicity, values (as4-wire 2.1, 9.44); all else of it is tested through ebms."""

import pytest
from lxml import etree

from ehmi_ap.as4.schema import (
    Cursor,
    attribute_of,
    check_attributes,
    check_foreign,
    children_of,
    filled_value,
    value_of,
)
from ehmi_ap.errors import InvalidHeader


def _element(text: str) -> etree._Element:
    return etree.fromstring(text)


def _names(elements: list[etree._Element]) -> list[str]:
    return [etree.QName(element).localname for element in elements]


def test_children_in_order() -> None:
    at = Cursor(_element('<r xmlns="u">\n<a/><!-- c --><b/><b/> <c/><x xmlns="v"/></r>'), "u")
    assert _names([at.required("a"), *at.some("b")]) == ["a", "b", "b"]
    assert at.many("b") == []
    assert at.optional("d") is None
    assert at.optional("c") is not None
    at.end(foreign=True)
    with pytest.raises(InvalidHeader, match="r has x where it does not belong"):
        at.end()


@pytest.mark.parametrize("text", ['<r xmlns="u"/>', '<r xmlns="u"><b/><a/></r>', '<r><a xmlns="v"/></r>'])
def test_a_required_child(text: str) -> None:
    with pytest.raises(InvalidHeader, match="r lacks a"):
        Cursor(_element(text), "u").required("a")


@pytest.mark.parametrize("text", ["<r>x<a/></r>", "<r><a/>x</r>", "<r><!-- c -->x<a/></r>"])
def test_stray_text(text: str) -> None:
    with pytest.raises(InvalidHeader, match="text between"):
        children_of(_element(text))


def test_values() -> None:
    assert value_of(_element("<r>\n a b\t</r>")) == "a b"
    assert value_of(_element("<r>\u00a0</r>")) == "\u00a0"  # XML's white space only
    assert value_of(_element("<r><![CDATA[<x>]]></r>")) == "<x>"
    with pytest.raises(InvalidHeader, match="a comment inside the value of r"):
        value_of(_element("<r>admin<!-- -->.evil</r>"))
    with pytest.raises(InvalidHeader, match="an element inside"):
        value_of(_element("<r><b/></r>"))
    with pytest.raises(InvalidHeader, match="r is empty"):
        filled_value(_element("<r> </r>"))


def test_attributes() -> None:
    element = _element('<r a=" 1 " b=" " x:c="2" xmlns:x="u"/>')
    assert (attribute_of(element, "a"), attribute_of(element, "c")) == ("1", None)
    with pytest.raises(InvalidHeader, match="@b of r is empty"):
        attribute_of(element, "b")
    check_attributes(element, "a", "b")
    with pytest.raises(InvalidHeader, match="attribute"):
        check_attributes(element, "a")


def test_names_of_the_peer_are_not_repeated_unless_plain() -> None:
    with pytest.raises(InvalidHeader) as refused:
        check_foreign(_element("<CPR-010190-1234/>"))
    assert "010190" not in str(refused.value)
