"""The figures of a server, as Prometheus reads them."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from flowsteer.runs.events import EpisodeEnded
from flowsteer.runs.summary import Tally
from flowsteer.serving.admission import Admission

SECONDS = (0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100, 300, 1000)
"""Bounds of the buckets of request times."""


class Gauges:
    """The figures of one server.

    Args:
        admission: Its places.
    """

    def __init__(self, admission: Admission) -> None:
        self._registry = one = CollectorRegistry()
        self._requests = Counter("flowsteer_requests", "Requests.", ("endpoint", "status"), registry=one)
        self._seconds = Histogram(
            "flowsteer_request_seconds", "Seconds of a request.", ("endpoint",), registry=one, buckets=SECONDS
        )
        self._tokens = Counter("flowsteer_tokens", "Tokens.", ("model", "role", "kind"), registry=one)
        self._cost = Counter("flowsteer_cost_dollars", "US dollars, as far as known.", ("model",), registry=one)
        self._unpriced = Counter("flowsteer_unpriced_episodes", "Episodes of unknown cost.", ("model",), registry=one)
        self._broken = Counter("flowsteer_failures", "Episodes broken off, by kind.", ("kind",), registry=one)
        self._nodes = Counter("flowsteer_step_failures", "Failed steps and edits, by kind.", ("kind",), registry=one)
        running = Gauge("flowsteer_running_episodes", "Episodes at work.", registry=one)
        running.set_function(lambda: admission.running)
        waiting = Gauge("flowsteer_waiting_requests", "Requests in the queue.", registry=one)
        waiting.set_function(lambda: admission.waiting)

    def answered(self, endpoint: str, status: int, seconds: float) -> None:
        """Count a request."""
        self._requests.labels(endpoint, status).inc()
        self._seconds.labels(endpoint).observe(seconds)

    def played(self, model: str, ended: EpisodeEnded, tally: Tally) -> None:
        """Count what a finished episode cost, and what failed in it."""
        for role, usage in (("director", ended.director_usage), ("executor", ended.executor_usage)):
            self._tokens.labels(model, role, "prompt").inc(usage.prompt_tokens)
            self._tokens.labels(model, role, "completion").inc(usage.completion_tokens)
        cost = (ended.director_usage + ended.executor_usage).cost
        if cost is None:
            self._unpriced.labels(model).inc()
        else:
            self._cost.labels(model).inc(cost)
        for kind, count in tally.failures.items():
            self._nodes.labels(kind).inc(count)

    def broke(self, kind: str) -> None:
        """Count an episode that broke off."""
        self._broken.labels(kind).inc()

    def text(self) -> bytes:
        """All of them, in Prometheus' format."""
        return generate_latest(self._registry)
