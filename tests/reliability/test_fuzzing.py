"""A few seconds of what `tests.reliability.fuzzing` does for ten minutes."""

from hypothesis import HealthCheck, given, settings

from tests.reliability.fuzzing import check_archive, check_decode, images, mutated, packed

QUICK = settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])


@QUICK
@given(data=mutated(images()))
def test_a_mutated_image_is_an_image_or_a_sentence(data: bytes) -> None:
    check_decode(data)


@QUICK
@given(data=mutated(packed()))
def test_a_mutated_archive_is_an_archive_or_a_sentence(data: bytes) -> None:
    check_archive(data)


def test_the_seeds_are_whole() -> None:
    for data in images():
        check_decode(data)
    for data in packed():
        check_archive(data)
