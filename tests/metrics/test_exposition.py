"""The text that Prometheus reads, read back by its own library."""

from prometheus_client.parser import text_string_to_metric_families

from gateway.metrics.counts import Counts
from gateway.metrics.exposition import add_up, expose
from gateway.metrics.figures import (
    ASKED,
    COUNTED,
    LEDGER_CASES,
    LOOP_LAG,
    TURNED_AWAY,
    Answer,
    Kind,
)
from gateway.metrics.memory import LANE_OCTETS, Lane, Reading


def text(counts: Lane, *answers: Answer, accept: str = "") -> tuple[str, str]:
    values = {name: tuple(counts.values[at : at + width]) for name, (at, width) in counts.names.items()}
    octets, media_type = expose(add_up([Reading(values, held=True)]), answers, accept)
    return octets.decode(), media_type


def test_counters_states_and_histograms_have_the_form_of_prometheus() -> None:
    lane = Lane(bytearray(LANE_OCTETS))
    counts = Counts(lane)
    counts.add(TURNED_AWAY, 'the "branch"\n', "handshake")
    counts.observe(LOOP_LAG, seconds=0.004)
    counts.observe(LOOP_LAG, seconds=60)
    written, media_type = text(lane, Answer(LEDGER_CASES, ("invited",), 7))
    assert media_type.startswith("text/plain")
    found = {
        (sample.name, *sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(written)
        for sample in family.samples
    }
    assert found["goen_turned_away_total", ("door", 'the "branch"\n'), ("reason", "handshake")] == 1
    assert found["goen_ledger_cases", ("state", "invited")] == 7
    assert found["goen_loop_lag_seconds_bucket", ("le", "0.0025")] == 0
    assert found["goen_loop_lag_seconds_bucket", ("le", "0.005")] == 1
    assert found["goen_loop_lag_seconds_bucket", ("le", "10.0")] == 1
    assert found["goen_loop_lag_seconds_bucket", ("le", "+Inf")] == 2
    assert found["goen_loop_lag_seconds_count",] == 2
    assert found["goen_loop_lag_seconds_sum",] == 60.004


def test_a_reader_that_asks_for_openmetrics_gets_it() -> None:
    written, media_type = text(
        Lane(bytearray(LANE_OCTETS)), accept="application/openmetrics-text; version=1.0.0"
    )
    assert media_type.startswith("application/openmetrics-text")
    assert written == "# EOF\n"


def test_values_of_another_form_are_left_out() -> None:
    strange = {
        ("goen_of_a_later_version", "x"): (1.0,),
        (LOOP_LAG.name,): (1.0, 2.0),
        (TURNED_AWAY.name,): (1.0,),
    }
    assert add_up([Reading(strange, held=True)]) == {}


def test_every_figure_is_named_as_prometheus_wants_it() -> None:
    names = [figure.name for figure in (*COUNTED, *ASKED)]
    assert len(names) == len(set(names))
    for figure in (*COUNTED, *ASKED):
        assert figure.name.startswith("goen_")
        assert figure.name.endswith("_total") is (figure.kind is Kind.COUNTER)
        assert figure.name.endswith("_seconds") is (figure.kind is Kind.HISTOGRAM)
        assert list(figure.bounds) == sorted(figure.bounds)
