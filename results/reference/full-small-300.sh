#!/usr/bin/env bash
# A task of the grid full at preset small, 300 steps: full-small-300.sh [TASK [SEEDS]]. Continues where it was interrupted.
set -euo pipefail
cd "$(dirname "$0")/../.."
results=${RESULTS:-results} datasets=${DATASETS:-datasets} task=${1:-mr-ct} seeds=${2:-3}
name=full-small-300
[ "$task" = mr-ct ] || name+=-$task
command=(benchmark run --grid full --preset small --tasks "$task" --seeds "$seeds" --name "$name")
"${command[@]}" --results "$results" --datasets "$datasets" --no-report
python docs/reference_results.py "$results/$name" "${command[*]}"
