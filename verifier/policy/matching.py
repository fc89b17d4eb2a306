"""Which builds a document's PCRs match, at a cost that does not grow with the number of builds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar

from verifier.evidence.pcrs import IMAGE_PCRS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from verifier.policy.model import Build, DeniedBuild

_Build = TypeVar("_Build", "Build", "DeniedBuild")


class BuildIndex(Generic[_Build]):
    """Builds by the PCRs they name and the values they expect there."""

    __slots__ = ("_builds", "_by_indices", "_values")

    def __init__(self, builds: Iterable[_Build]) -> None:
        """Index builds; their PCRs must not change afterwards."""
        self._builds: tuple[_Build, ...] = tuple(builds)
        self._by_indices: dict[tuple[int, ...], dict[tuple[bytes | None, ...], list[_Build]]] = {}
        self._values: dict[int, set[bytes]] = {}
        for build in self._builds:
            indices = tuple(sorted(build.pcrs))
            values = tuple(build.pcrs[index] for index in indices)
            self._by_indices.setdefault(indices, {}).setdefault(values, []).append(build)
            for index, value in build.pcrs.items():
                self._values.setdefault(index, set()).add(value)

    def match(self, pcrs: Mapping[int, bytes]) -> tuple[_Build, ...]:
        """Give the builds all of whose PCRs the document has with exactly these values."""
        found: list[_Build] = []
        for indices, by_values in self._by_indices.items():
            # An index that the document lacks reads as None, which no build expects.
            found += by_values.get(tuple(map(pcrs.get, indices)), ())
        return tuple(found)

    def match_in_debug(self, pcrs: Mapping[int, bytes]) -> tuple[_Build, ...]:
        """Give the builds that match apart from PCR0, PCR1 and PCR2, which debug mode zeroes."""
        return tuple(
            build
            for build in self._builds
            if all(pcrs.get(index) == value for index, value in build.pcrs.items() if index not in IMAGE_PCRS)
        )

    def absent(self, pcrs: Mapping[int, bytes]) -> tuple[int, ...]:
        """Give the indices that every build names and the document lacks."""
        named = [set(indices) for indices in self._by_indices]
        return tuple(sorted(set.intersection(*named) - pcrs.keys()))

    def strange(self, pcrs: Mapping[int, bytes]) -> tuple[int, ...]:
        """Give the indices whose value in the document no build expects."""
        return tuple(index for index in sorted(self._values) if pcrs.get(index) not in self._values[index])


def matches(build: Build | DeniedBuild, pcrs: Mapping[int, bytes]) -> bool:
    """Tell whether the document has every PCR that the build names, with its value."""
    return all(pcrs.get(index) == value for index, value in build.pcrs.items())
