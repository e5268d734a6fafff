"""Laws whose cells are real numbers and whose rule is a formula."""
