#!/usr/bin/env bash
# DVC 3.67.1: .dvcignore does not read `/cells/*` followed by `!/cells/a/` as git reads the same lines: the folder is shown again, the
# files in it stay hidden, and `dvc status` says that all is up to date. Without the slash at the end (`!/cells/a`) they are shown.
# Guess before the run: as git, since the documentation calls the patterns those of .gitignore.
# Seen: git does not ignore cells/a/dvc.yaml, DVC does ("is dvc-ignored"); with `!/cells/a` DVC runs its stage.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT; cd "$work"
python3 -m venv venv; venv/bin/pip install --quiet --disable-pip-version-check dvc==3.67.1
export PATH=$work/venv/bin:$PATH DVC_NO_ANALYTICS=1 DVC_SITE_CACHE_DIR=$work/site
export GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@example.org GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@example.org
expect() { [ "$2" = "$3" ] && echo "as before: $1" || { echo "CHANGED: $1: found '$2', was '$3'"; exit 1; }; }
mkdir project; cd project; git init --quiet; dvc init --quiet; dvc --version
mkdir -p cells/a cells/b; printf 'stages: {s: {cmd: echo hi}}\n' > cells/a/dvc.yaml
printf '/cells/*\n!/cells/a/\n' > .dvcignore; cp .dvcignore .gitignore
git check-ignore --quiet cells/a/dvc.yaml && own=ignored || own=shown
expect "git and these two lines" "$own" shown
rm .gitignore
expect "DVC and the same two lines" "$(dvc repro cells/a/dvc.yaml 2>&1 | grep -o 'is dvc-ignored')" "is dvc-ignored"
expect "what dvc status says of the hidden pipeline" "$(dvc status)" "There are no data or pipelines tracked in this project yet.
See <https://dvc.org/doc/start> to get started!"
printf '/cells/*\n!/cells/a\n' > .dvcignore
expect "stages run without the slash" "$(dvc repro cells/a/dvc.yaml | grep -c '^Running stage')" 1
