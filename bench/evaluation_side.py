"""One side of a row of speed_evaluation.py, in a process of its own, which measures itself.

    python bench/evaluation_side.py challenge|golf|floor SPEC.json

`challenge` is the challenge's evaluation loop written plainly: consecutive batches of windows, the script's mean loss
of each weighed by its tokens (of a sliding window, the losses of its last `stride` targets), in the quickest of the
batches that the spec names. `golf` is what the scoring worker does once it has model and data. Prints JSON: wall and
CPU seconds of scoring, a probe of batch and threads included, but not the trial of golf's forward, which is once per
evaluation and stands apart as `trial_s`; the peak memory; and the number. `floor` computes no number: it does the
matrix products and the attention that no evaluation of the baseline model can leave out, with the fastest kernels torch
has on a CPU, each core by itself, and nothing between them.
"""

import json
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
import torch.nn.functional as F

from golf.measure import forward, pace
from golf.measure.script_model import build_model, fit_weights, load_script
from golf.measure.shards import Stream
from golf.measure.windows import Windows, score


def challenge(model: Any, stream: Stream, windows: Windows, rows: int, device: torch.device) -> float:
    """Nats per token, `rows` windows at a time; every window in full."""
    T, stride = windows.seq_len, windows.stride
    tokens = torch.from_numpy(stream.read(0, windows.targets + 1).astype("int64"))
    nats, count = 0.0, 0
    for begin in range(0, len(windows), rows):
        starts = [index * stride for index in range(begin, min(begin + rows, len(windows)))]
        x = torch.stack([tokens[at : at + T] for at in starts]).to(device)
        y = torch.stack([tokens[at + 1 : at + T + 1] for at in starts]).to(device)
        if stride == T:
            nats += model(x, y).double().item() * y.numel()
            count += y.numel()
            continue
        logits = model.logits(x).flatten(0, 1).float()
        losses = F.cross_entropy(logits, y.flatten(), reduction="none").view(y.shape)
        for at, row in zip(starts, losses, strict=True):
            some = row if at == 0 else row[-stride:]
            nats += some.double().sum().item()
            count += some.numel()
    return nats / count


def floor(settings: Any, windows: Windows) -> Any:
    """The baseline model's products and attention over `windows`, on random numbers."""
    T, scored = windows.seq_len, windows.stride
    C, H, KV = settings.model_dim, settings.num_heads, settings.num_kv_heads
    D, hidden, layers = C // H, settings.mlp_mult * C, settings.num_layers
    x, wide = torch.randn(T, C), torch.randn(T, hidden)
    q, kv = torch.randn(1, T, H, D).transpose(1, 2), torch.randn(1, T, KV, D).transpose(1, 2)
    visible = torch.ones(scored, T, dtype=torch.bool).tril(T - scored)

    def product(fan_in: int, fan_out: int) -> Callable[[int], object]:
        packed = torch.ops.mkldnn._reorder_linear_weight(torch.randn(fan_out, fan_in))
        some = wide if fan_in == hidden else x
        return lambda rows: torch.ops.mkldnn._linear_pointwise(some[-rows:], packed, None, "none", [], "")

    def attend(rows: int) -> object:
        mask = None if rows == T else visible
        return F.scaled_dot_product_attention(
            q[:, :, -rows:], kv, kv, attn_mask=mask, is_causal=mask is None, scale=1.0, enable_gqa=H != KV
        )

    kinds = [product(C, C), product(C, 2 * KV * D), attend, product(C, C), product(C, hidden), product(hidden, C)]
    head = product(C, settings.vocab_size)

    @torch.inference_mode()
    def window(index: int) -> None:
        needed = scored if index else T
        for layer in range(layers):
            is_last = layer == layers - 1
            for place, work in enumerate(kinds):
                if layer == 0 and place < 2:
                    continue  # of the first layer's queries, keys and values a table is enough
                work(needed if is_last and place != 1 else T)  # keys and values are of every position
        head(needed)

    workers = torch.get_num_threads()
    torch.set_num_threads(1)
    window(0)
    pool = ThreadPoolExecutor(workers, initializer=torch.set_num_threads, initargs=(1,))
    with pool, _Cost(torch.device("cpu")) as cost:
        list(pool.map(window, range(len(windows))))
    return {"figures": cost.figures}


def main() -> None:
    """Score what the spec says and print what it took."""
    which, spec = sys.argv[1], json.loads(Path(sys.argv[2]).read_text())
    device, dtype = torch.device(spec["device"]), spec["dtype"]
    module = load_script(Path(spec["script"]))
    if which == "floor":
        torch.set_flush_denormal(True)
        print(json.dumps(floor(module.Hyperparameters(), Windows(spec["targets"], spec["seq_len"], spec["stride"]))))
        return
    model: Any = build_model(module, module.Hyperparameters())
    weights = torch.load(spec["weights"], weights_only=True)
    fit_weights(model, weights, dtype)
    del weights
    model.to(device).eval()
    stream, windows = Stream([Path(spec["shard"])]), Windows(spec["targets"], spec["seq_len"], spec["stride"])
    with torch.inference_mode(), torch.autocast(device.type, torch.bfloat16, enabled=dtype == "bfloat16"):
        model(*torch.zeros(2, 1, 8, dtype=torch.int64, device=device))  # what is set up once
        if which == "challenge":
            print(json.dumps(_challenge(model, stream, windows, spec, device)))
        else:
            print(json.dumps(_golf(model, module, stream, windows, dtype, device)))


def _challenge(model: Any, stream: Stream, windows: Windows, spec: dict[str, Any], device: torch.device) -> Any:
    if spec["compiled"]:
        model = torch.compile(model, dynamic=False, fullgraph=True)
    some = Windows(min(windows.targets, windows.seq_len + (spec["try"] - 1) * windows.stride), *_shape(windows))
    tried: dict[int, float] = {}
    for rows in spec["rows"]:
        if len(spec["rows"]) > 1 or spec["compiled"]:  # compilation is paid here, and not timed below
            begin = time.perf_counter()
            challenge(model, stream, some, rows, device)
            tried[rows] = time.perf_counter() - begin
    rows = min(spec["rows"], key=lambda rows: tried.get(rows, 0.0))
    with _Cost(device) as cost:
        loss = challenge(model, stream, windows, rows, device)
    return {"figures": cost.figures, "val_loss": loss, "forward": "challenge", "rows": rows}


def _golf(model: Any, module: ModuleType, stream: Stream, windows: Windows, dtype: str, device: torch.device) -> Any:
    threads = torch.get_num_threads()
    most = 8_192 if device.type == "cpu" else 131_072
    begin = time.perf_counter()
    ways = pace.ways(windows.seq_len, most, threads, device=device)
    chosen = forward.choose(model, module, stream, windows, dtype=dtype, device=device, ways=ways, workers=threads)
    trial_s = time.perf_counter() - begin
    with _Cost(device) as cost:
        loss = score(chosen.losses, stream, lambda a, b: b - a, windows, pace=chosen.pace, device=device).val_loss
    return {"figures": cost.figures, "val_loss": loss, "forward": chosen.name, "trial_s": trial_s}


def _shape(windows: Windows) -> tuple[int, int]:
    return windows.seq_len, windows.stride


class _Cost:
    """Seconds between, and the peak memory of the process so far: on the device where it is none of the CPU's."""

    def __init__(self, device: torch.device) -> None:
        self.figures: dict[str, float] = {}
        self._device = device

    def __enter__(self) -> "_Cost":
        self._begin, self._cpu = time.perf_counter(), time.process_time()
        return self

    def __exit__(self, *_: object) -> None:
        if self._device.type == "cuda":
            torch.cuda.synchronize()
        wall_s, cpu_s = time.perf_counter() - self._begin, time.process_time() - self._cpu
        is_cuda = self._device.type == "cuda"
        peak = torch.cuda.max_memory_allocated() if is_cuda else _peak_bytes()
        self.figures = {"wall_s": wall_s, "cpu_s": cpu_s, "peak_bytes": peak}


def _peak_bytes() -> int:
    for line in Path("/proc/self/status").read_text().splitlines():  # unlike ru_maxrss, without what the parent held
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    raise RuntimeError("the kernel says no peak of memory")


if __name__ == "__main__":
    main()
