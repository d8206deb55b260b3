"""A plugin with a misspelt hook."""

from benchmark import ModelSpec, hookimpl


@hookimpl
def benchmark_model():
    yield ModelSpec("misspelt", "benchmark_broken_hook:nothing")
