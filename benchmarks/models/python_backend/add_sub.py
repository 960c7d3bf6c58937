"""add-sub for Triton's python backend."""

import triton_python_backend_utils as pb_utils  # type: ignore[import-not-found]


class TritonPythonModel:
    """Both at once."""

    def execute(self, requests: list[object]) -> list[object]:
        """One response for each request."""
        return [self.answer(request) for request in requests]

    def answer(self, request: object) -> object:
        """The response to one request."""
        a, b = (pb_utils.get_input_tensor_by_name(request, name).as_numpy() for name in ("a", "b"))
        return pb_utils.InferenceResponse([pb_utils.Tensor("sum", a + b), pb_utils.Tensor("difference", a - b)])
