"""kimi-hooks: drop a task file, go away, be woken once."""

import os

# pydantic would read the metadata of every installed package, at every start, to look for plug-ins that we do not want.
os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")

__version__ = "0.1.0"
