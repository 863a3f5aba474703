"""The checker of what is promised finds what it is for: each kind of damage, in a workspace that was in order."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from kimi_hooks.journal.store import Connection, Journal
from kimi_hooks.standin.faults import Fault
from kimi_hooks.standin.server import Standin
from kimi_hooks.workspace import Workspace
from tests.house import KEY, House
from tests.invariants import violations

DONE, FAILED, WAITS = "kimi-1700000000-donedone", "kimi-1700000000-failfail", "kimi-1700000000-waitwait"
SEEN, GONE = "kimi-1700000000-seenseen", "kimi-1700000000-gonegone"
HOOK = {"id": "told", "command": "true"}
Damage = Callable[[Workspace], None]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """Return a workspace at rest: tasks that are done, have failed, were refused, seen, or wait for another one."""
    folder = tmp_path_factory.mktemp("whole")
    with Standin(keys=frozenset({KEY})) as kimi:
        house = House(folder / "ws", kimi)
        house.environ["HOME"] = str(folder)
        _use(house)
        yield house


@pytest.fixture
def used(whole: House, tmp_path: Path) -> Workspace:
    """Return a copy of it."""
    return Workspace(shutil.copytree(whole.home, tmp_path / "ws"))


def _use(house: House) -> None:
    house.configure({name: [{"hooks": [dict(HOOK)]}] for name in ("TaskCompleted", "TaskFailed", "Notification")})
    house.kimi.add(Fault(kind="http", status=400, type="invalid_request_error", when="fail"))
    for task_id in (DONE, FAILED, SEEN):
        house.drop(f"{task_id}.md", "fail" if task_id == FAILED else "do")
    house.drop("refused.json", "{")
    house.drop(f"{WAITS}.json", {"prompt": "wait", "after": [GONE]})
    house.drain()
    assert house.call("ack", SEEN).returncode == 0
    assert len(house.entries()) == 5


def test_a_workspace_in_order_is_in_order(used: Workspace) -> None:
    """Nothing is said against what is as it should be."""
    assert violations(used) == []


def sql(statement: str) -> Damage:
    def damage(workspace: Workspace) -> None:
        def change(db: Connection) -> None:
            assert db.execute(statement).rowcount > 0

        journal = Journal(workspace.journal_file)
        journal.write(change)
        journal.close()

    return damage


def removed(path: str) -> Damage:
    def damage(workspace: Workspace) -> None:
        for file in _found(workspace, path):
            file.unlink()

    return damage


def written(path: str) -> Damage:
    def damage(workspace: Workspace) -> None:
        (workspace.home / path).parent.mkdir(exist_ok=True)
        (workspace.home / path).write_text("{}")

    return damage


def copied(path: str, target: str, **keys: object) -> Damage:
    def damage(workspace: Workspace) -> None:
        (file,) = _found(workspace, path)
        (workspace.home / target).write_text(json.dumps({**json.loads(file.read_text()), **keys}))

    return damage


def edited(path: str, **keys: object) -> Damage:
    return copied(path, path, **keys)


def _found(workspace: Workspace, path: str) -> list[Path]:
    files = list(workspace.home.glob(path))
    assert files
    return files


DAMAGES = {
    "at rest it is executing": sql(f"UPDATE tasks SET state = 'executing' WHERE id = '{WAITS}'"),
    "with the outcome done": sql(f"UPDATE tasks SET state = 'failed' WHERE id = '{DONE}'"),
    "and ended is None": sql(f"UPDATE tasks SET ended = NULL WHERE id = '{DONE}'"),
    "held for None": sql("UPDATE tasks SET hold_reason = NULL WHERE state = 'held'"),
    "waits at Stop": sql(f"UPDATE tasks SET gate = 'Stop' WHERE id = '{DONE}'"),
    "there is no result": removed(f"results/{DONE}.json"),
    "there is a result, and no row": copied(f"results/{DONE}.json", f"results/{GONE}.json", task_id=GONE),
    "its result is not one": edited(f"results/{DONE}.json", outcome="failed"),
    "another task's": edited(f"results/{DONE}.json", task_id=SEEN),
    "there is a result, and its row is": copied(f"results/{DONE}.json", f"results/{WAITS}.json", task_id=WAITS),
    "outcome is 'timeout' in its result": edited(f"results/{FAILED}.json", outcome="timeout"),
    "status is 'done'": edited(f"results/{SEEN}.json", status="done"),
    "ack_written is 0": sql(f"UPDATE tasks SET ack_written = 0 WHERE id = '{SEEN}'"),
    "no warning says so": edited(f"results/{DONE}.json", crashes=1, warnings=[]),
    "its tokens are": sql(f"UPDATE sends SET prompt = prompt + 1 WHERE task_id = '{DONE}'"),
    "calls on record": sql(f"DELETE FROM sends WHERE task_id = '{DONE}'"),
    "its cost is": edited(f"results/{DONE}.json", cost={"amount": 1000.0, "currency": "CNY"}),
    "a call is under way": sql(f"UPDATE sends SET ended_at = NULL WHERE task_id = '{DONE}'"),
    "is not owed it": sql(f"DELETE FROM deliveries WHERE task_id = '{FAILED}'"),
    "is waiting": sql(f"UPDATE deliveries SET state = 'waiting' WHERE task_id = '{DONE}'"),
    "no run is on record": sql(f"DELETE FROM hook_runs WHERE task_id = '{DONE}'"),
    "is told this of": sql(
        "INSERT INTO deliveries (event_id, hook_id, event, task_id, state, due_at) VALUES "
        f"('{WAITS}-TaskCompleted', 'told', 'TaskCompleted', '{WAITS}', 'delivered', 0)"
    ),
    "spool/incoming/": written(f"spool/incoming/{GONE}__a.md"),
    "its task has ended, or is not known": written(f"spool/turns/{DONE}/1.json"),
    "spool/accepted/": written(f"spool/accepted/{GONE}__a.md"),
    " is gone": removed("spool/accepted/*"),
    "without its file": removed("spool/rejected/*.json"),
    "spool/rejected/": removed("spool/rejected/*.txt"),
    "results/.tmp-": written("results/.tmp-1"),
    "spool/rejected/.tmp-": written("spool/rejected/.tmp-1"),
    "pending-wake.json lists": sql("UPDATE tasks SET ended = -ended WHERE ended > 0"),
    "pending-wake.json": removed("results/pending-wake.json"),
    "latest.json is": edited("results/latest.json", output="?"),
    "task-output.txt is": written("results/task-output.txt"),
}


@pytest.mark.parametrize("told", DAMAGES)
def test_damage_is_told(used: Workspace, told: str) -> None:
    """Each kind of damage is told in its own words."""
    DAMAGES[told](used)
    found = violations(used)
    assert any(told in line for line in found), found
