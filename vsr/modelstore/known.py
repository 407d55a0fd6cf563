"""The published readers that have a name here: what each is, where it lies and how it becomes a model folder.

A table of plain values. Error rates are the publishers' own, never measured here; sizes are of the files to fetch.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any

READY, BY_HAND, SHIPPED = "fetched", "by hand", "in the package"
HUB = "hub:"  # a file of the hub: hub:ORG/NAME/FILE
GITHUB = "https://raw.githubusercontent.com/"
META = "https://dl.fbaipublicfiles.com/"


@dataclass(frozen=True)
class Remote:
    """A file to fetch: the name it is kept under, its address (`HUB` or a URL; "": by hand), and the SHA-256 it must
    have, where that is known before the first fetch."""

    name: str
    address: str = ""
    sha256: str = ""


@dataclass(frozen=True)
class Licence:
    """What the weights may be used for, in a line or two, and where that stands in full."""

    name: str
    terms: str
    url: str


@dataclass(frozen=True)
class Known:
    """One published model.

    Args:
        name: what `--model` takes.
        language: code, or "any".
        kind: what it reads: video, sound, both; encoder: it writes no text.
        words: what it writes with.
        size: megabytes to fetch; 0: not stated.
        error: the published error rate, with its test set.
        source: who says so.
        licence: of the weights.
        place: where it lies, for people.
        family: the importer, a key of `vsr.modelstore.importers.published.FAMILIES`; "" of what is in the package.
        state: READY, BY_HAND or SHIPPED.
        files: what the import takes, the checkpoint first. Names say what each is: `lm/model.pth` the language model.
        decode: published settings of the search, for the folder's config.
        note: one line: what to heed.
        normaliser: of `vsr.text.normalise`, what its publisher does to texts before errors are counted.
        modality: what its folder reads, where one file can become several; "": the file decides.
        whisper: of the hub, the one that writes its text and is given as a folder; "": it writes itself.
    """

    name: str
    language: str
    kind: str
    words: str
    size: int
    error: str
    source: str
    licence: Licence
    place: str
    family: str = ""
    state: str = READY
    files: tuple[Remote, ...] = ()
    decode: dict[str, Any] = field(default_factory=dict)
    note: str = ""
    normaliser: str = "lower"
    modality: str = ""
    whisper: str = ""


IMPERIAL = Licence(
    "Imperial, non-commercial",
    "individual research, private study and comparison only; trained on LRS3 and other corpora of research use",
    "https://github.com/mpc001/Visual_Speech_Recognition_for_Multiple_Languages/blob/master/LICENSE",
)
AUTO_AVSR = Licence(
    "Apache-2.0 code, research weights",
    "the code is Apache-2.0; the weights follow the terms of their corpora (LRS2, LRS3): research only",
    "https://github.com/mpc001/auto_avsr",
)
AV_HUBERT = Licence(
    "Meta AV-HuBERT, non-commercial",
    "non-commercial research only, under Meta's own licence agreement",
    "https://github.com/facebookresearch/av_hubert/blob/main/LICENSE",
)
CC_BY_NC = Licence("CC BY-NC 4.0", "not for commercial use", "https://creativecommons.org/licenses/by-nc/4.0/")
RAVEN = Licence("MIT code, research weights", "the code is MIT; the weights were trained on LRS3: research only",
                "https://github.com/ahaliassos/raven")  # fmt: skip
UNTOLD = Licence(
    "not stated", "the publisher names no licence: ask before you use it", "https://huggingface.co/detao/CoGenAV"
)
OWN = Licence("Apache-2.0", "free to use; trained on GRID, CC BY 4.0", "vsr/weights/MODEL_CARD.md")

ZOO = "github.com/mpc001/Visual_Speech_Recognition_for_Multiple_Languages, model zoo (Drive)"
ZOO_README = "its README"
PIECES, LETTERS = "5,000 pieces", "letters"
SPM = (
    Remote("unigram5000.model", GITHUB + "mpc001/auto_avsr/main/spm/unigram/unigram5000.model",
           "2c1d648ccf5fdce6612ecbea2ffbd1cab5aabc90458781186175c3911c4bdb1e"),
    Remote("unigram5000_units.txt", GITHUB + "mpc001/auto_avsr/main/spm/unigram/unigram5000_units.txt",
           "29001d967ad290e28f6f1d7d47e07e314354bf67d3b1f494e936fa2fed9a9122"),
)  # fmt: skip

UNITS = Remote("unigram1000_units.txt", GITHUB + "ahaliassos/raven/main/labels/unigram1000_units.txt",
               "ead1469024d34194e1c7abfe2ca0457f06d5afee78267af2a0cbdea946f359f4")  # fmt: skip


RAVEN_LM = "https://drive.google.com/file/d/1mTeynSf6Sryh_mnVabpw-UwTRrh-mDc1/view"


def _zoo(name: str, language: str, error: str, beam: int, bonus: float, lm_weight: float = 0.0) -> Known:
    """A reader of letters in Imperial's zoo, with the settings of its published configuration."""
    lm = ("lm/model.pth", "lm/model.json") if lm_weight else ()
    decode = {"beam": beam, "ctc_weight": 0.1, "length_bonus": bonus} | ({"lm_weight": lm_weight} if lm else {})
    files = tuple(Remote(own) for own in ("model.pth", "model.json", *lm))
    size = 195 + 187 if language == "zh" else 186 + (180 if lm else 0)
    return Known(
        name, language, "video", LETTERS, size, error, ZOO_README, IMPERIAL, ZOO, "vsr4ml", BY_HAND, files, decode
    )  # fmt: skip


TOGETHER = "reads lips and sound together, and neither alone"


def _auto_avsr(
    name: str, file: str, error: str, drive: str, kind: str = "video", size: int = 1000, source: str = ZOO_README
) -> Known:
    """A reader of auto_avsr, which lies on Drive; its pieces lie in the repository and are fetched."""
    return Known(
        name, "en", kind, PIECES, size, error, source, AUTO_AVSR, f"https://drive.google.com/file/d/{drive}/view",
        "auto_avsr", BY_HAND, (Remote(file), *SPM), {"beam": 40, "ctc_weight": 0.1}, TOGETHER if kind == "both" else "",
    )  # fmt: skip


def _zoo_heard(name: str, link: str, kind: str, size: int, error: str) -> Known:
    """A reader of sound, or of both, in Imperial's zoo: of pieces, and without a language model."""
    files = (Remote("model.pth"), Remote("model.json"), *SPM)
    return Known(
        name, "en", kind, PIECES, size, error, ZOO_README, IMPERIAL, f"{ZOO}: {link}", "vsr4ml", BY_HAND, files,
        {"beam": 40, "ctc_weight": 0.1}, TOGETHER if kind == "both" else "",
    )  # fmt: skip


FAIRSEQ = {"beam": 50, "method": "attention"}  # of AV-HuBERT and MuAViC


def _av_hubert(name: str, path: str, kind: str, words: str, error: str, source: str, note: str = "") -> Known:
    """A checkpoint of AV-HuBERT at Meta's own address."""
    file = Remote("model.pt", f"{META}avhubert/model/lrs3_vox/{path}")
    return Known(
        name, "en", kind, words, 0, error, source, AV_HUBERT, "facebookresearch.github.io/av_hubert", "av_hubert",
        READY, (file,), dict(FAIRSEQ), note, modality=kind if kind == "both" else "video",
    )  # fmt: skip


def _muavic(language: str) -> Known:
    """MuAViC's fine-tuned AV-HuBERT of a language, or of eight ("x"); it was tuned on sound and lips."""
    base = f"{META}muavic/models/{language}_avsr/"
    files = (
        Remote("checkpoint_best.pt", base + "checkpoint_best.pt"),
        Remote(f"dict.{language}.txt", base + f"dict.{language}.txt"),
        Remote("tokenizer.model", base + "tokenizer.model"),
    )
    note = "lips, sound or both: --modality" + ("; ar, de, el, es, fr, it, pt and ru" if language == "x" else "")
    return Known(
        f"muavic-{language}", "any" if language == "x" else language, "both", "1,000 pieces", 0,
        "see its paper; not stated for lips alone", "-", CC_BY_NC, "github.com/facebookresearch/muavic", "av_hubert",
        READY, files, dict(FAIRSEQ), note, "13a", "both",
    )  # fmt: skip


def _by_hand(
    name: str, family: str, file: str, kind: str, error: str, licence: Licence, drive: str, modality: str = ""
) -> Known:
    """A reader that lies on Drive, in the layout of RAVEn or USR; its list of units is fetched. RAVEn's of lips may
    have its language model beside it."""
    repository = name.split("-")[0].removeprefix("b")
    place = f"github.com/ahaliassos/{repository}: https://drive.google.com/file/d/{drive}/view"
    note = {"both": TOGETHER, "video": "of a file of lips, sound and both, the lips"}.get(modality, "")
    files: tuple[Remote, ...] = (Remote(file), UNITS)
    decode = {"beam": 40, "ctc_weight": 0.1}
    if family == "raven" and kind == "video":
        note, files = f"its language model, if you like, as lm/model.pth: {RAVEN_LM}", (*files, Remote("lm/model.pth"))
        decode["lm_weight"] = 0.3 if name == "braven" else 0.2
    return Known(
        name, "en", kind, "1,000 pieces", 0, error, ZOO_README, licence, place, family, BY_HAND,
        files, decode, note, modality=modality,
    )  # fmt: skip


def _usr(name: str, file: str, errors: tuple[str, str, str], drive: str) -> list[Known]:
    """The readers of lips, sound and both that one checkpoint of USR or USR 2.0 becomes."""
    ways = (("", "video"), ("-sound", "sound"), ("-both", "both"))
    return [
        _by_hand(name + ending, "usr", file, kind, f"{error} % WER, LRS3 test", CC_BY_NC, drive, kind)
        for (ending, kind), error in zip(ways, errors, strict=True)
    ]


def _cogenav(name: str, file: str, error: str, size: str) -> Known:
    """A checkpoint of CoGenAV, whose text a Whisper of that size writes."""
    whisper = f"openai/whisper-{size}"
    note = f"lips, sound or both: --modality; text by --whisper FOLDER of {whisper}, without it an encoder alone"
    return Known(
        name, "en", "both", f"Whisper {size}", 0, f"{error} % WER, LRS2 test, lips alone", ZOO_README, UNTOLD,
        "huggingface.co/detao/CoGenAV", "cogenav", BY_HAND, (Remote(file),), note=note, whisper=whisper,
    )  # fmt: skip


KNOWN: tuple[Known, ...] = (
    Known("grid-tracks", "en", "video", "GRID's 51 words", 0, "4.2 % WER, GRID s1; 23.7 %, unseen speakers",
          "vsr/weights/grid-tracks/MODEL_CARD.md", OWN, "in the package", state=SHIPPED, note="the default"),
    Known("grid", "en", "video", "GRID's 51 words", 0, "4.0 % WER, GRID s1; 33.8 %, unseen speakers",
          "vsr/weights/MODEL_CARD.md", OWN, "in the package", state=SHIPPED, note="pixels alone"),
    Known("grid-av", "en", "both", "GRID's 51 words", 0, "3.0 % WER, GRID s1, lips and sound; 4.2 %, lips alone",
          "vsr/weights/grid-av/MODEL_CARD.md", OWN, "in the package", state=SHIPPED,
          note="lips, sound or both: --modality"),
    Known(
        "lrs3", "en", "video", PIECES, 1082, "19.1 % WER, LRS3 test, with its language model", ZOO_README, IMPERIAL,
        "huggingface.co/Amanvir/LRS3_V_WER19.1 and Amanvir/lm_en_subword", "vsr4ml", READY,
        (
            Remote("model.pth", HUB + "Amanvir/LRS3_V_WER19.1/model.pth"),
            Remote("model.json", HUB + "Amanvir/LRS3_V_WER19.1/model.json"),
            Remote("lm/model.pth", HUB + "Amanvir/lm_en_subword/model.pth"),
            Remote("lm/model.json", HUB + "Amanvir/lm_en_subword/model.json"),
            *SPM,
        ),
        {"beam": 40, "ctc_weight": 0.1, "lm_weight": 0.3},
    ),
    _zoo("lrs3-letters", "en", "32.3 % WER, LRS3 test, with its language model", 40, 0.5, 0.6),
    _zoo("lrs2-letters", "en", "26.1 % WER, LRS2 test, with its language model", 40, 0.5, 0.6),
    _zoo("spanish", "es", "44.5 % WER, CMU-MOSEAS, with its language model", 30, 0.0, 0.4),
    _zoo("portuguese", "pt", "51.4 % WER, CMU-MOSEAS, with its language model", 30, 0.0, 0.3),
    _zoo("french", "fr", "58.6 % WER, CMU-MOSEAS, with its language model", 30, 0.0, 0.3),
    _zoo("italian", "it", "not stated: its README shows it and links no file", 30, 0.0),
    _zoo("mandarin", "zh", "8.0 % CER, CMLR, with its language model", 20, 0.3, 0.3),
    _zoo("grid-seen", "en", "1.2 % WER, GRID, speakers seen in training", 20, 0.0),
    _zoo("grid-unseen", "en", "4.8 % WER, GRID, unseen speakers", 20, 0.0),
    _zoo("timit-unseen", "en", "21.8 % WER, TCD-TIMIT, unseen speakers, with its language model", 40, 0.5, 0.6),
    _auto_avsr("auto_avsr", "vsr_trlrs2lrs3vox2avsp_base.pth", "20.3 % WER, LRS3 test",
               "1r1kx7l9sWnDOCnaFHIGvOtzuhFyFA88_"),
    _auto_avsr("auto_avsr-vox2", "vsr_trlrs3vox2_base.pth", "24.6 % WER, LRS3 test",
               "1shcWXUK2iauRhW9NbwCc25FjU1CoMm8i"),
    _auto_avsr("auto_avsr-lrs3", "vsr_trlrs3_base.pth", "36.0 % WER, LRS3 test", "12PNM5szUsk_CuaV1yB9dL_YWvSM1zvAd"),
    _auto_avsr("auto_avsr-sound", "asr_trlrs3vox2_base.pth", "1.0 % WER, LRS3 test",
               "1YN9lwZN6iWn2qNQRpfpGpnf2r6ZTQqVT", "sound"),
    _auto_avsr("auto_avsr-both", "avsr_trlrwlrs2lrs3vox2avsp_base.pth", "0.93 % WER, LRS3 test",
               "1mU6MHzXMiq1m6GI-8gqT2zc2bdStuBXu", "both", 1776, "its README of 2023"),
    _zoo_heard("lrs3-sound", "http://bit.ly/3ZSdh0l", "sound", 860, "1.0 % WER, LRS3 test"),
    _zoo_heard("lrs3-both", "http://bit.ly/3yRSXAn", "both", 1540, "0.9 % WER, LRS3 test"),
    Known("av_hubert", "en", "video", "1,000 pieces", 0, "not stated", "-", AV_HUBERT,
          "huggingface.co/vumichien/AV-HuBERT", "av_hubert", READY,
          (Remote("model.pt", HUB + "vumichien/AV-HuBERT/model.pt"),), dict(FAIRSEQ)),
    _av_hubert("av_hubert-large", "vsr/large_vox_433h.pt", "video", "1,000 pieces", "28.6 % WER, LRS3 test",
               "its paper"),
    _av_hubert("av_hubert-self", "vsr/self_large_vox_433h.pt", "video", "1,000 pieces", "26.9 % WER, LRS3 test",
               "its paper"),
    _av_hubert("av_hubert-both", "avsr/large_noise_pt_noise_ft_433h.pt", "both", "1,000 pieces",
               "1.4 % WER, LRS3 test, lips and sound", "its paper", "lips, sound or both: --modality"),
    _av_hubert("av_hubert-encoder", "clean-pretrain/large_vox_iter5.pt", "encoder", "none", "-", "-"),
    *(_muavic(language) for language in ("ar", "de", "el", "en", "es", "fr", "it", "pt", "ru", "x")),
    _by_hand("raven", "raven", "vsr_prelrs3vox2_large_ftlrs3vox2_selftrain.pth", "video",
             "24.4 % WER, LRS3 test; 23.1 % with its language model", RAVEN, "1tNZn_BvAVdoIIv6G14_9PvpQtsp6XSOt"),
    _by_hand("braven", "raven", "vsr_prelrs3vox2avs_large_ftlrs3vox2avs_selftrain_braven.pth", "video",
             "20.9 % WER, LRS3 test; 20.1 % with its language model", RAVEN, "1bU-bFxEiXNXNoOLKaAz6_9j7XuE7f_6r"),
    _by_hand("raven-sound", "raven", "asr_prelrs3vox2_large_ftlrs3vox2_selftrain.pth", "sound", "1.4 % WER, LRS3 test",
             RAVEN, "1E-IPTZDX4I_YZuYbgSh4L4E7tJrUuQE8"),
    _by_hand("braven-sound", "raven", "asr_prelrs3vox2avs_large_ftlrs3vox2avs_selftrain_braven.pth", "sound",
             "1.2 % WER, LRS3 test", RAVEN, "1v_OPL9ZcEGeT8cSgLO5QX16esVFAuzbq"),
    *_usr("usr", "usr_large.pth", ("22.3", "1.2", "1.1"), "1IO2yxaZLG89R4bwtJNc7TaC8UAs08Jtz"),
    *_usr("usr2", "usr2_huge.pth", ("17.6", "0.9", "0.8"), "1LzFOTYu45zCLOHGVLQt7pMGjw6jmmo9Y"),
    _cogenav("cogenav", "large_cogenav.pt", "20.4", "medium"),
    _cogenav("cogenav-base", "base_cogenav.pt", "24.8", "small"),
)  # fmt: skip
NAMES = {known.name: known for known in KNOWN}


def near(name: str) -> list[str]:
    """Known names that look like ``name``, the likeliest first."""
    wanted = name.lower().replace("-", "_")
    alike = {known.lower().replace("-", "_"): known for known in NAMES}
    found = [alike[own] for own in get_close_matches(wanted, alike, 3, 0.5)]
    return found or [known.name for known in KNOWN if known.language == wanted]
