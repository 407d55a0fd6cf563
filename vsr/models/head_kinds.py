"""Every file that registers a head of the package; `vsr.models.registry` loads this one."""

from vsr.models import distillation_kinds, heads, memory_heads, target_heads, unit_heads

__all__ = ["distillation_kinds", "heads", "memory_heads", "target_heads", "unit_heads"]
