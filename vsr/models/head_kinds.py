"""Every file that registers a head of the package; `vsr.models.registry` loads this one."""

from vsr.models import heads, target_heads, unit_heads

__all__ = ["heads", "target_heads", "unit_heads"]
