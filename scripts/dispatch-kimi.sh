#!/usr/bin/env bash
# Drops a task into this folder's outbox; takes what `kimi-hooks dispatch` takes.
set -euo pipefail

here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd -P)
[ -x "$here/.venv/bin/kimi-hooks" ] || "$here/install.sh" --quiet
exec "$here/.venv/bin/kimi-hooks" --home "${KIMI_HOOKS_HOME:-$here}" dispatch "$@"
