import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_sam2.session.results.upsample import upsample_logits


@settings(deadline=None, max_examples=40)
@given(st.data())
def test_a_part_is_cut_out_of_the_whole(data: st.DataObject) -> None:
    cells = data.draw(st.tuples(st.integers(1, 40), st.integers(1, 40)))
    size = data.draw(st.tuples(st.integers(1, 900), st.integers(1, 900)))
    y0, x0 = (data.draw(st.integers(0, length - 1)) for length in size)
    y1, x1 = (data.draw(st.integers(start + 1, length)) for start, length in zip((y0, x0), size, strict=True))
    logits = 5 * torch.randn(*cells, generator=torch.Generator().manual_seed(y0 + x0))
    part = slice(y0, y1), slice(x0, x1)
    # Processors without fused products round once more.
    np.testing.assert_allclose(
        upsample_logits(logits, size, part), upsample_logits(logits, size)[part], rtol=1e-6, atol=3e-4
    )


def test_masks_that_are_equal_in_a_place_stay_equal() -> None:
    one, other = torch.full((16, 16), 0.1), torch.full((16, 16), 0.1)
    other[8:] = 30
    part = slice(0, 200), slice(300, 700)
    made = [upsample_logits(logits, (800, 900), part) for logits in (one, other)]
    np.testing.assert_array_equal(*made)
