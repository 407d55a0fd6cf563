"""k2 graphs for `lattice.py`: the CTC topology alone, or with a lexicon and an ARPA grammar (HLG).

Like `lattice.py`, from whose folder it is imported, it needs only torch and k2 and keeps to Python 3.9. The graphs
follow Mohri, Pereira and Riley 2008 in k2's form: label 0 of a topology is the blank, and an arc with label -1 enters
the final state. Scores are natural logarithms.
"""

from __future__ import annotations

import math
from pathlib import Path

import k2

NEVER = -99.0  # log10 probability that marks an impossible event in ARPA files


class Refused(Exception):
    """An error that the user can mend, in one line."""


def fsa_of(arcs, final, transducer=True):
    """k2.Fsa from (from, to, label, aux label, score) arcs; ``final`` is the last state."""
    lines = []
    for source, target, label, aux, score in sorted(arcs):
        parts = (source, target, label, aux, score) if transducer else (source, target, label, score)
        lines.append(" ".join(map(str, parts)))
    text = "\n".join([*lines, str(final)])
    return k2.arc_sort(k2.Fsa.from_str(text, acceptor=not transducer))


def lexicon_fst(lexicon, separator, word_ids):
    """Transducer of tokens to words. ``separator`` is the token between words, None where pieces mark a word's start.

    Words where one is a prefix of the other are kept apart by the separator or by the piece that starts the next word.
    """
    arcs, free = [], 2  # state 0: a word begins, 1: a word has ended
    for word, tokens in sorted(lexicon.items()):
        state = 0
        for place, token in enumerate(tokens):
            last = place == len(tokens) - 1
            target = (1 if separator is not None else 0) if last else free
            free += 0 if last else 1
            arcs.append((state, target, token, 0 if place else word_ids[word], 0.0))
            state = target
    if separator is not None:
        arcs.append((1, 0, separator, 0, 0.0))
    end = 1 if separator is not None else 0
    return fsa_of([*arcs, (end, free, -1, -1, 0.0)], free)


def read_arpa(path):
    """ARPA file -> {n-gram as a tuple of words: (log10 probability, log10 back-off)}. Raises Refused."""
    grams, order = {}, 0
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise Refused(f"cannot read the grammar {path}: {error}") from error
    for number, line in enumerate(map(str.strip, lines), 1):
        if line.startswith("\\"):
            order = int(line[1:].split("-")[0]) if line.endswith("-grams:") else 0
        elif order and line:
            parts = line.split()
            try:
                backoff = float(parts[order + 1]) if len(parts) == order + 2 else 0.0
                grams[tuple(parts[1 : order + 1])] = (float(parts[0]), backoff)
            except (ValueError, IndexError) as error:
                raise Refused(f"{path}, line {number}: no {order}-gram: '{line}'") from error
    if not grams:
        raise Refused(f"{path} holds no n-grams")
    return grams


def grammar_fsa(grams, word_ids):
    """N-grams -> acceptor of word ids with one state per history and back-off arcs of label 0; -99 means no arc."""
    start = ("<s>",) if any(gram[0] == "<s>" for gram in grams) else ()
    histories = {gram[:-1] for gram in grams if len(gram) > 1} | {(), start}
    states = {history: number for number, history in enumerate(sorted(histories, key=lambda h: (h != start, h)))}
    arcs = [*_word_arcs(grams, states, word_ids), *_backoff_arcs(grams, states)]
    return fsa_of(arcs, len(states), transducer=False)


def _word_arcs(grams, states, word_ids):
    """Yield an arc for each n-gram of known words; the end of a sentence enters the final state."""
    order = max(map(len, grams))
    for gram, (score, _) in grams.items():
        history, word = gram[:-1], gram[-1]
        if score <= NEVER or word == "<s>" or word not in word_ids and word != "</s>":
            continue
        target = len(states) if word == "</s>" else _state_of(gram[-(order - 1) :] if order > 1 else (), states)
        label = -1 if word == "</s>" else word_ids[word]
        yield states[history], target, label, 0, score * math.log(10)


def _backoff_arcs(grams, states):
    """Yield an arc of label 0 from each history to its back-off history, which is at least one word shorter."""
    for history, number in states.items():
        backoff = grams.get(history, (0.0, 0.0))[1]
        if history and backoff > NEVER:
            yield number, _state_of(history[1:], states), 0, 0, backoff * math.log(10)


def _state_of(history, states):
    """The state of the longest suffix of a history that has a state; the empty history always has one."""
    while history not in states:
        history = history[1:]
    return states[history]


def topology(num_tokens):
    """CTC topology over tokens 0 ... num_tokens - 1. A repeated token needs a blank between, as in Graves et al. 2006
    (k2's ``modified`` topology does not require it: there one path stands for several texts, as for "to" and "too")."""
    return k2.ctc_topo(num_tokens - 1, modified=False)


def hlg(num_tokens, lexicon, separator, grams):
    """The graph topology o lexicon o grammar, and the words by id (0 is no word)."""
    words = ["<eps>", *sorted(lexicon)]
    word_ids = {word: number for number, word in enumerate(words) if number}
    grammar = grammar_fsa(grams, word_ids)
    grammar.lm_scores = grammar.scores.clone()
    graph = k2.connect(k2.compose(lexicon_fst(lexicon, separator, word_ids), grammar))
    if graph.num_arcs == 0:
        raise Refused("no sentence of the grammar can be spelled with the lexicon")
    # Composition with the topology would read label 0 as the blank: back-off arcs must be removed first.
    graph = k2.arc_sort(k2.connect(k2.remove_epsilon(graph)))
    graph = k2.connect(k2.compose(topology(num_tokens), graph, inner_labels="tokens"))
    return k2.arc_sort(graph), words
