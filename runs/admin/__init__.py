"""The pages that support staff work in. Each is registered by the highest app that it shows."""

from runs.admin import loads, people, runs, sources

__all__ = ["loads", "people", "runs", "sources"]
