"""One of two plugins that offer the same model name."""

from benchmark import ModelSpec, hookimpl


@hookimpl
def benchmark_models():
    yield ModelSpec("same-name", "benchmark_clash_b:nothing", kind="fixed")
