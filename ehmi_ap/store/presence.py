"""Whether other processes have the same store open: who is alone knows that all leases are a dead process's.

Each process holds a shared lock on a file for as long as it has the store open; the system lets go of it when the
process ends, however it ends. Whoever can have it exclusively for a moment is alone. A lease on a shared store (or
where there is no flock) runs out by itself; this only saves the wait after a crash.
"""

import os
import sys
from pathlib import Path

from ehmi_ap.errors import StoreError

if sys.platform != "win32":
    import fcntl


class Presence:
    """Our shared lock on the file beside the database; `alone` says that nobody else held one when we came."""

    def __init__(self, path: Path) -> None:
        """Raises OSError."""
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self.alone = self._exclusively()

    @classmethod
    def beside(cls, database: Path) -> "Presence":
        """With the lock file beside a database. Raises StoreError."""
        try:
            return cls(database.with_name(database.name + ".lock"))
        except OSError as error:
            raise StoreError(f"the lock file of the store cannot be opened: {error.strerror}") from error

    def _exclusively(self) -> bool:
        if sys.platform == "win32":
            return False
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self.share()
            return False
        return True

    def share(self) -> None:
        """Let others in; until then they wait in their constructor."""
        if sys.platform != "win32":
            fcntl.flock(self._descriptor, fcntl.LOCK_SH)

    def close(self) -> None:
        """Let go of the lock; allowed more than once."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)
