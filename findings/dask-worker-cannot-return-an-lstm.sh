#!/usr/bin/env bash
# distributed 2026.8.0, torch 2.13.0: a network goes to a worker as an argument by pickle, but comes back, is scattered, or moves from
# worker to worker by Dask's own way for torch.nn.Module, which takes its attributes one by one. An LSTM keeps weak references
# to its weights among them, which its pickling leaves out and Dask does not: "Could not serialize object of type list". So a task can
# use a network with an LSTM and never return the trained one, alone, inside another module or in a dictionary. Where nothing fails it is
# worse: two layers that share a weight come back with two weights, equal at first, and nothing keeps them so.
# Guess before the run: all of them come back as pickle would bring them.
# Seen: Linear comes back; LSTM, a module with one and a dictionary with one raise TypeError; as an argument the LSTM works. Weights that
# are shared stay so as an argument, and are two after a return, after scatter and between workers, without a word.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT; cd "$work"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check distributed==2026.8.0 dask==2026.8.0 torch==2.13.0 numpy==2.4.6
expect() { [ "$2" = "$3" ] && echo "as before: $1" || { echo "CHANGED: $1: found '$2', was '$3'"; exit 1; }; }
cat > run.py <<'PY'
import logging
import torch
from torch import nn
from distributed import Client, LocalCluster
def linear():
    return nn.Linear(2, 2)
def lstm():
    return nn.LSTM(2, 2)
def inside():
    return nn.Sequential(nn.Linear(2, 2), nn.LSTM(2, 2))
def dictionary():
    return {"net": nn.LSTM(2, 2)}
def sharing():
    net = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    net[1].weight = net[0].weight
    return net
def forward(net):
    return tuple(net(torch.ones(3, 1, 2))[0].shape)
def shares(net):
    return "shared" if net[0].weight is net[1].weight else "two"
def tried(of):
    try:
        return of()
    except Exception as error:  # scatter wraps the TypeError in an Exception
        return "refused" if "Could not serialize object of type list" in str(error) else f"another error: {error!r:.60}"
if __name__ == "__main__":
    told = {"n_workers": 2, "threads_per_worker": 1, "host": "127.0.0.1", "dashboard_address": None, "silence_logs": logging.CRITICAL}
    with LocalCluster(**told) as cluster, Client(cluster) as client:
        one, other = client.scheduler_info()["workers"]
        run = lambda function, *given, on=None: client.submit(function, *given, pure=False, workers=on)
        back = [tried(lambda: type(run(make).result(60)).__name__) for make in (linear, lstm, inside, dictionary)]
        print("back", *back)
        print("lstm", tried(lambda: run(forward, lstm()).result(60)), tried(lambda: type(client.scatter(lstm())).__name__))
        moved = run(shares, run(sharing, on=[one]), on=[other]).result(60)
        scattered = run(shares, client.scatter(sharing(), workers=[one]), on=[other]).result(60)
        print("weights", run(shares, sharing()).result(60), shares(run(sharing).result(60)), scattered, moved)
PY
venv/bin/python run.py > seen 2> error || { tail -5 seen error; echo "CHANGED: run.py failed"; exit 1; }
expect "coming back: Linear, LSTM, module with one, dictionary" "$(grep back seen)" "back Linear refused refused refused"
expect "LSTM as an argument, scattered" "$(grep lstm seen)" "lstm (3, 1, 2) refused"
expect "shared weights: argument, back, scattered, between workers" "$(grep weights seen)" "weights shared two two two"
