"""The knock-outs: which attention is replaced, and by what. No torch.

| replaced by             | alpha                                                | beta                                 |
|-------------------------|------------------------------------------------------|--------------------------------------|
| `mean`                  | its mean by joint over the run's training frames     | its mean over them, one number       |
| `mean by time`          |                                                      | its mean course over a training clip |
| `other clip`            | that of another test clip, at the same relative time | the same                             |
| `clip of its class`     | that of another test clip with the same label        | the same                             |
| `clip of another class` | that of a test clip with another label               | the same                             |
| `uniform`               | the same for all joints of the bodies that are there | the same for all frames              |

Each keeps a total, so that it moves weight and does not change how much there is: alpha in every frame its sum over the bodies
that are there, beta in every clip its sum over the frames. Only `mean` of beta gives that up, for the level of training clips.
"""

from __future__ import annotations

from dataclasses import dataclass

MEAN, BY_TIME, UNIFORM = "mean", "mean by time", "uniform"
OTHER, SAME, DIFFERENT = LENT = ("other clip", "clip of its class", "clip of another class")
"""What another clip lends: of any class, of the same, of another."""


@dataclass(frozen=True)
class Knockout:
    """`part` is `spatial`, `temporal` or `both`; `by` as in the module's table."""

    part: str
    by: str

    @property
    def spatial(self) -> bool:
        """Whether alpha is replaced."""
        return self.part != "temporal"

    @property
    def temporal(self) -> bool:
        """Whether beta is replaced."""
        return self.part != "spatial"


ALL = (
    *(Knockout("spatial", by) for by in (MEAN, *LENT, UNIFORM)),
    *(Knockout("temporal", by) for by in (MEAN, BY_TIME, *LENT, UNIFORM)),
    *(Knockout("both", by) for by in (MEAN, *LENT, UNIFORM)),
)


def of(spatial: bool, temporal: bool) -> tuple[Knockout, ...]:
    """Those that a network with these attentions can have."""
    return tuple(k for k in ALL if (spatial or not k.spatial) and (temporal or not k.temporal))
