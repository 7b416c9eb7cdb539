"""The skeleton as a tree, and the walk through it that visits the joints in an order in which neighbours are bones."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from pipeline.networks.parts import Parts

Bones = Sequence[tuple[int, int]]

BONES: dict[int, Bones] = {
    15: (  # SBU (OpenNI) and Florence 3D, from the neck down to the torso, from there the legs
        *((0, 1), (1, 2), (3, 1), (4, 3), (5, 4), (6, 1), (7, 6)),
        *((8, 7), (9, 2), (10, 9), (11, 10), (12, 2), (13, 12), (14, 13)),
    ),
    20: (  # the first Kinect: NW-UCLA, UTKinect
        *((1, 0), (2, 1), (3, 2), (4, 2), (5, 4), (6, 5), (7, 6), (8, 2), (9, 8), (10, 9)),
        *((11, 10), (12, 0), (13, 12), (14, 13), (15, 14), (16, 0), (17, 16), (18, 17), (19, 18)),
    ),
    25: (  # the second Kinect: NTU RGB+D
        *((1, 0), (2, 20), (3, 2), (4, 20), (5, 4), (6, 5), (7, 6), (8, 20), (9, 8), (10, 9), (11, 10), (12, 0)),
        *((13, 12), (14, 13), (15, 14), (16, 0), (17, 16), (18, 17), (19, 18), (20, 1), (21, 22), (22, 7), (23, 24), (24, 11)),
    ),
}
"""(child, parent) by the number of joints: those of the data sets' `Meta`, of which a network is told the parts alone."""


def bones_of(joints: int, parts: Parts) -> Bones:
    """The tree of a skeleton; of one that is not in `BONES` a chain for each part, limbs at the trunk's first joint."""
    if joints in BONES:
        return BONES[joints]
    trunk, *limbs = [list(part) for part in parts if part]
    chains = [trunk, *([trunk[0], *limb] for limb in limbs)]
    return [(child, parent) for chain in chains for parent, child in pairwise(chain)]


def walk(bones: Bones) -> list[int]:
    """From the root into every branch and back: 2 J - 1 joints of a tree of J, each step along a bone.

    The root is the joint that is nobody's child; branches come in the order of `bones`. Raises `ValueError` for what is no tree.
    """
    children: dict[int, list[int]] = {}
    for child, parent in bones:
        children.setdefault(parent, []).append(child)
    roots = [joint for joint in children if joint not in {child for child, _ in bones}]
    if len(roots) != 1:
        raise ValueError(f"expected bones that hang together from one root, found {len(roots)} roots")

    def visit(joint: int) -> list[int]:
        return [joint, *(step for child in children.get(joint, []) for step in (*visit(child), joint))]

    found = visit(roots[0])
    if len(found) != 2 * len(bones) + 1:
        raise ValueError("expected bones without a circle")
    return found
