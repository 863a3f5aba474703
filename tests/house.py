"""A workspace to test with: drop files, drain it in this process, or run the real program on it."""

from __future__ import annotations

import json
import os
import subprocess
import sysconfig
import textwrap
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Self, TypeVar

import yaml

from kimi_hooks import turns, waiting
from kimi_hooks.app import assemble
from kimi_hooks.clock import Clock
from kimi_hooks.journal import deliveries, tasks
from kimi_hooks.journal.deliveries import HookRun
from kimi_hooks.journal.store import Connection, Journal, open_existing
from kimi_hooks.journal.tasks import Entry
from kimi_hooks.layout import lay_out
from kimi_hooks.parts import Parts
from kimi_hooks.runner import Runner
from kimi_hooks.standin.server import Standin
from kimi_hooks.states import State
from kimi_hooks.workspace import Workspace

T = TypeVar("T")
KEY = "sk-test-key-of-nobody"
PROGRAM = str(Path(sysconfig.get_path("scripts")) / "kimi-hooks")
PATIENCE = 30.0


class House:
    """One workspace and its Kimi."""

    def __init__(self, home: Path, kimi: Standin) -> None:
        self.workspace = Workspace(home)
        self.kimi = kimi
        self.environ = {**os.environ, "KIMI_API_KEY": KEY, "KIMI_API_URL": kimi.url}
        self._runners: list[subprocess.Popen[bytes]] = []
        lay_out(self.workspace)
        self.configure()

    @property
    def home(self) -> Path:
        return self.workspace.home

    def configure(self, hooks: Mapping[str, Any] | None = None, **keys: Any) -> None:
        """Write config.yaml anew: quick retries, wide limits, and what is given."""
        config = {
            "workspace": 1,
            "limits": {"requests_per_minute": 10_000},
            "retry": {"first_pause": 0.01, "max_pause": 0.02},
            "settle_seconds": 0.05,
            "grace_seconds": 5,
            "hooks": hooks or {},
            **keys,
        }
        self.workspace.config_file.write_text(yaml.safe_dump(config))

    def hook(self, script: str, name: str = "hook.sh", *, event: str = "TaskCompleted", **keys: Any) -> None:
        """Write a hook script and configure it as the only hook, for one event."""
        path = self.workspace.hooks / name
        path.write_text(textwrap.dedent(script).lstrip())
        path.chmod(0o755)
        handler = {"id": "my-hook", "command": f"hooks/{name}", **keys}
        self.configure({event: [{"hooks": [handler]}]})

    def drop(self, name: str, content: str | bytes | Mapping[str, Any]) -> Path:
        """Move a whole file into the outbox."""
        if isinstance(content, Mapping):
            content = json.dumps(content, ensure_ascii=False)
        data = content.encode() if isinstance(content, str) else content
        beside = self.home / "being-written"
        beside.write_bytes(data)
        return beside.rename(self.workspace.outbox / name)

    def parts(self, clock: Clock | None = None, **environ: str) -> Parts:
        return assemble(self.workspace, {**self.environ, **environ}, clock)

    def drain(self, clock: Clock | None = None, **environ: str) -> Runner:
        """Work in this process until nothing is left to do, hooks included."""
        runner = Runner(self.parts(clock, **environ))
        runner.run(drain=True)
        return runner

    def running(self, clock: Clock | None = None, parts: Parts | None = None) -> Running:
        """Return a runner in a thread of this process, as a context manager."""
        return Running(Runner(parts or self.parts(clock)))

    def start(self, *arguments: str, within: Sequence[str] = (), **environ: str) -> subprocess.Popen[bytes]:
        """Start the real program's runner as a process of its own and wait until it is ready.

        `within` is what starts it, in another place.
        """
        ready, told = os.pipe()
        child = subprocess.Popen(
            [*within, PROGRAM, "--home", str(self.home), "run", *arguments],
            env={**self.environ, **environ, "KIMI_HOOKS_READY_FD": str(told)},
            pass_fds=(told,),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(told)
        self._runners.append(child)
        with os.fdopen(ready, "rb") as pipe:
            assert pipe.read(1) == b"1", self.log
        return child

    def call(
        self, *arguments: str, stdin: bytes = b"", within: Sequence[str] = (), **environ: str
    ) -> subprocess.CompletedProcess[str]:
        """Run a verb of the real program in the workspace."""
        finished = subprocess.run(
            [*within, PROGRAM, "--home", str(self.home), *arguments],
            env={**self.environ, **environ},
            input=stdin,
            capture_output=True,
            timeout=PATIENCE,
            check=False,
        )
        return subprocess.CompletedProcess(
            finished.args, finished.returncode, finished.stdout.decode(), finished.stderr.decode()
        )

    def wait(self, *task_ids: str) -> list[Entry]:
        return waiting.wait(self.workspace, task_ids, PATIENCE, Clock())

    def entries(self) -> list[Entry]:
        """Return the rows of all tasks in order of arrival."""
        in_states = self.read_journal(lambda db: [tasks.in_state(db, state) for state in State])
        return sorted((entry for entries in in_states for entry in entries), key=lambda entry: entry.seq)

    def entry(self) -> Entry:
        """Return the row of the only task."""
        (only,) = self.entries()
        return only

    def result(self, task_id: str | None = None) -> dict[str, Any]:
        """Return a task's result, of the only task unless one is named."""
        path = self.workspace.result_file(task_id or self.entry().id)
        result: dict[str, Any] = json.loads(path.read_text())
        return result

    def runs(self) -> list[HookRun]:
        """Return the record of hook runs, oldest first."""
        return self.read_journal(lambda db: deliveries.runs(db, task_id=None, hook_id=None, limit=10_000))[::-1]

    def prompts(self) -> list[str]:
        """Return what Kimi was asked, in order."""
        return [str(request.body["messages"][-1]["content"]) for request in self.kimi.requests if request.body]

    def pending(self) -> dict[str, Any]:
        pending: dict[str, Any] = json.loads((self.workspace.results / "pending-wake.json").read_text())
        return pending

    def latest(self) -> dict[str, Any]:
        latest: dict[str, Any] = json.loads((self.workspace.results / "latest.json").read_text())
        return latest

    def rejected(self) -> Sequence[Path]:
        return sorted(path for path in self.workspace.rejected.iterdir() if not path.name.endswith(".reason.txt"))

    def reason(self) -> str:
        """Return why the only rejected file was rejected."""
        (only,) = self.workspace.rejected.glob("*.reason.txt")
        return only.read_text()

    @property
    def log(self) -> str:
        return self.workspace.log_file.read_text() if self.workspace.log_file.exists() else ""

    def read_journal(self, operation: Callable[[Connection], T]) -> T:
        journal: Journal = open_existing(self.workspace.journal_file)
        try:
            return journal.read(operation)
        finally:
            journal.close()

    def undo_row(self, task_id: str) -> None:
        """Put the journal back to the instant before the row was finished: the result lies on the disk."""

        def undo(db: Connection) -> None:
            db.execute("UPDATE tasks SET state = 'executing', outcome = NULL, ended = NULL WHERE id = ?", (task_id,))

        journal = Journal(self.workspace.journal_file)
        journal.write(undo)
        journal.close()

    def point_results_to(self, target: Path) -> None:
        """Make results/ a link to the target, in one instant."""
        link = self.home / "new-link"
        link.symlink_to(target)
        link.replace(self.workspace.results)

    def spoil_journal(self) -> None:
        """Give a column that the program needs another name: nothing in the journal is lost."""
        journal = Journal(self.workspace.journal_file)
        journal.write(lambda db: db.execute("ALTER TABLE tasks RENAME COLUMN attempts TO lost"))
        journal.close()

    def make_deliveries_due(self) -> None:
        """Let all that hooks are owed be due now."""
        journal = Journal(self.workspace.journal_file)
        journal.write(lambda db: db.execute("UPDATE deliveries SET due_at = 0"))
        journal.close()

    def forget_ending(self, task_id: str, result: Mapping[str, Any]) -> None:
        """Put all back to the instant after the result was kept: not in `results/` yet, no finished row."""
        turns.keep(self.workspace.turns, result)
        self.workspace.result_file(task_id).unlink()
        self.undo_row(task_id)

    def close(self) -> None:
        for child in self._runners:
            child.kill()
            child.wait()


def until(condition: Callable[[], bool], seconds: float = PATIENCE) -> None:
    """Wait for something that no event tells; fail when it does not come."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come to that in time"
        time.sleep(0.01)


def group_lives(group: int) -> bool:
    """Tell whether any process of the group is left."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


class Running:
    """A runner in a thread; stopped, and its error raised, at the end of the block."""

    def __init__(self, runner: Runner) -> None:
        self.runner = runner
        self._ready = threading.Event()
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run)
        runner._on_ready = self._ready.set

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._ready.wait(PATIENCE), "the runner did not become ready"
        return self

    def __exit__(self, *_: object) -> None:
        self.runner.stop()
        self._thread.join(PATIENCE)
        assert not self._thread.is_alive(), "the runner did not stop"
        if self._error:
            raise self._error

    def _run(self) -> None:
        try:
            self.runner.run()
        except BaseException as error:
            self._error = error
            self._ready.set()
