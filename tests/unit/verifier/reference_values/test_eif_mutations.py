"""Whatever is done to an image: it is refused, or measured as both kinds of readers would."""

import io
import struct
from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st

from tests.support.eif_writer import HEADER_BYTES, EifHeader, resealed, sections, signed_sections, write_eif
from tests.unit.verifier.reference_values.readings import by_table, by_walk, pcrs_of
from verifier.reference_values.eif import measure_image
from verifier.reference_values.layout import EifError

IMAGES = (
    write_eif(),
    write_eif(sections(ramdisks=(b"boot", b"one", b"two"))),
    write_eif(sections(metadata=None), EifHeader(version=3)),
    write_eif(signed_sections()),
)
Mutation = Callable[[bytes], bytes]


def split(image: bytes, at: int) -> tuple[bytes, bytes]:
    place = at % (len(image) + 1)
    return image[:place], image[place:]


def put(at: int, data: bytes) -> Mutation:
    return lambda image: split(image, at)[0] + data + split(image, at)[1][len(data) :]


def insert(at: int, data: bytes) -> Mutation:
    return lambda image: data.join(split(image, at))


def delete(at: int, size: int) -> Mutation:
    return lambda image: split(image, at)[0] + split(image, at)[1][size:]


def repeat(at: int, size: int, to: int) -> Mutation:
    return lambda image: insert(to, split(image, at)[1][:size])(image)


def move_boundary(number: int, by: int) -> Mutation:
    """Let a section end elsewhere, in the table and in both section headers, so that the file stays whole."""

    def mutate(image: bytes) -> bytes:
        count = int.from_bytes(image[26:28])
        if count not in range(2, 33) or len(image) < HEADER_BYTES:
            return image
        first = number % (count - 1)
        offsets = list(struct.unpack_from(">32Q", image, 28))
        sizes = list(struct.unpack_from(">32Q", image, 284))
        start, end = offsets[first], offsets[first + 1]
        step = max(min(by, sizes[first + 1]), -sizes[first])
        if not HEADER_BYTES <= start <= end - 12 <= len(image) - 24 - max(step, 0):
            return image  # an earlier mutation broke the table
        offsets[first + 1] += step
        sizes[first] += step
        sizes[first + 1] -= step
        one, other = image[start + 12 : end], image[end + 12 :]
        joined = one + other
        rest = joined[len(one) + step :]
        head = image[end : end + 4] + struct.pack(">Q", sizes[first + 1] % (1 << 64))
        middle = image[start : start + 4] + struct.pack(">Q", sizes[first] % (1 << 64)) + joined[: len(one) + step]
        table = b"".join((value % (1 << 64)).to_bytes(8) for value in (*offsets, *sizes))
        return image[:28] + table + image[540:start] + middle + head + rest

    return mutate


AT = st.integers(0, 4000)
HEADER_AT = st.integers(0, 547)
FIELD = st.sampled_from([0, 1, 2, 3, 4, 5, 6, 12, 31, 33, 255, 1 << 32, 1 << 62, (1 << 64) - 1]) | st.integers(0, 2000)
MUTATIONS = st.one_of(
    st.builds(put, AT, st.binary(min_size=1, max_size=8)),
    st.builds(put, HEADER_AT, st.binary(min_size=1, max_size=2)),
    st.builds(lambda slot, value: put(28 + 8 * slot, struct.pack(">Q", value)), st.integers(0, 63), FIELD),
    st.builds(lambda value: put(26, struct.pack(">H", value)), st.integers(0, 40)),
    st.builds(insert, AT, st.binary(max_size=40)),
    st.builds(delete, AT, st.integers(1, 200)),
    st.builds(repeat, AT, st.integers(1, 200), AT),
    st.builds(move_boundary, st.integers(0, 31), st.integers(-300, 300)),
)


def check(image: bytes) -> bool:
    """Hold a measurement, if there is one, against two naive readings."""
    try:
        measured = measure_image(io.BytesIO(image))
    except EifError:
        return False
    assert by_table(image) == by_walk(image)
    assert {index: measured.pcrs[index] for index in (0, 1, 2)} == pcrs_of(by_table(image))
    return True


@given(st.sampled_from(IMAGES), st.lists(MUTATIONS, min_size=1, max_size=3))
def test_no_mutation_makes_a_measurement_that_some_reader_would_not_make(
    image: bytes, mutations: list[Mutation]
) -> None:
    """Somebody could craft a file that shows one enclave and starts another."""
    for mutate in mutations:
        image = mutate(image)
    check(image)
    check(resealed(image))


@given(st.sampled_from(IMAGES[:3]), st.integers(0, 31), st.integers(-300, 300))
def test_moved_boundaries_are_measured_as_they_are(image: bytes, number: int, by: int) -> None:
    """The property above would be one about refusals only."""
    assert check(resealed(move_boundary(number, by)(image)))


@given(st.binary(max_size=2000))
def test_no_bytes_are_measured_by_accident_and_none_crash_the_reader(data: bytes) -> None:
    """A file of anything would end in a traceback."""
    assert not check(data)
    assert not check((write_eif()[:28] + data + bytes(548))[:548] + data)
