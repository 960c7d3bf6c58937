"""The results of a batch: one call for all requests, and one for each request after a failure."""

from __future__ import annotations

import asyncio
import enum
import logging
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from pytriton_plugins import RequestError, Tensor
from pytriton_plugins.errors import PytritonPluginsError
from pytriton_plugins.model.declaration import ModelDeclaration
from pytriton_plugins.text.exceptions import name_of, traced
from pytriton_plugins.worker.calling.batch import Batch, Outcome
from pytriton_plugins.worker.calling.errors import MAX_TEXT, RequestFailure, failure_of, one_line
from pytriton_plugins.worker.calling.runner import BatchRunner, MarkedCallable

A = Tensor("a", np.float32, (-1,))
S = Tensor("s", np.float32, (-1,))
WANTED = frozenset({"s"})


def model(retry_alone: bool = True, inputs: tuple[Tensor, ...] = (A,), max_batch_size: int = 64) -> ModelDeclaration:
    return ModelDeclaration(
        "m", 1, "function", "m", inputs, (S,), retry_alone=retry_alone, max_batch_size=max_batch_size
    )


def batch_of(*requests: list[float]) -> Batch:
    """A batch of requests, each a list with one number for each of its rows."""
    rows = [[number] for request in requests for number in request]
    return Batch({"a": np.array(rows, np.float32)}, tuple(map(len, requests)), (WANTED,) * len(requests))


def run_batch(declaration: ModelDeclaration, callable_: MarkedCallable, batch: Batch) -> list[Outcome]:
    return BatchRunner(declaration, callable_).run(batch)


def values(outcome: Outcome) -> list[Any]:
    assert outcome.error is None
    assert outcome.outputs is not None
    return list(outcome.outputs["s"].ravel().tolist())


def raising(error: BaseException) -> Callable[..., Any]:
    def function(a: Any) -> Any:
        raise error

    return function


def raising_for_negative(error: BaseException) -> Callable[..., Any]:
    def function(a: Any) -> Any:
        if (a < 0).any():
            raise error
        return a

    return function


class Recorder:
    """Doubles its input, records its arguments, and raises for batches with a negative number."""

    def __init__(self) -> None:
        self.calls: list[list[float]] = []

    def __call__(self, a: Any) -> Any:
        self.calls.append(a.ravel().tolist())
        if (a < 0).any():
            raise ValueError("negative")
        return a * 2


def failed(error: Exception) -> RequestFailure:
    (outcome,) = run_batch(model(), raising(error), batch_of([1]))
    assert (outcome.first, outcome.requests, outcome.outputs) == (0, 1, None)
    assert outcome.error is not None
    return outcome.error


def test_a_batch_is_one_call_and_one_outcome() -> None:
    recorder = Recorder()
    (outcome,) = run_batch(model(), recorder, batch_of([1], [2, 3], [4]))
    assert (outcome.first, outcome.requests) == (0, 3)
    assert values(outcome) == [2, 4, 6, 8]
    assert recorder.calls == [[1, 2, 3, 4]]


def test_only_the_request_that_raises_again_fails() -> None:
    recorder = Recorder()
    outcomes = run_batch(model(), recorder, batch_of([1], [2, -3], [4, 5], [6]))
    assert [(outcome.first, outcome.requests) for outcome in outcomes] == [(0, 1), (1, 1), (2, 1), (3, 1)]
    assert outcomes[1].error == RequestFailure("INTERNAL", "ValueError: negative")
    assert [values(outcomes[index]) for index in (0, 2, 3)] == [[2], [8, 10], [12]]
    assert recorder.calls == [[1, 2, -3, 4, 5, 6], [1], [2, -3], [4, 5], [6]]


def test_without_retry_the_whole_batch_fails_and_is_called_once() -> None:
    recorder = Recorder()
    (outcome,) = run_batch(model(retry_alone=False), recorder, batch_of([1], [-2]))
    assert outcome == Outcome(0, 2, None, RequestFailure("INTERNAL", "ValueError: negative"))
    assert recorder.calls == [[1, -2]]


def test_a_request_alone_is_not_called_again() -> None:
    recorder = Recorder()
    (outcome,) = run_batch(model(), recorder, batch_of([1, -2]))
    assert outcome.error is not None
    assert recorder.calls == [[1, -2]]


def test_a_wrong_result_costs_only_its_request() -> None:
    def wide_for_negative(a: Any) -> Any:
        return None if (a < 0).any() else a

    outcomes = run_batch(model(), wide_for_negative, batch_of([1], [-2]))
    assert values(outcomes[0]) == [1]
    message = "model 'm': the callable returned None; return an array for 's'"
    assert outcomes[1].error == RequestFailure("INTERNAL", message)


@pytest.mark.parametrize("retry_alone", [True, False])
def test_text_that_does_not_decode_costs_only_its_request(retry_alone: bool) -> None:
    calls: list[list[str]] = []

    def lengths(text: Any) -> Any:
        calls.append(text.tolist())
        return np.array([[len(item)] for item in text], np.float32)

    raw = np.array([[b"one"], [b"\xff"], [b"three"]], object)
    declaration = model(retry_alone, inputs=(Tensor("text", str, ()),))
    outcomes = run_batch(declaration, lengths, Batch({"text": raw}, (1, 1, 1), (WANTED,) * 3))
    assert [values(outcomes[0]), values(outcomes[2])] == [[3], [5]]
    assert outcomes[1].error is not None
    assert outcomes[1].error.code == "INVALID_ARG"
    assert calls == [["one"], ["three"]]


def test_each_request_alone_is_asked_for_what_it_wants() -> None:
    def partial(a: Any) -> Any:
        if len(a) > 1:
            raise ValueError
        return {}

    batch = Batch({"a": np.ones((2, 1), np.float32)}, (1, 1), (frozenset(), WANTED))
    outcomes = run_batch(model(), partial, batch)
    assert outcomes[0].outputs == {}
    assert outcomes[1].error is not None
    assert "output 's' is missing" in outcomes[1].error.message


def test_without_a_batch_axis_the_arrays_are_the_requests() -> None:
    batch = Batch({"a": np.array([1, 2, 3], np.float32)}, (1,), (WANTED,))
    (outcome,) = run_batch(model(max_batch_size=0), lambda a: a, batch)
    assert values(outcome) == [1, 2, 3]


def test_a_request_error_keeps_its_text_and_code() -> None:
    assert failed(RequestError("no such file type", code="NOT_FOUND")) == RequestFailure(
        "NOT_FOUND", "no such file type"
    )
    assert failed(RequestError("too long")) == RequestFailure("INVALID_ARG", "too long")


ALL_CODES = "INTERNAL, NOT_FOUND, INVALID_ARG, UNAVAILABLE, UNSUPPORTED, ALREADY_EXISTS, CANCELLED, UNKNOWN"


@pytest.mark.parametrize(
    ("code", "meant"),
    [
        ("INVALID_ARGUMENT", "INVALID_ARG, or another of "),
        ("invalid_arg", "INVALID_ARG, or another of "),
        ("UNIMPLEMENTED", "UNSUPPORTED, or another of "),
        (404, "NOT_FOUND, or another of "),
        ("BAD", ""),
        (None, ""),
        ([], ""),
    ],
)
def test_a_code_that_triton_does_not_have_is_refused_where_it_is_written(code: Any, meant: str) -> None:
    with pytest.raises(ValueError, match=r"^RequestError: ") as caught:
        RequestError("x", code=code)
    assert str(caught.value) == f"RequestError: unknown code {code!r}; write {meant}{ALL_CODES}"


def test_an_unknown_keyword_of_a_request_error_is_told_what_was_meant() -> None:
    with pytest.raises(TypeError, match=r"^RequestError: unknown argument 'codes'; write code=$"):
        RequestError("x", codes="NOT_FOUND")  # type: ignore[call-arg]
    with pytest.raises(TypeError, match=r"^RequestError: unknown argument 'status'; its arguments are message, code$"):
        RequestError("x", status=404)  # type: ignore[call-arg]


def test_a_write_into_an_input_is_told_what_to_write_instead(caplog: pytest.LogCaptureFixture) -> None:
    def doubled(a: Any) -> Any:
        a *= 2
        return a

    def sorted_(a: Any) -> Any:
        a.sort()
        return a

    def opened(a: Any) -> Any:
        a[:].flags.writeable = True

    def other(a: Any) -> Any:
        raise ValueError("no luck")

    remedy = "inputs are read-only: write x = x * 2 instead of x *= 2, or change a copy, x = x.copy()"
    for function, fault in (
        (doubled, "output array is read-only"),
        (sorted_, "sort array is read-only"),
        (opened, "cannot set WRITEABLE flag to True of this array"),
    ):
        caplog.clear()
        batch = batch_of([1])
        for array in batch.arrays.values():
            array.flags.writeable = False
        (outcome,) = run_batch(model(), function, batch)
        assert outcome.error == RequestFailure("INTERNAL", f"ValueError: {fault}; {remedy}")
        assert caplog.messages == [f"model m: a request failed; {remedy}"]
    assert failed(ValueError("no luck")) == RequestFailure("INTERNAL", "ValueError: no luck")


def test_a_request_error_made_wrongly_is_still_an_answer(caplog: pytest.LogCaptureFixture) -> None:
    class Own(RequestError):
        def __init__(self) -> None:
            Exception.__init__(self, "own")

    assert failed(Own()) == RequestFailure("INTERNAL", "own")
    assert "Own has no code of Triton's and is sent as INTERNAL: RequestError: unknown code None; write" in caplog.text
    assert failed(RequestError("")) == RequestFailure("INVALID_ARG", "model 'm' refused the request and gave no reason")


class Unprintable:
    def __repr__(self) -> str:
        raise RuntimeError


class UnprintableError(Exception):
    def __str__(self) -> str:
        raise RuntimeError


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (KeyError("x"), "KeyError: 'x'"),
        (ValueError(), "ValueError"),
        (UnprintableError(), "UnprintableError"),
        (StopIteration(3), "StopIteration: 3"),
        (PytritonPluginsError("x"), "PytritonPluginsError: x"),
        (ValueError("two\nlines\x1b[2J\x00"), "ValueError: two\\nlines\\x1b[2J\\x00"),
        (MemoryError(), "MemoryError: model 'm' ran out of memory in its worker"),
        (MemoryError("5 GiB"), "MemoryError: model 'm' ran out of memory in its worker: 5 GiB"),
    ],
)
def test_any_other_exception_is_internal_with_type_and_text(error: Exception, message: str) -> None:
    assert failed(error) == RequestFailure("INTERNAL", message)


class Nameless(type):
    @property
    def __name__(cls) -> str:  # type: ignore[override]
        raise RuntimeError


class HasNoName(Exception, metaclass=Nameless):
    pass


class AttributesRaise(Exception):
    def __getattribute__(self, name: str) -> Any:
        raise RuntimeError


class ClassRaises(Exception):
    @property  # type: ignore[misc]
    def __class__(self) -> Any:
        raise RuntimeError

    __cause__ = __context__ = __traceback__ = __class__


class Text(str):
    def isprintable(self) -> bool:
        raise RuntimeError

    __getitem__ = __format__ = __len__ = __iter__ = encode = isprintable  # type: ignore[assignment]


class StrOfHostileText(Exception):
    def __str__(self) -> str:
        return Text("text")


class StrExits(Exception):
    def __str__(self) -> str:
        raise SystemExit


BROKEN: dict[str, Callable[[], Exception]] = {
    "HasNoName: text": lambda: HasNoName("text"),
    "AttributesRaise: text": lambda: AttributesRaise("text"),
    "ClassRaises: text": lambda: ClassRaises("text"),
    "StrOfHostileText: text": StrOfHostileText,
    "StrExits": StrExits,
}
"""By the client's error; pytest cannot show the exceptions themselves."""


@pytest.mark.parametrize("message", BROKEN)
def test_an_exception_with_broken_methods_is_reported(message: str) -> None:
    """An exception whose own methods raise is reported."""
    bad, good = run_batch(model(), raising_for_negative(BROKEN[message]()), batch_of([-1], [2]))
    assert bad.error == RequestFailure("INTERNAL", message)
    assert values(good) == [2]


@pytest.mark.parametrize("message", BROKEN)
def test_its_traceback_is_shown_as_far_as_it_can_be(message: str) -> None:
    """The traceback of such an exception is logged as far as possible."""
    error, shown = BROKEN[message](), ""
    try:
        raising(error)(0)
    except Exception:
        shown = traced(error)
    assert f'"{__file__}", line {raising.__code__.co_firstlineno + 2}, in function' in shown
    assert name_of(error) in shown


class Unequal:
    """Compares like an array of numpy: the result has no truth value."""

    def __eq__(self, other: object) -> Any:
        return np.zeros(3)

    __hash__ = None  # type: ignore[assignment]


class Code(str, enum.Enum):
    missing = "NOT_FOUND"


class CodeExits(RequestError):
    @property
    def code(self) -> Any:
        raise SystemExit

    @code.setter
    def code(self, value: object) -> None:
        pass


def coded(code: object) -> RequestError:
    error = RequestError("text")
    error.code = code  # type: ignore[assignment]
    return error


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (coded(np.zeros(3)), "INTERNAL"),
        (coded(Unequal()), "INTERNAL"),
        (coded(["NOT_FOUND"]), "INTERNAL"),
        (coded(Text("NOT_FOUND")), "NOT_FOUND"),
        (coded(Code.missing), "NOT_FOUND"),
        (CodeExits("text"), "INTERNAL"),
    ],
)
def test_a_code_of_any_kind_is_sent_as_one_of_tritons(error: RequestError, code: Any) -> None:
    """A code of any type is sent as one of Triton's codes; INTERNAL for an invalid one."""
    failure = failed(error)
    assert failure == RequestFailure(code, "text")
    assert type(failure.code) is str


def test_a_handler_that_raises_costs_no_answer_and_hides_no_error(capfd: pytest.CaptureFixture[str]) -> None:
    class Broken(logging.Handler):
        def handle(self, record: logging.LogRecord) -> bool:
            raise asyncio.CancelledError

    handler = Broken()
    logging.getLogger("pytriton.worker").addHandler(handler)
    try:
        assert failed(ValueError("no luck")) == RequestFailure("INTERNAL", "ValueError: no luck")
    finally:
        logging.getLogger("pytriton.worker").removeHandler(handler)
    output = capfd.readouterr().err
    assert "model m: a request failed (CancelledError while this was logged)" in output
    assert "ValueError: no luck" in output


def test_real_recursion_and_real_lack_of_memory_are_answers() -> None:
    def deeper(a: Any) -> Any:
        return deeper(a)

    def larger(a: Any) -> Any:
        return np.empty(2**60, np.float32)

    for function, beginning in (
        (deeper, "RecursionError: model 'm' called itself too deeply: maximum recursion depth exceeded"),
        (larger, "MemoryError: model 'm' ran out of memory in its worker: Unable to allocate 4.00 EiB"),
    ):
        (outcome,) = run_batch(model(), function, batch_of([1]))
        assert outcome.error is not None
        assert outcome.error.message.startswith(beginning)


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (SystemExit(0), "called sys.exit(0)"),
        (SystemExit(), "called sys.exit()"),
        (SystemExit("no\nluck"), "called sys.exit('no\\nluck')"),
        (KeyboardInterrupt(), "raised KeyboardInterrupt"),
        (SystemExit(UnprintableError()), "called sys.exit(UnprintableError())"),
        (SystemExit(Unprintable()), "called sys.exit(…)"),
    ],
)
def test_an_exception_that_ends_a_process_is_logged_and_ends_the_worker(
    error: BaseException, reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    """SystemExit and the like are logged and end the worker."""
    with pytest.raises(type(error)):
        run_batch(model(), raising(error), batch_of([1], [2]))
    assert caplog.messages == [f"model m: its callable {reason}; this worker ends"]


class PanicError(BaseException):
    """A BaseException, such as a library in Rust raises."""


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (PanicError("at the disco"), "PanicError: at the disco"),
        (GeneratorExit(), "RuntimeError: GeneratorExit: raised by the callable"),
        (asyncio.CancelledError("all of it"), "CancelledError: all of it"),
    ],
)
def test_all_other_exceptions_cost_only_their_requests(error: BaseException, message: str) -> None:
    def function(a: Any) -> Any:
        if (a < 0).any():
            raise error
        return a

    bad, good = run_batch(model(), function, batch_of([-1], [2]))
    assert bad.error == RequestFailure("INTERNAL", message)
    assert values(good) == [2]


def test_the_traceback_goes_to_the_log_and_nowhere_else(caplog: pytest.LogCaptureFixture) -> None:
    message = failed(ValueError("x")).message
    assert "Traceback" not in message
    assert __file__ not in message
    assert [(record.name, record.levelno) for record in caplog.records] == [("pytriton.worker", logging.ERROR)]
    assert "Traceback" in caplog.text
    assert __file__ in caplog.text


def test_a_request_error_is_no_fault_to_log(caplog: pytest.LogCaptureFixture) -> None:
    """A RequestError is not logged."""
    failed(RequestError("x"))
    assert caplog.records == []


def test_nothing_refers_to_the_inputs_once_the_outcomes_are_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    # pytest keeps log records, and with them the traceback and its frames.
    monkeypatch.setattr(logging.getLogger("pytriton.worker"), "disabled", True)
    batch = batch_of([1], [-2])
    run = BatchRunner(model(), Recorder()).run
    before = sys.getrefcount(batch.arrays["a"])
    outcomes = run(batch)
    assert [outcome.error is None for outcome in outcomes] == [True, False]
    del outcomes
    after = sys.getrefcount(batch.arrays["a"])
    assert after == before


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("x" * MAX_TEXT, "x" * MAX_TEXT),
        ("x" * (MAX_TEXT + 1), "x" * (MAX_TEXT - 3) + "…"),
        ("ü" * MAX_TEXT, "ü" * ((MAX_TEXT - 3) // 2) + "…"),
        ("\n" * MAX_TEXT, "\\n" * ((MAX_TEXT - 3) // 2) + "\\…"),
        ("\ud800", "\\ud800"),
        ("größe 🦉", "größe 🦉"),
    ],
)
def test_texts_are_one_line_of_at_most_4000_bytes(text: str, shown: str) -> None:
    assert one_line(text) == shown
    assert len(one_line(text).encode()) <= MAX_TEXT
    assert failure_of(RequestError(text), "m").message == shown
