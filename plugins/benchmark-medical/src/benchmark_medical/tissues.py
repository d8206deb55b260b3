"""Tissues and what CT, PET and MR see of them.

Every row names where its figures stand, by the letters below; they are typical adult values, rounded. Where a row says
*chosen*, no source gives the number and it was set between its neighbours.

* ``hu`` at about 120 kVp. **P**: the ranges of Buzug 2008, *Computed Tomography*, p. 475, and Prokop 2003, *Spiral and
  Multislice CT of the Body* (fat -50..-100, white matter 20..30, grey matter 37..45, kidney 20..40, spleen 35..55,
  blood and liver 45..65, lung in full inspiration -850..-910, bone 700..3000). Spongy bone and quiet breathing: chosen.
* ``mu`` at 511 keV in 1/cm. **N**: density of ICRU Report 44 times the mass attenuation of NIST XCOM at 511 keV (water
  0.0960, muscle 1.05 x 0.0951, adipose 0.95 x 0.0961, brain 1.04 x 0.0955, blood 1.06 x 0.0952 cm2/g). **D**: the same
  with the density that fits the row's HU (Schneider et al. 2000, PMB 45:459: 1.017 + 0.000592 HU g/cm3 above 100 HU).
* ``suv``: FDG uptake by body weight an hour after injection. **W**: Wang et al. 2007, Mol Imaging Biol 9:83 (98
  patients; cerebellum 8.0 +- 2.2, the largest normal uptake). **L**: Liu et al. 2019, Iran J Radiol 16:e84881 (343
  patients; liver 1.87 +- 0.41). **Z**: Zincirkeser et al. 2007, J Int Med Res 35:529 (organs of the trunk). Grey to
  white matter is 4:1 in BrainWeb-based simulations, here 3.4:1.
* ``t1`` and ``t2`` in ms at 1.5 T, ``pd`` relative to water. **B**: BrainWeb's ``tissue_mr_parameters`` (Collins et al.
  1998, IEEE TMI 17:463). **S**: Stanisz et al. 2005, MRM 54:507. **A**: de Bazelaire et al. 2004, Radiology 230:652.
  **R**: Rakow-Penner et al. 2006, JMRI 23:87. Their ``pd`` is chosen: 0.8 for organs, as visible at the echo time of a
  clinical sequence; cortical bone gives almost none.
* P, W, L, B and the attenuation of water were read again for this table; the other sources are quoted as they usually
  are.
* textures: relative variation inside the tissue (for HU: of the density, HU + 1000); chosen.
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
    #       name               HU     mu      SUV   T1      T2      PD    texture
    Tissue("air", -1000.0, 0.0001, 0.02, 1000.0, 1.0, 0.0, 0.0, 0.0),  # N; stray SUV, T1 and T2 chosen
    Tissue("skin", 30.0, 0.100, 0.8, 900.0, 47.0, 0.7, 0.02, 0.15),  # mu D; T1 T2 as muscle B; rest chosen
    Tissue("fat", -100.0, 0.0913, 0.3, 350.0, 70.0, 1.0, 0.012, 0.2, 1.0),  # P N Z B
    Tissue("muscle", 52.0, 0.0999, 0.7, 900.0, 47.0, 0.9, 0.012, 0.2),  # P N Z B, PD chosen for its short T2
    Tissue("cortical bone", 1100.0, 0.154, 0.35, 600.0, 2.0, 0.08, 0.08, 0.15),  # P D; SUV, T1, T2 chosen
    Tissue("spongy bone", 550.0, 0.128, 0.9, 549.0, 49.0, 0.45, 0.07, 0.2, 0.7),  # of the skull; HU chosen, D Z A
    Tissue("grey matter", 39.0, 0.0993, 6.5, 833.0, 83.0, 0.86, 0.0035, 0.12),  # P N W B
    Tissue("white matter", 28.0, 0.0993, 1.9, 500.0, 70.0, 0.77, 0.003, 0.1),  # P N; SUV by the ratio; B
    Tissue("csf", 8.0, 0.0967, 0.35, 2569.0, 329.0, 1.0, 0.002, 0.1),  # P N; SUV chosen; B
    Tissue("deep grey matter", 38.0, 0.0993, 7.0, 780.0, 80.0, 0.84, 0.0035, 0.1),  # P N W; between B's grey and white
    Tissue("cerebellar cortex", 39.0, 0.0993, 6.0, 833.0, 83.0, 0.86, 0.0035, 0.12),  # P N W B
    Tissue("eye", 10.0, 0.0968, 0.5, 2569.0, 329.0, 0.98, 0.002, 0.1),  # as CSF
    Tissue("lens", 75.0, 0.1011, 0.5, 900.0, 47.0, 0.65, 0.004, 0.1),  # N; rest chosen
    Tissue("mucosa", 40.0, 0.100, 2.2, 900.0, 70.0, 0.85, 0.015, 0.25),  # W (soft palate 2.9); rest chosen
    Tissue("lung", -770.0, 0.0222, 0.45, 1200.0, 40.0, 0.15, 0.15, 0.25),  # HU chosen, D Z; MR chosen
    Tissue("blood", 45.0, 0.1009, 1.5, 1441.0, 290.0, 0.85, 0.004, 0.08),  # P N Z S
    Tissue("myocardium", 46.0, 0.0999, 3.5, 1030.0, 40.0, 0.8, 0.006, 0.15),  # P N Z S
    Tissue("liver", 58.0, 0.1008, 1.9, 576.0, 46.0, 0.8, 0.006, 0.1),  # P N L S
    Tissue("spleen", 48.0, 0.1008, 1.6, 1057.0, 79.0, 0.8, 0.006, 0.1),  # P N Z A
    Tissue("kidney", 33.0, 0.0999, 2.6, 690.0, 55.0, 0.8, 0.006, 0.2),  # P N Z S
    Tissue("bowel", 30.0, 0.0985, 1.3, 900.0, 70.0, 0.8, 0.025, 0.5),  # Z; rest chosen
    Tissue("lesion", 40.0, 0.100, 8.0, 1250.0, 110.0, 0.86, 0.008, 0.2),  # chosen: a metastasis, not enhanced
    Tissue("oedema", 20.0, 0.0985, 1.3, 1100.0, 130.0, 0.85, 0.006, 0.15),  # chosen
    Tissue("trabecular bone", 200.0, 0.109, 1.1, 549.0, 49.0, 0.6, 0.05, 0.15, 0.5),  # of vertebrae; HU chosen, D Z A
    Tissue("cartilage", 90.0, 0.103, 0.6, 1024.0, 30.0, 0.7, 0.01, 0.15),  # T1 T2 S; rest chosen
    Tissue("pancreas", 40.0, 0.0995, 1.4, 584.0, 46.0, 0.8, 0.015, 0.15),  # P N Z A
    Tissue("breast gland", 30.0, 0.0985, 0.9, 1266.0, 58.0, 0.8, 0.015, 0.2),  # T1 T2 R; rest chosen
)
"""All tissues; a label is an index into this tuple."""

LABELS: dict[str, int] = {tissue.name: label for label, tissue in enumerate(TISSUES)}
"""Label of each tissue by name."""
