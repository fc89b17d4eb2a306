"""Which part changed between two builds."""

import io

import pytest

from tests.support.eif_writer import sections, signed_sections, signer, write_eif
from verifier.reference_values.difference import (
    BuildChange,
    Part,
    changed_parts,
    changed_pcrs,
    changed_sections,
    compare_nearest,
    compare_policies,
    pcr_name,
)
from verifier.reference_values.eif import EnclaveImage, measure_image

A, B, C = b"\xaa" * 48, b"\xbb" * 48, b"\xcc" * 48
V1 = {0: A, 1: A, 2: A}


def image(content: object = None, **changes: object) -> EnclaveImage:
    parts = sections(**changes) if content is None else content  # type: ignore[arg-type]  # sections by name
    return measure_image(io.BytesIO(write_eif(parts)))  # type: ignore[arg-type]  # sections either way


@pytest.mark.parametrize(
    ("changed", "parts", "named"),
    [
        ({}, (), ()),
        ({"kernel": b"L"}, (Part.BOOT,), ("kernel",)),
        ({"cmdline": b"panic=1"}, (Part.BOOT,), ("command line",)),
        ({"ramdisks": (b"init", b"app-ramdisk")}, (Part.BOOT,), ("boot ramdisk",)),
        ({"ramdisks": (b"boot-ramdisk", b"app2")}, (Part.APPLICATION,), ("application",)),
        ({"ramdisks": (b"boot-ramdisk",)}, (Part.APPLICATION,), ("application",)),
        ({"kernel": b"L", "ramdisks": (b"boot-ramdisk", b"x")}, (Part.IMAGE,), ("kernel", "application")),
        ({"ramdisks": (b"boot-ramdiskapp", b"-ramdisk")}, (Part.BOUNDARY,), ("boot ramdisk", "application")),
        ({"metadata": b"{}"}, (), ()),
    ],
)
def test_the_part_that_changed_is_named(
    changed: dict[str, object], parts: tuple[Part, ...], named: tuple[str, ...]
) -> None:
    """An operator would approve a new kernel as a new release of the application."""
    before, after = image(), image(**changed)
    assert changed_parts(changed_pcrs(before.pcrs, after.pcrs, stated_only=False)) == parts
    assert changed_sections(before, after) == named


def test_another_signer_is_named() -> None:
    """A build signed by somebody else would look unchanged."""
    one, other, unsigned = (
        image(signed_sections()),
        image(signed_sections(by=signer(name="another"))),
        image(),
    )
    assert changed_parts(changed_pcrs(one.pcrs, other.pcrs, stated_only=False)) == (Part.SIGNER,)
    assert changed_sections(one, other) == changed_sections(one, unsigned) == ("signer",)
    assert changed_pcrs(one.pcrs, unsigned.pcrs, stated_only=False) == (8,)
    assert changed_pcrs(one.pcrs, unsigned.pcrs, stated_only=True) == ()


@pytest.mark.parametrize(
    ("indices", "parts"),
    [
        ((3, 4, 8), (Part.ROLE, Part.INSTANCE, Part.SIGNER)),
        ((16, 17), (Part.OTHER,)),
        ((0,), (Part.CONTRADICTION,)),
        ((1,), (Part.CONTRADICTION,)),
        ((2, 8), (Part.CONTRADICTION, Part.SIGNER)),
    ],
)
def test_pcrs_are_translated_into_parts(indices: tuple[int, ...], parts: tuple[Part, ...]) -> None:
    """Values mixed from two images would pass for a new application."""
    assert changed_parts(indices) == parts


def test_builds_of_policies_are_compared_by_name() -> None:
    """A build that somebody took out of a policy would go unnoticed."""
    found = compare_policies({"v1": V1, "v2": V1, "gone": V1}, {"v1": V1, "v2": {**V1, 2: B}, "new": V1})
    assert found.changes == (
        BuildChange(before="v1", after="v1", pcrs=()),
        BuildChange(before="v2", after="v2", pcrs=(2,)),
    )
    assert (found.removed, found.added) == (("gone",), ("new",))


def test_single_builds_are_compared_whatever_they_are_called() -> None:
    """A release would be shown as one build removed and another added."""
    found = compare_policies({"v1": V1}, {"v2": {**V1, 8: B}})
    assert found.changes == (BuildChange(before="v1", after="v2", pcrs=(8,)),)
    assert (found.removed, found.added) == ((), ())


def test_an_image_is_compared_with_the_build_it_is_nearest_to() -> None:
    """The one build that an image is would not be found in a policy of many."""
    builds = {"v1": {**V1, 3: C}, "v2": {0: B, 1: A, 2: B}, "v3": {0: C, 1: C, 2: C}}
    assert compare_nearest(builds, {"app": V1}, stated_only=True).changes[0] == BuildChange(
        before="v1", after="app", pcrs=()
    )
    assert compare_nearest({"app": {0: B, 1: A, 2: C}}, builds, stated_only=True).changes[0].after == "v2"


def test_pcrs_have_names() -> None:
    """People would see bare numbers."""
    assert pcr_name(2) == "application"
    assert pcr_name(16) == "defined by the application"
