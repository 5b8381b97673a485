"""NAPTR records: the tables of spec/discovery.md 4, and what other products fell over."""

import pytest

from ehmi_ap.discovery.naptr import MAX_RECORDS, Skipped, apply, select
from ehmi_ap.questions import Naptr

NAME = "jley4atpyo7b4t2br7hocfxkxhmv5dylq5whnzg37cwi7yxgwseq.iso6523-actorid-upis.sml.example"
LONG = "https://" + "a" * 63 + ".example"


def record(url: str = "https://smp.example", **changes: object) -> Naptr:
    values: dict[str, object] = {
        "order": 100,
        "preference": 10,
        "flags": "U",
        "service": "Meta:SMP",
        "regexp": f"!.*!{url}!",
    }
    return Naptr(**{**values, **changes})


class TestApply:
    @pytest.mark.parametrize(
        ("field", "name", "result"),
        [
            ("!^.*$!http://test-infra.peppol.at!", "bla.foo", "http://test-infra.peppol.at"),
            ("!.*!http://test-infra.peppol.at!", "bla.foo", "http://test-infra.peppol.at"),
            ("~^.*$~http://example.com~", "any", "http://example.com"),
            ("#^.*$#https://example.com#", "any", "https://example.com"),
            ("!^.*$!http://result.com!i", "UPPER.CASE", "http://result.com"),
            ("!!!", "any", None),
            (
                r"!^B-([0-9a-fA-F]+).sid.peppol.eu$!https://sp.peppol.eu/\1!",
                "B-eacf0e.sid.peppol.eu",
                "https://sp.peppol.eu/eacf0e",
            ),
            (r"!.*!https://a\!b!", "any", "https://a!b"),
            # A back-reference as in a zone of ours, and what else is read alike.
            (r"!^([^.]+)\..*$!https://smp1.test/\1!i", "ABC.def.test", "https://smp1.test/ABC"),
            (r"!^(a)(b)?c!https://x/\2\1!", "ABC", None),
            (r"!^(a)(b)c!https://x/\2\1!i", "ABC", "https://x/BA"),
            (r"!([a-f0-9]+)-([0-9.]+)$!https://x/\2/\1!", "zz-aa-12.3", "https://x/12.3/aa"),
            (r"~^(.)!~https://x/\1~", "a!b", "https://x/a"),
        ],
    )
    def test_results(self, field: str, name: str, result: str | None) -> None:
        if result is None:
            with pytest.raises(Skipped):
                self.of(field, name)
        else:
            assert apply(field, name) == result

    def of(self, field: str, name: str) -> str:
        """An empty result is no URL: select() passes it over."""
        found = apply(field, name)
        if not found:
            raise Skipped("empty")
        return found

    @pytest.mark.parametrize(
        ("field", "reason"),
        [
            ("", "has no delimiter"),
            ("!noSeparator", "not three delimiters"),
            ("!^.*$!http://example.com", "not three delimiters"),
            ("!.*!https://a!i!", "not three delimiters"),
            ("!.*!https://a!x", "is no flag"),
            ("!^nomatch$!https://x!", "does not match"),
            ("1.*1https://x1", "no delimiter"),
            ("\\.*\\https://x\\", "no delimiter"),
            ("!([a-z]!https://x!", "unpaired"),
            ("!a)!https://x!", "unpaired"),
            ("!((a))!https://x!", "groups in groups"),
            ("!(a)+!https://x!", "repeats"),
            ("!a+*!https://x!", "repeats"),
            ("!a+b+c+!https://x!", "repeats"),
            ("!*a!https://x!", "repeats"),
            ("!a|b!https://x!", "more in it"),
            ("!a{2,9}!https://x!", "more in it"),
            ("![[:alpha:]]!https://x!", "more in it"),
            ("!(?i)a!https://x!", "repeats"),
            ("![z-a]!https://x!", "cannot be read"),
            (r"!\d!https://x!", "more in it"),
            (r"!(any)!https://x/\2!", "has not"),
        ],
    )
    def test_what_is_passed_over(self, field: str, reason: str) -> None:
        with pytest.raises(Skipped, match=reason):
            apply(field, "any")

    def test_other_expressions_only_where_the_network_expands_them(self) -> None:
        with pytest.raises(Skipped, match="`regexp`"):
            apply("!^a!https://x!", "a", regexp=False)
        assert apply("!.*!https://x!", "a", regexp=False) == "https://x"

    def test_the_costliest_expression_that_we_expand_ends(self) -> None:
        """253^3 / 6 steps: with one repeat more this test would take minutes."""
        with pytest.raises(Skipped, match="does not match"):
            apply("![^c]*[^b]*[bc]!https://x!", "a" * 253)


class TestSelect:
    def chosen(self, *records: Naptr, services: tuple[str, ...] = ("Meta:SMP",), **options: bool) -> str | None:
        return select(records, NAME, services, **options).url

    def test_order_before_preference(self) -> None:
        assert self.chosen(record("https://b", order=200, preference=1), record("https://a", order=100)) == "https://a"

    def test_then_preference(self) -> None:
        assert self.chosen(record("https://b", preference=20), record("https://a")) == "https://a"

    def test_another_flag_is_ignored_even_with_a_lower_order(self) -> None:
        assert self.chosen(record("https://b", order=1, flags="S"), record("https://a")) == "https://a"

    def test_flag_and_service_in_any_case(self) -> None:
        assert self.chosen(record("https://a", flags="u", service="meta:smp")) == "https://a"

    def test_the_networks_preference_among_services_comes_first(self) -> None:
        smp2 = record("https://two", order=900, service="oasis-bdxr-smp-2")
        services = ("oasis-bdxr-smp-2", "Meta:SMP")
        assert self.chosen(record("https://one"), smp2, services=services) == "https://two"
        assert self.chosen(record("https://one"), smp2, services=services[::-1]) == "https://one"

    def test_one_that_cannot_be_used_is_passed_over(self) -> None:
        bad = [record(regexp="!noSeparator", order=1), record("ftp://x", order=2), record(regexp="!!!", order=3)]
        choice = select([*bad, record("https://a", order=4)], NAME, ("Meta:SMP",))
        assert (choice.url, choice.fitting) == ("https://a", 4)
        assert next(note for note in choice.notes if "passed over" in note).endswith("has not three delimiters")

    def test_a_record_with_regexp_and_replacement_is_malformed(self) -> None:
        assert self.chosen(record(replacement="other.example")) is None

    def test_nothing_fits(self) -> None:
        choice = select([record(service="https://smp.example", regexp="!.*!x!")], NAME, ("Meta:SMP",))
        assert (choice.url, choice.record, choice.fitting) == (None, None, 0)
        assert choice.notes == ('100 10 "U" "https://smp.example" "!.*!x!"',)

    @pytest.mark.parametrize(
        ("url", "result"),
        [
            ("https://smp.example/", "https://smp.example"),
            ("https://smp.example:8443/smp////", "https://smp.example:8443/smp"),
            ("https://smp.example/sub/path", "https://smp.example/sub/path"),
            ("https://user@smp.example", None),
            ("https://smp.example?x=1", None),
            ("https://smp.example#x", None),
            ("https:///path", None),
            ("https://smp.example:99999", None),
            ("https://smp.example:0", None),
            ("//smp.example", None),
            ("javascript:alert(1)", None),
            ("https://smp.ex ample", None),
            ("https://smp.example\\@evil.example", None),
            (LONG + "/" + "a" * 3000, None),
        ],
    )
    def test_urls(self, url: str, result: str | None) -> None:
        assert self.chosen(record(regexp=f"~.*~{url.replace(chr(92), chr(92) * 2)}~")) == result

    def test_plain_http_only_where_it_is_allowed(self) -> None:
        assert self.chosen(record("http://smp.example")) is None
        assert self.chosen(record("http://smp.example"), https_only=False) == "http://smp.example"

    def test_the_name_that_was_asked_for_is_what_the_expression_sees(self) -> None:
        back = record(regexp=r"!^([^.]+)\..*$!https://smp1.test/\1!i")
        assert self.chosen(back, regexp=True) == f"https://smp1.test/{NAME.split('.')[0]}"
        assert self.chosen(back) is None

    def test_no_more_records_are_looked_at_than_a_participant_may_have(self) -> None:
        many = [record("https://b", order=9) for _ in range(MAX_RECORDS)]
        assert self.chosen(*many, record("https://a", order=1)) == "https://b"


SMP1 = record("https://one")
SMP2 = record("https://two", service="oasis-bdxr-smp-2")


@pytest.mark.parametrize(
    ("services", "records", "result"),
    [
        (("Meta:SMP",), [SMP1], "https://one"),
        (("Meta:SMP",), [SMP1, SMP2], "https://one"),
        (("Meta:SMP",), [SMP2], None),
        (("Meta:SMP",), [], None),
        (("oasis-bdxr-smp-2",), [SMP1], None),
        (("oasis-bdxr-smp-2",), [SMP1, SMP2], "https://two"),
        (("oasis-bdxr-smp-2",), [SMP2], "https://two"),
        (("oasis-bdxr-smp-2", "Meta:SMP"), [SMP1], "https://one"),
    ],
)
def test_the_service_matrix_of_the_european_commissions_client(
    services: tuple[str, ...], records: list[Naptr], result: str | None
) -> None:
    """Which records a configuration finds; what is asked at the URL then is in test_smp_urls and test_lookup."""
    assert select(records, NAME, services).url == result
