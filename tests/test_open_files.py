"""As many files may be open as the configured limits need, or the log says that this cannot be had."""

from __future__ import annotations

import subprocess
import sys

import pytest

from kimi_hooks import open_files
from tests.house import House


def _limited(soft: int, hard: int, wanted: int) -> tuple[int, int]:
    """Return what `allow` says, and the limit then, in a process with these limits."""
    script = (
        "import resource; from kimi_hooks import open_files; "
        f"resource.setrlimit(resource.RLIMIT_NOFILE, ({soft}, {hard})); "
        f"print(open_files.allow({wanted}), resource.getrlimit(resource.RLIMIT_NOFILE)[0])"
    )
    told = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.split()
    return int(told[0]), int(told[1])


@pytest.mark.parametrize(
    ("soft", "hard", "wanted", "allowed", "then"),
    [(256, 1024, 500, 500, 500), (256, 400, 500, 400, 400), (256, 1024, 100, 100, 256)],
)
def test_the_limit_is_raised_as_far_as_it_is_wanted(soft: int, hard: int, wanted: int, allowed: int, then: int) -> None:
    """Never beyond what the system allows, and never lowered."""
    assert _limited(soft, hard, wanted) == (allowed, then)


def test_limits_that_need_more_files_than_may_be_open_are_told(house: House) -> None:
    """At the start, with both numbers and the remedy; the runner works on with what it has."""
    house.configure(limits={"concurrency": 1000, "hooks": 1000})
    wanted = open_files.needed(1000, 1000)
    script = f"ulimit -n {wanted - 1}; exec {sys.executable} -m kimi_hooks --home {house.home} run --drain"
    house.drop("a.md", "Hello.")
    subprocess.run(["bash", "-c", script], env=house.environ, check=True, capture_output=True)
    assert f"may need {wanted} open files, and the system allows {wanted - 1}; raise that (ulimit -Hn" in house.log
    assert house.result()["outcome"] == "done"
