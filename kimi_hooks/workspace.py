"""The folder that a runner works in: where it is and what lies where."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from kimi_hooks import atomic, config_note, hindrances
from kimi_hooks.config_note import Basics
from kimi_hooks.errors import ConfigError, WorkspaceError

if TYPE_CHECKING:
    from kimi_hooks.config import Config

CONFIG_NAME = "config.yaml"
SECRETS_NAME = ".env.kimi"
GONE = "{file}: it is gone; put it back"
# The file may be broken elsewhere and is still the workspace's; so this is not asked of a YAML parser.
_MARK = re.compile(r"^workspace:[ \t]*1[ \t]*(#.*)?\r?$", re.MULTILINE)


@dataclass(frozen=True)
class Workspace:
    """The paths of one workspace. Making the value touches nothing."""

    home: Path

    @property
    def config_file(self) -> Path:
        return self.home / CONFIG_NAME

    @property
    def secrets_file(self) -> Path:
        return self.home / SECRETS_NAME

    @property
    def outbox(self) -> Path:
        return self.home / "outbox"

    @property
    def hooks(self) -> Path:
        return self.home / "hooks"

    @property
    def results(self) -> Path:
        return self.home / "results"

    @property
    def spool(self) -> Path:
        return self.home / "spool"

    @property
    def incoming(self) -> Path:
        return self.spool / "incoming"

    @property
    def accepted(self) -> Path:
        """The files of tasks that have not ended: without the journal, nothing else would tell of them."""
        return self.spool / "accepted"

    @property
    def turns(self) -> Path:
        return self.spool / "turns"

    @property
    def extracts(self) -> Path:
        return self.spool / "extracts"

    @property
    def transcripts(self) -> Path:
        return self.spool / "transcripts"

    @property
    def rejected(self) -> Path:
        return self.spool / "rejected"

    @property
    def schemas(self) -> Path:
        return self.spool / "schemas"

    @property
    def hook_runs(self) -> Path:
        return self.spool / "hook-runs"

    @property
    def bell(self) -> Path:
        return self.spool / "bell"

    @property
    def journal_file(self) -> Path:
        return self.spool / "journal.db"

    @property
    def lock_file(self) -> Path:
        return self.spool / "lock"

    @property
    def log_file(self) -> Path:
        return self.spool / "logs" / "runner.log"

    @property
    def config_note(self) -> Path:
        return self.spool / "config-checked.json"

    @property
    def good_config(self) -> Path:
        """What config.yaml said when the runner last could use it."""
        return self.spool / "config-last-good.yaml"

    def result_file(self, task_id: str) -> Path:
        return self.results / f"{task_id}.json"

    def transcript_file(self, task_id: str) -> Path:
        return self.transcripts / f"{task_id}.jsonl"

    def guarded_files(self) -> tuple[Path, ...]:
        """Return the files that nothing but their own room may open: secrets, also the agent's, and the journal."""
        journal = (self.journal_file.with_name(f"{self.journal_file.name}{end}") for end in ("", "-wal", "-shm"))
        return (self.secrets_file, agents_secrets(Path("~").expanduser()), *journal)

    def working_folders(self) -> tuple[Path, ...]:
        """Return the folders that the program itself needs."""
        return (
            self.outbox,
            self.results,
            self.incoming,
            self.accepted,
            self.turns,
            self.extracts,
            self.transcripts,
            self.rejected,
            self.hook_runs,
            self.bell,
            self.log_file.parent,
        )

    def ring(self) -> None:
        """Wake the runner, if there is one; it looks at the journal and the folders then."""
        (self.bell / "rung").write_text("", encoding="utf-8")

    def make_folders(self) -> None:
        """Make the folders that are missing, on the disk; `spool/` is for its owner only. Raises WorkspaceError."""
        try:
            missing = [folder for folder in (self.spool, *self.working_folders()) if not folder.is_dir()]
            for folder in missing:
                folder.mkdir(mode=0o700 if folder == self.spool else 0o777, parents=True, exist_ok=True)
            for parent in {folder.parent for folder in missing}:
                # What is synced in a folder is lost with the folder.
                atomic.sync_folder(parent)
        except OSError as error:
            raise WorkspaceError(
                f"{self.home}: cannot make the workspace's folders: {hindrances.told(error)}"
            ) from error


def agents_secrets(user_home: Path) -> Path:
    """Return the file of secrets that the workspaces of one user may share."""
    return user_home / ".openclaw" / "workspace" / SECRETS_NAME


def is_guarded(workspace: Workspace, path: Path) -> bool:
    """Tell whether this is one more name of a file that is guarded. It is not opened.

    Who opens the journal beside SQLite and closes it lets go of SQLite's locks (https://sqlite.org/howtocorrupt.html).
    """
    with contextlib.suppress(OSError):
        status = path.lstat()
        return status.st_nlink > 1 and any(_is_same(status, file) for file in workspace.guarded_files())
    return False


def _is_same(status: os.stat_result, file: Path) -> bool:
    try:
        return os.path.samestat(status, file.stat())
    except OSError:
        return False


def find(option: str | None, environ: Mapping[str, str], cwd: Path) -> Workspace:
    """Return the workspace to use: --home, $KIMI_HOOKS_HOME, a parent of `cwd` that is one, or the default place."""
    said = option or environ.get("KIMI_HOOKS_HOME")
    if said:
        return at(said)
    for folder in (cwd, *cwd.parents):
        if is_marked(folder / CONFIG_NAME):
            return Workspace(folder)
    return _default()


def _default() -> Workspace:
    return Workspace(Path("~/.openclaw/workspace/kimi-dispatch").expanduser())


def at(folder: str) -> Workspace:
    """Return the workspace in this folder, relative to the current one. Raises WorkspaceError for `~nobody`."""
    try:
        return Workspace(Path(folder).expanduser().absolute())
    except (OSError, RuntimeError) as error:
        raise WorkspaceError(f"{folder}: there is no such place: {error}") from error


def require(workspace: Workspace) -> None:
    """Raise WorkspaceError, with what to do, unless there is a workspace."""
    if not workspace.config_file.exists():
        here = Path.cwd() / CONFIG_NAME
        hint = f" ({here} lacks the line `workspace: 1`)" if here.is_file() and not is_marked(here) else ""
        raise WorkspaceError(
            f"{workspace.home} is not a workspace: it has no {CONFIG_NAME}{hint}; {_way_out(workspace)}"
        )


def _way_out(workspace: Workspace) -> str:
    from shlex import quote  # noqa: PLC0415 - only where something is wrong

    told = f"lay one out with: kimi-hooks init {quote(str(workspace.home))}"
    named = "; or cd into your workspace, or name it with --home" if workspace == _default() else ""
    return told + named


def read_config(workspace: Workspace, *, or_last_good: bool = False) -> Config:
    """Return the checked config.yaml. Raises WorkspaceError when there is none, ConfigError when it is wrong.

    `or_last_good`: while it is wrong, what the runner goes on with counts, if it is known.
    """
    try:
        return checked(workspace, config_bytes(workspace))
    except (ConfigError, WorkspaceError):
        if or_last_good and (data := _good_bytes(workspace)) is not None:
            return checked(workspace, data)
        raise


def read_basics(workspace: Workspace, *, or_last_good: bool = False) -> Basics:
    """Return the few values of config.yaml that dispatching takes, checked once after each edit.

    As `read_config`, and raises what that raises.
    """
    try:
        data = config_bytes(workspace)
        return config_note.read(workspace.config_note, data) or checked(workspace, data).basics
    except (ConfigError, WorkspaceError):
        if or_last_good:
            return read_config(workspace, or_last_good=True).basics
        raise


def config_bytes(workspace: Workspace) -> bytes:
    """Return config.yaml as it is. Raises WorkspaceError when there is none, or when it cannot be read."""
    require(workspace)
    try:
        return workspace.config_file.read_bytes()
    except OSError as error:
        raise _unreadable(workspace, error) from error


def checked(workspace: Workspace, data: bytes) -> Config:
    """Return the config in a config.yaml of these bytes. Raises WorkspaceError and ConfigError."""
    from kimi_hooks import config  # noqa: PLC0415 - most of what a verb takes to start; dispatch can do without

    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _unreadable(workspace, error) from error
    found = config.parse(text.replace("\r\n", "\n").replace("\r", "\n"), str(workspace.config_file))
    config_note.write(workspace.config_note, data, found.basics)
    return found


def keep_good(workspace: Workspace, data: bytes) -> None:
    """Keep what a good config.yaml says for verbs that go on with it; raises nothing, for it is only a help."""
    with contextlib.suppress(OSError):
        if _good_bytes(workspace) != data:
            # An empty one would be worse than none: nothing makes it anew while config.yaml is broken.
            atomic.write_bytes(workspace.good_config, data, mode=0o600)


def _good_bytes(workspace: Workspace) -> bytes | None:
    try:
        return workspace.good_config.read_bytes()
    except OSError:
        return None


def _unreadable(workspace: Workspace, error: Exception) -> WorkspaceError:
    return WorkspaceError(f"{workspace.config_file}: cannot be read: {error}")


def is_marked(file: Path) -> bool:
    """Tell whether verbs that are called below find this config.yaml: it has the line that marks a workspace."""
    try:
        return _MARK.search(file.read_text("utf-8", "replace")) is not None
    except OSError:
        return False
