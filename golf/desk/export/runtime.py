"""Runs an ONNX model as whoever deploys it will: `python -m golf.desk.export.runtime MODEL.onnx`.

A confined process that never loaded the script the model comes from: it says what is in the file, and answers token
ids with ONNX Runtime's logits on the CPU.
"""

import platform
import sys
from collections.abc import Mapping
from typing import Any

import numpy as np

from golf.desk.export.exchange import Answers
from golf.errors import MissingPackage, UnreadableInput


def describe(path: str) -> dict[str, Any]:
    """What the file says of itself.

    Raises:
        UnreadableInput: it is no valid ONNX model.
    """
    import onnx

    try:
        onnx.checker.check_model(path)
        model = onnx.load(path)
    except Exception as error:
        raise UnreadableInput(f"the traced model is no valid ONNX: {' '.join(str(error).split())[:400]}") from error
    return {
        "opset": next((one.version for one in model.opset_import if not one.domain), None),
        "domains": sorted(one.domain for one in model.opset_import if one.domain),
        "ir_version": model.ir_version,
        "nodes": len(model.graph.node),
        "inputs": [_port(one) for one in model.graph.input],
        "outputs": [_port(one) for one in model.graph.output],
    }


def _port(value: Any) -> dict[str, Any]:
    import onnx

    kind = value.type.tensor_type
    return {
        "name": value.name,
        "dtype": onnx.helper.tensor_dtype_to_np_dtype(kind.elem_type).name,
        "shape": [one.dim_param or one.dim_value for one in kind.shape.dim],
    }


def main(arguments: list[str]) -> int:
    """Describe the model in the first argument and answer for it."""
    answers = Answers()
    try:
        try:
            import onnxruntime
        except ImportError as error:
            raise MissingPackage(
                f"{sys.executable} has no {error.name}, and the export is checked with it: "
                f"pip install 'caddie[export]', or {sys.executable} -m pip install onnx onnxruntime"
            ) from None
        said = describe(arguments[0])
        session = onnxruntime.InferenceSession(arguments[0], providers=["CPUExecutionProvider"])
    except BaseException as error:
        answers.fail(error)
        return 2
    python = ".".join(platform.python_version_tuple()[:2])
    answers.say({**said, "onnxruntime": onnxruntime.__version__, "numpy": np.__version__, "python": python})
    name = session.get_inputs()[0].name

    def logits(ids: np.ndarray) -> tuple[np.ndarray, Mapping[str, Any]]:
        return np.asarray(session.run(None, {name: ids.astype(np.int64)})[0]), {}

    answers.serve(logits)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
