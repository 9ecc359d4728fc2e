"""Writes docs/methods.md from the docstrings of the methods that a recipe may name.

python tools/make_methods_page.py docs/methods.md
"""

import ast
import importlib
import inspect
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

from groundtune.methods.pairwise import Pairwise
from groundtune.pipeline.train.run import Method

TOP = """\
# Methods

What a model learns from pairs, one small file a published method in `src/groundtune/methods`. A
recipe names one by its type, and every parameter has its published value as default:

```yaml
model: MODEL
pairs: runs/mine
method: {type: mdpo, beta: 0.1}
```

`dpo` and `ddpo` are what Groundtune's recipes train with. **All others are opt-in.** Reruns by
others often find them no better than plain DPO on the same pairs: one of HSA-DPO measured 37.7% of
answers with a hallucination on Object HalBench for plain DPO and 38.0% for HSA-DPO, from 53.0%
without training; SymMPO's authors have mDPO behind plain DPO there; and a study of nine DPO
variants on medical images (arXiv 2601.17918) finds no consistent gain over supervised training.
So train plain DPO on the same pairs beside any of them, and let `groundtune compare` tell.

A method differs from DPO in one place or two: the weight of a token, what an answer's log-ratios
add up to, the scale of a pair, a term beside it, or a changed image under which the chosen answer
is run too. What a method needs beside the texts (a reference, changed spans, severities, scores) is
checked before any weights are loaded.
"""
NEEDS = {
    "reference": "the reference's log-probabilities",
    "changed_spans": "changed spans",
    "severity": "severities of the rejected answers' spans",
    "scores": "scores of both answers",
}


def page() -> str:
    """The page's text."""
    union, *_ = get_args(Method)
    methods: tuple[type[Pairwise], ...] = get_args(union)
    sections = [TOP, *(section(method) for method in methods)]
    return "\n".join(sections) + "\n" + HOOKS


def section(method: type[Pairwise]) -> str:
    """A method's part: what its module says, what it needs, its parameters."""
    name = method.model_fields["type"].default
    module = importlib.import_module(method.__module__)
    first, _, rest = (inspect.getdoc(module) or "").partition("\n\n")
    needs = [NEEDS[need] for need in sorted(method().needs)]
    needs += ["a run of the chosen answers on a changed image"] * len(method().views)
    asks = f"Needs {' and '.join(needs)}." if needs else "Needs nothing beside the texts."
    rows = [f"| `{field}` | `{default}` | {told} |" for field, default, told in parameters(method)]
    table = "\n".join(["| parameter | default | |", "|---|---|---|", *rows])
    return f"## `{name}`\n\n{first}\n\n{rest.strip()}\n\n{asks}\n\n{table}\n"


def parameters(method: type[Pairwise]) -> Iterator[tuple[str, str, str]]:
    """Name, default and docstring of each parameter, as they stand in the class."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(method))).body[0]
    assert isinstance(tree, ast.ClassDef)
    for statement, after in zip(tree.body, tree.body[1:], strict=False):
        named = isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name)
        if not named or statement.target.id == "type":
            continue
        assert isinstance(after, ast.Expr), f"{method.__name__}.{statement.target.id} says nothing"
        told = " ".join(str(ast.literal_eval(after.value)).split())
        default = method.model_fields[statement.target.id].default
        yield statement.target.id, _as_yaml(default), told


def _as_yaml(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


HOOKS = """\
## A method of your own

A file beside these: a frozen class with a `type`, its parameters, and the hooks in which it differs
(`weights`, `score`, `scale` or `rewards`, `preference`, `terms`, `views`, `needs`; see
`methods/pairwise.py`). Add it to `Method` in `pipeline/train/run.py`, write a test with a
hand-computed example and one of the setting that reduces it to DPO, and run
`python tools/make_methods_page.py docs/methods.md`.
"""

if __name__ == "__main__":
    Path(sys.argv[1]).write_text(page(), encoding="utf-8")
