#!/usr/bin/env bash
# MR to CT at 100, 300 and 1,000 steps: one training a seed from which each budget branches. Continues where it stopped.
# With medgan (--models unet-l1,pix2pix,medgan) each seed takes some 25 CPU minutes more.
set -euo pipefail
cd "$(dirname "$0")/../.."
results=${RESULTS:-results} datasets=${DATASETS:-datasets}
command=(benchmark run --models unet-l1,pix2pix --tasks mr-ct --budgets 100,300,1000 --seeds 3 --name budgets-mr-ct)
"${command[@]}" --results "$results" --datasets "$datasets" --no-report
python docs/reference_results.py "$results/budgets-mr-ct" "${command[*]}"
