#!/usr/bin/env bash
# Prints where the packet captures of others lie that some tests read, or "none".
#
# They are not part of the repository, because their licences differ.  They are looked for in
# L2TP_DOCTOR_DATA, beside the repository, and beside the one that it was cloned from.  A test that
# needs them fails in CI when they ought to be there and are not; "none" says that there are none
# on this machine, and those tests skip.
set -euo pipefail
cd "$(dirname "$0")/.."

if [ -n "${L2TP_DOCTOR_DATA:-}" ]; then
    echo "$L2TP_DOCTOR_DATA"
    exit
fi
origin="$(git config --get remote.origin.url 2>/dev/null || true)"
for beside in . "${origin#file://}"; do
    if [ -n "$beside" ] && [ -f "$beside/../shared/data/MANIFEST.tsv" ]; then
        (cd "$beside/../shared/data" && pwd)
        exit
    fi
done
echo "no recorded captures on this machine: the tests that read them will be skipped" >&2
echo none
