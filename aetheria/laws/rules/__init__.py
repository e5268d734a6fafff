"""Rule texts: one parser for pattern files, configs and code.

`read_rule` gives the meaning of a text: its family, its canonical form, the law that runs it, and the bounded grid of its
suffix. `law_from_rule` builds that law. A family is one `@notation` function in a module of this package (or of any package
that registers laws); names such as "HighLife" are in `names`.
"""

from aetheria.laws.rules.bounded_grid import BoundedGrid as BoundedGrid
from aetheria.laws.rules.names import NAMES as NAMES
from aetheria.laws.rules.reader import BrokenRuleError as BrokenRuleError
from aetheria.laws.rules.reader import law_from_rule as law_from_rule
from aetheria.laws.rules.reader import read_rule as read_rule
from aetheria.laws.rules.reader import rule_for as rule_for
from aetheria.laws.rules.reader import same_rule as same_rule
from aetheria.laws.rules.rule import NOTATIONS as NOTATIONS
from aetheria.laws.rules.rule import Rule as Rule
from aetheria.laws.rules.rule import notation as notation
