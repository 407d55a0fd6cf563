#!/usr/bin/env python3
"""Word errors of recognisers on the speech of a unit voice: texts (`lip2speech say`) and translations.

    local/sound_rows.py --voice exp/voice/model --says exp/say/model --translator exp/t0/model \\
        --heard data/all_{en,es,de}/test.jsonl --said data/one_{en,es,de}/test.jsonl \\
        --train data/one_{en,es,de}/train.jsonl --out exp/sound

Each clip of --said is recognised as recorded, and as resynthesised from its own units, from its text, and from the
translation of a clip of another language (as by translations.py, as long as that clip). Control: the units of the next
clip. Two recognisers, neither trained on the voice's output: one of units, as in translations.py, for which all sound
is turned into units again, and for English PocketSphinx with the grammar of the sentences. Prints word error rates with
bootstrap intervals over the clips, and writes a folder for each row to --out, for ../../../grid/vsr/local/seeds.py.
"""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parent))
from say_rows import outputs_of_next
from translations import length_errors, sources_of, translated_units
from unit_recogniser import trained_recogniser, words_in

from lip2speech.evaluation.asr_scorers import PocketSphinxGrid
from lip2speech.features.phones import phones_in
from lip2speech.features.speaker import reference_vector
from lip2speech.inference.folder import UNITS_FILE, load_model
from lip2speech.inference.revoicing import matching_codebook, say_units
from lip2speech.inference.saying import open_text_units, say_text
from lip2speech.inference.speakers import speaker_of
from lip2speech.models.translators import load_translator
from lip2speech.training.unit_pairs import units_of
from vsr.core.clock import SAMPLE_RATE, SAMPLES_PER_FRAME
from vsr.corpora.puppet.parallel import vocabulary_of
from vsr.data.manifest import read_manifest, read_manifests, translation_of
from vsr.evaluation.comparison_rows import rates, write_scores
from vsr.evaluation.wer import UtteranceScore, score_utterance
from vsr.media.audio import fit_length, read_wave
from vsr.media.units import Codebook, open_extractor


class PocketSphinxParallel(PocketSphinxGrid):
    """CMU PocketSphinx with the English sentences of the parallel grammar; a slot may have two words."""

    name = "pocketsphinx-parallel"
    slots = tuple(sorted(set(own)) for own in zip(*(s.split(" ", 5) for s in vocabulary_of("en").lines), strict=True))


class UnitExtractor:
    """Converts a wave to units (2T,), with the codebook of the voice."""

    def __init__(self, codebook):
        self.codebook, self.extractor = codebook, open_extractor(codebook.extractor)

    def units(self, wave: np.ndarray) -> torch.Tensor:
        """Units of whole video frames; the wave is padded."""
        padded = fit_length(wave.astype(np.float32), -(-len(wave) // SAMPLES_PER_FRAME) * SAMPLES_PER_FRAME)
        return self.codebook.units(self.extractor.frames(torch.from_numpy(padded)))


class Recognisers:
    """That of units, trained on clips of one codebook, and PocketSphinx for English."""

    def __init__(self, codebook: Codebook, train, units, steps: int, seed: int):
        self.reader, self.tokenizer = trained_recogniser(train, units, len(codebook), steps, seed)
        self.extractor, self.sphinx = UnitExtractor(codebook), PocketSphinxParallel()

    def scores(self, clips, waves) -> dict[str, list[UtteranceScore]]:
        """Recogniser -> scores of each clip that it can read."""
        read = words_in(self.reader, [self.extractor.units(wave) for wave in waves], self.tokenizer)
        by_units = [score_utterance(clip.id, clip.text, text) for clip, text in zip(clips, read, strict=True)]
        english = [(clip, wave) for clip, wave in zip(clips, waves, strict=True) if clip.language == "en"]
        by_sphinx = [score_utterance(clip.id, clip.text, self.sphinx.transcribe(wave)) for clip, wave in english]
        return {"units": by_units, "sphinx": by_sphinx}


def units_to_say(args, each, units) -> dict[str, list]:
    """Row -> units of each clip that the voice speaks; ``each``: the clips of each list."""
    all_clips = [clip for clips in each for clip in clips]
    own_units = [units[clip.id].tolist() for clip in all_clips]
    rows = {"its own units": own_units, "the next clip's": outputs_of_next(own_units, all_clips)}
    if args.says:
        text = open_text_units(args.says)
        rows["text"] = [say_text(text, [phones_in(c.text, c.language)], c.language).units for c in all_clips]
    if args.translator:
        rows["translated"] = translated(load_translator(args.translator), args.heard, each, units)
    return rows


def translated(model, heard, each, units) -> list:
    """Units of each clip's text, from a clip of another language with the same meaning."""
    lists, rows = [read_manifest(path) for path in heard], []
    for index, clips in enumerate(each):
        language, sources = clips[0].language, sources_of(lists, index, len(clips))
        if [translation_of(clip, language) for clip in sources] != [clip.text for clip in clips]:
            raise SystemExit(f"{heard[index]}: clip n of each list of --heard and --said must say the same")
        source_units = [units[clip.id] for clip in sources]
        target_units, _ = translated_units(model, source_units, language, True)
        most = max(length_errors(target_units, source_units))
        print(f"into {language}: as long as what is heard, to {most} units", flush=True)
        rows += target_units
    return rows


def parser() -> argparse.ArgumentParser:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--voice", required=True, metavar="DIR", help="acoustic model that speaks units")
    options.add_argument("--vocoder", metavar="DIR", help="default: the one in the package")
    options.add_argument("--says", metavar="DIR", help="what says text by units")
    options.add_argument("--translator", metavar="DIR")
    options.add_argument("--heard", nargs="+", default=[], metavar="JSONL", help="what is translated")
    for flag in ("--said", "--train"):
        options.add_argument(flag, nargs="+", required=True, metavar="JSONL")
    options.add_argument("--steps", type=int, default=800, help="of the recogniser of units (default: 800)")
    options.add_argument("--seed", type=int, default=0, help="of that recogniser (default: 0)")
    options.add_argument("--out", required=True, metavar="DIR")
    return options


def waves_of(loaded, args, train, each, units) -> Iterator[tuple[str, list[np.ndarray]]]:
    """Each row and its waves of all clips: as recorded, and by the voice, whose speaker of each language is that of a
    training clip; ``each``: the clips of each list."""
    clips = [clip for clips in each for clip in clips]
    yield "natural", [read_wave(clip.sound) for clip in clips]
    vectors = {clip.language: reference_vector(clip.sound) for clip in reversed(train)}
    speakers = {language: speaker_of(loaded, torch.from_numpy(vector)) for language, vector in vectors.items()}
    for name, clip_units in units_to_say(args, each, units).items():
        pairs = zip(clips, clip_units, strict=True)
        yield name, [say_units(loaded, torch.tensor(said), speakers[clip.language]) for clip, said in pairs]


def main() -> None:
    """Measure and print."""
    args = parser().parse_args()
    if args.translator and len(args.heard) != len(args.said):
        raise SystemExit("--translator needs a list of --heard for each of --said")
    torch.set_num_threads(1)
    loaded = load_model(acoustic=args.voice, vocoder=args.vocoder)
    codebook = Codebook.load(loaded.parts[0] / UNITS_FILE)
    for folder in filter(None, (args.says, args.translator)):
        matching_codebook(Path(folder), loaded.parts[0], len(codebook))
    train, lists = read_manifests(args.train), [read_manifest(path) for path in args.said]
    clips = [clip for clips in lists for clip in clips]
    units = units_of([*train, *clips, *read_manifests(args.heard)], codebook)
    recognisers = Recognisers(codebook, train, units, args.steps, args.seed)
    for name, waves in waves_of(loaded, args, train, lists, units):
        scores = recognisers.scores(clips, waves)
        write_scores(Path(args.out) / name.replace(" ", "_").replace("'", ""), scores)
        seconds = sum(map(len, waves)) / SAMPLE_RATE
        by_sphinx = f"{recognisers.sphinx.name} {rates(scores['sphinx'])}"
        print(f"{name}: by units {rates(scores['units'])}; {by_sphinx}; {seconds:.0f} s", flush=True)


if __name__ == "__main__":
    main()
