"""Write docs/methods.md from the docstrings of the methods that a recipe may name.

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

A method defines what a model learns from preference pairs. Select one in the recipe by its type;
every parameter defaults to its published value:

```yaml
model: MODEL
pairs: runs/mine
method: {type: mdpo, beta: 0.1}
```

Groundtune's recipes train with `dpo` and `ddpo`. **All others are opt-in.** Independent reruns
often find them no better than plain DPO on the same pairs. One rerun of HSA-DPO measured the
answers with a hallucination on Object HalBench: 53.0% without training, 37.7% with plain DPO and
38.0% with HSA-DPO. SymMPO's authors find mDPO worse than plain DPO there. A study of nine DPO
variants on medical images (arXiv 2601.17918) finds no consistent gain over supervised training.
So also train plain DPO on the same pairs, and compare the two with `groundtune compare`.

A method differs from DPO in one or two places: the weight of a token, the score of an answer, the
scale of a pair, an additional term, or a changed image on which the chosen answer also runs. If a
method needs more than the texts (a reference, changed spans, severities, scores), Groundtune checks
this before it loads any weights. Each method is one file in `src/groundtune/methods`, and you can
[add your own](methods-custom.md).
"""
NEEDS = {
    "reference": "the reference's log-probabilities",
    "changed_spans": "changed spans",
    "severity": "severities of the rejected answers' spans",
    "severities": "severities of both answers",
    "ratings": "ratings of both answers",
}


def page() -> str:
    """The page's text."""
    union, *_ = get_args(Method)
    methods: tuple[type[Pairwise], ...] = get_args(union)
    sections = [TOP, *(section(method) for method in methods)]
    return "\n".join(sections)


def section(method: type[Pairwise]) -> str:
    """Return a method's section: its module's docstring, its needs and its parameters."""
    name = method.model_fields["type"].default
    module = importlib.import_module(method.__module__)
    first, _, rest = (inspect.getdoc(module) or "").partition("\n\n")
    defaults = method.model_validate({"type": name})
    needs = [NEEDS[need] for need in sorted(defaults.needs)]
    needs += ["a run of the chosen answers on a changed image"] * len(defaults.views)
    summary = f"Needs {' and '.join(needs)}." if needs else "Needs nothing but the texts."
    rows = [f"| `{field}` | `{default}` | {doc} |" for field, default, doc in parameters(method)]
    table = "\n".join(["| parameter | default | |", "|---|---|---|", *rows])
    return f"## `{name}`\n\n{first}\n\n{rest.strip()}\n\n{summary}\n\n{table}\n"


def parameters(method: type[Pairwise]) -> Iterator[tuple[str, str, str]]:
    """Yield name, default and docstring of each parameter, in the order of the class."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(method))).body[0]
    assert isinstance(tree, ast.ClassDef)
    for statement, after in zip(tree.body, tree.body[1:], strict=False):
        if not isinstance(statement, ast.AnnAssign) or not isinstance(statement.target, ast.Name):
            continue
        name = statement.target.id
        if name == "type":
            continue
        assert isinstance(after, ast.Expr), f"{name} has no docstring"
        doc = " ".join(str(ast.literal_eval(after.value)).split())
        yield name, _as_yaml(method.model_fields[name].default), doc


def _as_yaml(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(page(), encoding="utf-8")
