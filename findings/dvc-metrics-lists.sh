#!/usr/bin/env bash
# DVC 3.67.1: `dvc metrics diff` leaves lists out without a word. An interval kept as `ci95: [low, high]` never shows a change.
# Guess before the run: lists compared as text, or one row an element.
# Seen: an empty diff and exit code 0, where the same numbers under keys of their own give a row.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT; cd "$work"
python3 -m venv venv; venv/bin/pip install --quiet --disable-pip-version-check dvc==3.67.1
export PATH=$work/venv/bin:$PATH DVC_NO_ANALYTICS=1 DVC_SITE_CACHE_DIR=$work/site
export GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@example.org GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@example.org
expect() { [ "$2" = "$3" ] && echo "as before: $1" || { echo "CHANGED: $1: found '$2', was '$3'"; exit 1; }; }
mkdir project; cd project; git init --quiet; dvc init --quiet; dvc --version
printf 'stages: {s: {cmd: echo, metrics: [m.json: {cache: false}]}}\n' > dvc.yaml
echo '{"ci95": [0.1, 0.2]}' > m.json; git add -A; git commit --quiet -m 1
echo '{"ci95": [0.8, 0.9]}' > m.json
expect "a list that changed" "$(dvc metrics diff --json)" "{}"
echo '{"low": 0.1}' > m.json; git add -A; git commit --quiet -m 2; echo '{"low": 0.8}' > m.json
expect "a number that changed" "$(dvc metrics diff --json | grep -c '"low": {"old": 0.1, "new": 0.8')" 1
