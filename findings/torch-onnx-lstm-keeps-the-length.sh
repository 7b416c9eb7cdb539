#!/usr/bin/env bash
# torch 2.13.0, onnx 1.23.2, onnxruntime 1.32.0: the default exporter of `torch.onnx.export` takes an LSTM whose number of frames is
# declared dynamic, writes a file whose input says so, and keeps the length of the example inside it. Clips of another length are read
# as other clips of that length: twice the frames give twice the predictions, all wrong, without an error.
# Guess before the run: a dynamic length works, or is refused, as where the network takes the last state: that file says 12 and means it.
# Seen, exported from 4 clips of 12 frames with the mean over frames: other numbers of clips are right; 4 clips of 24 frames give 8 rows,
# 1 clip of 36 gives 3. The older exporter (`dynamo=False`) gives 4 and 1, equal to torch.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT; cd "$work"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check torch==2.13.0 onnx==1.23.2 onnxscript==0.7.2 onnxruntime==1.32.0 numpy==2.4.6
expect() { [ "$2" = "$3" ] && echo "as before: $1" || { echo "CHANGED: $1: found '$2', was '$3'"; exit 1; }; }
cat > run.py <<'PY'
import contextlib, io, sys, warnings
import numpy as np, onnxruntime, torch
from torch.export import Dim
warnings.simplefilter("ignore")
class Scores(torch.nn.Module):
    def __init__(self, last):
        super().__init__()
        self.lstm, self.out, self.last = torch.nn.LSTM(6, 8), torch.nn.Linear(8, 3), last
    def forward(self, x):  # [T, B, 6] -> [B, 3]
        frames, (state, _) = self.lstm(x)
        return self.out(state[-1] if self.last else frames.mean(0))
def export(net, example, new):
    with contextlib.redirect_stdout(io.StringIO()):
        if new:
            torch.onnx.export(net, (example,), "net.onnx", dynamo=True, dynamic_shapes=({0: Dim("t"), 1: Dim("b")},))
        else:
            torch.onnx.export(net, (example,), "net.onnx", dynamo=False, input_names=["x"], dynamic_axes={"x": {0: "t", 1: "b"}})
    return onnxruntime.InferenceSession("net.onnx")
torch.manual_seed(0)
example = torch.randn(12, 4, 6)
for last, new in ((False, True), (True, True), (False, False)):
    net = Scores(last).eval()
    session = export(net, example, new)
    entry = session.get_inputs()[0]
    words = [type(entry.shape[0]).__name__]
    for frames, clips in ((12, 4), (12, 9), (24, 4), (36, 1)):
        x = torch.randn(frames, clips, 6)
        try:
            found, right = session.run(None, {entry.name: x.numpy()})[0], net(x).detach().numpy()
        except Exception as error:
            words.append("refused" if "Expected: 12" in str(error) else "another error")
            continue
        words.append(f"{len(found)} rows" if found.shape != right.shape else "equal" if np.allclose(found, right, atol=1e-6) else "other")
    print("; ".join(words))
PY
venv/bin/python run.py > seen 2> /dev/null || { tail -5 seen; echo "CHANGED: run.py failed"; exit 1; }
expect "default exporter, mean over frames" "$(sed -n 1p seen)" "str; equal; equal; 8 rows; 3 rows"
expect "default exporter, last state" "$(sed -n 2p seen)" "int; equal; equal; refused; refused"
expect "older exporter, mean over frames" "$(sed -n 3p seen)" "str; equal; equal; equal; equal"
