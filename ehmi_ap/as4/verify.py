"""The steps of reading a secured AS4 message, each for itself (as4-wire 6.4 gives their order).

unpack() runs them strictly, conclude() runs those an answer needs, inspect() runs all and goes on.

    1 split            Wire -> parts                            HttpRefusal
    2 parse_envelope   root part -> Envelope                    HttpRefusal, InvalidHeader
    3 read_header      Envelope -> UserHeader | Signals         EbmsError 0009, 0003, 0008
    4 match            header -> PMode                          0010
    5 find_keys        Security -> a content key per part       0102, 0103 (decryption itself: parts.read_parts)
    6 check_value      SignatureValue; check_digest             0101
    7 check_coverage   what the signature has to cover          0103
    8 check_signer     chain, fitness, party binding            0101
    9 pair_parts       MIME parts <-> eb:PartInfo               0007, 0011
   10 decompression    in parts.read_parts                      0303
"""
