"""A configuration given to the wrong command is named with its own."""

from pathlib import Path

import pytest

from lip2speech.training.acoustic import VoiceTrainConfig
from vsr.core.errors import VsrError
from vsr.training.config import TrainConfig, load_config
from vsr.training.language import LanguageTrainConfig
from vsr.training.restoring_config import RestorerTrainConfig

CONF = Path(__file__).parents[2] / "egs"
OF = {
    "lip2speech listener": "grid/lip2speech/conf/listener.yaml",
    "lip2speech translator": "puppet/lip2speech/conf/translator.yaml",
    "lip2speech face": "puppet/lip2speech/conf/face.yaml",
    "lip2speech vocoder": "grid/lip2speech/conf/vocoder.yaml",
    "lip2speech train": "grid/lip2speech/conf/diflow.yaml",
    "vsr train": "grid/vsr/conf/video_transformer.yaml",
    "vsr lm train": "lrs2/vsr/conf/lm.yaml",
}


def kinds():
    """The configuration class of each of `OF`."""
    from lip2speech.training.face_voice import FaceTrainConfig
    from lip2speech.training.listener import ListenerTrainConfig
    from lip2speech.training.tokens import TokenTrainConfig
    from lip2speech.training.translator import TranslatorTrainConfig
    from lip2speech.vocoders.config import VocoderTrainConfig

    of_lip2speech = ListenerTrainConfig, TranslatorTrainConfig, FaceTrainConfig, VocoderTrainConfig, TokenTrainConfig
    return dict(zip(OF, (*of_lip2speech, TrainConfig, LanguageTrainConfig), strict=True))


@pytest.mark.parametrize("verb", OF)
def test_command_of_a_configuration_is_named_by_all_others(verb):
    load_config(CONF / OF[verb], kind=kinds()[verb])
    for other, kind in (kinds() | {"lip2speech train": VoiceTrainConfig}).items():
        if other == verb:
            continue
        with pytest.raises(VsrError, match=f"is a configuration of {verb}: "):
            load_config(CONF / OF[verb], kind=kind)


def test_restorer_is_trained_by_vsr_train():
    with pytest.raises(VsrError, match="is a configuration of vsr lm train: "):
        load_config(CONF / OF["vsr lm train"], kind=RestorerTrainConfig)


def test_misspelled_setting_is_not_taken_for_another_command():
    with pytest.raises(VsrError, match=r"^unknown setting 'data\.tokeniser'; did you mean tokenizer"):
        load_config(CONF / OF["vsr train"], ["data.tokeniser=x"])
