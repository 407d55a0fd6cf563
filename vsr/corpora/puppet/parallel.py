"""A parallel grammar: the same sentences in six languages, each with its own word order.

Every sentence names a time, a colour, an animal, an action and a place ("today the red dog sleeps at home"). English
has the order time, colour, animal, verb, place; Spanish and Portuguese put the colour after the animal and the time
last, German the verb second. All animals are masculine in all six, so that articles and colours have one form.

Dev and test have combinations of colour and animal that training never has.
"""

from __future__ import annotations

import math
from functools import cache

import numpy as np

from vsr.core.errors import VsrError
from vsr.corpora.puppet.sentences import Vocabulary

TIME, COLOUR, ANIMAL, VERB, PLACE = "time", "colour", "animal", "verb", "place"

# language: word order, and the words of each place; the n-th word has the same meaning in all languages
_GRAMMAR = {
    "en": (
        "{time} the {colour} {animal} {verb} {place}",
        "today|tomorrow|now|soon",
        "red|white|black|green|yellow|blue",
        "dog|cat|wolf|lion|rabbit|fish|rooster|bull",
        "sleeps|eats|runs|waits|plays|sings",
        "at home|outside|upstairs|nearby|here|there",
    ),
    "es": (
        "el {animal} {colour} {verb} {place} {time}",
        "hoy|mañana|ahora|pronto",
        "rojo|blanco|negro|verde|amarillo|azul",
        "perro|gato|lobo|león|conejo|pez|gallo|toro",
        "duerme|come|corre|espera|juega|canta",
        "en casa|fuera|arriba|cerca|aquí|allí",
    ),
    "de": (
        "{time} {verb} der {colour} {animal} {place}",
        "heute|morgen|jetzt|bald",
        "rote|weiße|schwarze|grüne|gelbe|blaue",
        "hund|kater|wolf|löwe|hase|fisch|hahn|stier",
        "schläft|isst|läuft|wartet|spielt|singt",
        "zu hause|draußen|oben|in der nähe|hier|dort",
    ),
    "it": (
        "{time} il {animal} {colour} {verb} {place}",
        "oggi|domani|adesso|presto",
        "rosso|bianco|nero|verde|giallo|blu",
        "cane|gatto|lupo|leone|coniglio|pesce|gallo|toro",
        "dorme|mangia|corre|aspetta|gioca|canta",
        "a casa|fuori|di sopra|qui vicino|qui|laggiù",
    ),
    "pt": (
        "o {animal} {colour} {verb} {place} {time}",
        "hoje|amanhã|agora|logo",
        "vermelho|branco|preto|verde|amarelo|azul",
        "cão|gato|lobo|leão|coelho|peixe|galo|touro",
        "dorme|come|corre|espera|brinca|canta",
        "em casa|lá fora|lá em cima|aqui perto|aqui|ali",
    ),
    "fr": (
        "{time} le {animal} {colour} {verb} {place}",
        "aujourd'hui|demain|maintenant|bientôt",
        "rouge|blanc|noir|vert|jaune|bleu",
        "chien|chat|loup|lion|lapin|poisson|coq|taureau",
        "dort|mange|court|attend|joue|chante",
        "à la maison|dehors|en haut|tout près|ici|là-bas",
    ),
}
PARALLEL = tuple(_GRAMMAR)
SIZES = tuple(len(entries.split("|")) for entries in _GRAMMAR["en"][1:])
EVERY = 4  # one in this many combinations of colour and animal is held out


def check_parallel(language: str) -> None:
    """Raise VsrError bad_corpus for a language outside the grammar, listing its languages."""
    if language not in _GRAMMAR:
        known = ", ".join(PARALLEL)
        raise VsrError("bad_corpus", f"the parallel grammar has no language {language!r}: it can be {known}")


def meaning(number: int) -> dict[str, int]:
    """Place -> index of the word in it, for sentence ``number``."""
    return dict(zip((TIME, COLOUR, ANIMAL, VERB, PLACE), map(int, np.unravel_index(number, SIZES)), strict=True))


def is_held_out(number: int) -> bool:
    """Whether a sentence has a combination of colour and animal that no training sentence has."""
    entries = meaning(number)
    return (entries[COLOUR] + entries[ANIMAL]) % EVERY == 0


def sentence(number: int, language: str) -> str:
    """Sentence ``number`` in a language: lower case, single spaces."""
    order, *entries = _GRAMMAR[language]
    chosen = zip(meaning(number).items(), entries, strict=True)
    return order.format(**{name: words.split("|")[place] for (name, place), words in chosen})


@cache
def vocabulary_of(language: str) -> Vocabulary:
    """All sentences of a language; the same number means the same in every language. Raises VsrError bad_corpus."""
    check_parallel(language)
    return Vocabulary(f"parallel {language}", tuple(sentence(number, language) for number in range(math.prod(SIZES))))


def translations(text: str, language: str) -> dict[str, str]:
    """A sentence of one language in all others, by language."""
    number = vocabulary_of(language).lines.index(text)
    return {other: sentence(number, other) for other in PARALLEL if other != language}


def draw_parallel(vocabulary: Vocabulary, counts: dict[str, int], seed: int) -> dict[str, list[str]]:
    """Sentences of each split (name -> number), with the same meanings in every language; the last split, training, has
    none of the combinations of the others. Raises VsrError bad_corpus if there are too few."""
    order = np.random.default_rng([seed, 1]).permutation(vocabulary.size)
    held_out_numbers, rest = [n for n in order if is_held_out(int(n))], [n for n in order if not is_held_out(int(n))]
    *names, last = counts
    needed = sum(counts[name] for name in names)
    if needed > len(held_out_numbers) or counts[last] > len(rest):
        request = f"{needed} held out and {counts[last]} for {last} are asked for"
        raise VsrError(
            "bad_corpus", f"the parallel grammar has {len(held_out_numbers)} and {len(rest)} sentences; {request}"
        )
    splits, start = {}, 0
    for name in names:
        splits[name] = held_out_numbers[start : start + counts[name]]
        start += counts[name]
    splits[last] = rest[: counts[last]]
    return {name: [vocabulary.sentence(int(n)) for n in chosen] for name, chosen in splits.items()}
