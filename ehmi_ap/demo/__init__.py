"""The network around us, small but real: a PKI, two access points, and a message that travels between them."""
