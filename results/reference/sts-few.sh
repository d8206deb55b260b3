#!/usr/bin/env bash
# MR to CT of the limbs of sts with seven patients to train on: augmentation, a smaller network, more steps, another
# network; then networks that begin from phantoms. Data are those of sts-neighbours.sh, PHANTOMS the run full-small-300.
set -euo pipefail
cd "$(dirname "$0")/../.."
results=${RESULTS:-results} datasets=${DATASETS:-datasets} phantoms=${PHANTOMS:-results/full-small-300}
piece() {  # name, then the rest of the command
    local command=(benchmark run "${@:2}" --seeds 3 --name "$1")
    "${command[@]}" --data "mr-ct=$datasets/sts-mr-ct.h5" --results "$results" --datasets "$datasets" --no-report
    local said="${command[*]} --data mr-ct=datasets/sts-mr-ct.h5"
    python docs/reference_results.py "$results/$1" "${said/$phantoms/results/full-small-300}"
}
piece sts-few --grid results/reference/sts-few.toml
piece sts-from-phantoms --models unet-l1 --preset small --tasks mr-ct --init "$phantoms/mr-ct/unet-l1/s0"
