import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_sam2.model.mask_decoder import resize_logits
from napari_sam2.session.results.upsample import upsample_logits


@pytest.mark.parametrize("size", [(96, 96), (1080, 1920), (512, 700), (37, 51), (1, 5)])
def test_logits_are_resized_as_the_model_does(size: tuple[int, int]) -> None:
    logits = torch.randn(64, 64, generator=torch.Generator().manual_seed(0)) * 5
    expected = resize_logits(logits[None, None], size)[0, 0].numpy()
    # Processors differ in where torch rounds.
    np.testing.assert_allclose(upsample_logits(logits, size), expected, rtol=0, atol=2e-4)


@settings(deadline=None)
@given(st.data())
def test_a_part_is_cut_out_of_the_whole_to_the_bit(data: st.DataObject) -> None:
    cells, size = (data.draw(st.tuples(st.integers(1, 40), st.integers(1, 40))) for _ in range(2))
    y0, x0 = (data.draw(st.integers(0, length - 1)) for length in size)
    y1, x1 = (data.draw(st.integers(start + 1, length)) for start, length in zip((y0, x0), size, strict=True))
    logits = torch.randn(*cells, generator=torch.Generator().manual_seed(y0 + x0))
    part = slice(y0, y1), slice(x0, x1)
    np.testing.assert_array_equal(upsample_logits(logits, size, part), upsample_logits(logits, size)[part])
