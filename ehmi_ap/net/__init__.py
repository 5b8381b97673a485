"""The network: HTTP to the peers, and the TLS under both listeners and both clients.

Rules of this room:
- TLS 1.2 at least, forward secrecy and AEAD only, the peer's certificate always checked (eDelivery AS4 1.15 3.2.6).
- Every failure of a library becomes a TransportError that says what happened and what to do.
- Nothing is unbounded: connecting, waiting, and the size of an answer.
- No retry here: a second POST is a second attempt, and only the sender may decide on one (peers-live 6: a peer may
  answer it as a duplicate).
"""
