"""The log is put aside when it is full: no line is lost, whoever renames what when."""

from __future__ import annotations

import logging
import os
import re
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from kimi_hooks import crash_points, log_file, logs
from kimi_hooks.log_file import LogFile, Rotation
from tests.house import House


@pytest.fixture(autouse=True)
def _no_handlers(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Take away what a test has attached, and look at each line whether the file is still ours."""
    monkeypatch.setattr(log_file, "LOOK_SECONDS", 0.0)
    handlers = logs.LOGGER.handlers[:]
    yield
    logs.LOGGER.handlers[:] = handlers


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "runner.log"


def numbers(folder: Path) -> list[int]:
    """Return the numbers that stand at the ends of all lines of all logs, sorted."""
    text = "".join(file.read_text() for file in folder.glob("runner.log*"))
    return sorted(int(number) for number in re.findall(r"(\d+)$", text, re.MULTILINE))


def test_no_line_is_lost_while_a_hundred_threads_log(file: Path) -> None:
    """Each stands in one of the files, once."""
    logs.set_up(file, console=False, secrets=tuple, rotation=lambda: Rotation(2000, 1000))

    def work(first: int) -> None:
        for number in range(first, first + 50):
            logs.LOGGER.info("line %d", number)

    threads = [threading.Thread(target=work, args=(50 * number,)) for number in range(100)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert numbers(file.parent) == list(range(5000))
    assert len(list(file.parent.iterdir())) > 20


def test_so_many_are_kept_and_none_is_much_too_large(file: Path) -> None:
    """The newest are in runner.log, then .1, then .2."""
    log = LogFile(file, lambda: Rotation(100, 2))
    for number in range(100):
        log.write(f"line {number}\n")
    assert sorted(path.name for path in file.parent.iterdir()) == ["runner.log", "runner.log.1", "runner.log.2"]
    assert all(path.stat().st_size < 120 for path in file.parent.iterdir())
    kept = numbers(file.parent)
    assert kept == list(range(kept[0], 100))


@pytest.mark.parametrize("keep", [0, 1])
def test_an_edit_counts_at_the_next_time(file: Path, keep: int) -> None:
    """What is too many then is removed; with 0 there is the one log only."""
    now = [Rotation(50, 5)]
    log = LogFile(file, lambda: now[0])
    for number in range(50):
        log.write(f"line {number}\n")
    now[0] = Rotation(50, keep)
    for number in range(10):
        log.write(f"line {number}\n")
    assert len(list(file.parent.iterdir())) == 1 + keep


def test_a_rename_from_outside_is_seen(file: Path) -> None:
    """From then on lines go into a new file; also after a removal."""
    log = LogFile(file)
    log.write("1\n")
    file.rename(file.with_name("runner.log.old"))
    log.write("2\n")
    log.write("3\n")
    assert file.read_text() == "3\n"
    file.unlink()
    log.write("4\n")
    log.write("5\n")
    assert file.read_text() == "5\n"


def test_a_copy_that_is_emptied_from_outside_does_no_harm(file: Path) -> None:
    """The file begins anew, without a hole, and is not put aside before it is full again."""
    log = LogFile(file, lambda: Rotation(1000, 3))
    log.write("x" * 900 + "\n")
    shutil.copy(file, file.with_name("copy"))
    os.truncate(file, 0)
    log.write("1\n")
    log.write("y" * 200 + "\n")
    assert file.read_text().startswith("1\n")
    assert not file.with_name("runner.log.1").exists()


def test_a_verb_that_has_opened_the_log_before_loses_nothing(file: Path) -> None:
    """Its line stands in the file that was put aside meanwhile."""
    log = LogFile(file, lambda: Rotation(100, 3))
    with file.open("a") as verbs:
        log.write("x" * 200 + "\n")
        verbs.write("a line of a verb 7\n")
    assert numbers(file.parent) == [7]


class _Killed(BaseException):
    pass


@pytest.mark.parametrize("point", ["log.shifted", "log.renamed", "log.opened"])
def test_a_death_while_a_log_is_put_aside_loses_nothing(file: Path, point: str) -> None:
    """The next process goes on with what it finds."""
    log = LogFile(file, lambda: Rotation(100, 50))
    for number in range(30):
        log.write(f"line {number}\n")

    def die(reached: crash_points.Point) -> None:
        if reached == point:
            raise _Killed

    def write_on() -> None:
        for number in range(30, 60):
            log.write(f"line {number}\n")

    crash_points.listen(die)
    try:
        with pytest.raises(_Killed):
            write_on()
    finally:
        crash_points.listen(None)
    written = len(numbers(file.parent))
    log = LogFile(file, lambda: Rotation(100, 50))
    for number in range(written, 90):
        log.write(f"line {number}\n")
    assert numbers(file.parent) == list(range(90))


def test_a_log_that_cannot_be_put_aside_grows(file: Path) -> None:
    """A folder in the way of its name keeps it where it is, and no line is lost."""
    (file.parent / "runner.log.1").mkdir()
    (file.parent / "runner.log.1" / "full").touch()
    log = LogFile(file, lambda: Rotation(50, 1))
    for number in range(30):
        log.write(f"line {number}\n")
    assert [int(line.split()[1]) for line in file.read_text().splitlines()] == list(range(30))


def test_secrets_are_masked_in_what_was_put_aside(file: Path) -> None:
    """Whichever file a line is in."""
    logs.set_up(file, console=False, secrets=lambda: ["sk-secret-key"], rotation=lambda: Rotation(100, 9))
    for number in range(9):
        logs.LOGGER.warning("the key sk-secret-key %d", number)
    assert len(list(file.parent.iterdir())) > 2
    assert "sk-secret-key" not in "".join(path.read_text() for path in file.parent.iterdir())
    assert logging.getLogger("kimi_hooks").handlers


def test_a_runner_heeds_config_yaml(house: House) -> None:
    """A log over `log.max_bytes` at the start is put aside; a line of a verb goes into the new one."""
    house.configure(log={"max_bytes": 100_000, "keep": 1})
    house.workspace.log_file.write_text("x" * 100_000 + "\n")
    assert house.call("run", "--drain").returncode == 0
    assert house.workspace.log_file.with_name("runner.log.1").stat().st_size > 100_000
    assert house.call("pause").returncode == 0
    assert "queue_paused" in house.log
    assert len(house.log) < 10_000
