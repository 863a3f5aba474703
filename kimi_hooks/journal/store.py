"""The journal's file, its schema, and transactions that many threads share."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, Generic, TypeVar

from kimi_hooks import crash_points
from kimi_hooks.crash_points import Point
from kimi_hooks.errors import DamagedJournalError, JournalError, WorkspaceError
from kimi_hooks.journal import damage, holders
from kimi_hooks.journal.schema import MIGRATIONS

T = TypeVar("T")
Connection = sqlite3.Connection
DatabaseError = sqlite3.DatabaseError
Row = sqlite3.Row

BUSY_SECONDS = 30.0
GLANCE_SECONDS = 0.1
LOOK_SECONDS = 1.0
MAX_WAL_BYTES = 64 * 1024 * 1024


class _Ticket(Generic[T]):
    """One operation that waits for its transaction."""

    def __init__(self, operation: Callable[[Connection], T]) -> None:
        self._operation = operation
        self.done = False
        self._error: BaseException | None = None
        self._value: T | None = None

    def run(self, db: Connection) -> bool:
        """Run the operation; False when it raised."""
        self._error = None
        try:
            self._value = self._operation(db)
        except BaseException as error:  # noqa: BLE001 - it is raised again in the thread that asked
            self._error = error
        return self._error is None

    def fail(self, error: BaseException) -> None:
        self._error = error

    def result(self) -> T:
        if self._error is not None:
            raise self._error
        return self._value  # type: ignore[return-value]  # None only where T is None


class Journal:
    """One connection for all threads of a process. Writes that wait together are committed together, with one fsync."""

    def __init__(self, file: Path | None, *, anew: bool = False) -> None:
        """Open the file, making or migrating its schema; None is an empty journal in memory.

        `anew`: it is made in the place of one that was lost.

        Raises WorkspaceError when the file cannot be used, or was written by a newer version, and DamagedJournalError
        when it is not as it was written, or is gone though there was one.
        """
        self._file = file
        self._damage: DamagedJournalError | None = None
        self._lock = threading.Lock()
        self._queue_lock = threading.Lock()
        self._queue: list[_Ticket[Any]] = []
        try:
            self._db = _connect(file, anew=anew)
        except (sqlite3.Error, OSError) as error:
            raise _not_opened(file, error) from error
        self._stamp = None if file is None else damage.stamp(file)
        self._looked_at = float("-inf")

    def write(self, operation: Callable[[Connection], T]) -> T:
        """Run the operation in a transaction and return its value once that is on the disk.

        What it raises is raised here, with its changes undone; operations of other threads are not touched. They may
        be run twice for that, so an operation changes nothing but the journal.
        """
        ticket = _Ticket(operation)
        with self._queue_lock:
            self._queue.append(ticket)
        with self._lock:
            if not ticket.done:
                self._commit_waiting()
        return self._without_trouble(ticket.result)

    def read(self, operation: Callable[[Connection], T]) -> T:
        """Run the operation, which must not change anything, and return its value."""
        with self._lock:
            self._refuse_damaged()
            return self._without_trouble(lambda: operation(self._db))

    def shrink(self, share: float) -> int:
        """Give the disk back what is free in the file if that is more than this share of it; return the bytes.

        Everybody else waits meanwhile.
        """
        with self._lock:
            self._refuse_damaged()
            return self._without_trouble(lambda: _shrink(self._db, share))

    def close(self) -> None:
        with self._lock:
            self._db.close()

    def _commit_waiting(self) -> None:
        with self._queue_lock:
            tickets, self._queue = self._queue, []
        try:
            if not self._commit(tickets) and len(tickets) > 1:
                for ticket in tickets:
                    self._commit([ticket])
        finally:
            for ticket in tickets:
                ticket.done = True

    def _commit(self, tickets: Sequence[_Ticket[Any]]) -> bool:
        """Run all operations in one transaction; False, with nothing changed, when one of them raised."""
        try:
            self._refuse_damaged()
            self._db.execute("BEGIN IMMEDIATE")
            if all(ticket.run(self._db) for ticket in tickets):
                crash_points.reached(Point.COMMITTING)
                self._db.execute("COMMIT")
                return True
            self._roll_back()
        except (sqlite3.Error, DamagedJournalError) as error:
            # The journal's own trouble, and so everybody's: nobody tries alone.
            for ticket in tickets:
                ticket.fail(error)
            self._roll_back()
            return True
        return False

    def _roll_back(self) -> None:
        if self._db.in_transaction:
            self._db.execute("ROLLBACK")

    def _refuse_damaged(self) -> None:
        """Raise DamagedJournalError once the file is known to be spoilt, or is not the one that we have opened.

        What is written into a file that has lost its name is lost with us. A glance a second will do: what is written
        meanwhile is on the disk as files, too.
        """
        if self._damage is None and self._stamp is not None and self._file is not None and self._is_time_to_look():
            now = damage.stamp(self._file)
            if now != self._stamp:
                what = "it was removed while it was in use" if now is None else "another file has taken its place"
                self._damage = damage.error(self._file, what)
        if self._damage is not None:
            raise self._damage

    def _is_time_to_look(self) -> bool:
        now = time.monotonic()
        is_time = now >= self._looked_at + LOOK_SECONDS
        if is_time:
            self._looked_at = now
        return is_time

    def _without_trouble(self, work: Callable[[], T]) -> T:
        """Do the work; what the disk or another process does to the journal becomes a JournalError."""
        try:
            return work()
        except sqlite3.DatabaseError as error:
            if self._file is not None and _is_damage(error):
                self._damage = damage.error(self._file, str(error))
                raise self._damage from error
            if not isinstance(error, sqlite3.OperationalError) or "no such" in str(error):
                raise
            told = holders.told(getattr(error, "sqlite_errorname", ""), str(error), self._file)
            raise JournalError(told) from error


def _is_damage(error: sqlite3.Error) -> bool:
    """Tell whether the file is not as it was written: https://www.sqlite.org/rescode.html, in its lowest byte.

    A table that is gone was there when the file was opened, or its version lied.
    """
    if str(error).startswith("no such table"):
        return True
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}


def _not_opened(file: Path | None, error: Exception) -> Exception:
    if isinstance(error, sqlite3.Error) and _is_damage(error) and file is not None:
        return damage.error(file, str(error))
    if file is not None and (what := damage.no_journal(file)):
        return damage.error(file, what)
    if isinstance(error, sqlite3.OperationalError):
        return WorkspaceError(holders.told(getattr(error, "sqlite_errorname", ""), str(error), file))
    return WorkspaceError(f"{file}: the journal cannot be opened: {error}; see whose it is and whether there is room")


def open_existing(file: Path) -> Journal:
    """Open the journal for a verb that only looks: where no runner has been, it is empty and nothing is made."""
    if not file.exists():
        damage.refuse_lost(file)
    return Journal(file if file.exists() else None)


def glance(file: Path, operation: Callable[[Connection], T]) -> T | None:
    """Read for what is merely nice to know: waits for nobody, changes nothing, None when it cannot be had."""
    try:
        with closing(sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True, timeout=GLANCE_SECONDS)) as db:
            db.row_factory = sqlite3.Row
            return operation(db)
    except sqlite3.Error:
        return None


def connect_as_is(file: Path) -> Connection:
    """Open a journal whatever is wrong with it, and change nothing of its tables. Raises DatabaseError."""
    if not file.is_file():
        raise DatabaseError(f"{file}: there is no journal")
    db = sqlite3.connect(file, timeout=BUSY_SECONDS, isolation_level=None)
    db.row_factory = sqlite3.Row
    return db


def _connect(file: Path | None, *, anew: bool) -> Connection:
    db = sqlite3.connect(file or ":memory:", timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
    db.row_factory = sqlite3.Row
    try:
        _refuse_newer(db, file)
        if file is not None and not anew and not _version(db):
            damage.refuse_lost(file)
        db.execute("PRAGMA journal_mode = WAL")
        # One that is being made is made once more if that is cut.
        db.execute(f"PRAGMA synchronous = {'OFF' if anew else 'FULL'}")
        db.execute(f"PRAGMA journal_size_limit = {MAX_WAL_BYTES}")
        _migrate(db)
    except (sqlite3.Error, WorkspaceError, DamagedJournalError):
        db.close()
        raise
    return db


def _shrink(db: Connection, share: float) -> int:
    pages, free, size = (
        db.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "freelist_count", "page_size")
    )
    if free <= share * pages:
        return 0
    db.execute("VACUUM")
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return int(pages - db.execute("PRAGMA page_count").fetchone()[0]) * int(size)


def _version(db: Connection) -> int:
    version: int = db.execute("PRAGMA user_version").fetchone()[0]
    return version


def _refuse_newer(db: Connection, file: Path | None) -> None:
    """Raise WorkspaceError, before anything is touched, for a journal whose tables we do not know."""
    version = _version(db)
    if version > len(MIGRATIONS):
        told = f"written by a newer kimi-hooks (journal version {version}, this program knows {len(MIGRATIONS)})"
        raise WorkspaceError(f"{file}: {told}; upgrade kimi-hooks, or name another workspace with --home")


def _migrate(db: Connection) -> None:
    if _version(db) >= len(MIGRATIONS):
        return
    db.execute("BEGIN IMMEDIATE")
    version = _version(db)
    for number, script in enumerate(MIGRATIONS[version:], version + 1):
        for statement in _statements(script):
            db.execute(statement)
        db.execute(f"PRAGMA user_version = {number}")
        crash_points.reached(Point.SCHEMA_SCRIPT)
    db.execute("COMMIT")
    crash_points.reached(Point.SCHEMA_MIGRATED)


def _statements(script: str) -> Iterator[str]:
    """Yield the statements of a script; a trigger holds semicolons of its own."""
    statement = ""
    for part in script.split(";")[:-1]:
        statement += f"{part};"
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
