"""Where does a participant receive? SML (DNS), SMP (signed metadata) and what may be believed of them, without I/O.

A look-up is a conversation: it yields `questions`, is sent answers, and ends as Found or Missed. Nothing of a network
is a constant here; it stands in the network's own value (design: spec/discovery.md 0).
"""
