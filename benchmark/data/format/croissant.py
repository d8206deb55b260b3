"""Croissant metadata (JSON-LD, version 1.1) beside every data set file: what it holds, its licence, its checksum.

Format: https://docs.mlcommons.org/croissant/docs/croissant-spec-1.1.html. Croissant cannot look into HDF5, so pixels
are described in words, and splits and cases are given as records that stand in the metadata themselves.
"""

from __future__ import annotations

import datetime
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from benchmark import atomic
from benchmark._version import __version__
from benchmark.data.format.cases import DatasetInfo
from benchmark.data.format.reader import Dataset
from benchmark.data.format.schema import SPLITS

CONFORMS_TO = "http://mlcommons.org/croissant/1.1"
SUFFIX = ".croissant.json"

_TERMS = (
    *("arrayShape", "citeAs", "column", "containedIn", "equivalentProperty", "excludes", "extract", "field"),
    *("fileObject", "fileProperty", "fileSet", "format", "includes", "isArray", "isLiveDataset", "jsonPath", "key"),
    *("md5", "parentField", "path", "recordSet", "references", "regex", "repeated", "replace", "samplingRate"),
    *("separator", "source", "subField", "transform"),
)
CONTEXT: dict[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "dct": "http://purl.org/dc/terms/",
    "sc": "https://schema.org/",
    "conformsTo": "dct:conformsTo",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "name": {"@container": "@language"},
    "description": {"@container": "@language"},
    **{term: f"cr:{term}" for term in _TERMS},
}
"""The context of the specification's appendix 1."""

# as mlcommons names what each split is for
_SPLIT_KINDS = {"train": "cr:TrainingSplit", "val": "cr:ValidationSplit", "test": "cr:TestSplit"}
_CASE_FIELDS = (
    ("patient", "sc:Text", "pseudonym of the patient"),
    ("study", "sc:Text", "study of the patient; cases/<patient>/<study> is its place in the file"),
    ("split", "sc:Text", "split of the patient"),
    ("slices", "sc:Integer", "number of slices"),
    ("slice_mm", "sc:Float", "distance of slices in mm"),
    ("row_mm", "sc:Float", "distance of rows in mm"),
    ("column_mm", "sc:Float", "distance of columns in mm"),
)


def beside(path: Path) -> Path:
    """Where the metadata of a data set file stand."""
    return path.with_name(f"{path.name.removesuffix(path.suffix)}{SUFFIX}")


def write(path: Path) -> Path:
    """Write the metadata of a data set file beside it.

    Raises:
        DatasetError: the file breaks the schema.
        OSError: nothing can be written there.
    """
    with Dataset(path) as dataset:
        described = describe(dataset)
    atomic.write_json(beside(path), described)
    return beside(path)


def stated_sha256(path: Path) -> str | None:
    """The checksum that the metadata beside a file state for it; ``None`` where there are no (sound) metadata."""
    try:
        described = json.loads(beside(path).read_text(encoding="utf-8"))
        return str(described["distribution"][0]["sha256"])
    except (OSError, ValueError, KeyError, TypeError, IndexError, RecursionError):
        return None


def describe(dataset: Dataset) -> dict[str, Any]:
    """The metadata of an open data set."""
    info, file_name = dataset.info, dataset.path.name
    stated = {key: value for key, value in info.provenance.items() if isinstance(value, str) and value.strip()}
    today = datetime.datetime.now(datetime.UTC).date().isoformat()
    return {
        "@context": CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": CONFORMS_TO,
        "name": info.name or file_name,
        "description": _description(info),
        "license": _licence(stated.get("licence", "")),
        "url": _url(stated, info),
        "creator": {"@type": "sc:Organization", "name": stated.get("creator") or stated.get("generator") or "unknown"},
        "datePublished": today,
        "dateCreated": today,
        "version": "1.0.0",
        "keywords": [
            info.task,
            *(side.modality for side in (*info.sources, info.target)),
            "image-to-image translation",
            info.schema,
        ],
        "isLiveDataset": False,
        **({"citeAs": stated["citation"]} if "citation" in stated else {}),
        "distribution": [
            {
                "@type": "cr:FileObject",
                "@id": file_name,
                "name": file_name,
                "description": f"HDF5 file, schema {info.schema}, written by medgan-benchmark {__version__}",
                "contentUrl": file_name,
                "contentSize": f"{dataset.path.stat().st_size} B",
                "encodingFormat": "application/x-hdf5",
                "sha256": atomic.sha256_file(dataset.path),
            }
        ],
        "recordSet": [_splits(info), _cases(dataset)],
    }


def _description(info: DatasetInfo) -> str:
    height, width = info.image_size
    counts = ", ".join(f"{len(info.splits[split])} {split}" for split in SPLITS)
    sides = f"{info.source_modality} in {info.source_unit} to {info.target.modality} in {info.target.unit}"
    return (
        f"{info.nature.capitalize()} for the task {info.task}: {sides}, "
        f"{len(info.cases)} cases of {sum(map(len, info.splits.values()))} patients ({counts}), "
        f"slices of {height}x{width} pixels"
        + ("." if info.paired else "; sources and targets of the training patients do not belong together.")
    )


def _licence(words: str) -> str:
    """A licence's address at SPDX where it is one of the usual ones of data, else as it was stated."""
    short = re.sub(r"[\s_]+", "-", words.strip())
    if match := re.fullmatch(r"(CC0|CC-BY(?:-NC)?(?:-SA|-ND)?)-?([1-4]\.0)", short, re.IGNORECASE):
        return f"https://spdx.org/licenses/{match[1].upper()}-{match[2]}.html"
    return words.strip() or "not stated"


def _url(stated: Mapping[str, str], info: DatasetInfo) -> str:
    """Where to learn more; a name for the content where nobody said."""
    if "url" in stated:
        return stated["url"]
    if found := re.search(r"\b10\.\d{4,9}/[^\s;,]+", stated.get("citation", "")):
        return f"https://doi.org/{found[0]}"
    return f"urn:sha256:{info.content_sha256}"


def _splits(info: DatasetInfo) -> dict[str, Any]:
    return {
        "@type": "cr:RecordSet",
        "@id": "splits",
        "name": "splits",
        "description": "Splits by patient.",
        "dataType": ["cr:Split", "sc:Enumeration"],
        "key": {"@id": "splits/name"},
        "field": [
            _field("splits", "name", "sc:Text", "as it is called in the file"),
            _field("splits", "url", "sc:URL", "what it is for"),
            _field("splits", "patients", "sc:Integer", "number of patients"),
        ],
        "data": [
            {"splits/name": split, "splits/url": _SPLIT_KINDS[split], "splits/patients": len(info.splits[split])}
            for split in SPLITS
        ],
    }


def _cases(dataset: Dataset) -> dict[str, Any]:
    fields = [_field("cases", *about) for about in _CASE_FIELDS]
    fields[2]["references"] = {"field": {"@id": "splits/name"}}
    return {
        "@type": "cr:RecordSet",
        "@id": "cases",
        "name": "cases",
        "description": "One study of one patient each: source, target and mask, and labels where there are any.",
        "key": [{"@id": "cases/patient"}, {"@id": "cases/study"}],
        "field": fields,
        "data": [*_records(dataset)],
    }


def _records(dataset: Dataset) -> Iterator[dict[str, Any]]:
    info = dataset.info
    split_of = {patient: split for split in SPLITS for patient in info.splits[split]}
    for key in info.cases:
        if key.patient in split_of:
            spacing, _ = dataset.place(key)
            values = (key.patient, key.study, split_of[key.patient], info.slices[key], *spacing)
            yield {f"cases/{name}": value for (name, *_), value in zip(_CASE_FIELDS, values, strict=True)}


def _field(records: str, name: str, kind: str, words: str) -> dict[str, Any]:
    return {"@type": "cr:Field", "@id": f"{records}/{name}", "name": name, "dataType": kind, "description": words}
