#!/usr/bin/env bash
# TaskCompleted and TaskFailed: a notice on the desktop, by notify-send (Linux) or osascript (macOS).
# The task's name is only ever a word of a command: nothing evaluates it.
#
# Exit codes: 0 shown, or nobody sits here; 1 try again.
set -euo pipefail

title="Kimi: $KIMI_TASK_STATUS"
body="Task: $KIMI_TASK_NAME"

on_mac() {
  osascript -e 'on run argv' -e 'display notification (item 2 of argv) with title (item 1 of argv)' -e 'end run' \
    "$title" "$body"
}

on_linux() {
  # A runner that was not started from the desktop does not know where it is; the bus of the user has a fixed place.
  export XDG_RUNTIME_DIR="${XDG_RUNTIME_DIR:-/run/user/$(id -u)}"
  if [ -z "${DBUS_SESSION_BUS_ADDRESS:-}" ]; then
    if [ ! -S "$XDG_RUNTIME_DIR/bus" ]; then
      echo "there is no desktop here: nobody was told of $KIMI_TASK_ID"
      return
    fi
    export DBUS_SESSION_BUS_ADDRESS="unix:path=$XDG_RUNTIME_DIR/bus"
  fi
  # Some desktops read marks in the body.
  body=${body//&/'&amp;'} body=${body//</'&lt;'} body=${body//>/'&gt;'}
  notify-send --app-name=kimi-hooks "$title" "$body"
}

if command -v osascript >/dev/null; then
  on_mac || exit 1
elif command -v notify-send >/dev/null; then
  on_linux || exit 1
else
  echo "neither notify-send nor osascript is on PATH: nobody was told of $KIMI_TASK_ID"
fi
