#!/usr/bin/env bash
# kineticstoolkit 0.17.0: `TimeSeries.fill_missing_samples`, which is documented to interpolate gaps, also goes on in a straight line
# where a joint is missing at the start or at the end of a recording. A joint that the sensor loses for good flies away, without a word,
# in every coordinate and for as long as the limit of samples allows; zero, documented as "all", has no limit.
# Guess before the run: before the first and after the last sample that was seen nothing is filled, as pandas and movement do by default.
# Seen: a hand that waves within 0.35 and 0.45 m and is lost after one second of three is at 0.877 m at the end, and with the limit of
# 60 samples too; movement 0.15.0 leaves the same 60 samples missing.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT; cd "$work"
python3 -m venv venv; venv/bin/pip install --quiet --disable-pip-version-check kineticstoolkit==0.17.0 movement==0.15.0 numpy==2.4.6
expect() { [ "$2" = "$3" ] && echo "as before: $1" || { echo "CHANGED: $1: found '$2', was '$3'"; exit 1; }; }
run() { venv/bin/python -W ignore -c "
import numpy as np
seconds = np.arange(90) / 30
hand = 0.4 + 0.05 * np.sin(6 * seconds)
hand[30:] = np.nan
$1"; }
ktk='
import kineticstoolkit.lab as ktk
filled = ktk.TimeSeries(time=seconds).add_data("hand", hand).fill_missing_samples(LIMIT).data["hand"]
print("%d missing, last %.3f" % (np.isnan(filled).sum(), filled[-1]))'
expect "all gaps" "$(run "${ktk/LIMIT/0}")" "0 missing, last 0.877"
expect "gaps of at most 60 samples" "$(run "${ktk/LIMIT/60}")" "0 missing, last 0.877"
expect "gaps of at most 59 samples" "$(run "${ktk/LIMIT/59}")" "60 missing, last nan"
expect "movement" "$(run '
import xarray as xr
from movement.filtering import interpolate_over_time
data = xr.DataArray(hand[:, None, None, None], dims=("time", "space", "keypoints", "individuals"), coords={"time": seconds})
filled = interpolate_over_time(data).values.ravel()
print("%d missing, last %.3f" % (np.isnan(filled).sum(), filled[-1]))' | tail -1)" "60 missing, last nan"
