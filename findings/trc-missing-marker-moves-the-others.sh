#!/usr/bin/env bash
# trc-data-reader 0.4.1: a marker that is missing in a frame is written as empty fields, as TRC has it, and read by splitting at white
# space. So in that frame every marker after it has the position of the next one, and the last one is said to be missing. The library
# reads so the files that it wrote itself, without error or warning; only a missing last marker comes back as it was.
# Guess before the run: NaN for the marker that is missing, as it was when it was written, and the others where they were.
# Seen: with the knee lost for one frame of hip, knee, ankle, toe, the knee stands at the ankle, the ankle at the toe, the toe is lost.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT; cd "$work"
python3 -m venv venv; venv/bin/pip install --quiet --disable-pip-version-check trc-data-reader==0.4.1 c3d==0.6.0 numpy==2.4.6
expect() { [ "$2" = "$3" ] && echo "as before: $1" || { echo "CHANGED: $1: found '$2', was '$3'"; exit 1; }; }
cat > leg.py <<'PY'
import math
import sys

from trc import TRCData

MARKERS = ["hip", "knee", "ankle", "toe"]
data = TRCData(PathFileType="4", DataFormat="(X/Y/Z)", FileName="leg.trc", Markers=MARKERS, NumMarkers=4, NumFrames=3, Units="mm")
data |= {"DataRate": 30.0, "CameraRate": 30.0, "OrigDataRate": 30.0, "OrigDataStartFrame": 1, "OrigNumFrames": 3, "Frame#": [1, 2, 3]}
for frame in data["Frame#"]:
    rows = [[1.0, 100.0 * (4 - i), 1.0] for i in range(4)]  # heights 400, 300, 200, 100
    if frame == 2:
        rows[MARKERS.index(sys.argv[1])] = [math.nan] * 3
    data[frame] = (frame / 30, rows)
data.save("leg.trc")

found = TRCData()
found.load("leg.trc")
print("; ".join(" ".join(f"{found[name][frame][1]:.0f}" for name in MARKERS) for frame in (0, 1, 2)))
PY
run() { venv/bin/python leg.py "$1"; }
expect "heights of hip, knee, ankle, toe, the knee lost in frame 2" "$(run knee)" "400 300 200 100; 400 200 100 nan; 400 300 200 100"
expect "the toe lost" "$(run toe)" "400 300 200 100; 400 300 200 nan; 400 300 200 100"
expect "the hip lost" "$(run hip)" "400 300 200 100; 300 200 100 nan; 400 300 200 100"
run knee > /dev/null
expect "fields of frame 2 in the file, by tabs" "$(sed -n 8p leg.trc | tr '\t' ',' | tr -d '\r')" "2,0.067,1.00000,400.00000,1.00000,,,,1.00000,200.00000,1.00000,1.00000,100.00000,1.00000"
