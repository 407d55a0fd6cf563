"""The puppet corpus: text -> speech with phoneme times -> mouth poses -> a talking photograph -> video files.

sentences (what is said) -> speech (how it sounds, when) -> visemes (how the mouth moves) -> face (the photograph that
moves: portrait, mesh and oral_cavity are its parts) -> render (mp4 files) -> clips (one after the other) -> corpus
(manifests). It needs no download, no camera and no recording of anybody.
"""

from vsr.corpora.puppet.clips import render_sentence
from vsr.corpora.puppet.corpus import Wanted, prepare_parallel, prepare_puppet
from vsr.corpora.puppet.sentences import RESERVED

__all__ = ["RESERVED", "Wanted", "prepare_parallel", "prepare_puppet", "render_sentence"]
