#!/usr/bin/env bash
# DVC 3.67.1: `dvc gc -w -A` ("keep what all commits need") deletes the cached outputs of a pipeline that .dvcignore hides in those commits,
# although its dvc.yaml and dvc.lock are committed and name them.
# Guess before the run: kept, since dvc.lock is in every commit.
# Seen: the one object of the cache is removed.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT; cd "$work"
python3 -m venv venv; venv/bin/pip install --quiet --disable-pip-version-check dvc==3.67.1
export PATH=$work/venv/bin:$PATH DVC_NO_ANALYTICS=1 DVC_SITE_CACHE_DIR=$work/site
export GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@example.org GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@example.org
expect() { [ "$2" = "$3" ] && echo "as before: $1" || { echo "CHANGED: $1: found '$2', was '$3'"; exit 1; }; }
mkdir project; cd project; git init --quiet; dvc init --quiet; dvc --version
mkdir -p cells/a; printf 'stages: {s: {cmd: echo result > out, outs: [out]}}\n' > cells/a/dvc.yaml
dvc repro --quiet cells/a/dvc.yaml
echo /cells/a > .dvcignore; git add -A; git commit --quiet -m 1
count() { find .dvc/cache/files -type f | wc -l | tr -d ' '; }
expect "objects before" "$(count)" 1
dvc gc -w -A -f > /dev/null 2>&1
expect "objects after gc of all commits" "$(count)" 0
