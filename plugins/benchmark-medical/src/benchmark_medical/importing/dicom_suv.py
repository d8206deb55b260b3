"""What turns a PET series into SUV by body weight, refused where its header cannot be true.

Bq/ml, weight and the dose decayed to the scan, as the QIBA FDG-PET profile's vendor-neutral calculation has it; that
asks for images corrected for attenuation and decay. Half-lives: Nuclear Data Sheets, as tabulated by the National
Nuclear Data Center.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from benchmark.data.volumes.geometry import CaseFault
from benchmark_medical.importing import dicom_tags as tags

if TYPE_CHECKING:
    from pydicom import Dataset

HALF_LIVES = {
    "Rb-82": 76.4, "O-15": 122.2, "Cu-62": 580.0, "N-13": 597.9, "C-11": 1221.8, "Tc-94m": 3120.0, "Ga-68": 4062.6,
    "F-18": 6586.2, "Sc-44": 14_292.0, "Cu-61": 12_020.0, "Ti-45": 11_090.0, "Cu-64": 45_721.0, "Br-76": 58_320.0,
    "Co-55": 63_108.0, "Y-86": 53_064.0, "Y-90": 230_500.0, "Zr-89": 282_280.0, "I-124": 360_800.0,
}  # fmt: skip
"""Seconds, of the nuclides that people are scanned with."""
SAME = 0.05
"""Part by which a stated half-life may differ from the table's."""
DOSES = (1e6, 1e11)
"""Bq that people are given."""
WEIGHTS = (0.3, 600.0)
"""Kilograms that people weigh."""
MOST_HALF_LIVES = 6.0
"""After so many, 1.6 % of the dose is left and nobody is scanned."""
LONGEST_WAIT = 12 * 3600.0
"""Seconds from an injection without a date to a scan on the next day."""
A_DAY = 86_400.0
NO_SUV = ", so no SUV"


def suv_factor(header: Dataset) -> float:
    """SUV by body weight (g/ml) of a stored value of 1.

    Raises:
        CaseFault: a tag that is needed is missing or empty, a correction was not made, several tracers were given, or
            weight, dose, half-life or times are none that a person can have.
    """
    units = tags.text(header, "Units").upper()
    if units == "GML" and tags.text(header, "SUVType").upper() in ("", "BW"):
        if "CorrectedImage" in header:
            _require_correction(header, "ATTN")
        return 1.0
    if units != "BQML":
        kind = f"{units} {tags.text(header, 'SUVType')}".strip()
        raise CaseFault(f"PET in {kind or 'an unknown unit'}; Bq/ml, or g/ml by body weight, is needed for SUV")
    for correction in ("ATTN", "DECY"):
        _require_correction(header, correction)
    weight = tags.number(header, "PatientWeight", why=NO_SUV)
    if not WEIGHTS[0] <= weight <= WEIGHTS[1]:
        raise CaseFault(f"PatientWeight {weight:g} kg is not that of a person{NO_SUV}")
    tracers = list(header.get("RadiopharmaceuticalInformationSequence") or ())
    if len(tracers) > 1:
        raise CaseFault(
            f"{len(tracers)} tracers in RadiopharmaceuticalInformationSequence: whose dose is unknown{NO_SUV}"
        )
    if not tracers:
        raise CaseFault(f"no RadionuclideTotalDose (RadiopharmaceuticalInformationSequence is missing){NO_SUV}")
    tracer = tracers[0]
    dose = tags.number(tracer, "RadionuclideTotalDose", why=NO_SUV)
    if not DOSES[0] <= dose <= DOSES[1]:
        hint = " (in MBq? DICOM has Bq)" if DOSES[0] <= dose * 1e6 <= DOSES[1] else ""
        raise CaseFault(f"RadionuclideTotalDose {dose:g} Bq is not given to people{hint}{NO_SUV}")
    corrected = tags.text(header, "DecayCorrection").upper()
    if corrected == "ADMIN":
        return 1000.0 * weight / dose
    if corrected != "START":
        raise CaseFault(f"DecayCorrection {corrected or 'missing'}; START or ADMIN is needed for SUV")
    half_life = _half_life(tracer)
    return float(1000.0 * weight / (dose * 2.0 ** (-_elapsed(header, tracer, half_life) / half_life)))


def _require_correction(header: Dataset, correction: str) -> None:
    value = tags.required(header, "CorrectedImage", NO_SUV)
    made = {str(part).strip().upper() for part in ([value] if isinstance(value, str) else value)}  # type: ignore[attr-defined]
    if correction not in made:
        what = {"ATTN": "attenuation", "DECY": "decay"}[correction]
        raise CaseFault(
            f"CorrectedImage {'/'.join(sorted(made))} is without {correction}: not corrected for {what}{NO_SUV}"
        )


def _half_life(tracer: Dataset) -> float:
    """The stated half-life in s, which must be that of a nuclide that people are scanned with, and of the named one."""
    half_life = tags.number(tracer, "RadionuclideHalfLife", why=NO_SUV)
    nuclides = [name for name, length in HALF_LIVES.items() if abs(half_life / length - 1) <= SAME]
    if not nuclides:
        raise CaseFault(f"RadionuclideHalfLife {half_life:g} s is of no nuclide used in PET{NO_SUV}")
    named = _named_nuclide(tracer)
    if named and named not in nuclides:
        raise CaseFault(
            f"RadionuclideHalfLife {half_life:g} s is not that of {named} ({HALF_LIVES[named]:g} s){NO_SUV}"
        )
    return half_life


def _named_nuclide(tracer: Dataset) -> str:
    """The nuclide that the header names as ``^18^Fluorine``, ``18F`` or ``F-18``; empty where none is told."""
    codes = list(tracer.get("RadionuclideCodeSequence") or ())
    said = (
        tags.text(codes[0], "CodeMeaning").replace("^", "").replace(" ", "").replace("-", "").upper() if codes else ""
    )
    elements = {"FLUORINE": "F", "CARBON": "C", "GALLIUM": "GA", "OXYGEN": "O", "NITROGEN": "N", "RUBIDIUM": "RB",
                "COPPER": "CU", "ZIRCONIUM": "ZR", "IODINE": "I", "YTTRIUM": "Y"}  # fmt: skip
    for word, symbol in elements.items():
        said = said.replace(word, symbol)
    for name in HALF_LIVES:
        element, mass = name.upper().split("-")
        if said in (f"{element}{mass}", f"{mass}{element}"):
            return name
    return ""


def _elapsed(header: Dataset, tracer: Dataset, half_life: float) -> float:
    """Seconds from injection to the time that decay was corrected to: the series', if no slice was acquired before."""
    scan = _moment(tags.text(header, "SeriesDate"), tags.text(header, "SeriesTime"))
    day = tags.text(header, "AcquisitionDate") or tags.text(header, "SeriesDate")
    acquired = _moment(day, tags.text(header, "AcquisitionTime"))
    if scan is None or (acquired is not None and scan > acquired):
        # a series time after an acquisition is that of a reconstruction
        raise CaseFault(f"no SeriesTime that decay could have been corrected to{NO_SUV}")
    whole = tags.text(tracer, "RadiopharmaceuticalStartDateTime")
    injected = _moment(whole[:8], whole[8:]) if whole else None
    dated = injected is not None
    if injected is None:
        if half_life > A_DAY:
            raise CaseFault(f"no RadiopharmaceuticalStartDateTime, and such a tracer is given days before{NO_SUV}")
        injected = _moment(tags.text(header, "SeriesDate"), tags.text(tracer, "RadiopharmaceuticalStartTime"))
        if injected is not None and injected > scan:
            injected -= timedelta(days=1)
    if injected is None:
        raise CaseFault(f"no injection time (RadiopharmaceuticalStartTime or StartDateTime){NO_SUV}")
    elapsed = (scan - injected).total_seconds()
    next_day = not dated and injected.date() != scan.date()
    if not 0 <= elapsed <= MOST_HALF_LIVES * half_life or (next_day and elapsed > LONGEST_WAIT):
        raise CaseFault(
            f"injected at {injected:%H:%M}, scanned at {scan:%H:%M}: {_span(elapsed)} apart, "
            f"{elapsed / half_life:.3g} half-lives (two clocks, or a time typed wrong?){NO_SUV}"
        )
    return elapsed


def _span(seconds: float) -> str:
    return f"{seconds / 3600:.1f} h" if abs(seconds) < A_DAY else f"{seconds / A_DAY:.1f} days"


def _moment(date: str, time: str) -> datetime | None:
    digits = "".join(char for char in time.split("+")[0].split(".")[0] if char.isdigit())
    try:
        return datetime.strptime(f"{date}{digits:0<6}"[:14], "%Y%m%d%H%M%S") if date and digits else None
    except ValueError:
        return None
