"""Sequences a second of a whole training step, one thread, against a loop over frames and against the bare LSTM layers.

    python -m benchmarks.train_step            # SBU's sizes: 90 numbers a frame, batches of 8, 16 and 32

The loop is what re-implementations do: `nn.LSTMCell` frame by frame, the same network and the same numbers. The floor is
forward and backward of the five `nn.LSTM` layers alone, on inputs of the same sizes.
"""

from __future__ import annotations

import os
import statistics
import sys
import time
from collections.abc import Callable

import click
import torch
from torch import Tensor, nn

from pipeline.cli import MEMORY
from pipeline.config.params import load
from pipeline.config.resolve import plain
from pipeline.core.model import STALSTM, Config, MainLSTM, Output, Penalties, objective
from pipeline.core.training.batches import Batch
from pipeline.core.training.loop import Rate, Trainer

CONFIG = Config(joints=15, bodies=2, classes=8)
INPUTS, HIDDEN = 90, 100
CHILD = "TRAIN_STEP_CHILD"  # says that this process was started with the workers' memory settings


class Loop(nn.Module):
    """STA-LSTM one frame at a time; shares the weights of the network that it is given."""

    def __init__(self, model: STALSTM):
        super().__init__()
        assert model.spatial is not None and model.temporal is not None and isinstance(model.main, MainLSTM)
        self.inner, self.main, self.config = model, model.main, model.config
        layers = [model.spatial.lstm, model.temporal.lstm, *model.main.lstms]
        self.cells = nn.ModuleList(_cell(lstm) for lstm in layers if isinstance(lstm, nn.LSTM))

    def forward(self, x: Tensor, mask: Tensor) -> Output:
        """As `STALSTM.forward`."""
        spatial, temporal, batch = self.inner.spatial, self.inner.temporal, x.shape[1]
        assert spatial is not None and temporal is not None
        states = [(x.new_zeros(batch, HIDDEN), x.new_zeros(batch, HIDDEN)) for _ in self.cells]
        alphas, betas, o = [], [], x.new_zeros(batch, self.config.classes)
        for t, frame in enumerate(x):
            flat = frame.flatten(1)  # [B, 3K]
            alpha = torch.softmax(spatial.U_s(torch.tanh(spatial.W_xs(flat) + spatial.W_hs(states[0][0]))), -1)
            beta = torch.relu(temporal.w_x(flat) + temporal.w_h(states[1][0])).squeeze(-1) * mask[t]
            for i in (0, 1):
                states[i] = self.cells[i](flat, states[i])
            h = (frame * (self.config.K * alpha).unsqueeze(-1)).flatten(1)
            for i in (2, 3, 4):
                states[i] = self.cells[i](h, states[i])
                h = self.main.dropout(states[i][0])
            o = o + beta.unsqueeze(-1) * self.main.z(h)
            alphas.append(alpha)
            betas.append(beta)
        return Output(o / mask.sum(0).unsqueeze(-1), torch.stack(alphas), torch.stack(betas))


def _cell(lstm: nn.LSTM) -> nn.LSTMCell:
    cell = nn.LSTMCell(lstm.input_size, lstm.hidden_size)
    for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
        setattr(cell, name, getattr(lstm, f"{name}_l0"))
    return cell


def bare(frames: int, batch: int, inputs: int = INPUTS) -> Callable[[], None]:
    """Forward and backward of the LSTM layers alone; `inputs` are the numbers of a frame."""
    sizes = (inputs, inputs, inputs, HIDDEN, HIDDEN)
    layers = nn.ModuleList(nn.LSTM(n, HIDDEN) for n in sizes)
    tensors = [torch.randn(frames, batch, n) for n in sizes]
    gradient = torch.randn(frames, batch, HIDDEN)

    def step() -> None:
        for i, (layer, x) in enumerate(zip(layers, tensors, strict=True)):
            layer(x.requires_grad_(i > 2))[0].backward(gradient)  # layers above the first pass a gradient down

    return step


def ours(frames: int, batch: int, loop: bool) -> Callable[[], object]:
    """A training step as the pipeline does it: forward, objective with all penalties, backward, clipping, Adam."""
    training, model = plain(load().params, "sta-lstm")[1].training, STALSTM(CONFIG)
    penalties = Penalties(0.001, 0.0001, 0.00001)
    trainer = Trainer(model.train(), training, penalties, torch.device("cpu"), Rate(training, 10**6))
    data = Batch(torch.randn(frames, batch, 30, 3), torch.ones(frames, batch, dtype=torch.bool), torch.randint(8, (batch,)))
    if not loop:
        return lambda: trainer.step(data, 1e-3)
    frame_by_frame = Loop(model)

    def step() -> None:
        trainer.optimizer.zero_grad()
        objective(model, frame_by_frame(data.x, data.mask), data.labels, data.mask, penalties).total.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(trainer.weights, 1.0)
        trainer.optimizer.step()

    return step


def rate(step: Callable[[], object], batch: int, seconds: float) -> float:
    """Median sequences a second over about this many seconds."""
    step()
    times: list[float] = []
    while sum(times) < seconds:
        start = time.perf_counter()
        step()
        times.append(time.perf_counter() - start)
    return batch / statistics.median(times)


def keep_memory(module: str) -> None:
    """Start this program again with the memory settings of the pipeline's workers: glibc reads them when a process starts."""
    if CHILD not in os.environ:
        arguments = [sys.executable, "-m", module, *sys.argv[1:]]
        os.execve(sys.executable, arguments, os.environ | MEMORY | {CHILD: "1"})  # noqa: S606


@click.command()
@click.option("--frames", default=24, help="Frames a clip (SBU's median is 23).")
@click.option("--seconds", default=4.0, help="Time for each measurement.")
@click.option("--as-started", is_flag=True, help="With the memory settings of the shell, not those of the pipeline's workers.")
def main(frames: int, seconds: float, as_started: bool) -> None:
    """Print a table of sequences a second."""
    if not as_started:
        keep_memory("benchmarks.train_step")
    torch.set_num_threads(1)
    print(f"{'batch':>6}{'loop':>9}{'bare LSTMs':>12}{'step':>9}{'step/loop':>11}{'step/bare':>11}")
    for batch in (8, 16, 32):
        loop = rate(ours(frames, batch, True), batch, seconds)
        floor = rate(bare(frames, batch), batch, seconds)
        step = rate(ours(frames, batch, False), batch, seconds)
        print(f"{batch:>6}{loop:>9.0f}{floor:>12.0f}{step:>9.0f}{step / loop:>11.2f}{step / floor:>11.2f}")


if __name__ == "__main__":
    main()
