"""SAM 2 as plain PyTorch modules: stateless, no file access, official checkpoint key names.

Reading order is the order of the data: ``config``, ``layers``, ``hiera``, ``image_encoder``, ``prompt_encoder``,
``mask_decoder``, ``memory_encoder``, ``memory_attention``, ``sam2``.

Tensor names end in their axes: ``b`` batch (objects or images), ``n`` tokens, ``c`` channels, ``h`` and ``w`` rows and
columns, ``k`` mask candidates, ``p`` prompt points. Coordinates in this package are (x, y) in pixels of the model's
input.
"""
