"""Trees laid out exactly as LRS3, LRS2 and LRW are, for tests: real text formats, any file as video."""

import shutil

import numpy as np

HEADER = "FRAME \tX \tY \tW \tH\n"


def transcript(text, words=(), frames=0, spaces="  "):
    """A transcript file as the authors write them; words are (word, start, end)."""
    boxes = "".join(f"{i:06d} \t0.300 0.100 0.200 0.300\n" for i in range(frames))
    table = "".join(f"{word} {start:.2f} {end:.2f} 4.1\n" for word, start, end in words)
    return (
        f"Text:{spaces}{text}\nConf:  4\nRef: AbCdEfGhIjK\n"
        + (f"\n{HEADER}{boxes}" if frames else "")
        + (f"\nWORD START END ASDSCORE\n{table}" if words else "")
    )


def put(root, name, content, video=None):
    """Write ``root/name.txt`` and ``root/name.mp4``."""
    path = root / f"{name}.txt"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content, encoding="utf-8")
    if video is None:
        path.with_suffix(".mp4").touch()
    else:
        shutil.copy(video, path.with_suffix(".mp4"))


def even_words(count, pause_after=(), length=0.4, gap=0.1, pause=0.8):
    """(word, start, end) rows, with a longer pause after the given words."""
    rows, time = [], 0.2
    for i in range(count):
        rows.append((f"W{i}", round(time, 2), round(time + length, 2)))
        time += length + (pause if i in pause_after else gap)
    return rows


def make_lrs3(root, video=None, talks=6, clips=3, long_words=60):
    """pretrain, trainval and test; one pretrain clip of 30 s (unless ``long_words`` is fewer), which must be cut."""
    long = even_words(long_words, pause_after=(20, 40))
    for talk in range(talks):
        for clip in range(1, clips + 1):
            put(root, f"trainval/tv{talk:02d}_-aBcDe/{clip:05d}", transcript("HELLO WORLD", frames=25), video)
        put(root, f"pretrain/pt{talk:02d}-_aBcDe/00001", transcript("SO IT GOES", even_words(3), 40), video)
    put(root, "pretrain/pt00-_aBcDe/00002", transcript(" ".join(w for w, _, _ in long), long), video)
    put(root, "test/-te00xyzxyz/00001", transcript("THANK YOU", frames=25), video)
    put(root, "test/-te00xyzxyz/00002", transcript("IT'S THE END", frames=25), video)
    return root


def make_lrs2(root, video=None):
    """main and pretrain, with the four lists one level above."""
    lists = {"train": ["5535415699068794046/00001", "5535415699068794046/00002"], "val": ["5535423430009926848/00010"],
             "test": ["5535496873950688380/00004"], "pretrain": ["5535415699068794046/00003"]}  # fmt: skip
    for part, names in lists.items():
        for name in names:
            words = even_words(3) if part == "pretrain" else ()
            put(root / ("pretrain" if part == "pretrain" else "main"), name, transcript("SO IT GOES", words), video)
        extra = " NF MV" if part == "test" else ""
        (root.parent / f"{part}.txt").write_text("".join(f"{name}{extra}\n" for name in names), encoding="utf-8")
    return root


def about(seconds):
    """The text file of an LRW clip, as the BBC material has it."""
    where = "Disk reference: 5984\nChannel: BBC1 HD\nProgram start: 2014-07-02 21:58:00 +0100\nClip start: 12.5 seconds"
    return f"{where}\nDuration: {seconds:.2f} seconds\n"


def make_lrw(root, video=None, words=("ABOUT", "ABSOLUTELY"), clips=2):
    """WORD/{train,val,test}; words of 0.4 s, 0.5 s, ..."""
    for word in words:
        for split in ("train", "val", "test"):
            for clip in range(1, clips + 1):
                put(root / word / split, f"{word}_{clip:05d}", about(0.3 + clip / 10), video)
    return root


def make_spoken_lrw(root, folder, write_video, words=("ABOUT", "PEOPLE"), clips=(4, 2, 2)):
    """WORD/{train,val,test} in which a puppet says each word: one take a word, every clip in another place and light.

    ``clips`` are those of each word and split; ``write_video`` is that of conftest.py, ``folder`` holds the takes.
    """
    from vsr.corpora.puppet import render_sentence

    rng = np.random.default_rng(0)
    for word in words:
        take = render_sentence(folder / f"{word}.mp4", word.lower(), seed=1)
        images, (_, start, end) = frames_of(take.video), take.words[0]
        first = round((start + end) / 2 * 25) - 14  # the word's middle is that of 29 frames
        places = np.clip(np.arange(first, first + 29), 0, len(images) - 1)
        for split, count in zip(("train", "val", "test"), clips, strict=True):
            for clip in range(1, count + 1):
                moved = np.roll(images[places], tuple(rng.integers(-6, 7, 2)), axis=(1, 2))
                lit = np.clip(moved * rng.uniform(0.8, 1.1), 0, 255).astype(np.uint8)
                video = write_video(folder / "clip.mp4", lit[:, 16:-16, 16:-16])
                put(root / word / split, f"{word}_{clip:05d}", about(end - start), video)
    return root


def frames_of(path):
    """RGB frames (T, H, W, 3) of a video."""
    import av

    with av.open(str(path)) as container:
        return np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])
