"""The matrix of exchanges with phase4: every cell, in the order of its page."""

from tests.interop.cells import Cell
from tests.interop.matrix import (
    exchanges,
    faults_in,
    faults_out,
    headers,
    library,
    payloads,
    receipts,
    repeats_in,
    repeats_out,
    tls,
)

CELLS: tuple[Cell, ...] = tuple(
    cell
    for module in (exchanges, payloads, headers, faults_out, faults_in, repeats_out, repeats_in, receipts, tls, library)
    for cell in module.cells()
)
