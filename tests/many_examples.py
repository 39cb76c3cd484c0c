"""How many examples hypothesis tries: few by themselves, more where an environment variable asks for them."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, Phase, settings

# By how much the number of examples of every test is multiplied.
TIMES = int(os.environ.get("NAPARI_SAM2_EXAMPLES", "1"))


def examples(few: int, *, steps: int = 50, shrinks: bool = True) -> settings:
    """Settings of a test with examples that take long; ``steps`` is the length of a state machine's."""
    # An example that fails is only made smaller where trying others is quick.
    phases = [Phase.explicit, Phase.reuse, Phase.generate, *([Phase.shrink] if shrinks else [])]
    return settings(
        max_examples=few * TIMES,
        stateful_step_count=steps,
        deadline=None,
        phases=phases,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
        print_blob=True,
    )
