"""Commands and the process that runs them: how they start, how they end, and what happens when that process ends."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import count, islice
from pathlib import Path

import pytest

from kimi_hooks.errors import LaunchError, StoppingError
from kimi_hooks.hooks import engine
from kimi_hooks.process.client import Processes
from kimi_hooks.process.protocol import TERM_GRACE_SECONDS, Finished
from tests.house import group_lives, until

# To start the launcher: two sockets, /dev/null, and the pipe on which a failed start is told.
NEEDED_TO_BEGIN = 5
# Two pipes, what is given on stdin, and that pipe.
NEEDED_TO_START = 7
MOST_IN_A_PIPE = 1024 * 1024
on_linux = pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="tells open files the way Linux does")


@pytest.fixture
def processes() -> Iterator[Processes]:
    """Yield what runs commands; nothing of it is left afterwards."""
    made = Processes()
    yield made
    made.close()


@pytest.fixture
def site(processes: Processes, tmp_path: Path) -> Site:
    return Site(processes, tmp_path)


class Site:
    """Runs scripts in a folder."""

    def __init__(self, processes: Processes, folder: Path) -> None:
        self.processes = processes
        self.folder = folder

    def run(self, script: str, timeout: float = 20, stdin: bytes = b"") -> Finished:
        return self.start(["sh", "-c", script], timeout, stdin)

    def start(self, argv: Sequence[str], timeout: float = 20, stdin: bytes = b"") -> Finished:
        env = {"PATH": os.environ["PATH"]}
        keep = self.folder / "kept"
        return self.processes.run(argv, keep=keep, stdin=stdin, env=env, cwd=self.folder, timeout=timeout)

    @contextmanager
    def running(self, script: str) -> Iterator[list[Finished | StoppingError]]:
        """Let a script run meanwhile that tells its process id in the file `pid`; how it ended is in the list then."""
        ended: list[Finished | StoppingError] = []

        def run() -> None:
            try:
                ended.append(self.run(f"echo $$ > .pid; mv .pid pid; {script}"))
            except StoppingError as error:
                ended.append(error)

        thread = threading.Thread(target=run)
        thread.start()
        until((self.folder / "pid").exists)
        yield ended
        thread.join()

    @property
    def pid(self) -> int:
        return int((self.folder / "pid").read_text())

    @property
    def launcher(self) -> subprocess.Popen[bytes]:
        """The launcher, which runs since the first command."""
        self.processes.warm_up()
        assert self.processes._launcher is not None
        return self.processes._launcher.process

    def kill_launcher(self) -> None:
        """End it as the kernel does when memory is short."""
        launcher = self.launcher
        launcher.kill()
        launcher.wait()


def test_what_a_command_is_given_and_what_it_says(site: Site) -> None:
    """Arguments, input, environment and folder arrive as they are; exit code and both outputs come back."""
    argv = ["sh", "-c", 'cat; pwd; env | grep -c "^PATH="; echo "$@" >&2; exit 7', "sh", "a b", "\u4f60\udcff"]
    finished = site.start(argv, stdin=b"in\n")
    assert (finished.exit_code, finished.timed_out) == (7, False)
    assert (finished.stdout, finished.stderr) == (f"in\n{site.folder}\n1\n", "a b \u4f60\ufffd\n")


def test_large_input_arrives_whole(site: Site) -> None:
    """Byte for byte."""
    data = os.urandom(8_000_000)
    assert site.run("sha256sum", stdin=data).stdout.split()[0] == hashlib.sha256(data).hexdigest()


def test_many_run_at_once(site: Site) -> None:
    """Each gets its own answer, in the time of one."""
    site.launcher  # noqa: B018 - started before the clock is
    with ThreadPoolExecutor(50) as pool:
        scripts = [
            f"touch {n}.here; until [ -e {(n + 1) % 50}.here ]; do sleep 0.05; done; echo {n}" for n in range(50)
        ]
        told = [finished.stdout for finished in pool.map(site.run, scripts)]
    assert told == [f"{n}\n" for n in range(50)]


@on_linux
def test_a_command_inherits_none_of_our_files(site: Site) -> None:
    """Only its own three, also while others run."""
    with site.running("sleep 60"):
        finished = site.run("for fd in 3 4 5 6 7 8 9 10 11 12 13 14; do [ ! -e /proc/$$/fd/$fd ] || echo $fd; done")
        os.kill(site.pid, signal.SIGKILL)
    # 10 is where the shell keeps its own script, if anywhere.
    assert finished.stdout in ("", "10\n")


def test_a_command_heeds_the_signals_that_its_launcher_does_not(site: Site) -> None:
    """None of them is ignored in a hook."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGPIPE, signal.SIGCHLD):
        expected = 0 if number == signal.SIGCHLD else -number
        assert site.run(f"kill -{number.value} $$").exit_code == expected


def test_a_grandchild_that_holds_the_output_does_not_hold_the_hook(site: Site) -> None:
    """A command that has exited has ended, whatever it left in the background."""
    started = time.monotonic()
    finished = site.run("sleep 25 & echo $! > pid; echo out")
    assert time.monotonic() - started < 20
    assert (finished.exit_code, finished.timed_out, finished.stdout) == (0, False, "out\n")
    os.kill(site.pid, signal.SIGKILL)


def test_a_time_out_ends_the_whole_group(site: Site) -> None:
    """Children included, TERM ignored or not."""
    finished = site.run("echo $$ > pid; trap '' TERM; (trap '' TERM; sleep 30) & sleep 30", timeout=0.2)
    assert (finished.exit_code, finished.timed_out) == (-signal.SIGKILL, True)
    until(lambda: not group_lives(site.pid))


def test_a_time_out_may_be_longer_than_the_system_can_wait(site: Site) -> None:
    """Decades do not confuse the launcher."""
    assert site.run("exit 4", timeout=1e9).exit_code == 4


def test_a_hook_that_heeds_term_may_say_goodbye(site: Site) -> None:
    """TERM comes first, KILL only after a grace."""
    finished = site.run("trap 'echo bye; exit 3' TERM; echo ready; while :; do sleep 0.05; done", timeout=0.5)
    assert (finished.timed_out, finished.exit_code) == (True, 3)
    assert finished.stdout.endswith("bye\n")


def test_large_input_may_be_ignored_and_large_output_is_cut(site: Site) -> None:
    """Neither can block; of the output the end is kept."""
    finished = site.run("yes | head -c 1000000; echo end", stdin=b"x" * 5_000_000)
    assert finished.exit_code == 0
    assert len(finished.stdout) == 8192
    assert finished.stdout.endswith("end\n")


def test_a_closed_output_is_no_end(site: Site) -> None:
    """A command may close what it does not use, and go on."""
    assert site.run("exec >&- 2>&-; sleep 0.1; exit 5").exit_code == 5


def test_a_command_that_is_not_there(site: Site) -> None:
    """Told apart from one that ran and failed; the next one runs."""
    with pytest.raises(LaunchError, match="/nowhere"):
        site.start(["/nowhere/x"])
    with pytest.raises(LaunchError, match="null"):
        site.start(["sh", "a\0b"])
    assert site.run("exit 3").exit_code == 3


@pytest.mark.skipif(not hasattr(fcntl, "F_SETPIPE_SZ"), reason="this system has no larger pipes")
@pytest.mark.parametrize("is_file", [False, True])
def test_a_folder_that_is_not_there(site: Site, is_file: bool) -> None:
    """It is named as the cause, with the key that names it, and the command is not."""
    site.folder /= "gone"
    if is_file:
        site.folder.touch()
    why = "nothing can start in it: Not a directory" if is_file else "there is no such folder to start in"
    with pytest.raises(LaunchError) as told:
        site.run("true")
    assert str(told.value) == f"{site.folder}: {why}; make it or mend `cwd`"


def test_what_is_left_in_a_large_pipe_is_told_to_its_end(site: Site) -> None:
    """A command that says much at once and is gone has said all of it."""
    script = f"import fcntl, os; fcntl.fcntl(1, {fcntl.F_SETPIPE_SZ}, {MOST_IN_A_PIPE})\n"
    script += f"os.write(1, b'a' * {MOST_IN_A_PIPE - 7} + b'THE END')"
    finished = site.start([sys.executable, "-I", "-S", "-c", script])
    assert (finished.exit_code, finished.stderr) == (0, "")
    assert finished.stdout.endswith("aTHE END")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="nothing here is always full")
def test_a_full_disk_does_not_change_how_a_command_ended(site: Site) -> None:
    """What cannot be kept is lost; the exit code and the reason are not."""
    (site.folder / "kept").mkdir()
    (site.folder / "kept" / "stdout").symlink_to("/dev/full")
    finished = site.run("echo something; echo no >&2; exit 2")
    assert (finished.exit_code, finished.stderr) == (2, "no\n")
    assert engine.judge(finished) == "gave_up"


def test_closing_ends_what_runs(site: Site) -> None:
    """A command that heeds TERM may tidy up; that it was cut is told apart from any end of its own."""
    with site.running("trap 'touch tidied; exit 0' TERM; touch set; while :; do sleep 0.05; done") as ended:
        until((site.folder / "set").exists)
        site.processes.close()
        assert (site.folder / "tidied").exists()
    assert [type(end) for end in ended] == [StoppingError]
    with pytest.raises(StoppingError):
        site.run("exit 0")


@pytest.mark.parametrize("is_busy", [True, False])
def test_closing_does_not_wait_for_a_launcher_that_does_not_answer(site: Site, *, is_busy: bool) -> None:
    """One that was stopped ends what it has when it goes on."""
    with site.running("sleep 60" if is_busy else "exit 0"):
        launcher = site.launcher
        launcher.send_signal(signal.SIGSTOP)
        site.processes.close()
        assert launcher.poll() is None
        launcher.send_signal(signal.SIGCONT)
        assert launcher.wait(20) == 0
    until(lambda: not group_lives(site.pid))


def test_closing_ends_what_does_not_heed_it_too(site: Site) -> None:
    """TERM, and KILL after a grace; nothing is left when it returns."""
    with site.running("trap '' TERM; (trap '' TERM; sleep 30) & touch set; sleep 30"):
        until((site.folder / "set").exists)
        started = time.monotonic()
        site.processes.close()
        assert time.monotonic() - started >= TERM_GRACE_SECONDS
        until(lambda: not group_lives(site.pid))


def test_a_launcher_that_was_killed_is_started_again(site: Site) -> None:
    """Nobody notices when nothing ran."""
    for _ in range(2):
        site.run("exit 0")
        site.kill_launcher()
        assert site.run("echo again").stdout == "again\n"


def test_a_command_whose_launcher_is_killed_counts_as_one_that_failed(site: Site) -> None:
    """It is not known how it ends, so it is run again as any other failure; others go on."""
    with site.running("sleep 60") as ended:
        site.kill_launcher()
        until(lambda: bool(ended))
        os.killpg(site.pid, signal.SIGKILL)
    (finished,) = ended
    assert isinstance(finished, Finished)
    assert (finished.exit_code, engine.judge(finished)) == (None, "retry")
    assert "the process that runs hooks was gone" in finished.stderr
    assert site.run("exit 0").exit_code == 0


def test_the_launcher_heeds_no_signal_but_the_last(site: Site) -> None:
    """It ends when the runner does, and so may finish what the runner waits for."""
    launcher = site.launcher
    site.run("exit 0")
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT):
        launcher.send_signal(number)
        assert site.run("echo still").stdout == "still\n"
    assert site.launcher is launcher


def test_signals_that_somebody_has_blocked_are_seen(site: Site) -> None:
    """The end of a command above all; and commands begin with none blocked."""
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGCHLD, signal.SIGTERM])
    try:
        assert site.run("kill -TERM $$").exit_code == -signal.SIGTERM
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)


@pytest.mark.parametrize("variable", ["PYTHONPATH", "PYTHONHOME", "PYTHONSTARTUP"])
def test_the_environment_does_not_decide_what_the_launcher_imports(
    site: Site, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    """Nor a folder that somebody else may write to."""
    (site.folder / "json.py").write_text("raise SystemExit('not this one')")
    monkeypatch.setenv(variable, str(site.folder))
    monkeypatch.chdir(site.folder)
    assert site.run("echo fine").stdout == "fine\n"


@on_linux
def test_the_launcher_knows_no_secret(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither in its environment nor in its arguments."""
    for name in ("KIMI_API_KEY", "LANGFUSE_SECRET_KEY", "PYTHON_PIP_TOKEN", "PATH_TOKEN"):
        monkeypatch.setenv(name, "sk-seen-by-nobody")
    process = Path(f"/proc/{site.launcher.pid}")
    site.run("exit 0")
    assert b"sk-seen-by-nobody" not in (process / "environ").read_bytes() + (process / "cmdline").read_bytes()


@on_linux
@pytest.mark.parametrize("left", range(NEEDED_TO_BEGIN))
def test_want_of_descriptors_of_ours_is_not_the_commands_fault(site: Site, left: int) -> None:
    """However few are left: an OSError of ours, no LaunchError, and nothing stays open or running."""
    before = _open_files()
    with _descriptors_left(left), pytest.raises(OSError, match="Too many open files") as raised:
        site.start(["/bin/true"])
    assert raised.value.errno == errno.EMFILE
    assert _open_files() == before
    assert site.start(["/bin/true"]).exit_code == 0


@on_linux
@pytest.mark.parametrize("left", range(NEEDED_TO_START))
@pytest.mark.parametrize("is_connected", [True, False])
def test_want_of_descriptors_of_the_launcher_is_not_the_commands_fault(
    site: Site, left: int, *, is_connected: bool
) -> None:
    """The same in the other process, for a command of its own connection and for one that needs a new one."""
    site.run("exit 0")
    before = len(_open_files(site.launcher.pid))
    if not is_connected:
        assert site.processes._launcher is not None
        site.processes._launcher.idle.pop().close()
        until(lambda: len(_open_files(site.launcher.pid)) == before - 1)
    with _descriptors_left(left, site.launcher.pid), pytest.raises(OSError, match=r"[Tt]oo many open files") as raised:
        site.start(["/bin/true"])
    assert raised.value.errno == errno.EMFILE
    assert site.start(["/bin/true"]).exit_code == 0
    assert len(_open_files(site.launcher.pid)) == before


def _open_files(process: int | str = "self") -> set[int]:
    folder = Path(f"/proc/{process}/fd")
    return {int(name) for name in os.listdir(folder) if (folder / name).is_symlink()}


@contextmanager
def _descriptors_left(left: int, process: int = 0) -> Iterator[None]:
    """Let the process open so many more files and not one more."""
    taken = _open_files(process or "self")
    limit = next(islice((fd for fd in count() if fd not in taken), left, None))
    soft, hard = resource.prlimit(process, resource.RLIMIT_NOFILE)
    resource.prlimit(process, resource.RLIMIT_NOFILE, (limit, hard))
    try:
        yield
    finally:
        resource.prlimit(process, resource.RLIMIT_NOFILE, (soft, hard))
