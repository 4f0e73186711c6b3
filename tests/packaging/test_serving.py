"""The container contract, asked over HTTP of the real model in a real process."""

from __future__ import annotations

import http.client
import io
import json
import shutil
import signal
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from serving_process import UP_SECONDS, Served, start, wait_ready

from model_packaging.serving.request import MAX_INPUTS, MAX_PAYLOAD


@pytest.fixture(scope="module")
def served(unpacked: Path) -> Iterator[Served]:
    running = start(unpacked)
    try:
        wait_ready(running)
        yield running
    finally:
        running.process.kill()
        running.process.communicate()


def test_ping_says_how_long_each_phase_took(served: Served) -> None:
    status, body = served.ask("GET", "/ping")
    assert (status, body["status"]) == (200, "ready")
    assert list(body["phases"]) == ["python", "imports", "verify", "load", "canary"]
    # What is verified while libraries are imported was not waited for.
    assert body["phases"]["verify"] >= 0
    assert all(value > 0 for phase, value in body["phases"].items() if phase != "verify")


def test_paraphrases_are_nearer_than_other_sentences(served: Served) -> None:
    texts = ["The train is late.", "The train is delayed.", "Add two eggs to the flour."]
    status, body = served.invoke({"inputs": texts})
    first, second, other = np.array(body["embeddings"])
    assert status == 200

    def alike(one: Any, two: Any) -> float:
        return float(one @ two / np.linalg.norm(one) / np.linalg.norm(two))

    assert alike(first, second) > alike(first, other) + 0.3


def test_answers_come_in_the_order_of_the_inputs(served: Served) -> None:
    texts = [
        "a long sentence about the weather in the mountains in late autumn",
        "short",
        "of middle length, this one",
    ] * 9
    _, together = served.invoke(texts)
    for text, vector in zip(texts[:3], together["embeddings"], strict=False):
        alone = np.array(served.invoke(text)[1]["embeddings"][0])
        assert np.array(vector) @ alone / np.linalg.norm(vector) / np.linalg.norm(alone) > 0.99


def test_a_bare_text_is_one_input(served: Served) -> None:
    assert len(served.invoke("hello")[1]["embeddings"]) == 1
    assert served.invoke("hello") == served.invoke({"inputs": ["hello"]})


@pytest.mark.parametrize("text", ["", " ", "\0", "漢字" * 200, "🚆", "word " * 5000])
def test_odd_texts_are_answered(served: Served, text: str) -> None:
    status, body = served.invoke([text])
    assert status == 200
    assert np.isfinite(body["embeddings"]).all()


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"", "the body is not JSON"),
        (b"{", "the body is not JSON"),
        (b"\xff\xfe", "the body is not JSON"),
        (b"[" * 100_000, "the body is not JSON"),
        (b'{"text": "a"}', "unknown key 'text'"),
        (b'{"inputs": [1]}', "inputs[0]: expected a text, got a number"),
        (b'["\\ud800"]', "a lone surrogate"),
        (json.dumps(["a"] * (MAX_INPUTS + 1)).encode(), f"at most {MAX_INPUTS} texts"),
    ],
)
def test_json_that_the_model_does_not_take_is_400_and_the_process_stays(served: Served, body: bytes, says: str) -> None:
    status, answer = served.ask("POST", "/invocations", body)
    assert status == 400
    assert says in answer["error"]
    assert served.invoke("still there")[0] == 200


def test_a_payload_over_4_mb_is_413(served: Served) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", served.port, timeout=UP_SECONDS)
    connection.putrequest("POST", "/invocations")
    connection.putheader("Content-Type", "application/json")
    connection.putheader("Content-Length", str(MAX_PAYLOAD + 1))
    connection.endheaders()
    answer = connection.getresponse()
    assert answer.status == 413
    assert str(MAX_PAYLOAD) in json.loads(answer.read())["error"]
    assert served.invoke("still there")[0] == 200


def test_a_payload_of_4_mb_is_answered(served: Served) -> None:
    body = json.dumps({"inputs": ["a" * (MAX_PAYLOAD - 20)]}).encode()
    assert MAX_PAYLOAD - 20 < len(body) <= MAX_PAYLOAD
    assert served.ask("POST", "/invocations", body)[0] == 200


@pytest.mark.parametrize("content_type", ["text/csv", "application/octet-stream", "application/x-pickle"])
def test_another_content_type_is_415(served: Served, content_type: str) -> None:
    status, answer = served.ask("POST", "/invocations", b"x", content_type)
    assert status == 415
    assert content_type in answer["error"]


def test_an_npy_answer_is_the_json_answer(served: Served) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", served.port, timeout=UP_SECONDS)
    connection.request("POST", "/invocations", b'["one", "two"]', {"Accept": "application/x-npy"})
    answer = connection.getresponse()
    assert (answer.status, answer.headers["Content-Type"]) == (200, "application/x-npy")
    vectors = np.load(io.BytesIO(answer.read()), allow_pickle=False)
    assert (vectors.dtype, vectors.shape) == (np.float32, (2, 384))
    np.testing.assert_allclose(vectors, served.invoke(["one", "two"])[1]["embeddings"], atol=1e-6)


def test_an_answer_in_another_form_is_406(served: Served) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", served.port, timeout=UP_SECONDS)
    connection.request("POST", "/invocations", b'["one"]', {"Accept": "text/csv"})
    answer = connection.getresponse()
    assert answer.status == 406
    assert "text/csv" in json.loads(answer.read())["error"]


@pytest.mark.parametrize("content_type", [None, "application/json; charset=utf-8"])
def test_json_content_types(served: Served, content_type: str | None) -> None:
    assert served.ask("POST", "/invocations", b'"hello"', content_type)[0] == 200


@pytest.mark.parametrize(("method", "path"), [("GET", "/"), ("POST", "/predict")])
def test_another_path_is_404(served: Served, method: str, path: str) -> None:
    assert served.ask(method, path, b'"x"' if method == "POST" else None)[0] == 404


def test_a_length_is_required(served: Served) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", served.port, timeout=UP_SECONDS)
    connection.putrequest("POST", "/invocations")
    connection.putheader("Content-Type", "application/json")
    connection.endheaders()
    assert connection.getresponse().status == 411


def test_a_client_that_goes_away_half_way_does_no_harm(served: Served) -> None:
    with socket.create_connection(("127.0.0.1", served.port)) as raw:
        raw.sendall(b"POST /invocations HTTP/1.1\r\nContent-Length: 1000\r\n\r\nhalf")
    assert served.invoke("still there")[0] == 200


def test_requests_at_the_same_time_each_get_their_answer(served: Served) -> None:
    alone = {text: served.invoke(text) for text in ("one", "two", "three", "four")}
    found: dict[str, Any] = {}
    threads = [threading.Thread(target=lambda text=text: found.update({text: served.invoke(text)})) for text in alone]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert found == alone


def test_sigterm_answers_what_was_asked_and_ends(unpacked: Path) -> None:
    running = start(unpacked)
    wait_ready(running)
    # Long enough to be under way at the signal, and done on a busy machine before a drain ends.
    body = json.dumps(["word " * 400] * 16).encode()
    with socket.create_connection(("127.0.0.1", running.port), timeout=UP_SECONDS) as asked:
        head = f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\nExpect: 100-continue\r\n"
        asked.sendall(f"POST /invocations HTTP/1.1\r\n{head}\r\n".encode())
        # Whoever says so has taken the request.
        assert asked.recv(1024).startswith(b"HTTP/1.1 100 Continue")
        asked.sendall(body)
        running.process.send_signal(signal.SIGTERM)
        answer = http.client.HTTPResponse(asked)
        answer.begin()
        assert answer.status == 200
        assert len(json.load(answer)["embeddings"]) == 16
    output, errors = running.process.communicate(timeout=UP_SECONDS)
    assert running.process.returncode == 0, errors
    assert "ready after" in output


@pytest.mark.parametrize("file", ["model.onnx.data", "tokenizer.json", "model.onnx"])
def test_a_changed_file_is_never_served(unpacked: Path, tmp_path: Path, file: str) -> None:
    folder = tmp_path / "model"
    shutil.copytree(unpacked, folder)
    content = bytearray((folder / file).read_bytes())
    content[len(content) // 2] ^= 1
    (folder / file).write_bytes(content)
    running = start(folder)
    _, errors = running.process.communicate(timeout=UP_SECONDS)
    assert running.process.returncode == 1
    assert "its sha256 differs from the card's" in errors


def test_a_model_that_answers_something_else_is_never_served(unpacked: Path, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(unpacked, folder)
    card = json.loads((folder / "model.json").read_text())
    card["canary"]["expected"] = [-value for value in card["canary"]["expected"]]
    (folder / "model.json").write_text(json.dumps(card))
    running = start(folder)
    _, errors = running.process.communicate(timeout=UP_SECONDS)
    assert running.process.returncode == 1
    assert "the canary's result is off" in errors


def test_a_port_in_use_is_said(served: Served, unpacked: Path) -> None:
    second = start(unpacked, served.port)
    _, errors = second.process.communicate(timeout=UP_SECONDS)
    assert second.process.returncode == 1
    assert f"cannot listen on 127.0.0.1:{served.port}" in errors
