"""The pure rules: what a spec may be, which candidate is shipped, how it is packed, what a request may be."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_packaging.artifact.compress import INFLATE_MB_PER_S, from_sizes
from model_packaging.artifact.manifest import Candidate, Quality, Speed
from model_packaging.evaluation.choose import CHOSEN, TOLERATED, choose, too_far_only
from model_packaging.evaluation.evaluate import distance, quality
from model_packaging.evaluation.measure import recommended_mb
from model_packaging.findings import FindingsError
from model_packaging.probes import builtin_pairs, load_probe
from model_packaging.serving.limits import DOWNLOAD_MB_PER_S, MEMORY_MB
from model_packaging.serving.request import MAX_INPUTS, BadRequestError, texts_of
from model_packaging.spec import PackageSpec, QualityFloor

FINE: dict[str, Any] = {
    "name": "sentences",
    "source": "model.onnx",
    "tokenizer": "tokenizer.json",
    "licence": "Apache-2.0",
    "out": "out",
}


def candidate(recipe: str, mean: float = 1.0, least: float = 1.0, slower: float = 0.5, doubt: float = 0.0) -> Candidate:
    seen = Quality(n=9, cosine_mean=mean, cosine_min=least, cosine_p1=least, spearman=1, top1=1, top5=1)
    speed = Speed(
        short_ms=1,
        long_ms=1,
        source_short_ms=1,
        source_long_ms=1,
        long_tokens=256,
        short_ratio=0.1,
        long_ratio=slower,
        short_interval=(0.1, 0.1),
        long_interval=(slower - min(doubt, slower), slower + doubt),
    )
    return Candidate(recipe=recipe, quality=seen, speed=speed, size=1, size_ratio=0.25, outcome="measured")


class TestSpec:
    def test_the_shortest_one_is_fine(self) -> None:
        assert PackageSpec.of(**FINE).floor == QualityFloor(mean=0.998, minimum=0.996)

    def test_all_mistakes_come_at_once(self) -> None:
        wrong = {**FINE, "name": "Bad Name", "compression": "zip", "memory": 3, "floor": {"mean": 2}}
        del wrong["out"]
        with pytest.raises(FindingsError) as caught:
            PackageSpec.of(**wrong)
        assert {each.path for each in caught.value.findings} == {
            "name",
            "compression",
            "memory",
            "floor.mean",
            "out",
        }

    @pytest.mark.parametrize(("source", "tokenizer"), [("a/m.onnx", "a/tokenizer.json"), ("a/m", "a/m/tokenizer.json")])
    def test_a_model_comes_with_its_own_tokenizer(self, source: str, tokenizer: str) -> None:
        asked = {name: value for name, value in FINE.items() if name != "tokenizer"}
        assert PackageSpec.of(**{**asked, "source": source}).tokenizer == Path(tokenizer)

    @pytest.mark.parametrize("name", ["a", "a-b", "0a", "a" * 63])
    def test_good_names(self, name: str) -> None:
        assert PackageSpec.of(**{**FINE, "name": name}).name == name

    @pytest.mark.parametrize("name", ["", "-a", "a-", "a--b", "A", "a_b", "a" * 64, "a\n"])
    def test_bad_names(self, name: str) -> None:
        with pytest.raises(FindingsError, match="name"):
            PackageSpec.of(**{**FINE, "name": name})


class TestChoose:
    def outcomes(self, *candidates: Candidate) -> dict[str, str]:
        return {each.recipe: each.outcome for each in choose(candidates, QualityFloor())}

    def test_the_first_good_one_is_chosen(self) -> None:
        found = self.outcomes(candidate("int8", mean=0.9), candidate("int8-kept"), candidate("fp32"))
        assert found["int8"] == "mean cosine 0.9 is below the floor 0.998"
        assert found["int8-kept"] == CHOSEN
        assert found["fp32"] == "an earlier candidate already meets the floor"

    def test_the_worst_text_counts_too(self) -> None:
        assert "minimum cosine 0.9 is below" in self.outcomes(candidate("int8", least=0.9), candidate("fp32"))["int8"]

    def test_a_slower_one_is_not_shipped(self) -> None:
        found = self.outcomes(candidate("int8", slower=1.4, doubt=0.1), candidate("fp32"))
        said = (
            "slower than the source: 1.40 times its latency for a long request, 99% certain to be between 1.30 and 1.50"
        )
        assert found == {"int8": said, "fp32": CHOSEN}

    def test_one_that_is_a_little_slower_is_shipped(self) -> None:
        assert self.outcomes(candidate("int8", slower=1.26, doubt=0.1))["int8"] == CHOSEN

    def test_one_that_may_be_slower_is_shipped(self) -> None:
        assert self.outcomes(candidate("int8", slower=1.23, doubt=0.3))["int8"] == CHOSEN

    def test_fp32_is_shipped_at_any_latency(self) -> None:
        assert self.outcomes(candidate("fp32", slower=3)) == {"fp32": CHOSEN}

    def test_too_few_rounds_say_nothing(self) -> None:
        made = candidate("int8", slower=3)
        assert made.speed is not None
        unsure = made.model_copy(update={"speed": made.speed.model_copy(update={"long_interval": None})})
        assert self.outcomes(unsure)["int8"] == CHOSEN

    def test_a_more_precise_one_is_tried_only_after_one_that_may_be_as_fast(self) -> None:
        floor = QualityFloor()
        assert too_far_only(candidate("int8", mean=0.5, slower=1.1, doubt=0.2), floor)
        assert not too_far_only(candidate("int8", mean=0.5, slower=1.5, doubt=0.2), floor)
        assert not too_far_only(candidate("int8"), floor)
        assert not too_far_only(Candidate(recipe="int8", outcome="failed: it does not load"), floor)

    def test_a_failure_is_kept_as_it_was_recorded(self) -> None:
        broken = Candidate(recipe="int8", outcome="failed: it does not load")
        assert self.outcomes(broken, candidate("fp32"))["int8"] == "failed: it does not load"

    def test_nothing_good_enough_says_why_for_each(self) -> None:
        with pytest.raises(FindingsError, match=r"int8: mean cosine 0\.5 .* fp32: mean cosine 0\.6"):
            choose([candidate("int8", mean=0.5), candidate("fp32", mean=0.6)], QualityFloor())

    def test_where_others_were_left_out_they_are_the_way_out(self) -> None:
        with pytest.raises(FindingsError, match="remove `recipes`, so that others are tried"):
            choose([candidate("int8", mean=0.5)], QualityFloor())

    @given(st.lists(st.tuples(st.floats(0.99, 1), st.floats(0.99, 1), st.floats(0.1, 2)), min_size=1, max_size=6))
    def test_what_is_chosen_meets_the_floor_and_nothing_before_it_did(
        self, figures: list[tuple[float, float, float]]
    ) -> None:
        floor = QualityFloor()
        made = [candidate(f"r{index}", *each) for index, each in enumerate(figures)]
        good = [m >= floor.mean and least >= floor.minimum and s <= TOLERATED for m, least, s in figures]
        if not any(good):
            with pytest.raises(FindingsError):
                choose(made, floor)
            return
        assert [each.outcome == CHOSEN for each in choose(made, floor)].index(True) == good.index(True)


class TestCompression:
    def test_stored_wins_where_the_download_is_faster_than_the_break_even(self) -> None:
        seen = from_sizes(17_900_000, 13_174_400, "auto")  # a quarter saved
        assert (seen.compression, seen.level) == ("stored", 0)
        assert seen.break_even_mb_per_s == pytest.approx(60.7, abs=0.1)

    def test_gzip_wins_where_it_saves_much(self) -> None:
        assert from_sizes(10_000_000, 1_000_000, "auto").compression == "gzip"

    @pytest.mark.parametrize("wish", ["stored", "gzip"])
    def test_a_wish_is_kept(self, wish: Any) -> None:
        for packed in (100, 1_000_000, 1_001_000):
            assert from_sizes(1_000_000, packed, wish).compression == wish

    @given(st.integers(1, 10**9), st.floats(0.01, 1.1))
    def test_auto_is_the_faster_one(self, plain: int, ratio: float) -> None:
        packed = max(1, int(plain * ratio))
        stored_s = plain / 1e6 / DOWNLOAD_MB_PER_S
        gzip_s = packed / 1e6 / DOWNLOAD_MB_PER_S + plain / 1e6 / INFLATE_MB_PER_S
        seen = from_sizes(plain, packed, "auto")
        if abs(stored_s - gzip_s) > 1e-9 * (1 + gzip_s):
            assert seen.compression == ("stored" if stored_s < gzip_s else "gzip")


class TestMemory:
    @given(st.floats(1, 4900))
    def test_it_is_the_smallest_offer_with_headroom(self, peak: float) -> None:
        chosen = recommended_mb(peak)
        needed = 1.3 * peak * 1e6 / 2**20
        assert chosen >= needed
        assert all(offer < needed for offer in MEMORY_MB if offer < chosen)

    def test_too_much_for_serverless(self) -> None:
        with pytest.raises(FindingsError, match="at most 6144 MB, got 6199 MB"):
            recommended_mb(5000)


class TestQuality:
    def vectors(self, seed: int, count: int = 20) -> Any:
        return np.random.default_rng(seed).standard_normal((count, 8)).astype(np.float32)

    def test_the_same_answers_are_perfect(self) -> None:
        seen = quality(self.vectors(0), self.vectors(0))
        assert (seen.cosine_mean, seen.cosine_min, seen.spearman, seen.top1, seen.top5) == (1, 1, 1, 1, 1)
        assert distance(self.vectors(0), self.vectors(0)) == pytest.approx(0, abs=1e-12)

    def test_scale_does_not_matter(self) -> None:
        assert quality(self.vectors(0), 3 * self.vectors(0)).cosine_min == 1

    def test_one_bad_text_shows_in_the_minimum(self) -> None:
        other = self.vectors(0)
        other[3] *= -1
        assert quality(self.vectors(0), other).cosine_min == -1

    def test_unrelated_answers_are_bad(self) -> None:
        seen = quality(self.vectors(0), self.vectors(1))
        assert abs(seen.cosine_mean) < 0.5
        assert seen.spearman < 0.5

    @pytest.mark.parametrize("value", [np.nan, np.inf])
    def test_answers_that_are_not_finite_are_an_error(self, value: float) -> None:
        other = self.vectors(0)
        other[0, 0] = value
        with pytest.raises(ValueError, match="not finite"):
            quality(self.vectors(0), other)

    @given(st.lists(st.integers(0, 5), min_size=3, max_size=12))
    def test_spearman_with_ties_is_the_textbook_one(self, values: list[int]) -> None:
        from model_packaging.evaluation.evaluate import _ranks

        seen = _ranks(np.array(values, float))
        expected = [sum(v < x for v in values) + (sum(v == x for v in values) + 1) / 2 for x in values]
        assert seen.tolist() == expected


class TestProbe:
    def test_the_sets_are_apart_and_keep_pairs_together(self) -> None:
        probe = load_probe(None)
        assert len(builtin_pairs()) >= 70
        assert not set(probe.selecting) & set(probe.scoring)
        for first, second in builtin_pairs():
            assert (first in probe.selecting) == (second in probe.selecting)

    def test_no_sentence_comes_twice(self) -> None:
        texts = [text for pair in builtin_pairs() for text in pair]
        assert len(set(texts)) == len(texts)

    def test_own_texts(self, tmp_path: Path) -> None:
        (tmp_path / "probe.txt").write_text("\n".join(f"text {index}" for index in range(41)) + "\n\n")
        probe = load_probe(tmp_path / "probe.txt")
        assert (len(probe.selecting), len(probe.scoring)) == (21, 20)

    def test_too_few_different_texts(self, tmp_path: Path) -> None:
        (tmp_path / "probe.txt").write_text("same\n" * 100)
        with pytest.raises(FindingsError, match=r"at least 40 different texts.*got 1"):
            load_probe(tmp_path / "probe.txt")

    def test_a_named_pipe_is_not_waited_for(self, tmp_path: Path) -> None:
        os.mkfifo(tmp_path / "probe.txt")
        with pytest.raises(FindingsError, match=r"must be a UTF-8 text file, got a named pipe"):
            load_probe(tmp_path / "probe.txt")

    @pytest.mark.parametrize("content", [None, b"\xff\xfe\x00"])
    def test_missing_or_not_text(self, tmp_path: Path, content: bytes | None) -> None:
        if content is not None:
            (tmp_path / "probe.txt").write_bytes(content)
        with pytest.raises(FindingsError, match="must be a UTF-8 text file"):
            load_probe(tmp_path / "probe.txt")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4),
    max_leaves=10,
)


class TestRequest:
    @pytest.mark.parametrize("request_", ["a", ["a"], {"inputs": "a"}, {"inputs": ["a"]}])
    def test_what_is_taken(self, request_: Any) -> None:
        assert texts_of(request_) == ["a"]

    @pytest.mark.parametrize(
        ("request_", "says"),
        [
            ({}, "no such key"),
            ({"text": "a"}, "unknown key 'text'"),
            ({"inputs": ["a"], "parameters": {}}, "unknown key 'parameters'"),
            ({"inputs": {"a": 1}}, "got an object"),
            ({"inputs": None}, "got null"),
            (3, "got a number"),
            ([], "got an empty list"),
            (["a", 3], r"inputs\[1\]: expected a text, got a number"),
            ([["a"]], r"inputs\[0\]: expected a text, got a list"),
            ([True], "got a boolean"),
            (["a"] * (MAX_INPUTS + 1), f"at most {MAX_INPUTS} texts"),
            (["\ud800"], "a lone surrogate"),
        ],
    )
    def test_what_is_not(self, request_: Any, says: str) -> None:
        with pytest.raises(BadRequestError, match=says):
            texts_of(request_)

    @given(JSON)
    def test_any_json_is_taken_or_refused(self, value: Any) -> None:
        try:
            texts = texts_of(json.loads(json.dumps(value)))
        except BadRequestError as error:
            assert str(error)
        else:
            assert texts
            assert all(isinstance(each, str) for each in texts)
