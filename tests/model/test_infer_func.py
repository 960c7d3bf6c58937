"""The declaration that `@infer_func` stores, and the message for each mistake in one."""

from __future__ import annotations

import functools
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from types import FunctionType
from typing import Annotated, Any, TypedDict

import numpy as np
import pytest

from pytriton_plugins import Context, Request, Tensor, infer_func
from pytriton_plugins.errors import DeclarationError
from pytriton_plugins.model.declaration import ModelDeclaration
from pytriton_plugins.model.infer_func import declaration_of

Vector = Annotated[np.ndarray, Tensor(dtype=np.float32, shape=(-1,))]
Maybe = Annotated[np.ndarray, Tensor(dtype=np.float32, shape=(-1,), optional=True)]
Sum = Annotated[np.ndarray, Tensor("sum", np.float32, (-1,))]
BadAlias = "Annotated[np.ndarray, Tensor(np.float32, (-1,))]"

A = Tensor("a", np.float32, (-1,))
B = Tensor("b", np.float32, (-1,))
S = Tensor("s", np.float32, (-1,))


class Both(TypedDict):
    total: Vector
    difference: Vector


class NoTensor(TypedDict):
    total: float


class OtherName(TypedDict):
    total: Sum


def declared(marked: object) -> ModelDeclaration:
    declaration = declaration_of(marked)
    assert declaration is not None
    return declaration


def test_lists_give_the_declaration_and_the_function_stays_a_function() -> None:
    @infer_func(inputs=[A, B], outputs=[S], max_batch_size=8, workers=2, version=3, retry_alone=False, timeout=3)
    def add(a: Any, b: Any) -> Any:
        return a + b

    assert add(1, b=2) == 3
    assert declared(add) == ModelDeclaration(
        name="add",
        version=3,
        kind="function",
        object_name="add",
        inputs=(A, B),
        outputs=(S,),
        max_batch_size=8,
        workers=2,
        retry_alone=False,
        timeout=3,
        settings={},
    )


class Anything:
    def __init__(self, first: int, **more: int) -> None: ...

    def __call__(self, a: Any) -> Any:
        return a


class Something(Anything):
    def __init__(self, weights: str, *, scale: int = 1) -> None: ...


class Nothing:
    def __call__(self, a: Any) -> Any:
        return a


@pytest.mark.parametrize(
    ("marked", "settings"), [(Anything, None), (Something, {"weights": True, "scale": False}), (Nothing, {})]
)
def test_parameters_of_a_class_are_settings(marked: type, settings: dict[str, bool] | None) -> None:
    assert declared(infer_func(inputs=[A], outputs=[S])(marked)).settings == settings


def test_annotations_name_inputs_by_parameter_and_outputs_by_field() -> None:
    @infer_func
    def combine(a: Vector, b: Maybe = None) -> Both:  # type: ignore[assignment]
        return {"total": a + b, "difference": a - b}

    declaration = declared(combine)
    assert declaration.inputs == (A, Tensor("b", np.float32, (-1,), optional=True))
    assert [tensor.name for tensor in declaration.outputs] == ["total", "difference"]
    assert combine(np.float32(3), np.float32(1))["difference"] == 2


def test_one_annotated_return_value_is_the_output() -> None:
    @infer_func(max_batch_size=0)
    def add(a: Vector, b: Vector) -> Sum:
        return np.asarray(a + b)

    assert declared(add).outputs == (Tensor("sum", np.float32, (-1,)),)
    assert not declared(add).batched


def test_an_annotation_with_a_name_reaches_the_parameter_under_its_own() -> None:
    @infer_func(outputs=[S])
    def classify(images: Annotated[np.ndarray, Tensor("images:0", np.uint8, (-1,))]) -> Any:
        return images

    assert declared(classify).inputs == (Tensor("images:0", np.uint8, (-1,), arg="images"),)


@pytest.mark.parametrize("hint", ["Vector | None", "Optional[Vector]", "Annotated[np.ndarray | None, VECTOR]"])
@pytest.mark.parametrize("future", [True, False])
def test_annotations_are_found_inside_optional_with_and_without_strings(hint: str, future: bool) -> None:
    names: dict[str, Any] = {"__name__": "made", "np": np, "infer_func": infer_func, "Tensor": Tensor}
    source = f"""{"from __future__ import annotations" if future else ""}
from typing import Annotated, Optional
VECTOR = Tensor(dtype=np.float32, shape=(-1,), optional=True)
Vector = Annotated[np.ndarray, VECTOR]
@infer_func(outputs=[Tensor("s", np.float32, (-1,))])
def f(a: {hint} = None): return a
"""
    exec(compile(source, "made.py", "exec", dont_inherit=True), names)
    assert declared(names["f"]).inputs == (Tensor("a", np.float32, (-1,), optional=True),)


def test_a_typed_dict_may_leave_fields_out_in_its_type() -> None:
    names: dict[str, Any] = {"Vector": Vector, "__name__": "made", "infer_func": infer_func, "A": A}
    source = """
import sys
if sys.version_info >= (3, 11):
    from typing import NotRequired, TypedDict
    class Out(TypedDict):
        s: NotRequired[Vector]
else:
    from typing import TypedDict
    class Out(TypedDict, total=False):
        s: Vector
@infer_func(inputs=[A])
def f(a) -> Out: return {"s": a}
"""
    exec(compile(source, "made.py", "exec", dont_inherit=True), names)
    assert declared(names["f"]).outputs == (S,)


def test_a_class_is_declared_by_its_call_and_made_with_settings() -> None:
    @infer_func(name="scaled")
    class Scale:
        def __init__(self, *, factor: float = 2.0) -> None:
            self.factor = factor

        def __call__(self, a: Vector) -> Sum:
            return np.asarray(a * np.float32(self.factor))

        def close(self) -> None:
            self.factor = 0.0

        def is_ready(self) -> bool:
            return self.factor != 0.0

    declaration = declared(Scale)
    assert (declaration.name, declaration.kind, declaration.object_name) == ("scaled", "class", "Scale")
    assert declaration.inputs == (A,)
    assert Scale(factor=3.0)(a=np.float32(2)) == 6


def test_only_the_marked_class_itself_is_marked() -> None:
    @infer_func(inputs=[A], outputs=[S])
    class Base:
        def __call__(self, a: Any) -> Any:
            return a

    class Child(Base):
        pass

    assert declaration_of(Child) is None
    assert declaration_of(len) is None
    infer_func(inputs=[A], outputs=[S], name="child")(Child)
    assert (declared(Child).name, declared(Base).name) == ("child", "Base")


def test_a_decorator_between_keeps_the_parameters_and_above_keeps_the_mark() -> None:
    def logged(function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            return function(*args, **kwargs)

        return wrapper

    @infer_func
    @logged
    def below(a: Vector) -> Sum:
        return a

    @logged
    @infer_func
    def above(a: Vector) -> Sum:
        return a

    assert declared(below).inputs == declared(above).inputs == (A,)


def test_names_in_annotations_are_those_of_the_wrapped_functions_module() -> None:
    elsewhere: dict[str, Any] = {}
    exec(
        "from functools import wraps\ndef plain(f): return wraps(f)(lambda *args, **named: f(*args, **named))",
        elsewhere,
    )

    def function(a: Vector) -> Sum:
        return a

    assert declared(infer_func(elsewhere["plain"](function))).inputs == (A,)


def test_double_star_takes_all_and_arg_renames() -> None:
    strange = Tensor("images:0", np.uint8, (-1,))

    @infer_func(inputs=[strange, A], outputs=[S])
    def collect(a: Any, **inputs: Any) -> Any:
        return a

    @infer_func(inputs=[Tensor("class", np.uint8, (-1,), arg="kind")], outputs=[S])
    def renamed(kind: Any) -> Any:
        return kind

    assert declared(collect).inputs == (strange, A)
    assert declared(renamed).inputs[0].arg == "kind"


def test_annotations_that_do_not_matter_need_not_resolve() -> None:
    @infer_func(inputs=[A], outputs=[S])
    def add(a: OnlyForTypeCheckers) -> OnlyForTypeCheckers:  # type: ignore[name-defined]  # noqa: F821
        return a

    assert declared(add).inputs == (A,)


@pytest.mark.parametrize("name", ["a", "A-1_b", "_x", "9", "x" * 64])
def test_model_names(name: str) -> None:
    assert declared(infer_func(inputs=[A], outputs=[S], name=name)(lambda a: a)).name == name


def test_a_configuration_is_kept_as_it_stands() -> None:
    config = {"dynamic_batching": {"max_queue_delay_microseconds": 500}}
    marked = infer_func(inputs=[A], outputs=[S], name="m", triton_config=config)(lambda a: a)
    assert declared(marked).triton_config == config


def f_a(a: Any) -> Any:
    return a


class Method:
    def __call__(self, a: Any) -> Any:
        return a

    def method(self, a: Any) -> Any:
        return a


def mark(function: Any, **arguments: Any) -> Any:
    """Marks a new copy, so that several cases can use one function."""
    if isinstance(function, FunctionType):
        copy = FunctionType(function.__code__, function.__globals__, function.__name__, function.__defaults__)
        copy.__annotations__ = function.__annotations__
        copy.__kwdefaults__ = function.__kwdefaults__
        copy.__qualname__ = function.__name__
        function = copy
    return infer_func(**arguments)(function) if arguments else infer_func(function)


def plain(a: Any, b: Any) -> Any: ...
def positional_only(a: Any, /) -> Any: ...
def starred(*arrays: Any) -> Any: ...
def everything(**inputs: Any) -> Any: ...
def with_default(a: Any, temperature: float = 1.0) -> Any: ...
def two_contexts(a: Vector, ctx: Context, more: Context) -> Sum: ...  # type: ignore[empty-body]
def hidden_context(a: Vector, ctx: Hidden.Context) -> Sum: ...  # type: ignore[name-defined, empty-body]  # noqa: F821
def context_by_place(ctx: Context, /, a: Vector) -> Sum: ...  # type: ignore[empty-body]
def contexts(a: Vector, *ctx: Context) -> Sum: ...  # type: ignore[empty-body]
def context_and_all(ctx: Context, **inputs: Any) -> Any: ...
def only_context(ctx: Context) -> Sum: ...  # type: ignore[empty-body]
def one_request(request: Request) -> Any: ...
def one_request_beside(a: Any, request: Request) -> Any: ...
def requests_by_place(requests: list[Request], /) -> Any: ...
def requests_and_inputs(requests: list[Request], a: Any) -> Any: ...
def requests_and_all(requests: list[Request], **inputs: Any) -> Any: ...
def two_lists(requests: list[Request], more: list[Request]) -> Any: ...
def hidden_requests(requests: list[Hidden.Request]) -> Any: ...  # type: ignore[name-defined]  # noqa: F821
def tuple_of_requests(requests: tuple[Request, ...]) -> Any: ...
def with_requests(requests: list[Request]) -> Any: ...
def with_requests_and_context(requests: Sequence[Request], *, ctx: Context | None = None) -> Any: ...
def with_context(a: Vector, ctx: Context) -> Sum: ...  # type: ignore[empty-body]
def annotated(a: Vector) -> Sum: ...  # type: ignore[empty-body]
def unresolved(a: Missing) -> Sum: ...  # type: ignore[name-defined, empty-body]  # noqa: F821
def unresolved_return(a: Vector) -> Missing: ...  # type: ignore[name-defined]  # noqa: F821
def bad_tensor(a: BadAlias) -> Sum: ...  # type: ignore[valid-type, empty-body]
def tensor_itself(a: A) -> Sum: ...  # type: ignore[valid-type, empty-body]
def no_annotations(a, b): ...  # type: ignore[no-untyped-def]
def half_annotated(a: Vector, b: int) -> Sum: ...  # type: ignore[empty-body]
def no_parameters() -> Sum: ...  # type: ignore[empty-body]
def unnamed_return(a: Vector) -> Vector: ...  # type: ignore[empty-body]
def pair_return(a: Vector) -> tuple[Sum, Sum]: ...  # type: ignore[empty-body]
def field_without(a: Vector) -> NoTensor: ...  # type: ignore[empty-body]
def field_renamed(a: Vector) -> OtherName: ...  # type: ignore[empty-body]
def required(a: Maybe) -> Sum: ...  # type: ignore[empty-body]
def two_tensors(a: Annotated[np.ndarray, A, B]) -> Sum: ...  # type: ignore[empty-body]
def wrong_arg(a: Annotated[np.ndarray, Tensor("x", np.uint8, (1,), arg="y")]) -> Sum: ...  # type: ignore[empty-body]
async def asynchronous(a: Vector) -> Sum: ...  # type: ignore[empty-body]
async def plain_async(a: Any) -> Any: ...
def generator(a: Any) -> Iterator[Any]:
    yield a


async def async_generator(a: Any) -> AsyncIterator[Any]:
    yield a


def requests_generator(requests: list[Request]) -> Iterator[Any]:
    yield requests


async def requests_async_generator(requests: list[Request]) -> AsyncIterator[Any]:
    yield requests


async def with_requests_async(requests: list[Request], ctx: Context) -> Any: ...


def größe(a: Vector) -> Sum: ...  # type: ignore[empty-body]


class NoCall: ...


class StaticCall:
    @staticmethod
    def __call__(a: Any) -> Any: ...


class BadClose(Method):
    close = 3


class AsyncReady(Method):
    async def is_ready(self) -> bool:
        return True


class AsyncClose(Method):
    async def close(self) -> None: ...


class Awaited:
    async def __call__(self, a: Any) -> Any: ...

    async def close(self) -> None: ...

    def is_ready(self) -> bool:
        return True


class AwaitedReady(Awaited):
    async def is_ready(self) -> bool:  # type: ignore[override]
        return True


class Yields:
    def __call__(self, a: Any, ctx: Context) -> Iterator[Any]:
        yield a


class YieldsToo(Yields):
    """Inherits its __call__."""


class YieldsAwaited(Awaited):
    async def __call__(self, a: Any) -> Any:
        yield a


class PositionalSettings(Method):
    def __init__(self, path: str, /) -> None: ...


LISTS: dict[str, Any] = {"inputs": [A], "outputs": [S]}
ON = "@infer_func on "
MISTAKES: list[tuple[Callable[[], Any], str]] = [
    (lambda: mark(annotated, inputs=[A]),
     "annotated: parameter 'a' is annotated with a Tensor beside inputs=; keep one of the two"),
    (lambda: mark(annotated, outputs=[S]),
     "annotated: the return value is annotated with a Tensor beside outputs=; keep one of the two"),
    (lambda: mark(unresolved),
     "unresolved: parameter 'a' cannot be resolved (name 'Missing' is not defined); "
     "move that name to module level, out of functions and TYPE_CHECKING"),
    (lambda: mark(unresolved_return),
     "unresolved_return: the return annotation cannot be resolved (name 'Missing' is not defined); "
     "move that name to module level, out of functions and TYPE_CHECKING"),
    (lambda: mark(bad_tensor),
     "bad_tensor: parameter 'a': Tensor: the first positional argument is the name, not <class 'numpy.float32'>; "
     'write Tensor("image", np.uint8, (-1, -1, 3)), or keywords inside Annotated: Tensor(dtype=…, shape=…)'),
    (lambda: mark(tensor_itself, outputs=[S]), "tensor_itself: parameter 'a' "),
    (lambda: mark(plain, **LISTS), "plain: parameter 'b' is not an input (inputs: a); declare it as one or remove it"),
    (lambda: mark(with_default, **LISTS),
     "with_default: parameter 'temperature' is not an input (inputs: a); declare it as one or remove it"),
    (lambda: mark(half_annotated),
     "half_annotated: parameter 'b' is not an input (inputs: a); declare it as one or remove it"),
    (lambda: mark(f_a, inputs=[A, B], outputs=[S]),
     "f_a: no parameter takes input 'b'; add a parameter b, or **inputs"),
    (lambda: mark(positional_only, **LISTS),
     "positional_only: parameter 'a' is positional-only; inputs come by name, remove the /"),
    (lambda: mark(starred, **LISTS),
     "starred: parameter 'arrays' with * gets nothing: inputs come by name; write **inputs to take all"),
    (lambda: mark(everything, outputs=[S]), "everything: **inputs does not name the inputs; write inputs=[Tensor("),
    (lambda: mark(two_contexts), "two_contexts: parameters ctx and more are both Context; keep one of them"),
    (lambda: mark(hidden_context),
     "hidden_context: parameter 'ctx' cannot be resolved (name 'Hidden' is not defined); "
     "move that name to module level, out of functions and TYPE_CHECKING"),
    (lambda: mark(context_by_place),
     "context_by_place: parameter 'ctx' is positional-only; inputs come by name, remove the /"),
    (lambda: mark(contexts), "contexts: parameter 'ctx' with * gets nothing: inputs come by name"),
    (lambda: mark(only_context),
     'only_context: it has no inputs; write inputs=[Tensor("input", np.float32, (-1,))]'),
    (lambda: mark(context_and_all, inputs=[Tensor("it", np.uint8, (1,), arg="ctx")], outputs=[S]),
     "context_and_all: input 'it' and the Context both go to parameter 'ctx'; rename the parameter"),
    (lambda: mark(only_context, inputs=[Tensor("ctx", np.uint8, (1,))]),
     "only_context: input 'ctx' and the Context both go to parameter 'ctx'; rename the parameter"),
    (lambda: mark(one_request, **LISTS),
     "one_request: parameter 'request' is not a list of requests; write request: list[Request]"),
    (lambda: mark(one_request_beside, **LISTS),
     "one_request_beside: parameter 'request' is not a list of requests; write request: list[Request]"),
    (lambda: mark(requests_by_place, **LISTS),
     "requests_by_place: parameter 'requests' is positional-only; inputs come by name, remove the /"),
    (lambda: mark(requests_and_inputs, **LISTS),
     "requests_and_inputs: parameter 'a' stands beside requests: list[Request], which holds the inputs; remove it"),
    (lambda: mark(requests_and_all, **LISTS),
     "requests_and_all: parameter 'inputs' stands beside requests: list[Request], which holds the inputs; remove it"),
    (lambda: mark(two_lists, **LISTS),
     "two_lists: parameters requests and more are both list[Request]; keep one of them"),
    (lambda: mark(hidden_requests, **LISTS),
     "hidden_requests: parameter 'requests' cannot be resolved (name 'Hidden' is not defined); move that name"),
    (lambda: mark(tuple_of_requests, **LISTS),
     "tuple_of_requests: parameter 'requests' is not a list of requests; write requests: list[Request]"),
    (lambda: mark(with_requests, outputs=[S]),
     "with_requests: list[Request] does not name the inputs; write inputs=[Tensor("),
    (lambda: mark(with_requests, inputs=[A]), "with_requests: it has no outputs; write outputs=["),
    (lambda: mark(requests_generator, **LISTS),
     "requests_generator: a generator answers one request at a time; take the inputs by name instead of list[Request]"),
    (lambda: mark(requests_async_generator, **LISTS),
     "requests_async_generator: a generator answers one request at a time; take the inputs by name"),
    (lambda: mark(f_a, inputs=[Tensor("images:0", np.uint8, (-1,))], outputs=[S]),
     "f_a: the name 'images:0' of input 'images:0' cannot be a parameter; "
     "write Tensor('images:0', …, arg=\"images_0\"), or take **inputs"),
    (lambda: mark(f_a, inputs=[Tensor("class", np.uint8, (-1,))], outputs=[S]),
     "f_a: the name 'class' of input 'class' cannot be a parameter; "
     "write Tensor('class', …, arg=\"x_class\"), or take **inputs"),
    (lambda: mark(f_a, inputs=[Tensor("in", np.uint8, (-1,), arg="1st")], outputs=[S]),
     "f_a: the arg '1st' of input 'in' cannot be a parameter; write Tensor('in', …, arg=\"x_1st\"), or take **inputs"),
    (lambda: mark(f_a, inputs=[A, A], outputs=[S]), "f_a: two inputs are named 'a'; rename one of them"),
    (lambda: mark(f_a, inputs=[A], outputs=[S, S]), "f_a: two outputs are named 's'; rename one of them"),
    (lambda: mark(f_a, inputs=[A, Tensor("x", np.uint8, (1,), arg="a")], outputs=[S]),
     "f_a: inputs 'a' and 'x' both go to parameter 'a'; give one of them another arg="),
    (lambda: mark(no_annotations, outputs=[S]),
     'no_annotations: it has no inputs; write inputs=[Tensor("a", np.float32, (-1,)), …], '
     "or a: Annotated[np.ndarray, Tensor(dtype=np.float32, shape=(-1,))]"),
    (lambda: mark(no_parameters), 'no_parameters: it has no inputs; write inputs=[Tensor("input", np.float32, (-1,))]'),
    (lambda: mark(f_a, inputs=[], outputs=[S]), "f_a: it has no inputs; write inputs=["),
    (lambda: mark(f_a, inputs=[A]),
     'f_a: it has no outputs; write outputs=[Tensor("output", np.float32, (-1,))], or annotate the return value: '
     '-> Annotated[np.ndarray, Tensor("sum", np.float32, (-1,))]'),
    (lambda: mark(pair_return), "pair_return: it has no outputs; write outputs=["),
    (lambda: mark(unnamed_return),
     "unnamed_return: the return annotation has no output name; "
     'write Annotated[np.ndarray, Tensor("sum", np.float32, (-1,))]'),
    (lambda: mark(field_without),
     "field_without: TypedDict NoTensor, field 'total' does not declare a tensor; "
     "write total: Annotated[np.ndarray, Tensor(dtype=np.float32, shape=(-1,))]"),
    (lambda: mark(field_renamed),
     "field_renamed: TypedDict OtherName, field 'total' names its tensor 'sum'; "
     "remove that name, the field's is used"),
    (lambda: mark(two_tensors), "two_tensors: parameter 'a' has 2 tensors; write one"),
    (lambda: mark(wrong_arg),
     "wrong_arg: parameter 'a' is annotated with arg='y'; remove arg=, the input has the name of its parameter"),
    (lambda: mark(required),
     "required: input 'a' is optional and its parameter has no default; write a=None"),
    (lambda: mark(f_a, inputs=[A], outputs=[Tensor("s", np.uint8, (1,), optional=True)]),
     "f_a: output 's' is optional; only inputs can be, remove optional=True"),
    (lambda: mark(f_a, inputs=A, outputs=[S]), "f_a: inputs= is a Tensor; write a list: inputs=[Tensor(…), …]"),
    (lambda: mark(f_a, inputs={"a": A}, outputs=[S]), "f_a: inputs= is a dict; write a list"),
    (lambda: mark(f_a, inputs=[A], outputs=["s"]),
     "f_a: outputs= holds 's'; write Tensor(\"image\", np.uint8, (-1, -1, 3))"),
    (lambda: mark(f_a, inputs=[Tensor(dtype=np.uint8, shape=(1,))], outputs=[S]),
     'f_a: a Tensor in inputs= has no name; write it first: Tensor("image", …)'),
    (lambda: mark(f_a, inputs=[Tensor("a\n", np.uint8, (1,), arg="a")], outputs=[S]),
     "f_a: input 'a\\n' has control characters in its name; remove them"),
    *(
        (lambda name=name: mark(f_a, name=name, **LISTS),
         f'f_a: invalid model name {name!r}; write name="…" with 1 to 64 of A-Z a-z 0-9 _ -, not beginning with -')
        for name in ("", "-x", "a b", "a/b", "../x", "a\n", "ä", "x" * 65, 3, b"x")
    ),
    (
        lambda: mark(f_a, name="pytriton_gate", **LISTS),
        "f_a: model name 'pytriton_gate' is reserved for the daemon's own models; "
        'write name="…" that does not begin with pytriton_gate',
    ),
    (lambda: mark(größe), "größe: invalid model name 'größe'; write name="),
    (lambda: infer_func(**LISTS)(lambda a: a),
     'a lambda has no name; write @infer_func(name="my_model", …) or use def'),
    *(
        (lambda name=name, value=value: mark(f_a, **{name: value}, **LISTS),
         f"f_a: {name}={value!r}; write a whole number from {least} up{more}")
        for name, least, more, values in (
            ("version", 1, "", (0, -1, True, 1.0, "1", None, 2**31)),
            ("max_batch_size", 0, " (0: no batch axis)", (-1, False, 8.0, None)),
            ("workers", 1, "", (0, True, np.int64(2))),
        )
        for value in values
    ),
    *(
        (lambda value=value: mark(f_a, timeout=value, **LISTS),
         f"f_a: timeout={value!r}; write seconds from 0.001 to 86400, or omit it")
        for value in (0, -1, True, "3", 86401, float("nan"), float("inf"))
    ),
    (lambda: mark(f_a, retry_alone=1, **LISTS), "f_a: retry_alone=1; write True or False"),
    (lambda: mark(f_a, triton_config="x", **LISTS),
     'f_a: triton_config is a str; write a dict such as {"response_cache": {"enable": True}}'),
    (lambda: mark(f_a, triton_config={"x": np.float32(1)}, **LISTS),
     "f_a: triton_config cannot be written as JSON (Object of type float32 is not JSON serializable); use str"),
    (lambda: mark(f_a, triton_config={"response_cache": {"enable": True}}, **LISTS),
     "f_a: Triton's response cache compares the bytes of an input and not its shape, and input a can have the same"),
    (lambda: mark(f_a, triton_config={"instance_group": []}, **LISTS),
     "f_a: triton_config has 'instance_group', which the daemon writes itself; write workers=… instead"),
    *(
        (lambda function=function: mark(function, outputs=[S], inputs=[A], threads=2),
         f"{function.__name__}: threads= is for a plain def; write max_concurrency= for an async def")
        for function in (plain_async, async_generator, Awaited)
    ),
    *(
        (lambda function=function: mark(function, outputs=[S], inputs=[A], max_concurrency=2),
         f"{function.__name__}: max_concurrency= is for an async def; write threads= for a plain def")
        for function in (f_a, generator, Method)
    ),
    *(
        (lambda name=name, function=function, value=value: mark(function, **{name: value}, **LISTS),
         f"{function.__name__}: {name}={value!r}; write a whole number from 1 to 256")
        for name, function in (("threads", f_a), ("max_concurrency", plain_async))
        for value in (0, -1, True, 2.0, "2", 257, np.int64(2))
    ),
    (lambda: mark(f_a, threads=None, **LISTS), "f_a: threads=None; write a whole number from 1 to 256"),
    (lambda: infer_func(**LISTS)(Method()), "it is an instance of Method; mark a function or a class"),
    (lambda: infer_func(**LISTS)(functools.partial(f_a)), "it is an instance of partial; mark a function or a class"),
    (lambda: infer_func(**LISTS)(np.add), "it is an instance of ufunc; mark a function or a class"),
    (lambda: infer_func(**LISTS)(Method().method),
     "Method.method: it is a method; mark its class and name the method __call__, or mark a function"),
    (lambda: infer_func(**LISTS)(Method.method), "Method.method: it is a method; mark its class"),
    (lambda: infer_func(**LISTS)(staticmethod(f_a)), "f_a: it is a method; mark its class"),
    (lambda: mark(NoCall, **LISTS),
     "NoCall: the class has no __call__; write def __call__(self, …) that takes the inputs"),
    (lambda: mark(StaticCall, **LISTS),
     "StaticCall: its __call__ is a staticmethod; write it as a plain def __call__(self, …)"),
    (lambda: mark(BadClose, **LISTS),
     "BadClose: close is not a method; write def close(self), or give it another name"),
    (lambda: mark(AsyncReady, **LISTS),
     "AsyncReady: is_ready() is async; write a plain def is_ready(self)"),
    (lambda: mark(AwaitedReady, **LISTS),
     "AwaitedReady: is_ready() is async; write a plain def is_ready(self)"),
    (lambda: mark(AsyncClose, **LISTS),
     "AsyncClose: close() is async; write a plain def close(self), or make __call__ async too"),
    (lambda: mark(PositionalSettings, **LISTS),
     "PositionalSettings: parameter 'path' of __init__ is positional-only; settings come by name, remove the /"),
    (lambda: infer_func(**LISTS)(mark(f_a, **LISTS)),
     "f_a: it is already marked; mark each callable once, and write a second function for a second model"),
]  # fmt: skip


Facts = tuple[str, int, str, str]
"""How it answers, its slots, and the parameters that get the context and the requests."""

FORMS: list[tuple[Any, dict[str, Any], Facts]] = [
    (f_a, LISTS, ("plain", 1, "", "")),
    (f_a, {**LISTS, "threads": 3}, ("plain", 3, "", "")),
    (f_a, {**LISTS, "threads": 256}, ("plain", 256, "", "")),
    (asynchronous, {}, ("async", 8, "", "")),
    (plain_async, {**LISTS, "max_concurrency": 1}, ("async", 1, "", "")),
    (plain_async, {**LISTS, "threads": 1}, ("async", 8, "", "")),
    (generator, LISTS, ("stream", 1, "", "")),
    (generator, {**LISTS, "threads": 4}, ("stream", 4, "", "")),
    (async_generator, {**LISTS, "max_concurrency": 5}, ("async_stream", 5, "", "")),
    (with_context, {}, ("plain", 1, "ctx", "")),
    (context_and_all, LISTS, ("plain", 1, "ctx", "")),
    (with_requests, LISTS, ("plain", 1, "", "requests")),
    (with_requests, {**LISTS, "max_batch_size": 0}, ("plain", 1, "", "requests")),
    (with_requests_and_context, {**LISTS, "threads": 2}, ("plain", 2, "ctx", "requests")),
    (with_requests_async, LISTS, ("async", 8, "ctx", "requests")),
    (Method, {**LISTS, "threads": 2}, ("plain", 2, "", "")),
    (Awaited, {**LISTS, "max_concurrency": 2}, ("async", 2, "", "")),
    (Yields, LISTS, ("stream", 1, "ctx", "")),
    (YieldsToo, {**LISTS, "threads": 2}, ("stream", 2, "ctx", "")),
    (YieldsAwaited, LISTS, ("async_stream", 8, "", "")),
]


@pytest.mark.parametrize(("marked", "arguments", "facts"), FORMS, ids=lambda each: getattr(each, "__name__", None))
def test_each_form_declares_its_answers(marked: Any, arguments: dict[str, Any], facts: Facts) -> None:
    if isinstance(marked, type):
        marked = type(marked.__name__, (marked,), {})  # a subclass is not marked
    declaration = declared(mark(marked, **arguments))
    assert (declaration.answers, declaration.slots, declaration.context, declaration.requests) == facts
    assert declaration.inputs == (A,)
    assert declaration.is_async is facts[0].startswith("async")
    assert declaration.streams is facts[0].endswith("stream")
    assert declaration.takes_requests is bool(facts[3])
    assert declaration.has_details is bool(facts[2] or facts[3])


def test_requests_one_by_one_may_have_inputs_of_any_name_and_need_no_defaults() -> None:
    inputs = [Tensor("images:0", np.uint8, (-1,)), Tensor("class", np.uint8, (1,), optional=True)]
    assert declared(mark(with_requests, inputs=inputs, outputs=[S])).inputs == tuple(inputs)


def logged(function: Any) -> Any:
    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)

    return wrapper


def logged_parts(function: Any) -> Any:
    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        yield from function(*args, **kwargs)

    return wrapper


def test_the_form_of_a_decorators_wrapper_counts() -> None:
    """The wrapper's form counts: one that yields streams, one that returns answers once."""

    class Logged(Yields):
        __call__ = logged_parts(Yields.__call__)

    class Once(Yields):
        __call__ = logged(Yields.__call__)

    declarations = [declared(mark(each, **LISTS)) for each in (Logged, Once)]
    assert [each.answers for each in declarations] == ["stream", "plain"]
    assert [each.context for each in declarations] == ["ctx", "ctx"]
    assert declared(infer_func(**LISTS)(logged_parts(generator))).answers == "stream"


TYPES_ONLY = """from __future__ import annotations
from typing import TYPE_CHECKING
from pytriton_plugins import Tensor, infer_func
if TYPE_CHECKING:
    from pytriton_plugins import Context, Request
@infer_func(inputs=[Tensor("a", "float32", (-1,))], outputs=[Tensor("s", "float32", (-1,))])
def f({parameters}): ...
"""


@pytest.mark.parametrize(
    ("parameters", "parameter", "name"),
    [("a, ctx: Context", "ctx", "Context"), ("requests: list[Request]", "requests", "Request")],
)
def test_an_import_for_type_checkers_only_is_an_error_with_the_remedy(
    parameters: str, parameter: str, name: str
) -> None:
    source = compile(TYPES_ONLY.format(parameters=parameters), "made.py", "exec", dont_inherit=True)
    with pytest.raises(DeclarationError) as caught:
        exec(source, {"__name__": "made"})
    assert str(caught.value) == (
        f"@infer_func on f: parameter {parameter!r} cannot be resolved (name {name!r} is not defined); "
        "move that name to module level, out of functions and TYPE_CHECKING"
    )


@pytest.mark.parametrize(("make", "message"), MISTAKES, ids=[f"{n}-{m[:40]}" for n, (_, m) in enumerate(MISTAKES)])
def test_a_mistake_is_one_sentence_where_it_is_made(make: Callable[[], Any], message: str) -> None:
    with pytest.raises(DeclarationError) as caught:
        make()
    text = str(caught.value)
    assert text.startswith(ON)
    assert message in text
    assert "\n" not in text


ALL_ARGUMENTS = (
    "its arguments are inputs, outputs, name, version, max_batch_size, workers, threads, max_concurrency, retry_alone, "
    "timeout, triton_config, calls, sequence"
)


@pytest.mark.parametrize(
    ("keyword", "hint"),
    [
        ("output", "write outputs="),
        ("batch", "write max_batch_size="),
        ("batch_size", "write max_batch_size="),
        ("num_workers", "write workers="),
        ("concurrency", "write max_concurrency="),
        ("Timeout", "write timeout="),
        ("device", ALL_ARGUMENTS),
        ("a", ALL_ARGUMENTS),
    ],
)
def test_an_unknown_keyword_is_told_what_was_meant(keyword: str, hint: str) -> None:
    with pytest.raises(DeclarationError) as caught:
        infer_func(inputs=[A], **{keyword: 1})  # type: ignore[call-overload]
    assert str(caught.value) == f"@infer_func: unknown argument {keyword!r}; {hint}"


@pytest.mark.parametrize("given", ["add", [A], A, (A,)])
def test_positional_arguments_are_told_to_go_by_keyword(given: Any) -> None:
    with pytest.raises(DeclarationError, match="arguments go by keyword; write @infer_func"):
        infer_func(given)


def test_a_tensor_in_an_annotation_without_strings_is_refused() -> None:
    def function(a: Any) -> Any: ...

    function.__annotations__["a"] = A
    # 3.10 refuses the annotation itself, before it can be seen that it is a Tensor.
    with pytest.raises(DeclarationError, match=r"parameter 'a' .*; write Annotated\[np.ndarray, Tensor\("):
        infer_func(outputs=[S])(function)


def test_an_alias_inside_a_function_is_told_to_move() -> None:
    Local = Annotated[np.ndarray, A]

    def function(a: Local) -> Sum: ...  # type: ignore[empty-body]

    with pytest.raises(DeclarationError, match=r"name 'Local' is not defined.*move that name to module level"):
        infer_func(function)


def test_nothing_heavy_is_imported_for_an_author() -> None:
    heavy = ("pluggy", "tritonclient", "grpc", "attrs", "attr", "importlib_metadata", "click", "rich")
    code = f"""
import sys, numpy as np
from pytriton_plugins import RequestError, Tensor, infer_func
@infer_func(inputs=[Tensor("a", np.float32, (-1,))], outputs=[Tensor("s", np.float32, (-1,))])
def f(a): return a
print([name for name in {heavy} if name in sys.modules])
from pytriton_plugins import hookimpl
print(hookimpl.project_name, "pluggy" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["[]", "pytriton_plugins True"]


def test_other_names_are_not_in_the_package() -> None:
    import pytriton_plugins

    with pytest.raises(AttributeError, match="has no attribute 'Contxt'"):
        pytriton_plugins.Contxt  # type: ignore[attr-defined]  # noqa: B018


def test_the_package_alone_imports_not_even_numpy() -> None:
    code = """
import sys, pytriton_plugins
print("numpy" in sys.modules)
print(sorted(set(pytriton_plugins.__all__) - set(dir(pytriton_plugins))))
from pytriton_plugins import *
print(Tensor.__module__, infer_func.__module__, RequestError.__module__, type(hookimpl).__name__)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [
        "False",
        "[]",
        "pytriton_plugins.model.tensors pytriton_plugins.model.infer_func pytriton_plugins.errors HookimplMarker",
    ]
