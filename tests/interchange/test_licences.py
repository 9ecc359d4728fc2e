import pytest

from groundtune.interchange.licences import forbids_commercial_use


@pytest.mark.parametrize("licence", ["cc-by-nc-4.0", "CC BY-NC-SA 4.0", "non-commercial use only"])
def test_a_non_commercial_licence_is_known_by_its_name(licence: str):
    assert forbids_commercial_use(licence)


@pytest.mark.parametrize("licence", ["", "apache-2.0", "cc-by-4.0", "MIT", "ncsa", "OFL-1.1"])
def test_other_licences_are_not_taken_for_one(licence: str):
    assert not forbids_commercial_use(licence)
