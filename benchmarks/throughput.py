"""1,000 tasks at 64 at once with a hook each, beside a bare thread pool that does the same without any promise."""

from __future__ import annotations

import json
import os
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import requests

from benchmarks import api
from benchmarks.figures import Figure, median, ratio_of_medians
from benchmarks.stage import Stage, stage, until

TASKS = 1000
AT_ONCE = 64
API_SECONDS = 0.1
ROUNDS = 3


def measure(folder: Path | None) -> list[Figure]:
    """Return tasks a second, ours and the floor's, in turns."""
    ours, floor = [], []
    with api.running(API_SECONDS) as url:
        for _ in range(ROUNDS):
            floor.append(_floor(folder, url))
            ours.append(_ours(folder, url))
    return [
        Figure("tasks a second, 64 at once, one bash hook each", median(ours), "tasks/s", floor=median(floor)),
        Figure("the same as a share of the floor", ratio_of_medians(ours, floor), "of the floor", at_least=0.7),
    ]


def _ours(folder: Path | None, url: str) -> float:
    with stage(folder=folder, url=url, calls=AT_ONCE) as place, place.runner():
        keys = place.prepare(TASKS)
        started = time.time()
        for key in keys:
            place.drop(key)
        until(lambda: _lines(place) >= TASKS, 0.05)
        return TASKS / (max(place.marks().values()) - started)


def _lines(place: Stage) -> int:
    try:
        return (place.home / "marks").read_bytes().count(b"\n")
    except FileNotFoundError:
        return 0


def _floor(folder: Path | None, url: str) -> float:
    with stage(folder=folder, url=url) as place:
        keys = place.prepare(TASKS)
        started = time.time()
        with ThreadPoolExecutor(AT_ONCE) as pool:
            list(pool.map(lambda key: _one(place, url, key), keys))
        return TASKS / (time.time() - started)


def _one(place: Stage, url: str, key: str) -> None:
    """What a script written in five minutes would do: post, keep the answer, run the hook."""
    body = {"model": "kimi-k3", "messages": [{"role": "user", "content": f"Answer {key}."}], "stream": True}
    reply = requests.post(f"{url}/chat/completions", json=body, headers={"Authorization": "Bearer sk"}, timeout=60)
    file = place.home / "results" / f"{key}.json"
    with file.open("w") as result:
        json.dump({"task_name": key, "output": reply.text}, result)
        result.flush()
        os.fsync(result.fileno())
    environ = {**place.environ, "KIMI_HOOKS_HOME": str(place.home), "KIMI_TASK_NAME": key}
    subprocess.run([place.home / "hooks" / "mark.sh"], env=environ, check=True)
