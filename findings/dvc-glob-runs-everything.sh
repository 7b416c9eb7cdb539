#!/usr/bin/env bash
# DVC 3.67.1: `dvc repro --glob PATTERN` with a pattern that matches no stage (a typing error), and `dvc repro -R FOLDER` for a folder
# without stages, reproduce the WHOLE project and exit with 0. Without --glob the same unknown name is an error.
# Guess before the run: an error, or "nothing to do".
# Seen: both stages run, exit code 0, for `--glob 'trian*'` and for `-R docs`; `dvc repro trian` fails.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT; cd "$work"
python3 -m venv venv; venv/bin/pip install --quiet --disable-pip-version-check dvc==3.67.1
export PATH=$work/venv/bin:$PATH DVC_NO_ANALYTICS=1 DVC_SITE_CACHE_DIR=$work/site
export GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@example.org GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@example.org
expect() { [ "$2" = "$3" ] && echo "as before: $1" || { echo "CHANGED: $1: found '$2', was '$3'"; exit 1; }; }
mkdir project; cd project; git init --quiet; dvc init --quiet; dvc --version
printf 'stages:\n  train: {cmd: echo t}\n  clean: {cmd: echo EXPENSIVE}\n' > dvc.yaml; mkdir docs
ran() { dvc repro "$@" | grep -c "^Running stage" || true; }
expect "stages run by a glob that matches nothing" "$(ran --glob 'trian*')" 2
expect "stages run by a folder without stages" "$(ran -R docs)" 2
dvc repro --glob 'trian*' > /dev/null; expect "exit code of that glob" $? 0
dvc repro trian > /dev/null 2>&1 && code=0 || code=$?
expect "an unknown name without --glob is refused" "$([ "$code" != 0 ] && echo yes)" yes
