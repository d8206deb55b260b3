"""A plugin made for a plugin interface of the future."""

from benchmark import ModelSpec, hookimpl

benchmark_api = 99


@hookimpl
def benchmark_models():
    yield ModelSpec("from-the-future", "benchmark_broken_api:nothing")
