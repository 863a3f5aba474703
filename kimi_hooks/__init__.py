"""kimi-hooks: drop a task file, go away, be woken once."""

__version__ = "0.1.0"
