"""Predictions in the formats that importers read: the same scores as from NIfTI, faults by name."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from benchmark_medical.importing.records import ITK
from small_datasets import write

from benchmark.data.format.cases import Case
from benchmark.data.format.reader import Dataset
from benchmark.evaluation.predictions import Lost, open_predictions

itk = pytest.importorskip("SimpleITK")


def handed_in(folder: Path, case: Case, ending: str) -> Path:
    """A prediction 10 HU too high, on the grid of the stored slices, as another program writes it."""
    folder.mkdir(exist_ok=True)
    between = folder.parent / "between.nii.gz"
    nib.save(nib.Nifti1Image((case.target + 10).astype(np.float32).T, case.affine), between)
    path = folder / f"{case.key.patient}{ending}"
    itk.WriteImage(itk.ReadImage(str(between)), str(path))
    return path


@pytest.mark.parametrize("ending", ITK.endings)
def test_a_volume_lies_where_its_header_says(tmp_path: Path, ending: str) -> None:
    data = write(tmp_path / "d.h5")
    with Dataset(data) as dataset:
        cases = list(dataset.iterate("test"))
        for case in cases:
            handed_in(tmp_path / "p", case, ending)
        predictions = open_predictions(tmp_path / "p", dataset.info, [ITK])
        for case in cases:
            np.testing.assert_allclose(predictions.prediction(case), case.target + 10, atol=1e-3)
        assert predictions.unused() == [], "values beside a header belong to it"


@pytest.mark.parametrize("ending", [".mha", ".nrrd"])
def test_a_damaged_volume_costs_its_study(tmp_path: Path, ending: str) -> None:
    data = write(tmp_path / "d.h5")
    with Dataset(data) as dataset:
        case = next(iter(dataset.iterate("test")))
        path = handed_in(tmp_path / "p", case, ending)
        path.write_bytes(path.read_bytes()[:-200])
        predictions = open_predictions(tmp_path / "p", dataset.info, [ITK])
        with pytest.raises(Lost, match=path.name):
            predictions.prediction(case)
