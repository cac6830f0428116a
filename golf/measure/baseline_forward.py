"""The challenge's baseline model again, for scoring alone: the same numbers in less time and memory.

What it does otherwise than the script, and what is exact about it:

- weights that only rescale a matrix's rows are multiplied into it (scales of attention and MLP, soft-cap of the head),
  and queries, keys and values come from one matrix: the same sums, rounded elsewhere;
- on a CPU with oneDNN, matrices are stored in its blocked layout, about a fifth faster than MKL's on some processors;
- residual sums are taken by the matrix product itself, and everything that can be is done in place;
- keys and values of grouped heads are not copied; the head's logits exist for a few rows at a time, a soft-capped
  log-sum-exp needing no maximum first;
- the first block's queries, keys and values depend on nothing but the token: with a small vocabulary they are a table;
- where only the last positions of a window are scored, the last block computes queries and MLP for those alone.

The rest is width: one window after the other on each core, in threads that never wait for one another. That a model
is the baseline is for `golf.measure.baseline_identity` to say, and that the losses agree for `golf.measure.forward`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from golf.measure.baseline_identity import Rotary

_TABLE_VOCAB_MAX = 8_192
"""With more tokens than this a table of the first block would be larger than what it saves."""
_HEAD_LOGITS = {"cpu": 1 << 18}
"""Logits that exist at once, which is what fits in a core's cache."""
_HEAD_LOGITS_ELSEWHERE = 1 << 27
_SAFE_CAP = 40.0
"""exp of a soft-capped logit, and its sum over a vocabulary, are far from overflow in float32 up to here."""

Multiply = Callable[[Tensor], Tensor]
"""(N, fan_in) to (N, fan_out)."""
MultiplyAdd = Callable[[Tensor, Tensor], Tensor]
"""(N, fan_out) and (N, fan_in) to the first plus the second times the matrix; the first may be overwritten."""


def _is_packable(weight: Tensor) -> bool:
    is_there = torch.backends.mkldnn.is_available() and torch.backends.mkldnn.enabled
    return (
        weight.device.type == "cpu"
        and weight.dtype == torch.float32
        and is_there
        and hasattr(torch.ops.mkldnn, "_linear_pointwise")
        and hasattr(torch.ops.mkldnn, "_reorder_linear_weight")
    )


def _multiply(weight: Tensor, activation: str = "none") -> Multiply:
    """Apply `weight` (fan_out, fan_in), then perhaps `relu`."""
    if _is_packable(weight):
        packed = torch.ops.mkldnn._reorder_linear_weight(weight.contiguous())
        return lambda x: torch.ops.mkldnn._linear_pointwise(x, packed, None, activation, [], "")
    turned = weight.t().contiguous()
    if activation == "relu":
        return lambda x: torch.mm(x, turned).relu_()
    return lambda x: torch.mm(x, turned)


def _multiply_add(weight: Tensor) -> MultiplyAdd:
    if _is_packable(weight):
        packed = torch.ops.mkldnn._reorder_linear_weight(weight.contiguous())
        return lambda x, y: torch.ops.mkldnn._linear_pointwise.binary(y, x, packed, None, "add")
    turned = weight.t().contiguous()
    return lambda x, y: x.addmm_(y, turned)


@dataclass
class _Block:
    stay: Tensor
    renew: Tensor
    skip: Tensor | None
    """What the output of the block across is scaled by before it is added."""
    qkv: Multiply
    q: Multiply | None
    kv: Multiply | None
    """Apart in the last block, where queries may be fewer."""
    gain: Tensor
    """(heads, 1): the gain of each query head and what attention scores are scaled by."""
    proj: MultiplyAdd
    fc: Multiply
    fall: MultiplyAdd


class BaselineForward:
    """Per-token losses of a baseline model, which must not change afterwards."""

    def __init__(self, model: nn.Module, rotary: Rotary) -> None:
        with torch.inference_mode():
            self._build(model, rotary)

    def _build(self, model: Any, rotary: Rotary) -> None:
        attn = model.blocks[0].attn
        self.num_heads, self.num_kv_heads, self.head_dim = attn.num_heads, attn.num_kv_heads, attn.head_dim
        self._rotary = rotary
        self._tables: tuple[int, tuple[Tensor, Tensor]] = 0, (attn.q_gain, attn.q_gain)  # of no length yet
        half, layers = len(model.blocks) // 2, len(model.blocks)
        self._half = half
        self._blocks = []
        for index, block in enumerate(model.blocks):
            q, k, v = (part.weight for part in (block.attn.c_q, block.attn.c_k, block.attn.c_v))
            has_skip, is_last = half <= index < 2 * half, index == layers - 1
            self._blocks.append(
                _Block(
                    stay=block.resid_mix[0],
                    renew=block.resid_mix[1],
                    skip=model.skip_weights[index - half] if has_skip else None,
                    qkv=_multiply(torch.cat((q, k, v))),
                    q=_multiply(q) if is_last else None,
                    kv=_multiply(torch.cat((k, v))) if is_last else None,
                    gain=(block.attn.q_gain * self.head_dim**-0.5)[:, None],
                    proj=_multiply_add(block.attn_scale[:, None] * block.attn.proj.weight),
                    fc=_multiply(block.mlp.fc.weight, "relu"),
                    fall=_multiply_add(block.mlp_scale[:, None] * block.mlp.proj.weight),
                )
            )
        head = model.tok_emb.weight if model.lm_head is None else model.lm_head.weight
        self._cap = float(model.logit_softcap)
        self._head = _multiply(head / self._cap)
        self._vocab_size = head.size(0)
        self._embedding, self._is_normed = model.tok_emb.weight, False
        self._first_qkv: Tensor | None = None
        if self._vocab_size <= _TABLE_VOCAB_MAX and layers > 1:
            self._embedding, self._is_normed = self._norm(self._embedding), True
            first = self._blocks[0]
            mixed = torch.addcmul(first.stay * self._embedding, first.renew, self._embedding)
            self._first_qkv = self._normed_heads(first.qkv(self._norm(mixed)))

    @torch.inference_mode()
    def losses(self, inputs: Tensor, targets: Tensor, first: int = 0) -> Tensor:
        """(B, T) inputs and targets to the losses (B, T - first) of the positions from `first` on, in nats."""
        B, T = inputs.shape
        x0 = self._embedding[inputs.reshape(-1)]
        x0 = x0 if self._is_normed else self._norm(x0)
        cos, sin = self._rotation(T, x0)
        x, skips = x0, []
        for index, block in enumerate(self._blocks):
            x = torch.mul(x, block.stay) if x is x0 or index <= self._half else x.mul_(block.stay)
            if block.skip is not None:
                x.addcmul_(block.stay * block.skip, skips.pop())
            x.addcmul_(x0, block.renew)
            start = first if block.q is not None else 0
            if start:
                x = self._last_block(x, block, B, T, start, cos, sin)
            else:
                ready = self._first_qkv if index == 0 else None
                heads = self._normed_heads(block.qkv(self._norm(x))) if ready is None else ready[inputs.reshape(-1)]
                heads = heads.view(B, T, -1, self.head_dim)
                q, k, v = heads.split((self.num_heads, self.num_kv_heads, self.num_kv_heads), dim=2)
                q, k = _rotate(q, cos, sin).mul_(block.gain), _rotate(k, cos, sin)
                x = self._mlp(block.proj(x, self._attend(q, k, v)), block)
            if index < self._half:
                skips.append(x)
        return self._head_losses(self._norm(x), targets[:, first:])

    def _last_block(self, x: Tensor, block: _Block, B: int, T: int, start: int, cos: Tensor, sin: Tensor) -> Tensor:
        """The last block for positions from `start` on, (B * (T - start), C); keys and values are of all."""
        assert block.q is not None and block.kv is not None
        h = self._norm(x)
        k, v = block.kv(h).view(B, T, 2, self.num_kv_heads, self.head_dim).unbind(2)
        some = h.view(B, T, -1)[:, start:].flatten(0, 1)
        q = block.q(some).view(B, T - start, self.num_heads, self.head_dim)
        q = _rotate(self._norm(q), cos[start:], sin[start:]).mul_(block.gain)
        k = _rotate(self._norm(k), cos, sin)
        x = x.view(B, T, -1)[:, start:].flatten(0, 1)
        return self._mlp(block.proj(x, self._attend(q, k, v)), block)

    def _mlp(self, x: Tensor, block: _Block) -> Tensor:
        hidden = block.fc(self._norm(x))
        return block.fall(x, hidden.mul_(hidden))

    def _attend(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """Causal attention of (B, S, heads, head_dim) queries at the last S of T positions, to (B * S, C)."""
        S, T = q.size(1), k.size(1)
        q, k, v = (part.transpose(1, 2) for part in (q, k, v))
        visible = None if S == T else torch.ones(S, T, dtype=torch.bool, device=q.device).tril(T - S)
        is_grouped = self.num_heads != self.num_kv_heads
        y = F.scaled_dot_product_attention(
            q, k, v, attn_mask=visible, is_causal=visible is None, scale=1.0, enable_gqa=is_grouped
        )
        return y.transpose(1, 2).reshape(-1, self.num_heads * self.head_dim)

    def _normed_heads(self, qkv: Tensor) -> Tensor:
        """Queries and keys of each head normalised, values as they are, (N, heads, head_dim)."""
        heads = qkv.view(qkv.size(0), -1, self.head_dim)
        to_norm = heads[:, : self.num_heads + self.num_kv_heads]
        to_norm.copy_(self._norm(to_norm))
        return heads

    def _norm(self, x: Tensor) -> Tensor:
        return F.rms_norm(x, (x.size(-1),))

    def _rotation(self, length: int, like: Tensor) -> tuple[Tensor, Tensor]:
        """Cosines twice, and sines once each way, both (T, 1, head_dim)."""
        known, tables = self._tables
        if known != length:
            cos, sin = self._rotary(length, like)
            tables = torch.cat((cos, cos), -1)[:, None], torch.cat((sin, -sin), -1)[:, None]
            self._tables = length, tables
        return tables

    def _head_losses(self, x: Tensor, targets: Tensor) -> Tensor:
        rows = max(1, _HEAD_LOGITS.get(x.device.type, _HEAD_LOGITS_ELSEWHERE) // self._vocab_size)
        parts = []
        for part, aims in zip(x.split(rows), targets.reshape(-1).split(rows), strict=True):
            logits = self._head(part).tanh_().mul_(self._cap)
            aimed = logits.gather(1, aims[:, None])[:, 0]
            total = logits.exp_().sum(-1).log_() if self._cap <= _SAFE_CAP else logits.logsumexp(-1)
            parts.append(total.sub_(aimed))
        return torch.cat(parts).view(targets.shape)


def _rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotary embedding of (B, T, heads, head_dim); position i is paired with i + head_dim / 2."""
    return torch.mul(x, cos).addcmul_(x.roll(x.size(-1) // 2, -1), sin)
