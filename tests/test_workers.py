"""Workers: training without torch's compiler gives the same weights; the code is that of the process that asks."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.conftest import ROOT

TRAIN = """
import sys
import torch
from pipeline.running.runs import without_compiler

if sys.argv[1] == "without":
    without_compiler()
torch.manual_seed(1)
layer = torch.nn.Linear(7, 5)
optimizer = torch.optim.Adam([{"params": [layer.weight], "lr": 0.1}, {"params": [layer.bias]}], weight_decay=0.01, fused=True)
for _ in range(4):
    optimizer.zero_grad()
    layer(torch.randn(3, 7)).square().sum().backward()
    optimizer.step()
optimizer.load_state_dict(optimizer.state_dict())
optimizer.step()
assert layer.weight.requires_grad and torch.is_grad_enabled()
print([w.tolist() for w in layer.parameters()])
print("torch._dynamo" in sys.modules)
"""


def trained(how: str) -> list[str]:
    ended = subprocess.run([sys.executable, "-c", TRAIN, how], capture_output=True, text=True, check=True)
    return ended.stdout.splitlines()


def test_adam_steps_to_the_same_bits_without_the_compiler() -> None:
    weights, compiler = trained("with")
    assert trained("without") == [weights, "False"]
    assert compiler == "True"  # else torch has become better, and this is not needed any more


ASK = """
import inspect, sys
sys.path.insert(0, sys.argv[1])
from pipeline.core.errors import PipelineError
from pipeline.running import executors

with executors.executor(2, ["pipeline.core.errors"]) as (pool, _):
    print(pool.submit(inspect.getfile, PipelineError).result() == inspect.getfile(PipelineError))
"""


def test_a_worker_has_the_code_of_the_process_that_asks(tmp_path: Path) -> None:
    """Also where another checkout is the one that is installed, and none is the current folder."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    command = [sys.executable, "-c", ASK, str(ROOT)]
    ended = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True)
    assert ended.stdout == "True\n"
