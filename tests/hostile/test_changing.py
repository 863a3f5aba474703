"""Files that change and vanish while the runner takes them: each that it has taken ends in one result."""

from __future__ import annotations

import json
import os
import random
import threading
from pathlib import Path

from tests.house import House, until

COUNT = 60
ROUNDS = 30


def test_files_that_change_and_vanish_under_the_runner(house: House) -> None:
    """Changed through a second name, or taken back: a task, a reason or nothing at all; the runner works on."""
    aside, outbox = house.home / "aside", house.workspace.outbox
    aside.mkdir()
    child = house.start()
    for number in range(COUNT):
        _drop_with_second_name(aside, outbox, number)
    changer = threading.Thread(target=_change, args=(aside,))
    changer.start()
    gone = sum(_drop_and_take_back(outbox / f"back-{number}.md") for number in range(COUNT))
    changer.join()
    until(lambda: len(_results(house)) == 2 * COUNT - gone)
    results = [json.loads(file.read_bytes()) for file in _results(house)]
    assert {result["error"]["kind"] for result in results if result["error"]} <= {"invalid_task"}
    assert os.listdir(outbox) == []
    assert child.poll() is None
    assert "Traceback" not in house.log


def _results(house: House) -> list[Path]:
    return list(house.workspace.results.glob("kimi-*.json"))


def _drop_with_second_name(aside: Path, outbox: Path, number: int) -> None:
    name = f"changes-{number}.json"
    (aside / name).write_text(json.dumps({"prompt": "as it was"}))
    os.link(aside / name, outbox / name)


def _drop_and_take_back(path: Path) -> bool:
    """Drop a file and remove it at once; tell whether that came before the runner."""
    path.write_text("x")
    try:
        path.unlink()
    except FileNotFoundError:
        return False
    return True


def _change(folder: Path) -> None:
    """Write into each of the files again and again, shorter and longer, while they are taken and read."""
    chance = random.Random(0)
    for _ in range(ROUNDS):
        for file in folder.iterdir():
            with file.open("r+b") as open_file:
                open_file.truncate(chance.randrange(60))
                open_file.write(b'{"prompt": "as it is now"}'[: chance.randrange(40)])
