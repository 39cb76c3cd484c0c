"""What a frame may show: places to look at, masks proposed there, and candidates made of those that agree."""
