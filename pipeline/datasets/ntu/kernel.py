"""The compiled inner loop of the `.skeleton` reader: one pass over the bytes, only x, y, z converted.

Imported only where a file is read: numba takes a third of a second, loading the compiled code half a second more, and compiling
it some seconds (once; numba keeps the result in `__pycache__`). All of that happens at the import, as the signature of `scan`
stands there: a fork server that has imported this hands it on to its workers.

The loop knows the plain form of the format: single spaces between the numbers, up to 18 digits, small exponents. It gives up on
everything else, and the careful reader takes over. So nothing here has to explain an error.

Positions are unsigned: with signed ones numba checks each access for a negative index, which is four times slower.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit, types, uint64

from pipeline.datasets.ntu.words import AHEAD, eight, equal, first, ones

Bytes = npt.NDArray[np.uint8]
Position = np.uint64
Integer = int | np.int64
Flag = bool | np.bool_

NEWLINE, RETURN, SPACE, PLUS, MINUS, POINT, ZERO, LETTER_E = (np.uint64(ord(c)) for c in "\n\r +-.0e")
LOWER = np.uint64(32)  # the bit that makes a letter lower case
NONE, ONE, TEN, MOST_DIGITS, EXACT = (np.uint64(n) for n in (0, 1, 10, 18, 2**53))
POWERS = 10.0 ** np.arange(23)  # the powers of ten that float64 holds exactly
FAILED = -1
GUARD = b"\n" * (AHEAD + 2)  # what stands behind a text: every loop ends at a line break, having read up to AHEAD bytes on
STEP = np.uint64(AHEAD)
# For eight digits at once (`_digits`, `_eight_digits`).
EIGHTH, EIGHT, SIXTEEN, THIRTY_TWO, BITS = (np.uint64(n) for n in (3, 8, 16, 32, 64))
ZEROS, NINES, TOPS = (np.uint64(0x0101010101010101 * n) for n in (0x30, 0x76, 0x80))
PAIRS, OUTER, INNER = (np.uint64(n) for n in (0x000000FF000000FF, 100 + (1_000_000 << 32), 1 + (10_000 << 32)))
SHIFTS = np.uint64(10) ** np.arange(9, dtype=np.uint64)
_TEXT = types.Array(types.uint8, 1, "C", readonly=True)


def _has_place() -> bool:
    """Whether numba finds a folder to keep what it compiled: beside this file, in the home, or NUMBA_CACHE_DIR.

    Without one (an image that only root may write, no home) it raises; each process then compiles for itself, a second or two. A
    folder in /tmp would not do: numba reads its files with pickle, and there others may write.
    """
    try:
        njit(cache=True)(_has_place)
    except RuntimeError:
        return False
    return True


KEEP = _has_place()


@njit(cache=KEEP)
def _is_plain(text: Bytes) -> bool:
    """Whether fields are divided by one space, lines by `\\n` or `\\r\\n`, and nothing else is blank or below the space.

    No branches, so that the compiler takes 32 bytes at a time.
    """
    odd = False
    for place in range(text.shape[0] - 1):
        this, after = text[place], text[place + 1]
        odd |= (this < SPACE) & (this != NEWLINE) & ((this != RETURN) | (after != NEWLINE))
        odd |= (this == SPACE) & (after <= SPACE)
    return not odd


@njit(cache=KEEP)
def _eight_digits(word: np.uint64) -> np.uint64:
    """The number of eight digits 0 to 9, one a byte, the first the lowest byte: pairs, then fours, then all at once.

    D. Lemire, Number parsing at a gigabyte per second, Software: Practice and Experience 51(8), 2021.
    """
    pairs = word * TEN + (word >> EIGHT)
    return ((pairs & PAIRS) * OUTER + ((pairs >> SIXTEEN) & PAIRS) * INNER) >> THIRTY_TWO


@njit(cache=KEEP)
def _digits(text: Bytes, at: Position, value: np.uint64) -> tuple[np.uint64, Position]:
    """Append the decimal digits from `at` on to `value`; returns (value, position after them)."""
    while True:
        word = eight(text, at) ^ ZEROS
        other = ((word + NINES) | word) & TOPS  # the top bit of the first byte that is no digit; what carries goes beyond it
        count = first(other) >> EIGHTH
        if count == NONE:
            return value, at
        value = value * SHIFTS[count] + _eight_digits(word << (BITS - EIGHT * count))
        at += count
        if count < EIGHT:
            return value, at


@njit(cache=KEEP)
def _exponent(text: Bytes, at: Position) -> tuple[Integer, Position, Flag]:
    """The exponent whose sign or digits begin at `at`: (exponent, position after it, whether it is a plain one)."""
    negative = text[at] == MINUS
    if negative or text[at] == PLUS:
        at += ONE
    value, end = _digits(text, at, NONE)
    size = np.int64(end - at)
    return (-np.int64(value) if negative else np.int64(value)), end, 1 <= size <= 3


@njit(cache=KEEP)
def _number(text: Bytes, at: Position) -> tuple[float, Position, Flag]:
    """The number at `at` that a space ends: (value, position after the space, whether it is surely what `float()` gives).

    With a mantissa up to 2^53 and a power of ten up to 10^22 both are exact in float64, so that one multiplication or
    division rounds once, correctly (W. D. Clinger, How to read floating point numbers accurately, PLDI 1990).
    """
    negative = text[at] == MINUS
    if negative:
        at += ONE
    mantissa, end = _digits(text, at, NONE)
    digits, exponent = end - at, np.int64(0)
    plain: Flag = True
    if text[end] == POINT:
        at = end + ONE
        mantissa, end = _digits(text, at, mantissa)
        digits += end - at
        exponent = -np.int64(end - at)
    if text[end] | LOWER == LETTER_E:
        shift, end, plain = _exponent(text, end + ONE)
        exponent += shift
    if not (plain and text[end] == SPACE and NONE < digits <= MOST_DIGITS and mantissa <= EXACT and -22 <= exponent <= 22):
        return 0.0, end, False
    value = np.float64(np.int64(mantissa))
    value = value / POWERS[-exponent] if exponent < 0 else value * POWERS[exponent]
    return (-value if negative else value), end + ONE, True


@njit(cache=KEEP)
def _integer(text: Bytes, at: Position) -> tuple[Integer, Position, Flag]:
    """The integer at `at` that a space or line end follows: (value, position after it, whether there is one that int64 holds)."""
    value, end = _digits(text, at, NONE)
    return np.int64(value), end, NONE < end - at <= MOST_DIGITS and text[end] <= SPACE


@njit(cache=KEEP)
def _rest(text: Bytes, at: Position) -> tuple[Integer, Position]:
    """The line from `at` on: (spaces in it, that is fields that follow one, position of the next line)."""
    spaces = NONE
    while True:
        ends, blanks = equal(text, at, NEWLINE), equal(text, at, SPACE)
        if ends != NONE:
            return np.int64(spaces + ones(blanks & (ends ^ (ends - ONE)))), at + first(ends) + ONE
        spaces += ones(blanks)
        at += STEP


@njit(cache=KEEP)
def _line_of_one(text: Bytes, at: Position) -> tuple[Integer, Position, Flag]:
    """A line that is one integer: (value, position of the next line, whether it is)."""
    value, end, good = _integer(text, at)
    fields, after = _rest(text, end)
    return value, after, good and fields == 0


@njit(cache=KEEP)
def _joints(text: Bytes, at: Position, joints: npt.NDArray[np.float32]) -> tuple[Position, Flag]:
    """Fill `joints`, float32 `[J, 3]`, from as many lines of 12 fields: (position of the next line, whether all were plain)."""
    for joint in range(joints.shape[0]):
        for axis in range(3):
            value, at, good = _number(text, at)
            if not good:
                return at, False
            joints[joint, axis] = value
        fields, at = _rest(text, at - ONE)
        if fields != 9:
            return at, False
    return at, True


@njit((_TEXT, types.int64, types.int64[::1], types.int64[::1], types.float32[:, :, ::1]), cache=KEEP)
def scan(
    text: Bytes, start: int, counts: npt.NDArray[np.int64], ids: npt.NDArray[np.int64], joints: npt.NDArray[np.float32]
) -> tuple[Integer, Integer]:
    """Read the frames of a file into the arrays of the caller; returns (bodies in all, position after the last line).

    `text` is uint8 and ends with `GUARD`, which keeps every loop inside; `start` is where the
    first frame begins. `counts` is `[T]`, `ids` `[most]`, `joints` `[most, J, 3]`, with room for as many bodies as the bytes
    can hold. (`FAILED`, 0) where the text is not in the plain form.
    """
    if not _is_plain(text):
        return FAILED, 0
    at, body = uint64(start), 0
    for frame in range(counts.shape[0]):
        counts[frame], at, good = _line_of_one(text, at)
        if not good:
            return FAILED, 0
        for _ in range(counts[frame]):
            ids[body], at, good = _integer(text, at)
            if not good:
                return FAILED, 0
            fields, at = _rest(text, at)
            number, at, good = _line_of_one(text, at) if fields == 9 else (0, at, False)
            if not good or number != joints.shape[1]:
                return FAILED, 0
            at, good = _joints(text, at, joints[body])
            if not good:
                return FAILED, 0
            body += 1
    return body, np.int64(at)
