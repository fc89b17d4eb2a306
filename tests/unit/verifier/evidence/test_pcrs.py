import pytest

from verifier.evidence.pcrs import IMAGE_PCRS, PCR_COUNT, PCR_NAMES, ZERO, is_debug, unmeasured

SET = b"\x01" * 48
NORMAL = dict.fromkeys(IMAGE_PCRS, SET)


@pytest.mark.parametrize(
    ("pcrs", "debug", "blank"),
    [
        (NORMAL, False, ()),
        (dict.fromkeys(IMAGE_PCRS, ZERO), True, (0, 1, 2)),
        (dict.fromkeys(IMAGE_PCRS, ZERO) | {3: SET, 4: SET}, True, (0, 1, 2)),
        (NORMAL | {1: ZERO}, False, (1,)),
        ({0: SET, 2: SET}, False, (1,)),
        ({0: ZERO, 1: ZERO}, False, (0, 1, 2)),
        ({3: SET}, False, (0, 1, 2)),
    ],
)
def test_debug_mode_is_three_zeroes_and_nothing_else(
    *,
    pcrs: dict[int, bytes],
    debug: bool,
    blank: tuple[int, ...],
) -> None:
    """A debug enclave, whose console its parent reads, would pass; PCR3 and 4 stay set in genuine ones."""
    assert is_debug(pcrs) is debug
    assert unmeasured(pcrs) == blank


def test_only_registers_that_exist_have_names() -> None:
    """A name for an index that no document can carry would send an operator looking for it."""
    assert all(0 <= index < PCR_COUNT for index in PCR_NAMES)
