"""Every projector of the package, by name; `vsr.models.projectors.PROJECTORS` loads this file."""

from vsr.models.projectors import PROJECTORS, DedupSettings, StackSettings, StridedSettings
from vsr.models.query_projector import QuerySettings

for _name, _kind in (("stack", StackSettings), ("strided", StridedSettings), ("dedup", DedupSettings),
                     ("query", QuerySettings)):  # fmt: skip
    PROJECTORS.register(_name)(_kind)
