"""Live exchanges with access points that others made: `make interop`, `python -m tests.interop`.

    __main__   the parts that are run: the matrix with phase4, dns/, smp/, fhir/ and eds/
    cells      what a cell is and how cells are run; report: the table, docs/reference/interop*.md, build/interop.json
    matrix/    the cells, by what differs; its terms and the limits of phase4 that explain some
    letters    a message and an agreement, said once for both sides
    claims     what is found about an exchange; evidence: what its bytes prove
    scene      everything that runs: identities, ours, peer (phase4, the program in phase4/, built by maven), proxy
    dns/       look-ups of ours, on bind9 and unbound
    smp/       our SMP, read by the clients of peppol-commons (the program in its src/) and by xmlsec
    fhir/      AuditEvents before HAPI's validator (the program in its src/)
    eds/       our client of EDS beside Keycloak, which its pom.xml fetches, and an EDS, which is the program of fhir/
    proxy      the relay between the sides; tampering and forging: what it does to messages and receipts

A new exchange is a line in a module of matrix/, a new agreement one in matrix/terms.py. A cell that finds a peer doing
something else than it should asserts exactly that, and names a `Limit` that says where this can be read. Then run
`make interop`, which writes the pages; tests/interop/test_cells.py holds them against the cells, without Java.

Something else that runs live is a `Part` of its own in `__main__`: cells, and a scene that has versions, begin() and end().
"""
