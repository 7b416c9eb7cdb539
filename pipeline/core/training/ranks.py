"""One run on several processes (`training.processes` above 1): what of it enters numbers. `pipeline.running.ranks` starts them.

The processes, or ranks, draw the same batches, and each learns from its share of every batch's clips;
DistributedDataParallel averages their gradients. A loss is a mean over a rank's clips, so it is weighted by their share of
the batch: the average is then the gradient of the whole batch, also where the clips do not divide evenly. A rank without
clips takes the batch's first one with weight 0, because all must take part. Rank 0 alone writes.

A process knows its place by the variables that torchrun sets. With one process nothing here imports torch.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from pipeline.core.errors import TrainingFailed

if TYPE_CHECKING:
    from torch import Tensor, nn

    from pipeline.core.training.batches import Rows


class Place(NamedTuple):
    """`rank` of this process, from 0, among the `world` processes of a run."""

    rank: int
    world: int


def place() -> Place:
    """As torchrun's variables say; (0, 1) where it did not start this process."""
    if "TORCHELASTIC_RUN_ID" not in os.environ:
        return Place(0, 1)
    return Place(int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"]))


def is_main() -> bool:
    """Whether this process is the one that writes."""
    return place().rank == 0


def stream() -> tuple[str | int, ...]:
    """What a rank adds to the names of its own random streams; nothing with one process."""
    rank, world = place()
    return ("rank", rank) if world > 1 else ()


def share(rows: Rows) -> tuple[Rows, float]:
    """This rank's part of some clips, and which share of them it is; for 0 the part is the first clip, as a stand-in."""
    rank, world = place()
    if world == 1:
        return rows, 1.0
    mine = rows[rank::world]
    return (mine, len(mine) / len(rows)) if len(mine) else (rows[:1], 0.0)


def parallel(model: nn.Module) -> nn.Module:
    """The network as training calls it: itself, or wrapped so that `backward` averages gradients over ranks."""
    if place().world == 1:
        return model
    from torch.nn.parallel import DistributedDataParallel  # noqa: PLC0415

    return DistributedDataParallel(model)


def weighted(loss: Tensor, part: float) -> Tensor:
    """The loss of a rank's share of a batch, so that the mean over ranks is the loss of the batch."""
    world = place().world
    return loss if world == 1 else loss * (part * world)


def whole_batch(clips: int, means: Mapping[str, float]) -> tuple[int, dict[str, float]]:
    """Number of clips, and means over them, of all ranks together; equal on all ranks."""
    if place().world == 1:
        return clips, dict(means)
    total, *sums = _summed([clips, *(clips * value if clips else 0.0 for value in means.values())])
    return int(total), {name: value / total for name, value in zip(means, sums, strict=True)}


def whole_accuracy(accuracy: float, clips: int) -> float:
    """The accuracy over the clips of all ranks, from that over a rank's own; through whole numbers, so equals stay equal."""
    if place().world == 1:
        return accuracy
    right, total = _summed([round(accuracy * clips) if clips else 0, clips])
    return right / total


def _summed(values: Sequence[float]) -> list[float]:
    import torch  # noqa: PLC0415

    vector = torch.tensor(values, dtype=torch.float64)
    torch.distributed.all_reduce(vector)
    summed: list[float] = vector.tolist()
    return summed


def check_equal(numbers: Sequence[int], what: str) -> None:
    """Wait for all ranks; `TrainingFailed` where they do not hold the same numbers."""
    world = place().world
    if world == 1:
        return
    import torch  # noqa: PLC0415

    mine = torch.tensor(numbers)
    each = [torch.empty_like(mine) for _ in range(world)]
    torch.distributed.all_gather(each, mine)
    if any(not torch.equal(mine, other) for other in each):
        found = ", ".join(f"rank {i} {other.tolist()}" for i, other in enumerate(each))
        raise TrainingFailed(f"{what}: expected the same on all ranks, found {found}; all machines must share one project folder")
