"""Every task over HTTP, from a real process: what it takes, what it gives, and what it refuses with which words."""

from __future__ import annotations

import json
import pickle
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import small_models
from serving_process import UP_SECONDS, Served, start, wait_ready

from model_packaging.serving import npy
from model_packaging.serving.request import JSON, MAX_INPUTS, MAX_PAYLOAD, NPY

LABELS = ("calm", "glad", "sad")
MODELS: dict[str, Any] = {
    "text-classification": (small_models.text_classifier, {"labels": LABELS}),
    "token-classification": (small_models.token_classifier, {"labels": ("O", "B-LOC", "I-LOC")}),
    "image-classification": (small_models.image_classifier, {}),
    "generic": (small_models.counter, {}),
    "two": (small_models.two_inputs, {}),
}


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Served]]:
    """A server for each model, all started before the first is waited for."""
    running = {}
    for name, (build, changes) in MODELS.items():
        folder = tmp_path_factory.mktemp(name)
        task = "generic" if name == "two" else name
        running[name] = start(small_models.servable(folder, small_models.spec(folder, task, build(), **changes)))
    try:
        for each in running.values():
            wait_ready(each)
        yield running
    finally:
        for each in running.values():
            each.process.kill()
            each.process.communicate()


def post(served: Served, body: bytes, content: str = NPY, accept: str = JSON) -> tuple[int, Any]:
    status, media, answer = served.send("POST", "/invocations", body, {"Content-Type": content, "Accept": accept})
    return status, npy.read(answer) if media == NPY else json.loads(answer)


def refused(served: Served, body: bytes, content: str = NPY, accept: str = JSON, status: int = 400) -> str:
    """The reason for the refusal, after which the server still answers."""
    got, answer = post(served, body, content, accept)
    assert got == status, answer
    assert served.ask("GET", "/ping")[0] == 200
    return answer["error"]


class TestTextClassification:
    @pytest.fixture
    def served(self, servers: dict[str, Served]) -> Served:
        return servers["text-classification"]

    def test_the_likeliest_class_comes_first_with_its_name(self, served: Served) -> None:
        status, body = served.invoke({"inputs": ["the train is late", "two eggs"]})
        assert status == 200
        for predictions in body["predictions"]:
            scores = [each["score"] for each in predictions]
            assert scores == sorted(scores, reverse=True)
            assert sum(scores) == pytest.approx(1, abs=1e-5)
            assert {each["label"] for each in predictions} == set(LABELS)

    def test_texts_of_one_request_are_answered_as_alone(self, served: Served) -> None:
        texts = ["the train is late", "two", "a long text about the weather in the mountains in late autumn"]
        _, together = served.invoke(texts)
        alone = [served.invoke(text)[1]["predictions"][0] for text in texts]
        for one, other in zip(together["predictions"], alone, strict=True):
            assert [each["label"] for each in one] == [each["label"] for each in other]
            np.testing.assert_allclose([e["score"] for e in one], [e["score"] for e in other], atol=1e-5)

    def test_all_probabilities_as_npy(self, served: Served) -> None:
        status, values = post(served, b'["one", "two"]', JSON, NPY)
        assert status == 200
        assert (values.dtype, values.shape) == (np.float32, (2, 3))
        np.testing.assert_allclose(values.sum(axis=1), 1, atol=1e-6)

    def test_it_takes_texts_and_no_arrays(self, served: Served) -> None:
        reason = refused(served, npy.write(np.zeros((1, 3), np.float32)), status=415)
        assert reason == f"Content-Type must be {JSON}, got {NPY}"


class TestTokenClassification:
    @pytest.fixture
    def served(self, servers: dict[str, Served]) -> Served:
        return servers["token-classification"]

    def test_entities_say_where_in_the_text_they_stand(self, served: Served) -> None:
        text = "the train to the station is late and the bridge is old"
        status, body = served.invoke([text, "late"])
        assert status == 200
        (first, second) = body["entities"]
        assert first
        assert len(second) <= 1
        for each in first:
            assert text[each["start"] : each["end"]] == each["word"]
            assert each["entity"] in ("B-LOC", "I-LOC")
            assert 1 / 3 <= each["score"] <= 1

    def test_a_token_of_no_entity_and_a_special_one_are_left_out(self, served: Served) -> None:
        body = served.invoke(["the the the", ""])[1]
        assert len(body["entities"][0]) in (0, 3)
        assert body["entities"][1] == []

    def test_there_is_no_one_array_for_texts_of_different_length(self, served: Served) -> None:
        assert NPY in refused(served, b'["one"]', JSON, NPY, 406)


class TestImageClassification:
    @pytest.fixture
    def served(self, servers: dict[str, Served]) -> Served:
        return servers["image-classification"]

    def test_images_as_npy_and_as_json(self, served: Served) -> None:
        pictures, names = small_models.images(9, seed=8)
        status, body = post(served, npy.write(pictures))
        assert status == 200
        assert [each[0]["label"] for each in body["predictions"]] == names
        assert served.invoke({"inputs": pictures.tolist()})[1] == body
        values = post(served, npy.write(pictures), accept=NPY)[1]
        assert [small_models.COLOURS[index] for index in values.argmax(axis=1)] == names

    def test_images_of_another_size_are_what_the_model_takes(self, served: Served) -> None:
        pictures, names = small_models.images(3, side=24)
        assert [each[0]["label"] for each in post(served, npy.write(pictures))[1]["predictions"]] == names

    def test_another_number_of_channels(self, served: Served) -> None:
        reason = refused(served, npy.write(np.zeros((1, 4, 16, 16), np.float32)))
        assert "expected shape [any, 3, any, any]" in reason
        assert "got [1, 4, 16, 16]" in reason

    def test_an_image_without_the_axis_of_images(self, served: Served) -> None:
        assert "got [3, 16, 16]" in refused(served, npy.write(np.zeros((3, 16, 16), np.float32)))

    def test_pixels_of_another_type(self, served: Served) -> None:
        assert "expected float32, got uint8" in refused(served, npy.write(np.zeros((1, 3, 8, 8), np.uint8)))

    def test_nan(self, served: Served) -> None:
        assert "finite" in refused(served, npy.write(np.full((1, 3, 8, 8), np.nan, np.float32)))

    def test_no_image_at_all(self, served: Served) -> None:
        assert "got [0, 3, 8, 8]" in refused(served, npy.write(np.zeros((0, 3, 8, 8), np.float32)))

    def test_more_images_than_a_request_may_have(self, served: Served) -> None:
        reason = refused(served, npy.write(np.zeros((MAX_INPUTS + 1, 3, 2, 2), np.float32)))
        assert f"at most {MAX_INPUTS}" in reason

    def test_a_body_over_the_limit(self, served: Served) -> None:
        headers = {"Content-Type": NPY, "Content-Length": str(MAX_PAYLOAD + 1)}
        status, _, answer = served.send("POST", "/invocations", b"\x93NUMPY", headers)
        assert status == 413
        assert str(MAX_PAYLOAD) in json.loads(answer)["error"]
        assert served.ask("GET", "/ping")[0] == 200


class TestGeneric:
    @pytest.fixture
    def served(self, servers: dict[str, Served]) -> Served:
        return servers["generic"]

    def test_rows_as_npy_and_back(self, served: Served) -> None:
        rows = np.arange(40, dtype=np.int32).reshape(5, 8)
        status, values = post(served, npy.write(rows), accept=NPY)
        assert status == 200
        assert values.dtype == np.int32
        np.testing.assert_array_equal(values, rows + 1)

    @pytest.mark.parametrize("count", [1, 2, 511, 512])
    def test_answers_come_in_the_order_of_the_inputs(self, served: Served, count: int) -> None:
        rows = np.arange(count * 8, dtype=np.int32).reshape(count, 8)[::-1]
        np.testing.assert_array_equal(post(served, npy.write(rows), accept=NPY)[1], rows + 1)

    def test_rows_as_json_and_back(self, served: Served) -> None:
        assert served.invoke({"inputs": [[1] * 8]}) == (200, {"outputs": {"more": [[2] * 8]}})
        assert served.invoke({"inputs": {"bytes": [[1] * 8]}})[0] == 200
        assert served.invoke([[1] * 8])[0] == 200

    def test_fortran_order_and_the_other_byte_order_are_the_same_numbers(self, served: Served) -> None:
        rows = np.arange(16, dtype=np.int32).reshape(2, 8)
        for each in (np.asfortranarray(rows), rows.astype(">i4")):
            np.testing.assert_array_equal(post(served, npy.write(each), accept=NPY)[1], rows + 1)

    @pytest.mark.parametrize(
        ("body", "reason"),
        [
            (b"PK\x03\x04 an npz", "the body is not .npy"),
            (b"", "the body is not .npy"),
            (npy.write(np.zeros((1, 8), np.int32))[:-1], "truncated"),
            (npy.write(np.zeros((1, 8), np.int32)) + b"x", "longer than it says"),
            (b"\x93NUMPY\x01\x00\x10\x00{'descr': evil}\n", "header cannot be read"),
            (b"\x93NUMPY\x03\x00\x10\x00\x00\x00{}\n", "version (3, 0)"),
        ],
        ids=["another-magic", "empty", "truncated", "trailing", "header", "version"],
    )
    def test_bytes_that_are_no_array(self, served: Served, body: bytes, reason: str) -> None:
        assert reason in refused(served, body)

    def test_a_header_that_claims_what_no_memory_holds(self, served: Served) -> None:
        body = npy.write(np.zeros((1, 8), np.int32)).replace(b"(1, 8), }" + b" " * 9, b"(9999999999, 8), }")
        assert b"9999999999" in body
        assert "truncated" in refused(served, body)

    def test_an_object_array_is_never_unpickled(self, served: Served) -> None:
        head = b"\x93NUMPY\x01\x00\x3e\x00{'descr': '|O', 'fortran_order': False, 'shape': (1, 8), }   \n"
        reason = refused(served, head + pickle.dumps([None] * 8))
        assert "Python objects (a pickle)" in reason

    @pytest.mark.parametrize(
        ("content", "reason"),
        [
            ({"inputs": [[1.5] * 8]}, "expected int32, got fractions"),
            ({"inputs": [[True] * 8]}, "expected int32, got booleans"),
            ({"inputs": [["a"] * 8]}, "expected int32, got something else"),
            ({"inputs": [[2**31] * 8]}, "a number outside"),
            ({"inputs": [[2**70] * 8]}, "expected int32"),
            ({"inputs": [[1] * 8, [1] * 7]}, "lists of equal length"),
            ({"inputs": [[1] * 7]}, "expected shape [any, 8]"),
            ({"inputs": []}, "expected shape [any, 8]"),
            ({"inputs": 5}, "lists of numbers, got a number"),
            ({"inputs": None}, "got null"),
            ({"input": [[1] * 8]}, "unknown key 'input'"),
            ({"inputs": {"rows": [[1] * 8]}}, "unknown 'rows'"),
            ({}, "no such key"),
        ],
    )
    def test_json_that_is_no_input(self, served: Served, content: Any, reason: str) -> None:
        assert reason in refused(served, json.dumps(content).encode(), JSON)

    def test_a_body_that_is_not_json(self, served: Served) -> None:
        assert "not JSON" in refused(served, b"[[1, 2", JSON)


class TestConnections:
    @pytest.fixture
    def served(self, servers: dict[str, Served]) -> Served:
        return servers["generic"]

    @pytest.mark.parametrize(
        ("head", "status"),
        [
            ("GET /ping HTTP/1.1\r\nContent-Length: 4", 400),
            ("GET /ping HTTP/1.1\r\nTransfer-Encoding: chunked", 400),
            ("POST /invocations HTTP/1.1\r\nContent-Length: 4\r\nContent-Length: 2", 400),
            ("POST /invocations HTTP/1.1\r\nContent-Length: 4\r\nTransfer-Encoding: chunked", 400),
            (f"POST /invocations HTTP/1.1\r\nContent-Length: {'9' * 5000}", 413),
        ],
        ids=["body-of-get", "chunks-of-get", "two-lengths", "length-and-chunks", "digits"],
    )
    def test_nothing_is_read_after_a_request_whose_end_is_not_known(
        self, served: Served, head: str, status: int
    ) -> None:
        with socket.create_connection(("127.0.0.1", served.port), timeout=UP_SECONDS) as raw:
            raw.sendall(f"{head}\r\n\r\n[1]\nGET /ping HTTP/1.1\r\n\r\n".encode())
            said = b""
            while some := raw.recv(65_536):  # the server closes the connection
                said += some
        assert said.startswith(f"HTTP/1.1 {status} ".encode())
        assert said.count(b"HTTP/1.1") == 1
        assert served.ask("GET", "/ping")[0] == 200


class TestSeveralInputsAndOutputs:
    @pytest.fixture
    def served(self, servers: dict[str, Served]) -> Served:
        return servers["two"]

    def test_they_go_by_name(self, served: Served) -> None:
        status, body = served.invoke({"inputs": {"rows": [[1, 0, 0, 0], [0, 2, 0, 0]], "times": [[3], [4]]}})
        assert status == 200
        assert body["outputs"]["doubled"] == [[6], [8]]
        assert np.shape(body["outputs"]["scaled"]) == (2, 4)

    def test_one_is_missing(self, served: Served) -> None:
        body = json.dumps({"inputs": {"rows": [[1, 0, 0, 0]]}}).encode()
        assert "inputs.times: expected an array, got nothing" in refused(served, body, JSON)

    def test_more_of_one_than_of_the_other(self, served: Served) -> None:
        body = json.dumps({"inputs": {"rows": [[1, 0, 0, 0]], "times": [[3], [4]]}}).encode()
        assert "as many examples of each input, got rows 1, times 2" in refused(served, body, JSON)

    def test_a_number_too_large_for_the_type(self, served: Served) -> None:
        body = json.dumps({"inputs": {"rows": [[1e39, 0, 0, 0]], "times": [[3]]}}).encode()
        assert "finite" in refused(served, body, JSON)

    def test_one_array_is_not_enough(self, served: Served) -> None:
        assert "the model takes rows, times" in refused(served, npy.write(np.zeros((1, 4), np.float32)))

    def test_several_outputs_are_no_one_array(self, served: Served) -> None:
        body = json.dumps({"inputs": {"rows": [[1, 0, 0, 0]], "times": [[3]]}}).encode()
        assert "accept application/json" in refused(served, body, JSON, NPY)


def test_an_artifact_whose_canary_was_changed_is_never_served(tmp_path: Path) -> None:
    folder = small_models.servable(tmp_path, small_models.spec(tmp_path, "generic", small_models.counter()))
    card = json.loads((folder / "model.json").read_text())
    card["canary"]["expected"] = [-number for number in card["canary"]["expected"]]
    (folder / "model.json").write_text(json.dumps(card))
    running = start(folder)
    _, errors = running.process.communicate(timeout=UP_SECONDS)
    assert running.process.returncode == 1
    assert "the canary's result is off" in errors


def test_the_largest_requests_of_every_task_are_answered(tmp_path: Path) -> None:
    from model_packaging.serving.card import verify
    from model_packaging.serving.runtime import Runtime

    for name, (build, changes) in MODELS.items():
        folder = tmp_path / name
        folder.mkdir()
        task = "generic" if name == "two" else name
        served = small_models.servable(folder, small_models.spec(folder, task, build(), **changes))
        runtime = Runtime.load(served, verify(served), 1)
        bodies = [len(body) for body, _ in runtime.task.largest()]
        assert max(bodies) <= MAX_PAYLOAD
        assert max(bodies) > (MAX_PAYLOAD // 2 if name in ("image-classification", "text-classification") else 0)
        runtime.answer_largest()
