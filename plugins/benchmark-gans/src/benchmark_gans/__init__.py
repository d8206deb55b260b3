"""MedGAN and the models of its comparison, CycleGAN, a two-stage model, and baselines."""

from __future__ import annotations

from collections.abc import Iterable

from benchmark import CheckSpec, GridSpec, ModelSpec, WeightsSpec, hookimpl
from benchmark.pretrained import imagenet
from benchmark_gans import baseline_options, mr_ct_options, options

benchmark_api = 1

EMBEDDED = {name: {"features": "embedded"} for name in ("smoke", "small", "medium")}
"""The papers' VGG where the preset is the papers'; below, the features that need no download."""
MEDGAN = (
    "Armanious et al., MedGAN: Medical image translation using GANs, Comput. Med. Imaging Graph. 79 (2020), "
    "arXiv 1806.06397"
)

GUIBAS = "Guibas, Virdi, Li, Synthetic medical images from dual generative adversarial networks, 2017"


@hookimpl
def benchmark_models() -> Iterable[ModelSpec]:
    """The models, networks imported only when one is built."""
    yield ModelSpec(
        "medgan",
        "benchmark_gans.medgan:Medgan",
        summary="Six chained U-blocks; adversarial, perceptual, style and content losses.",
        channels="several",
        options=options.MedganOptions,
        presets=EMBEDDED,
        # the deep chain wants less: on pet-ct 1e-3 and 2e-3 give 1 dB more than the preset's 3e-3
        recipes={"small": {"learning_rate": 1e-3}},
        updates=3,
        cost=11.5,
        source=MEDGAN,
    )
    yield ModelSpec(
        "pix2pix",
        "benchmark_gans.pix2pix:Pix2pix",
        summary="Conditional GAN + L1.",
        channels="several",
        options=options.Pix2pixOptions,
        source="Isola et al., Image-to-image translation with conditional adversarial networks, CVPR 2017",
    )
    yield ModelSpec(
        "pan",
        "benchmark_gans.pan:Pan",
        summary="Adversarial + discriminator-feature loss with a margin.",
        channels="several",
        options=options.PanOptions,
        # no pixel term holds the generator: at the preset's 3e-3 a cell of its feature maps takes over an instance norm
        # in three seeds of four, and a block stands in every image (docs/models/pan.md); at 1e-3 in none of four
        recipes={"small": {"learning_rate": 1e-3}},
        cost=1.05,
        source="Wang et al., Perceptual adversarial networks for image-to-image transformation, IEEE TIP 27 (2018)",
    )
    yield ModelSpec(
        "id-cgan",
        "benchmark_gans.id_cgan:IdCgan",
        summary="Conditional GAN + L2 + content loss.",
        channels="several",
        options=options.IdCganOptions,
        # the embedded network has one convolution in block 2, whatever the architecture asks for
        presets={name: {**values, "content_layers": ("conv2_1",)} for name, values in EMBEDDED.items()},
        cost=1.15,
        source="Zhang, Sindagi, Patel, Image de-raining using a conditional GAN, IEEE TCSVT 30 (2020)",
    )
    yield ModelSpec(
        "fila-sgan",
        "benchmark_gans.fila_sgan:FilaSgan",
        summary="Conditional GAN + style + content + total variation + L1.",
        channels="several",
        options=options.FilaSganOptions,
        presets={
            "smoke": {"variation_weight": 12.5, **EMBEDDED["smoke"]},
            "small": {"variation_weight": 12.5, **EMBEDDED["small"]},
            "medium": {"variation_weight": 25.0, **EMBEDDED["medium"]},
            "paper": {"variation_weight": 50.0},
        },
        cost=1.5,
        source="Zhao et al., Synthesizing retinal and neuronal images with GANs, Med. Image Anal. 49 (2018)",
    )
    yield ModelSpec(
        "cyclegan",
        "benchmark_gans.cyclegan:CycleGan",
        summary="Residual generators with cycle consistency, trained unpaired.",
        channels="several",
        options=options.CycleganOptions,
        pairing="unpaired",
        # 64x64 as 128x128 has fewer blocks than 256x256; the identity loss, in the paper for paintings only,
        # costs a third of a step and holds intensities where another modality has others
        presets={name: {"residual_blocks": 4, "identity": 0.0} for name in ("smoke", "small")},
        # unpaired training wants a third of the others' rate: 1 dB more on pet-ct than with 2e-3
        recipes={"small": {"learning_rate": 1e-3, "decay_from": 0.5}, "paper": {"decay_from": 0.5}},
        cost=6.5,
        source="Zhu et al., Unpaired image-to-image translation using cycle-consistent adversarial networks, ICCV 2017",
    )
    yield from mr_ct_models()
    yield from baseline_models()


def mr_ct_models() -> Iterable[ModelSpec]:
    """Models that think of a CT as tissue classes or edges."""
    yield ModelSpec(
        "two-stage",
        "benchmark_gans.two_stage:TwoStage",
        summary="Source to tissue mask, then pix2pix from mask to CT.",
        channels="several",
        options=mr_ct_options.TwoStageOptions,
        target_units=("HU",),
        cost=2.0,
        source=f"after {GUIBAS}",
    )
    yield ModelSpec(
        "dual-gan",
        "benchmark_gans.dual_gan:DualGan",
        summary="Noise to tissue mask to CT: draws images, translates none.",
        channels="several",
        options=mr_ct_options.DualGanOptions,
        output="samples",
        profile="generative",
        target_units=("HU",),
        # its batch norm cannot do with the preset's one; 7 is the author code's
        recipes={"paper": {"batch_size": 7}},
        updates=2,
        cost=2.5,
        source=GUIBAS,
    )
    yield ModelSpec(
        "pix2pix-gdl",
        "benchmark_gans.pix2pix_gdl:Pix2pixGdl",
        summary="pix2pix with the gradient difference loss, and auto-context.",
        channels="several",
        options=mr_ct_options.Pix2pixGdlOptions,
        cost=1.1,
        source="Nie et al., Medical image synthesis with context-aware generative adversarial networks, MICCAI 2017",
    )


def baseline_models() -> Iterable[ModelSpec]:
    """What a method must at least beat."""
    yield ModelSpec(
        "unet-l1",
        "benchmark_gans.unet:UnetL1",
        summary="The shared U-block trained with L1 alone.",
        channels="several",
        options=options.UnetOptions,
        baseline=True,
        cost=0.6,
        source="the generator of " + MEDGAN,
    )
    yield ModelSpec(
        "unet-l2",
        "benchmark_gans.unet:UnetL2",
        summary="The shared U-block trained with L2 alone.",
        channels="several",
        options=options.UnetOptions,
        baseline=True,
        cost=0.6,
        source="the generator of " + MEDGAN,
    )
    yield ModelSpec(
        "copy-input",
        "benchmark_gans.baselines:CopyInput",
        summary="The source, untouched.",
        channels="several",
        options=baseline_options.CopyOptions,
        kind="fixed",
        baseline=True,
        cost=0.0,
    )
    yield ModelSpec(
        "mean-image",
        "benchmark_gans.baselines:MeanImage",
        summary="The mean training target, whatever the source.",
        channels="several",
        kind="fitted",
        baseline=True,
        cost=0.0,
    )
    yield ModelSpec(
        "histogram",
        "benchmark_gans.baselines:Histogram",
        summary="The best map from source to target intensity, pixel by pixel.",
        channels="several",
        options=baseline_options.HistogramOptions,
        kind="fitted",
        baseline=True,
        cost=0.0,
    )
    yield from denoiser_models()


def denoiser_models() -> Iterable[ModelSpec]:
    """What needs no network where source and target are in one unit."""
    yield ModelSpec(
        "gaussian",
        "benchmark_gans.denoisers:Gaussian",
        summary="Gaussian filter, as wide as suits the training slices.",
        channels="several",
        options=baseline_options.GaussianOptions,
        kind="fitted",
        same_unit=True,
        baseline=True,
        cost=0.1,
    )
    yield ModelSpec(
        "nl-means",
        "benchmark_gans.denoisers:NlMeans",
        summary="Non-local means, as strong as suits the training slices.",
        channels="several",
        options=baseline_options.NlMeansOptions,
        kind="fitted",
        same_unit=True,
        baseline=True,
        cost=0.1,
        source="Buades, Coll, Morel, A non-local algorithm for image denoising, CVPR 2005; scikit-image",
    )
    yield ModelSpec(
        "wavelet",
        "benchmark_gans.denoisers:Wavelet",
        summary="Wavelet shrinkage with cycle spinning, as strong as suits the training slices.",
        channels="several",
        options=baseline_options.WaveletOptions,
        kind="fitted",
        same_unit=True,
        baseline=True,
        cost=0.1,
        source="Chang, Yu, Vetterli, Adaptive wavelet thresholding, IEEE TIP 9 (2000); scikit-image",
    )
    yield ModelSpec(
        "tv",
        "benchmark_gans.denoisers:TotalVariation",
        summary="Least total variation, as strong as suits the training slices.",
        channels="several",
        options=baseline_options.DenoiserOptions,
        kind="fitted",
        same_unit=True,
        baseline=True,
        cost=0.1,
        source="Rudin, Osher, Fatemi, Physica D 60 (1992); Chambolle, J. Math. Imaging Vis. 20 (2004); scikit-image",
    )


@hookimpl
def benchmark_grids() -> Iterable[GridSpec]:
    """The comparisons of MedGAN's paper, and those that it did not make."""
    for name, summary in (
        ("full", "MedGAN's comparison on the four tasks it is about, and two-stage on MR to CT."),
        ("tasks-all", "The same on all six tasks: low-dose CT and filaments too."),
        ("matched", "The same with every generator a chain of six U-blocks, as MedGAN's own."),
        ("authors", "Each model with its own authors' networks, losses and recipe."),
        ("medgan-table1", "MedGAN's Table I: which of its losses gain what, PET to CT."),
        ("medgan-table2", "MedGAN's Table II: its comparison on three tasks, scored as it was."),
        ("medgan-fig6", "MedGAN's Fig. 6: 1 to 7 U-blocks under pix2pix's loss, PET to CT."),
        ("mr-ct", "MR to CT: two-stage, gradient difference loss, CycleGAN, and dual-gan in a table of its own."),
    ):
        yield GridSpec(name, "benchmark_gans", f"grids/{name}.toml", summary=summary)


@hookimpl
def benchmark_weights() -> Iterable[WeightsSpec]:
    """Networks of the style and content losses."""
    return (imagenet.VGG19, imagenet.VGG16)


@hookimpl
def benchmark_checks() -> Iterable[CheckSpec]:
    """Are the pretrained features there?"""
    yield CheckSpec(
        "vgg19-weights", "benchmark_gans.checks:weights", summary="VGG-19 features for style and content losses."
    )
