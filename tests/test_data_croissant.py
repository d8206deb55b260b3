"""Croissant metadata: what the specification requires is there, and says what the file holds."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from small_datasets import SOURCE, TARGET, anatomy, write

from benchmark.data.format import croissant
from benchmark.data.format.writer import DatasetWriter

REQUIRED = {
    "@context",
    "@type",
    "conformsTo",
    "name",
    "description",
    "license",
    "url",
    "creator",
    "datePublished",
    "distribution",
}


def described(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(croissant.beside(path).read_text())
    return found


def with_provenance(path: Path, **provenance: Any) -> dict[str, Any]:
    with DatasetWriter(
        path, task="t", name="n", source=SOURCE, target=TARGET, simulated=False, provenance=provenance
    ) as writer:
        for patient in "ab":
            writer.add_case(patient, "s1", **anatomy(patient), spacing=(3, 2, 1))
        writer.set_splits({"train": ["a"], "test": ["b"]})
    return described(path)


def nodes(value: Any) -> Iterator[dict[str, Any]]:
    """All nodes of the graph; values of ``data`` are not JSON-LD."""
    if isinstance(value, dict):
        yield value
        for key, item in value.items():
            if key not in ("@context", "data"):
                yield from nodes(item)
    elif isinstance(value, list):
        for item in value:
            yield from nodes(item)


def test_a_file_has_what_the_specification_requires(tmp_path: Path) -> None:
    found = described(write(tmp_path / "d.h5"))
    assert set(found) >= REQUIRED
    assert all(found[key] for key in REQUIRED)
    assert found["@type"] == "sc:Dataset"
    assert found["conformsTo"] == "http://mlcommons.org/croissant/1.1"
    assert found["@context"]["@vocab"] == "https://schema.org/"
    assert found["@context"]["cr"] == "http://mlcommons.org/croissant/"


def test_every_word_is_known_every_name_is_given_once_and_every_reference_leads_somewhere(tmp_path: Path) -> None:
    found = described(write(tmp_path / "d.h5"))
    plain = {"name", "description", "license", "url", "creator", "datePublished", "dateCreated", "version", "keywords"}
    plain |= {"distribution", "contentUrl", "contentSize", "encodingFormat", "sha256", "@type", "@id", "@context"}
    given = [node["@id"] for node in nodes(found) if "@id" in node and len(node) > 1]
    assert len(given) == len(set(given))
    for node in nodes(found):
        assert set(node) - plain <= set(found["@context"]), node
        if set(node) == {"@id"}:
            assert node["@id"] in given
    for records in found["recordSet"]:
        fields = {field["@id"] for field in records["field"]}
        assert all(set(record) == fields for record in records["data"])


def test_the_checksum_and_size_are_the_files(tmp_path: Path) -> None:
    path = write(tmp_path / "d.h5")
    (file,) = described(path)["distribution"]
    assert file["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest() == croissant.stated_sha256(path)
    assert file["contentSize"] == f"{path.stat().st_size} B"
    assert file["contentUrl"] == file["@id"] == "d.h5"


def test_splits_and_cases_are_records(tmp_path: Path) -> None:
    splits, cases = described(write(tmp_path / "d.h5"))["recordSet"]
    assert [(each["splits/name"], each["splits/patients"]) for each in splits["data"]] == [
        ("train", 3),
        ("val", 1),
        ("test", 10),
    ]
    assert len(cases["data"]) == 14
    assert {
        "cases/patient": "val0",
        "cases/study": "s1",
        "cases/split": "val",
        "cases/slices": 2,
        "cases/slice_mm": 3.0,
        "cases/row_mm": 2.0,
        "cases/column_mm": 1.0,
    } in cases["data"]


@pytest.mark.parametrize(
    ("licence", "stated"),
    [
        ("CC0-1.0", "https://spdx.org/licenses/CC0-1.0.html"),
        ("CC BY 3.0", "https://spdx.org/licenses/CC-BY-3.0.html"),
        ("cc by-nc-sa 4.0", "https://spdx.org/licenses/CC-BY-NC-SA-4.0.html"),
        ("ask the hospital", "ask the hospital"),
        ("", "not stated"),
    ],
)
def test_usual_licences_become_addresses(tmp_path: Path, licence: str, stated: str) -> None:
    assert with_provenance(tmp_path / "d.h5", licence=licence)["license"] == stated


def test_the_address_is_the_stated_one_or_the_citations_or_the_contents_name(tmp_path: Path) -> None:
    path = tmp_path / "d.h5"
    found = with_provenance(path, citation="Doe et al. 2015, doi:10.7937/K9/TCIA.2015.7GO2GSKS")
    assert found["url"] == "https://doi.org/10.7937/K9/TCIA.2015.7GO2GSKS"
    assert "citeAs" in found
    assert with_provenance(path, url="https://x.org", citation="10.1/x")["url"] == "https://x.org"
    assert with_provenance(path)["url"].startswith("urn:sha256:")
    assert with_provenance(path)["description"].lower().startswith("real ")


@pytest.mark.parametrize(
    "written", ["", "{", "[]", "{}", '{"distribution": []}', "[" * 100_000, '{"distribution": [3]}']
)
def test_broken_metadata_state_nothing(tmp_path: Path, written: str) -> None:
    path = tmp_path / "d.h5"
    croissant.beside(path).write_text(written)
    assert croissant.stated_sha256(path) is None


def test_the_reference_implementation_reads_it(tmp_path: Path) -> None:
    reference = pytest.importorskip("mlcroissant", reason="mlcroissant is not installed")
    path = write(tmp_path / "d.h5")
    dataset = reference.Dataset(jsonld=str(croissant.beside(path)))
    assert len(list(dataset.records("cases"))) == 14
    assert len(list(dataset.records("splits"))) == 3
