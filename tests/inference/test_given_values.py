"""Argument values in Python: NumPy numbers and paths are accepted, ambiguous values are refused before any work."""

from pathlib import Path

import numpy as np
import pytest

from lip2speech.models.flow_options import FlowOptions
from vsr.core.errors import VsrError
from vsr.decoding.options import DecodeOptions
from vsr.face.face_count import checked_face_count
from vsr.face.mouth_crop import crop_video
from vsr.inference.phrases import choose
from vsr.inference.spotting import find_phrases
from vsr.inference.states import encode_video
from vsr.inference.transcriber import transcribe
from vsr.modelstore.folder import find_model, load_model


@pytest.mark.parametrize("faces, number", [("all", None), ("largest", 1), (2, 2), (np.int64(3), 3), (np.uint8(1), 1)])
def test_number_of_faces_is_accepted(faces, number):
    assert checked_face_count(faces) == number


@pytest.mark.parametrize(
    "faces", [True, False, np.True_, 0, -1, 1.0, np.float64(2), float("nan"), None, "2", "ALL", [1]]
)
def test_refuses_wrong_number_of_faces(faces, tiny_model, face_clip):
    """True was read as one face once."""
    with pytest.raises(VsrError, match="it can be 'largest', 'all' or a number from 1 on"):
        transcribe(load_model(tiny_model), face_clip, faces=faces)


def test_numpy_options_and_paths_become_plain(tmp_path):
    options = DecodeOptions(beam=np.int64(5), nbest=np.int32(2), ctc_weight=np.float32(0.5), lm=tmp_path)
    assert [type(value) for value in (options.beam, options.nbest, options.ctc_weight, options.lm)] == [
        int,
        int,
        float,
        str,
    ]
    flow = FlowOptions(steps=np.int64(2), seed=np.uint32(7), temperature=np.float32(0.5))
    assert [type(value) for value in (flow.steps, flow.seed, flow.temperature)] == [int, int, float]


@pytest.mark.parametrize(
    "settings",
    [{"beam": True}, {"beam": 5.0}, {"beam": "5"}, {"nbest": None}, {"nbest": 2.5}, {"lm": None}, {"ngram": 3}],
)
def test_refuses_options_of_wrong_type(settings):
    with pytest.raises(VsrError, match=next(iter(settings))) as caught:
        DecodeOptions(**settings)
    assert caught.value.reason == "bad_options"


def test_text_where_a_number_belongs_is_shown_as_text():
    with pytest.raises(VsrError, match="beam is '5'"):
        DecodeOptions(beam="5")


@pytest.mark.parametrize("settings", [{"steps": 2.5}, {"steps": True}, {"seed": float("nan")}, {"seed": 1.5}])
def test_refuses_flow_options_of_wrong_type(settings):
    with pytest.raises(VsrError, match=next(iter(settings))):
        FlowOptions(**settings)


def test_refuses_one_phrase_where_a_list_is_needed(tiny_model, face_clip):
    loaded = load_model(tiny_model)
    assert list(find_phrases(loaded, face_clip, "a b", 0.0)) == list(find_phrases(loaded, face_clip, ["a b"], 0.0))
    for phrases in ("a b", []):
        with pytest.raises(VsrError, match="give a list"):
            choose(loaded, face_clip, phrases)
    with pytest.raises(VsrError, match="least"):
        list(find_phrases(loaded, face_clip, ["a b"], float("nan")))


def test_layers_may_be_numbers_or_a_single_one(tiny_model, face_clip):
    loaded = load_model(tiny_model)
    assert "last" in encode_video(loaded, face_clip, "last") and "1" in encode_video(loaded, face_clip, (np.int64(1),))


@pytest.mark.parametrize("part", [{"start": float("nan")}, {"end": float("inf")}, {"start": -1.0}, {"end": "1"}])
def test_refuses_impossible_part_of_a_video(part, face_clip):
    with pytest.raises(VsrError, match=f"{next(iter(part))} is"):
        crop_video(face_clip, **part)


def test_model_name_may_be_a_path_and_device_is_checked(tiny_model):
    assert find_model(Path("grid")) == find_model("grid")
    for device in (None, True, "CPU", "meta"):
        with pytest.raises(VsrError, match="cannot be used") as caught:
            load_model(tiny_model, device)
        assert caught.value.reason == "bad_options"
