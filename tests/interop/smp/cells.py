"""Our SMP by the clients of peppol-commons and by xmlsec, one module for each kind of question."""

from tests.interop.smp import found, published, redirects, refusals

CELLS = (*published.CELLS, *found.CELLS, *redirects.CELLS, *refusals.CELLS)
