#!/usr/bin/env bash
# T1, T2, and both to FLAIR of two heads (one to train on, one to test on), three seeds. SCANS: the folder of ms-heads.
set -euo pipefail
cd "$(dirname "$0")/../.."
results=${RESULTS:-results} datasets=${DATASETS:-datasets} scans=${SCANS:?the folder of ms-heads}
registered=$datasets/ms-heads-registered
[ -d "$registered" ] || python - "$scans" "$registered" <<'PYTHON'
"""Bring T1 and T2 onto the grid of the FLAIR by the transforms that lie beside the scans."""
import sys
from pathlib import Path

import SimpleITK as itk

scans, registered = map(Path, sys.argv[1:])
for patient in ("patient01", "patient04"):
    flair = itk.ReadImage(str(scans / patient / "study1_FLAIR.nii.gz"), itk.sitkFloat32)
    (registered / patient).mkdir(parents=True)
    itk.WriteImage(flair, str(registered / patient / "FLAIR.nii.gz"))
    for contrast in ("T1W", "T2W"):
        scan = itk.ReadImage(str(scans / patient / f"study1_{contrast}.nii.gz"), itk.sitkFloat32)
        way = itk.ReadTransform(str(scans / patient / f"study1_{contrast}_intrastudy_to_FLAIR.txt"))
        itk.WriteImage(itk.Resample(scan, flair, way), str(registered / patient / f"{contrast}.nii.gz"))
PYTHON
bring() {  # name, then its contrasts
    [ -f "$datasets/$1.h5" ] || benchmark data import nifti-pairs "$registered" --task "$1" "${@:2}" --target FLAIR.nii.gz \
        --target-modality "MR FLAIR" --size 64 --split 0.5:0:0.5 --mirror-safe --out "$datasets/$1.h5"
}
bring t1-flair --source T1W.nii.gz --source-modality "MR T1"
bring t2-flair --source T2W.nii.gz --source-modality "MR T2"
bring t1-t2-flair --source T1=T1W.nii.gz --source T2=T2W.nii.gz --source-modality "MR T1" --source-modality "MR T2"
files=() said=()
for task in t1-flair t2-flair t1-t2-flair; do files+=(--data "$task=$datasets/$task.h5") said+=(--data "$task=datasets/$task.h5"); done
command=(benchmark run --models unet-l1,pix2pix,histogram --tasks t1-flair,t2-flair,t1-t2-flair)
rest=(--preset small --seeds 3 --name flair-contrasts)
"${command[@]}" "${files[@]}" "${rest[@]}" --results "$results" --datasets "$datasets" --no-report
python docs/reference_results.py "$results/flair-contrasts" "${command[*]} ${said[*]} ${rest[*]}"
