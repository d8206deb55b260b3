#!/usr/bin/env bash
# MR to CT under the grid full: preset small, 300 steps, three seeds. Continues where it was interrupted.
set -euo pipefail
cd "$(dirname "$0")/../.."
results=${RESULTS:-results} datasets=${DATASETS:-datasets}
command=(benchmark run --grid full --preset small --tasks mr-ct --seeds 3 --name full-small-300)
"${command[@]}" --results "$results" --datasets "$datasets" --no-report
python docs/reference_results.py "$results/full-small-300" "${command[*]}"
