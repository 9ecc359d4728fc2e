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
this before it loads any weights. Each method is one file in `src/groundtune/methods`.
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
    example = EXAMPLE.read_text(encoding="utf-8")
    return "\n".join(sections) + "\n" + CUSTOM.format(example=example) + HOOKS


def section(method: type[Pairwise]) -> str:
    """Return a method's section: its module's docstring, its needs and its parameters."""
    name = method.model_fields["type"].default
    module = importlib.import_module(method.__module__)
    first, _, rest = (inspect.getdoc(module) or "").partition("\n\n")
    needs = [NEEDS[need] for need in sorted(method().needs)]
    needs += ["a run of the chosen answers on a changed image"] * len(method().views)
    summary = f"Needs {' and '.join(needs)}." if needs else "Needs nothing but the texts."
    rows = [f"| `{field}` | `{default}` | {doc} |" for field, default, doc in parameters(method)]
    table = "\n".join(["| parameter | default | |", "|---|---|---|", *rows])
    return f"## `{name}`\n\n{first}\n\n{rest.strip()}\n\n{summary}\n\n{table}\n"


def parameters(method: type[Pairwise]) -> Iterator[tuple[str, str, str]]:
    """Yield name, default and docstring of each parameter, in the order of the class."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(method))).body[0]
    assert isinstance(tree, ast.ClassDef)
    for statement, after in zip(tree.body, tree.body[1:], strict=False):
        named = isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name)
        if not named or statement.target.id == "type":
            continue
        assert isinstance(after, ast.Expr), f"{statement.target.id} has no docstring"
        doc = " ".join(str(ast.literal_eval(after.value)).split())
        default = method.model_fields[statement.target.id].default
        yield statement.target.id, _as_yaml(default), doc


def _as_yaml(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


EXAMPLE = Path(__file__).parents[1] / "examples" / "own_method" / "own_method.py"
CUSTOM = """\
## Custom methods

An installed package adds a method that recipes name like a built-in one. This is the whole code of
one, in `examples/own_method`:

```python
{example}```

Its `pyproject.toml` names the class under the method's `type`:

```toml
[project.entry-points."groundtune.methods"]
hinge = "own_method:Hinge"
```

```console
$ pip install examples/own_method
$ groundtune train world-dpo method.type=hinge method.target=2 --pairs runs/mine
```

The class inherits from `Pairwise` (`groundtune/methods/pairwise.py`) and overrides the hooks in
which it differs:

| hook | returns | default |
|---|---|---|
| `score(side)` | an answer's unscaled reward, (B,) | none: every method has it |
| `weights(side)` | weights of an answer's tokens, (B, T) | 1 |
| `scale(pairs)` | the factor of a pair's scores, a number or (B,) | `beta` |
| `rewards(pairs)` | the scaled scores of both answers, (B,) each | `scale` times `score` |
| `preference(margin_B)` | the loss of a margin, (B,) | logistic |
| `terms(pairs)` | terms to add to the loss, by name, (B,) each | none |
| `needs` | what it requires in addition to the texts | the reference |
| `views` | changed images on which the chosen answers also run | none |

Fields of the class are its parameters: recipes, `key=value` and error messages treat them like
those of a built-in method, in `train`, `align` and `recipes show --resolved`. The package is
imported only when a recipe names the method. A class that lacks a hook is refused with its name;
`train` and `align` first try all hooks on two small pairs. A built-in method can't be replaced.

The package's version and a hash of its Python files belong to the run, in `run.json` and in each
checkpoint: a run does not resume with changed code. A Ray worker needs the package too.

"""
HOOKS = """\
## Add a built-in method

1. Add a file to `src/groundtune/methods` with a frozen class: its `type`, its parameters, and the
   hooks in which it differs (`weights`, `score`, `scale` or `rewards`, `preference`, `terms`,
   `views`, `needs`; see `methods/pairwise.py`).
2. Add the class to `Method` in `pipeline/train/settings.py`.
3. Write a test with a hand-computed example, and one of the settings that reduce it to DPO.
4. Run `python tools/make_methods_page.py docs/methods.md`.
"""

if __name__ == "__main__":
    Path(sys.argv[1]).write_text(page(), encoding="utf-8")
