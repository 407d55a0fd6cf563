#!/usr/bin/env python3
"""Word error rate of an audio-visual model with lips, sound and both, over noise and covered lips.

    local/noise.py --model grid-av --manifest data/sound/test_s1/manifest.jsonl \\
        --voices data/sound/train/manifest.jsonl --out exp/noise

Noise is drawn from the clip's id and the seed: the same at every SNR. Babble consists of five clips of --voices, which
must not be a test list. Covered lips have a square of noise over the mouth for a share of the frames, in one stretch.
Hypotheses that an earlier run decoded into the same folder are reused; the table is written to OUT/table.md, the counts
to OUT/counts.json.
"""

import argparse
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from vsr.core.clock import SAMPLES_PER_FRAME
from vsr.core.files import write_json, write_text
from vsr.data.crop_files import read_crop
from vsr.data.manifest import Clip, read_manifest, write_manifest
from vsr.data.sound_input import clip_wave
from vsr.data.splits import check_disjoint
from vsr.decoding.corpus import decode_manifest
from vsr.decoding.defaults import options_for
from vsr.evaluation.wer import read_hypotheses, score
from vsr.media.audio import fit_length, write_wave
from vsr.media.mixing import KINDS, mix, noise_of
from vsr.modelstore.folder import load_model

SNRS = (20.0, 10.0, 5.0, 0.0, -5.0, -10.0)
SHARES = (0.25, 0.5, 0.75, 1.0)
VOICES = 5
SIDE, PATCH = 96, 56  # side of the crop and of the square over the mouth, pixels
COVERED_AT = 0.0  # SNR of the babble with covered lips, dB


@dataclass(frozen=True)
class Cell:
    """One condition of a list: the input streams, the noise, and the share of covered frames."""

    modality: str
    kind: str = ""
    snr: float = float("inf")
    covered: float = 0.0
    shuffled: bool = False

    @property
    def name(self) -> str:
        """Stem of its file names."""
        noise = f"_{self.kind}_{self.snr:g}dB" if self.kind else ""
        covered = f"_covered{round(100 * self.covered)}" if self.covered else ""
        return self.modality + noise + covered + ("_shuffled" if self.shuffled else "")


def cells_of(kinds: list[str], snrs: list[float], shares: list[float]) -> Iterator[Cell]:
    """All measured conditions; noise is irrelevant for lips alone."""
    yield Cell("video")
    for modality in ("sound", "both"):
        yield Cell(modality)
        yield from (Cell(modality, kind, snr) for kind in kinds for snr in snrs)
    yield Cell("both", shuffled=True)
    for share in shares:
        yield Cell("video", covered=share)
        yield Cell("both", "babble", COVERED_AT, share)


def rng_of(clip: Clip, seed: int, what: str) -> np.random.Generator:
    """Random generator that depends on the clip, the seed and the purpose ``what``."""
    return np.random.default_rng([seed, zlib.crc32(f"{clip.id} {what}".encode())])


def noisy(clip: Clip, cell: Cell, voices: list[Clip], seed: int) -> np.ndarray:
    """The clip's sound in the noise of a condition, scaled down if it would clip in 16 bit."""
    wave, rng = clip_wave(clip), rng_of(clip, seed, cell.kind)
    speakers = [clip_wave(voices[i]) for i in rng.choice(len(voices), VOICES, replace=False)]
    wave = mix(wave, noise_of(cell.kind, len(wave), speakers, rng), cell.snr)
    return wave / max(1.0, float(np.abs(wave).max()))


def cover_mouth(clip: Clip, share: float, seed: int) -> np.ndarray:
    """The clip's crop (T, 96, 96) with noise over the mouth in one stretch, ``share`` of its frames."""
    crop, rng = np.array(read_crop(clip.crop)), rng_of(clip, seed, "covered")
    count = round(share * len(crop))
    first = int(rng.integers(0, len(crop) - count + 1))
    margin = (SIDE - PATCH) // 2
    patch = rng.integers(0, 256, (PATCH, PATCH), dtype=np.uint8)
    crop[first : first + count, margin : margin + PATCH, margin : margin + PATCH] = patch
    return crop


def corrupt_clips(clips: list[Clip], cell: Cell, voices: list[Clip], folder: Path, seed: int) -> list[Clip]:
    """The clips under a condition, with their files in ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    others = clips[1:] + clips[:1] if cell.shuffled else clips
    corrupted = []
    for clip, other in zip(clips, others, strict=True):
        if cell.shuffled or cell.kind:
            length = clip.num_frames * SAMPLES_PER_FRAME
            wave = noisy(clip, cell, voices, seed) if cell.kind else fit_length(clip_wave(other), length)
            write_wave(folder / f"{clip.id}.wav", wave)
            clip = replace(clip, sound=str(folder / f"{clip.id}.wav"))
        if cell.covered:
            np.save(folder / f"{clip.id}.npy", cover_mouth(clip, cell.covered, seed))
            clip = replace(clip, crop=str(folder / f"{clip.id}.npy"))
        corrupted.append(clip)
    return corrupted


def measure(loaded, clips: list[Clip], cell: Cell, voices: list[Clip], out: Path, seed: int) -> dict:
    """Errors, words and WER interval under a condition; decodes unless hypotheses exist."""
    hypotheses = out / f"{cell.name}.jsonl"
    references = {clip.id: clip.text for clip in clips}
    if not hypotheses.is_file():
        manifest = out / f"{cell.name}.manifest.jsonl"
        write_manifest(manifest, corrupt_clips(clips, cell, voices, out / "files" / cell.name, seed))
        decode_manifest(loaded, manifest, hypotheses, options_for(loaded), modality=cell.modality)
    return counts_of(references, read_hypotheses(hypotheses))


def counts_of(references: dict[str, str], hypotheses: dict[str, str]) -> dict:
    """Errors, words, and the interval of the WER in percent."""
    total, utterances = score(references, hypotheses)
    errors = sum(utterance.errors for utterance in utterances)
    return {"errors": errors, "words": total.words, "interval": [total.wer_low, total.wer_high]}


def gain(sound: dict[float, float], both: dict[float, float], at: float = 0.0) -> float | None:
    """Gain in dB: how much noisier sound with lips may be than sound alone at ``at`` dB for the same WER; SNR (dB) ->
    WER of each. Infinite if no measured noise brings both up to that WER, None if even the least noise does not stay
    below it."""
    target_wer, snrs = sound[at], sorted(both, reverse=True)
    for quieter, louder in zip(snrs, snrs[1:], strict=False):
        low, high = both[quieter], both[louder]
        if low <= target_wer < high:
            return at - (quieter + (target_wer - low) / (high - low) * (louder - quieter))
    return float("inf") if both[snrs[-1]] <= target_wer else None


def main() -> None:
    """Measure and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="grid-av")
    parser.add_argument("--manifest", required=True)
    parser.add_argument("--voices", required=True, help="manifest of the clips that babble is made of")
    parser.add_argument("--out", required=True)
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=["babble", "white"])
    parser.add_argument("--snr", nargs="+", type=float, default=list(SNRS))
    parser.add_argument("--covered", nargs="*", type=float, default=list(SHARES))
    parser.add_argument("--clips", type=int, default=0, help="the first so many of the list (0: all)")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    clips, voices = read_manifest(args.manifest)[: args.clips or None], read_manifest(args.voices)
    check_disjoint(voices, [], clips)
    loaded, out, counts = load_model(args.model), Path(args.out), {}
    for cell in cells_of(args.kinds, args.snr, args.covered):
        counts[cell] = measure(loaded, clips, cell, voices, out, args.seed)
        print(f"{cell.name}: {percent(counts[cell])} of {counts[cell]['words']} words", flush=True)
    write_json(out / "counts.json", {cell.name: cell_counts for cell, cell_counts in counts.items()})
    write_text(out / "table.md", table(counts, args.kinds, args.snr, args.covered))
    print((out / "table.md").read_text(encoding="utf-8"))


def percent(counts: dict) -> str:
    """WER with the number of errors."""
    return f"{100 * counts['errors'] / counts['words']:.1f} ({counts['errors']})"


Counts = dict[Cell, dict]  # errors and words of each cell


def table(counts_by_cell: Counts, kinds: list[str], snrs: list[float], shares: list[float]) -> str:
    """Markdown: noise in rows, streams in columns; then the effective gain and the covered lips."""
    lines = noise_lines(counts_by_cell, kinds, snrs)
    control = percent(counts_by_cell[Cell("both", shuffled=True)])
    lines += ["", f"Sound of another clip beside the lips (control): {control}."]
    lines += [gain_line(counts_by_cell, kind, snrs) for kind in kinds if 0.0 in snrs]
    return "\n".join(lines + (covered_lines(counts_by_cell, shares) if shares else [])) + "\n"


def noise_lines(counts_by_cell: Counts, kinds: list[str], snrs: list[float]) -> list[str]:
    """The table of noise."""
    lines = ["| noise | SNR dB | lips | sound | both | both above the better by |", "|---|---|---|---|---|---|"]
    lips, sound, both = (counts_by_cell[Cell(streams)] for streams in ("video", "sound", "both"))
    lines.append(row("none", "-", lips, sound, both))
    for kind in kinds:
        for snr in snrs:
            sound, both = (counts_by_cell[Cell(streams, kind, snr)] for streams in ("sound", "both"))
            lines.append(row(kind, f"{snr:g}", lips, sound, both))
    return lines


def gain_line(counts_by_cell: Counts, kind: str, snrs: list[float]) -> str:
    """The effective gain of the lips in one noise."""
    curves = [{snr: rate(counts_by_cell[Cell(m, kind, snr)]) for snr in snrs} for m in ("sound", "both")]
    db = gain(*curves)
    note = "none" if db is None else f"more than {0 - min(snrs):g} dB" if db == float("inf") else f"{db:.1f} dB"
    return f"Effective gain of the lips in {kind} at the WER of sound alone at 0 dB: {note}."


def covered_lines(counts_by_cell: Counts, shares: list[float]) -> list[str]:
    """The table of covered lips, after an empty line; the first row has none covered."""
    lines = ["", "| lips covered, share of the frames | lips | both, babble 0 dB |", "|---|---|---|"]
    for share in (0.0, *shares):
        lips = counts_by_cell[Cell("video", covered=share)]
        both = counts_by_cell.get(Cell("both", "babble", COVERED_AT, share))
        lines.append(f"| {100 * share:.0f} % | {percent(lips)} | {percent(both) if both else '-'} |")
    return lines


def rate(counts: dict) -> float:
    """WER in percent."""
    return 100 * counts["errors"] / counts["words"]


def row(kind: str, snr: str, *counts_by_stream: dict) -> str:
    """One row of the first table."""
    lips, sound, both = map(rate, counts_by_stream)
    cells = " | ".join(percent(counts) for counts in counts_by_stream)
    return f"| {kind} | {snr} | {cells} | {both - min(lips, sound):+.1f} |"


if __name__ == "__main__":
    main()
