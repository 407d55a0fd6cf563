"""Search in k2 graphs for `lattice.py`: log-probabilities -> lattice -> best paths, also after rescoring.

Like `lattice.py`, from whose folder it is imported, it needs only torch and k2 and keeps to Python 3.9.
Shapes: T frames, V tokens (blank 0). Scores are natural logarithms.
"""

from __future__ import annotations

import math

import k2
import torch
from k2_graphs import grammar_fsa

SEARCH = {"search_beam": 30.0, "output_beam": 10.0, "min_active_states": 30, "max_active_states": 10000}


def lattice_of(log_probs, graph, search=None):
    """Log-probabilities (T, V) and a graph -> pruned lattice, an FsaVec of one; empty where no path fits."""
    segments = torch.tensor([[0, 0, len(log_probs)]], dtype=torch.int32)
    dense = k2.DenseFsaVec(log_probs[None].float().contiguous(), segments)
    vector = k2.create_fsa_vec([graph]) if len(graph.shape) == 2 else graph
    return k2.intersect_dense_pruned(vector, dense, **(search or SEARCH))


def outputs(lattice, arcs):
    """Output labels along a path of arc indices, without epsilons and the end label."""
    aux = lattice.aux_labels
    if isinstance(aux, torch.Tensor):
        labels = aux[arcs.long()].tolist()
    else:
        rows = aux.tolist()
        labels = [label for arc in arcs.tolist() for label in rows[arc]]
    return tuple(label for label in labels if label > 0)


def one_best(lattice):
    """(output labels, score) of the likeliest path, None for an empty lattice."""
    best = k2.shortest_path(lattice, use_double_scores=True)
    if best.num_arcs == 0:
        return None
    aux = best.aux_labels
    flat = aux if isinstance(aux, torch.Tensor) else aux.values
    score = float(best.get_tot_scores(use_double_scores=True, log_semiring=False)[0])
    return tuple(label for label in flat.tolist() if label > 0), score


def n_best(lattice, count, paths=200, seed=0):
    """At most ``count`` different outputs with the score of their best sampled path, best first.

    ``paths`` paths are sampled by their probability; the likeliest path is always included.
    """
    first = one_best(lattice)
    if first is None:
        return []
    scored = {first[0]: first[1]}
    scores = lattice.scores.double()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        drawn = k2.random_paths(lattice, use_double_scores=True, num_paths=paths)
    for row in drawn.tolist()[0]:
        arcs = torch.tensor(row, dtype=torch.int64)
        labels, score = outputs(lattice, arcs), float(scores[arcs].sum())
        scored[labels] = max(score, scored.get(labels, -math.inf))
    return sorted(scored.items(), key=lambda item: (-item[1], item[0]))[:count]


def rescore_lattice(lattice, grams, words):
    """Replace the lattice's grammar by another -> (output labels, score) of the best path, None where none fits."""
    word_ids = {word: number for number, word in enumerate(words) if number}
    bare = lattice.clone()
    bare.scores = bare.scores - bare.lm_scores
    del bare.lm_scores
    turned = k2.arc_sort(k2.invert(bare)[0])  # words become labels
    # Either side may follow an epsilon while the other waits: a back-off consumes no frame.
    rescored = k2.intersect(grammar_fsa(grams, word_ids), turned, treat_epsilons_specially=True)
    return one_best(k2.create_fsa_vec([k2.top_sort(k2.connect(k2.invert(rescored)))]))
