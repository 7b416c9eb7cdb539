#!/usr/bin/env bash
# torch 2.13.0, CPU build, x86-64: which kernels a processor gets is decided by three libraries, each with a switch of its own, and a
# recurrent network runs through all of them. ATEN_CPU_CAPABILITY, the one that torch documents, leaves nn.LSTM as it is, and changes the
# weights that a seed starts from. So the same seed on another processor begins with other weights, before anything is computed.
# Guess before the run: oneDNN decides the LSTM and MKL the linear layers; ATen decides sums, tanh, exp and Adam; a seed gives the same
# initial weights and the same dropout everywhere.
# Seen: oneDNN the LSTM, forward and backward, and nothing else here; MKL linear layers, matrix products, QR and the GRU; ATen softmax, the
# GRU, uniform_ and randn, but not sums, norms, tanh, exp or Adam. Of uniform_(-0.1, 0.1) half of the numbers differ, by up to 7.5e-9, a
# unit in the last place of 0.1; of randn 39 %, by up to 1.3e-6, but none where fewer than 16 are asked for; the stream of random numbers,
# rand, dropout and permutations are the same.
set -euo pipefail
[ "$(uname -m)" = x86_64 ] || { echo "skipped: x86-64 alone"; exit 0; }
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT; cd "$work"
python3 -m venv venv; venv/bin/pip install --quiet --disable-pip-version-check torch==2.13.0 numpy==2.4.6
expect() { [ "$2" = "$3" ] && echo "as before: $1" || { echo "CHANGED: $1: found '$2', was '$3'"; exit 1; }; }
cat > results.py <<'PY'
"""Write what each operation gives for the same inputs, which numpy draws."""
import sys
import numpy as np, torch
from torch import nn
torch.set_num_threads(1)
rng = np.random.default_rng(0)
def draw(*shape): return torch.from_numpy(rng.normal(size=shape).astype("float32") * 0.3)
def filled(layer):
    for weight in layer.parameters(): weight.data = draw(*weight.shape)
    return layer
def seeded(draw_from):
    torch.manual_seed(0)
    return draw_from()
x, square = draw(30, 16, 90), draw(300, 300)
lstm = filled(nn.LSTM(90, 100))
found = {"lstm": lstm(x)[0]}
(found["lstm"] * draw(30, 16, 100)).sum().backward()
found["lstm-gradient"] = torch.cat([weight.grad.flatten() for weight in lstm.parameters()])
found |= {"gru": filled(nn.GRU(90, 100))(x)[0], "linear": filled(nn.Linear(90, 100))(x), "product": square @ square}
found |= {"qr": torch.linalg.qr(square)[0], "tanh": torch.tanh(square), "exp": torch.exp(square), "sum": square.sum(1)}
found |= {"softmax": torch.softmax(square, 1), "norm": torch.linalg.vector_norm(square)}
weight = nn.Parameter(draw(100, 100)); weight.grad = draw(100, 100)
torch.optim.Adam([weight], 0.01).step()
found["adam"] = weight
found["uniform"] = seeded(lambda: torch.empty(1000).uniform_(-0.1, 0.1))
found |= {"randn": seeded(lambda: torch.randn(1000)), "randn-15": seeded(lambda: torch.randn(15))}
found |= {"rand": seeded(lambda: torch.rand(1000)), "permutation": seeded(lambda: torch.randperm(1000))}
found["dropout"] = seeded(lambda: nn.functional.dropout(torch.ones(1000), 0.5, True))
found["rand-after-randn"] = seeded(lambda: (torch.randn(1000), torch.rand(5))[1])
np.savez(sys.argv[1], **{name: value.detach().numpy() for name, value in found.items()})
PY
cat > differ.py <<'PY'
"""Name what differs between two files."""
import sys
import numpy as np
one, other = (np.load(path) for path in sys.argv[1:3])
print(*(name for name in one if not np.array_equal(one[name], other[name])))
PY
run() { env ATEN_CPU_CAPABILITY=avx2 ONEDNN_MAX_CPU_ISA=AVX2 MKL_CBWR=AVX2 "${@:2}" OMP_NUM_THREADS=1 venv/bin/python results.py "$1"; }
differ() { venv/bin/python differ.py base.npz "$1"; }
run base.npz; run again.npz
expect "twice the same kernels" "$(differ again.npz)" ""
run onednn.npz ONEDNN_MAX_CPU_ISA=SSE41
expect "oneDNN decides" "$(differ onednn.npz)" "lstm lstm-gradient"
run mkl.npz MKL_CBWR=COMPATIBLE
expect "MKL decides" "$(differ mkl.npz)" "gru linear product qr"
run aten.npz ATEN_CPU_CAPABILITY=default
expect "ATen decides" "$(differ aten.npz)" "gru softmax uniform randn"
expect "uniform_ and randn: how many differ, and by how much" "$(venv/bin/python -c '
import numpy as np
base, aten = np.load("base.npz"), np.load("aten.npz")
for name in ("uniform", "randn"):
    print(np.mean(base[name] != aten[name]).round(2), f"{np.abs(base[name] - aten[name]).max():.1e}", end=" ")')" "0.5 7.5e-09 0.39 1.3e-06 "
