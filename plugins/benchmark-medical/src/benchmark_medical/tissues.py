"""Tissues and what CT, PET and MR see of them.

Values are rounded, typical adult figures; the sources say where such figures stand, they were not read off line by line
(scalp uptake, bone density and skin relaxation were also adjusted so that the tasks need context):

* ``hu`` at about 120 kVp and ``mu`` at 511 keV (1/cm): density times NIST XCOM mass attenuation of the ICRU
  Report 44 compositions (water 0.096, adipose 0.090, muscle 0.101, cortical bone 0.17 /cm).
* ``suv``: FDG uptake normalised by body weight, one hour after injection: Zincirkeser et al. 2007, J Int Med
  Res 35:529 (normal organs); grey to white matter about 4:1 (BrainWeb-based simulations), here 3.5:1.
* ``t1``, ``t2`` (ms) at 1.5 T: Stanisz et al. 2005, MRM 54:507; de Bazelaire et al. 2004, Radiology 230:652;
  brain closer to the BrainWeb parameters (Collins et al. 1998, IEEE TMI 17:463). ``pd`` is proton density
  relative to water, as visible at the echo time of a clinical sequence; cortical bone gives almost none.
* ``texture``: relative variation inside the tissue (for HU: of the density, HU + 1000).
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Tissue:
    """One tissue; its position in :data:`TISSUES` is its label."""

    name: str
    hu: float
    mu: float
    suv: float
    t1: float
    t2: float
    pd: float
    density_texture: float
    uptake_texture: float
    fat: float = 0.0
    """Share of the MR signal that comes from fat."""


TISSUES: tuple[Tissue, ...] = (
    #       name              HU     mu     SUV    T1     T2    PD   texture
    Tissue("air", -1000.0, 0.0001, 0.02, 1000.0, 1.0, 0.0, 0.0, 0.0),
    Tissue("skin", 30.0, 0.099, 1.2, 900.0, 25.0, 0.60, 0.02, 0.15),
    Tissue("fat", -100.0, 0.090, 0.35, 260.0, 80.0, 0.90, 0.02, 0.2, 1.0),
    Tissue("muscle", 52.0, 0.101, 0.9, 1000.0, 45.0, 0.78, 0.015, 0.2),
    Tissue("cortical bone", 1100.0, 0.165, 0.35, 600.0, 2.0, 0.08, 0.08, 0.15),
    Tissue("spongy bone", 600.0, 0.130, 0.9, 450.0, 50.0, 0.45, 0.07, 0.2, 0.7),
    Tissue("grey matter", 38.0, 0.100, 5.2, 950.0, 95.0, 0.83, 0.006, 0.12),
    Tissue("white matter", 28.0, 0.0995, 1.6, 620.0, 75.0, 0.72, 0.005, 0.1),
    Tissue("csf", 8.0, 0.0968, 0.35, 3500.0, 1500.0, 1.0, 0.003, 0.1),
    Tissue("deep grey matter", 36.0, 0.100, 5.8, 850.0, 85.0, 0.80, 0.005, 0.1),
    Tissue("cerebellar cortex", 38.0, 0.100, 4.5, 950.0, 95.0, 0.83, 0.006, 0.12),
    Tissue("eye", 12.0, 0.097, 0.5, 3000.0, 900.0, 0.97, 0.003, 0.1),
    Tissue("lens", 75.0, 0.103, 0.5, 900.0, 40.0, 0.65, 0.005, 0.1),
    Tissue("mucosa", 40.0, 0.100, 2.2, 900.0, 70.0, 0.85, 0.02, 0.25),
    Tissue("lung", -790.0, 0.027, 0.45, 1200.0, 40.0, 0.15, 0.2, 0.25),
    Tissue("blood", 45.0, 0.101, 1.6, 1440.0, 250.0, 0.85, 0.005, 0.08),
    Tissue("myocardium", 48.0, 0.101, 4.0, 1030.0, 40.0, 0.80, 0.01, 0.15),
    Tissue("liver", 60.0, 0.102, 2.3, 580.0, 46.0, 0.75, 0.01, 0.1),
    Tissue("spleen", 50.0, 0.102, 1.8, 1050.0, 80.0, 0.80, 0.01, 0.1),
    Tissue("kidney", 35.0, 0.100, 2.8, 690.0, 55.0, 0.80, 0.01, 0.2),
    Tissue("bowel", 30.0, 0.099, 1.4, 900.0, 70.0, 0.80, 0.03, 0.5),
    Tissue("lesion", 40.0, 0.100, 8.0, 1250.0, 110.0, 0.86, 0.01, 0.2),
    Tissue("oedema", 20.0, 0.099, 1.3, 1100.0, 130.0, 0.85, 0.008, 0.15),
)
"""All tissues; a label is an index into this tuple."""

LABELS: dict[str, int] = {tissue.name: label for label, tissue in enumerate(TISSUES)}
"""Label of each tissue by name."""
