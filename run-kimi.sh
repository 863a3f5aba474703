#!/usr/bin/env bash
# Hands one task to Kimi: installs what is missing, starts the runner when none runs, prints the task's id at once.
#   ./run-kimi.sh [--standin] [--wait] PROMPT [NAME] [GROUP]
# --wait shows the answer; --standin lets a local imitation answer, without a key, and waits.
set -euo pipefail

here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd -P)
home=${KIMI_HOOKS_HOME:-$here}

usage() { sed -n '2,4s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"; }

wrong_usage() {
  printf 'run-kimi.sh: %s\n' "$1" >&2
  usage >&2
  exit 2
}

options=()
while [ $# -gt 0 ]; do
  case $1 in
    --standin) options+=(--standin --wait); shift ;;
    --wait) options+=(--wait); shift ;;
    -h | --help) usage; exit 0 ;;
    --) shift; break ;;
    -*) wrong_usage "unknown option $1; a prompt that begins with a dash comes after --" ;;
    *) break ;;
  esac
done
if [ $# -lt 1 ] || [ -z "${1//[[:space:]]/}" ]; then wrong_usage "the prompt is missing"; fi
if [ $# -gt 3 ]; then wrong_usage "too many words; put the prompt in quotes"; fi
for word in "${@:2}"; do
  # `run-kimi.sh "a task" --wait` would be a task named --wait.
  case $word in --*) wrong_usage "$word comes before the prompt" ;; esac
done

# A clone that was moved or copied carries a .venv that belongs elsewhere.
if [ "$(cat "$here/.venv/.made-in" 2>/dev/null)" != "$here" ] || [ ! -x "$here/.venv/bin/kimi-hooks" ] ||
  [ ! -e "$home/config.yaml" ]; then
  "$here/install.sh" --quiet --home "$home"
fi

options+=("--prompt=$1")
[ -z "${2:-}" ] || options+=("--name=$2")
[ -z "${3:-}" ] || options+=("--group=$3")
exec "$here/.venv/bin/kimi-hooks" --home "$home" dispatch --start "${options[@]}"
