"""The realm of Keycloak: what its operator makes of the enrolments of access points (`ehmi-ap eds enrolment`)."""

import re
from collections.abc import Sequence
from typing import Any

Json = dict[str, Any]
NAME = "ehmi"
AUDIENCE = "https://eds.example"
LIFE = 300
"""Seconds of a token, as in the examples of EHMI's security architecture."""


def realm(clients: Sequence[Json], enrolments: Sequence[Json]) -> Json:
    """Tokens are signed with PS256. A scope of an organisation is there for all; each client is given its own."""
    organisations = {(each["sor"], each["gln"]): each for said in enrolments for each in said["ehmi:org_context"]}
    sors = {each["sor"]: _scope(f"SOR:{each['sor']}", sor=each["sor"]) for each in organisations.values()}
    glns = {each["gln"]: _scope(f"GLN:{each['gln']}", gln=each["gln"]) for each in organisations.values()}
    key = {"algorithm": ["PS256"], "keySize": ["2048"], "priority": ["100"]}
    provider = {"name": "tokens", "providerId": "rsa-generated", "config": key}
    return {
        "realm": NAME,
        "enabled": True,
        "sslRequired": "all",
        "defaultSignatureAlgorithm": "PS256",
        "components": {"org.keycloak.keys.KeyProvider": [provider]},
        "clientScopes": [*map(_scope, enrolments[0]["scope"].split()), *sors.values(), *glns.values()],
        "clients": list(clients),
    }


def client(
    client_id: str, enrolment: Json, *, ca: str, subject: str = "", bound: bool = True, audience: str = AUDIENCE
) -> Json:
    """One that is known by its certificate, below the CA of this name; `subject` in place of that of the enrolment."""
    organisations = enrolment["ehmi:org_context"]
    scopes = enrolment["scope"].split()
    scopes += sorted(
        {f"SOR:{each['sor']}" for each in organisations} | {f"GLN:{each['gln']}" for each in organisations}
    )
    return {
        "id": client_id,
        "clientId": client_id,
        "name": enrolment["client_name"],
        "enabled": True,
        "publicClient": False,
        "serviceAccountsEnabled": True,  # client_credentials, and nothing else
        "standardFlowEnabled": False,
        "directAccessGrantsEnabled": False,
        "fullScopeAllowed": False,
        "clientAuthenticatorType": "client-x509",
        "attributes": {
            "x509.subjectdn": subject or dn(enrolment["tls_client_auth_subject_dn"]),
            "x509.casubjectdn": ca,
            "x509.allow.regex.pattern.comparison": "false",  # otherwise a subject is an expression
            "tls.client.certificate.bound.access.tokens": str(bound).lower(),
            "access.token.lifespan": str(LIFE),
        },
        "defaultClientScopes": [],
        "optionalClientScopes": scopes,
        "protocolMappers": [
            _mapper("audience", "oidc-audience-mapper", {"included.custom.audience": audience}),
            _claim("ehmi:eer:device_id", enrolment["ehmi:eer:device_id"]),
        ],
    }


def dn(subject: str) -> str:
    """A subject (RFC 4514) as Keycloak reads it: Java has no word for organizationIdentifier, and wants its value as DER.

    That is a UTF8String in OCES3 certificates, here of fewer than 128 bytes.
    """

    def hexadecimal(found: re.Match[str]) -> str:
        value = found[1].encode()
        return f"2.5.4.97=#0c{len(value):02x}{value.hex()}"

    return re.sub(r"organizationIdentifier=([^,+\\]+)", hexadecimal, subject)


def _scope(name: str, **organisation: str) -> Json:
    """One that has to be asked for; that of an organisation says whose the token is."""
    return {
        "name": name,
        "protocol": "openid-connect",
        "attributes": {"include.in.token.scope": "true"},
        "protocolMappers": [_claim(f"ehmi:org_context.{key}", value) for key, value in organisation.items()],
    }


def _claim(name: str, value: str) -> Json:
    """Always the same one; a dot in the name makes an object."""
    config = {"claim.name": name, "claim.value": value, "jsonType.label": "String"}
    return _mapper(name, "oidc-hardcoded-claim-mapper", config)


def _mapper(name: str, kind: str, config: Json) -> Json:
    return {
        "name": name,
        "protocol": "openid-connect",
        "protocolMapper": kind,
        "config": {"access.token.claim": "true", **config},
    }
