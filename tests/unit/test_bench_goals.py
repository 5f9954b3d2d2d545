"""The table of `make bench`: a goal that is missed is said so, and how far; ratios are those of the better of each
side; what grew is measured from what was there."""

import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[1] / "bench"))  # its modules find each other by name

from counted import Load
from goals import Row, as_json, compared, edges, growth, table
from peers import Run, Runs
from rates import judged

AT_LEAST = Row("delivered/s", 1.5, 2.0)
AT_MOST = Row("CPU a message", 0.4, 0.45, least=False)


def test_a_missed_goal_says_by_how_much() -> None:
    """In both directions, and what just reaches it is met."""
    assert AT_LEAST.cells() == ("delivered/s", "1.50x", ">= 2.00x", "NOT MET, by 25%")
    assert AT_MOST.cells() == ("CPU a message", "0.40x", "<= 0.45x", "met")
    assert Row("idle", 121.0, 110, least=False, unit="MiB").cells()[1:] == (
        "121.0 MiB",
        "<= 110.0 MiB",
        "NOT MET, by 10%",
    )
    assert Row("delivered/s", 2.0, 2.0).met
    assert Row("CPU a message", 0.45, 0.45, least=False).met


def test_the_table_has_columns() -> None:
    """Each begins where that of the line above does."""
    head, first, second = table([AT_LEAST, AT_MOST])
    assert head.index("goal") + len("goal") == first.index("2.00x") + len("2.00x") == second.index("0.45x") + 5
    assert first.startswith("delivered/s    ") and second.endswith("met")
    assert [one["met"] for one in as_json([AT_LEAST, AT_MOST])] == [False, True]


def test_a_ratio_is_that_of_the_better_of_each_side() -> None:
    """Haraka is told, and not compared."""
    rates = {"hedwig, 1 worker": 900.0, "hedwig, 2 workers": 1200.0, "Postfix, default": 300.0, "Postfix, tuned": 400.0}
    most = compared("delivered/s", rates | {"Haraka": 4000.0}, 2.0)
    assert (most.reached, most.by, most.met) == (3.0, "hedwig, 2 workers", True)
    least = compared("CPU", rates | {"Haraka": 1.0}, 2.0, least=False)
    assert (least.reached, least.by, least.met) == (3.0, "hedwig, 1 worker", False)
    assert least.cells()[-1] == "NOT MET, by 50% (hedwig, 1 worker)"


def test_cpu_is_judged_of_the_configuration_whose_rate_is() -> None:
    """hedwig may not show the rate of one and the CPU of another; Postfix's least CPU is what it is held against."""

    def runs(delivered: float, cpu: float) -> Runs:
        return Runs([Run(delivered, delivered, cpu, 100.0, 0, 0)])

    found = {
        "hedwig, 1 worker": runs(1000, 0.5),
        "hedwig, 2 workers": runs(1200, 0.8),
        "Postfix, default": runs(300, 1.6),
        "Postfix, tuned": runs(400, 2.0),
    }
    rate, cpu = judged("a load", found, 2.0, 0.45)
    assert (rate.reached, rate.met) == (3.0, True)
    assert rate.by == cpu.by == "hedwig, 2 workers"
    assert (cpu.reached, cpu.met) == (0.5, False)
    assert len(judged("a load", found, 1.8)) == 1


def test_the_first_slice_is_no_measure_of_an_empty_queue() -> None:
    """It has to open and to learn; the medians of the next five and of the last five are compared."""
    rates = [1.0, *[1000.0] * 3, 1.0, 1001.0, *[700.0] * 30, 500.0, 500.0, 1.0, 499.0, 501.0]
    assert edges(rates) == (1000.0, 500.0)
    assert edges([5.0, 1.0, 2.0]) == (1.0, 2.0)
    assert edges([float(number) for number in range(500)]) == (13.0, 487.0)


def test_memory_a_message_is_what_one_more_costs() -> None:
    """What a server has before its first message is none of the queue's."""
    at = [number * 1000 for number in range(20)]
    assert growth(at, [5_000_000 + 300.0 * queued for queued in at]) == pytest.approx(300)
    assert growth(at, [5_000_000.0] * 20) == 0


def test_a_median_is_not_moved_by_one_bad_round() -> None:
    """Lost and doubled are sums: one of them is one too many."""
    runs = Runs([Run(1, 100, 1, 1, 0, 0), Run(1, 1, 1, 1, 1, 0), Run(1, 102, 1, 1, 0, 2)])
    assert runs.middle("delivered") == 100
    assert (runs.total("lost"), runs.total("doubled")) == (1, 2)


def test_a_shorter_load_keeps_its_kind() -> None:
    """So that what warms up is what is measured."""
    load = Load("many", 20, 5000, reused=True, recipients=10, domains=500)
    short = load.shortened(500)
    assert short.deliveries == 5000
    assert (short.reused, short.domains, short.sessions) == (True, 500, 20)
