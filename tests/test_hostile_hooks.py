"""Whatever a hook does, it is recorded, it is capped, and nobody else notices."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.house import House, group_lives, until

HOSTILE, GOOD = "kimi-1700000000-aaaaaaaa", "kimi-1700000000-bbbbbbbb"
FLOOD = 100_000_000
on_linux = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks at processes the way Linux does")


@pytest.fixture(autouse=True)
def _nothing_stays(house: House) -> Iterator[None]:
    """End what escaped on purpose: it tells its process id in `strays`."""
    yield
    strays = house.home / "strays"
    for pid in strays.read_text().split() if strays.exists() else []:
        try:
            os.kill(int(pid), signal.SIGKILL)
        except ProcessLookupError:
            continue


def configure(house: House, scripts: str | dict[str, str], **keys: Any) -> None:
    """Let a task named `hostile` have the hooks, and every other one a good hook."""
    named = {"hostile": scripts} if isinstance(scripts, str) else scripts
    hostile = [_handler(house, name, script, keys) for name, script in named.items()]
    groups = [
        {"matcher": "hostile", "hooks": hostile},
        {"matcher": "^(?!hostile$)", "hooks": [{"id": "good", "command": "exit 0"}]},
    ]
    house.configure({"TaskCompleted": groups}, grace_seconds=0, limits={"requests_per_minute": 10_000, "hooks": 200})
    house.drop(f"{HOSTILE}.json", {"prompt": "x", "name": "hostile"})


def _handler(house: House, name: str, script: str, keys: dict[str, Any]) -> dict[str, Any]:
    path = house.workspace.hooks / f"{name}.sh"
    path.write_text(f"#!/bin/bash\n{script}\n")
    path.chmod(0o755)
    return {"id": name, "command": str(path), "retries": 0, **keys}


def strays(house: House) -> list[int]:
    path = house.home / "strays"
    return [int(pid) for pid in path.read_text().split()] if path.exists() else []


def is_alive(pid: int) -> bool:
    """Tell whether the process runs still; one that nobody has reaped does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


HANGING = {
    "hangs": "sleep 60",
    "ignores-term": "trap '' TERM; while :; do sleep 60; done",
    "forks": "for n in $(seq 50); do (trap '' TERM; sleep 60) & done; wait",
    "stops-itself": "kill -STOP $$",
    "closes-all-it-has": "exec >&- 2>&- <&-; sleep 60",
    "writes-without-end": "yes",
}
HANGING = {name: f"echo $$ > .{name}; mv .{name} {name}\n{script}" for name, script in HANGING.items()}


def groups(house: House) -> list[int]:
    """Return the process groups of those that hang and have begun."""
    return [int((house.home / name).read_text()) for name in HANGING if (house.home / name).exists()]


def test_others_go_on_while_hooks_hang(house: House) -> None:
    """Another task is answered and its hook told; when the runner leaves, it takes them all along."""
    configure(house, HANGING, timeout=60)
    with house.running():
        until(lambda: len(groups(house)) == len(HANGING))
        house.drop(f"{GOOD}.md", "x")
        until(lambda: [run.hook_id for run in house.runs()] == ["good"])
    until(lambda: not any(group_lives(group) for group in groups(house)))


def test_time_outs_end_hooks_with_all_their_children(house: House) -> None:
    """Whatever they do against it; each is recorded, with what it printed cut."""
    configure(house, HANGING, timeout=0.5)
    house.drain()
    runs = house.runs()
    assert {run.hook_id for run in runs} == set(HANGING)
    assert {(run.outcome, run.exit_code) for run in runs} == {("gave_up", None)}
    assert all("ended by its time-out" in run.stderr for run in runs)
    assert max(len(run.stdout) for run in runs) == 8192
    until(lambda: not any(group_lives(group) for group in groups(house)))


@on_linux
def test_children_in_groups_of_their_own_are_ended_too(house: House) -> None:
    """A shell with job control gives each child one; they are found by their session."""
    configure(house, "set -m\nsleep 60 & echo $! >> strays\n(trap '' TERM; sleep 60) & echo $! >> strays\nwait",
              timeout=0.5)  # fmt: skip
    house.drain()
    assert [run.outcome for run in house.runs()] == ["gave_up"]
    assert len(strays(house)) == 2
    until(lambda: not any(is_alive(pid) for pid in strays(house)))


@pytest.mark.parametrize("end", ["exit 0", "sleep 60"], ids=["exits", "hangs"])
def test_a_daemon_that_it_leaves_behind_holds_up_nothing(house: House, end: str) -> None:
    """Forked twice, in a session of its own, with the hook's outputs open: the record is that of the hook."""
    daemon = "import os, time\nif os.fork() == 0:\n os.setsid()\n if os.fork() == 0:\n"
    daemon += "  open('strays', 'a').write(f'{os.getpid()}\\n')\n  time.sleep(60)\n os._exit(0)\nos.wait()"
    configure(house, f"echo said\npython3 -c {shlex.quote(daemon)}\n{end}", timeout=2)
    house.drain()
    (run,) = house.runs()
    assert (run.outcome, run.stdout) == ("delivered" if end == "exit 0" else "gave_up", "said\n")
    until(lambda: len(strays(house)) == 1)


@on_linux
def test_a_flood_on_both_outputs_costs_no_memory(house: House) -> None:
    """The ends of both are kept; the process that reads them stays small."""
    flood = f"head -c {FLOOD} /dev/zero | tr '\\0' x"
    configure(house, f"{flood} & {flood} >&2; wait\necho END; echo FIN >&2; exit 1", timeout=60)
    with house.running() as running:
        until(lambda: len(house.runs()) == 1, 60)
        launcher = running.runner._parts.site.processes._launcher
        assert launcher is not None
        status = Path(f"/proc/{launcher.process.pid}/status").read_text()
    (run,) = house.runs()
    assert (len(run.stdout), len(run.stderr)) == (8192, 8192)
    assert run.stdout.endswith("END\n")
    assert run.stderr.endswith("FIN\n")
    peak = re.search(r"VmHWM:\s*([0-9]+) kB", status)
    assert peak is not None
    assert int(peak[1]) < 100_000
    (folder,) = house.workspace.hook_runs.iterdir()
    assert sum(file.stat().st_size for file in folder.iterdir()) <= 2 * 1024 * 1024


def test_what_it_prints_cannot_harm_a_terminal(house: House) -> None:
    """Control characters, NUL and half characters are shown as escapes, in the record and in the log; JSON holds."""
    bad = r"\033[2J\033]0;title\007 \000 \377\376 \r \x9b31m \xe2\x80\xae"
    configure(house, f"printf '{bad}'; printf '{bad}\\n' >&2; exit 1")
    child = house.start()
    until(lambda: len(house.runs()) == 1)
    child.terminate()
    child.wait()
    for text in (house.call("hooks", "runs").stdout, house.log):
        assert "hostile" in text
        assert [char for char in text if not char.isprintable() and char != "\n"] == []
    (run,) = json.loads(house.call("hooks", "runs", "--json").stdout)
    assert run["stderr"].startswith("\x1b[2J")


@pytest.mark.parametrize(
    ("script", "keys", "told"),
    [
        ('rm -- "$0"; exit 1', {}, "not found"),
        ("rmdir ../work; exit 1", {"cwd": "work"}, "work"),
        ('chmod 644 "$0"; exit 1', {"args": []}, "Permission denied"),
    ],
    ids=["its file", "its folder", "its run bit"],
)
def test_a_hook_that_takes_away_what_it_needs(house: House, script: str, keys: dict[str, Any], told: str) -> None:
    """The next try cannot start; that is a failure of the hook like any other, and told with its cause."""
    (house.home / "work").mkdir()
    configure(house, script, **{**keys, "retries": 1})
    house.drain()
    first, second = house.runs()
    assert (first.exit_code, first.outcome, second.outcome) == (1, "retry", "gave_up")
    assert told in second.stderr


def test_it_has_no_terminal(house: House) -> None:
    """What it writes to /dev/tty does not come to whoever started the runner; nobody can be asked for a password."""
    configure(house, "echo hello > /dev/tty")
    house.drain()
    (run,) = house.runs()
    assert run.exit_code != 0
    assert "/dev/tty" in run.stderr


def test_it_cannot_leave_its_group(house: House) -> None:
    """It leads a session of its own, so the system refuses."""
    configure(house, "exec python3 -c 'import os; os.setpgid(0, 0)'")
    house.drain()
    assert "PermissionError" in house.runs()[0].stderr


def test_input_that_nobody_reads(house: House) -> None:
    """A hook may close it or leave it, however large it is; it is delivered."""
    configure(house, "exec <&-; exit 0")
    house.drain()
    house.drop("kimi-1700000000-cccccccc.json", {"prompt": "x", "name": "hostile", "metadata": {"k": "x" * 5_000_000}})
    house.drain()
    assert [run.outcome for run in house.runs()] == ["delivered", "delivered"]


def test_a_hundred_of_them_at_once(house: House) -> None:
    """Each is ended and recorded once, and the hook of another event is told meanwhile."""
    configure(house, "trap '' TERM; sleep 60 & sleep 60", timeout=0.3)
    for number in range(99):
        house.drop(f"{number}.json", {"prompt": "x", "name": "hostile"})
    house.drop(f"{GOOD}.md", "x")
    house.drain()
    runs = house.runs()
    assert len(runs) == len({run.event_id for run in runs}) == 101
    assert {run.outcome for run in runs if run.hook_id == "hostile"} == {"gave_up"}
    assert [run.outcome for run in runs if run.hook_id == "good"] == ["delivered"]
