"""A trained model as a folder that can be passed on, and loaded again without the run that it came from.

``bundle.json`` says what rebuilds the model (claim, plugin, data facts) and vouches by hash for the files beside it;
the weights are safetensors. Loading runs no code but that of an installed plugin, which the claim names: nothing in
the folder is imported, unpickled or evaluated, and no path is taken from it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from benchmark import atomic
from benchmark.contracts.presets import Recipe
from benchmark.data.format.facts import DataFacts
from benchmark.errors import BenchmarkError, UsageError, explain
from benchmark.inference.network import TranslationNetwork, generators
from benchmark.inference.sampling import told, with_sampling
from benchmark.inference.trained_cell import TrainedCell
from benchmark.json_fields import Fields, RecordError
from benchmark.plan.claim import CellSpec
from benchmark.printable import printable
from benchmark.registry.plugins import registry, source_sha256
from benchmark.store.record import KINDS, Kind, Record
from benchmark.store.seal import read_sealed

if TYPE_CHECKING:
    import torch

SCHEMA = 1
NAME = "bundle.json"
WEIGHTS = "models/model.safetensors"
STATE_DICT = "models/model.pt"
ONNX = "models/model.onnx"
FILES = (WEIGHTS, STATE_DICT, ONNX)
"""What ``bundle.json`` vouches for, where it is there; :data:`WEIGHTS` always is."""
LARGEST_SIDE = 1 << 14

Form = Literal["networks", "state"]
"""Weights of the networks that translate, or the whole state of a model that is more than networks."""
FORMS: tuple[Form, ...] = ("networks", "state")


@dataclass(frozen=True)
class Manifest:
    """What ``bundle.json`` says that loading needs; the rest of it is for people."""

    spec: CellSpec
    kind: Kind
    baseline: bool
    data: DataFacts
    requires: str
    form: Form
    plain: Any
    """The state's structure with its plain values; tensors are named."""
    files: Mapping[str, str]
    about: Mapping[str, Any]
    """All of it."""

    @classmethod
    def from_json(cls, about: Any) -> Manifest:
        """From what ``bundle.json`` holds.

        Raises:
            RecordError: something is missing, of the wrong kind, or contradicts the claim.
        """
        fields = Fields(about, "bundle")
        if fields.count("schema") != SCHEMA:
            raise RecordError(f"it has schema {about['schema']}, this harness reads {SCHEMA}")
        spec = CellSpec.from_json(fields.table("spec"), "bundle.spec")
        if fields.text("cell") != spec.id:
            raise RecordError(f"cell is {about['cell']!r:.40}, and its claim says {spec.id}")
        files = fields.words("files")
        if WEIGHTS not in files or not set(files) <= set(FILES):
            raise RecordError(f"bundle.files names other files than {', '.join(FILES)}")
        try:
            data = DataFacts.from_json(fields.table("dataset"))
        except (KeyError, IndexError, TypeError, ValueError) as error:
            raise RecordError(f"bundle.dataset makes no sense: {type(error).__name__} {error}") from None
        if not all(0 < side <= LARGEST_SIDE for side in data.image_size):
            raise RecordError(f"bundle.dataset.image_size {data.image_size} is no size of an image")
        return cls(
            spec=spec,
            kind=fields.one_of("kind", KINDS),
            baseline=fields.flag("baseline"),
            data=data,
            requires=fields.text("requires"),
            form=fields.one_of("form", FORMS),
            plain=about.get("state"),
            files=files,
            about=fields.all(),
        )

    @property
    def context(self) -> int:
        """Neighbouring slices on either side that the model is shown beside each."""
        return Recipe(**self.spec.recipe).context

    def record(self) -> Record:
        """A record that names the model; its scores stay in the bundle."""
        return Record(spec=self.spec, kind=self.kind, baseline=self.baseline, state="done", dataset=self.data)


def is_bundle(path: Path) -> bool:
    """Whether a folder is one."""
    return (path / NAME).is_file()


def read_manifest(folder: Path) -> Manifest:
    """What a bundle says, after every file that it vouches for was compared with its hash.

    Raises:
        UsageError: that is no bundle.
        BenchmarkError: a file is missing or altered, or ``bundle.json`` makes no sense.
    """
    if not is_bundle(folder):
        raise UsageError(f"{folder}: no bundle there (it would have a {NAME}); 'benchmark bundle RUN/CELL' makes one")
    try:
        manifest = Manifest.from_json(read_sealed(folder / NAME))
    except (OSError, ValueError, RecursionError) as error:
        reason = printable(" ".join(str(error).split())[:200]) or type(error).__name__
        raise BenchmarkError(f"{folder / NAME} is damaged ({reason}); get the bundle again") from None
    for name, digest in manifest.files.items():
        file = folder / name
        if not file.is_file():
            raise BenchmarkError(f"{file} is missing; get the bundle again")
        if atomic.sha256_file(file) != digest:
            raise BenchmarkError(f"{file} was altered: its SHA-256 is not the one in {NAME}; get the bundle again")
    return manifest


def load_bundle(folder: str | Path, device: str = "auto", sampling: Mapping[str, Any] | None = None) -> TrainedCell:
    """The model of a bundle, ready to translate (:mod:`benchmark.inference.translate`), as it was scored.

    ``sampling`` changes options that the model lets be changed after training (:mod:`benchmark.inference.sampling`).

    Raises:
        UsageError: that is no bundle, or the model has no such option.
        BenchmarkError: a file is missing or altered, or does not fit the model.
        PluginError: the plugin that the model comes from is not installed.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    from benchmark.cell.device import choose_device

    path = Path(folder)
    manifest = read_manifest(path)
    chosen = choose_device(device)
    used = manifest.spec.options
    if sampling:
        used = with_sampling(registry().model(manifest.spec.model).spec, used, sampling)
    model = build(replace(manifest, spec=replace(manifest.spec, options=used)), chosen)
    try:
        fill(model, manifest.form, manifest.plain, load_file(path / WEIGHTS), chosen)
    except (SafetensorError, OSError, RuntimeError, KeyError, ValueError, TypeError) as error:
        first = (str(error).splitlines() or [""])[0]
        raise BenchmarkError(
            f"{path / WEIGHTS} does not fit {manifest.spec.name} of {manifest.requires}: {printable(first[:200])}"
        ) from None
    offer = registry().model(manifest.spec.model)
    warnings = told(manifest.spec.options, used)
    if source_sha256(offer.plugin.module) != manifest.spec.sources.get("model"):
        here, then = offer.plugin.title, printable(manifest.requires)
        warnings += (
            f"the sources of {here} have changed since this model was trained"
            if here == then
            else f"this model was trained with {then}; {here} is here",
        )
    return TrainedCell(manifest.record(), model, manifest.data, chosen, warnings, manifest.context)


def build(manifest: Manifest, device: torch.device) -> Any:
    """The model that a bundle names, untrained, from the installed plugin.

    Raises:
        UsageError: no installed plugin has it, or it takes no such options.
    """
    from benchmark.cell.build import build_model, model_context

    try:
        offer = registry().model(manifest.spec.model)
    except UsageError as error:
        needs = printable(manifest.requires)
        raise UsageError(f"{error} The bundle needs {needs}: pip install {_install(needs)}") from None
    if offer.spec.output != "translation":
        raise UsageError(f"{offer.spec.name} draws images and translates none")
    try:
        context = model_context(manifest.data, manifest.spec, device, training=False)
        return build_model(offer.spec, manifest.spec, context)
    except Exception as error:  # options and recipe are a stranger's
        reason = printable(explain(error)[:200])
        raise UsageError(f"{offer.plugin.title} cannot build {manifest.spec.name} of this bundle: {reason}") from None


def network(claim: str) -> TranslationNetwork:
    """The untrained module that a bundle's ``models/model.pt`` fits, from the JSON of its ``bundle.json``.

    What ``configs/inference.json`` names for MONAI's loader, which puts the weights in.
    """
    import torch

    return TranslationNetwork(build(Manifest.from_json(json.loads(claim)), torch.device("cpu")))


def fill(model: Any, form: Form, plain: Any, tensors: Mapping[str, torch.Tensor], device: torch.device) -> None:
    """Put weights into a model that was built for them.

    Raises:
        RuntimeError, KeyError, ValueError, TypeError: they do not fit; as the model says it.
    """
    if form == "networks":
        for name, part in generators(model).items():
            start = f"{name}."
            part.load_state_dict({key.removeprefix(start): tensors[key] for key in tensors if key.startswith(start)})
    elif plain is not None:
        model.load_state_dict(_assembled(plain, tensors, device))


def taken_apart(state: Any, tensors: dict[str, torch.Tensor], where: str = "state") -> Any:
    """A nested state as plain JSON; its tensors are put into ``tensors`` under the names that stand in their place."""
    import torch

    if isinstance(state, torch.Tensor):
        tensors[where] = state.detach().cpu().contiguous().clone()
        return {"tensor": where}
    if isinstance(state, Mapping):
        items = [[key, taken_apart(value, tensors, f"{where}.{key}")] for key, value in state.items()]
        return {"items": items}
    if isinstance(state, list | tuple):
        return {"list": [taken_apart(value, tensors, f"{where}.{place}") for place, value in enumerate(state)]}
    return {"value": state}


def _assembled(plain: Any, tensors: Mapping[str, torch.Tensor], device: torch.device) -> Any:
    """The nested state that :func:`taken_apart` took apart."""
    fields = Fields(plain, "bundle.state")
    if "tensor" in fields:
        return tensors[fields.text("tensor")].to(device)
    if "items" in fields:
        return {key: _assembled(value, tensors, device) for key, value in fields.listing("items")}
    if "list" in fields:
        return [_assembled(value, tensors, device) for value in fields.listing("list")]
    return fields.all()["value"]


def _install(requires: str) -> str:
    """Distribution and version as pip wants them, where they look like such."""
    match = re.fullmatch(r"([A-Za-z0-9._-]+) (\d[A-Za-z0-9.+!-]*)", requires)
    return f"{match[1]}=={match[2]}" if match else "that plugin"
