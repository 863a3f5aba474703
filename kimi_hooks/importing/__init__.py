"""Hooks that were configured for Claude Code, as hooks of ours."""
