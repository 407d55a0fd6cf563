"""Every file that registers a head of the package; `vsr.models.registry` loads this one."""

from vsr.models import (
    bidirectional_head,
    distillation_kinds,
    heads,
    llm_settings,
    memory_heads,
    target_heads,
    translation_head,
    unit_heads,
)

__all__ = [
    "bidirectional_head", "distillation_kinds", "heads", "llm_settings", "memory_heads", "target_heads",
    "translation_head", "unit_heads",
]  # fmt: skip
