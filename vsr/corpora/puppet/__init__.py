"""The puppet corpus: text -> speech with phoneme times -> mouth poses -> a talking photograph -> video files.

sentences (what is said) -> speech (sound and timing) -> visemes (movement of the mouth) -> face (the photograph that
moves: portrait, mesh and oral_cavity are its parts) -> render (mp4 files) -> clips (one at a time) -> corpus
(manifests). It needs no download, no camera and no recordings of people.
"""

from vsr.corpora.puppet.clips import render_sentence
from vsr.corpora.puppet.corpus import PuppetSettings, prepare_parallel, prepare_puppet
from vsr.corpora.puppet.sentences import RESERVED

__all__ = ["RESERVED", "PuppetSettings", "prepare_parallel", "prepare_puppet", "render_sentence"]
