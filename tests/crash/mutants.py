"""Small changes of the program that break a promise, each with deaths in a scenario that must show it.

Not here: what only a power cut shows, such as a file that is renamed and was not put on the disk before.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from kimi_hooks.crash_points import Point
from tests.crash.crashing import PACKAGE_LIES_IN, Death


@dataclass(frozen=True)
class Edit:
    """A change of one file of the package; the old text stands there exactly once."""

    file: str
    old: str
    new: str


@dataclass(frozen=True)
class Mutant:
    """What is changed, and the scenario and deaths of which one at least must show it."""

    edits: Sequence[Edit]
    scenario: str
    deaths: Sequence[Death]


def at(point: Point, *numbers: int) -> list[Death]:
    return [Death(point, nth) for nth in numbers or (1,)]


def mutated(mutant: Mutant, folder: Path) -> Path:
    """Copy the package into the folder, with the change made; return the folder."""
    package = folder / "kimi_hooks"
    shutil.copytree(PACKAGE_LIES_IN / "kimi_hooks", package)
    for edit in mutant.edits:
        text = (package / edit.file).read_text()
        assert text.count(edit.old) == 1, (
            f"{edit.file}: this is not there once any more, bring it in step: {edit.old!r}"
        )
        (package / edit.file).write_text(text.replace(edit.old, edit.new))
    return folder


def missing() -> Iterator[str]:
    """Yield the mutants whose old text is not there once: with the code, the mutant changes too."""
    for name, mutant in MUTANTS.items():
        for edit in mutant.edits:
            count = (PACKAGE_LIES_IN / "kimi_hooks" / edit.file).read_text().count(edit.old)
            if count != 1:
                yield f"{name}: {edit.file} has this {count} times: {edit.old!r}"


_RECORDED = "    sends.record(db, sent, now)\n"
_ANSWERED = "    crash_points.reached(Point.CALL_ANSWERED)\n"
_OWED = "    owing.owe(db, parts.newest_config, events.of_result(result), now)\n"
_ENDED = "    crash_points.reached(Point.TASK_ENDED)\n"
_INSERTED = "    inserted = parts.journal.write(lambda db: _insert_rows(db, parts, new, now))\n"
_NAMED = "        os.replace(temporary, path)  # noqa: PTH105"
_FLAGS = "os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC\n"

MUTANTS: Mapping[str, Mutant] = {
    "recovery ignores a result that is there": Mutant(
        [
            Edit(
                "recovery.py",
                "    if results.of_run(parts.workspace.results, entry.id, entry.retried) is not None:\n",
                "    if entry.id is None:\n",
            )
        ],
        "plain",
        at(Point.RESULT_WRITTEN),
    ),
    "the result is written after the row": Mutant(
        [
            Edit(
                "ending.py",
                "    try:\n        results.write(parts.workspace.results, result)\n",
                "    settle(parts, result, call)\n    try:\n        results.write(parts.workspace.results, result)\n",
            )
        ],
        "plain",
        at(Point.TASK_ENDED),
    ),
    "a call is recorded when its answer is there": Mutant(
        [
            Edit("journal/starts.py", _RECORDED, ""),
            Edit(
                "worker.py",
                _ANSWERED,
                "    parts.journal.write(lambda db: sends.record(db, [sends.Send(entry.id)], parts.clock.now()))\n"
                + _ANSWERED,
            ),
        ],
        "plain",
        at(Point.CALL_LEFT),
    ),
    "a call is not recorded at all": Mutant([Edit("journal/starts.py", _RECORDED, "")], "plain", at(Point.CALL_LEFT)),
    "an answer that was kept is not looked for": Mutant(
        [Edit("turns.py", "    return _turn(turns, task_id, count + 1, retried)\n", "    return None\n")],
        "cut",
        at(Point.TURN_WRITTEN),
    ),
    "a result that was kept is not looked for": Mutant(
        [Edit("turns.py", "    result = _read_if_there(turns / task_id / _NAME)\n", "    result = None\n")],
        "kept",
        at(Point.RESULT_KEPT),
    ),
    "news is owed in a transaction after the row's": Mutant(
        [
            Edit("ending.py", _OWED, ""),
            Edit(
                "ending.py",
                _ENDED,
                _ENDED + "    now = parts.clock.now()\n    parts.journal.write(\n"
                "        lambda db: owing.owe(db, parts.newest_config, events.of_result(result), now)\n    )\n",
            ),
        ],
        "plain",
        at(Point.TASK_ENDED),
    ),
    "a claimed file is removed before its row is there": Mutant(
        [Edit("intake.py", _INSERTED, "    for claim in claims:\n        claim.path.unlink()\n" + _INSERTED)],
        "plain",
        at(Point.COMMITTING, *range(1, 9)),
    ),
    "hooks that a death cut are not owed again": Mutant(
        [
            Edit(
                "journal/deliveries.py",
                "UPDATE deliveries SET state = 'waiting', crashes = crashes + 1 WHERE state = 'running'\"",
                'SELECT 1"',
            )
        ],
        "plain",
        at(Point.DELIVERY_RUN),
    ),
    "a repeated call is not told": Mutant(
        [Edit("recovery.py", "warnings = [] if told in entry.warnings else [told]", "warnings: list[str] = []")],
        "plain",
        at(Point.CALL_LEFT),
    ),
    "a repeated call is not counted": Mutant(
        [
            Edit(
                "journal/crashes.py",
                "'retryable', due_at = ?, deadline_at = NULL, crashes = crashes + 1,",
                "'retryable', due_at = ?, deadline_at = NULL,",
            )
        ],
        "plain",
        at(Point.CALL_LEFT),
    ),
    "a file is written in place": Mutant(
        [
            Edit("atomic.py", _FLAGS, _FLAGS.replace("O_EXCL", "O_TRUNC")),
            Edit(
                "atomic.py",
                "        _write(temporary, data, mode, synced=synced)\n",
                "        _write(path, data[: len(data) // 2], mode, synced=synced)\n",
            ),
            Edit("atomic.py", _NAMED, "        _write(path, data, mode, synced=synced)  # noqa: PTH105"),
        ],
        "seen",
        at(Point.FILE_WRITTEN, *range(6, 12)),
    ),
    "an acknowledgement is noted before it is written": Mutant(
        [
            Edit(
                "derived.py",
                "    for entry in entries:\n        if entry.acknowledged_at is not None:\n",
                "    for entry in entries:\n"
                "        journal.write(lambda db, task_id=entry.id: acks.ack_written(db, task_id))\n"
                "        crash_points.reached(Point.ACK_NOTED)\n"
                "        if entry.acknowledged_at is not None:\n",
            )
        ],
        "seen",
        at(Point.ACK_NOTED),
    ),
    "a refusal is written after its row": Mutant(
        [
            Edit(
                "intake.py",
                "    for read in new:\n        if read.refusal is not None:\n            _write_refusal(parts, read, read.refusal, now)\n",
                "",
            ),
            Edit(
                "intake.py",
                "    crash_points.reached(Point.TASKS_INSERTED)\n",
                "    crash_points.reached(Point.TASKS_INSERTED)\n"
                "    for read in inserted:\n        if read.refusal is not None:\n"
                "            _write_refusal(parts, read, read.refusal, now)\n",
            ),
        ],
        "refused",
        at(Point.TASKS_INSERTED, 1, 2, 3),
    ),
}
