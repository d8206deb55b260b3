"""Slices of 256x256 a CPU second and bytes a voxel, by codec: what the reader gives beside what HDF5 gives.

    python tests/performance/slice_reading.py [FOLDER OF A CT SERIES] [--repeats 5]

Without a folder the CT of ../shared/data/ct-abdomen is taken (pydicom needed), or else procedural discs with noise,
which compress less. Codecs of hdf5plugin are measured where that is installed.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from benchmark.data.format.chunks import read_array

SLICES = 192  # more than HDF5's cache of chunks holds


def scanned(folder: Path) -> NDArray[np.int16]:
    """A CT series in whole HU, two by two pixels averaged to 256x256, repeated mirrored until there are enough."""
    import pydicom

    images = []
    for path in sorted(folder.glob("*.dcm")):
        scan = pydicom.dcmread(path)
        hu = scan.pixel_array * float(scan.RescaleSlope) + float(scan.RescaleIntercept)
        step = hu.shape[0] // 256
        images.append(np.maximum(hu, -1024)[: 256 * step, : 256 * step].reshape(256, step, 256, step).mean((1, 3)))
    volume = np.rint(np.stack(images)).astype(np.int16)
    turned = np.concatenate([volume, volume[:, ::-1], volume[:, :, ::-1], volume[:, ::-1, ::-1]])
    return np.concatenate([turned] * (SLICES // len(turned) + 1))[:SLICES]


def drawn() -> NDArray[np.int16]:
    """Discs in air, in whole HU with noise."""
    random = np.random.default_rng(0)
    rows, columns = np.mgrid[-1:1:256j, -1:1:256j]
    body = np.where(rows**2 + 1.5 * columns**2 < 0.7, 40.0, -1000.0)
    return np.rint(body + random.normal(0, 12, (SLICES, 256, 256))).clip(-1024, 3071).astype(np.int16)


def codecs() -> dict[str, dict[str, Any]]:
    """Filters by name."""
    gzip = {"compression": "gzip", "shuffle": True}
    found: dict[str, dict[str, Any]] = {
        "none": {},
        "gzip-1 + fletcher32 (ours)": {**gzip, "compression_opts": 1, "fletcher32": True},
        "gzip-4": {**gzip, "compression_opts": 4},
        "lzf": {"compression": "lzf", "shuffle": True},
    }
    try:
        import hdf5plugin
    except ImportError:
        print("hdf5plugin is not installed: its codecs are left out")
    else:
        found["blosc-lz4"] = dict(hdf5plugin.Blosc(cname="lz4", clevel=5, shuffle=1))
        found["blosc-zstd-1"] = dict(hdf5plugin.Blosc(cname="zstd", clevel=1, shuffle=1))
        found["zstd-3"] = {"shuffle": True, **hdf5plugin.Zstd(clevel=3)}
    return found


def per_second(work: Callable[[], object], repeats: int) -> float:
    """Slices a CPU second, the best of several."""
    times = []
    for _ in range(repeats):
        began = time.process_time()
        work()
        times.append(time.process_time() - began)
    return SLICES / min(times)


def main() -> None:
    """Print one line a codec and type."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=Path)
    parser.add_argument("--repeats", type=int, default=5)
    arguments = parser.parse_args()
    shared = Path(os.environ.get("BENCHMARK_REAL_DATA", Path(__file__).parents[2].parent / "shared" / "data"))
    folder = arguments.folder or shared / "ct-abdomen"
    images = scanned(folder) if folder.is_dir() else drawn()
    print(f"{SLICES} slices of {folder.name if folder.is_dir() else 'drawn discs'}; slices a CPU second")
    noisy = (images + np.random.default_rng(1).normal(0, 1, images.shape)).astype(np.float32)
    print(f"{'type':8} {'codec':28} {'of float32':>10} {'written':>8} {'by HDF5':>8} {'by us':>8}")
    with tempfile.TemporaryDirectory() as place:
        for kind, array in (("int16", images), ("float32", noisy)):
            for name, filters in codecs().items():
                path = Path(place) / "a.h5"
                began = time.process_time()
                with h5py.File(path, "w", libver="v110") as file:
                    file.create_dataset("a", data=array, chunks=(1, 256, 256), **filters)
                written = SLICES / (time.process_time() - began)
                with h5py.File(path) as file:
                    data = file["a"]
                    size = data.id.get_storage_size() / (4 * array.size)
                    theirs = per_second(lambda data=data: data[()], arguments.repeats)
                    ours = per_second(lambda data=data: read_array(data), arguments.repeats)
                    assert (read_array(data) == array).all()
                print(f"{kind:8} {name:28} {size:10.3f} {written:8.0f} {theirs:8.0f} {ours:8.0f}", flush=True)


if __name__ == "__main__":
    main()
