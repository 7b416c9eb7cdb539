#!/usr/bin/env bash
# ezc3d 1.7.2, c3d 0.6.0: recordings of 65,535 frames and more (nine minutes at 120 Hz). C3D's header counts frames in 16 bits; longer
# files say the number of the last frame in TRIAL:ACTUAL_END_FIELD, as c3d writes it. ezc3d reads the file's size in place of it: the
# padding of the last block becomes frames with every marker in the origin, residual 0, so valid. What ezc3d writes itself holds all
# frames on the disk, but says 65,535, and it reads no more of them; c3d reads none of such a file, from 65,535 frames on.
# Guess before the run: 70,000 frames come back as 70,000 from both, whoever wrote them (ezc3d closed issues 303, 308 and 372 about it).
# Seen, one marker: 1,000 frames are right everywhere. 70,000 of c3d are 70,016 in ezc3d, 16 of them in the origin; 65,535 are 65,536.
# 70,000 of ezc3d are 65,535 in ezc3d, from a file of 1,120,000 bytes of frames and its header; 0 in c3d.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT; cd "$work"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check ezc3d==1.7.2 c3d==0.6.0 numpy==2.4.6
expect() { [ "$2" = "$3" ] && echo "as before: $1" || { echo "CHANGED: $1: found '$2', was '$3'"; exit 1; }; }
cat > run.py <<'PY'
import os, sys, warnings
import c3d, ezc3d, numpy as np
warnings.simplefilter("ignore")
def by_c3d(path, x):  # the marker walks along x, never through the origin
    writer = c3d.Writer(point_rate=120.0)
    writer.set_point_labels(["A"])
    writer.add_frames([(np.array([[value, 1, 2, 0, 0]], np.float32), np.zeros((0, 0))) for value in x])
    with open(path, "wb") as file:
        writer.write(file)
def by_ezc3d(path, x):
    made = ezc3d.c3d()
    made["parameters"]["POINT"]["RATE"]["value"], made["parameters"]["POINT"]["LABELS"]["value"] = [120], ["A"]
    made["data"]["points"] = np.stack([x, np.ones_like(x), np.full_like(x, 2), np.ones_like(x)])[:, None]
    made.write(path)
def in_ezc3d(path):
    data = ezc3d.c3d(path)["data"]
    points, residuals = data["points"][:3, 0].T, data["meta_points"]["residuals"][0, 0]
    return f"{len(points)}, {int(((points == 0).all(1) & (residuals >= 0)).sum())} in the origin"
def in_c3d(path):
    with open(path, "rb") as file:
        return str(sum(1 for _ in c3d.Reader(file).read_frames()))
frames, write, path = int(sys.argv[1]), {"c3d": by_c3d, "ezc3d": by_ezc3d}[sys.argv[2]], "x.c3d"
write(path, np.arange(1, frames + 1) * 0.01)
whole = os.path.getsize(path) >= frames * 16
print(f"ezc3d {in_ezc3d(path)}; c3d {in_c3d(path)}; all on disk: {whole}")
PY
seen() { venv/bin/python run.py "$1" "$2"; }
expect "1,000 frames by c3d" "$(seen 1000 c3d)" "ezc3d 1000, 0 in the origin; c3d 1000; all on disk: True"
expect "1,000 frames by ezc3d" "$(seen 1000 ezc3d)" "ezc3d 1000, 0 in the origin; c3d 1000; all on disk: True"
expect "65,535 frames by c3d" "$(seen 65535 c3d)" "ezc3d 65536, 1 in the origin; c3d 65535; all on disk: True"
expect "70,000 frames by c3d" "$(seen 70000 c3d)" "ezc3d 70016, 16 in the origin; c3d 70000; all on disk: True"
expect "65,535 frames by ezc3d" "$(seen 65535 ezc3d)" "ezc3d 65535, 0 in the origin; c3d 0; all on disk: True"
expect "70,000 frames by ezc3d" "$(seen 70000 ezc3d)" "ezc3d 65535, 0 in the origin; c3d 0; all on disk: True"
