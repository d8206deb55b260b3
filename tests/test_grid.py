"""Grids become cells whose id is a hash of everything that can change their numbers."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmark import DatasetError, MetricSpec, ModelSpec, ProfileSpec, TaskSpec, UsageError
from benchmark.contracts import options
from benchmark.contracts.intensity import Window
from benchmark.contracts.presets import Recipe
from benchmark.contracts.specs import MetricUse
from benchmark.data.format.schema import Side
from benchmark.data.format.writer import DatasetWriter
from benchmark.plan import grid
from benchmark.plan.claim import CellSpec
from benchmark.plan.expand import Plan, make_plan
from benchmark.registry.plugins import Offer, Plugin, Registry
from benchmark.settings.statement import PlanChoices


@dataclass(frozen=True)
class Options:
    """Options of the model in these tests."""

    blocks: int = field(default=6, metadata={"help": "U-blocks"})
    weight: float = 1.0
    mode: str = "a"
    deep: bool = False
    layers: tuple[int, ...] = (1, 2)
    margin: float | None = None


def task(name: str, unit: str) -> TaskSpec:
    return TaskSpec(
        name, "m:t", source_modality="A", target_modality="B", source_unit="a.u.", target_unit=unit, profile="p"
    )


@pytest.fixture
def registry() -> Registry:
    plugin = Plugin("p", "benchmark-p", "1.0", "json", "loaded")
    offers: dict[str, list[Offer[Any]]] = {
        "model": [
            Offer(ModelSpec("net", "m:f", options=Options, presets={"smoke": {"blocks": 1}}), plugin),
            Offer(ModelSpec("hu-only", "m:g", target_units=("HU",)), plugin),
        ],
        "task": [Offer(task("ct", "HU"), plugin), Offer(task("mr", "a.u."), plugin)],
        "metric": [Offer(MetricSpec("mae", "m:m", label="MAE", higher_is_better=False), plugin)],
        "profile": [Offer(ProfileSpec("p", 1, (MetricUse("mae"),), primary="mae"), plugin)],
    }
    return Registry((plugin,), offers)


def full() -> grid.Grid:
    return grid.parse_grid('name = "g"\n[[entries]]\ntasks = ["ct", "mr"]\nmodels = ["net", "hu-only"]\n', "g.toml")


def plan(registry: Registry, **changes: Any) -> Plan:
    return make_plan(registry, full(), replace(PlanChoices(), **changes))


def test_a_grid_is_the_product_of_its_blocks(registry: Registry) -> None:
    cells = plan(registry, seeds=(0, 1)).cells
    assert len(cells) == 8
    assert len({cell.spec.id for cell in cells}) == 8


def test_a_model_that_cannot_do_a_unit_is_skipped_with_the_reason(registry: Registry) -> None:
    skips = {cell.spec.title: cell.skip for cell in plan(registry).cells}
    assert "HU" in skips["mr/hu-only/s0"]
    assert not skips["ct/hu-only/s0"]


def test_a_model_of_one_channel_is_skipped_where_it_would_be_shown_more(registry: Registry, tmp_path: Path) -> None:
    plugin = Plugin("q", "benchmark-q", "1.0", "json", "loaded")
    more = Offer(ModelSpec("wide", "m:w", channels="several"), plugin)
    kinds = ("model", "task", "metric", "profile")
    offers: dict[str, list[Offer[Any]]] = {kind: list(registry.all(kind).values()) for kind in kinds}
    wider = Registry(registry.plugins, {**offers, "model": [*offers["model"], more]})
    asked = {"tasks": ("ct",), "models": ("net", "wide")}
    assert not any(cell.skip for cell in plan(wider, **asked).cells)
    skips = {cell.spec.model: cell.skip for cell in plan(wider, context=2, **asked).cells}
    assert skips == {"net": "net takes one source channel, and there are 5 (context 2)", "wide": ""}
    path = tmp_path / "two.h5"
    sides = [Side(name, "a.u.", Window(0.0, 1.0), name) for name in ("T1", "T2")]
    with DatasetWriter(path, task="ct", name="d", source=sides, target=Side("CT", "HU", Window(-1024.0, 2000.0)),
                       simulated=True) as writer:  # fmt: skip
        for patient in "abcd":
            image = np.full((2, 8, 8), ord(patient))
            writer.add_case(patient, "s1", source={"T1": image, "T2": image}, target=image, spacing=(1.0, 1.0, 1.0))
        writer.set_splits({"train": ["a", "b"], "val": ["c"], "test": ["d"]})
    skips = {cell.spec.model: cell.skip for cell in plan(wider, data={"ct": path}, **asked).cells}
    assert skips == {"net": "net takes one source channel, and there are 2", "wide": ""}


def test_the_context_is_a_field_of_the_recipe(registry: Registry) -> None:
    one, other = plan(registry, context=1).cells[0].spec, plan(registry, recipe={"context": "1"}).cells[0].spec
    assert (one.recipe["context"], one.id) == (1, other.id)
    assert one.id != plan(registry).cells[0].spec.id
    assert PlanChoices(context=1).beside_the_grid() == PlanChoices(recipe={"context": 1}).beside_the_grid()
    with pytest.raises(UsageError, match="context was given before"):
        plan(registry, context=1, recipe={"context": 2})


def test_options_come_from_default_then_preset_then_grid_then_user(registry: Registry) -> None:
    assert plan(registry).cells[0].spec.options["blocks"] == 6
    assert plan(registry, preset="smoke").cells[0].spec.options["blocks"] == 1
    text = '[[entries]]\ntasks=["ct"]\nmodels=[{model="net", name="net-3", options={blocks=3}}]'
    three = grid.parse_grid(text, "g")
    assert make_plan(registry, three, PlanChoices(preset="smoke")).cells[0].spec.options["blocks"] == 3
    chosen = PlanChoices(parameters={"net": {"blocks": "4"}})
    assert make_plan(registry, three, chosen).cells[0].spec.options["blocks"] == 4


def test_a_grid_may_change_the_recipe_of_a_model_under_one_preset(registry: Registry) -> None:
    text = '[[entries]]\ntasks=["ct"]\nmodels=[{model="net", recipes={smoke={batch_size=1}}}]'
    own = grid.parse_grid(text, "g")
    assert make_plan(registry, own, PlanChoices(preset="smoke")).cells[0].spec.recipe["batch_size"] == 1
    assert make_plan(registry, own, PlanChoices(preset="small")).cells[0].spec.recipe["batch_size"] == 4
    chosen = PlanChoices(preset="smoke", recipe={"batch_size": 3})
    assert make_plan(registry, own, chosen).cells[0].spec.recipe["batch_size"] == 3


def test_the_id_changes_with_everything_in_the_claim_and_nothing_else(registry: Registry) -> None:
    spec = plan(registry).cells[0].spec
    for change in (
        {"seed": 1},
        {"precision": "bf16"},
        {"options": {**spec.options, "blocks": 5}},
        {"recipe": {**spec.recipe, "steps": 7}},
        {"dataset": replace(spec.dataset, key="other")},
        {"sources": {**spec.sources, "model": "edited"}},
        {"libraries": {**spec.libraries, "torch": "0.0"}},
    ):
        assert replace(spec, **change).id != spec.id, change
    assert replace(spec, dataset=replace(spec.dataset, path="elsewhere")).id == spec.id
    assert replace(spec, profile="other").id == spec.id
    assert CellSpec.from_json(spec.to_json()).id == spec.id


def test_a_subset_of_a_grid_has_the_same_ids(registry: Registry) -> None:
    everything = {cell.spec.id for cell in plan(registry).cells}
    some = {cell.spec.id for cell in plan(registry, tasks=("mr",), models=("net",)).cells}
    assert len(some) == 1
    assert some < everything


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"preset": "smal"}, "small"),
        ({"models": ("nett",)}, "net"),
        ({"tasks": ("cct",)}, "ct"),
        ({"profile": "q"}, "profile"),
        ({"parameters": {"net": {"block": "2"}}}, "blocks"),
        ({"parameters": {"net": {"blocks": "many"}}}, "blocks"),
        ({"parameters": {"nobody": {"x": "1"}}}, "nobody"),
        ({"data": {"ctt": Path("x.h5")}, "tasks": ("ct",)}, "only ct was asked for"),
    ],
)
def test_a_wrong_name_is_a_usage_error_that_helps(registry: Registry, changes: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        plan(registry, **changes)


@pytest.mark.parametrize(
    "text",
    [
        "not toml at all [",
        'name = "x"',
        "entries = 3",
        '[[entries]]\ntasks = ["ct"]',
        '[[entries]]\ntasks = "ct"\nmodels = ["net"]',
        '[[entries]]\ntasks = ["ct"]\nmodels = [3]',
        '[[entries]]\ntasks = ["ct"]\nmodels = ["net"]\ntypo = 1',
        'typo = 1\n[[entries]]\ntasks = ["ct"]\nmodels = ["net"]',
        '[[entries]]\ntasks = ["ct"]\nmodels = [{model = "net", options = 3}]',
        '[[entries]]\ntasks = ["ct"]\nmodels = [{model = "net", recipes = {papr = {steps = 1}}}]',
        '[[entries]]\ntasks = ["ct"]\nmodels = [{model = "net", recipes = {paper = {step = 1}}}]',
        '[[entries]]\ntasks = ["ct"]\nmodels = ["net"]\n[[published]]\ntask = "ct"\nsource = "x"',
        '[[entries]]\ntasks = ["ct"]\nmodels = ["net"]\n[[published]]\ntask = "ct"\nsource = "x"\nscores = {net = 3}',
        '[[entries]]\ntasks = ["ct"]\nmodels = ["net"]\n[[published]]\nsource = "x"\nscores = {net = {mae = 3}}',
    ],
)
def test_a_broken_grid_file_is_a_usage_error_that_names_the_file(text: str) -> None:
    with pytest.raises(UsageError, match="my-grid"):
        grid.parse_grid(text, "my-grid")


GRID = """\
name = "mine"

[[entries]]
tasks = [
    "ct",
    "mr",
]
models = [
    "net",
    { model = "net", name = "net-3", options = { blocks = 3 }, recipes = { smoke = { steps = 2 } } },
]

[[entries]]
tasks = ["ct"]
profile = "p"
models = ["hu-only"]

[[published]]
task = "ct"
source = "a paper"
[published.scores]
net = { mae = 1.5 }
"""


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('"mr"', '"mmr"', ":6: no task 'mmr'. Did you mean 'mr'"),
        ('    "net",', '    "nett",', ":9: no model 'nett'. Did you mean 'net'"),
        ('{ model = "net"', '{ model = "nett"', ":10: no model 'nett'"),
        ("blocks = 3", "block = 3", ":10: net has no option 'block'. Did you mean 'blocks'"),
        ("blocks = 3", 'blocks = "x"', ":10: net.blocks: 'x' is not int"),
        ("smoke =", "smok =", ":10: net-3: no preset 'smok'. Did you mean 'smoke'"),
        ("steps = 2", "step = 2", ":10: unknown key 'step'; did you mean 'steps'"),
        ("steps = 2", "steps = 0", ":10: net-3: recipe.steps: 0 is less than 1"),
        ('name = "net-3", ', "", ":10: 'net' stands for two things on ct: give one another 'name'"),
        ('profile = "p"', 'profile = "q"', ":15: no profile 'q'"),
        ('profile = "p"', 'profil = "p"', ":15: unknown key 'profil'; did you mean 'profile'"),
        ('models = ["hu-only"]', "", ":13: 'models' must be a list"),
        ("mae = 1.5", 'mae = "low"', ":22: scores.net.mae: 'low' is not a number"),
        ('source = "a paper"', "", ":18: needs 'task', 'source'"),
        ('name = "mine"', 'name = "mi/ne"', ":1: name 'mi/ne': use"),
        ('    "mr",', '    "mr"\n    "ct",', ":7: not TOML: "),
    ],
)
def test_a_wrong_grid_file_says_line_and_remedy(
    registry: Registry, tmp_path: Path, old: str, new: str, said: str
) -> None:
    file = tmp_path / "my.toml"
    file.write_text(GRID)
    assert len(grid.load_grid(registry, str(file)).blocks) == 2
    assert GRID.count(old) == 1
    file.write_text(GRID.replace(old, new))
    with pytest.raises(UsageError) as refusal:
        grid.load_grid(registry, str(file))
    assert str(refusal.value).startswith(f"{file}{said}")


BORROWED = """\
[[entries]]
tasks = ["ct", "mr"]
models = ["net", { model = "far", name = "far-3", if_installed = "benchmark-far", options = { blocks = 3 } }]

[[entries]]
tasks = ["mr"]
models = [{ model = "far", if_installed = "benchmark_far" }]
"""


def with_far(registry: Registry, state: str, *models: str) -> Registry:
    """The registry with the plugin of distribution ``benchmark-far`` in this state."""
    far = Plugin("far", "benchmark-far", "1.0", "json", state)  # type: ignore[arg-type]
    offers: dict[str, list[Offer[Any]]] = {
        kind: list(registry.all(kind).values()) for kind in ("model", "task", "metric", "profile")
    }
    offers["model"] += [Offer(ModelSpec(name, "m:far", options=Options), far) for name in models]
    return Registry((*registry.plugins, far), offers)


def borrowed(registry: Registry, folder: Path, text: str = BORROWED) -> grid.Grid:
    file = folder / "borrowed.toml"
    file.write_text(text)
    return grid.load_grid(registry, str(file))


@pytest.mark.parametrize(
    ("state", "said"),
    [
        ("", r"^benchmark-far is not installed \[pip install benchmark-far\]$"),
        ("failed", r"^benchmark-far failed to load \[benchmark doctor\]$"),
        ("disabled", "^benchmark-far is switched off"),
    ],
)
def test_a_grid_does_without_the_models_of_a_distribution_that_is_not_there(
    registry: Registry, tmp_path: Path, state: str, said: str
) -> None:
    found = with_far(registry, state) if state else registry
    without = borrowed(found, tmp_path)
    assert [(tasks, [entry.name for entry in entries]) for tasks, entries, _ in without.blocks] == [
        (("ct", "mr"), ["net"])
    ]
    assert set(without.left_out) == {"far-3", "far"}
    for name in without.left_out:
        with pytest.raises(UsageError, match=rf"model '{name}' of grid 'borrowed': benchmark[-_]far"):
            make_plan(found, without, PlanChoices(models=("net", name)))
        assert re.search(said, make_plan(found, without, PlanChoices()).left_out[name].replace("_far", "-far"))
    assert not make_plan(found, without, PlanChoices(models=("net",))).left_out


def test_a_grid_has_the_models_of_a_distribution_that_is_there(registry: Registry, tmp_path: Path) -> None:
    found = with_far(registry, "loaded", "far")
    whole = borrowed(found, tmp_path)
    cells = make_plan(found, whole, PlanChoices()).cells
    assert sorted(cell.spec.title for cell in cells) == [
        "ct/far-3/s0", "ct/net/s0", "mr/far-3/s0", "mr/far/s0", "mr/net/s0"
    ]  # fmt: skip
    assert not whole.left_out
    assert cells[1].spec.options["blocks"] == 3


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('model = "far", name', 'model = "farr", name', ":3: no model 'farr'"),
        ("blocks = 3", "block = 3", ":3: far has no option 'block'"),
        ('if_installed = "benchmark-far"', "if_installed = 1", ":3: far-3: 'if_installed' must be the name"),
        ('if_installed = "benchmark-far"', 'if_installed = ""', ":3: far-3: 'if_installed' must be the name"),
        ("if_installed = ", "if_instaled = ", ":3: unknown key 'if_instaled'; did you mean 'if_installed'"),
        (', name = "far-3"', "", ":7: 'far' stands for two things on mr"),
    ],
)
def test_absence_hides_no_mistake(registry: Registry, tmp_path: Path, old: str, new: str, said: str) -> None:
    text = BORROWED.replace(old, new, 1)
    assert text != BORROWED
    with pytest.raises(UsageError) as refusal:
        borrowed(with_far(registry, "loaded", "far"), tmp_path, text)
    assert said in str(refusal.value)


def test_a_grid_of_absent_models_alone_says_what_to_install(registry: Registry, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"nothing is left of the grid \(far-3: .*pip install benchmark-far"):
        borrowed(registry, tmp_path, BORROWED.replace('"net", ', "", 1))


@pytest.mark.parametrize(
    ("name", "given", "expected"),
    [
        ("blocks", "3", 3),
        ("weight", "1e-4", 1e-4),
        ("weight", 2, 2.0),
        ("deep", "yes", True),
        ("layers", "3,4", [3, 4]),
        ("layers", [5], [5]),
        ("margin", "none", None),
        ("margin", "0.5", 0.5),
    ],
)
def test_values_are_turned_into_the_options_type(name: str, given: Any, expected: Any) -> None:
    assert options.resolve("net", Options, {name: given})[name] == expected


@given(st.text(max_size=12))
def test_any_text_for_a_number_is_taken_or_refused_cleanly(text: str) -> None:
    try:
        value = options.coerce(text, int, "x")
    except UsageError:
        return
    assert value == int(text)


def test_options_survive_the_way_through_json() -> None:
    values = options.resolve("net", Options, {"layers": "7,8", "margin": 0.25})
    assert options.build(Options, values) == Options(layers=(7, 8), margin=0.25)


@pytest.mark.parametrize(
    ("made_for", "units", "said"),
    [
        ("mr", ("a.u.", "HU"), "for task 'mr'"),
        ("ct", ("a.u.", "SUV"), "target is in SUV"),
        ("ct", ("SUV", "HU"), "source is MR in SUV"),
        ("ct", ("HU", "HU"), "source is MR in HU, task 'ct' translates A in a.u."),
        ("ct", ("a.u.", "HU"), ""),
    ],
)
def test_a_file_of_another_task_or_unit_is_refused(
    registry: Registry, tmp_path: Path, made_for: str, units: tuple[str, str], said: str
) -> None:
    source, target = Side("MR", units[0], Window(0, 1)), Side("CT", units[1], Window(0, 1))
    path = tmp_path / "mine.h5"
    with DatasetWriter(path, task=made_for, name="n", source=source, target=target, simulated=False) as writer:
        for patient in ("a", "b"):
            image = np.arange(256.0).reshape(4, 8, 8) / 256
            writer.add_case(patient, "s", source=image, target=image, spacing=(1, 1, 1))
        writer.set_splits({"train": ["a"], "test": ["b"]})
    if said:
        with pytest.raises(DatasetError, match=said):
            plan(registry, data={"ct": path})
    else:
        cells = plan(registry, data={"ct": path}, tasks=("ct",)).cells
        assert {cell.spec.dataset.kind for cell in cells} == {"file"}


def test_batches_larger_than_the_data_are_refused_before_training(registry: Registry) -> None:
    with pytest.raises(UsageError, match="ct/net: batches of 17, but only 16 training slices"):
        plan(registry, preset="smoke", recipe={"batch_size": 17})
    assert plan(registry, preset="smoke", recipe={"batch_size": 16}).cells


class TestTheManual:
    """The example of docs/grids.md."""

    PAGE = Path(__file__).parent.parent / "docs" / "grids.md"

    def example(self) -> grid.Grid:
        (text,) = re.findall(r"```toml\n(.*?)```", self.PAGE.read_text(encoding="utf-8"), re.S)
        return grid.parse_grid(text, "docs/grids.md")

    def test_the_example_is_a_grid(self) -> None:
        found = self.example()
        assert found.name == "my-study"
        assert [(len(tasks), len(entries), profile) for tasks, entries, profile in found.blocks] == [
            (2, 5, "medgan-8bit"),
            (1, 2, None),
        ]
        assert [entry.name for entry in found.blocks[0][1]] == [
            "unet-l1",
            "pix2pix",
            "medgan-2",
            "medgan-4",
            "their-net",
        ]
        assert found.blocks[0][1][3].recipes == {"small": {"learning_rate": 2e-3}}
        assert found.published[0].scores["unet-l1"] == {"mae": 61.0, "psnr": 27.1}

    def test_it_says_every_field_of_a_recipe(self) -> None:
        page = self.PAGE.read_text(encoding="utf-8")
        for name in Recipe.__dataclass_fields__:
            assert f"`{name}`" in page
