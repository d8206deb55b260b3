"""Names, dates and other marks of a person that came along from DICOM headers and file names.

What the file says in words is looked at: JSON of the provenance and of each case, other attributes, and the names of
patients and studies. Attributes that a pseudonymised data set may keep (age, sex, scanner) pass. Pixels are not read:
a face, or text burnt into an image, is not found.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from benchmark.data.format.schema import CaseKey, roles_in, text

if TYPE_CHECKING:
    import h5py

# Keywords and tags of DICOM PS3.15, table E.1-1, written without punctuation
_NAMING = re.compile(
    r"(patients?|persons?|family|given|full|first|last|maiden|patients?mothers?birth|patients?birth)name|"
    r"(\w*(physician|operator|responsibleperson|surgeon)s?(of\w*)?)names?|"
    r"(patients?|institution|physician)?(address|telephone\w*|phone\w*|email)|"
    r"(patients?)?(birthdate|birthtime|dateofbirth|birthname)|socialsecurity\w*|00100010|00100030|00101040|00080090"
)
_FINDING = re.compile(
    r"patientids?|otherpatientids?\w*|patientcomments|patientinsurance\w*|medicalrecord\w*|mrn|accessionnumber|studyid|"
    r"institutionname|stationname|deviceserialnumber|00100020|00080050|00080080|00200010"
)
_DATING = re.compile(r"(study|series|acquisition|content|scan|exam|admission|visit|injection)(date|time|datetime)s?")
_PUBLISHED = re.compile(
    r"licen[cs]es?|citations?|cite(as)?|doi|urls?|references?|versions?|created|generator|harness|code"
)
"""Keys under which names and dates of publications and programs stand."""

_CARET_NAME = re.compile(r"(?<![\w^])[^\W\d_][^\W\d_'.-]+\^[^\W\d_]{2}")
_DAY = r"(?:0[1-9]|[12]\d|3[01])"
_MONTH = r"(?:0[1-9]|1[0-2])"
_YEAR = r"(?:19|20)\d\d"
_DATE = re.compile(
    rf"(?<![0-9A-Za-z.])(?:{_YEAR}{_MONTH}{_DAY}|{_YEAR}(?P<a>[-_./]){_MONTH}(?P=a){_DAY}"
    rf"|(?:{_MONTH}(?P<b>[-_./]){_DAY}|{_DAY}(?P<c>[-_./]){_MONTH})[-_./]{_YEAR})(?![0-9A-Za-z])"
)
_UID = re.compile(r"(?<![\d.])[0-2](?:\.(?:0|[1-9]\d*)){6,}(?![\d.])")
_OURS = {"schema", "task", "name", "source", "target", "content_sha256", "sha256"}


@dataclass(frozen=True)
class Mark:
    """Something that may tell who a patient is: where it stands, what it is, and whether that is beyond doubt."""

    where: str
    what: str
    certain: bool


def marks(file: h5py.File, keys: list[CaseKey]) -> Iterator[Mark]:
    """Everything found in an open file; a value is never repeated in full."""
    yield from _of_attributes("file", file.attrs)
    for key in keys:
        where = str(key)
        for kind, name in (("patient", key.patient), ("study", key.study)):
            if found := date_in(name):
                yield Mark(where, f"the {kind}'s name holds {found}", certain=False)
        group = file[f"cases/{key}"]
        yield from _of_attributes(where, group.attrs)
        for role in sorted({*group, *roles_in(group)}):
            yield from _of_attributes(f"{where} {role}", group[role].attrs)


def _of_attributes(where: str, attributes: Mapping[str, Any]) -> Iterator[Mark]:
    for name in sorted(attributes):
        if name in _OURS:
            continue
        try:
            written = text(attributes[name])
        except (TypeError, UnicodeDecodeError):
            continue
        try:
            value: Any = json.loads(written)
        except ValueError:
            value = written
        yield from _of_value(where, name, value)


def _of_value(where: str, name: str, value: Any) -> Iterator[Mark]:
    """Marks in a value of JSON; ``name`` is the key that it stands under, dotted."""
    if isinstance(value, dict):
        for inner, item in value.items():
            yield from _of_value(where, f"{name}.{inner}", item)
        return
    if isinstance(value, list):
        for item in value:
            yield from _of_value(where, name, item)
        return
    if isinstance(value, bool) or value in (None, "", 0):
        return
    key = re.sub(r"[\W_]", "", name.rpartition(".")[2]).lower()
    if _NAMING.fullmatch(key):
        yield Mark(where, f"{name} tells who a patient is", certain=True)
    elif _FINDING.fullmatch(key):
        yield Mark(where, f"{name} may lead to who a patient is", certain=False)
    elif _DATING.fullmatch(key):
        yield Mark(where, f"{name} tells when a patient was seen", certain=False)
    elif isinstance(value, str) and not any(_PUBLISHED.fullmatch(part.lower()) for part in name.split(".")):
        if _CARET_NAME.search(value):
            yield Mark(where, f"{name} holds a name as DICOM writes it", certain=True)
        if found := date_in(value):
            yield Mark(where, f"{name} holds {found}", certain=False)
        if _UID.search(value):
            yield Mark(where, f"{name} holds a DICOM UID, by which the scan can be found", certain=False)


def date_in(words: str) -> str:
    """What in a text looks like a date, in words and without the day; empty where nothing does."""
    found = _DATE.search(words)
    year = found and re.search(_YEAR, found.group())
    return f"what looks like a date in {year.group()}" if year else ""
