"""What a runner says of itself: to other processes, beside its lock, and in the log when something hinders it."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from pathlib import Path

from kimi_hooks import hindrances, mounts
from kimi_hooks.kimi.catalogue import Catalogue
from kimi_hooks.kimi.failure import without_userinfo
from kimi_hooks.lock import Holder, Lock
from kimi_hooks.logs import LOGGER
from kimi_hooks.parts import Parts
from kimi_hooks.settings import Settings
from kimi_hooks.watching import Watching

LONGEST_TOLD = 500
DEAF = "%s lies on a network file system (%s): nobody tells us of what other machines drop; set `watch: polling`"
FAR_SPOOL = "%s lies on a network file system (%s): the journal is not safe there; move the workspace to a local disk"


class Announcing:
    """Says each thing once. `trouble` is what keeps the runner from its work just now, None when nothing does.

    `unsaved` tells how many answers are in memory only, and in words what cannot be put away, empty when nothing.
    """

    def __init__(self, parts: Parts, lock: Lock, watching: Watching, unsaved: Callable[[], tuple[int, str]]) -> None:
        self._parts = parts
        self._lock = lock
        self._watching = watching
        self._unsaved = unsaved
        self._kinds: set[str] = set()
        self._told: tuple[Settings, Catalogue] | None = None
        self._told_holder: Holder | None = None
        self._network: dict[Path, str | None] = {}
        self.trouble: str | None = None

    def note_trouble(self, error: Exception, again_in: float) -> None:
        """Say what keeps us from the work: each cause once, until all is well again."""
        self.trouble, kind = hindrances.told(error), hindrances.kind(error)
        if kind not in self._kinds:
            self._kinds.add(kind)
            LOGGER.error("%s; it is tried again every %d s", self.trouble, again_in)

    def note_end(self) -> None:
        """Say that all is well again, if it was not."""
        if self._kinds:
            self._kinds.clear()
            LOGGER.info("what kept the runner from its work is over: it goes on")

    def say_where_we_stand(self) -> None:
        """Let other processes know that we are at work, whom we ask, and what hinders us. Raises OSError."""
        settings, catalogue = now = self._parts.settings.current, self._parts.catalogue
        self._say(self._holder(settings, catalogue))
        if now != self._told:
            self._told = now
            self._warn_of_settings(settings, catalogue)

    def say_stopping(self) -> None:
        """Let other processes know that we start nothing new, and what we still wait for."""
        unsaved, told = self._unsaved()
        with contextlib.suppress(OSError):
            self._say(Holder(os.getpid(), is_stopping=True, trouble=told[:LONGEST_TOLD], unsaved=unsaved))

    def warn_of_network(self) -> None:
        """Say, once for each state of it, where the kernel cannot tell all that happens."""
        workspace = self._parts.workspace
        is_polling = self._parts.config.watch == "polling"
        found = {workspace.spool: mounts.network_type(workspace.spool)}
        found[workspace.outbox] = None if is_polling else mounts.network_type(workspace.outbox)
        for folder, kind in found.items():
            if kind is not None and self._network.get(folder) != kind:
                LOGGER.warning(DEAF if folder == workspace.outbox else FAR_SPOOL, folder, kind)
        self._network = found

    def _say(self, holder: Holder) -> None:
        if holder != self._told_holder:
            self._lock.say(holder)
            self._told_holder = holder

    def _holder(self, settings: Settings, catalogue: Catalogue) -> Holder:
        key_from = settings.origins.get("KIMI_API_KEY")
        key = f"key from {key_from}" if key_from else "no key"
        url, model = settings.values["KIMI_API_URL"], settings.values["KIMI_MODEL"]
        kimi = f"{without_userinfo(url)}, {catalogue.named(model, url)}, {key}"[:LONGEST_TOLD]
        unsaved, told = self._unsaved()
        trouble = "; ".join(filter(None, [told, self.trouble]))
        return Holder(
            os.getpid(),
            ready=True,
            lacks_key=key_from is None,
            mark=settings.mark,
            kimi=kimi,
            polling=self._why_polling()[:LONGEST_TOLD],
            trouble=trouble[:LONGEST_TOLD],
            unsaved=unsaved,
        )

    def _why_polling(self) -> str:
        """Return why folders are looked at every few seconds; empty while the kernel wakes us."""
        if self._watching.why_polling:
            return self._watching.why_polling
        return "`watch: polling` in config.yaml" if self._parts.config.watch == "polling" else ""

    def _warn_of_settings(self, settings: Settings, catalogue: Catalogue) -> None:
        url, model = settings.values["KIMI_API_URL"], settings.values["KIMI_MODEL"]
        if settings.origins.get("KIMI_API_KEY") is None:
            LOGGER.warning("no KIMI_API_KEY: tasks for Kimi wait; set it in %s", self._parts.workspace.secrets_file)
        if (about := catalogue.about(model, url)) is not None:
            LOGGER.warning("KIMI_MODEL (%s): %s", settings.origins["KIMI_MODEL"], about)
