"""Rules of memory: which earlier frames a frame attends to, as pure functions of what is remembered of them."""
