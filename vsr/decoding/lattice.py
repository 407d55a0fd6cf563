"""CTC decoding on graphs with k2: topology alone, or with a lexicon and an ARPA grammar (HLG), and n-best lists.

This file needs torch, k2 and the standard library alone and keeps to Python 3.9, so that it runs in the environment of
`tools/k2.sh`, apart from the rest of the package:

    vsr posteriors --manifest crops/manifest.jsonl --grammar grid --out exp/posteriors      # the usual environment
    .venv-k2/bin/python vsr/decoding/lattice.py exp/posteriors --method hlg --out exp/hlg.jsonl

Shapes: T frames, V tokens (blank 0; the end token has no place in a CTC path and is left out before).
Scores are natural logarithms. The graphs follow Mohri, Pereira and Riley 2008 in k2's form: label 0 of a
topology is the blank, an arc with label -1 enters the final state.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import struct
import sys
from pathlib import Path

import k2
import torch

POSTERIORS, TOKENS, LEXICON, GRAMMAR = "posteriors.safetensors", "tokens.json", "lexicon.json", "grammar.arpa"
NEVER = -99.0  # log10 probability by which ARPA files say that something does not occur
SEARCH = {"search_beam": 30.0, "output_beam": 10.0, "min_active_states": 30, "max_active_states": 10000}


class Refused(Exception):
    """What the user can mend, in one line."""


# ---- graphs ----------------------------------------------------------------------------------------------------


def fsa_of(arcs, final, transducer=True):
    """k2.Fsa of (from, to, label, aux label, score) arcs; ``final`` is the last state."""
    lines = []
    for source, target, label, aux, score in sorted(arcs):
        parts = (source, target, label, aux, score) if transducer else (source, target, label, score)
        lines.append(" ".join(map(str, parts)))
    text = "\n".join([*lines, str(final)])
    return k2.arc_sort(k2.Fsa.from_str(text, acceptor=not transducer))


def lexicon_fst(lexicon, separator, word_ids):
    """Tokens -> words. ``separator`` is the token that stands between words, None where pieces open a word themselves.

    Words that are spelled alike up to their end stay apart by the separator or by the opening piece.
    """
    arcs, free = [], 2  # 0: a word begins, 1: a word has ended
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
    """N-grams -> acceptor of word ids, one state a history, backing off by label 0; -99 means that no arc is there."""
    start = ("<s>",) if any(gram[0] == "<s>" for gram in grams) else ()
    order = max(map(len, grams))
    histories = {gram[:-1] for gram in grams if len(gram) > 1} | {(), start}
    numbers = {history: number for number, history in enumerate(sorted(histories, key=lambda h: (h != start, h)))}
    final = len(numbers)

    def known(history):
        while history not in numbers:
            history = history[1:]
        return history

    arcs = []
    for gram, (score, _) in grams.items():
        history, word = gram[:-1], gram[-1]
        if score <= NEVER or word == "<s>" or word not in word_ids and word != "</s>":
            continue
        target = final if word == "</s>" else numbers[known(gram[-(order - 1) :] if order > 1 else ())]
        label = -1 if word == "</s>" else word_ids[word]
        arcs.append((numbers[history], target, label, 0, score * math.log(10)))
    for history, number in numbers.items():
        backoff = grams.get(history, (0.0, 0.0))[1]
        if history and backoff > NEVER:
            arcs.append((number, numbers[known(history[1:])], 0, 0, backoff * math.log(10)))
    return fsa_of(arcs, final, transducer=False)


def topology(num_tokens):
    """CTC over tokens 0 ... num_tokens - 1. A token twice in a row needs a blank between, as in Graves et al. 2006
    (k2's ``modified`` topology does not ask for it: there a path stands for several texts, "to" and "too" alike)."""
    return k2.ctc_topo(num_tokens - 1, modified=False)


def hlg(num_tokens, lexicon, separator, grams):
    """Topology o lexicon o grammar, and the words by their ids (0 is no word)."""
    words = ["<eps>", *sorted(lexicon)]
    word_ids = {word: number for number, word in enumerate(words) if number}
    grammar = grammar_fsa(grams, word_ids)
    grammar.lm_scores = grammar.scores.clone()
    graph = k2.connect(k2.compose(lexicon_fst(lexicon, separator, word_ids), grammar))
    if graph.num_arcs == 0:
        raise Refused("no sentence of the grammar can be spelled with the lexicon")
    # Label 0 in what is composed with a topology would be read as the blank: back-offs must go before.
    graph = k2.arc_sort(k2.connect(k2.remove_epsilon(graph)))
    graph = k2.connect(k2.compose(topology(num_tokens), graph, inner_labels="tokens"))
    return k2.arc_sort(graph), words


# ---- search ----------------------------------------------------------------------------------------------------


def lattice_of(log_probs, graph, search=None):
    """Log-probabilities (T, V) through a graph -> pruned lattice, an FsaVec of one. Empty where nothing fits."""
    segments = torch.tensor([[0, 0, len(log_probs)]], dtype=torch.int32)
    dense = k2.DenseFsaVec(log_probs[None].float().contiguous(), segments)
    vector = k2.create_fsa_vec([graph]) if len(graph.shape) == 2 else graph
    return k2.intersect_dense_pruned(vector, dense, **(search or SEARCH))


def outputs(lattice, arcs):
    """Output labels along a path of arc numbers; nothing and the end are left out."""
    aux = lattice.aux_labels
    if isinstance(aux, torch.Tensor):
        found = aux[arcs.long()].tolist()
    else:
        rows = aux.tolist()
        found = [label for arc in arcs.tolist() for label in rows[arc]]
    return tuple(label for label in found if label > 0)


def one_best(lattice):
    """(output labels, score) of the likeliest path, None where the lattice is empty."""
    best = k2.shortest_path(lattice, use_double_scores=True)
    if best.num_arcs == 0:
        return None
    aux = best.aux_labels
    flat = aux if isinstance(aux, torch.Tensor) else aux.values
    score = float(best.get_tot_scores(use_double_scores=True, log_semiring=False)[0])
    return tuple(label for label in flat.tolist() if label > 0), score


def n_best(lattice, count, paths=200, seed=0):
    """At most ``count`` different outputs with the score of their best path found, best first.

    ``paths`` are drawn by their probability; the likeliest is always among them.
    """
    first = one_best(lattice)
    if first is None:
        return []
    found = {first[0]: first[1]}
    scores = lattice.scores.double()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        drawn = k2.random_paths(lattice, use_double_scores=True, num_paths=paths)
    for row in drawn.tolist()[0]:
        arcs = torch.tensor(row, dtype=torch.int64)
        labels, score = outputs(lattice, arcs), float(scores[arcs].sum())
        found[labels] = max(score, found.get(labels, -math.inf))
    return sorted(found.items(), key=lambda item: (-item[1], item[0]))[:count]


def rescore_lattice(lattice, grams, words):
    """The whole lattice with another grammar in place of its own -> (output labels, score), None where nothing fits."""
    word_ids = {word: number for number, word in enumerate(words) if number}
    bare = lattice.clone()
    bare.scores = bare.scores - bare.lm_scores
    del bare.lm_scores
    turned = k2.arc_sort(k2.invert(bare)[0])  # words become labels
    # Epsilons of both sides are free to wait for each other: a back-off costs no frame.
    found = k2.intersect(grammar_fsa(grams, word_ids), turned, treat_epsilons_specially=True)
    return one_best(k2.create_fsa_vec([k2.top_sort(k2.connect(k2.invert(found)))]))


# ---- a folder of posteriors ------------------------------------------------------------------------------------


def read_tensors(path):
    """name -> float32 tensor of a safetensors file, read with the standard library. Raises Refused."""
    try:
        data = Path(path).read_bytes()
        size = struct.unpack("<Q", data[:8])[0]
        header = json.loads(data[8 : 8 + size])
        header.pop("__metadata__", None)
        tensors = {}
        for name, entry in header.items():
            if entry["dtype"] != "F32":
                raise ValueError(f"{name} is not F32")
            start, end = entry["data_offsets"]
            body = bytearray(data[8 + size + start : 8 + size + end])
            tensors[name] = torch.frombuffer(body, dtype=torch.float32).reshape(entry["shape"])
        return tensors
    except (OSError, ValueError, KeyError, TypeError, RuntimeError, struct.error) as error:
        raise Refused(f"cannot read the posteriors {path}: {error}") from error


def read_json(path):
    """A JSON file. Raises Refused."""
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise Refused(f"cannot read {path}: {error}") from error


class Decoder:
    """One method over the clips of a folder that `vsr posteriors` wrote.

    Args:
        folder: posteriors.safetensors, tokens.json, and for hlg lexicon.json and grammar.arpa.
        method: ctc (topology alone) or hlg.
        nbest: hypotheses listed.
        rescore: ARPA file that replaces the grammar's scores on the whole lattice; hlg only.
    """

    def __init__(self, folder, method="hlg", nbest=1, rescore=None):
        folder = Path(folder)
        self.nbest, self.method = nbest, method
        self.pieces = read_json(folder / TOKENS)["pieces"]
        self.grams = read_arpa(rescore) if rescore else None
        if method == "ctc":
            self.graph = topology(len(self.pieces))
            return
        lexicon = read_json(folder / LEXICON)
        grams = read_arpa(folder / GRAMMAR)
        self.graph, self.words = hlg(len(self.pieces), lexicon["words"], lexicon["separator"], grams)

    def text(self, labels):
        """Output labels -> text."""
        if self.method == "hlg":
            return " ".join(self.words[label] for label in labels)
        return " ".join("".join(self.pieces[label] for label in labels).replace("\u2581", " ").split())

    def record(self, name, log_probs):
        """One clip -> what is written for it; an empty text where nothing fits."""
        lattice = lattice_of(log_probs, self.graph)
        if self.grams:
            best = rescore_lattice(lattice, self.grams, self.words)
            found = [best] if best else []
        else:
            found = n_best(lattice, self.nbest) if self.nbest > 1 else [b for b in [one_best(lattice)] if b]
        found = found or [((), 0.0)]
        listed = [{"text": self.text(labels), "score": score} for labels, score in found]
        return {"id": name, "text": listed[0]["text"], "score": listed[0]["score"], "nbest": listed}


def write_records(path, records):
    """One JSON object a line; the file appears when all are there."""
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_text("".join(json.dumps(r, ensure_ascii=False) + "\n" for r in records), encoding="utf-8")
        os.replace(str(temporary), str(path))
    except OSError as error:
        raise Refused(f"cannot write {path}: {error.strerror}") from error


def main(argv=None):
    """Decode a folder; returns the exit status."""
    parser = argparse.ArgumentParser(description="graph decoding of what vsr posteriors wrote")
    parser.add_argument("folder", help="folder of vsr posteriors")
    parser.add_argument("--out", required=True, metavar="JSONL", help="one hypothesis a line, as vsr decode writes")
    parser.add_argument("--method", choices=("ctc", "hlg"), default="hlg", help="default: hlg")
    parser.add_argument("--nbest", type=int, default=1, metavar="N", help="hypotheses listed (default: 1)")
    parser.add_argument("--rescore", metavar="ARPA", help="with hlg: another grammar for the whole lattice")
    args = parser.parse_args(argv)
    if args.nbest < 1 or args.rescore and (args.method != "hlg" or args.nbest > 1):
        parser.error("--nbest is at least 1; --rescore needs --method hlg and gives one hypothesis")
    try:
        decoder = Decoder(args.folder, args.method, args.nbest, args.rescore)
        clips = read_tensors(Path(args.folder) / POSTERIORS)
        records = [decoder.record(name, clips[name]) for name in sorted(clips)]
        write_records(args.out, records)
    except Refused as error:
        message = " ".join(str(error).split())
        print(f"lattice: {message}", file=sys.stderr)
        return 1
    print(f"{len(records)} clips decoded to {args.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
