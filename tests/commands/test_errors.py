"""How the command line ends when something goes wrong."""

from __future__ import annotations

import subprocess

from tests.house import PROGRAM, House


def test_a_bug_is_told_in_one_line_with_the_traceback_in_the_log(house: House) -> None:
    """Exit code 3; what a report needs stands in runner.log."""
    house.drop("a.md", "a")
    house.drain()
    house.spoil_journal()
    finished = house.call("show", "kimi-1700000000-aaaaaaaa")
    assert finished.returncode == 3
    assert finished.stderr.count("\n") == 1
    assert "runner.log" in finished.stderr
    assert "Traceback" in house.log


def test_a_reader_that_goes_away_is_no_bug(house: House) -> None:
    """`kimi-hooks ... | head -1` ends quietly."""
    with subprocess.Popen(
        [PROGRAM, "--home", str(house.home), "status", "--json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as child:
        assert child.stdout is not None
        assert child.stderr is not None
        child.stdout.close()
        assert child.stderr.read() == b""
        assert child.wait(20) in {0, 1}
