"""DNS names: every published vector, those computed for EHMI, and the edges (spec/discovery.md 1.4)."""

import pytest

from ehmi_ap.discovery.identifiers import EBCORE, ISO6523, read_participant
from ehmi_ap.discovery.network import Naming
from ehmi_ap.discovery.sml import LEGACY, dns_name
from ehmi_ap.errors import Misconfigured
from ehmi_ap.model import Participant

BDXL = Naming()
ZONE = "edel.sml-demo.dataudveksling.dk"

# Published in peppol-smp-client, vefa, DDC and the federated SML's zone files; numbers are those of the document.
SCHEME_IN_NAME = [
    (1, ISO6523, "0088:123ABC", "y7dzfxaf3d4cjz4kcgrxtec6twvcga4ky7zwa5boif6mswd4tdrq"),
    (1, ISO6523, "0088:123abc", "y7dzfxaf3d4cjz4kcgrxtec6twvcga4ky7zwa5boif6mswd4tdrq"),
    (2, ISO6523, "0010:5798000000001", "xukhfqabqziki3ykvr2fhr4snfa3pf5vpq6k4tonv3lmvsy5arvq"),
    (3, ISO6523, "0088:1234567890123", "sjsyvccmqyjxk3weuapffq4x3umcrf4qryherj4vovhmonh7gccq"),
    (4, ISO6523, "9915:test", "eh5boavaktmbgzyh2a63dz4qov33fvp5nsdvqklucfraayoodw6a"),
    (5, ISO6523, "9999:elonia", "hsh3fmc5cyerdv5j6ln6mmqcn2pp2ucyvczrwueahosobvikb6kq"),
    (6, ISO6523, "9915:ToopTest", "ba6jo7lwby53j47um53xpfz6fzrtk7lhjjtb32dv5a74ifcoegwq"),
    (6, ISO6523, "9915:tooptest", "ba6jo7lwby53j47um53xpfz6fzrtk7lhjjtb32dv5a74ifcoegwq"),
    (7, ISO6523, "0088:test01", "lmhbm64r2vof2ijiogg2fxvwgye42gf3ct7uf6emoewds7id3i2a"),
    (8, ISO6523, "0088:test02", "puteup6a7hsjkcciaopttgurpr5jo253iyzgamre2mznuzmia7ja"),
    (9, ISO6523, "9914:test01", "gbdll6qceldm5jlqcwgp5conivxdp6bv2nzwwwi6by5sfmnuyn7a"),
    (10, ISO6523, "9914:test02", "57psjisuoe7gr4uxe2m7ibknlqv5czs55qoihah3g67jvdokty3a"),
    (11, ISO6523, "9946:pt501507930", "m2v5cjbjvuyeukpuegc4f3dpebbcjzi3pbxfegruqk3r3j42x5vq"),
    (12, ISO6523, "0242:001066", "tit36qle62y2yvwovq5nxg6rquymoabfh4ng7xvgtzmaehfre5pa"),
    (13, "connectivity-partid-qns", "dynceftest2party71gw", "y77igvvuuftbthsw5cwstwksfdr5mthzb4xfjxplu66hmkzr3mnq"),
    (14, "ehealth-actorid-qns", "urn:poland:ncpb", "dalxfo3cdye5zslf5wavcyq3xgeri6onubju5wah3t77thfwcgeq"),
]
LEGACY_NAMES = [
    (15, ISO6523, "0088:123ABC", "B-f5e78500450d37de5aabe6648ac3bb70"),
    (15, ISO6523, "0088:123abc", "B-f5e78500450d37de5aabe6648ac3bb70"),
    (16, ISO6523, "9915:test", "B-85008b8279e07ab0392da75fa55856a2"),
    (17, "ehealth-actorid-qns", "urn:poland:ncpb", "B-adb4c6d3821d142c684b13ed269fad65"),
    (18, ISO6523, "9908:DIFI", "B-42fabff13df16391dbd1f01b7c05d0e7"),
    (19, ISO6523, "0208:0407214017", "B-bbb3f462fb81fe13ecd0520be87c3a43"),
]
NO_SCHEME = [
    (20, "abc", "xj4bnp4pahh6uqkbidpf3lrceoyagyndsylxvhfucd7wd4qacwwq"),
    (21, "ABC", "xj4bnp4pahh6uqkbidpf3lrceoyagyndsylxvhfucd7wd4qacwwq"),
    (23, EBCORE + "iso6523:0060:1234567890128", "4444wypixhstjggabkb7qmg63kjnr7ifmxralgpordxi6zf64hua"),
    (24, EBCORE + "iso6523:0088:test01", "ntpfmjwll2hieycklibvajlw2sjxzqgfd7p53pn75fyf5ghuwscq"),
    (25, EBCORE + "iso6523:0088:test02", "aey47qmi5yc46orumd54wge6nyt42b57txxsf3h63op7fl7anr3a"),
]
# Computed for EHMI, by the same algorithms.
EHMI = [
    (
        "0088:5790000121526",
        "jley4atpyo7b4t2br7hocfxkxhmv5dylq5whnzg37cwi7yxgwseq",
        "B-e571e0b7bc3f030ed74eea8f3d874f72",
    ),
    (
        "0088:5790000201389",
        "da5g3numcymepyzxjp4fnk2noqo5ziozo7uqpdw7tmtkqhw76gxa",
        "B-840e11a45efcf51dcd995a6596be2de7",
    ),
    (
        "0088:5790000123117",
        "nnr5v5dc3wr7iblhem6cqslczh4qagdrjvbpiiapz7ffmeyqpq5a",
        "B-c872728caf5cfc50df155735c9bfa000",
    ),
    (
        "0088:5790000127092",
        "yayuqc7yybhjgo2lkheqe23v7rn4rt2gvjpbza7ypra2q3xaimtq",
        "B-142202b3ad1b0baf2c5d12ae94a54caa",
    ),
]


@pytest.mark.parametrize(("number", "scheme", "value", "label"), SCHEME_IN_NAME)
def test_published_names(number: int, scheme: str, value: str, label: str) -> None:
    assert dns_name(Participant(value, scheme), ZONE, BDXL) == f"{label}.{scheme}.{ZONE}", number


@pytest.mark.parametrize(("number", "scheme", "value", "label"), LEGACY_NAMES)
def test_published_legacy_names(number: int, scheme: str, value: str, label: str) -> None:
    assert dns_name(Participant(value, scheme), ZONE, LEGACY) == f"{label}.{scheme}.{ZONE}", number


@pytest.mark.parametrize(("number", "value", "label"), NO_SCHEME)
def test_published_names_without_scheme(number: int, value: str, label: str) -> None:
    assert dns_name(read_participant(f"::{value}", None), ZONE, BDXL) == f"{label}.{ZONE}", number


def test_the_published_name_of_clients_that_do_not_fold_is_not_ours() -> None:
    wrong = "wxkaixb7izx2sh7czrvl46jdfinfptprat32e3trnyfb4j4j354a"  # 22
    assert dns_name(Participant("ABC"), ZONE, BDXL) != f"{wrong}.{ZONE}"


def test_the_published_name_with_the_scheme_in_the_hash() -> None:
    naming = Naming(template="{hash}.{zone}", hashed="scheme::value")
    label = "beza6wfi6xjii32o5ypqnowxxywea6vfo2h3pnrfwrs5yifsrsaa"  # 26
    assert dns_name(Participant("123ABC", ISO6523), "sml.dbnalliance.com", naming) == f"{label}.sml.dbnalliance.com"


def test_the_published_legacy_name_without_scheme() -> None:
    assert dns_name(Participant("0088:123ABC"), ZONE, LEGACY) == f"B-f5e78500450d37de5aabe6648ac3bb70.{ZONE}"


def test_the_sha224_form_of_the_oasis_examples() -> None:
    naming = Naming(digest="sha224", encoding="hex", prefix="B-")
    name = dns_name(Participant("0088:5798000000001", ISO6523), ZONE, naming)
    assert name == f"B-fc932ca4494194a43ebb039cefe51a6c1d8c771afd2039bfb7f76e7f.{ISO6523}.{ZONE}"


@pytest.mark.parametrize(("value", "label", "legacy"), EHMI)
def test_ehmi(value: str, label: str, legacy: str) -> None:
    participant = Participant(value, ISO6523)
    assert dns_name(participant, ZONE, BDXL) == f"{label}.{ISO6523}.{ZONE}"
    assert dns_name(participant, ZONE, LEGACY) == f"{legacy}.{ISO6523}.{ZONE}"


def test_ehmi_as_ebcore() -> None:
    participant = Participant("5790000121526", EBCORE + "iso6523:0088")
    assert dns_name(participant, ZONE, BDXL) == f"74hcdwaczccfd2wayp3q6aami5lwc656ufb36wfvlbg655rfznla.{ZONE}"


@pytest.mark.parametrize("template", ["{hash}.{icd}.{scheme}.{zone}", "{hash}.{scheme}.{icd}.{zone}"])
def test_the_federated_drafts(template: str) -> None:
    name = dns_name(Participant("0088:5790000121526", ISO6523), ZONE, Naming(template=template))
    assert sorted(name.removesuffix(f".{ZONE}").split(".")[1:]) == ["0088", ISO6523]


class TestEdges:
    def test_nothing_hashed(self) -> None:
        assert dns_name(Participant("", "s"), ZONE, LEGACY) == f"B-d41d8cd98f00b204e9800998ecf8427e.s.{ZONE}"

    def test_no_zone(self) -> None:
        assert dns_name(Participant("abc"), "", BDXL) == "xj4bnp4pahh6uqkbidpf3lrceoyagyndsylxvhfucd7wd4qacwwq"

    @pytest.mark.parametrize("zone", [ZONE, f"{ZONE}.", f".{ZONE}", f".{ZONE}."])
    def test_dots_around_the_zone(self, zone: str) -> None:
        assert dns_name(Participant("abc"), zone, BDXL).endswith(f"wwq.{ZONE}")

    def test_every_participant_of_a_legacy_scheme(self) -> None:
        assert dns_name(Participant("*", ISO6523), ZONE, LEGACY) == f"*.{ISO6523}.{ZONE}"

    def test_a_scheme_in_capitals_is_lowered_in_the_name(self) -> None:
        assert dns_name(Participant("abc", "Scheme-X"), ZONE, BDXL).split(".")[1] == "scheme-x"

    @pytest.mark.parametrize(
        ("participant", "zone"),
        [
            (Participant("x", "urn:some:scheme"), ZONE),
            (Participant("x", "s" * 64), ZONE),
            (Participant("x", "sømme"), ZONE),
            (Participant("x", "a b"), ZONE),
            (Participant("x", "-a"), ZONE),
            (Participant("x", ISO6523), "bad zone.dk"),
            (Participant("x", ISO6523), ".".join(["zone"] * 50)),
        ],
    )
    def test_what_makes_no_dns_name(self, participant: Participant, zone: str) -> None:
        with pytest.raises(Misconfigured) as refused:
            dns_name(participant, zone, BDXL)
        assert refused.value.reason == "DOMAIN_NAME_SYNTAX_ERROR"
