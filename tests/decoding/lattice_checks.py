"""Run by test_lattice.py in the environment of k2: prints one JSON object of what the graphs gave."""

import itertools
import json
import math
import sys
import tempfile
from pathlib import Path

import torch

sys.path.insert(0, sys.argv[1])
import k2_graphs
import k2_search

WIDE = {"search_beam": 1e4, "output_beam": 1e4, "min_active_states": 1000, "max_active_states": 100000}
ARPA = """\\data\\
ngram 1=5
ngram 2=5

\\1-grams:
-99 <s> -0.3
-0.9 </s>
-0.5 ab -0.2
-0.4 ba 0.0
-0.7 bb

\\2-grams:
-0.3 <s> ab
-0.2 ab ba
-0.6 ab ab
-0.5 ba </s>
-0.4 bb </s>

\\end\\
"""
LEXICON = {"ab": [2, 3], "ba": [3, 2], "bb": [3, 3]}  # 1 is the space


def arpa_file(text):
    path = Path(tempfile.mkdtemp()) / "grammar.arpa"
    path.write_text(text)
    return path


def collapse(path):
    return tuple(i for k, i in enumerate(path) if i and (k == 0 or i != path[k - 1]))


def greedy_agrees(draws):
    torch.manual_seed(1)
    for _ in range(draws):
        log_probs = (3 * torch.randn(12, 5)).log_softmax(-1)
        best, path = log_probs.max(-1)
        labels, score = k2_search.one_best(k2_search.lattice_of(log_probs, k2_graphs.topology(5)))
        if labels != collapse(path.tolist()) or abs(score - float(best.sum())) > 1e-3:
            return False
    return True


def bigram(grams, words):
    """Natural log probability of a sentence by the best of matching and backing off, as the acceptor has it."""
    log_prob, previous = 0.0, "<s>"
    for word in [*words, "</s>"]:
        backoff = grams.get((previous,), (0, 0))[1] + grams[(word,)][0]
        log_prob += max(backoff, grams.get((previous, word), (-math.inf, 0))[0])
        previous = word
    return log_prob * math.log(10)


def viterbi(log_probs, tokens):
    """Best CTC path through the tokens, by trying every path's next step."""
    labels = [0]
    for token in tokens:
        labels += [token, 0]
    best = [-math.inf] * len(labels)
    best[0], best[1] = log_probs[0][0], log_probs[0][labels[1]]
    for row in log_probs[1:]:
        best = [
            row[label]
            + max(
                best[s],
                best[s - 1] if s else -math.inf,
                best[s - 2] if s > 1 and label and label != labels[s - 2] else -math.inf,
            )
            for s, label in enumerate(labels)
        ]
    return max(best[-1], best[-2])


def sentences():
    for count in (1, 2, 3):
        yield from itertools.product(LEXICON, repeat=count)


def spelled(words):
    return [token for k, word in enumerate(words) for token in ([1] if k else []) + LEXICON[word]]


def brute_force(log_probs, grams):
    scored = [(viterbi(log_probs.tolist(), spelled(w)) + bigram(grams, w), w) for w in sentences()]
    return sorted(scored, reverse=True)


def compared(draws):
    grams = k2_graphs.read_arpa(arpa_file(ARPA))
    other = k2_graphs.read_arpa(arpa_file(ARPA.replace("-0.3 <s> ab", "-2.5 <s> ab").replace("-0.7 bb", "-0.1 bb")))
    graph, words = k2_graphs.hlg(4, LEXICON, 1, grams)
    torch.manual_seed(2)
    rows = []
    for _ in range(draws):
        log_probs = (2 * torch.randn(9, 4)).log_softmax(-1)  # at most three words fit into nine frames
        lattice = k2_search.lattice_of(log_probs, graph, WIDE)
        labels, score = k2_search.one_best(lattice)
        again, again_score = k2_search.rescore_lattice(lattice, other, words)
        nbest = k2_search.n_best(lattice, 3, paths=2000)
        expected, expected_other = brute_force(log_probs, grams), brute_force(log_probs, other)
        rows.append({
            "hlg": [[words[i] for i in labels], score], "hlg_expected": [expected[0][1], expected[0][0]],
            "rescored": [[words[i] for i in again], again_score],
            "rescored_expected": [expected_other[0][1], expected_other[0][0]],
            "nbest": [[[words[i] for i in ids], s] for ids, s in nbest],
            "nbest_expected": [[w, s] for s, w in expected[:3]],
        })  # fmt: skip
    return rows


if __name__ == "__main__":
    print(json.dumps({"greedy": greedy_agrees(20), "rows": compared(5)}))
