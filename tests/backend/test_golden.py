"""The C side of docs/reference/protocol.md in a real tritonserver, compared with the vectors written by hand."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import numpy as np
import pytest
import tritonclient.grpc
from google.protobuf import json_format, text_format
from numpy.typing import NDArray
from tritonclient.grpc import model_config_pb2
from tritonclient.utils import InferenceServerException

from pytriton_plugins.host.triton.options import ServerSettings, command_line
from pytriton_plugins.host.triton.repository import add_model, create_repository, model_config
from pytriton_plugins.model.tensors import Tensor
from pytriton_plugins.shm.declaration import pack_declaration
from pytriton_plugins.shm.long import sealed_file
from pytriton_plugins.shm.sockets import receive, send, socket_pair
from pytriton_plugins.shm.wire import (
    CHANNEL_MESSAGE,
    DONE,
    NEW_SEGMENT,
    TensorEntry,
    response_block,
)
from pytriton_plugins.testing import wait_until
from pytriton_plugins.testing.ports import held_ports
from pytriton_plugins.values import Ports
from tests.support.backend.golden import golden
from tests.support.backend.server import (
    GOLDEN,
    TIMEOUT,
    WAIT,
    Arrays,
    Backend,
    error_of,
    found_server,
    infer,
    sealed,
    wait_listening,
)
from tests.support.backend.worker_end import WorkerEnd
from tests.support.traffic.scrape import value

TOGETHER = {"dynamic_batching": {"preferred_batch_size": [3], "max_queue_delay_microseconds": 60_000_000}}
"""Triton waits for three rows and passes them as one batch."""


def texts(*items: bytes) -> NDArray[Any]:
    array = np.empty((len(items), 1), object)
    array[:, 0] = items
    return array


def pending(backend: Backend) -> float:
    with urlopen(f"http://127.0.0.1:{backend.ports.metrics}/metrics") as response:
        lines = response.read().decode().splitlines()
    (line,) = [line for line in lines if line.startswith("nv_inference_pending_request_count{")]
    return float(line.split()[-1])


def test_two_requests_become_the_golden_request_and_get_the_golden_response(backend: Backend) -> None:
    backend.serve(5, replace(GOLDEN, triton_config=TOGETHER), golden("declaration", "declaration"))
    worker = backend.connect(5, segment=7)
    first = backend.infer("golden", {"x": np.array([[1, 2]], np.float32), "text": texts(b"a")})
    wait_until(lambda: pending(backend) == 1, TIMEOUT, "the first request waits in Triton's queue")
    x = np.array([[3, 4], [5, 6]], np.float32)
    second = backend.infer("golden", {"x": x, "text": texts(b"bc", b"")}, ("y",))

    worker.receive()
    assert worker.heard == [golden("channel", "execute"), golden("channel", "segment")]
    assert worker.request is not None
    expected = golden("request", "block") + golden("request", "tensors")
    assert bytes(worker.request.view[: len(expected)]) == expected

    response = sealed(1 << 16, golden("response", "tensors") + golden("response", "block"))
    worker.send(golden("channel", "done"), response)
    os.close(response)
    outputs = first.result(TIMEOUT)
    np.testing.assert_array_equal(outputs["y"], np.array([[10, 20]], np.float32))
    assert outputs["label"].tolist() == [[b"ok"]]
    error = error_of(second)
    assert (error.message(), error.status()) == ("2 rows: é!", "StatusCode.INVALID_ARGUMENT")
    backend.disconnect(worker)


def test_a_request_that_wants_some_of_many_outputs(backend: Backend) -> None:
    outputs = tuple(Tensor(f"y{number}", np.float32, (-1,)) for number in range(65))
    model = replace(GOLDEN, name="many_outputs", outputs=outputs)
    backend.serve(6, model, pack_declaration(model, wait=WAIT, largest_response=1 << 20))
    worker = backend.connect(6)
    answer = backend.infer("many_outputs", {"x": np.array([[1, 2]], np.float32)}, ("y0", "y64"))
    message = worker.receive()
    assert worker.request is not None
    assert bytes(worker.request.view[: message.length]) == golden("request", "many_outputs")
    entries = [TensorEntry(index, 11, 0, 1, 0, 8, (1, 2)) for index in (0, 64)]
    block = response_block([(0, b"")], entries)
    response = sealed(4096, golden("response", "tensors")[:64] + bytes(block))
    worker.send(CHANNEL_MESSAGE.pack(DONE, NEW_SEGMENT, 0, 900, message.batch, 64, len(block)), response)
    os.close(response)
    assert {name: y.tolist() for name, y in answer.result(TIMEOUT).items()} == {"y0": [[10, 20]], "y64": [[10, 20]]}
    backend.disconnect(worker)


class Conversation:
    """A tritonserver whose backend link is a plain socket: its messages are the vectors, byte for byte."""

    def __init__(self, folder: Path, ports: Ports) -> None:
        create_repository(folder / "repository")
        add_model(folder / "repository", GOLDEN)
        (folder / "repository/golden/config.pbtxt").write_text(config_text())
        settings = ServerSettings(allow=("shared-memory", "model-repository", "trace", "logging"))
        command = command_line(found_server(), settings, ports, folder / "repository", "")
        self.link, theirs = socket_pair()
        self.link.settimeout(TIMEOUT)
        self.log = folder / "log"
        env = {**os.environ, "PYTRITON_BACKEND_LINK": str(theirs.fileno())}
        with theirs, self.log.open("wb") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, pass_fds=[theirs.fileno()], env=env)
        self.grpc, self.metrics = f"127.0.0.1:{ports.grpc}", f"127.0.0.1:{ports.metrics}"
        self.clients = ThreadPoolExecutor(4)
        wait_listening(ports)

    def say(self, name: str, *descriptors: int, payload: bytes = b"") -> None:
        send(self.link, golden("backend_link", name) + payload, descriptors)

    def hear(self, name: str) -> None:
        assert receive(self.link) == (golden("backend_link", name), [])

    def connect(self) -> WorkerEnd:
        ours, theirs = socket_pair()
        segment = sealed(4096)
        self.say("channel", theirs.fileno(), segment)
        theirs.close()
        os.close(segment)
        return WorkerEnd(6, ours, TIMEOUT)

    def request(self, width: int) -> Future[Arrays]:
        return self.clients.submit(infer, self.grpc, "golden", {"x": np.ones((1, width), np.float32)})

    def wait_read(self) -> None:
        """Wait until the backend has read every message, because a request may overtake them."""
        self.say("count")
        assert receive(self.link)[0]

    def holds_one(self) -> bool:
        self.say("count")
        return receive(self.link)[0] == golden("backend_link", "ack_count")

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        self.link.close()
        self.clients.shutdown()


def config_text() -> str:
    message = json_format.ParseDict(model_config(GOLDEN, 1, (3,)), model_config_pb2.ModelConfig())
    return str(text_format.MessageToString(message))


@pytest.fixture
def conversation(tmp_path: Path) -> Iterator[Conversation]:
    with held_ports() as ports:
        conversation = Conversation(tmp_path, Ports(*ports))
        yield conversation
        conversation.close()


def test_a_declaration_that_stands_in_a_file(conversation: Conversation) -> None:
    """The message that replaces the declaration has the size of the file."""
    conversation.say("hello")
    conversation.hear("backend_hello")
    file = sealed_file(golden("declaration", "declaration"))
    conversation.say("long_model", file)
    os.close(file)
    conversation.hear("ack")


def test_a_whole_conversation_over_the_backend_link(conversation: Conversation) -> None:
    conversation.say("hello")
    conversation.hear("backend_hello")
    conversation.say("model", payload=golden("declaration", "declaration"))
    conversation.hear("ack")
    with tritonclient.grpc.InferenceServerClient(conversation.grpc) as client:
        client.load_model("golden")
        the_gate(conversation, client)
        client.unload_model("golden")
        conversation.hear("model_gone")
        client.load_model("golden")
    for each in ("ensemble", "ensemble", "ensemble_withdrawn"):
        conversation.say(each)
        conversation.hear("ack")
    metrics(conversation)
    retiring(conversation)
    a_larger_segment(conversation)
    giving_up(conversation)
    a_refusal_and_the_end(conversation)
    conversation.link.close()
    assert conversation.process.wait(TIMEOUT) == 1
    assert "pytriton backend: the daemon exited; ending tritonserver" in conversation.log.read_text()


def the_gate(conversation: Conversation, client: tritonclient.grpc.InferenceServerClient) -> None:
    conversation.say("gate_open")
    conversation.hear("ack")
    client.load_model("pytriton_gate")
    client.unload_model("pytriton_gate")
    wait_until(client.is_server_ready, TIMEOUT, "the server is ready")
    conversation.say("gate_closed")
    conversation.hear("ack")
    with pytest.raises(InferenceServerException, match="the gate is closed"):
        client.load_model("pytriton_gate")
    assert not client.is_server_ready()


def metrics(conversation: Conversation) -> None:
    conversation.say("metric", payload=golden("metric", "counter") + golden("metric", "histogram"))
    conversation.hear("ack")
    assert value(conversation.metrics, "pytriton_golden_one", model="m", colour='ré"\\') == 2.5
    assert value(conversation.metrics, "pytriton_golden_size_sum", model="m") == 3.75


def retiring(conversation: Conversation) -> None:
    """A retired channel ends when it is idle: at once, or after its batch."""
    idle = conversation.connect()
    conversation.say("retire")
    assert idle.ended()
    idle.close()
    busy = conversation.connect()
    answer = conversation.request(1)
    busy.receive()
    conversation.say("retire")
    block = response_block([(3, b"no, thanks")], [])
    segment = sealed(4096, bytes(block))
    busy.send(CHANNEL_MESSAGE.pack(DONE, NEW_SEGMENT, 0, 8, 1, 0, len(block)), segment)
    os.close(segment)
    assert error_of(answer).message() == "no, thanks"
    assert busy.ended()
    busy.close()


def a_larger_segment(conversation: Conversation) -> None:
    worker = conversation.connect()
    answer = conversation.request(17440)
    conversation.hear("need")
    segment = sealed(1 << 17)
    conversation.say("segment", segment)
    os.close(segment)
    message = worker.receive()
    assert (message.segment, message.flags, message.batch) == (9, 1, 1)
    assert worker.block(message).inputs[0].dims == (1, 17440)
    for question in ("count", "busy"):
        conversation.say(question)
        conversation.hear("ack_count")
    worker.close()
    conversation.hear("channel_lost")
    assert "its worker ended while it ran this request" in error_of(answer).message()


def giving_up(conversation: Conversation) -> None:
    waiting = conversation.request(1)
    wait_until(conversation.holds_one, TIMEOUT, "the backend holds the request")
    conversation.say("give_up")
    for answer in (waiting, conversation.request(1)):
        assert error_of(answer).message() == "model golden is out of service: no luck"
    conversation.say("take_back")
    conversation.wait_read()


def a_refusal_and_the_end(conversation: Conversation) -> None:
    worker = conversation.connect()
    answer = conversation.request(17440)
    conversation.hear("need_again")
    conversation.say("refused")
    assert error_of(answer).message() == "model golden: too much"
    conversation.say("channel_gone")
    assert worker.ended()
    worker.close()
    waiting = conversation.request(1)
    wait_until(conversation.holds_one, TIMEOUT, "the backend holds the request")
    conversation.say("stop")
    assert error_of(waiting).message() == "model golden: the server is stopping"
