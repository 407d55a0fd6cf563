"""CTC decoding on graphs with k2: topology alone, or with a lexicon and an ARPA grammar (HLG), and n-best lists.

This program, with `k2_graphs.py` and `k2_search.py` beside it, needs torch, k2 and the standard library alone and keeps
to Python 3.9, so that it runs in the environment of `tools/k2.sh`, apart from the rest of the package:

    vsr posteriors --manifest crops/manifest.jsonl --grammar grid --out exp/posteriors      # the usual environment
    .venv-k2/bin/python vsr/decoding/lattice.py exp/posteriors --method hlg --out exp/hlg.jsonl

Shapes: T frames, V tokens (blank 0; the end token has no place in a CTC path and is left out before).
Scores are natural logarithms.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import struct
import sys
from pathlib import Path

import torch
from k2_graphs import Refused, hlg, read_arpa, topology
from k2_search import lattice_of, n_best, one_best, rescore_lattice

POSTERIORS, TOKENS, LEXICON, GRAMMAR = "posteriors.safetensors", "tokens.json", "lexicon.json", "grammar.arpa"


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
    """Decodes clips of a folder written by `vsr posteriors` with one method.

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
        """Log-probabilities (T, V) of one clip -> its record; an empty text where no path fits."""
        lattice = lattice_of(log_probs, self.graph)
        if self.grams:
            best = rescore_lattice(lattice, self.grams, self.words)
            hypotheses = [best] if best else []
        else:
            hypotheses = n_best(lattice, self.nbest) if self.nbest > 1 else [b for b in [one_best(lattice)] if b]
        hypotheses = hypotheses or [((), 0.0)]
        listed = [{"text": self.text(labels), "score": score} for labels, score in hypotheses]
        return {"id": name, "text": listed[0]["text"], "score": listed[0]["score"], "nbest": listed}


def write_records(path, records):
    """Write one JSON object per line; the file appears only when it is complete. Raises Refused."""
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_text(
            "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records), encoding="utf-8"
        )
        os.replace(str(temporary), str(path))
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink()
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
