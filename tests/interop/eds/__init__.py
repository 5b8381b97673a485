"""Delivery status over mutual TLS: our client, Keycloak, and an EDS of HAPI's validator."""
