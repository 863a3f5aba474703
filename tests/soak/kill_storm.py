"""A kill storm: the real runner, killed again and again at random while tasks come, and what must hold afterwards.

    .venv/bin/python -m tests.soak.kill_storm --tasks 2000 --kills 200 [--seed N] [--folder DIR]

Each life of the runner asks for a model of its own, so that the imitation can tell who called. Prints a table and ends
with 1 if any promise was broken; the workspace of a storm that broke one is kept.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import select
import shutil
import signal
import subprocess
import sys
import sysconfig
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from kimi_hooks.layout import lay_out
from kimi_hooks.standin.records import Record
from kimi_hooks.standin.server import Standin
from kimi_hooks.workspace import Workspace
from tests.soak import verdict
from tests.soak.kinds import Dropped, draw
from tests.soak.verdict import Call, Evidence, Line

PROGRAM = str(Path(sysconfig.get_path("scripts")) / "kimi-hooks")
NAME = re.compile(r"\b(first|t\d{5}-\w+)\b")
LATENCY = 0.15
# Of all kills, so many fall while the runner starts and puts right what the last one left.
EARLY = 0.3
LONGEST_START = 60.0
LONGEST_DRAIN = 900.0
HOOKS = {
    # Takes a moment after it has told, so that kills fall into it.
    "tell.sh": 'echo "$KIMI_TASK_ID tell $PPID ok" >>"$KIMI_HOOKS_HOME/told"; sleep 0.1\n',
    # Fails at its first run for one task in five.
    "flaky.sh": """case "$KIMI_TASK_NAME" in *[38]-*)
  if mkdir "tried/$KIMI_TASK_ID" 2>/dev/null; then
    echo "$KIMI_TASK_ID flaky $PPID fails" >>"$KIMI_HOOKS_HOME/told"
    exit 1
  fi ;;
esac
echo "$KIMI_TASK_ID flaky $PPID ok" >>"$KIMI_HOOKS_HOME/told"
""",
    "once-more.sh": """case $(cat) in
  *'"stop_hook_active": false'* | *'"stop_hook_active":false'*) echo "once more, $KIMI_TASK_NAME" >&2; exit 2 ;;
esac
""",
}


@dataclass
class Storm:
    """One workspace and what happens in it."""

    home: Path
    tasks: Sequence[Dropped]
    kills: int
    chance: random.Random
    calls: list[Call] = field(default_factory=list)
    killed: int = 0
    killed_early: int = 0
    killed_at_work: int = 0
    dropped: int = 0
    seen: dict[str, bytes] = field(default_factory=dict)

    def run(self) -> Evidence:
        """Let it rage, let what is left be done, and return what there is to judge."""
        began = time.monotonic()
        self._lay_out()
        with Standin(latency=LATENCY, known_models=None, journal=self._hear, keep=0) as kimi:
            feeder = threading.Thread(target=self._feed)
            feeder.start()
            while self.killed < self.kills:
                self._live_and_die(kimi.url)
            feeder.join()
            drained = self._drain(kimi.url)
        return Evidence(
            workspace=self._workspace,
            tasks=self.tasks,
            calls=self.calls,
            lines=_lines(self.home / "told"),
            seen=self.seen,
            kills=self.killed,
            kills_early=self.killed_early,
            kills_at_work=self.killed_at_work,
            drained=drained,
            seconds=time.monotonic() - began,
        )

    @property
    def _workspace(self) -> Workspace:
        return Workspace(self.home)

    def _lay_out(self) -> None:
        lay_out(self._workspace)
        (self.home / "tried").mkdir()
        for name, script in HOOKS.items():
            file = self._workspace.hooks / name
            file.write_text(f"#!/bin/bash\n{script}")
            file.chmod(0o755)
        self._workspace.config_file.write_text(json.dumps(_config(self.kills)))

    def _hear(self, record: Record) -> None:
        if record.body is not None and (found := NAME.search(json.dumps(record.body["messages"]))):
            turn = sum(message["role"] == "assistant" for message in record.body["messages"])
            self.calls.append(Call(found[0], turn, record.body["model"], record.at))

    def _feed(self) -> None:
        """Drop the tasks all along: as many as is their share of the kills so far."""
        for number, task in enumerate(self.tasks):
            while number > len(self.tasks) * (self.killed + 1) / self.kills:
                time.sleep(0.02)
            self._drop(task, in_place=number % 8 == 0)
            self.dropped = number + 1
            if number % 5 == 0:
                time.sleep(self.chance.uniform(0, 0.1))

    def _drop(self, task: Dropped, *, in_place: bool) -> None:
        target = self._workspace.outbox / task.file_name
        if in_place:
            with target.open("w") as file:
                # In place and in two parts: whole only when it is closed.
                file.write(task.content[:7])
                file.flush()
                time.sleep(0.005)
                file.write(task.content[7:])
            return
        beside = self.home / "being-written"
        beside.write_text(task.content)
        beside.rename(target)

    def _live_and_die(self, url: str) -> None:
        """Start a runner and kill it, while it starts or after some time at work."""
        is_early = self.chance.random() < EARLY
        child, ready = self._start(url, f"life-{self.killed}")
        with os.fdopen(ready, "rb") as pipe:
            select.select([pipe], [], [], self.chance.uniform(0, 0.7) if is_early else LONGEST_START)
        if not is_early:
            time.sleep(self.chance.expovariate(1 / 0.5))
        child.kill()
        if (code := child.wait()) != -signal.SIGKILL:
            raise SystemExit(f"the runner left by itself, with {code}; see {self.home}/spool/logs/runner.log")
        self._note_results()
        self.killed += 1
        self.killed_early += is_early
        self.killed_at_work += len(self.seen) < self.dropped

    def _note_results(self) -> None:
        """Remember each result as it was first: nobody may write another one over it."""
        for file in self._workspace.results.glob("kimi-*.json"):
            if file.name not in self.seen:
                self.seen[file.name] = file.read_bytes()

    def _start(self, url: str, model: str) -> tuple[subprocess.Popen[bytes], int]:
        ready, told = os.pipe()
        child = subprocess.Popen(
            [PROGRAM, "--home", str(self.home), "run"],
            env={**self._environ(url, model), "KIMI_HOOKS_READY_FD": str(told)},
            pass_fds=(told,),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(told)
        return child, ready

    def _drain(self, url: str) -> int:
        """Let the last life do what is left."""
        command = [PROGRAM, "--home", str(self.home), "run", "--drain"]
        environ = self._environ(url, f"life-{self.killed}")
        return subprocess.run(command, env=environ, capture_output=True, check=False, timeout=LONGEST_DRAIN).returncode

    def _environ(self, url: str, model: str) -> dict[str, str]:
        kimi = {"KIMI_API_KEY": "sk-key-of-a-storm", "KIMI_API_URL": url, "KIMI_MODEL": model}
        return {"PATH": os.environ["PATH"], "HOME": str(self.home.parent), **kimi}


def _config(kills: int) -> dict[str, object]:
    price = {"prices": {"CNY": {"hit": 1, "miss": 2, "output": 3}}, "context": 200_000}

    def hook(name: str, **keys: object) -> dict[str, object]:
        return {"id": name, "command": f"hooks/{name}.sh", **keys}

    told = [{"hooks": [hook("tell")]}]
    return {
        "workspace": 1,
        "kimi": {"models": {f"life-{number}": price for number in range(kills + 1)}},
        "limits": {"requests_per_minute": 1_000_000},
        "retry": {"first_pause": 0.05, "max_pause": 0.3, "max_crashes": 1000},
        "settle_seconds": 0.1,
        "hooks": {
            "Stop": [{"matcher": ".*-back", "hooks": [hook("once-more")]}],
            "TaskCompleted": [{"hooks": [hook("tell"), hook("flaky", retries=3)]}],
            "TaskFailed": told,
        },
    }


def _lines(file: Path) -> list[Line]:
    # A hook that was killed may have left a part of its line: appends this short are whole or not there.
    return [Line(*line.split()) for line in file.read_text().splitlines()]


def rage(home: Path, tasks: int, kills: int, seed: int) -> Evidence:
    """Run one storm in a new folder and return what there is to judge."""
    chance = random.Random(seed)
    return Storm(home, draw(tasks, chance), kills, chance).run()


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.soak.kill_storm", description=__doc__)
    parser.add_argument("--tasks", type=int, default=2000)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10_000))
    parser.add_argument("--folder", type=Path, help="where to work; default: the system's temporary folder")
    chosen = parser.parse_args()
    root = Path(tempfile.mkdtemp(prefix="kimi-hooks-storm-", dir=chosen.folder))
    print(f"storm: {chosen.tasks} tasks, {chosen.kills} kills, seed {chosen.seed}, in {root}", flush=True)
    found = verdict.judge(rage(root / "home", chosen.tasks, chosen.kills, chosen.seed))
    print(found.table())
    if not found.breaches:
        shutil.rmtree(root)
    return int(bool(found.breaches))


if __name__ == "__main__":
    sys.exit(main())
