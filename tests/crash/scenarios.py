"""What happens while the program dies: a table of scenarios, each with the points that it passes."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

from kimi_hooks.crash_points import Point
from kimi_hooks.standin.faults import Fault
from tests.crash.crashing import DRAIN, HEARD, Death, Scenario
from tests.house import House

OLD = Path(__file__).parents[1] / "packaging" / "workspace-1"
A, B, C, D, E, F = (f"kimi-1700000000-{letter * 8}" for letter in "abcdef")
OLD_ENDED, OLD_WAITS = "kimi-1795355134-endedold", "kimi-1795355135-waitsold"

PRICES = {"kimi-k3": {"prices": {"USD": {"hit": 0.3, "miss": 3.0, "output": 15.0}}}}
PRICED = {"models": PRICES, "currency": "USD"}
Hooks = Mapping[str, list[dict[str, Any]]]


def hook(hook_id: str, script: str = "true") -> dict[str, Any]:
    """Return a hook that writes down what it hears, and then does what the script says."""
    return {"id": hook_id, "command": f'echo "$KIMI_EVENT_ID {hook_id}" >>{HEARD}; {script}'}


def under(event: str, *hooks: dict[str, Any]) -> Hooks:
    return {event: [{"hooks": list(hooks)}]}


def heard(*told: str) -> frozenset[tuple[str, str]]:
    """Return what must have been heard: each a task, an event, and hooks."""
    lines = [line.split() for line in told]
    return frozenset((f"{task_id}-{event}", each) for task_id, event, *hooks in lines for each in hooks)


FAILS_FIRST = 'mkdir "tried-$KIMI_EVENT_ID" 2>/dev/null && exit 1; exit 0'
ASKED_AGAIN = 'case "$KIMI_EVENT_ID" in *-Stop-1) echo "Once more." >&2; exit 2;; esac'
NEWS: Hooks = {**under("TaskCompleted", hook("one")), **under("TaskFailed", hook("lost"))}
# Every task passes these, from the mail slot to its news.
ENDS = (Point.COMMITTING, Point.FILE_WRITTEN, Point.FILE_NAMED, Point.TASKS_INSERTED, Point.CLAIM_PUT_AWAY)
TOLD = (
    Point.DELIVERY_STARTED,
    Point.DELIVERY_RUN,
    Point.DELIVERY_RECORDED,
    Point.PENDING_WRITTEN,
    Point.LATEST_WRITTEN,
)
CALLED = (Point.SEND_MARKED, Point.CALL_LEFT, Point.CALL_ANSWERED, Point.RESULT_WRITTEN, Point.TASK_ENDED)


def ask(house: House, task_id: str, **keys: Any) -> None:
    """Drop a task whose prompt names it, so that its calls can be told from others."""
    house.drop(f"{task_id}.json", {"prompt": f"Do {task_id}.", **keys})


def cut_first_answer(house: House, task_id: str) -> None:
    """Let Kimi's answer be cut as long as none is kept: a call that is made again is cut again."""
    first = house.workspace.turns / task_id / "1.json"
    house.kimi.add(
        Fault(
            text="Half ", finish_reason="length", times=None, when=lambda said: task_id in said and not first.exists()
        )
    )


def plain(house: House) -> None:
    house.configure(under("TaskCompleted", hook("one", FAILS_FIRST), hook("two")))
    ask(house, A)


def refused(house: House) -> None:
    house.configure(NEWS, kimi=PRICED)
    house.drop(f"{A}.json", "{")


def cut(house: House) -> None:
    house.configure(NEWS, kimi=PRICED)
    cut_first_answer(house, A)
    ask(house, A)


def gated(house: House) -> None:
    house.configure(
        {
            **under("TaskCreated", hook("created")),
            **under("UserPromptSubmit", hook("prompt", "echo 'Be brief.'")),
            **under("Stop", hook("stop", ASKED_AGAIN), {**hook("news"), "async": True}),
            **under("TaskCompleted", hook("one")),
        },
        kimi=PRICED,
    )
    cut_first_answer(house, A)
    ask(house, A)


def kept(house: House) -> None:
    """Take `results/` away between the question and the end."""
    house.configure(
        {**under("UserPromptSubmit", hook("prompt", "mv results real-results && ln -s said results")), **NEWS}
    )
    ask(house, A)


def mend_results(house: House) -> None:
    if house.workspace.results.is_symlink():
        house.workspace.results.unlink()
        (house.home / "real-results").rename(house.workspace.results)


def edited(house: House) -> None:
    """Let a hook edit config.yaml."""
    edit = "sed 's/max_pause: 0.02/max_pause: 0.03/' config.yaml >new-config && mv new-config config.yaml"
    house.configure(under("TaskCompleted", hook("one", edit), hook("two")))
    ask(house, A)


def old(house: House) -> None:
    """Lay the journal of the first version into the workspace."""
    house.configure(under("TaskCompleted", hook("webhook-handler"), hook("notify-agi")))
    shutil.copy(OLD / "results" / f"{OLD_ENDED}.json", house.workspace.results)
    with closing(sqlite3.connect(house.workspace.journal_file)) as db:
        db.executescript((OLD / "journal.sql").read_text())


def mixed(house: House) -> None:
    """Let tasks of many kinds come at once."""
    gives_up = hook("two", 'echo "never" >&2; exit 2')
    house.configure(
        {
            **under("TaskCompleted", hook("one", FAILS_FIRST), gives_up),
            **under("TaskFailed", hook("lost")),
            **under("Notification", hook("notified")),
        },
        kimi=PRICED,
    )
    house.kimi.add(Fault(kind="http", status=400, type="invalid_request_error", times=None, when=D))
    ask(house, A, dedupe_key="same")
    house.drop(f"{B}.json", {"prompt": f"Do {B}.", "after": [A]})
    house.drop(f"{C}.json", {"prompt": f"Do {C}.", "dedupe_key": "same"})
    ask(house, D)
    ask(house, E, standin=True)
    house.drop(f"{F}.yaml", "prompt: [")


def seen(house: House) -> None:
    house.configure(NEWS, kimi=PRICED)
    ask(house, A)


def again(house: House) -> None:
    """Let a task fail, until its failure has been told."""
    told = house.home / "told"
    house.configure(
        {**under("TaskCompleted", hook("one")), **under("TaskFailed", hook("lost", "touch told"))}, kimi=PRICED
    )
    house.kimi.add(
        Fault(
            kind="http",
            status=400,
            type="invalid_request_error",
            times=None,
            when=lambda said: A in said and not told.exists(),
        )
    )
    ask(house, A)


def held(house: House) -> None:
    house.configure(NEWS, kimi=PRICED, retry={"on_unknown": "hold"})
    ask(house, A)


def two(house: House) -> None:
    """Let one task end after another."""
    house.configure(NEWS, kimi=PRICED, limits={"requests_per_minute": 10_000, "concurrency": 1})
    ask(house, A)
    ask(house, B)


def full_log(house: House) -> None:
    """Begin with a log that is full, and one that was put aside before."""
    house.configure(NEWS, log={"max_bytes": 100_000, "keep": 2})
    for name in ("runner.log", "runner.log.1"):
        house.workspace.log_file.with_name(name).write_text("full\n" * 20_000)
    ask(house, A)


# A new point belongs into the `points` of a scenario that passes it, or of a new one. Those are dead at, once each.
SCENARIOS: Mapping[str, Scenario] = {
    "plain": Scenario(
        plain,
        (*ENDS, *TOLD, *CALLED, Point.SCHEMA_SCRIPT, Point.SCHEMA_MIGRATED, Point.CLAIM_RENAMED, Point.CLAIM_SYNCED,
         Point.ACCEPTED_FORGOTTEN),
        {A: "done"}, {A: 1}, heard(f"{A} TaskCompleted one two"),
    ),
    "refused": Scenario(
        refused, (*ENDS, *TOLD, Point.REFUSAL_WRITTEN), {A: "failed"}, {}, heard(f"{A} TaskFailed lost")
    ),
    "cut": Scenario(
        cut, (*CALLED, Point.TURN_WRITTEN, Point.TURN_COUNTED, Point.TURNS_FORGOTTEN), {A: "done"}, {A: 2},
        heard(f"{A} TaskCompleted one"),
    ),
    "gated": Scenario(
        gated, (*CALLED, *TOLD, Point.GATE_ASKED, Point.GATE_SETTLED, Point.TURN_WRITTEN, Point.TURN_COUNTED,
                Point.TURNS_FORGOTTEN),
        {A: "done"}, {A: 3},
        heard(f"{A} TaskCreated created", f"{A} UserPromptSubmit prompt", f"{A} Stop-1 stop news", f"{A} Stop-2 stop news",
              f"{A} TaskCompleted one"),
    ),
    "kept": Scenario(
        kept, (Point.RESULT_KEPT,), {A: "done"}, {A: 1}, heard(f"{A} UserPromptSubmit prompt", f"{A} TaskCompleted one"),
        mend=mend_results,
    ),
    "edited": Scenario(
        edited, (Point.CONFIG_KEPT, Point.CONFIG_APPLIED), {A: "done"}, {A: 1}, heard(f"{A} TaskCompleted one two")
    ),
    "old": Scenario(
        old, (Point.SCHEMA_SCRIPT, Point.SCHEMA_MIGRATED), {OLD_ENDED: "done", OLD_WAITS: "done"}, {OLD_ENDED: 1, OLD_WAITS: 1},
        heard(f"{OLD_WAITS} TaskCompleted webhook-handler notify-agi"),
    ),
    "seen": Scenario(
        seen, (Point.VERB_RECORDED, Point.ACK_WRITTEN, Point.ACK_NOTED), {A: "done"}, {A: 1},
        heard(f"{A} TaskCompleted one"), steps=(DRAIN, ("ack", A), DRAIN),
    ),
    "paused": Scenario(
        seen, (Point.VERB_RECORDED,), {A: "done"}, {A: 1}, heard(f"{A} TaskCompleted one"),
        steps=(("pause",), DRAIN, ("resume",), DRAIN),
    ),
    "again": Scenario(
        again, (Point.AGAIN_WRITTEN,), {A: "done"}, {A: 2},
        heard(f"{A} TaskFailed lost", f"{A} TaskCompleted-1 one"), steps=(DRAIN, ("retry", A), ("retry", A), DRAIN), earlier={A: 1},
    ),
    "held": Scenario(
        held, (Point.UNKNOWN_HELD,), {A: "done"}, {A: 1}, heard(f"{A} TaskCompleted one"),
        steps=(DRAIN, ("release", A), DRAIN), before=(Death(Point.CALL_LEFT),),
    ),
    "cleaned": Scenario(
        two, (Point.CLEAN_FILES, Point.CLEAN_ROWS, Point.CLEAN_REST, Point.CLEAN_LEFTOVERS), {B: "done"}, {B: 1},
        heard(*(f"{each} TaskCompleted one" for each in (A, B))),
        steps=(DRAIN, ("clean", "--older-than", "0s"), ("clean", "--older-than", "0s"), DRAIN),
    ),
    "rebuilt": Scenario(
        two, (Point.JOURNAL_SALVAGED, Point.JOURNAL_REBUILT, Point.JOURNAL_PUT_ASIDE, Point.JOURNAL_REPLACED),
        {A: "done", B: "done"}, {A: 1, B: 1}, heard(*(f"{each} TaskCompleted one" for each in (A, B))),
        steps=(DRAIN, ("fsck", "--rebuild", "--force"), ("fsck", "--rebuild", "--force"), DRAIN),
    ),
    "full log": Scenario(
        full_log, (Point.LOGS_SHIFTED, Point.LOG_RENAMED, Point.LOG_OPENED), {A: "done"}, {A: 1},
        heard(f"{A} TaskCompleted one"),
    ),
    "mixed": Scenario(
        mixed, (*ENDS, *TOLD, *CALLED, Point.REFUSAL_WRITTEN),
        {A: "done", B: "done", D: "failed", E: "done", F: "failed"}, {A: 1, B: 1, D: 1, E: 1},
        heard(*(f"{each} TaskCompleted one two" for each in (A, B, E)), *(f"{each} TaskFailed lost" for each in (D, F))),
    ),
}  # fmt: skip
