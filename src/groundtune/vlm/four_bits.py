"""A base in 4 bits, as QLoRA holds it (Dettmers et al., 2023, arXiv 2305.14314)."""

from typing import Any


def four_bits(device: Any) -> dict[str, Any]:
    """Options of `from_pretrained`: NF4, its constants quantised too, sums in bfloat16.

    Needs bitsandbytes and an accelerator; the weights are put on `device` as they are read.
    """
    import torch
    from transformers import BitsAndBytesConfig

    config = BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=torch.bfloat16,
    )
    return {"quantization_config": config, "device_map": {"": device}}
