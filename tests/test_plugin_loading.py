"""Whatever a plugin does while it is loaded is reported with distribution, version and reason, and is its own loss."""

from __future__ import annotations

import json
import sys
import textwrap
import warnings
from collections.abc import Callable, Iterator
from importlib.metadata import Distribution, EntryPoint
from pathlib import Path
from types import ModuleType
from typing import Any

import pluggy
import pytest
from command_line import CommandLine, make_discoverable

from benchmark.contracts import hookspecs
from benchmark.errors import InterfaceDeprecation, UsageError
from benchmark.registry import plugins
from benchmark.registry.plugins import Plugin, Registry

GOOD = """
from benchmark import ModelSpec, hookimpl
@hookimpl
def benchmark_models():
    yield ModelSpec("good-model", "nowhere:build")
"""

Load = Callable[..., Registry]


@pytest.fixture
def loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Load]:
    """Load a plugin of this source beside a good one."""
    monkeypatch.syspath_prepend(tmp_path)
    before = set(sys.modules)

    def load(source: str, name: str = "odd", distribution: str = "benchmark-odd", version: str = "0.3", **more: Any):
        (tmp_path / "good_plugin.py").write_text(GOOD)
        (tmp_path / "odd_plugin.py").write_text(textwrap.dedent(source))
        info = tmp_path / "odd.dist-info"
        info.mkdir(exist_ok=True)
        needs = "".join(f"Requires-Dist: {each}\n" for each in more.pop("requires", ()))
        text = f"Metadata-Version: 2.1\nName: {distribution}\nVersion: {version}\n{needs}"
        (info / "METADATA").write_text(text, encoding="utf-8")
        odd = EntryPoint(name, "odd_plugin", hookspecs.GROUP)
        vars(odd)["dist"] = Distribution.at(info)
        return plugins.load([odd, EntryPoint("good", "good_plugin", hookspecs.GROUP)], **more)

    yield load
    for name in set(sys.modules) - before:
        del sys.modules[name]


def odd(found: Registry) -> Plugin:
    """The odd one, after checking that the good one is as well as ever."""
    states = {plugin.module: plugin for plugin in found.plugins}
    assert states["good_plugin"].state == "loaded"
    assert found.model("good-model")
    return states["odd_plugin"]


HOOK = "from benchmark import ModelSpec, ProfileSpec, MetricUse, hookimpl\n"
MODELS = HOOK + "@hookimpl\ndef benchmark_models(): "
PROFILES = HOOK + "@hookimpl\ndef benchmark_profiles(): "
ENDLESS = "\n n = 0\n while True:\n  n += 1\n  yield ModelSpec(f'm{n}', 'a:b')"


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("raise RuntimeError('no such luck')", "RuntimeError: no such luck"),
        ("import sys; sys.exit('gone')", "SystemExit: gone"),
        ("class Gone(BaseException): pass\nraise Gone('further out')", "Gone: further out"),
        ("raise RuntimeError('\\x1b[31mred\\x07')", r"RuntimeError: \x1b[31mred\x07"),
        ("def broken(:", "SyntaxError"),
        (MODELS + "return None", "benchmark_models gave None; return or yield ModelSpec"),
        (MODELS + "return 3", "gave int, not an iterable of ModelSpec"),
        (MODELS + "return 'unet'", "gave str, not an iterable"),
        (MODELS + "return ModelSpec('m', 'a:b')", "gave ModelSpec, not an iterable"),
        (MODELS + "yield 'unet'", "gave str, expected ModelSpec"),
        (MODELS + "yield ModelSpec('../up', 'a:b')", "'../up': use lower-case words"),
        (MODELS + "yield ModelSpec('m', 'a:b', summary=None)", "m.summary is NoneType"),
        (MODELS + "yield ModelSpec('m', 'a:b', cost='3')", "m.cost is str"),
        (MODELS + "yield ModelSpec('m', 'a:b', summary='\\x1b[2J')", "'\\x1b[2J'"),
        (PROFILES + "yield ProfileSpec('<b>', 1, (MetricUse('mae'),), primary='mae')", "name '<b>'"),
        (MODELS + "yield ModelSpec('m', 'a:b'); 1/0", "ZeroDivisionError"),
        (HOOK + "def benchmark_models(): yield ModelSpec('m', 'a:b')", "benchmark_models is not marked @hookimpl"),
        (HOOK + "@hookimpl\ndef benchmark_model(): return []", "'benchmark_model'; did you mean 'benchmark_models'?"),
        (HOOK + "@hookimpl\ndef benchmark_models(config): return []", "declared in the hookimpl"),
        (MODELS.rstrip() + ENDLESS, "more than 10000 records"),
        ("benchmark_api = 7", "needs plugin interface 7; this harness has 1: install a newer medgan-benchmark"),
        ("benchmark_api = True", "needs plugin interface True"),
    ],
)  # fmt: skip
def test_a_broken_plugin_is_failed_with_its_reason(loaded: Load, source: str, said: str) -> None:
    plugin = odd(loaded(source))
    assert plugin.state == "failed"
    assert said in plugin.reason
    assert plugin.reason.isprintable()
    assert plugin.title == "benchmark-odd 0.3"


def test_a_missing_dependency_is_named_with_its_requirement(loaded: Load) -> None:
    found = loaded("import library_nobody_has", requires=["library-nobody-has>=2", "pytest", "other>1; extra == 'x'"])
    assert odd(found).reason.endswith("; it requires library-nobody-has>=2, not installed here")


@pytest.mark.parametrize(
    "hang",
    [
        "import time; time.sleep(60)",
        "while True: pass",
        "while True:\n    try:\n        while True: pass\n    except Exception: pass",
    ],
)
def test_a_plugin_that_hangs_is_given_up(loaded: Load, monkeypatch: pytest.MonkeyPatch, hang: str) -> None:
    monkeypatch.setenv("BENCHMARK_PLUGIN_TIMEOUT", "0.2")
    plugin = odd(loaded(hang))
    assert plugin.state == "failed"
    assert plugin.reason.startswith("its import took longer than 0.2 s")


def test_a_time_limit_that_is_none_is_refused(loaded: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BENCHMARK_PLUGIN_TIMEOUT", "soon")
    with pytest.raises(UsageError, match="soon"):
        loaded(GOOD)


def test_prints_at_import_stay_off_standard_output_and_are_reported(loaded: Load, capfd: Any) -> None:
    chatty = GOOD.replace("good-model", "m") + "import os\nprint('hello')\nos.system('echo from \033[1m below')\n"
    found = loaded(chatty)
    assert capfd.readouterr().out == ""
    assert odd(found).state == "loaded"
    assert odd(found).notes == (r"prints while it is imported: 'hello from \x1b[1m below'",)
    assert [line for line in found.warnings() if "benchmark-odd 0.3" in line and "hello" in line]


@pytest.mark.parametrize(
    ("names", "said"),
    [
        ({"name": "../../etc"}, "entry point name '../../etc'"),
        ({"name": "\x1b[2Jodd"}, r"entry point name '\x1b[2Jodd'"),
        ({"name": "модель"}, r"entry point name '\u043c"),
        ({"distribution": "<script>alert(1)</script>"}, "distribution name '<script>"),
        ({"distribution": "a/b"}, "distribution name 'a/b'"),
        ({"version": "1.0\x1b[31m"}, r"version '1.0\x1b[31m'"),
    ],
)
def test_hostile_names_are_refused_before_anything_is_imported(loaded: Load, names: Any, said: str) -> None:
    plugin = odd(loaded("raise RuntimeError('imported')", **names))
    assert plugin.state == "failed"
    assert said in plugin.reason
    assert f"{plugin.name}{plugin.distribution}{plugin.version}{plugin.reason}".isprintable()


def test_metadata_that_are_torn_do_not_matter(tmp_path: Path) -> None:
    point = EntryPoint("odd", "nowhere", hookspecs.GROUP)
    (tmp_path / "odd.dist-info").mkdir()
    vars(point)["dist"] = Distribution.at(tmp_path / "odd.dist-info")
    assert plugins.load([point]).plugins[0].state == "failed"


def next_interface() -> ModuleType:
    """Interface 2, in which ``benchmark_grids`` is on its way out."""
    interface = ModuleType("next_interface")
    vars(interface).update({name: value for name, value in vars(hookspecs).items() if not name.startswith("__")})
    vars(interface).update(API_VERSION=2, OLDEST_API=1)
    marker = pluggy.HookspecMarker(hookspecs.PROJECT)

    def benchmark_grids() -> None:
        """On its way out."""

    gone = InterfaceDeprecation("benchmark_grids goes away with interface 3; use benchmark_plans")
    vars(interface)["benchmark_grids"] = marker(benchmark_grids, warn_on_impl=gone)
    return interface


OLD_HOOK = """
from benchmark import GridSpec, hookimpl
benchmark_api = {api}
@hookimpl
def benchmark_grids():
    yield GridSpec("g", "package", "g.toml")
"""


def test_a_deprecated_hook_still_works_and_is_reported(loaded: Load) -> None:
    found = loaded(OLD_HOOK.format(api=2), interface=next_interface())
    assert odd(found).state == "loaded"
    assert found.find("grid", "g")
    assert odd(found).notes == ("deprecated: benchmark_grids goes away with interface 3; use benchmark_plans",)


def test_a_plugin_of_the_last_interface_loads_with_a_warning_and_an_older_one_does_not(loaded: Load) -> None:
    interface = next_interface()
    first = loaded(OLD_HOOK.format(api=1), interface=interface)
    assert odd(first).notes[0] == "deprecated: made for plugin interface 1; this harness has 2 and will drop 1"
    del sys.modules["odd_plugin"]
    vars(interface).update(API_VERSION=3, OLDEST_API=2)
    states = {plugin.module: plugin for plugin in loaded(OLD_HOOK.format(api=1), interface=interface).plugins}
    assert states["odd_plugin"].reason.endswith(
        "needs plugin interface 1; this harness has 2 to 3: install a newer version of the plugin"
    )


def test_other_warnings_of_a_plugin_are_passed_on(loaded: Load) -> None:
    with pytest.warns(UserWarning, match="mind the gap"):
        found = loaded(GOOD.replace("good-model", "m") + "import warnings; warnings.warn('mind the gap')")
    assert odd(found).notes == ()


def test_a_deprecated_field_of_a_record_is_reported(loaded: Load) -> None:
    source = GOOD.replace("good-model", "m") + (
        "    import warnings\n    from benchmark.errors import InterfaceDeprecation\n"
        "    warnings.warn('ModelSpec.cost goes away', InterfaceDeprecation)\n"
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert odd(loaded(source)).notes == ("deprecated: ModelSpec.cost goes away",)


# -- the command line ---------------------------------------------------------------------------------------------


def install(toy: CommandLine, source: str, name: str = "odd") -> None:
    """Put a plugin of this source beside the toy."""
    site = toy.folder.parent / "site"
    make_discoverable(site, f"benchmark-{name}", "0.3", name, f"{name}_plugin")
    (site / f"{name}_plugin.py").write_text(source)


def test_json_is_json_whatever_a_plugin_prints(toy: CommandLine) -> None:
    install(toy, "print('{\"mine\": ')\n" + GOOD)
    ended = toy("list", "models", "--json")
    assert "good-model" in {row["name"] for row in json.loads(ended.stdout)}
    assert "warning: plugin odd (benchmark-odd 0.3): prints while it is imported" in ended.stderr
    assert "1 model; prints while it is imported" in toy("plugins").stdout


def test_a_plugin_is_switched_off_by_option_or_variable_before_it_is_imported(toy: CommandLine) -> None:
    install(toy, "raise SystemExit('imported')")
    assert "imported" in toy("list").stderr
    for ended in (
        toy("--no-plugin", "odd", "list"),
        toy("--no-plugin", "benchmark-odd", "list"),
        toy("list", BENCHMARK_DISABLE_PLUGINS=f"{toy.environment['BENCHMARK_DISABLE_PLUGINS']},odd"),
    ):
        assert ended.returncode == 0
        assert "imported" not in ended.stderr
        assert "toy-affine" in ended.stdout
    shown = toy("--no-plugin", "odd", "plugins")
    assert [line for line in shown.stdout.splitlines() if "odd" in line and "disabled" in line]
    gone = toy("--no-plugin", "toy", "show", "model", "toy-affine")
    assert gone.returncode == 2
    assert "switched off: " in gone.stderr


def test_an_unknown_name_to_switch_off_is_an_error_with_the_nearest(toy: CommandLine) -> None:
    ended = toy("--no-plugin", "toi", "list")
    assert ended.returncode == 2
    assert "no plugin 'toi'. Did you mean 'toy'" in ended.stderr


@pytest.mark.slow
def test_a_switched_off_plugin_is_off_in_worker_processes_too(toy: CommandLine) -> None:
    marker = toy.folder / "imported"
    install(toy, f"open({str(marker)!r}, 'a').close()\n" + GOOD)
    arguments = ("run", "--grid", "toy", "--preset", "smoke", "--models", "toy-copy")
    assert toy("--no-plugin", "odd", *arguments).returncode == 0
    assert not marker.exists()
    assert toy(*arguments, "--results", "others").returncode == 0
    assert marker.exists()
