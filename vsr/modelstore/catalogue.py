"""The published models that have a name here: what each is, its location and how it becomes a model folder.

A table of plain values. Error rates are the publishers', not measured here; sizes are of the files to fetch.
"""

from __future__ import annotations

from difflib import get_close_matches

from vsr.modelstore.entry import HUB, READY, SHIPPED, CatalogueEntry, Remote
from vsr.modelstore.publishers import (
    AV_HUBERT,
    FAIRSEQ,
    IMPERIAL,
    OWN,
    PIECES,
    RAVEN,
    SPM,
    ZOO_README,
    auto_avsr,
    av_hubert,
    cogenav,
    muavic,
    raven,
    usr,
    zoo_letters,
    zoo_sound,
)

CATALOGUE: tuple[CatalogueEntry, ...] = (
    CatalogueEntry(
        "grid-tracks", "en", "video", "GRID's 51 words", 0, "4.2 % WER, GRID s1; 23.7 %, unseen speakers",
        "vsr/weights/grid-tracks/MODEL_CARD.md", OWN, "in the package", state=SHIPPED, note="the default",
    ),
    CatalogueEntry(
        "grid", "en", "video", "GRID's 51 words", 0, "4.0 % WER, GRID s1; 33.8 %, unseen speakers",
        "vsr/weights/MODEL_CARD.md", OWN, "in the package", state=SHIPPED, note="pixels alone",
    ),
    CatalogueEntry(
        "grid-av", "en", "both", "GRID's 51 words", 0, "3.0 % WER, GRID s1, lips and sound; 4.2 %, lips alone",
        "vsr/weights/grid-av/MODEL_CARD.md", OWN, "in the package", state=SHIPPED,
        note="lips, sound or both: --modality",
    ),
    CatalogueEntry(
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
    zoo_letters("lrs3-letters", "en", "32.3 % WER, LRS3 test, with its language model", 40, 0.5, 0.6),
    zoo_letters("lrs2-letters", "en", "26.1 % WER, LRS2 test, with its language model", 40, 0.5, 0.6),
    zoo_letters("spanish", "es", "44.5 % WER, CMU-MOSEAS, with its language model", 30, 0.0, 0.4),
    zoo_letters("portuguese", "pt", "51.4 % WER, CMU-MOSEAS, with its language model", 30, 0.0, 0.3),
    zoo_letters("french", "fr", "58.6 % WER, CMU-MOSEAS, with its language model", 30, 0.0, 0.3),
    zoo_letters("italian", "it", "not stated: its README shows it and links no file", 30, 0.0),
    zoo_letters("mandarin", "zh", "8.0 % CER, CMLR, with its language model", 20, 0.3, 0.3),
    zoo_letters("grid-seen", "en", "1.2 % WER, GRID, speakers seen in training", 20, 0.0),
    zoo_letters("grid-unseen", "en", "4.8 % WER, GRID, unseen speakers", 20, 0.0),
    zoo_letters("timit-unseen", "en", "21.8 % WER, TCD-TIMIT, unseen speakers, with its language model", 40, 0.5, 0.6),
    auto_avsr("auto_avsr", "vsr_trlrs2lrs3vox2avsp_base.pth", "20.3 % WER, LRS3 test",
              "1r1kx7l9sWnDOCnaFHIGvOtzuhFyFA88_"),
    auto_avsr("auto_avsr-vox2", "vsr_trlrs3vox2_base.pth", "24.6 % WER, LRS3 test",
              "1shcWXUK2iauRhW9NbwCc25FjU1CoMm8i"),
    auto_avsr("auto_avsr-lrs3", "vsr_trlrs3_base.pth", "36.0 % WER, LRS3 test", "12PNM5szUsk_CuaV1yB9dL_YWvSM1zvAd"),
    auto_avsr("auto_avsr-sound", "asr_trlrs3vox2_base.pth", "1.0 % WER, LRS3 test",
              "1YN9lwZN6iWn2qNQRpfpGpnf2r6ZTQqVT", "sound"),
    auto_avsr("auto_avsr-both", "avsr_trlrwlrs2lrs3vox2avsp_base.pth", "0.93 % WER, LRS3 test",
              "1mU6MHzXMiq1m6GI-8gqT2zc2bdStuBXu", "both", 1776, "its README of 2023"),
    zoo_sound("lrs3-sound", "http://bit.ly/3ZSdh0l", "sound", 860, "1.0 % WER, LRS3 test"),
    zoo_sound("lrs3-both", "http://bit.ly/3yRSXAn", "both", 1540, "0.9 % WER, LRS3 test"),
    CatalogueEntry(
        "av_hubert", "en", "video", "1,000 pieces", 0, "not stated", "-", AV_HUBERT,
        "huggingface.co/vumichien/AV-HuBERT", "av_hubert", READY,
        (Remote("model.pt", HUB + "vumichien/AV-HuBERT/model.pt"),), dict(FAIRSEQ),
    ),
    av_hubert("av_hubert-large", "vsr/large_vox_433h.pt", "video", "1,000 pieces", "28.6 % WER, LRS3 test",
              "its paper"),
    av_hubert("av_hubert-self", "vsr/self_large_vox_433h.pt", "video", "1,000 pieces", "26.9 % WER, LRS3 test",
              "its paper"),
    av_hubert("av_hubert-both", "avsr/large_noise_pt_noise_ft_433h.pt", "both", "1,000 pieces",
              "1.4 % WER, LRS3 test, lips and sound", "its paper", "lips, sound or both: --modality"),
    av_hubert("av_hubert-encoder", "clean-pretrain/large_vox_iter5.pt", "encoder", "none", "-", "-"),
    *(muavic(language) for language in ("ar", "de", "el", "en", "es", "fr", "it", "pt", "ru", "x")),
    raven("raven", "raven", "vsr_prelrs3vox2_large_ftlrs3vox2_selftrain.pth", "video",
          "24.4 % WER, LRS3 test; 23.1 % with its language model", RAVEN, "1tNZn_BvAVdoIIv6G14_9PvpQtsp6XSOt"),
    raven("braven", "raven", "vsr_prelrs3vox2avs_large_ftlrs3vox2avs_selftrain_braven.pth", "video",
          "20.9 % WER, LRS3 test; 20.1 % with its language model", RAVEN, "1bU-bFxEiXNXNoOLKaAz6_9j7XuE7f_6r"),
    raven("raven-sound", "raven", "asr_prelrs3vox2_large_ftlrs3vox2_selftrain.pth", "sound", "1.4 % WER, LRS3 test",
          RAVEN, "1E-IPTZDX4I_YZuYbgSh4L4E7tJrUuQE8"),
    raven("braven-sound", "raven", "asr_prelrs3vox2avs_large_ftlrs3vox2avs_selftrain_braven.pth", "sound",
          "1.2 % WER, LRS3 test", RAVEN, "1v_OPL9ZcEGeT8cSgLO5QX16esVFAuzbq"),
    *usr("usr", "usr_large.pth", ("22.3", "1.2", "1.1"), "1IO2yxaZLG89R4bwtJNc7TaC8UAs08Jtz"),
    *usr("usr2", "usr2_huge.pth", ("17.6", "0.9", "0.8"), "1LzFOTYu45zCLOHGVLQt7pMGjw6jmmo9Y"),
    cogenav("cogenav", "large_cogenav.pt", "20.4", "medium"),
    cogenav("cogenav-base", "base_cogenav.pt", "24.8", "small"),
)  # fmt: skip
ENTRIES = {entry.name: entry for entry in CATALOGUE}


def similar_names(name: str) -> list[str]:
    """Known names similar to ``name``, the likeliest first."""
    query = name.lower().replace("-", "_")
    by_spelling = {known_name.lower().replace("-", "_"): known_name for known_name in ENTRIES}
    matches = [by_spelling[match] for match in get_close_matches(query, by_spelling, 3, 0.5)]
    return matches or [entry.name for entry in CATALOGUE if entry.language == query]
