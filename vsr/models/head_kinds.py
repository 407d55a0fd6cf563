"""Every file that registers a head of the package; `vsr.models.registry` loads this one."""

from vsr.models import (
    adapted_whisper,
    bidirectional_head,
    clean_prediction,
    distillation_kinds,
    flamingo_settings,
    heads,
    llm_settings,
    memory_heads,
    roman_head,
    target_heads,
    translation_head,
    unit_heads,
)

__all__ = [
    "adapted_whisper", "bidirectional_head", "clean_prediction", "distillation_kinds", "flamingo_settings", "heads",
    "llm_settings", "memory_heads", "roman_head", "target_heads", "translation_head", "unit_heads",
]  # fmt: skip
