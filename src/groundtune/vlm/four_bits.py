"""4-bit base weights, following QLoRA (Dettmers et al., 2023, arXiv 2305.14314)."""

from typing import Any


def four_bits(device: Any) -> dict[str, Any]:
    """Return options of `from_pretrained`: NF4 with double quantisation, computing in bfloat16.

    Needs bitsandbytes and an accelerator; the weights are loaded onto `device`.
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
