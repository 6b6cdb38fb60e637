"""Checks that every method must pass, and what is needed to train one on images made in memory.

    from instar.testing import check_method

    def test_my_method():
        check_method(MyMethod)

No test framework is needed. With pytest, call ``pytest.register_assert_rewrite("instar.testing")`` before the import:
failures then show the values.
"""

from instar.testing.case import Case as Case
from instar.testing.suite import Check as Check
from instar.testing.suite import check_method as check_method
from instar.testing.suite import checks as checks
