#!/usr/bin/env bash
# DVC 3.67.1: `dvc exp run -S KEY=VALUE` of one key rewrites the whole params.yaml: a comment after the last item of a list is deleted (here the
# heading of the next section), flow lists become block lists, and what a mapping inherits by `<<` is copied into it, which cuts the link.
# Guess before the run: the line of the key changes, as with a round-trip editor of YAML.
# Seen: the heading is gone, `lr: 0.1` stands in `child`, `seeds: [1, 2]` takes three lines.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT; cd "$work"
python3 -m venv venv; venv/bin/pip install --quiet --disable-pip-version-check dvc==3.67.1
export PATH=$work/venv/bin:$PATH DVC_NO_ANALYTICS=1 DVC_SITE_CACHE_DIR=$work/site
export GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@example.org GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@example.org
expect() { [ "$2" = "$3" ] && echo "as before: $1" || { echo "CHANGED: $1: found '$2', was '$3'"; exit 1; }; }
mkdir project; cd project; git init --quiet; dvc init --quiet; dvc --version
cat > params.yaml <<'Y'
batch: 4
list:
- 1
- 2

# heading of the next section
base: &base
  lr: 0.1
child:
  <<: *base
  n: 1
seeds: [1, 2]
Y
printf 'stages: {s: {cmd: cat params.yaml > out, deps: [params.yaml], outs: [out]}}\n' > dvc.yaml; git add -A; git commit --quiet -m 1
dvc exp run --quiet -S batch=8
expect "headings left" "$(grep -c 'heading' params.yaml || true)" 0
expect "keys named lr" "$(grep -c 'lr: 0.1' params.yaml)" 2
expect "lines of seeds" "$(grep -A2 '^seeds' params.yaml | tr '\n' ' ')" "seeds: - 1 - 2 "
