#!/usr/bin/env bash
# What claims of seeds 0 to 2 are worth to seeds 3 to 5: six-seeds.sh TASK MODEL,MODEL,... Cells of other pieces are taken over.
set -euo pipefail
cd "$(dirname "$0")/../.."
results=${RESULTS:-results} datasets=${DATASETS:-datasets} name=six-seeds-$1
command=(benchmark run --grid full --preset small --tasks "$1" --models "$2" --seeds 6 --name "$name")
"${command[@]}" --results "$results" --datasets "$datasets" --no-report
python docs/reference_results.py "$results/$name" "${command[*]}"
python tests/performance/survival.py "$results/$name" | tee "results/reference/$name/survival.txt"
