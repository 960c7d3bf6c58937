"""The strings model for Triton's python backend."""

import triton_python_backend_utils as pb_utils  # type: ignore[import-not-found]


class TritonPythonModel:
    """y = x, in an array of its own."""

    def execute(self, requests: list[object]) -> list[object]:
        """One response for each request."""
        inputs = (pb_utils.get_input_tensor_by_name(request, "x") for request in requests)
        return [pb_utils.InferenceResponse([pb_utils.Tensor("y", x.as_numpy().copy())]) for x in inputs]
