#!/usr/bin/env python3
"""How well units are translated: BLEU and WER by a recogniser of units, unit errors, lengths.

    local/translations.py --translator exp/translator/model --heard data/all_{en,es,de,it,pt,fr}/test.jsonl \\
        --said data/one_{en,es,de,it,pt,fr}/test.jsonl --train data/one_{en,es,de,it,pt,fr}/train.jsonl --out rows.json

Clip n is translated into each language from one of the others by turns. The recogniser reads words of all languages by
CTC from the units of --train, which hold none of the test's combinations; its figure on the natural units of --said
is the upper bound. Controls: units of another clip, and what is heard without translation. --lips gives units in the
place of what is heard (id.npy, (T, 2) whole numbers), as a head on lips writes them.
"""

import argparse
import json
import sys
from pathlib import Path

import numpy as np
import torch
from torch.nn.utils.rnn import pad_sequence

sys.path.insert(0, str(Path(__file__).parents[2] / "vsr" / "local"))
sys.path.insert(0, str(Path(__file__).parent))
from few_videos import batch_of, drawn, fit
from purity import purity

from lip2speech.models.durations import runs
from lip2speech.models.translators import load_translator
from lip2speech.training.unit_pairs import units_of
from vsr.data.manifest import read_manifest, read_manifests, translation_of
from vsr.evaluation.translation import score_translations
from vsr.evaluation.wer import score
from vsr.media.units import Codebook
from vsr.models.lipreader import LipReader, LipReaderConfig
from vsr.objectives.ctc_attention import ctc_attention
from vsr.objectives.rewards import edits
from vsr.text.tokenizer import train_tokenizer

AT_ONCE = 25  # clips that are translated together


def recogniser(tokenizer, size: int, seed: int) -> LipReader:
    """Two Conformer layers and CTC over units, from random weights."""
    torch.manual_seed(seed)
    config = LipReaderConfig(
        tokenizer.vocab_size, frontend="units", frontend_settings={"size": size}, dim=96, heads=4, hidden=256,
        layers=2, kernel=15, decoder_layers=0, ctc_weight=1.0, alignment_weight=0.0,
    )  # fmt: skip
    return LipReader(config)


@torch.inference_mode()
def words_in(model: LipReader, units, tokenizer) -> list[str]:
    """What the recogniser reads in units (2T,) of each clip."""
    found = []
    for own in units:
        if len(own) < 2:
            found.append("")
            continue
        batch = batch_of([(torch.as_tensor(own)[: len(own) // 2 * 2].view(-1, 2), torch.zeros(1, dtype=torch.long))])
        ((best,),) = model.ctc.search(model.encode_batch(batch), batch.lengths)
        found.append(tokenizer.decode(best.tokens))
    return found


def translated_units(model, sources, language: str, same: bool):
    """Units (2T,) of each clip, in a language; nothing where there is no time for them."""
    found = []
    for first in range(0, len(sources), AT_ONCE):
        own = [torch.as_tensor(each).view(-1, 2) for each in sources[first : first + AT_ONCE]]
        lengths = torch.tensor([len(each) for each in own])
        found += model.translate(pad_sequence(own, True), lengths, language, same)
    return [one.units for one in found], [one.pace for one in found]


def sources_of(heard, place: int, count: int):
    """The first clips of the lists that are translated into the language of one, from each of the others by turns."""
    others = [own for number, own in enumerate(heard) if number != place]
    return [others[n % len(others)][n] for n in range(count)]


def figures(read: list[str], true: list[str]) -> str:
    """BLEU and WER with intervals."""
    named = {f"{number:04d}": text for number, text in enumerate(read)}
    known = {f"{number:04d}": text for number, text in enumerate(true)}
    bleu, (wer, _) = score_translations(known, named), score(known, named)
    return (
        f"BLEU {bleu.value:.1f} ({bleu.low:.1f} - {bleu.high:.1f})  WER {100 * wer.wer:.1f} "
        f"({100 * wer.wer_low:.1f} - {100 * wer.wer_high:.1f}) of {wer.words} words"
    )


def unit_errors(found, true) -> float:
    """Edits of units without repetitions, in % of the true ones."""
    pairs = [(runs(list(one))[0], runs(list(other))[0]) for one, other in zip(found, true, strict=True)]
    wrong = sum(edits(said, known) for said, known in pairs)
    return 100 * wrong / sum(len(known) for _, known in pairs)


def parser() -> argparse.ArgumentParser:
    own = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    own.add_argument("--translator", required=True, metavar="DIR")
    for flag in ("--heard", "--said", "--train"):
        own.add_argument(flag, nargs="+", required=True, metavar="JSONL")
    own.add_argument("--lips", metavar="DIR", help="units of the clips of the first list of --heard alone")
    own.add_argument("--clips", type=int, default=0, metavar="N", help="the first N of each list (default: all)")
    own.add_argument("--steps", type=int, default=400, help="of the recogniser (default: 400)")
    own.add_argument("--seed", type=int, default=0)
    own.add_argument("--out", required=True, metavar="FILE")
    return own


def main() -> None:
    args = parser().parse_args()
    torch.set_num_threads(1)
    model = load_translator(args.translator)
    codebook = Codebook.load(Path(args.translator) / "units.safetensors")
    heard, said = ([read_manifest(path)[: args.clips or None] for path in own] for own in (args.heard, args.said))
    train = read_manifests(args.train)
    units = units_of([*train, *(clip for clips in heard + said for clip in clips)], codebook)
    print(f"purity of units: {purity([c for own in heard for c in own], units):.1f} % by all voices, "
          f"{purity(train, units):.1f} % by one of each language", flush=True)  # fmt: skip
    tokenizer = train_tokenizer("word", [clip.text for clip in train])
    reader = recogniser(tokenizer, len(codebook), args.seed)
    known = [(units[c.id].view(-1, 2), torch.tensor(tokenizer.encode(c.text))) for c in train]
    some = drawn(known, len(codebook), 0.05)
    fit(reader, lambda batch: ctc_attention(reader, batch)["loss"], some, args.steps, 2e-3, args.seed)
    reader.eval()
    languages = [clips[0].language for clips in heard]
    made, natural = {"same": [], "another clip": [], "not translated": []}, []
    each, texts, differ, late, rows = {}, [], [], [], {}
    for place, language in enumerate(languages):
        if args.lips and place == 0:
            continue
        count = len(said[place])
        sources = heard[0][:count] if args.lips else sources_of(heard, place, count)
        given = [np.load(Path(args.lips) / f"{c.id}.npy").ravel() if args.lips else units[c.id] for c in sources]
        true = [translation_of(c, language) for c in sources]
        same, paces = translated_units(model, given, language, True)
        free = translated_units(model, given, language, False)[0] if model.own_length else []
        wrong, _ = translated_units(model, given[1:] + given[:1], language, True)
        late += [abs(len(one) - len(other)) for one, other in zip(same, given, strict=True)]
        differ += [abs(len(one) - len(other)) / 50 for one, other in zip(free, given, strict=bool(free))]
        read = words_in(reader, same, tokenizer)
        each[language], texts = figures(read, true), texts + true
        own = [units[c.id] for c in said[place]]
        print(f"into {language}: {each[language]}; units that differ {unit_errors(same, own):.1f} % (of another clip "
              f"{unit_errors(wrong, own):.1f}); pace {np.mean(paces):.2f}", flush=True)  # fmt: skip
        made["same"] += read
        made["another clip"] += words_in(reader, wrong, tokenizer)
        made["not translated"] += words_in(reader, given, tokenizer)
        if free:
            made.setdefault("free", []).extend(words_in(reader, free, tokenizer))
        natural += words_in(reader, own, tokenizer)
        rows[language] = {"read": read, "true": true}
    for name, read in [*made.items(), ("natural units", natural)]:
        print(f"{name}: {figures(read, texts)}", flush=True)
    own = f", free by {np.mean(differ):.2f} s on average" if differ else ""
    print(f"lengths: same differs by at most {max(late)} units{own}")
    Path(args.out).write_text(json.dumps(rows, ensure_ascii=False, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
