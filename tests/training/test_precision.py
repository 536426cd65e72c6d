import pytest
import torch

from heart_reader.errors import ConfigError
from heart_reader.training.precision import cpu_has_bf16, resolve_device, resolve_precision

CPU = torch.device("cpu")


def test_the_cpus_own_flags_decide_what_auto_is():
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        flags = next((line for line in file if line.startswith("flags")), "")
    if not flags:
        pytest.skip("this machine doesn't list its CPU's flags")
    assert cpu_has_bf16() == ("avx512_bf16" in flags)
    expected = torch.bfloat16 if "avx512_bf16" in flags else torch.float32
    assert resolve_precision("auto", CPU) == expected


def test_named_precisions_and_the_one_that_a_cpu_refuses():
    assert resolve_precision("fp32", CPU) == torch.float32
    assert resolve_precision("bf16", CPU) == torch.bfloat16
    with pytest.raises(ConfigError, match=r"'fp16' is for GPUs; use 'auto' on a CPU"):
        resolve_precision("fp16", CPU)


def test_cuda_is_refused_where_there_is_none():
    assert resolve_device("cpu") == CPU
    if torch.cuda.is_available():
        assert resolve_device("auto").type == resolve_device("cuda").type == "cuda"
    else:
        assert resolve_device("auto") == CPU
        with pytest.raises(ConfigError, match="torch sees no GPU"):
            resolve_device("cuda")
