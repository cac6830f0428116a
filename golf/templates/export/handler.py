"""TorchServe's entry to the exported model; what a request may be is decided by `serve.Model`.

TorchServe's repository was archived on 7 August 2025: no fixes come, security fixes included.
"""

from http import HTTPStatus
from pathlib import Path
from typing import Any

import serve


class Logits:
    """Takes and gives what `serve.py` does: the body of a request of the Open Inference Protocol."""

    def initialize(self, context: Any) -> None:
        """Load the model from the archive that TorchServe unpacked."""
        self.model = serve.Model(Path(context.system_properties["model_dir"]))

    def handle(self, data: list[dict[str, Any]], context: Any) -> list[dict[str, Any]]:
        """One answer per request of a batch; a refused one gets its status, and the others theirs."""
        return [self.answer(one, context, index) for index, one in enumerate(data)]

    def answer(self, request: dict[str, Any], context: Any, index: int) -> dict[str, Any]:
        """Of one request."""
        body = request.get("body", request.get("data"))
        try:
            return self.model.infer(serve.parsed(bytes(body)) if isinstance(body, (bytes, bytearray)) else body)
        except serve.Refused as refusal:
            context.set_response_status(code=refusal.status.value, phrase=HTTPStatus(refusal.status).phrase, idx=index)
            return {"error": str(refusal)}
