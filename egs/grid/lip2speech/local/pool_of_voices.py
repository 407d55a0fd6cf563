#!/usr/bin/env python3
"""The pool of `--reference anonymous`: a GE2E vector for each speaker of a folder of recordings.

    local/pool_of_voices.py --sounds DIR --out voices.safetensors

File names are speaker-chapter-utterance, as in LibriSpeech. A speaker's vector is the mean over the files, normalised
to length 1, in half precision. The file's metadata lists the speakers.
"""

import argparse
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

from lip2speech.features.speaker import reference_vector


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sounds", type=Path, required=True, metavar="DIR")
    parser.add_argument("--out", required=True, metavar="FILE")
    args = parser.parse_args()
    vectors_of: dict[str, list[np.ndarray]] = {}
    for path in sorted(args.sounds.glob("*-*-*")):
        vectors_of.setdefault(path.stem.split("-")[0], []).append(reference_vector(path))
    speakers = sorted(vectors_of, key=int)
    means = np.stack([np.mean(vectors_of[speaker], 0) for speaker in speakers])
    pool = (means / np.linalg.norm(means, axis=1, keepdims=True)).astype(np.float16)
    save_file({"vectors": pool}, args.out, {"speakers": " ".join(speakers)})
    print(f"{args.out}: {len(speakers)} voices")


if __name__ == "__main__":
    main()
