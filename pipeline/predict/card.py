"""What must travel with trained weights for others to use them: the metadata of a file of weights."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, Literal, Self

from pydantic import ValidationError

from pipeline.core.errors import ParamsError
from pipeline.core.settings import Method, Settings
from pipeline.core.skeletons import Meta
from pipeline.datasets.shared.reading import ReadsFiles, reader
from pipeline.errors import ModelUnusable
from pipeline.section import Count, Positive, Section

VERSION = 1


class Skeleton(Section):
    """The fields of `Meta`: classes (`actions`), joints, bones, bodies, unit, and whether the data are synthetic."""

    joints: tuple[str, ...]
    bones: tuple[tuple[int, int], ...]
    mirror: tuple[int, ...]
    actions: tuple[str, ...]
    bodies: Positive
    fps: float
    unit: str
    left_first: bool
    synthetic: bool


class Data(Section):
    """Versions of the data that the networks learned from and were tested on."""

    store_sha256: str
    split_sha256: str


class Accuracy(Section):
    """Test samples of the fold that these weights, logits averaged over seeds, name rightly."""

    correct: Count
    samples: Positive


class Card(Section):
    """`params` are the sections that the stage `evaluate` reads; `normalize` is the section that made the store.

    `fold` and `seeds` name the runs; of several seeds logits and attention are averaged. `fingerprint` and `commit`: the code
    that trained, and the code that wrote the file. `sha256` vouches for the weights and for all other fields.
    """

    version: Literal[1]
    cell: str
    dataset: str
    format: str
    store: str
    protocol: str
    recipe: str
    method: str
    switches: dict[str, Any]
    params: dict[str, dict[str, Any]]
    skeleton: Skeleton
    normalize: dict[str, Any]
    fold: Positive
    seeds: tuple[Count, ...]
    data: Data
    accuracy: Accuracy
    weights: Literal["float32", "float16"]
    fingerprint: dict[str, str]
    commit: str
    sha256: str = ""

    @classmethod
    def of(cls, text: str, where: str) -> Self:
        """The card in a file's metadata; `ModelUnusable` where a field is missing, unknown or impossible."""
        try:
            card = cls.model_validate_json(text)
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(map(str, first["loc"])) or "the whole"
            raise ModelUnusable(f"{where}: its metadata are not those of an exported model: {place}: {first['msg']}") from error
        card.check(where)
        return card

    def check(self, where: str) -> None:
        """Raise `ModelUnusable` where fields contradict each other, or what they name is not in this version."""
        joints, s = len(self.skeleton.joints), self.skeleton
        if not self.seeds or not s.actions or sorted(s.mirror) != list(range(joints)):
            raise ModelUnusable(f"{where}: expected at least one seed and one class, and a mirror image of every joint")
        if any(not 0 <= end < joints for bone in s.bones for end in bone):
            raise ModelUnusable(f"{where}: a bone ends in a joint that there is not; there are {joints}")
        try:
            _ = self.meta, self.settings, self.section
            Method(**self.switches)
        except (TypeError, ValueError, ParamsError) as error:
            raise ModelUnusable(f"{where}: it does not fit this version of the project: {error}") from error

    @property
    def meta(self) -> Meta:
        """As the store has it."""
        return Meta(**self.skeleton.model_dump())

    @property
    def settings(self) -> Settings:
        """As the stage `evaluate` has them."""
        return Settings.of(self.params, self.cell)

    @property
    def reader(self) -> ReadsFiles:
        """What reads raw files of the format that the networks learned from."""
        return reader(self.dataset, self.format)

    @property
    def section(self) -> Any:
        """The settings of the preprocessing."""
        return self.reader.SECTION(**self.normalize)

    @property
    def title(self) -> str:
        """For people: cell, fold and seeds."""
        seeds = ", ".join(map(str, self.seeds))
        return f"{self.cell}, fold {self.fold}, seed{'s' if len(self.seeds) > 1 else ''} {seeds}"

    @property
    def gates(self) -> list[str]:
        """Names of the gates that alpha weighs, in its order: joints of each body, or of all bodies alike."""
        joints, bodies = self.skeleton.joints, self.skeleton.bodies
        if bodies == 1 or self.settings.model.gates == "per_person_shared":
            return list(joints)
        return [f"{joint}, body {body}" for body in range(1, bodies + 1) for joint in joints]


def skeleton_of(meta: Meta) -> Skeleton:
    """The same as a section."""
    return Skeleton(**asdict(meta))
