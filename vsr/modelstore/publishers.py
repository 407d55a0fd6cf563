"""The publishers of models: licences, locations of files, and common settings of each publisher's models."""

from __future__ import annotations

from vsr.modelstore.entry import BY_HAND, READY, CatalogueEntry, Licence, Remote

GITHUB = "https://raw.githubusercontent.com/"
META = "https://dl.fbaipublicfiles.com/"

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


def zoo_letters(
    name: str, language: str, error: str, beam: int, bonus: float, lm_weight: float = 0.0
) -> CatalogueEntry:
    """A reader with letters as output in Imperial's zoo, with its published settings."""
    lm = ("lm/model.pth", "lm/model.json") if lm_weight else ()
    decode = {"beam": beam, "ctc_weight": 0.1, "length_bonus": bonus} | ({"lm_weight": lm_weight} if lm else {})
    files = tuple(Remote(name) for name in ("model.pth", "model.json", *lm))
    size = 195 + 187 if language == "zh" else 186 + (180 if lm else 0)
    return CatalogueEntry(
        name, language, "video", LETTERS, size, error, ZOO_README, IMPERIAL, ZOO, "vsr4ml", BY_HAND, files, decode
    )  # fmt: skip


TOGETHER = "reads lips and sound together, and neither alone"


def auto_avsr(
    name: str, file: str, error: str, drive: str, kind: str = "video", size: int = 1000, source: str = ZOO_README
) -> CatalogueEntry:
    """A model of auto_avsr on Drive; its pieces are fetched from the repository."""
    return CatalogueEntry(
        name, "en", kind, PIECES, size, error, source, AUTO_AVSR, f"https://drive.google.com/file/d/{drive}/view",
        "auto_avsr", BY_HAND, (Remote(file), *SPM), {"beam": 40, "ctc_weight": 0.1}, TOGETHER if kind == "both" else "",
    )  # fmt: skip


def zoo_sound(name: str, link: str, kind: str, size: int, error: str) -> CatalogueEntry:
    """A model for sound, or for both, in Imperial's zoo: it writes pieces and has no language model."""
    files = (Remote("model.pth"), Remote("model.json"), *SPM)
    return CatalogueEntry(
        name, "en", kind, PIECES, size, error, ZOO_README, IMPERIAL, f"{ZOO}: {link}", "vsr4ml", BY_HAND, files,
        {"beam": 40, "ctc_weight": 0.1}, TOGETHER if kind == "both" else "",
    )  # fmt: skip


FAIRSEQ = {"beam": 50, "method": "attention"}  # of AV-HuBERT and MuAViC


def av_hubert(name: str, path: str, kind: str, words: str, error: str, source: str, note: str = "") -> CatalogueEntry:
    """A checkpoint of AV-HuBERT at Meta's address."""
    file = Remote("model.pt", f"{META}avhubert/model/lrs3_vox/{path}")
    return CatalogueEntry(
        name, "en", kind, words, 0, error, source, AV_HUBERT, "facebookresearch.github.io/av_hubert", "av_hubert",
        READY, (file,), dict(FAIRSEQ), note, modality=kind if kind == "both" else "video",
    )  # fmt: skip


def muavic(language: str) -> CatalogueEntry:
    """MuAViC's AV-HuBERT fine-tuned on a language, or on eight ("x"), with sound and lips."""
    base = f"{META}muavic/models/{language}_avsr/"
    files = (
        Remote("checkpoint_best.pt", base + "checkpoint_best.pt"),
        Remote(f"dict.{language}.txt", base + f"dict.{language}.txt"),
        Remote("tokenizer.model", base + "tokenizer.model"),
    )
    note = "lips, sound or both: --modality" + ("; ar, de, el, es, fr, it, pt and ru" if language == "x" else "")
    return CatalogueEntry(
        f"muavic-{language}", "any" if language == "x" else language, "both", "1,000 pieces", 0,
        "see its paper; not stated for lips alone", "-", CC_BY_NC, "github.com/facebookresearch/muavic", "av_hubert",
        READY, files, dict(FAIRSEQ), note, "13a", "both",
    )  # fmt: skip


def raven(
    name: str, family: str, file: str, kind: str, error: str, licence: Licence, drive: str, modality: str = ""
) -> CatalogueEntry:
    """A model on Drive in the layout of RAVEn or USR; its list of units is fetched. A RAVEn model of lips may have its
    language model beside it."""
    repository = name.split("-")[0].removeprefix("b")
    place = f"github.com/ahaliassos/{repository}: https://drive.google.com/file/d/{drive}/view"
    note = {"both": TOGETHER, "video": "of a file of lips, sound and both, the lips"}.get(modality, "")
    files: tuple[Remote, ...] = (Remote(file), UNITS)
    decode = {"beam": 40, "ctc_weight": 0.1}
    if family == "raven" and kind == "video":
        note, files = f"its language model, if you like, as lm/model.pth: {RAVEN_LM}", (*files, Remote("lm/model.pth"))
        decode["lm_weight"] = 0.3 if name == "braven" else 0.2
    return CatalogueEntry(
        name, "en", kind, "1,000 pieces", 0, error, ZOO_README, licence, place, family, BY_HAND,
        files, decode, note, modality=modality,
    )  # fmt: skip


def usr(name: str, file: str, errors: tuple[str, str, str], drive: str) -> list[CatalogueEntry]:
    """The models for lips, sound and both that one checkpoint of USR or USR 2.0 becomes."""
    variants = (("", "video"), ("-sound", "sound"), ("-both", "both"))
    return [
        raven(name + suffix, "usr", file, kind, f"{error} % WER, LRS3 test", CC_BY_NC, drive, kind)
        for (suffix, kind), error in zip(variants, errors, strict=True)
    ]


def cogenav(name: str, file: str, error: str, size: str) -> CatalogueEntry:
    """A checkpoint of CoGenAV, with a Whisper of that size for the text."""
    whisper = f"openai/whisper-{size}"
    note = f"lips, sound or both: --modality; text by --whisper FOLDER of {whisper}, without it an encoder alone"
    return CatalogueEntry(
        name, "en", "both", f"Whisper {size}", 0, f"{error} % WER, LRS2 test, lips alone", ZOO_README, UNTOLD,
        "huggingface.co/detao/CoGenAV", "cogenav", BY_HAND, (Remote(file),), note=note, whisper=whisper,
    )  # fmt: skip
