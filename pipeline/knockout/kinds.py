"""The knock-outs: which attention is replaced, and by what. No torch.

| replaced by    | alpha                                                | beta                                            |
|----------------|------------------------------------------------------|-------------------------------------------------|
| `mean`         | its mean by joint over the run's training frames     | its mean over them, one number                  |
| `mean by time` |                                                      | its mean course over the time of training clips |
| `other clip`   | that of another test clip, at the same relative time | the same                                        |
| `uniform`      | the same for all joints of the bodies that are there | the same for all frames                         |

Each keeps a total, so that it moves weight and does not change how much there is: alpha in every frame its sum over the bodies
that are there, beta in every clip its sum over the frames. Only `mean` of beta gives that up, for the level of training clips.
"""

from __future__ import annotations

from dataclasses import dataclass

MEAN, BY_TIME, OTHER, UNIFORM = "mean", "mean by time", "other clip", "uniform"


@dataclass(frozen=True)
class Knockout:
    """`part` is `spatial`, `temporal` or `both`; `by` one of the four words of the module's table."""

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
    *(Knockout("spatial", by) for by in (MEAN, OTHER, UNIFORM)),
    *(Knockout("temporal", by) for by in (MEAN, BY_TIME, OTHER, UNIFORM)),
    *(Knockout("both", by) for by in (MEAN, OTHER, UNIFORM)),
)


def of(spatial: bool, temporal: bool) -> tuple[Knockout, ...]:
    """Those that a network with these attentions can have."""
    return tuple(k for k in ALL if (spatial or not k.spatial) and (temporal or not k.temporal))
