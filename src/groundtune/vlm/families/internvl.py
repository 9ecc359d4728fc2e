"""InternVL 2.5 and 3 in transformers' layout: tiles, pixel shuffle, a plain causal decoder."""

from groundtune.vlm.family import Family

FAMILIES = (Family(name="InternVL", model_types=("internvl",), encoded="whole"),)
