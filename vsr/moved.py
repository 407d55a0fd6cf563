"""Where the modules that have moved since version 0.1.0 are now (`vsr.core.relocation`)."""

from vsr.core.relocation import serve

TABLE = """
vsr.* = vsr.cli.*: flags>options
vsr.* = vsr.core.*: artifacts clock errors files filetypes forks interrupts machine numbers packages pool
vsr.* = vsr.core.*: progress worker
vsr.* = vsr.decoding.*: provenance
vsr.* = vsr.evaluation.*: accuracy>topk card results score>wer timing>word_timing
vsr.* = vsr.inference.*: assemble bulk cluster>ray_cluster journal recognise>recognition transcribe>transcriber
vsr.* = vsr.modelstore.*: checkpoint repository
vsr.* = vsr.output.*: cues karaoke outputs>writing subtitles transcript unsure>unsure_words written>ledger
vsr.corpora.* = vsr.corpora.*: download>zenodo heard>recogniser_labels
vsr.corpora.* = vsr.data.*: splits
vsr.data.* = vsr.data.*: batching>batch sampling>sampler
vsr.decode.* = vsr.cli.*: flags>search_options
vsr.decode.* = vsr.decoding.*: agreement assess confidence corpus ctc domain encoding evidence
vsr.decode.* = vsr.decoding.*: fusion>shallow_fusion lattice lookahead ngram options posteriors rescore
vsr.decode.* = vsr.decoding.*: vocabulary words>word_classes
vsr.decode.* = vsr.inference.*: calibrating>calibration
vsr.decode.align = vsr.decoding.align vsr.decoding.viterbi
vsr.decode.beam = vsr.decoding.search vsr.decoding.joint_beam
vsr.engines = vsr.inference.executors vsr.cli.options
vsr.hub = vsr.inference.reader vsr.modelstore.folder
vsr.inspect.* = vsr.report.*: cards collect facts images lanes markup moment page script_data stills
vsr.live.* = vsr.inference.live.*: captions mouth pace screen session source
vsr.modelstore.* = vsr.modelstore.*: known>catalogue
vsr.models.losses = vsr.objectives.losses vsr.models.targets
vsr.published.* = vsr.modelstore.importers.*: auto_avsr av_hubert importing mapping reading
vsr.training.* = vsr.training.*: continued>run_inputs starting>initialisation typed>typed_yaml
vsr.video.* = vsr.core.*: quiet>dependency_logs
vsr.video.* = vsr.data.*: transforms
vsr.video.* = vsr.face.*: canvas casting>speaker_selection detector faces geometry graphs>mediapipe_graphs
vsr.video.* = vsr.face.*: landmarker lip_motion mediapipe_graph mouth>mouth_crop mouth_features
vsr.video.* = vsr.face.*: mouth_look>mouth_appearance mouth_points networks people>identity piece quality
vsr.video.* = vsr.face.*: segment>visual_vad shots stream>pipeline stretches surroundings tracks>tracker
vsr.video.* = vsr.media.*: container ending>truncation extent formats grid>resample joined>concatenated
vsr.video.* = vsr.media.*: picture_shape>frame_shape reader seeking streams structure timestamps
vsr.windows = vsr.inference.seams vsr.core.windows
"""


def install() -> None:
    """Old names can be imported from now on."""
    serve(TABLE)
