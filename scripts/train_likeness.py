"""Fits the models of reference_modules/text/likeness.py to config/catalog/task_examples.yaml.

Each example is also put among a few sentences that state no problem (`asides`), as users do; some
have the letters of their words shuffled, which makes nonsense of them. Run by `make likeness`,
which installs scikit-learn for it; the weights belong into the repository.
"""

from __future__ import annotations

import hashlib
import random
from pathlib import Path

import numpy as np
import yaml
from scipy.sparse import csr_matrix
from sklearn.linear_model import LogisticRegression

from sustainml_orchestrator.reference_modules import catalog
from sustainml_orchestrator.reference_modules.text import likeness

#: Inverse strengths of the penalty on large weights (best for examples left out of the learning),
#: and the worth of an example among asides.
_PENALTY = {"sense": 30.0, "spelling": 100.0}
_AMONG_ASIDES = 0.5


def main() -> None:
    """Write `task_likeness.npz` beside the examples."""
    source = catalog.directory() / "task_examples.yaml"
    texts, labels, worth = examples(source)
    found: dict[str, np.ndarray] = {}
    rows = {"sense": likeness.sense(texts), "spelling": csr_matrix(likeness.spelling(texts))}
    for name, values in rows.items():
        model = LogisticRegression(C=_PENALTY[name], max_iter=3000)
        model.fit(values, labels, sample_weight=worth)
        found[name] = model.coef_.T.astype(np.float16)
        found[f"{name}_bias"] = model.intercept_.astype(np.float32)
        found["labels"] = model.classes_
    digest = hashlib.sha256(source.read_bytes()).hexdigest()
    np.savez_compressed(source.with_name("task_likeness.npz"), digest=np.array(digest), **found)
    print(f"{len(found['labels'])} classes from {len(texts)} texts")


def examples(source: Path) -> tuple[list[str], list[str], list[float]]:
    """Texts, their classes, and how much each counts."""
    data = yaml.safe_load(source.read_text(encoding="utf-8"))
    asides, rng = data["asides"], random.Random(1)
    alone = [(text, label) for label, texts in data["examples"].items() for text in texts]
    alone += [(text, likeness.NONE) for text in asides]
    among = []
    for text, label in alone:
        if label == likeness.NONE:
            continue
        # Seeded by the text, so that a new example does not change the others.
        own = random.Random(text)
        around = own.sample(asides, own.choice((1, 1, 2, 3)))
        around.insert(own.randrange(len(around) + 1), text if text[-1] in ".?!" else f"{text}.")
        among.append((" ".join(around), label))
    among += [(" ".join(rng.sample(asides, rng.choice((2, 3)))), likeness.NONE) for _ in range(100)]
    among += [(nonsense(text, rng), likeness.NONE) for text, _ in rng.sample(alone, 250)]
    worth = [1.0] * len(alone) + [_AMONG_ASIDES] * len(among)
    return [t for t, _ in alone + among], [c for _, c in alone + among], worth


def nonsense(text: str, rng: random.Random) -> str:
    """The text with the letters of each word shuffled."""
    return " ".join("".join(rng.sample(word, len(word))) for word in text.split())


if __name__ == "__main__":
    main()
