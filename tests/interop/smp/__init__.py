"""Our SMP, read by clients that others made: those of peppol-commons (the program in src/), and xmlsec."""
