"""The figures of all processes as one text that Prometheus reads."""

import itertools
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import CollectorRegistry

from gateway.metrics.figures import COUNTED, Answer, Figure, Kind
from gateway.metrics.memory import Name, Reading

Values = Mapping[Name, tuple[float, ...]]


def add_up(readings: Iterable[Reading]) -> Values:
    """Return each figure's values for all processes together."""
    figures = {figure.name: figure for figure in COUNTED}
    found: dict[Name, list[tuple[float, ...]]] = {}
    for reading in readings:
        for name, values in reading.values.items():
            figure = figures.get(name[0])
            # A later version of this program may have counted in another way in the same memory.
            if figure is None or len(values) != figure.width or len(name) != 1 + len(figure.labels):
                continue
            if not figure.kind.of_now or (reading.held and not math.isnan(values[0])):
                found.setdefault(name, []).append(values)
    return {name: _one(figures[name[0]], several) for name, several in sorted(found.items())}


def expose(values: Values, answers: Sequence[Answer], accept: str) -> tuple[bytes, str]:
    """Return the text and its media type, in the form that an Accept field asks for."""
    encode, media_type = choose_encoder(accept)
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Collected([*_counted(values), *_asked(answers)]))
    return encode(registry), media_type


class _Collected:
    """What the library calls a collector."""

    def __init__(self, metrics: Sequence[Metric]) -> None:
        self._metrics = metrics

    def collect(self) -> Iterable[Metric]:
        return self._metrics


def _one(figure: Figure, several: Sequence[tuple[float, ...]]) -> tuple[float, ...]:
    if figure.kind is Kind.LEAST:
        return min(several)
    return tuple(map(sum, zip(*several, strict=True)))


def _counted(values: Values) -> Iterator[Metric]:
    for figure in COUNTED:
        own = {name[1:]: found for name, found in values.items() if name[0] == figure.name}
        if own:
            yield _metric(figure, own)


def _asked(answers: Sequence[Answer]) -> Iterator[Metric]:
    for figure, own in itertools.groupby(answers, key=lambda answer: answer.figure):
        yield _metric(figure, {answer.labels: (answer.value,) for answer in own})


def _metric(figure: Figure, own: Mapping[tuple[str, ...], tuple[float, ...]]) -> Metric:
    if figure.kind is Kind.HISTOGRAM:
        histogram = HistogramMetricFamily(figure.name, figure.words, labels=figure.labels)
        for labels, found in own.items():
            names = [*map(_bound, figure.bounds), "+Inf"]
            histogram.add_metric(
                labels, list(zip(names, itertools.accumulate(found[:-1]), strict=True)), found[-1]
            )
        return histogram
    family = CounterMetricFamily if figure.kind is Kind.COUNTER else GaugeMetricFamily
    metric = family(figure.name, figure.words, labels=figure.labels)
    for labels, found in own.items():
        metric.add_metric(labels, found[0])
    return metric


def _bound(seconds: float) -> str:
    return repr(float(seconds))
