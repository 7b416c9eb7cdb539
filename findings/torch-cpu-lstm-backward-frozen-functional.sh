#!/usr/bin/env bash
# torch 2.13.0, CPU: an LSTM whose weights are frozen costs as much to go back through as one that learns, where a linear layer
# gets a quarter cheaper; and torch.func.grad of an LSTM takes several times as long as .backward(), though it needs no second derivative.
# Guess before the run: without the gradients of weights the backward pass does half of its products; torch.func.grad does what
# .backward() does.
# Seen (60 frames, 16 clips, 90 inputs, 100 units, one thread): frozen LSTM 0.97 and 1.01 of the whole step, frozen nn.Linear
# 0.75; torch.func.grad 4.5 to 5.3 times. oneDNN's layer has one backward for states and weights; torch.func never calls it, and goes
# back frame by frame in single operations.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT; cd "$work"
python3 -m venv venv; venv/bin/pip install --quiet --disable-pip-version-check torch==2.13.0 numpy==2.4.6
expect() { [ "$2" = "$3" ] && echo "as before: $1" || { echo "CHANGED: $1: found '$2', was '$3'"; exit 1; }; }
run() { OMP_NUM_THREADS=1 venv/bin/python -c "
import time, torch
from torch import nn
torch.set_num_threads(1); torch.manual_seed(0)
x = torch.randn(60, 16, 90, requires_grad=True)
def cost(work):
    times = []
    for _ in range(25):
        begin = time.process_time(); work(); times.append(time.process_time() - begin)
    return sorted(times)[12]
def step(layer):
    def work():
        layer.zero_grad(); x.grad = None
        out = layer(x); (out[0] if isinstance(out, tuple) else out).sum().backward()
    return work
def frozen(layer): return layer.requires_grad_(False)
lstm = nn.LSTM(90, 100)
def functional():
    return torch.func.grad(lambda w: torch.func.functional_call(lstm, w, (x,))[0].sum())(dict(lstm.named_parameters()))
def backward_of(work):
    with torch.profiler.profile() as seen: work()
    return any('mkldnn_rnn_layer_backward' in event.key for event in seen.key_averages())
$1" 2>/dev/null; }
expect "frozen: the LSTM saves nothing, the linear layer does" "$(run '
line = lambda: nn.Linear(90, 400)
lstm_share, line_share = cost(step(frozen(nn.LSTM(90, 100)))) / cost(step(lstm)), cost(step(frozen(line()))) / cost(step(line()))
print(round(lstm_share, 2), round(line_share, 2), file=open("frozen", "w")); print(lstm_share > 0.88, line_share < 0.88)')" "True True"
echo "share of the whole step here, LSTM and linear: $(cat frozen)"
expect "oneDNN's backward in .backward(), in torch.func.grad" "$(run 'print(backward_of(step(lstm)), backward_of(functional))')" "True False"
expect "torch.func.grad takes at least twice as long" "$(run '
share = cost(functional) / cost(step(lstm)); print(round(share, 1), file=open("functional", "w")); print(share > 2)')" "True"
echo "times of .backward() here: $(cat functional)"
expect "the same gradients" "$(run '
step(lstm)(); found = functional(); print(all(torch.allclose(w.grad, found[n], atol=1e-3, rtol=1e-4) for n, w in lstm.named_parameters()))')" "True"
