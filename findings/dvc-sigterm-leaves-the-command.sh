#!/usr/bin/env bash
# DVC 3.67.1: SIGTERM to `dvc repro` (timeout, a batch system, a service) ends DVC and leaves the command of the stage running. The next
# `dvc repro` removes the note of the first ("had been killed"), and starts a second command beside it on the same outputs.
# Guess before the run: the command is ended, or the second `dvc repro` refuses.
# Seen: the log has two starts before the first end.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT; cd "$work"
python3 -m venv venv; venv/bin/pip install --quiet --disable-pip-version-check dvc==3.67.1
export PATH=$work/venv/bin:$PATH DVC_NO_ANALYTICS=1 DVC_SITE_CACHE_DIR=$work/site
export GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@example.org GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@example.org
expect() { [ "$2" = "$3" ] && echo "as before: $1" || { echo "CHANGED: $1: found '$2', was '$3'"; exit 1; }; }
mkdir project; cd project; git init --quiet; dvc init --quiet; dvc --version
printf 'stages: {s: {cmd: "echo start >> log; sleep 20; echo end >> log; echo 1 > out", outs: [out]}}\n' > dvc.yaml
started() { for _ in $(seq 100); do [ "$(grep -c start log 2>/dev/null)" = "$1" ] && return; sleep 0.2; done; }
dvc repro > /dev/null 2>&1 & first=$!; started 1; kill -TERM $first; wait $first && code=0 || code=$?
expect "exit code of the first, ended by SIGTERM" "$code" 143
dvc repro > /dev/null 2>&1 & second=$!; started 2
expect "what two runs of one stage wrote" "$(tr '\n' ' ' < log)" "start start "
kill -TERM $second; wait $second || true; sleep 21
expect "and in the end" "$(tr '\n' ' ' < log)" "start start end end "
