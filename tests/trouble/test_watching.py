"""Where the kernel does not tell what happens in a folder, somebody looks every few seconds, and says so."""

from __future__ import annotations

import json
import os
import sys
import threading
from pathlib import Path

import pytest

from kimi_hooks import lock, mounts, watching
from kimi_hooks.clock import Clock
from kimi_hooks.outbox.folder import Outbox
from kimi_hooks.states import Outcome
from kimi_hooks.watcher import Bell, Watch
from kimi_hooks.watching import Watching
from tests.house import PATIENCE, House, until
from tests.trouble.places import ID, allow, few, namespace, no_more_files, told, until_told

NFS = "36 35 0:45 / /mnt/far rw,relatime shared:1 - nfs4 server:/far rw,vers=4.2\n"


@pytest.fixture
def _first_watch(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let this process have no instance of inotify yet, as a new one; watchdog keeps its only one for ever."""
    from watchdog.observers.inotify_c import InotifyFD  # noqa: PLC0415 - exists on Linux only

    monkeypatch.setattr(InotifyFD, "_instance", None)


def _polling(house: House) -> str:
    """Return why the runner polls, as it says beside its lock."""
    holder = lock.holder(house.workspace.lock_file)
    assert holder is not None
    return holder.polling


def _status(house: House) -> dict[str, object]:
    status: dict[str, object] = json.loads(house.call("status", "--json").stdout)
    return status


@pytest.mark.parametrize(("what", "setting"), [("instances", "max_user_instances"), ("watches", "max_user_watches")])
def test_without_inotify_the_runner_looks_by_itself(house: House, what: str, setting: str) -> None:
    """Tasks are taken all the same; log and status name the cause and the remedy."""
    house.configure(poll_seconds=0.1)
    house.start(within=few(what, 0))
    house.drop(f"{ID}.md", "x")
    (entry,) = house.wait(ID)
    assert entry.outcome is Outcome.DONE
    status = _status(house)
    assert status["watching"] == "polling"
    assert f"fs.inotify.{setting}" in str(status["watching_why"])
    assert f"watching   polling (the kernel gives no more inotify {what}" in house.call("status").stdout
    house.drop("later.md", "x")
    until(lambda: len(house.entries()) == 2)
    assert told(house, "looked at every few seconds") == 1


def test_the_kernel_is_asked_again(house: House) -> None:
    """When it has watches again, looking ends, and is said to have ended."""
    often = (
        "import sys; from kimi_hooks import cli, watching; watching.AGAIN_SECONDS = 0.1; del sys.argv[0]; cli.main()"
    )
    house.configure(poll_seconds=0.1)
    child = house.start(within=[*few("instances", 0), sys.executable, "-c", often])
    assert _polling(house)
    allow(child.pid, "instances", 10)
    until(lambda: not _polling(house))
    assert told(house, watching.WATCHED) == 1


@pytest.mark.usefixtures("_first_watch")
def test_what_is_watched_is_said_when_it_changes(tmp_path: Path) -> None:
    """The kernel is asked again once a minute; each change is said once, and is worth a look."""
    said: list[str] = []
    now = [0.0]
    watch = Watching({tmp_path: None}, Bell().ring, Clock(monotonic=lambda: now[0]), said.append)
    with no_more_files():
        watch.begin()
        assert watch.seconds_to_look(2.0) == 2.0
        assert not watch.renew()
        now[0] += watching.AGAIN_SECONDS
        assert not watch.renew()
    assert not watch.renew()
    now[0] += watching.AGAIN_SECONDS
    assert watch.renew()
    assert watch.seconds_to_look(2.0) is None
    watch.stop()
    assert [line.split(",")[0] for line in said] == ["folders cannot be watched", watching.WATCHED]


def test_a_folder_that_is_made_anew_without_a_watch_left(house: House) -> None:
    """A limit that is reached while the runner works leads to the same: it looks by itself from then on."""
    house.configure(poll_seconds=0.1)
    child = house.start(within=few("watches", 3))
    assert _polling(house) == ""
    allow(child.pid, "watches", 0)
    house.workspace.outbox.rename(house.home / "away")
    until(lambda: bool(_polling(house)))
    house.drop(f"{ID}.md", "x")
    house.wait(ID)


@pytest.mark.parametrize("names", [None, frozenset({"config.yaml"})])
def test_a_folder_that_is_renamed_rings(tmp_path: Path, names: frozenset[str] | None) -> None:
    """Something else may have its name now, with files in it."""
    folder, rung = tmp_path / "watched", threading.Event()
    folder.mkdir()
    watch = Watch()
    watch.add(folder, rung.set, names=names)
    watch.start()
    folder.rename(tmp_path / "away")
    assert rung.wait(PATIENCE)
    folder.mkdir()
    assert watch.renew()
    watch.stop()


def test_wait_does_without_a_watch_too(house: House) -> None:
    """Who waits for a task looks at the journal every few seconds then."""
    house.drop(f"{ID}.md", "x")
    runner = threading.Thread(target=house.drain)
    runner.start()
    waited = house.call("wait", ID, within=few("instances", 0))
    runner.join()
    assert (waited.returncode, waited.stdout.strip()) == (0, f"{ID} done")


def test_polling_may_be_asked_for(house: House) -> None:
    """An edit to `watch: polling` counts at once: what nobody tells of is found."""
    outbox, far = house.workspace.outbox, house.home.with_name("far")
    far.mkdir()
    house.start()
    assert _polling(house) == ""
    house.configure(watch="polling", poll_seconds=0.1)
    until(lambda: bool(_polling(house)))
    assert _polling(house) == "`watch: polling` in config.yaml"
    # A watch tells nothing of a folder that is reached by another way.
    (far / f"{ID}.md").write_text("x")
    outbox.rename(outbox.with_name("away"))
    far.rename(outbox)
    (entry,) = house.wait(ID)
    assert entry.outcome is Outcome.DONE


@pytest.mark.parametrize(
    ("kind", "is_far"),
    [("nfs", True), ("nfs4", True), ("cifs", True), ("smb3", True), ("9p", True), ("fuse.sshfs", True), ("ext4", False),
     ("tmpfs", False), ("fuseblk", False), ("fuse.fuse-overlayfs", False), ("overlay", False)],
)  # fmt: skip
def test_file_systems_of_other_machines_are_known(kind: str, is_far: bool) -> None:
    """By the type that the kernel gives for the device, whatever is mounted beside it."""
    table = "22 1 254:0 / / rw - ext4 /dev/vda rw\n" + NFS.replace("nfs4", kind)
    assert mounts.found(table, os.makedev(0, 45)) == (kind if is_far else None)
    assert mounts.found(table, os.makedev(254, 0)) is None
    assert mounts.found(table, os.makedev(9, 9)) is None


def test_an_outbox_of_another_machine_is_told_of(
    house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """At the start, with the remedy; not where the remedy was taken."""
    device = house.home.stat().st_dev
    table = tmp_path / "mountinfo"
    table.write_text(NFS.replace("0:45", f"{os.major(device)}:{os.minor(device)}"))
    monkeypatch.setattr(mounts, "MOUNTS", table)
    house.drain()
    said = [record.getMessage() for record in caplog.records if "network file system" in record.getMessage()]
    assert len(said) == 2
    assert any(f"{house.workspace.outbox} lies on" in line and "`watch: polling`" in line for line in said)
    caplog.clear()
    house.configure(watch="polling")
    house.drain()
    assert not any(f"{house.workspace.outbox} lies on" in record.getMessage() for record in caplog.records)


def test_leases_are_not_believed_on_file_systems_of_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A writer on another machine is seen by nobody here: such a file is taken when it was still."""
    outbox, incoming = tmp_path / "outbox", tmp_path / "incoming"
    outbox.mkdir()
    incoming.mkdir()
    now = [0.0]
    (outbox / "a.md").write_text("half of it")
    near = Outbox(outbox, incoming, Clock(monotonic=lambda: now[0]), 0.5)
    table = tmp_path / "mountinfo"
    device = outbox.stat().st_dev
    table.write_text(NFS.replace("0:45", f"{os.major(device)}:{os.minor(device)}"))
    monkeypatch.setattr(mounts, "MOUNTS", table)
    far = Outbox(outbox, incoming, Clock(monotonic=lambda: now[0]), 0.5)
    assert far.claim(far.arrived(), lambda _: False) == []
    now[0] += 0.4
    (outbox / "a.md").write_text("half of it, and the rest")
    assert far.claim(far.arrived(), lambda _: False) == []
    now[0] += 0.6
    assert len(far.claim(far.arrived(), lambda _: False)) == 1
    monkeypatch.undo()
    (outbox / "b.md").write_text("whole")
    assert len(near.claim(near.arrived(), lambda _: False)) == 1


def test_an_outbox_on_a_file_system_of_its_own(house: House) -> None:
    """What is dropped there crosses over, once."""
    child = house.start(within=namespace(f"mount -t tmpfs x {house.workspace.outbox}"))
    outbox = Path(f"/proc/{child.pid}/root{house.workspace.outbox}")
    (outbox / ".a").write_text("x")
    (outbox / ".a").rename(outbox / f"{ID}.md")
    until(lambda: house.workspace.result_file(ID).exists())
    until_told(house, "completed")
