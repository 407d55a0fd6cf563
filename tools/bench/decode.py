#!/usr/bin/env python3
"""Compare the joint beam search with a plain implementation, or with auto_avsr's search with the same weights.

    tools/bench/decode.py CLIP... [--model DIR] [--beam 10] [--threads 1] [--json FILE]
    tools/bench/decode.py --peer AUTO_AVSR [--beam 40] [--max-steps 12] [--rounds 2] [--threads 1] [--json FILE]

Against the plain search (`tests/decoding/oracle.py`: one utterance, no caches, CTC prefix scores by definition) a model
decodes the mouths in real clips, clip by clip (default: the shipped model), and CPU seconds are compared; the plain
search takes 50 s for a GRID clip, so two of them fit into two minutes. Against the peer, states and weights are random,
in the sizes of its published model (768 wide, 6 decoder layers, 5049 tokens): both searches run the same number of
steps, in turns, and must hold the same hypotheses with the same scores. The peer has no batches, so a batch is compared
with the same number of single clips. Equal hypotheses are a condition, not a figure.
"""

import argparse
import importlib.util
import json
import resource
import subprocess
import sys
import time
from pathlib import Path

import torch

from vsr.core.clock import FPS
from vsr.core.files import write_text
from vsr.data.transforms import to_network_input
from vsr.decoding.joint_beam import JointSearch
from vsr.decoding.options import DecodeOptions
from vsr.decoding.search import decode
from vsr.face.mouth_crop import crop_video
from vsr.models.lipreader import LipReader, LipReaderConfig
from vsr.modelstore.folder import load_model

ORACLE = Path(__file__).parents[2] / "tests" / "decoding" / "oracle.py"
BATCH = 8
LONG = 30  # seconds of the clip whose memory is reported


def load_oracle():
    """The plain search, which is part of the tests."""
    spec = importlib.util.spec_from_file_location("oracle", ORACLE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.plain_joint_search


def timed(work, clock=time.perf_counter):
    """Result of ``work`` and the seconds it took."""
    start = clock()
    result = work()
    return result, clock() - start


def states_of(loaded, clips: list[str]) -> list[torch.Tensor]:
    """Encoder states (T, D) of the mouths in video files."""
    states = []
    for path in clips:
        crop = crop_video(path).crop
        states.append(loaded.model.encode(to_network_input(crop)[None], torch.tensor([len(crop)]))[0])
    return states


@torch.inference_mode()
def compare(loaded, options: DecodeOptions, clips: list[str]) -> dict:
    """CPU seconds of both searches over the clips, and whether they agree on every hypothesis."""
    model, end = loaded.model, loaded.tokenizer.eos_id
    states = states_of(loaded, clips)
    lengths = torch.tensor([len(clip_states) for clip_states in states])
    decode(model, states[0][None], lengths[:1], options, end)  # warm-up
    singles, seconds, same = one_by_one(loaded, options, clips, states)
    padded = torch.nn.utils.rnn.pad_sequence(states, batch_first=True)
    batch, together = timed(lambda: decode(model, padded, lengths, options, end), time.process_time)
    same &= [[h.tokens for h in ranked] for ranked in batch] == [[h.tokens for h in ranked] for ranked in singles]
    return {
        "same": same, "clips": len(clips), "seconds_fast": seconds["fast"], "seconds_batch": together,
        "seconds_plain": seconds["plain"], "ratio": seconds["plain"] / seconds["fast"],
        "ratio_batch": seconds["plain"] / together,
    }  # fmt: skip


def one_by_one(loaded, options: DecodeOptions, clips: list[str], states: list[torch.Tensor]):
    """Our hypotheses of each clip, CPU seconds of both searches, and whether they agree; prints a line for each."""
    model, end, oracle, clock = loaded.model, loaded.tokenizer.eos_id, load_oracle(), time.process_time
    found, seconds, same = [], {"plain": 0.0, "fast": 0.0}, True
    for path, clip_states in zip(clips, states, strict=True):
        length = torch.tensor([len(clip_states)])
        ours, fast = timed(lambda x=clip_states, n=length: decode(model, x[None], n, options, end)[0], clock)
        plain, slow = timed(lambda x=clip_states: oracle(model, x, options, end), clock)
        seconds = {"plain": seconds["plain"] + slow, "fast": seconds["fast"] + fast}
        found.append(ours)
        same &= agree(*([(h.tokens, h.score) for h in ranked] for ranked in (ours, plain)))
        print(f"{path}: plain {slow:.2f} s, ours {fast:.3f} s, same so far: {same}", flush=True)
    return found, seconds, same


def published_size() -> LipReader:
    """A model with decoder and CTC head of auto_avsr's size and random weights; its encoder is not used here.

    The weights of the heads are scaled so that no step is close to a tie: a search with other rounding decides alike.
    """
    torch.manual_seed(0)
    config = LipReaderConfig(
        vocab_size=5049, dim=768, heads=12, decoder_layers=6, decoder_hidden=3072, norm_eps=1e-12, ctc_weight=0.1,
        layers=1, hidden=8, frontend_width=8, frontend_heads=2, alignment_weight=0.0,
    )  # fmt: skip
    model = LipReader(config).eval()
    for head in (model.decoder.out, model.ctc):
        head.weight.data.mul_(4)
    return model


def random_states(model: LipReader, clips: int, frames: int) -> torch.Tensor:
    """States (B, T, D) with the statistics of a final normalisation."""
    return torch.randn(clips, frames, model.config.dim, generator=torch.Generator().manual_seed(frames))


@torch.inference_mode()
def continue_search(model: LipReader, states: torch.Tensor, options: DecodeOptions, steps: int) -> list:
    """(tokens, score) of all hypotheses of each clip, ended or not, after ``steps`` steps of our search, best first."""
    lengths = torch.full((len(states),), states.shape[1])
    search = JointSearch(model, states, model.ctc_log_probs(states), lengths, options, model.config.vocab_size - 1)
    for step in range(steps):
        search.advance(step)
    hypotheses = [[(h.tokens, h.score) for h in ended] for ended in search.done]
    for row, slot in search.alive.nonzero().tolist():
        tokens = tuple(search.tokens[row, slot, 1:].tolist())
        hypotheses[int(search.rows[row])].append((tokens, float(search.scores[row, slot])))
    return [sorted(ranked, key=lambda h: -h[1]) for ranked in hypotheses]


def agree(ours: list, peers: list) -> bool:
    """Whether both have the same hypotheses in the same order, with scores within 1e-3."""
    return len(ours) == len(peers) and all(
        a[0] == b[0] and abs(a[1] - b[1]) < 1e-3 for a, b in zip(ours, peers, strict=True)
    )


def race(model: LipReader, peer, options: DecodeOptions, seconds: int, steps: int, rounds: int) -> dict:
    """Seconds per clip of the peer, of ours alone and of ours in a batch, in turns, and whether all agree."""
    states = random_states(model, BATCH, FPS * seconds)
    continue_search(model, states[:1], options, 2)  # warm-up
    spent, same = {"peer": 0.0, "single": 0.0, "batch": 0.0}, True
    for k in range(rounds):
        single, single_time = timed(
            lambda clip_states=states[k : k + 1]: continue_search(model, clip_states, options, steps)
        )
        peer_hypotheses, peer_time = timed(lambda clip_states=states[k]: peer(clip_states, steps))
        batched, batch_time = timed(lambda: continue_search(model, states, options, steps))
        same &= agree(single[0], peer_hypotheses) and agree(batched[k], peer_hypotheses)
        for name, value in (("single", single_time), ("peer", peer_time), ("batch", batch_time / BATCH)):
            spent[name] += value / rounds
    print(f"{seconds} s: a clip takes the peer {spent['peer']:.2f} s, ours {spent['single']:.3f} s ", end="")
    print(f"({spent['peer'] / spent['single']:.1f}x), in a batch of {BATCH} {spent['batch']:.3f} s ", end="")
    print(f"({spent['peer'] / spent['batch']:.1f}x); same: {same}", flush=True)
    return {
        f"single_{seconds}s": spent["peer"] / spent["single"],
        f"batch{BATCH}_{seconds}s": spent["peer"] / spent["batch"],
        f"seconds_{seconds}s": spent,
        "same": same,
    }


def memory(options: DecodeOptions) -> None:
    """Print this process's memory (MB) before a search over one long clip, and its peak during the search."""
    model = published_size()
    states = random_states(model, 1, FPS * LONG)
    before = peak_rss()
    continue_search(model, states, options, 2 * LONG)
    print(json.dumps({"peak_rss_mb": peak_rss(), "before_search_mb": before}))


def peak_rss() -> float:
    """Peak resident memory of this process so far, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def against_peer(args, options: DecodeOptions) -> dict:
    """All figures against the peer; memory is measured in its own process."""
    from auto_avsr_search import PeerSearch

    words = [sys.executable, __file__, "--memory", "--beam", str(args.beam), "--threads", str(args.threads)]
    figures = json.loads(subprocess.run(words, capture_output=True, text=True, check=True).stdout)
    peak, before = figures["peak_rss_mb"], figures["before_search_mb"]
    print(f"a clip of {LONG} s: peak_rss_mb {peak:.0f}, before the search {before:.0f}", flush=True)
    model = published_size()
    peer = PeerSearch(args.peer, model, options.beam, options.ctc_weight)
    races = [race(model, peer, options, seconds, args.max_steps, args.rounds) for seconds in args.seconds]
    for race_figures in races:
        figures |= race_figures
    return figures | {
        "same": all(race_figures["same"] for race_figures in races),
        "steps": args.max_steps,
        "threads": args.threads,
    }


def parser() -> argparse.ArgumentParser:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("clips", nargs="*", metavar="CLIP", help="video files, for the plain search")
    options.add_argument("--model", help="folder (default: the shipped model)")
    options.add_argument("--peer", help="a checkout of auto_avsr")
    options.add_argument("--memory", action="store_true", help="only the memory of one long search")
    options.add_argument("--beam", type=int)
    options.add_argument("--max-steps", type=int, default=12)
    options.add_argument("--seconds", type=int, nargs="+", default=[4, 10])
    options.add_argument("--rounds", type=int, default=2)
    options.add_argument("--threads", type=int, default=torch.get_num_threads())
    options.add_argument("--json")
    return options


def main() -> None:
    """Measure and print."""
    options = parser()
    args = options.parse_args()
    if not (args.clips or args.peer or args.memory):
        options.error("give video files, or --peer")
    args.beam = args.beam or (40 if args.peer or args.memory else 10)
    torch.set_num_threads(args.threads)
    if args.memory:
        memory(DecodeOptions(beam=args.beam, nbest=args.beam))
        return
    figures = against_peer(args, DecodeOptions(beam=args.beam, nbest=args.beam)) if args.peer else plain(args)
    if args.json:
        write_text(args.json, json.dumps(figures, indent=2) + "\n")


def plain(args) -> dict:
    """All figures against the plain search."""
    options = DecodeOptions(beam=args.beam, nbest=args.beam)
    figures = compare(load_model(args.model), options, args.clips)
    print(f"{len(args.clips)} clips, beam {args.beam}; same {args.beam} hypotheses: {figures['same']}")
    print(f"plain {figures['seconds_plain']:.2f} s, one by one {figures['seconds_fast']:.2f} s ", end="")
    print(f"({figures['ratio']:.1f}x), in a batch {figures['seconds_batch']:.2f} s ({figures['ratio_batch']:.1f}x)")
    return figures | {"threads": args.threads}


if __name__ == "__main__":
    main()
