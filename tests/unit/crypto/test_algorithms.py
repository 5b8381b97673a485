"""The algorithm tables: words and URIs, allow-lists, what is refused."""

import pytest

from ehmi_ap.crypto import algorithms
from ehmi_ap.crypto.algorithms import CIPHERS, DIGESTS, KEY_TRANSPORTS, REFUSED, SIGNATURES
from ehmi_ap.errors import NotAllowedAlgorithm
from ehmi_ap.pmode import Security


@pytest.mark.parametrize("table", [SIGNATURES, DIGESTS, CIPHERS])
def test_every_row_is_found_by_its_word_and_by_its_uri(table):
    for row in table.rows:
        assert table.by_word(row.word) is row
        assert table.by_uri(row.uri) is row


def test_the_words_of_a_default_p_mode_are_known():
    security = Security()

    assert SIGNATURES.by_word(security.sign).hash().name == "sha256"
    assert DIGESTS.by_word(security.digest).hash().digest_size == DIGESTS.by_word(security.digest).size
    assert CIPHERS.by_word(security.cipher).key_bytes == 16
    assert algorithms.transport_by_word(security.key_transport).uri == "http://www.w3.org/2009/xmlenc11#rsa-oaep"


def test_every_pair_of_digest_and_mgf_is_a_key_transport():
    pairs = {(row.digest_hash().name, row.mgf_hash().name) for row in KEY_TRANSPORTS.values()}

    assert len(pairs) == 16
    assert {"rsa-oaep-sha512-mgf1sha1", "rsa-oaep-mgf1p-sha1", "rsa-oaep-mgf1p-sha512"} <= KEY_TRANSPORTS.keys()


def test_legacy_rows_are_no_words_for_a_p_mode():
    assert "sha1" not in DIGESTS.words
    assert "rsa-sha1" not in SIGNATURES.words
    assert DIGESTS.by_uri(algorithms.SHA1).legacy
    with pytest.raises(NotAllowedAlgorithm):
        DIGESTS.by_uri(algorithms.SHA1, ["sha1", "sha256"])


def test_a_row_outside_the_allow_list_is_not_found():
    with pytest.raises(NotAllowedAlgorithm) as caught:
        DIGESTS.by_uri(algorithms.SHA1, ["sha256"])

    assert caught.value.purpose == "digest"


@pytest.mark.parametrize("uri", REFUSED.values())
def test_padding_oracles_are_in_no_table(uri):
    for table in (SIGNATURES, DIGESTS, CIPHERS):
        with pytest.raises(NotAllowedAlgorithm):
            table.by_uri(uri)
    with pytest.raises(NotAllowedAlgorithm):
        algorithms.transport_by_uris(uri, algorithms.SHA1, algorithms.MGF1_SHA1)


@pytest.mark.parametrize("word", ["", "rsa-1_5", "aes128-cbc", "rsa-oaep"])
def test_an_unknown_word_is_not_allowed(word):
    for find in (SIGNATURES.by_word, DIGESTS.by_word, CIPHERS.by_word, algorithms.transport_by_word):
        with pytest.raises(NotAllowedAlgorithm):
            find(word)


def test_a_peers_uri_is_shown_short_and_in_plain_ascii():
    with pytest.raises(NotAllowedAlgorithm) as caught:
        CIPHERS.by_uri("urn:\n\x1b[31m" + "æ" * 500)

    assert caught.value.uri.isprintable()
    assert caught.value.uri.isascii()
    assert len(caught.value.uri) == 120
