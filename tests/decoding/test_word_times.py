"""Word times: the frame alignment head gives back the times that it learnt; CTC alone would not."""

from types import SimpleNamespace

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from vsr.data.manifest import Clip
from vsr.data.targets import frame_targets
from vsr.decoding.align import align_text, frame_spans
from vsr.text.tokenizer import CharTokenizer, train_tokenizer

TOKENIZER = CharTokenizer()
words_with_times = st.lists(
    st.tuples(st.text("abc", min_size=1, max_size=5), st.integers(0, 6), st.integers(0, 5)), min_size=1, max_size=6
)


def timed_clip(parts):
    """Words (text, frames of silence before, frames) as a clip, and its number of frames."""
    words, frame = [], 1  # a clip begins with silence
    for word, silence, length in parts:
        words.append((word, (frame + silence) / 25, (frame + silence + length) / 25))
        frame += silence + length
    return Clip("c", "c.mp4", " ".join(word for word, _, _ in words), words=tuple(words)), frame + 3


def sure_of(targets, size):
    """Log-probabilities (T, V) of a head that has learnt its targets."""
    scores = np.full((len(targets), size), np.log(0.01 / size))
    scores[np.arange(len(targets)), targets] = np.log(0.99)
    return scores


@given(words_with_times)
@settings(max_examples=60, deadline=None)
def test_learnt_times_are_restored(parts):
    parts = [(word, silence, len(word) + more) for word, silence, more in parts]
    clip, frames = timed_clip(parts)
    targets = frame_targets(clip, frames, TOKENIZER)
    spans = frame_spans(sure_of(targets, TOKENIZER.vocab_size), TOKENIZER, TOKENIZER.encode(clip.text))
    assert len(spans) == len(parts)
    for (first, last), (_, start, end) in zip(spans, clip.words, strict=True):
        assert first < last
        # Words that meet in the same letter without silence have no border.
        if all(parts[i + 1][1] or parts[i][0][-1] != parts[i + 1][0][0] for i in range(len(parts) - 1)):
            assert (first, last) == (round(start * 25), round(end * 25))


def test_words_of_several_pieces_have_times():
    tokenizer = train_tokenizer("unigram", ["bin blue at f two now", "place red by g nine soon"] * 20, 40)
    clip, frames = timed_clip([("bin", 5, 8), ("blue", 0, 7), ("at", 3, 4)])
    targets = frame_targets(clip, frames, tokenizer)
    spans = frame_spans(sure_of(targets, tokenizer.vocab_size), tokenizer, tokenizer.encode(clip.text))
    assert spans == [(6, 14), (14, 21), (24, 28)]


def test_more_words_than_frames_have_no_times():
    tokens = TOKENIZER.encode("a b c a b c")
    assert frame_spans(np.zeros((4, TOKENIZER.vocab_size)), TOKENIZER, tokens) is None


def test_times_are_of_the_alignment_head_and_confidence_of_ctc():
    clip, frames = timed_clip([("ab", 10, 6), ("ca", 4, 5)])
    tokens = TOKENIZER.encode(clip.text)
    spikes = np.zeros(frames, int)
    spikes[: len(tokens)] = tokens  # all on the first frames
    ctc, frame = (sure_of(t, TOKENIZER.vocab_size) for t in (spikes, frame_targets(clip, frames, TOKENIZER)))
    model = SimpleNamespace(
        ctc=True, ctc_log_probs=lambda states: torch.tensor(ctc)[None], alignment=lambda states: torch.tensor(frame)
    )
    words = align_text(model, torch.zeros(frames, 1), TOKENIZER, tokens)
    assert [(round(25 * w.start), round(25 * w.end)) for w in words] == [(11, 17), (21, 26)]
    assert all(w.confidence > 0.98 for w in words)
    model.alignment = None
    assert align_text(model, torch.zeros(frames, 1), TOKENIZER, tokens)[0].start == 0
