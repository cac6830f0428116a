"""A toy checkpoint of the naive baseline, and its export through the entry point."""

import sys
from pathlib import Path
from typing import Any

import pytest

from golf.cli import main
from golf.desk.export.exported import Export

onnxruntime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed: pip install 'caddie[export]'")
pytest.importorskip("onnxscript", reason="onnxscript is not installed: pip install 'caddie[export]'")
torch = pytest.importorskip("torch", reason="torch is not installed")

NAIVE = Path(__file__).parents[2] / "baselines" / "naive" / "train_gpt.py"
SMALL = {"NUM_LAYERS": 2, "MODEL_DIM": 16, "NUM_HEADS": 2, "NUM_KV_HEADS": 1, "VOCAB_SIZE": 40, "TRAIN_SEQ_LEN": 24}
ENV = [word for key, value in SMALL.items() for word in ("--env", f"{key}={value}")]


def exported(folder: Path) -> tuple[Path, Export]:
    """The toy checkpoint as an export with an app that serves it: its folder, and what is said of it."""
    weights, out = folder / "toy.pt", folder / "toy_onnx"
    torch.save(baseline().state_dict(), weights)
    argv = ["export", str(weights), "--script", str(NAIVE), *ENV, "--serve", "onnxruntime", "--out", str(out)]
    assert main(argv) == 0
    return out, Export.model_validate_json((out / "export.json").read_text())


def baseline() -> Any:
    """The naive baseline's model at the size of SMALL, always with the same weights."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "path", [*sys.path])
        patch.setattr(sys, "argv", [*sys.argv])
        for key, value in SMALL.items():
            patch.setenv(key, str(value))
        from golf.measure import script_model

        module = script_model.load_script(NAIVE)
        model = script_model.build_model(module, module.Hyperparameters())
    drawn = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim > 1:
                parameter.copy_(torch.randn(parameter.shape, generator=drawn) * 0.3)
    return model.eval()
