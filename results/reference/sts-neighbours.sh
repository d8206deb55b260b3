#!/usr/bin/env bash
# MR to CT of the 18 limbs of sts with 0, 1 and 2 neighbouring slices, three seeds. SCANS: a folder for each patient.
set -euo pipefail
cd "$(dirname "$0")/../.."
results=${RESULTS:-results} datasets=${DATASETS:-datasets} scans=${SCANS:?the folder of sts}
data=$datasets/sts-mr-ct.h5
[ -f "$data" ] || benchmark data import nifti-pairs "$scans" --task mr-ct --source MR_T1_image.nii.gz --target CT_image.nii.gz \
    --source-modality "MR T1" --target-modality CT --size 64 --spacing 2.9 --split 0.4:0.1:0.5 --mirror-safe --out "$data"
command=(benchmark run --grid results/reference/sts-neighbours.toml --data "mr-ct=datasets/sts-mr-ct.h5" --seeds 3 --name sts-neighbours)
"${command[@]/datasets\/sts/$datasets/sts}" --results "$results" --datasets "$datasets" --no-report
python docs/reference_results.py "$results/sts-neighbours" "${command[*]}"
