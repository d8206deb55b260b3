#!/usr/bin/env bash
# Axial, coronal and sagittal unet-l1 on the limbs of sts, three seeds, alone and averaged (three_views.txt).
# SCANS: a folder for each patient.
set -euo pipefail
cd "$(dirname "$0")/../.."
results=${RESULTS:-results} datasets=${DATASETS:-datasets} scans=${SCANS:?the folder of sts}
files=() said=()
for axis in axial coronal sagittal; do
    data=$datasets/sts-$axis.h5
    [ -f "$data" ] || benchmark data import nifti-pairs "$scans" --task mr-ct-$axis --source MR_T1_image.nii.gz \
        --target CT_image.nii.gz --source-modality "MR T1" --target-modality CT --axis $axis --size 64 \
        --split 0.4:0.1:0.5 --mirror-safe --out "$data"
    files+=(--data "mr-ct-$axis=$data") said+=(--data "mr-ct-$axis=datasets/sts-$axis.h5")
done
command=(benchmark run --models unet-l1,histogram --tasks mr-ct-axial,mr-ct-coronal,mr-ct-sagittal)
rest=(--preset small --seeds 3 --name sts-views)
"${command[@]}" "${files[@]}" "${rest[@]}" --results "$results" --datasets "$datasets" --no-report
python docs/reference_results.py "$results/sts-views" "${command[*]} ${said[*]} ${rest[*]}"
run=$results/sts-views
python tests/performance/three_views.py "$scans" --source MR_T1_image.nii.gz --target CT_image.nii.gz \
    $run/mr-ct-axial/unet-l1 $run/mr-ct-coronal/unet-l1 $run/mr-ct-sagittal/unet-l1 | tee results/reference/sts-views/three_views.txt
