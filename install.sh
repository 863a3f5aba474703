#!/usr/bin/env bash
# Sets kimi-hooks up in this folder: .venv with pinned dependencies, and a workspace. Run it again at any time.
#   ./install.sh [--home DIR] [--service] [--quiet]      --service lets systemd keep the runner; --quiet says little
# Nothing outside this folder is touched, but for DIR and the service when they are asked for: not even pip's cache.
set -euo pipefail

here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd -P)
home=$here
quiet=
service=

fail() {
  printf 'install.sh: %s\n' "$*" >&2
  exit 1
}

say() { printf '%s\n' "$*" >&2; }

while [ $# -gt 0 ]; do
  case $1 in
    --home) [ $# -ge 2 ] || fail "--home needs a folder"; home=$2; shift 2 ;;
    --home=*) home=${1#--home=}; shift ;;
    --quiet) quiet=1; shift ;;
    --service) service=1; shift ;;
    -h | --help) sed -n '2,4s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"; exit 0 ;;
    *) fail "unknown argument: $1 (known: --home DIR, --service, --quiet)" ;;
  esac
done

# Said from where the caller stands, before we go to our own folder.
case $home in
  /*) ;;
  *) home=$PWD/$home ;;
esac

case $(uname -s) in
  Linux | Darwin) ;;
  *) fail "only Linux and macOS are supported; on Windows use WSL" ;;
esac

# Prints the first Python that is new enough; PYTHON names one.
find_python() {
  local candidate
  for candidate in ${PYTHON:+"$PYTHON"} python3 python3.14 python3.13 python3.12 python3.11; do
    if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
      printf '%s\n' "$candidate"
      return
    fi
  done
  if command -v python3 >/dev/null; then
    fail "$(python3 --version 2>&1) is too old: Python 3.11 or newer is needed (Debian, Ubuntu: apt install python3.11 python3.11-venv; or set PYTHON=/path/to/python3)"
  fi
  fail "python3 is missing (Debian, Ubuntu: apt install python3 python3-venv; macOS: brew install python)"
}

make_venv() {
  local python version
  python=$(find_python) || exit 1
  if ! "$python" -c 'import venv, ensurepip' 2>/dev/null; then
    version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
    fail "this Python cannot make virtual environments (Debian, Ubuntu: apt install python$version-venv)"
  fi
  say "making .venv with $("$python" --version 2>&1)"
  rm -rf "$here/.venv"
  "$python" -m venv "$here/.venv"
}

# The venv is rebuilt when it does not run (a moved clone, a Python that was removed), dependencies when the lock changed.
venv_runs() { "$here/.venv/bin/python" -c 'import pip' 2>/dev/null && [ "$(cat "$here/.venv/.made-in" 2>/dev/null)" = "$here" ]; }
is_current() { cmp -s "$here/requirements.lock" "$here/.venv/.installed.lock" && "$here/.venv/bin/kimi-hooks" --version >/dev/null 2>&1; }

cd "$here"
if ! venv_runs; then
  make_venv
  printf '%s' "$here" >"$here/.venv/.made-in"
fi
if ! is_current; then
  say "installing the pinned dependencies into .venv (about 30 seconds)"
  pip=("$here/.venv/bin/python" -m pip --disable-pip-version-check --no-cache-dir --quiet install)
  "${pip[@]}" --requirement "$here/requirements.lock" ||
    fail "the pinned packages could not be fetched: check the network, or the proxy (HTTPS_PROXY), and run this again"
  "${pip[@]}" --no-deps --no-build-isolation --editable "$here"
  cp "$here/requirements.lock" "$here/.venv/.installed.lock"
fi

if [ -n "$quiet" ]; then
  "$here/.venv/bin/kimi-hooks" init "$home" >/dev/null
else
  "$here/.venv/bin/kimi-hooks" init "$home"
fi
if [ -n "$service" ]; then
  "$here/.venv/bin/kimi-hooks" --home "$home" service install
fi
if [ -z "$quiet" ]; then
  printf '\nReady. Try it without a key:  ./run-kimi.sh --standin "say hello"\nThe program:                  %s\n' "$here/.venv/bin/kimi-hooks"
fi
