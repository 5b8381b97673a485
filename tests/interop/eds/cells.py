"""Our client of EDS beside Keycloak and an EDS, one module for each kind of question."""

from tests.interop.eds import controls, down, refusals, taken

CELLS = (*taken.CELLS, *refusals.CELLS, *down.CELLS, *controls.CELLS)
