"""Calls the identity model by the python backend's BLS."""

import triton_python_backend_utils as pb_utils  # type: ignore[import-not-found]
from timed_calls import nanoseconds  # type: ignore[import-not-found]


def call(x: object) -> object:
    """The answer of the identity model."""
    tensors = [pb_utils.Tensor("x", x)]
    request = pb_utils.InferenceRequest(model_name="identity", requested_output_names=["y"], inputs=tensors)
    response = request.exec()
    if response.has_error():
        raise RuntimeError(response.error().message())
    return pb_utils.get_output_tensor_by_name(response, "y").as_numpy()


class TritonPythonModel:
    """The time of each call."""

    def execute(self, requests: list[object]) -> list[object]:
        """One response for each request."""
        return [self.answer(request) for request in requests]

    def answer(self, request: object) -> object:
        """The response to one request."""
        names = ("elements", "calls")
        elements, calls = (pb_utils.get_input_tensor_by_name(request, name).as_numpy().item() for name in names)
        found = nanoseconds(call, elements, calls)
        return pb_utils.InferenceResponse([pb_utils.Tensor("nanoseconds", found.reshape(1, -1))])
