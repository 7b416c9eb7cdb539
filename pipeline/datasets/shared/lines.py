"""Lines of numbers, read strictly."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.datasets.shared.errors import MalformedSkeleton

LIMIT = 1e6  # far beyond any coordinate; also turns away NaN and infinity


def numbers(fields: Sequence[bytes], count: int, where: str, line: int, separator: str) -> list[float]:
    """The numbers of a line; `MalformedSkeleton` where they are not `count` finite ones, with the field that is not."""
    if len(fields) != count:
        raise MalformedSkeleton(where, line, f"expected {count} numbers separated by {separator}, found {len(fields)}")
    row = []
    for place, field in enumerate(fields, start=1):
        try:
            value = float(field)
        except ValueError:
            value = float("nan")
        if not abs(value) < LIMIT or b"_" in field:
            found = repr(field[:40])[1:]  # without the b of bytes
            raise MalformedSkeleton(where, line, f"expected a finite number in field {place}, found {found}")
        row.append(value)
    return row
