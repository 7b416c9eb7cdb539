#!/usr/bin/env bash
# mlflow 3.17.2, torch 2.13.0: `mlflow.pytorch.log_model` now writes what torch.export traced (format pt2) unless told otherwise, in the
# mode that the network is in. Logged at the end of training, before `eval()`, it drops units for ever: `predict` of the loaded model
# gives other scores each time, and `eval()` is refused. The format `pickle`, the default before, was switched to evaluation when it was
# loaded. Scores stay plausible, so nothing but a second call tells. The number of frames is that of the example for ever, too: longer
# and shorter clips are refused.
# Guess before the run: MLflow switches to evaluation, as it does for pickle, and other numbers of frames work, as those of clips do.
# Seen, two layers of LSTM with dropout, one example of 4 clips of 12 frames: in training mode two calls differ from each other and from
# the network; in evaluation mode and with pickle all are equal; clips of 24 frames work with pickle alone.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT; cd "$work"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check mlflow==3.17.2 torch==2.13.0 numpy==2.4.6 pandas==2.3.3
expect() { [ "$2" = "$3" ] && echo "as before: $1" || { echo "CHANGED: $1: found '$2', was '$3'"; exit 1; }; }
cat > run.py <<'PY'
import logging, sys, warnings
import mlflow, numpy as np, torch
warnings.simplefilter("ignore")
logging.disable(logging.WARNING)
mlflow.set_tracking_uri("sqlite:///mlflow.db")
class Scores(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.lstm = torch.nn.LSTM(6, 8, num_layers=2, dropout=0.5, batch_first=True)
        self.out = torch.nn.Linear(8, 3)
    def forward(self, x):  # [B, T, 6] -> [B, 3]
        return self.out(self.lstm(x)[0].mean(1))
def refused(of):
    try:
        of()
    except Exception as error:
        return f"refused by {type(error).__name__}"
    return "works"
mode, kind = sys.argv[1:]
torch.manual_seed(0)
net, draw = Scores().train(mode == "training"), np.random.default_rng(0).normal
clips, longer = (draw(size=(4, frames, 6)).astype(np.float32) for frames in (12, 24))
told = {} if kind == "default" else {"serialization_format": kind}
logged = mlflow.pytorch.log_model(net, name="net", input_example=clips, pip_requirements=["torch"], **told)
right = net.eval()(torch.from_numpy(clips)).detach().numpy()
served, loaded = mlflow.pyfunc.load_model(logged.model_uri), mlflow.pytorch.load_model(logged.model_uri)
first, second = (np.asarray(served.predict(clips)) for _ in range(2))
words = ["twice the same" if np.array_equal(first, second) else "twice different"]
words += ["equal to the network" if np.allclose(first, right, atol=1e-5) else "other than the network"]
words += [f"eval() {refused(loaded.eval)}", f"24 frames {refused(lambda: loaded(torch.from_numpy(longer)))}"]
print("; ".join(words))
PY
seen() { venv/bin/python run.py "$1" "$2" 2> error | tail -1 || { tail -3 error >&2; echo "run.py failed"; }; }
expect "default format, training" "$(seen training default)" \
  "twice different; other than the network; eval() refused by NotImplementedError; 24 frames refused by AssertionError"
expect "default format, evaluation" "$(seen evaluation default)" \
  "twice the same; equal to the network; eval() refused by NotImplementedError; 24 frames refused by AssertionError"
expect "pickle, training" "$(seen training pickle)" "twice the same; equal to the network; eval() works; 24 frames works"
