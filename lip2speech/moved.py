"""Where the modules of version 0.1.0 are now (`vsr.core.relocation`)."""

from vsr.core.relocation import serve

TABLE = """
lip2speech.* = lip2speech.evaluation.*: alignment card inspection>report intelligibility judges>asr_scorers
lip2speech.* = lip2speech.evaluation.*: metrics pauses frames>plots results summary
lip2speech.evaluation.* = vsr.media.*: whisper_ct2>whisper
lip2speech.* = lip2speech.features.*: data>dataset
lip2speech.* = lip2speech.inference.*: length>sound_length mixing>mixer speak>dubbing
lip2speech.* = lip2speech.inference.*: sources>output_fingerprints synthesis>synthesizer
lip2speech.* = lip2speech.models.*: flow_options
lip2speech.* = vsr.media.*: channels sound_stamps spans>sound_spans
lip2speech.audio = vsr.media.audio vsr.data.sound
lip2speech.features.* = vsr.media.*: filterbank mel units
lip2speech.hub = lip2speech.inference.voice lip2speech.inference.folder
lip2speech.muxing.* = vsr.media.mux.*: copied encoded listing mux rehearsal sound
lip2speech.sync.* = lip2speech.av_sync.*: eigenlips offsets predictor
lip2speech.sync.* = lip2speech.features.*: lag
lip2speech.vocoder.* = lip2speech.training.*: segments>vocoder_segments training>vocoder
lip2speech.vocoder.* = lip2speech.vocoders.*: config consistency discriminators generator losses
"""


def install() -> None:
    """Old names can be imported from now on."""
    serve(TABLE)
