"""The parts of the lowest floor."""

from __future__ import annotations

import logging
import os
import select
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kimi_hooks import atomic, backoff, limits, logs
from kimi_hooks.clock import iso, parse_iso
from kimi_hooks.errors import LockHeldError
from kimi_hooks.journal import standing
from kimi_hooks.journal.store import Journal
from kimi_hooks.lock import Holder, Lock, holder
from kimi_hooks.mistakes import nearest
from kimi_hooks.pool import Pool
from kimi_hooks.watcher import Bell, Watch
from tests.house import until


@given(attempt=st.integers(1, 500), jitter=st.floats(0, 1, exclude_max=True))
def test_pauses_grow_to_the_cap_and_are_jittered(attempt: int, jitter: float) -> None:
    """Between half of the doubled pause and all of it, never above the cap."""
    pause = backoff.pause(attempt, first=2, cap=60, jitter=lambda: jitter)
    full = min(60, 2 * 2 ** min(attempt - 1, 10))
    assert full / 2 <= pause <= full


class Window:
    """The limiter over the sends of a real journal."""

    def __init__(self, per_window: int) -> None:
        self._per_window = per_window
        self._journal = Journal(None)

    def send(self, at: float) -> None:
        self._journal.write(lambda db: db.execute("INSERT INTO sends (task_id, sent_at) VALUES ('a', ?)", (at,)))

    def look(self, now: float) -> tuple[int, float]:
        """Return how many may leave now, and when the next one may."""
        window, per_window = limits.WINDOW_SECONDS, self._per_window
        seen = self._journal.read(lambda db: standing.look(db, now, window, per_window))
        return limits.free_slots(seen.recent_sends, per_window), limits.next_slot(seen.blocking_send, now)

    def close(self) -> None:
        self._journal.close()


@given(sends=st.lists(st.floats(0, 1000)), now=st.floats(0, 1000), per_window=st.integers(1, 20))
def test_a_free_slot_and_the_next_slot_agree(sends: list[float], now: float, per_window: int) -> None:
    """There is a slot now exactly when the next one is now; at the next instant there is one."""
    now = max([now, *sends])
    window = Window(per_window)
    for sent in sends:
        window.send(sent)
    free, then = window.look(now)
    assert (free > 0) == (then == now)
    assert window.look(then + 1e-6)[0] > 0
    window.close()


@given(st.lists(st.floats(0, 300), min_size=1, max_size=60), st.integers(1, 12))
def test_no_60_seconds_hold_more_than_the_limit(wishes: list[float], per_window: int) -> None:
    """Whenever calls are wished for: sent only into free slots, no window of a minute holds too many."""
    window = Window(per_window)
    sends: list[float] = []
    for wish in sorted(wishes):
        now = max(wish, sends[-1] if sends else 0)
        while not window.look(now)[0]:
            now = max(window.look(now)[1], now + 1e-6)
        window.send(now)
        sends.append(now)
    for start in sends:
        assert sum(start <= sent < start + 60 for sent in sends) <= per_window
    window.close()


@given(st.floats(0, 4_000_000_000))
def test_instants_survive_being_written_down(seconds: float) -> None:
    """To the second, in UTC."""
    text = iso(seconds)
    assert text is not None
    assert abs(parse_iso(text) - seconds) < 1


def test_nearest_names_one_or_all() -> None:
    """A typo gets its word, anything else the whole list."""
    assert nearest("promt", ["prompt", "model"]) == " (did you mean 'prompt'?)"
    assert nearest("zzz", ["prompt", "model"]) == " (known: model, prompt)"


def test_a_failed_write_leaves_the_old_file_and_no_leftover(tmp_path: Path) -> None:
    """Whole or absent, also when it goes wrong in between."""
    path = tmp_path / "a.txt"
    atomic.write_text(path, "old")
    path.with_name("folder").mkdir()
    with pytest.raises(OSError, match="folder"):
        atomic.write_text(path.with_name("folder"), "new")
    assert path.read_text() == "old"
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["a.txt", "folder"]


def test_leftovers_of_a_killed_writer_are_removed(tmp_path: Path) -> None:
    """And nothing else."""
    (tmp_path / ".tmp-123").touch()
    (tmp_path / "kept").touch()
    atomic.remove_leftovers(tmp_path, time.time() + 1)
    assert [entry.name for entry in tmp_path.iterdir()] == ["kept"]


def test_a_flood_of_other_names_does_not_drown_the_one_that_counts(tmp_path: Path) -> None:
    """Many events may share one ring, but never that of a file which is watched by its name."""
    for attempt in range(20):
        bell, watch = Bell(), Watch()
        watch.add(tmp_path, bell.ring, names=frozenset({".env.kimi"}))
        watch.start()
        for number in range(50):
            (tmp_path / f"{attempt}-{number}").touch()
        (tmp_path / ".env.kimi").write_text("changed")
        started = time.monotonic()
        bell.wait(20)
        assert time.monotonic() - started < 10
        watch.stop()


def test_the_last_file_of_a_flood_is_rung_for(tmp_path: Path) -> None:
    """After the ring that follows the last event, a listing sees every file."""
    bell, watch = Bell(), Watch()
    watch.add(tmp_path, bell.ring)
    watch.start()
    for number in range(500):
        (tmp_path / f"{number}.md").touch()
    seen = 0
    while seen < 500:
        started = time.monotonic()
        bell.wait(20)
        assert time.monotonic() - started < 10
        seen = len(list(tmp_path.iterdir()))
    watch.stop()


def test_the_bell_wakes_from_a_signal_handler_and_from_threads() -> None:
    """A ring is never lost, and one ring is enough for many."""
    bell = Bell()
    for _ in range(1000):
        bell.ring()
    bell.wait(None)
    started = time.monotonic()
    bell.wait(0.05)
    assert time.monotonic() - started >= 0.04
    previous = signal.signal(signal.SIGUSR1, lambda *_: bell.ring())
    try:
        threading.Timer(0.05, lambda: os.kill(os.getpid(), signal.SIGUSR1)).start()
        bell.wait(20)
    finally:
        signal.signal(signal.SIGUSR1, previous)
    assert time.monotonic() - started < 10


@pytest.mark.parametrize("how", ["rename in", "write", "link", "fifo"])
def test_the_watch_rings_for_what_can_be_a_new_file(tmp_path: Path, how: str) -> None:
    """Whatever the way in."""
    folder, beside = tmp_path / "watched", tmp_path / "x"
    folder.mkdir()
    beside.write_text("x")
    watch = Watch()
    rung = threading.Event()
    watch.add(folder, rung.set)
    watch.start()
    try:
        ways: dict[str, Callable[[], object]] = {
            "rename in": lambda: beside.rename(folder / "a"),
            "write": lambda: (folder / "a").write_text("a"),
            "link": lambda: os.link(beside, folder / "a"),
            "fifo": lambda: os.mkfifo(folder / "a"),
        }
        ways[how]()
        assert rung.wait(20)
    finally:
        watch.stop()


def test_the_watch_does_not_ring_for_reading_or_for_dotfiles(tmp_path: Path) -> None:
    """Our own listing and claiming must not wake us; nor does what a writer has not finished."""
    (tmp_path / "a").write_text("a")
    rings = threading.Semaphore(0)
    watch = Watch()
    watch.add(tmp_path, rings.release)
    watch.start()
    try:
        (tmp_path / "a").read_text()
        (tmp_path / ".tmp-1").write_text("x")
        (tmp_path / "a").rename(tmp_path.parent / "claimed")
        (tmp_path / "end").mkdir()
        # A folder is made and not closed: one ring, and nothing before it rang.
        assert rings.acquire(timeout=20)
    finally:
        watch.stop()
    assert not rings.acquire(blocking=False)


@pytest.mark.parametrize("how", ["delete", "rename out", "rename"])
def test_a_watched_name_that_goes_rings(tmp_path: Path, how: str) -> None:
    """At once, and nothing else that goes does: neither a file nor a folder of another name."""
    folder = tmp_path / "watched"
    (folder / "sub").mkdir(parents=True)
    for name in ("config.yaml", "other", "left"):
        (folder / name).touch()
    rings = threading.Semaphore(0)
    watch = Watch()
    watch.add(folder, rings.release, names=frozenset({"config.yaml", "end"}))
    watch.start()
    try:
        (folder / "other").unlink()
        (folder / "left").rename(folder / "moved")
        (folder / "sub").rmdir()
        ways: dict[str, Callable[[], object]] = {
            "delete": (folder / "config.yaml").unlink,
            "rename out": lambda: (folder / "config.yaml").rename(tmp_path / "x"),
            "rename": lambda: (folder / "config.yaml").rename(folder / "x"),
        }
        ways[how]()
        assert rings.acquire(timeout=20)
        (folder / "end").mkdir()
        assert rings.acquire(timeout=20)
        assert not watch.renew()
    finally:
        watch.stop()
    assert not rings.acquire(blocking=False)


def test_one_holder_of_a_lock(tmp_path: Path) -> None:
    """The second is told who has it; a released lock is free."""
    file = tmp_path / "spool" / "lock"
    file.parent.mkdir()
    assert holder(file) is None
    lock = Lock(file)
    lock.take()
    lock.say(Holder(os.getpid(), ready=True, lacks_key=True))
    found = holder(file)
    assert found is not None
    assert (found.pid, found.ready, found.lacks_key) == (os.getpid(), True, True)
    with pytest.raises(LockHeldError, match=str(os.getpid())):
        Lock(file).take()
    lock.release()
    assert holder(file) is None


def test_the_log_masks_secrets_and_keeps_to_its_lines(tmp_path: Path) -> None:
    """A name cannot write log lines, and a secret never stands there."""
    with _logging_to(tmp_path / "runner.log"):
        logs.LOGGER.info("%s", "key sk-secret-key\n2026 fake line \x1b[31m")
    text = (tmp_path / "runner.log").read_text()
    assert "sk-secret-key" not in text
    assert text.count("\n") == 1
    assert "\x1b" not in text


def test_no_log_line_is_lost_torn_or_waited_for(tmp_path: Path) -> None:
    """Threads that log at once do not wait for the one that is writing, and every line of theirs is written."""
    os.mkfifo(tmp_path / "slow.log")
    reader = os.open(tmp_path / "slow.log", os.O_RDONLY | os.O_NONBLOCK)
    full = "x" * select.PIPE_BUF * 1024
    with _logging_to(tmp_path / "slow.log"):
        writer = threading.Thread(target=logs.LOGGER.info, args=(full,))
        writer.start()
        until(lambda: bool(select.select([reader], [], [], 0)[0]))
        others = threading.Thread(target=_log_lines, args=(100,))
        others.start()
        others.join(20)
        were_held_up = others.is_alive()
        os.set_blocking(reader, True)
        text = b""
        while not text.endswith(b"line 99\n"):
            text += os.read(reader, 1 << 20)
        writer.join()
    os.close(reader)
    assert not were_held_up
    told = [line.partition("INFO    ")[2] for line in text.decode().splitlines()]
    assert told == [full, *(f"line {number}" for number in range(100))]


def _log_lines(count: int) -> None:
    for number in range(count):
        logs.LOGGER.info("line %d", number)


@contextmanager
def _logging_to(file: Path) -> Iterator[None]:
    handlers, propagate = logs.LOGGER.handlers[:], logs.LOGGER.propagate
    logs.set_up(file, console=False, secrets=lambda: ["sk-secret-key"])
    opened = logs.LOGGER.handlers[:]
    try:
        yield
    finally:
        logs.LOGGER.handlers, logs.LOGGER.propagate = handlers, propagate
        for handler in opened:
            assert isinstance(handler, logging.StreamHandler)
            handler.stream.close()


def test_a_pool_is_bounded_and_survives_what_it_is_given(caplog: pytest.LogCaptureFixture) -> None:
    """Never more at once than its size; an exception costs a log line, not a thread."""
    done = threading.Semaphore(0)
    most, running, lock = [0], [0], threading.Lock()

    def work(number: int) -> None:
        with lock:
            running[0] += 1
            most[0] = max(most[0], running[0])
        time.sleep(0.001)
        with lock:
            running[0] -= 1
        if number % 2:
            raise ValueError("on purpose")

    with caplog.at_level(logging.CRITICAL, "kimi_hooks"):
        pool = Pool("test", 4, done.release)
        for number in range(40):
            pool.submit(lambda given=number: work(given))  # type: ignore[misc]
        assert all(done.acquire(timeout=20) for _ in range(40))
    assert most[0] <= 4
    assert pool.free == 4
