"""Predictions of cold starts: what they depend on, what they are compared with, and what the guide says of that."""

import gzip
import json
from pathlib import Path

import moto
import pytest
from hypothesis import given
from hypothesis import strategies as st
from workbench import ROOT

from scaletozero.cold_start.compared import NOT_COMPARED, comparisons, not_compared_table, table
from scaletozero.cold_start.instances import NETWORKS
from scaletozero.cold_start.predict import (
    ALL_GRAPHS,
    Engine,
    engine_phases,
    engine_seconds,
    filling_streams,
    law,
    node_seconds,
    pull_seconds,
    weights_seconds,
)
from scaletozero.settings.gpu_types import TYPES

GUIDE = ROOT / "docs" / "cold-starts.md"
SIZES = st.floats(0.01, 1000)


def test_every_supported_type_has_a_network() -> None:
    assert set(TYPES) <= set(NETWORKS)


def test_networks_are_what_ec2_describes() -> None:
    recorded = Path(moto.__file__).parent / "ec2" / "resources" / "instance_types.json.gz"
    described = json.loads(gzip.decompress(recorded.read_bytes()))
    for name, network in NETWORKS.items():
        card = described[name]["NetworkInfo"]["NetworkCards"][0]
        assert network.baseline_gbps == card["BaselineBandwidthInGbps"], name
        assert network.peak_gbps == card["PeakBandwidthInGbps"], name
        assert network.source
        assert network.date


def test_figures_have_a_source_and_a_date() -> None:
    for each in comparisons():
        assert each.figure.source, each.figure.what
        assert each.figure.date.removeprefix("read ")[:3] == "202", each.figure.what


@given(SIZES, st.sampled_from(sorted(NETWORKS)))
def test_weights_are_never_faster_than_the_network(gb: float, instance: str) -> None:
    found = weights_seconds(gb, instance)
    assert found
    assert gb / (NETWORKS[instance].peak_gbps / 8) <= found.low <= found.expected <= found.high


def test_weights_on_an_unknown_network_have_no_prediction() -> None:
    assert weights_seconds(9, "g4dn.xlarge") is None


def test_the_one_published_stream_is_predicted_by_itself() -> None:
    found = weights_seconds(15, "g5.12xlarge")
    assert found
    assert found.expected == pytest.approx(4.88)


@given(SIZES)
def test_layers_that_are_not_gzip_are_pulled_faster_on_a_node_that_is_set_for_it(gb: float) -> None:
    plain, fast = pull_seconds(gb), pull_seconds(gb, gzipped=False)
    assert fast.expected < plain.expected
    assert fast.low < plain.low
    assert fast.high == plain.high


@given(SIZES, st.booleans())
def test_a_node_that_pulls_in_parallel_is_faster_and_within_what_is_known(gb: float, gzipped: bool) -> None:
    usual, parallel = (pull_seconds(gb, gzipped=gzipped, parallel=each) for each in (False, True))
    assert parallel.expected <= usual.expected
    assert parallel.low <= parallel.expected <= parallel.high <= usual.high


def test_few_reads_at_a_time_do_not_fill_a_fast_network() -> None:
    assert filling_streams("g6.xlarge") == 14, "10 Gbit/s; AWS says about 15"
    slow, fast = (weights_seconds(16, "p5.4xlarge", streams) for streams in (32, 131))
    assert slow
    assert fast
    assert slow.expected == pytest.approx(16 / 15 * 4.88), "as fast as where 32 reads were measured"
    assert fast == weights_seconds(16, "p5.4xlarge")
    assert fast.expected < slow.expected < slow.high
    assert weights_seconds(16, "g6.xlarge", 32) == weights_seconds(16, "g6.xlarge")
    assert filling_streams("g4dn.xlarge") is None


def test_fewer_graphs_take_their_share_of_the_capture() -> None:
    every, few = (engine_phases(16, Engine(graphs=graphs))["capture"] for graphs in (ALL_GRAPHS, 7))
    assert few.expected == pytest.approx(every.expected * 7 / 67)
    assert (few.low < every.low, few.high) == (True, every.high)


@given(SIZES, st.sampled_from([1, 2, 4, 8]))
def test_an_engine_that_does_less_starts_sooner(gb: float, gpus: int) -> None:
    cold, cached, eager = (engine_seconds(gb, Engine(gpus, **how)) for how in ({}, {"cached": True}, {"eager": True}))
    assert eager.expected < cached.expected < cold.expected


def test_several_gpus_have_to_find_each_other() -> None:
    assert "ranks" not in engine_phases(16, Engine(1))
    assert engine_phases(16, Engine(2))["ranks"] == law("ranks").seconds(gpus=2)


def test_nothing_is_compiled_or_captured_eagerly() -> None:
    assert set(engine_phases(16, Engine(eager=True, cached=True))) == {"process", "warm-up"}


def test_a_source_names_the_number_of_figures_and_the_factor() -> None:
    assert node_seconds().source == "5 published figures, within a factor of 2.5"


def test_a_phase_that_does_not_exist_is_an_error() -> None:
    with pytest.raises(KeyError):
        law("teleport")


def test_the_guide_has_every_comparison_and_names_those_outside() -> None:
    guide = GUIDE.read_text(encoding="utf-8")
    assert table() in guide
    assert not_compared_table() in guide
    found = list(comparisons())
    inside = sum(each.inside for each in found)
    assert f"{inside} of {len(found)} figures are inside" in guide
    assert len(NOT_COMPARED) > 5
