"""Edits count while the runner works: what has changed takes effect, what cannot be used is told."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping
from pathlib import Path

from kimi_hooks import crash_points, notifying, open_files, workspace
from kimi_hooks.config import Config
from kimi_hooks.config_hooks import CommandPart
from kimi_hooks.crash_points import Point
from kimi_hooks.edits import Broken, Stamp, content_mark
from kimi_hooks.errors import TemplateError
from kimi_hooks.hooks import check, command
from kimi_hooks.journal import facts
from kimi_hooks.journal.facts import BrokenEdit
from kimi_hooks.journal.store import Connection
from kimi_hooks.logs import LOGGER
from kimi_hooks.parts import Configured, Parts
from kimi_hooks.pool import Pool
from kimi_hooks.workspace import CONFIG_NAME


class Reloading:
    """Looks at config.yaml and broken templates, in the runner's own thread; sizes the pools of calls and hooks."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        limits = parts.config.limits
        self.calls = Pool("call", _threads(parts.config), parts.bell.ring)
        self.hooks = Pool("hook", limits.hooks, parts.bell.ring)
        self._applied = parts.live.current
        self._since: dict[Broken, float] = {}
        self._told: dict[Path, tuple[Stamp, BrokenEdit]] = {}

    def begin(self) -> None:
        """Look at the hooks as they are configured at the start. What was broken before is over: we have read it."""
        if self._parts.journal.read(facts.broken_edits):
            self._parts.journal.write(lambda db: facts.note_broken_edits(db, {}))
        self._settle_in(self._parts.config)

    def look(self) -> None:
        """Let an edit count that was made since, and tell what is broken. Raises JournalError."""
        self._parts.live.renew()
        if self._parts.live.current is not self._applied:
            before, self._applied = self._applied, self._parts.live.current
            self._apply(before, self._applied)
        broken = self._broken()
        if broken or self._told:
            self._tell(broken)

    def seconds_to_look(self) -> float | None:
        """Return in how many seconds an edit that may be unfinished must have been finished; None: there is none."""
        now, settle = self._parts.clock.monotonic(), self._parts.config.settle_seconds
        waits = [since + settle - now for broken, since in self._since.items() if not self._is_told(broken)]
        config = self._parts.live.seconds_to_look()
        return min((max(0.0, wait) for wait in [*waits, *([] if config is None else [config])]), default=None)

    def _apply(self, before: Configured, now: Configured) -> None:
        LOGGER.info("%s was edited; this counts from now on: %s", CONFIG_NAME, ", ".join(_changed(before, now)))
        self.calls.resize(_threads(now.config))
        self.hooks.resize(now.config.limits.hooks)
        self._parts.gates.resize(now.config.limits.hooks)
        self._parts.outbox.settle_seconds = now.config.settle_seconds
        self._settle_in(now.config)
        crash_points.reached(Point.CONFIG_APPLIED)

    def _settle_in(self, config: Config) -> None:
        """Say what keeps hooks from running, and have ready what they need."""
        workspace.keep_good(self._parts.workspace, self._parts.live.data)
        crash_points.reached(Point.CONFIG_KEPT)
        # Before the launcher is started, which inherits it.
        _allow_open_files(config)
        home = self._parts.workspace.home
        for problem in check.problems(config, home):
            LOGGER.warning("hook %s is not in order: %s", problem.hook_id, problem.message)
        handlers = [hook.handler for hook in config.each_hook()]
        commands = [handler for handler in handlers if isinstance(handler, CommandPart)]
        templates = {file for each in commands if (file := command.template_file(each, home)) is not None}
        self._parts.templates.keep_only(templates)
        for file in templates:
            with contextlib.suppress(TemplateError):
                # So that there is a good state to go back to, should an edit break it before its first run.
                self._parts.templates.get(file)
        if commands:
            with contextlib.suppress(OSError):
                # Else the first hook waits for it; what hinders now is told then.
                self._parts.processes.warm_up()

    def _broken(self) -> list[Broken]:
        """Return what is broken, and not only for the moment that an editor takes."""
        now, settle = self._parts.clock.monotonic(), self._parts.config.settle_seconds
        self._since = {broken: self._since.get(broken, now) for broken in self._parts.templates.broken()}
        config = self._parts.live.broken
        still = [broken for broken, since in self._since.items() if now - since >= settle]
        return still if config is None else [config, *still]

    def _tell(self, broken: Iterable[Broken]) -> None:
        """Tell each content that cannot be used, once, and what has been mended."""
        found = list(broken)
        in_doubt = {each.file for each in (*found, *self._since)}
        for file in [file for file in self._told if file not in in_doubt]:
            self._note({known: edit for known, (_, edit) in self._told.items() if known != file})
            LOGGER.info("%s is in order again", file)
            del self._told[file]
        for each in found:
            if not self._is_told(each):
                self._tell_of(each)

    def _tell_of(self, broken: Broken) -> None:
        edit, before = BrokenEdit(content_mark(broken.file), broken.message), self._told.get(broken.file)
        if before is None or before[1].mark != edit.mark:
            known = {file: said for file, (_, said) in self._told.items()}
            self._note({**known, broken.file: edit}, news_of=broken)
            LOGGER.error("%s; until it is mended, what the file said before counts", broken.message)
        self._told[broken.file] = broken.stamp, edit

    def _is_told(self, broken: Broken) -> bool:
        told = self._told.get(broken.file)
        return told is not None and told[0] == broken.stamp

    def _note(self, edits: Mapping[Path, BrokenEdit], news_of: Broken | None = None) -> None:
        """Write down for `status` what is broken now, with the news of the newest."""
        config, now = self._parts.config, self._parts.clock.now()

        def note(db: Connection) -> None:
            facts.note_broken_edits(db, {str(file): edit for file, edit in edits.items()})
            if news_of is not None:
                notifying.config_broken(db, config, news_of.file, news_of.message, now)

        self._parts.journal.write(note)


def _threads(config: Config) -> int:
    # Twice: as many answers may be put away while the next calls are under way.
    return 2 * config.limits.concurrency


def _allow_open_files(config: Config) -> None:
    """Let as many files be open as the limits may need, or say that this cannot be had."""
    calls, hooks = config.limits.concurrency, config.limits.hooks
    wanted = open_files.needed(calls, hooks)
    if (allowed := open_files.allow(wanted)) < wanted:
        LOGGER.warning(
            "%s: limits.concurrency %d and limits.hooks %d may need %d open files, and the system allows %d; raise "
            "that (ulimit -Hn, or LimitNOFILE= in a unit of systemd), or lower the limits",
            CONFIG_NAME, calls, hooks, wanted, allowed,
        )  # fmt: skip


def _changed(before: Configured, now: Configured) -> list[str]:
    """Return the keys that say something else now, with dots, two levels deep; never a value."""
    changed = []
    for key, value in now.values.items():
        old = before.values.get(key)
        if isinstance(old, dict) and isinstance(value, dict):
            changed += [f"{key}.{name}" for name in {**old, **value} if old.get(name) != value.get(name)]
        elif old != value:
            changed.append(key)
    return changed
