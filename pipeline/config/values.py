"""What sections of `params.yaml` share: values that change nothing, lists without repetition, seeds, patterns."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import AfterValidator, Field

from pipeline.section import Section


@dataclass(frozen=True)
class Neutral:
    """Marks the value with which a parameter changes nothing: there it is left out of what stages read, so that none is stale."""

    value: float | int | str


def neutral(section: type[Section]) -> dict[str, object]:
    """The neutral values of a section, by the names of its parameters; those without one are not in it."""
    marks = {name: m.value for name, f in section.model_fields.items() for m in f.metadata if isinstance(m, Neutral)}
    return dict(marks)


def each_once(what: str) -> AfterValidator:
    """No value twice: two runs of one seed would write the same files."""

    def check(values: list[Any]) -> list[Any]:
        if len(set(values)) < len(values):
            raise ValueError(f"{what} stands there twice")
        return values

    return AfterValidator(check)


def pattern(text: str) -> str:
    """A regular expression."""
    try:
        re.compile(text)
    except re.error as error:
        raise ValueError(f"no regular expression: {error}") from error
    return text


def people(text: str) -> str:
    """A regular expression with a group for each person."""
    if not re.compile(pattern(text)).groups:
        raise ValueError("expected a group for each person")
    return text


# As bounds elsewhere: for typing errors.
Seed = Annotated[int, Field(ge=0, le=2**32 - 1)]
Seeds = Annotated[list[Seed], Field(min_length=1), each_once("a seed")]
