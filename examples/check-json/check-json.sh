#!/usr/bin/env bash
# Stop: the answer must be JSON that keeps the rules of check-json.jq beside this script; else Kimi is sent back.
# It may stand alone, or in a ```json block (the first one counts).
#
# Exit codes: 0 the answer may stand, 2 Kimi is sent back with standard error, 1 it could not be checked.
set -euo pipefail

rules="${BASH_SOURCE[0]%.sh}.jq"
if ! command -v jq >/dev/null; then
  echo "check-json: jq is not on the runner's PATH: install it (apt install jq, brew install jq)" >&2
  exit 1
elif [ ! -r "$rules" ]; then
  echo "check-json: there is no $rules: put it beside the script" >&2
  exit 1
fi
problem=$(jq -n --from-file "$rules" 2>&1 >/dev/null) || if [ $? = 3 ]; then
  printf 'check-json: %s is no program for jq; mend it: %s\n' "$rules" "$problem" >&2
  exit 1
fi

# shellcheck disable=SC2016 # backticks as they stand in an answer
block='(^|\n)[ \t]*```json[ \t]*\n(?m:(?<json>.*?))\n[ \t]*```[ \t]*(\n|$)'
answer=$(jq --arg block "$block" '.last_assistant_message // "" | (capture($block) | .json) // .')
if ! said=$(jq 'fromjson' <<<"$answer" 2>&1); then
  printf 'Your answer is not valid JSON (%s). Answer with the JSON alone, in one ```json block.\n' "${said:0:300}" >&2
  exit 2
elif ! problems=$(jq --raw-output --from-file "$rules" <<<"$said" 2>&1) || [ -n "$problems" ]; then
  printf 'Your JSON does not keep the rules. Mend this and answer with the whole JSON in one ```json block:\n%s\n' \
    "${problems:0:2000}" >&2
  exit 2
fi
