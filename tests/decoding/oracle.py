"""The joint search in plain Python: one utterance, loops, no cache, CTC prefix scores by their definition."""

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


def plain_ngram(grams, words, with_end):
    """Log-probability of words, and of the text's end if ``ended``, by n-grams with back-off (Katz 1987).

    ``grams``: n-gram -> (log10 probability, log10 back-off).
    """
    order, log10_prob = max(map(len, grams)), 0.0
    text = ["<s>", *words, *(["</s>"] if with_end else [])]
    for k in range(1, len(text)):
        history = tuple(text[max(0, k - order + 1) : k])
        word = text[k] if (text[k],) in grams else "<unk>"
        while (*history, word) not in grams:
            log10_prob += grams.get(history, (0.0, 0.0))[1]
            history = history[1:]
        log10_prob += grams[(*history, word)][0]
    return log10_prob * math.log(10)


def plain_joint_search(model, states, options, eos, language=lambda tokens, c: 0.0):
    """Search one utterance's states (T, D); the n-best, best first.

    ``language`` gives the weighted log-probability of a token after others, of language models that join.
    """
    log_probs = model.ctc_log_probs(states[None])[0].double().tolist()
    ctc_scores = prefix_tables if options.ctc_weight else lambda log_probs, prefix: (0.0, 0.0)
    length = torch.tensor([len(states)])
    limit = max(1, int(len(states) * options.max_length_ratio))
    weight, bonus = options.ctc_weight, options.length_bonus
    open_texts, finished = [((), 0.0, 0.0)], []
    for step in range(limit + 1):
        extended = []
        for tokens, attention, language_score in open_texts:
            logits = model.decoder(torch.tensor([[eos, *tokens]]), states[None], length)[0, -1]
            decoder = logits.log_softmax(-1)
            full_ctc, _ = ctc_scores(log_probs, tokens)
            new_language_score = language_score + language(tokens, eos)
            total = (
                (1 - weight) * (attention + float(decoder[eos]))
                + (weight * full_ctc if weight else 0)
                + new_language_score
            )
            if full_ctc > MINUS:
                extended.append(
                    (total + bonus * step, tokens, attention + float(decoder[eos]), new_language_score, True)
                )
            if step == limit:
                continue
            decoder[[0, 1, eos]] = MINUS  # blank, unknown, end
            count = min(math.ceil(1.5 * options.beam), len(decoder) - 3)
            for c in decoder.topk(count).indices.tolist():
                _, prefix = ctc_scores(log_probs, (*tokens, c))
                new_attention = attention + float(decoder[c])
                new_language_score = language_score + language(tokens, c)
                total = (1 - weight) * new_attention + (weight * prefix if weight else 0) + new_language_score
                if prefix > -1e29:
                    extended.append(
                        (total + bonus * (step + 1), (*tokens, c), new_attention, new_language_score, False)
                    )
        extended.sort(key=lambda e: -e[0])
        best = extended[: options.beam]
        finished += [Hypothesis(tokens, total) for total, tokens, _, _, ended in best if ended]
        open_texts = [
            (tokens, new_attention, new_language_score)
            for _, tokens, new_attention, new_language_score, ended in best
            if not ended
        ]
        if not open_texts:
            break
    return sorted(finished, key=lambda h: -h.score)[: options.nbest]
