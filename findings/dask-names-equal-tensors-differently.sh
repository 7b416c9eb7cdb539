#!/usr/bin/env bash
# dask 2026.8.0, joblib 1.6.0, torch 2.13.0: two tensors with the same numbers have different names (`dask.base.tokenize`) and different
# hashes (`joblib.hash`), also when a deterministic name is insisted on, and in the next process again others. So a task on equal
# skeletons runs twice in one graph, and what was stored under such a name, by Dask or by joblib.Memory, is never found again. The same
# numbers as NumPy arrays have one name. What both libraries name a tensor by is its pickle, which holds a number of its memory.
# Guess before the run: one name for equal numbers, as with arrays; a network may be another matter, and is refused if insisted on.
# Seen: 2 calls for two equal tensors, 1 for two equal arrays; `ensure_deterministic=True` raises nothing for tensors and networks.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT; cd "$work"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check torch==2.13.0 numpy==2.4.6 dask==2026.8.0 joblib==1.6.0
expect() { [ "$2" = "$3" ] && echo "as before: $1" || { echo "CHANGED: $1: found '$2', was '$3'"; exit 1; }; }
run() { venv/bin/python -W ignore -c "
import dask, joblib, numpy as np, torch
from dask.base import tokenize
first, second = torch.zeros(20, 2, 15, 3), torch.zeros(20, 2, 15, 3)  # frames, bodies, joints, coordinates
def name(x): return tokenize(x, ensure_deterministic=True)
def network():
    torch.manual_seed(1)
    return torch.nn.LSTM(90, 4)
calls = []
@dask.delayed(pure=True)
def evaluate(x):
    calls.append(1)
    return float(x.sum())
$1"; }
expect "names of equal tensors" "$(run 'print(name(first) == name(second), name(first) == name(first))')" "False True"
expect "names of equal arrays" "$(run 'print(name(first.numpy()) == name(second.numpy()))')" "True"
expect "names of equal networks" "$(run 'a, b = network(), network(); print(name(a) == name(b), name(a.state_dict()) == name(b.state_dict()))')" "False False"
expect "hashes of equal tensors by joblib" "$(run 'print(joblib.hash(first) == joblib.hash(second))')" "False"
expect "pickles of equal tensors" "$(run 'import pickle; print(pickle.dumps(first) == pickle.dumps(second))')" "False"
cat > kept.py <<'PY'
import joblib
import torch


def evaluate(x):
    print("called", end=" ")
    return float(x.sum())


kept = joblib.Memory("kept", verbose=0).cache(evaluate)
x = torch.zeros(20, 2, 15, 3)
kept(x)
kept(x)
kept(x.numpy())
PY
expect "calls that joblib.Memory keeps, a tensor and an array" "$(venv/bin/python kept.py)" "called called "
expect "the same in the next process, which finds the array alone" "$(venv/bin/python kept.py)" "called "
expect "calls for equal tensors" "$(run 'dask.compute(evaluate(first), evaluate(second), scheduler="sync"); print(len(calls))')" "2"
expect "calls for equal arrays" "$(run 'dask.compute(evaluate(first.numpy()), evaluate(second.numpy()), scheduler="sync"); print(len(calls))')" "1"
if [ "$(run 'print(name(first))')" = "$(run 'print(name(first))')" ]; then echo "CHANGED: two processes give a tensor one name"; exit 1; fi
expect "the name of an array in two processes" "$(run 'print(name(first.numpy()))')" "$(run 'print(name(first.numpy()))')"
echo "as before: two processes give a tensor two names"
