#!/usr/bin/env bash
# One turn of the closed loop: read what others found, grade it by the rules and by Codex, keep program.md. For cron, every 6 h.
# Usage: pipelines/research-refresh.sh [--no-model] [--verify] [--out DIR]
# Writes DIR/research-refresh.json, and with a model DIR/research-grade.json (default: outputs/); --verify checks Tier A too.
set -euo pipefail
timeout=$(command -v timeout || true) # without it Codex waits for a lost network as long as it likes

usage() {
  sed -n '2,4s/^# //p' "$0" >&2
  exit 2
}

model=yes verify=no out=outputs
while (($#)); do
  case $1 in
    --no-model) model=no ;;
    --verify) verify=yes ;;
    --out) out=${2:?--out takes a folder}; shift ;;
    *) usage ;;
  esac
  shift
done
mkdir -p "$out"

# ask SCHEMA VERB [CODEX OPTION…]: what `golf research VERB` asks, answered by Codex and taken in whole or not at all
ask() {
  local status=0
  golf research "$2" --prompt >"$out/$1.prompt.md" || status=$?
  ((status != 1)) || return 0 # nothing is left to ask
  ((status == 0)) || return "$status"
  golf schema "$1" >"$out/$1.schema.json"
  ${timeout:+"$timeout" "${GOLF_CODEX_S:-1800}"} codex exec --sandbox read-only --ephemeral --skip-git-repo-check "${@:3}" \
    --output-schema "$out/$1.schema.json" -o "$out/$1.answer.json" - <"$out/$1.prompt.md"
  golf research "$2" --accept "$out/$1.answer.json" --json >"$out/$1.json.part"
  mv "$out/$1.json.part" "$out/$1.json"
}

golf research refresh --json >"$out/research-refresh.json"
if [[ $model == yes ]]; then
  ask research-grade grade
  [[ $verify == no ]] || ask research-verification verify --config web_search=live
fi
golf research digest
