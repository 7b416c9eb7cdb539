#!/usr/bin/env bash
# pyomeca 2026.0.2: angles of a joint that are taken from its rotation are others than those it was made from, without error or warning.
# About one axis or two (a knee, an elbow) what lies beyond 90 degrees folds back: 120 becomes 60, and the rotation of the result is not
# that of the joint. About three axes five of the six orders are right; "yxz", which the documentation includes ("all permutations"),
# computes nothing: the result is whatever the memory held before.
# Guess before the run: the same rotation comes back for every order, by arctan2 in [-180, 180], as scipy has it.
# Seen: 60 for 120 about each single axis and in all six orders of two; of three axes all but yxz; there 7 and -3 after arrays of 7 and -3.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT; cd "$work"
python3 -m venv venv; venv/bin/pip install --quiet --disable-pip-version-check pyomeca==2026.0.2 ezc3d==1.7.2 scipy==1.17.1
expect() { [ "$2" = "$3" ] && echo "as before: $1" || { echo "CHANGED: $1: found '$2', was '$3'"; exit 1; }; }
run() { venv/bin/python -W error::UserWarning -c "
from itertools import permutations
import numpy as np
from pyomeca import Angles, Rototrans
from scipy.spatial.transform import Rotation
DEGREES = [120.0, 40.0, -70.0]
def joint(order): return Rotation.from_euler(order.upper(), DEGREES[:len(order)], degrees=True)  # turned about axes that turn along
def made(order):
    matrix = np.eye(4)[:, :, None]; matrix[:3, :3, 0] = joint(order).as_matrix()
    return Rototrans(matrix)
def back(order): return np.degrees(Angles.from_rototrans(made(order), order).values.ravel())
def same(order): return np.allclose(Rotation.from_euler(order.upper(), back(order), degrees=True).as_matrix(), joint(order).as_matrix())
def orders(axes): return [''.join(one) for one in permutations('xyz', axes)]
$1"; }
expect "120 degrees about one axis" "$(run 'print(*(f"{order}:{back(order)[0]:.1f}" for order in orders(1)))')" "x:60.0 y:60.0 z:60.0"
expect "the first of two angles, 120" "$(run 'print(*(f"{order}:{back(order)[0]:.1f}" for order in orders(2)))')" \
  "xy:60.0 xz:60.0 yx:60.0 yz:60.0 zx:60.0 zy:60.0"
expect "orders of three axes that come back" "$(run 'print(*(order for order in orders(3) if same(order)))')" "xyz xzy yzx zxy zyx"
expect "yxz after arrays of other numbers" "$(run '
def after(number):
    rotation, held = made("yxz"), [np.full((3, 1, 1), float(number)) for _ in range(8)]
    del held
    return Angles.from_rototrans(rotation, "yxz").values.ravel()
found = [after(number) for number in (7, -3)]
print("the number" if all((one == number).all() for one, number in zip(found, (7, -3))) else found)')" "the number"
expect "its own way from angles to the rotation" "$(run '
angles = Angles(np.radians(DEGREES).reshape(3, 1, 1))
print(np.allclose(Rototrans.from_euler_angles(angles, "yxz").values[:3, :3, 0], joint("yxz").as_matrix()))')" "True"
