#!/usr/bin/env bash
# Hands one job to Kimi: installs what is missing, starts the runner when none runs, prints the task's id at once.
#   ./run-kimi.sh [--standin] [--wait] PROMPT [NAME] [GROUP]
# --wait shows the answer; --standin lets a local imitation answer, without a key, and waits.
set -euo pipefail

here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd -P)
home=${KIMI_HOOKS_HOME:-$here}

usage() { sed -n '2,4s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"; }

wrong_usage() {
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
    -*) printf 'run-kimi.sh: unknown option %s (a prompt that begins with a dash comes after --)\n' "$1" >&2; wrong_usage ;;
    *) break ;;
  esac
done
if [ $# -lt 1 ] || [ $# -gt 3 ]; then wrong_usage; fi

if ! "$here/.venv/bin/kimi-hooks" --version >/dev/null 2>&1 || [ ! -e "$home/config.yaml" ]; then
  "$here/install.sh" --quiet --home "$home"
fi

options+=("--prompt=$1")
[ -z "${2:-}" ] || options+=("--name=$2")
[ -z "${3:-}" ] || options+=("--group=$3")
exec "$here/.venv/bin/kimi-hooks" --home "$home" dispatch --start "${options[@]}"
