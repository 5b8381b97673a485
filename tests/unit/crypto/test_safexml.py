"""The bounded parser: what it takes, what it refuses, and that it is quick to refuse (python-stack 8)."""

import time

import pytest

from ehmi_ap.crypto.safexml import XmlLimits, index_ids, parse
from ehmi_ap.errors import BudgetExceeded, MalformedXml, XmlSecurityError

WSU = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd"


def test_a_document_keeps_its_white_space_comments_and_prefixes():
    root = parse(b"<?xml version='1.0' encoding='UTF-8'?>\n<p:a xmlns:p='u:p'> <!-- c -->\n<p:b/> </p:a>\n")

    assert root.prefix == "p"
    assert (root.text, root[0].text, root[0].tail) == (" ", " c ", "\n")


def test_a_byte_order_mark_is_tolerated():
    assert parse(b"\xef\xbb\xbf<?xml version='1.0'?><a/>").tag == "a"


@pytest.mark.parametrize(
    "document",
    [
        b"",
        b"no xml",
        b"<a>",
        b"<a/><b/>",
        b"<a b='1' b='2'/>",
        b"<p:a/>",
        b"<a>\xff</a>",
        b"<a>\x00</a>",
        "<a>æ</a>".encode("latin-1"),
        "<?xml version='1.0' encoding='UTF-16'?><a/>".encode("utf-16"),
        b"<a>&unknown;</a>",
        b"<!DOCTYPE a><a/>",
        b"<!DOCTYPE a [<!ENTITY x 'y'>]><a>&x;</a>",
        b"<!DOCTYPE a SYSTEM 'http://127.0.0.1/x.dtd'><a/>",
        "<!DOCTYPE a [<!ENTITY x 'y'>]><a>&x;</a>".encode("utf-16"),
        b"<a><?php echo ?></a>",
        b"<?xml-stylesheet href='x'?><a/>",
    ],
)
def test_what_is_not_plain_well_formed_utf8_is_malformed(document):
    with pytest.raises(MalformedXml):
        parse(document)


def test_the_error_does_not_repeat_the_document():
    with pytest.raises(MalformedXml) as caught:
        parse(b"<patient><cpr>0101501234</cpr0101501234></patient>")

    assert "0101501234" not in str(caught.value)
    assert "line 1" in str(caught.value)


def test_instructions_are_taken_where_they_are_allowed():
    assert parse(b"<?a b?><r><?c d?></r>", instructions=True).tag == "r"


def test_text_that_looks_like_an_instruction_is_none():
    assert parse(b"<r><!-- <?a?> --><![CDATA[<?b?>]]></r>")[0].tail == "<?b?>"


LIMITS = XmlLimits(bytes=2000, elements=20, attributes=30, namespaces=4, depth=5, attributes_per_element=6)

FLOODS = {
    "bytes": b"<a>" + b"x" * 2000 + b"</a>",
    "elements": b"<a>" + b"<b/>" * 20 + b"</a>",
    "attributes": b"<a>" + b"<b c='' d=''/>" * 16 + b"</a>",
    "namespace": b"<a " + b" ".join(b"xmlns:p%d='u:'" % i for i in range(5)) + b"/>",
    "levels": b"<a>" * 6 + b"</a>" * 6,
    "in one element": b"<a " + b" ".join(b"b%d=''" % i for i in range(7)) + b"/>",
}


@pytest.mark.parametrize("budget", FLOODS)
def test_each_budget_has_its_own_error(budget):
    with pytest.raises(BudgetExceeded) as caught:
        parse(FLOODS[budget], LIMITS)

    assert budget in caught.value.budget


def test_a_value_that_is_too_long_is_not_called_too_deep():
    with pytest.raises(BudgetExceeded) as caught:
        parse(b"<a>" + b"x" * 10_000_001 + b"</a>", XmlLimits(bytes=20_000_000))

    assert caught.value.budget == "bytes in one value"


def test_what_just_fits_the_budgets_is_taken():
    inside = b"<b>" * 4 + b"</b>" * 4 + b"<c d='' e='' f='' g='' h='' i=''/>" + b"<j/>" * 14

    assert len(list(parse(b"<a>" + inside + b"</a>", LIMITS).iter())) == 20


BOMBS = {
    "deep": b"<a>" * 60_000 + b"</a>" * 60_000,
    "wide": b"<a " + b" ".join(b"a%d=''" % i for i in range(50_000)) + b"/>",
    "many": b"<a>" + b"<b/>" * 2_000_000 + b"</a>",
    "long": b"<a>" + b"x" * 20_000_000 + b"</a>",
    "long text in two": b"<a>" + b"x" * 11_000_000 + b"</a>",
    "namespaces": b"<a "
    + b" ".join(b"xmlns:n%d='u:%d'" % (i, i) for i in range(20_000))
    + b">"
    + b"<b/>" * 9_000
    + b"</a>",
    "laughs": b"<!DOCTYPE l [<!ENTITY a 'ha'>"
    + b"".join(b"<!ENTITY a%d '&a;&a;'>" % i for i in range(30))
    + b"]><l>&a;</l>",
}


@pytest.mark.parametrize("bomb", BOMBS)
def test_a_bomb_is_refused_at_once_even_with_a_generous_byte_limit(bomb):
    started = time.thread_time()  # CPU, so that a busy machine does not count
    with pytest.raises(XmlSecurityError):
        parse(BOMBS[bomb], XmlLimits(bytes=12_000_000 if "two" in bomb else 100_000_000))

    assert time.thread_time() - started < 0.5


def test_many_elements_below_many_namespaces_are_refused_but_many_local_ones_are_not():
    """Exclusive canonicalisation looks up each prefix in scope at each element (python-stack 8)."""
    declared = [f"xmlns:n{number}='u:{number}'" for number in range(900)]

    with pytest.raises(BudgetExceeded) as caught:
        parse(f"<a {' '.join(declared)}>{'<b/>' * 15_000}</a>".encode())
    assert caught.value.budget == "namespace declarations in scope"
    local = "".join(f"<b {each}><c/><c/><c/></b>" for each in declared)
    assert len(parse(f"<a>{local}{'<d/>' * 12_000}</a>".encode())) == 12_900


def test_ids_are_found_under_all_four_names_and_elements_may_have_two():
    root = parse(f'<r Id="1"><a wsu:Id="2" id="3" xmlns:wsu="{WSU}"/><b ID="4"/><c xml:id="i5" x="6"/></r>'.encode())
    index = index_ids(root)

    assert {key: element.tag for key, element in index.items()} == {"1": "r", "2": "a", "3": "a", "4": "b"}


def test_an_element_may_have_the_same_id_twice():
    """AS4.NET writes id and wsu:Id with one value (as4-wire 9.16)."""
    root = parse(f'<r xmlns:wsu="{WSU}"><a wsu:Id="1" id="1"/></r>'.encode())

    assert index_ids(root)["1"] is root[0]


@pytest.mark.parametrize("second", ["Id", "ID", "id", "w:Id"])
def test_two_elements_with_one_id_are_refused(second):
    root = parse(f'<r xmlns:w="{WSU}"><a w:Id="1"/><b {second}="1"/></r>'.encode())

    with pytest.raises(MalformedXml):
        index_ids(root)
