#!/usr/bin/env bash
# mlflow 3.17.2: the digest that mlflow.data gives a data set, and shows as its version, is made of the first 10,000 numbers of an array
# in whatever shape, and of the first 10,000 rows of a table without its columns of truth values and its texts where one is missing.
# Skeletons of 50 clips, 30 frames, 25 joints have the digest of other skeletons that agree in the first four clips.
# Guess before the run: another digest where any number, row or column is another.
# Seen: equal digests for arrays that differ in clip 41 of 50, for tables that differ in row 15,001, in a column of truth values, in a
# column of texts of which one is None. What counts is the shape, and what comes first.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT; cd "$work"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check mlflow-skinny==3.17.2 numpy==2.4.6 pandas==2.3.3
expect() { [ "$2" = "$3" ] && echo "as before: $1" || { echo "CHANGED: $1: found '$2', was '$3'"; exit 1; }; }
run() { MLFLOW_DISABLE_TELEMETRY=true venv/bin/python -W ignore -c "
import mlflow.data, numpy as np, pandas as pd
clips = np.zeros((50, 30, 25, 3))  # clips, frames, joints, (x, y, z)
def changed(i):
    other = clips.copy(); other[i] = 1.0; return other
def array(a): return mlflow.data.from_numpy(a).digest
def frame(**columns): return mlflow.data.from_pandas(pd.DataFrame(columns)).digest
$1" 2>/dev/null; }
expect "clip 41 of 50 is another one, clip 1 is another one: equal digests" "$(run '
print(array(clips) == array(changed(40)), array(clips) == array(changed(0)))')" "True False"
expect "row 15,001 of 20,000 is another one" "$(run 'x = np.arange(20000.0); y = x.copy(); y[15000] = 0; print(frame(x=x) == frame(x=y))')" "True"
expect "a column of truth values is another one" "$(run 'print(frame(clip=["a", "b"], seen=[True, False]) == frame(clip=["a", "b"], seen=[False, True]))')" "True"
expect "texts are others, one missing, none missing" "$(run '
print(frame(clip=[None, "b"], n=[1, 2]) == frame(clip=[None, "z"], n=[1, 2]), frame(clip=["a", "b"], n=[1, 2]) == frame(clip=["a", "z"], n=[1, 2]))')" "True False"
