"""The joint search written plainly: one utterance, Python loops, no cache, CTC prefix scores by their definition."""

import math

import torch

from vsr.text.hypothesis import Hypothesis

MINUS = -math.inf


def log_add(*values):
    """log of the sum of exponentials."""
    high = max(values)
    return high if high == MINUS else high + math.log(sum(math.exp(v - high) for v in values))


def prefix_tables(log_probs, prefix):
    """r(prefix)[t] ending in a token and in blank, t = 0..T, and the score of the prefix (Watanabe et al. 2017)."""
    frames = len(log_probs)
    in_token, in_blank = [MINUS] * (frames + 1), [0.0]
    for t in range(frames):
        in_blank.append(in_blank[t] + log_probs[t][0])
    score = 0.0
    for k, c in enumerate(prefix):
        repeated = k > 0 and prefix[k - 1] == c
        source = [in_blank[t] if repeated else log_add(in_token[t], in_blank[t]) for t in range(frames + 1)]
        in_token, in_blank = [MINUS], [MINUS]
        for t in range(frames):
            in_token.append(log_add(in_token[t], source[t]) + log_probs[t][c])
            in_blank.append(log_add(in_blank[t], in_token[t]) + log_probs[t][0])
        score = log_add(*(source[t] + log_probs[t][c] for t in range(frames)))
    return log_add(in_token[-1], in_blank[-1]), score


def plain_language(model, eos, tokens, c):
    """Log-probability of token ``c`` after ``tokens`` by a language model, computed from the first token on."""
    return float(model(torch.tensor([[eos, *tokens]]))[0, -1].log_softmax(-1)[c])


def plain_ngram(grams, words, ended):
    """Log-probability of words, and of the text's end if ``ended``, by n-grams with back-off (Katz 1987).

    ``grams``: n-gram -> (log10 probability, log10 back-off).
    """
    order, total = max(map(len, grams)), 0.0
    text = ["<s>", *words, *(["</s>"] if ended else [])]
    for k in range(1, len(text)):
        history = tuple(text[max(0, k - order + 1) : k])
        word = text[k] if (text[k],) in grams else "<unk>"
        while (*history, word) not in grams:
            total += grams.get(history, (0.0, 0.0))[1]
            history = history[1:]
        total += grams[(*history, word)][0]
    return total * math.log(10)


def plain_joint_search(model, states, options, eos, language=lambda tokens, c: 0.0):
    """Search one utterance's states (T, D); the n-best, best first.

    ``language`` gives the weighted log-probability of a token after others, of language models that join.
    """
    log_probs = model.ctc_log_probs(states[None])[0].double().tolist()
    scored = prefix_tables if options.ctc_weight else lambda log_probs, prefix: (0.0, 0.0)
    length = torch.tensor([len(states)])
    limit = max(1, int(len(states) * options.max_length_ratio))
    weight, bonus = options.ctc_weight, options.length_bonus
    live, done = [((), 0.0, 0.0)], []
    for step in range(limit + 1):
        extended = []
        for tokens, attention, spoken in live:
            logits = model.decoder(torch.tensor([[eos, *tokens]]), states[None], length)[0, -1]
            decoder = logits.log_softmax(-1)
            whole, _ = scored(log_probs, tokens)
            said = spoken + language(tokens, eos)
            total = (1 - weight) * (attention + float(decoder[eos])) + (weight * whole if weight else 0) + said
            if whole > MINUS:
                extended.append((total + bonus * step, tokens, attention + float(decoder[eos]), said, True))
            if step == limit:
                continue
            decoder[[0, 1, eos]] = MINUS  # blank, unknown, end
            count = min(math.ceil(1.5 * options.beam), len(decoder) - 3)
            for c in decoder.topk(count).indices.tolist():
                _, prefix = scored(log_probs, (*tokens, c))
                own = attention + float(decoder[c])
                said = spoken + language(tokens, c)
                total = (1 - weight) * own + (weight * prefix if weight else 0) + said
                if prefix > -1e29:
                    extended.append((total + bonus * (step + 1), (*tokens, c), own, said, False))
        extended.sort(key=lambda e: -e[0])
        best = extended[: options.beam]
        done += [Hypothesis(tokens, total) for total, tokens, _, _, ended in best if ended]
        live = [(tokens, own, said) for _, tokens, own, said, ended in best if not ended]
        if not live:
            break
    return sorted(done, key=lambda h: -h.score)[: options.nbest]
