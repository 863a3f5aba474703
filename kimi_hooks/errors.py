"""What can go wrong, split by what the reader must do.

Every message names the place, the cause and the remedy; the command line prints it as one line.
"""

from __future__ import annotations


class KimiHooksError(Exception):
    """An expected failure: exit code 1, told without a traceback."""

    exit_code = 1


class WorkspaceError(KimiHooksError):
    """The workspace cannot be found, laid out or used: mend the folder or name another one."""


class ConfigError(KimiHooksError):
    """config.yaml or a secret says something impossible: mend the file."""


class TaskError(KimiHooksError):
    """A task cannot be accepted as it is written: mend the task."""


class TemplateError(KimiHooksError):
    """A template would let a value be evaluated, or cannot be rendered: mend the template."""


class LaunchError(KimiHooksError):
    """A command could not be started at all: mend the command, its file or its run bit."""


class LockHeldError(KimiHooksError):
    """Another runner works on this workspace: use that one, or stop it first."""


class JournalError(KimiHooksError):
    """The journal cannot be used just now: see who holds it, or make room on the disk."""


class DamagedJournalError(JournalError):
    """The journal is gone or not as it was written, and no waiting helps: make a new one with `fsck --rebuild`."""


class ServiceError(KimiHooksError):
    """systemd cannot be told what to do: log in as the user whose service it is, or type what the message says."""


class UnknownTaskError(KimiHooksError):
    """No task of this id is known here: look the id up."""


class UnknownNotificationError(KimiHooksError):
    """No notification of this id is known here: look the id up."""


class UnknownHookError(KimiHooksError):
    """No hook of this id is configured, and none has run: look the id up."""


class EventError(KimiHooksError):
    """There is no such event to try hooks with: name another event, another task, or mend the file that tells of it."""


class UnknownRunError(KimiHooksError):
    """No run of a hook has this number: look the number up."""


class GateRunError(KimiHooksError):
    """The run was a question at a gate, and the task has gone on since: dispatch the task again."""


class SteeringError(KimiHooksError):
    """The task cannot be cancelled, held, released or run again as it stands: do what the message says."""


class NotEndedError(KimiHooksError):
    """The task has not ended, so there is nothing to tell yet: wait for it."""


class ResultError(KimiHooksError):
    """The result of an ended task is not there, or not as it was written: put it back or run the task again."""


class UnreachableError(KimiHooksError):
    """Nobody has answered, or nobody has time just now: trying again later may help."""


class OutdatedError(KimiHooksError):
    """config.yaml was edited since this began: look at it again with the new one."""


class StoppingError(KimiHooksError):
    """The runner is leaving: what it had begun is done at its next start."""


class RefusedError(KimiHooksError):
    """The other side says no for good: mend what it says before you try again. A hook that ends so gives up."""

    exit_code = 2


class WaitTimedOutError(KimiHooksError):
    """The tasks waited for have not ended in time: wait longer."""

    exit_code = 124


class LostAnswersError(KimiHooksError):
    """A runner has left with answers that were paid for and could not be written."""
