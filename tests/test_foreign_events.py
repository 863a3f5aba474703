"""Events of other programs are refused by name, with the reason and the nearest event that happens here."""

from __future__ import annotations

import pytest

from kimi_hooks.config_hooks import CommandPart, HttpPart, MatcherPart
from kimi_hooks.events import KINDS
from kimi_hooks.foreign_events import CLAUDE_CODE, FOREIGN, refusal

# All events of Claude Code 2.1.317.
LISTED = """SessionStart Setup UserPromptSubmit UserPromptExpansion PreToolUse PermissionRequest PermissionDenied PostToolUse
PostToolUseFailure PostToolBatch Notification MessageDisplay SubagentStart SubagentStop TaskCreated TaskCompleted Stop
StopFailure TeammateIdle InstructionsLoaded ConfigChange CwdChanged DirectoryAdded FileChanged WorktreeCreate WorktreeRemove
PreCompact PostCompact PreModelSwitch PostModelSwitch Elicitation ElicitationResult SessionEnd"""
THEIRS = LISTED.split()


def test_every_event_of_claude_code_is_known() -> None:
    """It happens here, or it is refused with a reason; nothing is in both lists."""
    assert len(THEIRS) == 33
    assert {*THEIRS} - {*KINDS} == {*CLAUDE_CODE}


@pytest.mark.parametrize("name", FOREIGN)
def test_the_nearest_event_is_one_of_ours(name: str) -> None:
    """Nobody is sent from one unknown event to another."""
    event = FOREIGN[name]
    assert event.nearest in KINDS
    assert refusal(name) == f"{event.why}; the nearest event is {event.nearest!r}"


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("BeforeModel", "UserPromptSubmit"),
        ("AfterAgent", "Stop"),
        ("beforeSubmitPrompt", "UserPromptSubmit"),
        ("stop", "Stop"),
        ("sessionStart", "SessionStart"),
        ("pre_tool_use", "UserPromptSubmit"),
        ("UserPromptQueued", "TaskCreated"),
        ("agent-turn-complete", "TaskCompleted"),
    ],
)
def test_names_that_people_bring_lead_to_ours(name: str, nearest: str) -> None:
    """Those of Gemini CLI, Cursor, Kimi Code and Codex, and other spellings."""
    assert repr(nearest) in str(refusal(name))


def test_a_name_that_nobody_has_is_left_to_the_nearest_word() -> None:
    """A slip of the keyboard is no event of another program."""
    assert refusal("TaskComplete") is None


def test_no_key_of_ours_is_called_foreign() -> None:
    """A key that there is must not be refused with a reason why there is none."""
    for part in (CommandPart, HttpPart, MatcherPart):
        own = {field.alias or name for name, field in part.model_fields.items()}
        assert own.isdisjoint(part.foreign_keys)
