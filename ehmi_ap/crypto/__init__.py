"""XML security, pure: bounded parsing, canonicalisation, signatures, encryption, certificates, keys.

Knows nothing of AS4, opens no file and asks no clock. Every failure is a leaf of errors.XmlSecurityError with a
constant text: nothing that a peer or a patient wrote gets into it, but for algorithm URIs, shortened.
"""
