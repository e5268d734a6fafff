"""Measures of cells and of runs, for science and search.

Of one state, also observables of every law: `symmetry`, `shannon_entropy`, `compressibility`, `spectral_slope`; `centre` and
`displacement`, of which `speed` is made. Of a run: `period`, `survival`, `lyapunov`; the observables of these names are of the
steps that follow a state.
"""

from aetheria.measures.lyapunov import lyapunov as lyapunov
from aetheria.measures.order import compressibility as compressibility
from aetheria.measures.order import shannon_entropy as shannon_entropy
from aetheria.measures.order import spectral_slope as spectral_slope
from aetheria.measures.order import symmetry as symmetry
from aetheria.measures.place import centre as centre
from aetheria.measures.place import displacement as displacement
from aetheria.measures.recurrence import first_return as first_return
from aetheria.measures.recurrence import period as period
from aetheria.measures.recurrence import survival as survival
from aetheria.measures.trajectory import states_after as states_after

OF_RUNS = ("period", "survival_steps", "lyapunov")  # names of the last three in a sweep
