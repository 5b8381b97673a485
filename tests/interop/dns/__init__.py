"""Discovery on real DNS: bind9 with a signed zone, and unbound as the resolver that validates it."""
