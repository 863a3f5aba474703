#!/usr/bin/env bash
# Drops a task into this folder's outbox; takes what `kimi-hooks dispatch` takes.
set -euo pipefail

here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd -P)
if [ "$(cat "$here/.venv/.made-in" 2>/dev/null)" != "$here" ] || [ ! -x "$here/.venv/bin/kimi-hooks" ]; then
  "$here/install.sh" --quiet
fi
exec "$here/.venv/bin/kimi-hooks" --home "${KIMI_HOOKS_HOME:-$here}" dispatch "$@"
