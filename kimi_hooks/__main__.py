"""`python -m kimi_hooks` is `kimi-hooks`."""

from kimi_hooks.cli import main

main()
