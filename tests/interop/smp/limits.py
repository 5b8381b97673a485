"""Where peppol-commons 12.4.0 does something else than the specifications of SMP and BDXL ask."""

from tests.interop.cells import Limit

DATES = Limit(
    name="dates",
    what="The clients of OASIS SMP select an endpoint without looking at its dates; only that of Peppol SMP looks.",
    source="`smpclient/bdxr1/BDXRClientReadOnly.java` 501-526, `smpclient/bdxr2/BDXR2ClientReadOnly.java` 483-507",
)
REDIRECT_2 = Limit(
    name="redirect-2",
    what="No redirect of OASIS SMP 2.0 can be followed. PublisherURI is asked as it is, as if it were never the base URL "
    "of an SMP; and whatever is there is refused, as its signer is looked for among objects of a type that is never made.",
    source="`smpclient/bdxr2/BDXR2ClientReadOnly.java` 362 and 391",
)
SPACES = Limit(
    name="spaces",
    what="A space in an identifier is written into the URL as `+`, as in HTML forms, not as `%20`.",
    source="ph-url 12.1.5, `URLCoder.java` 187-208, called by `peppolid/CIdentifier.java` 269-272",
)
NO_SCHEME = Limit(
    name="no-scheme",
    what="URLs of OASIS SMP 2.0 get `::` before an identifier without a scheme, as those of OASIS SMP 1.0 have it.",
    source="`peppolid/IIdentifier.java` 119-121: `CIdentifier.getURIEncodedBDXR2` (156) is not called for URLs",
)
BACKSLASH = Limit(
    name="backslash",
    what="A backslash in a U-NAPTR record counts twice: an escape matches nothing, and a back-reference stays one.",
    source="dnsjava 3.6.4, `NAPTRRecord.java` 124 and `Record.java` 432; ph-dns 11.2.4, `NaptrResolver.java` 154",
)
