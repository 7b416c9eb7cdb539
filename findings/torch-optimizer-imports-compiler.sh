#!/usr/bin/env bash
# torch 2.13.0: an optimiser imports torch's compiler when it is made, although nothing is compiled: several hundred modules, and
# more time than the training of a small recurrent network takes for its first epoch. Every process that trains pays it.
# Guess before the run: making torch.optim.Adam and its first step import nothing, `import torch` having brought all it needs.
# Seen: `torch._dynamo` and sympy are not imported by `import torch`, a network, its forward and backward pass; with Adam made they are.
# Until its first step is done 824 modules more, which took 0.98 CPU seconds on a busy core.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT; cd "$work"
python3 -m venv venv; venv/bin/pip install --quiet --disable-pip-version-check torch==2.13.0 numpy==2.4.6
expect() { [ "$2" = "$3" ] && echo "as before: $1" || { echo "CHANGED: $1: found '$2', was '$3'"; exit 1; }; }
cat > step.py <<'PY'
import sys, time
import torch
torch.set_num_threads(1)
network = torch.nn.LSTM(90, 32)
def there():
    return "torch._dynamo" in sys.modules, "sympy" in sys.modules
network(torch.randn(30, 16, 90))[0].sum().backward()
print("before", *there())
modules, begin = len(sys.modules), time.process_time()
optimizer = torch.optim.Adam(network.parameters(), fused=True)
print("made", *there())
optimizer.step()
print("step", *there())
print("more than 300 modules more", len(sys.modules) - modules > 300)
print(len(sys.modules) - modules, "modules,", round(time.process_time() - begin, 2), "CPU seconds", file=sys.stderr)
PY
OMP_NUM_THREADS=1 venv/bin/python step.py > out 2> cost; tail -1 cost
expect "the compiler and sympy, before, with the optimiser made, after a step" "$(sed -n 1,3p out | tr '\n' ' ')" "before False False made True True step True True "
expect "hundreds of modules" "$(sed -n 4p out)" "more than 300 modules more True"
