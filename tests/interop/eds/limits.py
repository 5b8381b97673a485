"""What is found in place of what would be best, and why."""

from tests.interop.cells import Limit

PAIRS = Limit(
    name="pairs",
    what="Keycloak grants client scopes each by itself: a client that is enrolled for two organisations gets a token for the "
    "SOR code of one and the GLN of the other. EDS has to see that no organisation of the event has both.",
    source="Server Administration Guide, Managing client scopes",
)
HANGS_UP = Limit(
    name="hangs-up",
    what="Keycloak refuses a client certificate that it does not trust by an alert, and closes the connection. In TLS 1.3 our "
    "request is on its way by then, so it is chance whether we read the alert, or only that the connection broke.",
    source="RFC 8446, 4.4.2.4 and 6.2; RFC 9293, 3.10.7.4",
)
