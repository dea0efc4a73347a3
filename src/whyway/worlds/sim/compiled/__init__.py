"""The batched step as machine code: worlds and agents one after the other in scalar loops, for a processor. `step.py` begins it.

The reference is the dense code next door (`engine.py`, `observe.py`, `reward.py`): the same formulas in the same order, held to it by a
test that compares every field. Sums are done in double precision, whatever the state's float type. Names of arrays are the
reference's; `layout.py` tells where everything stands. Needs numba.
"""
