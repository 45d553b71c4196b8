"""What the cases of faults have in common."""

import pytest

pytest.register_assert_rewrite("tests.faults.remains")
