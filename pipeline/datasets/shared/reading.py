"""Raw files read one by one, whatever their names: what a format offers for new files, beside `normalize` for a data set."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol, runtime_checkable

from pipeline.core.errors import ParamsError
from pipeline.core.skeletons import Frames
from pipeline.datasets.shared import registry


class ReadClip(NamedTuple):
    """A clip of a raw file: `frames` float32 `[T, M, J, 3]`, repaired as `normalize` does it.

    `part` names it within a file of several, else it is empty; `action` counts from 1, 0 where neither the file nor its name
    says it. `repaired`: what was wrong with the recording and mended, in how many frames; what is done to every clip, such as
    centring, is not in it.
    """

    part: str
    action: int
    frames: Frames
    repaired: Mapping[str, int]


@runtime_checkable
class ReadsFiles(Protocol):
    """A format whose raw files can be read one by one. `SUFFIX`: how their names end. `SAYS`: what a file is, for people."""

    @property
    def SUFFIX(self) -> str:  # noqa: N802
        """With the dot."""

    @property
    def SAYS(self) -> str:  # noqa: N802
        """One line."""

    @property
    def SECTION(self) -> Any:  # noqa: N802
        """Makes the section of `params.normalize` from its values."""

    def read(self, text: bytes, where: str, section: Any) -> list[ReadClip]:
        """The clips of a file, with the repairs of `section`; `MalformedSkeleton` where it is none of this format."""


def reader(dataset: str, form: str) -> ReadsFiles:
    """The format of a data set; `ParamsError` where there is no such format, or it cannot read single files."""
    found = registry.load(dataset).FORMATS.get(form)
    if not isinstance(found, ReadsFiles):
        raise ParamsError(f"data set {dataset!r}, format {form!r}: expected SUFFIX, SAYS and read, see docs/adding.md")
    return found
