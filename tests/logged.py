"""What is logged while a block of a test runs."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager


class _Kept(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)


@contextmanager
def logged(of: str = "ehmi_ap") -> Iterator[list[logging.LogRecord]]:
    """Everything that anybody logs, and the logger `of` (empty: everybody's) at every level."""
    handler, told = _Kept(), logging.getLogger(of)
    level = told.level
    told.setLevel(logging.DEBUG)
    logging.getLogger().addHandler(handler)
    try:
        yield handler.records
    finally:
        logging.getLogger().removeHandler(handler)
        told.setLevel(level)
