"""Events of other programs that nothing here makes: why, and which of ours comes nearest.

The names are those of Claude Code 2.1 (November 2026), Kimi Code, Gemini CLI, Cursor and Codex, as their documents have
them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from kimi_hooks.events import KINDS


@dataclass(frozen=True)
class ForeignEvent:
    """`why` nothing makes it here; `nearest` is a name that may stand under `hooks`."""

    why: str
    nearest: str


_NO_TOOLS = "there are no tool calls here"
_NO_TOOLS_BEFORE = f"{_NO_TOOLS}; hooks have the last word before Kimi is called"
_ANSWER = f"{_NO_TOOLS}; the answer as a whole is judged"
_NO_PERSON = "nobody sits at a terminal here, so nothing is asked"
_NO_SUBAGENTS = "there are no subagents here; each task is one conversation with Kimi"
_NO_SWITCH = "a task keeps its model"
_NO_WORKTREES = "nothing here works in git worktrees"
_NO_FOLDER = "the workspace stays the same folder all the time"
_NO_COMPACTION = "no conversation is made shorter here; what is too long for the model fails before it is sent"
_NO_FOREIGN_QUESTIONS = "there are no MCP servers here that could ask something"

# What Claude Code has and we have not, in the order of its own documents.
CLAUDE_CODE: Mapping[str, ForeignEvent] = {
    "Setup": ForeignEvent("a workspace is laid out by `kimi-hooks init`, which runs no hooks", "SessionStart"),
    "UserPromptExpansion": ForeignEvent(
        "there are no slash commands here; a prompt is sent as it is", "UserPromptSubmit"
    ),
    "PreToolUse": ForeignEvent(_NO_TOOLS_BEFORE, "UserPromptSubmit"),
    "PermissionRequest": ForeignEvent(_NO_PERSON, "UserPromptSubmit"),
    "PermissionDenied": ForeignEvent(_NO_PERSON, "TaskFailed"),
    "PostToolUse": ForeignEvent(_ANSWER, "Stop"),
    "PostToolUseFailure": ForeignEvent(f"{_NO_TOOLS}; what fails is a call to Kimi", "TaskFailed"),
    "PostToolBatch": ForeignEvent(_ANSWER, "Stop"),
    "MessageDisplay": ForeignEvent("no text is shown while it comes in", "Stop"),
    "SubagentStart": ForeignEvent(_NO_SUBAGENTS, "TaskCreated"),
    "SubagentStop": ForeignEvent(_NO_SUBAGENTS, "Stop"),
    "TeammateIdle": ForeignEvent("there are no teammates here; a finished answer can be sent back", "Stop"),
    "InstructionsLoaded": ForeignEvent(
        "no CLAUDE.md is loaded here; text can be added to a prompt", "UserPromptSubmit"
    ),
    "ConfigChange": ForeignEvent("an edit of config.yaml needs nobody's consent; a broken one is told", "Notification"),
    "CwdChanged": ForeignEvent(_NO_FOLDER, "SessionStart"),
    "DirectoryAdded": ForeignEvent(_NO_FOLDER, "SessionStart"),
    "FileChanged": ForeignEvent(
        "only `outbox/` is watched; a file that is dropped there becomes a task", "TaskCreated"
    ),
    "WorktreeCreate": ForeignEvent(_NO_WORKTREES, "TaskCreated"),
    "WorktreeRemove": ForeignEvent(_NO_WORKTREES, "TaskCompleted"),
    "PreCompact": ForeignEvent(_NO_COMPACTION, "UserPromptSubmit"),
    "PostCompact": ForeignEvent(_NO_COMPACTION, "Stop"),
    "PreModelSwitch": ForeignEvent(f"{_NO_SWITCH}; a hook can refuse it before it is sent", "UserPromptSubmit"),
    "PostModelSwitch": ForeignEvent(f"{_NO_SWITCH}; hooks see it as `model`", "UserPromptSubmit"),
    "Elicitation": ForeignEvent(_NO_FOREIGN_QUESTIONS, "UserPromptSubmit"),
    "ElicitationResult": ForeignEvent(_NO_FOREIGN_QUESTIONS, "Stop"),
}

_OTHER_NAME = "it has another name here"
_OTHERS: Mapping[str, ForeignEvent] = {
    # Gemini CLI
    "BeforeAgent": ForeignEvent(_OTHER_NAME, "UserPromptSubmit"),
    "AfterAgent": ForeignEvent(_OTHER_NAME, "Stop"),
    "BeforeModel": ForeignEvent("a hook is asked once before the first call, not before each try", "UserPromptSubmit"),
    "AfterModel": ForeignEvent("no hook runs while an answer comes in, only when it is whole", "Stop"),
    "BeforeToolSelection": ForeignEvent(_NO_TOOLS_BEFORE, "UserPromptSubmit"),
    "BeforeTool": ForeignEvent(_NO_TOOLS_BEFORE, "UserPromptSubmit"),
    "AfterTool": ForeignEvent(_ANSWER, "Stop"),
    "PreCompress": ForeignEvent(_NO_COMPACTION, "UserPromptSubmit"),
    # Cursor
    "beforeSubmitPrompt": ForeignEvent(_OTHER_NAME, "UserPromptSubmit"),
    "afterAgentResponse": ForeignEvent(_OTHER_NAME, "Stop"),
    "afterAgentThought": ForeignEvent("no hook runs while Kimi thinks, only when the answer is whole", "Stop"),
    "beforeShellExecution": ForeignEvent("Kimi runs no commands here", "UserPromptSubmit"),
    "afterShellExecution": ForeignEvent("Kimi runs no commands here", "Stop"),
    "beforeMCPExecution": ForeignEvent(_NO_TOOLS_BEFORE, "UserPromptSubmit"),
    "afterMCPExecution": ForeignEvent(_ANSWER, "Stop"),
    "beforeReadFile": ForeignEvent("Kimi reads no files here but those under `context` of a task", "TaskCreated"),
    "afterFileEdit": ForeignEvent("Kimi edits no files here; it answers with a text", "Stop"),
    # Kimi Code
    "TaskStarted": ForeignEvent(_OTHER_NAME, "UserPromptSubmit"),
    "TurnStarted": ForeignEvent("a hook is asked before the first turn of a task only", "UserPromptSubmit"),
    "UserPromptQueued": ForeignEvent(_OTHER_NAME, "TaskCreated"),
    "PermissionResult": ForeignEvent(_NO_PERSON, "UserPromptSubmit"),
    "Interrupt": ForeignEvent("a task that is cut goes on at the next start; one that ends so is told", "TaskFailed"),
    "SessionHeartbeat": ForeignEvent("nothing runs by the clock here; see `kimi-hooks status`", "SessionStart"),
    # Codex
    "agent-turn-complete": ForeignEvent(_OTHER_NAME, "TaskCompleted"),
}

FOREIGN: Mapping[str, ForeignEvent] = {**CLAUDE_CODE, **_OTHERS}


def refusal(name: str) -> str | None:
    """Return why an event of this name is refused and which one to take; None for a name that nobody is known to have.

    A name of ours that is spelt in another way, such as `task_completed`, leads to ours.
    """
    ours = {_folded(known): known for known in KINDS}.get(_folded(name))
    if ours:
        return f"names of events are written as in Claude Code (did you mean {ours!r}?)"
    foreign = {_folded(known): event for known, event in FOREIGN.items()}.get(_folded(name))
    return told(foreign) if foreign else None


def told(event: ForeignEvent) -> str:
    """Return why the event is refused, and the nearest one."""
    return f"{event.why}; the nearest event is {event.nearest!r}"


def _folded(name: str) -> str:
    return name.casefold().replace("_", "").replace("-", "")
