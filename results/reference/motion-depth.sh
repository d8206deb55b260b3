#!/usr/bin/env bash
# MR motion at 300 steps, three seeds: MedGAN with six blocks and with one, with and without its feature terms. Continues where it stopped.
set -euo pipefail
cd "$(dirname "$0")/../.."
results=${RESULTS:-results} datasets=${DATASETS:-datasets}
command=(benchmark run --grid results/reference/motion-depth.toml --seeds 3 --name motion-depth)
"${command[@]}" --results "$results" --datasets "$datasets" --no-report
python docs/reference_results.py "$results/motion-depth" "${command[*]}"
