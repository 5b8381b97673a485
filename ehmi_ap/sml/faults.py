"""What can go wrong with the SML, as the errors of this package. A connection that fails is a TransportError."""

from ehmi_ap.errors import ApError, Fault


class SmlError(ApError):
    """Base of this room's errors; never raised itself."""

    code = "sml"
    fault = Fault.OPERATOR


class SmlInput(SmlError):
    """What was asked for cannot be sent; nothing was."""

    code = "sml.input"
    default_fix = "Correct it; nothing was sent."


class SmlBadRequest(SmlError):
    """BadRequestFault: the SML does not take these values, or they are registered already."""

    code = "sml.bad-request"
    default_fix = "Correct what the SML names. A participant that another SMP has can only be migrated."


class SmlUnauthorized(SmlError):
    """UnauthorizedFault: the certificate is not that of the SMP, or a migration stands in the way."""

    code = "sml.unauthorized"
    default_fix = (
        "Show the certificate that the SMP was registered with. A participant whose migration is prepared can only be "
        "migrated, with the key that its old SMP prepared."
    )


class SmlNotFound(SmlError):
    """NotFoundFault: no such SMP, participant or migration."""

    code = "sml.not-found"
    default_fix = "Compare with what is registered: `ehmi-ap sml read-smp` and `ehmi-ap sml list` show it."


class SmlInternalError(SmlError):
    """InternalErrorFault, or a fault of the server without a name."""

    code = "sml.internal-error"
    fault = Fault.NETWORK
    retryable = True
    default_fix = "Try again later; if it stays so, show the operator of the SML this line."


class SmlUnavailable(SmlError):
    """A server answered that it cannot answer now (HTTP 5xx without a SOAP fault)."""

    code = "sml.unavailable"
    fault = Fault.NETWORK
    retryable = True
    default_fix = "Look whether it was done (`ehmi-ap sml read-smp` and `ehmi-ap sml list` show it); try again later."


class SmlUnreadable(SmlError):
    """An answer that is not one of the SML's."""

    code = "sml.unreadable"
    default_fix = "Check the URL: it is that of the management service, without the path of one of its interfaces."


class SmlTls(SmlError):
    """No TLS connection: they do not accept our certificate, or we do not accept theirs."""

    code = "sml.tls"
    default_fix = "Compare the TLS versions and suites of both sides."
