"""The candidates of one run: builds each recipe, measures it against the source, and keeps the results."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

from onnx import ModelProto

from model_packaging.artifact.manifest import Candidate, Speed
from model_packaging.evaluation.choose import too_far_only
from model_packaging.evaluation.latency import compare, paired
from model_packaging.evaluation.measure import start_once
from model_packaging.findings import FindingsError, refuse
from model_packaging.onnx_model.assemble import assemble, model_bytes
from model_packaging.onnx_model.optimise import folded, fused
from model_packaging.onnx_model.source import Source
from model_packaging.pipeline.failures import of_the_machine
from model_packaging.pipeline.work import Work
from model_packaging.probes import Probe
from model_packaging.progress import Progress, Report
from model_packaging.quantization.recipe import Attempt, Workbench, recipe_of
from model_packaging.quantization.static_qdq import convolutional
from model_packaging.recipes import RECIPES
from model_packaging.serving.card import verify
from model_packaging.serving.runtime import Runtime
from model_packaging.spec import PackageSpec
from model_packaging.tasks import Packaging

SHORT_ROUNDS, SHORT_BURST = 15, 5
LONG_ROUNDS, LONG_BURST = 8, 2
"""The paired latency measurement: number of rounds, and of runs of each model in a round."""

MARGIN = 0.8
"""The share of the floor's error that is allowed on the selecting inputs, which favour what they selected."""


class Candidates:
    """Builds and measures the candidates of a run."""

    def __init__(
        self, spec: PackageSpec, kind: Packaging, source: Source, probe: Probe, work: Work, report: Report
    ) -> None:
        self._spec, self._kind, self._source, self._probe = spec, kind, source, probe
        self._work, self._report = work, report

    def optimise(self) -> None:
        """Loads the source as it would be served unpackaged, records its outputs, and folds its constants."""
        self._report(Progress("optimise", 0, 2, "the source's own outputs"))
        asked = self._work.folder("asked", self._assembler(self._source.model, {}, optimise=True))
        self._reference = _load(asked)
        task = self._reference.task
        self._canary = self._kind.canary(task.numbers(self._reference.compute(task.sample(), limited=True)))
        build = self._assembler(self._source.model, self._canary, optimise=True)
        self.source_folder = self._work.folder("source", build)
        self._selecting = self._kind.answers(self._reference, self._probe.selecting)
        self._scoring = self._kind.answers(self._reference, self._probe.scoring)
        self._kind.tell_apart(self._spec, self._selecting, self._scoring)
        self._report(Progress("optimise", 1, 2, "folding constants"))
        self._folded = self._work.model("folded", lambda: folded(self._source.model))
        # The layout of convolutions is specific to this machine and cannot be shipped. It is chosen when the model is
        # loaded: that costs a start some milliseconds and saves every run 12 to 43 % on the four models measured.
        self._at_load = convolutional(self._folded)
        self._report(Progress("optimise", 2, 2))

    def measure(self) -> list[Candidate]:
        """Builds and measures every allowed recipe that fits, in order.

        A recipe that fails is recorded with the reason.

        Raises:
            FindingsError: no recipe fits the model.
        """
        bench = self._workbench()
        for name in RECIPES:
            if name in self._spec.tried and (attempt := recipe_of(name).attempt(bench)):
                bench.measured[name] = self._measured(name, attempt)
        if not bench.measured:
            raise refuse(
                "recipes",
                "must name one that fits the model",
                ", ".join(self._spec.recipes or ()),
                "nothing would be tried",
                "name fp32 too, or remove `recipes`: every recipe that fits is tried by default",
            )
        return list(bench.measured.values())

    def folder_of(self, recipe: str) -> Path:
        """The servable folder of a candidate that was built."""
        return self._work.folder(recipe, _must_exist)

    def _workbench(self) -> Workbench:
        floor = self._spec.floor
        return Workbench(
            folded=self._folded,
            calibrating=self._probe.calibrating,
            compressed=self._spec.compression == "gzip",
            error=lambda model: self._kind.error(self._selected(model)),
            near_enough=lambda model: not floor.against(self._selected(model), MARGIN),
            too_far_only=lambda candidate: too_far_only(candidate, floor),
            model=self._work.model,
            value=self._work.value,
            step=lambda done, total, note: self._report(Progress("quantize", done, total, note)),
        )

    def _selected(self, model: ModelProto) -> dict[str, float]:
        """The figures of `model` on the selecting inputs."""
        runtime = self._reference.with_graph(model.SerializeToString())
        return self._kind.figures(self._selecting, self._kind.answers(runtime, self._probe.selecting))

    def _measured(self, recipe: str, attempt: Attempt) -> Candidate:
        def measure() -> dict[str, object]:
            self._report(Progress("evaluate", 0, 1, recipe))
            try:
                folder = self._work.folder(
                    recipe,
                    lambda empty: self._assembler(fused(attempt.build()), self._canary, optimise=self._at_load)(empty),
                )
                runtime = _load(folder)
                answers = self._kind.answers(runtime, self._probe.scoring)
                seen = self._kind.figures(self._scoring, answers, self._probe.labels)
                if not all(map(math.isfinite, seen.values())):
                    raise ValueError("its figures are not finite")
                start = start_once(folder)
            except FindingsError:
                raise
            except (
                Exception
            ) as error:  # quantizers and the runtime raise many exceptions for graphs that they do not support
                # A failure of this machine is no evidence about the model and must not be kept as an outcome.
                if of_the_machine(error):
                    raise
                outcome = f"failed: {(str(error).splitlines() or [type(error).__name__])[0][:300]}"
                return Candidate(recipe=recipe, kept=attempt.kept, outcome=outcome).model_dump(mode="json")
            size = model_bytes(folder)
            candidate = Candidate(
                recipe=recipe,
                kept=attempt.kept,
                size=size,
                size_ratio=round(size / self._source.size, 4),
                **self._kind.recorded(seen),
                speed=self._speed(runtime),
                load_ms=start.phases["load"],
                peak_rss_mb=start.peak_rss_mb,
                outcome="measured",
            )
            return candidate.model_dump(mode="json")

        candidate = Candidate.model_validate(self._work.value(f"candidate-{recipe}", measure))
        first = next(((name, value) for name, value in candidate.figures.items() if name != "n"), None)
        note = f"{recipe}: {first[0].replace('_', ' ')} {first[1]}" if first else candidate.outcome
        self._report(Progress("evaluate", 1, 1, note))
        return candidate

    def _speed(self, runtime: Runtime) -> Speed:
        short, long = self._kind.requests(self._probe, self._reference.task)
        for each in (self._reference, runtime):
            each.compute(long, limited=True)
        found = [
            compare(
                *paired(
                    lambda request=request: runtime.compute(request),
                    lambda request=request: self._reference.compute(request),
                    rounds,
                    burst,
                )
            )
            for request, rounds, burst in ((short, SHORT_ROUNDS, SHORT_BURST), (long, LONG_ROUNDS, LONG_BURST))
        ]
        intervals = [(round(each.low, 3), round(each.high, 3)) if each.low else None for each in found]
        return Speed(
            short_ms=round(found[0].ms, 2),
            long_ms=round(found[1].ms, 2),
            source_short_ms=round(found[0].source_ms, 2),
            source_long_ms=round(found[1].source_ms, 2),
            long_tokens=self._source.max_length,
            long_examples=None if self._source.tokenizer else len(next(iter(long.values()))),
            short_ratio=round(found[0].ratio, 3),
            long_ratio=round(found[1].ratio, 3),
            short_interval=intervals[0],
            long_interval=intervals[1],
        )

    def _assembler(
        self, model: ModelProto, canary: dict[str, Any], *, optimise: bool = False
    ) -> Callable[[Path], None]:
        return lambda folder: assemble(
            folder, model, self._source, self._spec.name, self._spec.task, canary, optimise=optimise
        )


def _load(folder: Path) -> Runtime:
    return Runtime.load(folder, verify(folder), threads=1)


def _must_exist(folder: Path) -> None:
    raise AssertionError(f"{folder} was chosen, so it was built")
