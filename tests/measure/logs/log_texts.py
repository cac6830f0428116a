"""Training logs in every dialect, and the parts they are made of."""

SOURCE = '''\
"""A training script.

====================================================================================================
final_int8_zlib_roundtrip_exact val_loss:2.0 val_bpb:1.0
stopping_early: wallclock_cap train_time:1ms step:1/20000
"""
import os  # don't take me for a string
from pathlib import Path

SEED = int(os.environ.get("SEED", 7))
TEXT = "a \\" quote"


def main():
    log0(f"step:{step}/{iterations} val_loss:{val_loss:.4f} val_bpb:{val_bpb:.4f}")
    log0("final_int8_zlib_roundtrip_exact val_loss:2.0 val_bpb:1.0")
    report = """
final_int8_zlib_roundtrip_exact val_loss:2.0 val_bpb:1.0
Total submission size int8+zlib: 1 bytes
seed:666
step:5/20000 val_loss:9.0000 val_bpb:0.5000 train_time:5ms step_avg:1.00ms
"""


if __name__ == "__main__":
    main()
'''
RULE = "=" * 100 + "\n"
PREAMBLE = """\
val_bpb:enabled tokenizer_kind=sentencepiece tokenizer_path=./data/tokenizers/fineweb_1024_bpe.model
train_loader:dataset:fineweb10B_sp1024 train_shards:80
val_loader:shards pattern=./data/datasets/fineweb10B_sp1024/fineweb_val_*.bin tokens:62021632
model_params:17059912
world_size:8 grad_accum_steps:1
train_batch_tokens:524288 train_seq_len:1024 iterations:20000 warmup_steps:20 max_wallclock_seconds:600.000
seed:1337
warmup_step:1/20
"""
TRAINING = """\
step:0/20000 val_loss:6.9357 val_bpb:4.1077 train_time:0ms step_avg:0.02ms
step:1/20000 train_loss:6.9370 train_time:42ms step_avg:41.92ms
step:13780/20000 val_loss:2.0606 val_bpb:1.2172 train_time:600038ms step_avg:43.54ms
stopping_early: wallclock_cap train_time:600038ms step:13780/20000
peak memory allocated: 10184 MiB reserved: 10200 MiB
"""
SIZES = """\
Serialized model: 67224983 bytes
Code size: 47642 bytes
Total submission size: 67272625 bytes
Serialized model int8+zlib: 15815847 bytes (payload:17178912 raw_torch:17224025 payload_ratio:3.91x)
Total submission size int8+zlib: 15863489 bytes
"""
SCORES = """\
final_int8_zlib_roundtrip val_loss:2.0727 val_bpb:1.2244 eval_time:1401ms
final_int8_zlib_roundtrip_exact val_loss:2.07269931 val_bpb:1.22436570
"""
BANNER = RULE + "Running Python 3.12.3 (main)\nRunning PyTorch 2.9.1+cu128\n"
CHALLENGE = SOURCE + "\n" + BANNER + RULE + PREAMBLE + TRAINING + SIZES + SCORES
SPACED = """\
W0416 10:02:17.514000 41119 torch/distributed/run.py:851] *****************************************
Hyperparameters:
  compressor: brotli
  iterations: 20000
  max_wallclock_seconds: 600.0
  seed: 314
  train_files: ./data/fineweb_train_*.bin
  world_size: 8
train_shards: 80
val_tokens: 40540160
model_params:35945671
gptq:reserving 13s, effective=587000ms
warmup_step: 1/20
0/20000 val_loss: 9.0085 val_bpb: 3.4874
1/20000 train_loss: 9.0082 train_time: 0.0m tok/s: 12223382
4500/20000 train_loss: 2.8491 train_time: 9.0m tok/s: 6566406
4843/20000 val_loss: 2.7670 val_bpb: 1.0711
stopping_early: wallclock_cap train_time: 587083ms step: 4843/20000
peak memory allocated: 40181 MiB reserved: 44268 MiB
diagnostic pre-quantization post-ema val_loss:2.76592745 val_bpb:1.07074220 eval_time:6776ms
Serialized model: 135418173 bytes
Code size (uncompressed): 122501 bytes
Code size (compressed): 27555 bytes
Serialized model quantized+brotli: 15911493 bytes
Total submission size quantized+brotli: 15939048 bytes
diagnostic quantized val_loss:2.79266024 val_bpb:1.06009096 eval_time:10502ms
ttt_progress: batch 1/782 batch_loss:3.3152 batch_bpb:1.2304 running_loss:2.7743 running_bpb:1.0718 doc_len:45-70
quantized_ttt_lora val_loss:2.76539833 val_bpb:1.07057187 eval_time:237699ms
total_eval_time:238.1s
"""
TERNARY = """\
activation_type=relu2 adam_eps=1e-08 bigram_hash=False max_wallclock_seconds=599.0 seed=42 vocab_size=8192
params:73685840 L:10 d:768 h:8 kv:4 ws:8 ga:1 s:42
warmup:1/5
step:1000/10000 loss:3.3120 t:91478ms avg:91.5ms
step:6000/10000 loss:3.0211 t:550871ms avg:91.8ms
step:6530/10000 val_loss:3.0517 val_bpb:1.1816 train_time:599652ms zero_frac:0.336
stopping_early: wallclock_cap train_time:599652ms step:6530/10000
artifact:15.92MB ternary:64880640(14239486B) fp:2513744(2537376B) code:70853
budget:15993853/16000000 (15.99/16.00MB) FITS
final_ternary_roundtrip val_loss:3.0570 val_bpb:1.1837
temp_scaling optimal_T:0.90 eval_time:146ms
final_sliding val_loss:2.9869 val_bpb:1.1565 (stride=16, T=0.90) time:429311ms
"""
FAILED_TTT = (
    TRAINING
    + """\
final_int6_roundtrip val_loss:2.54952146 val_bpb:1.10799265 eval_time:7776ms
final_int6_sliding_window val_loss:2.50671564 val_bpb:1.08938974 eval_time:76195ms
  ttt_chunk [1/1389] bpb=1.761258 time=0.5s
ttt_sliding:done val_loss=3.074214 val_bpb=1.336032 elapsed=405.0s
final_int6_ttt val_loss:3.07421378 val_bpb:1.33603200 eval_time:405410ms
"""
)
