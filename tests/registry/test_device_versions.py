"""What `doctor` asks of a version whose files are for devices.

Covers: registry.doctor.models.
"""

from types import SimpleNamespace

import pytest

from registry.doctor.models import missing_file


@pytest.mark.parametrize("name", ["heart-reader-edge", "heart-reader-form-edge"])
def test_a_device_folder_is_whole_with_its_labels_and_needs_no_mlmodel(tmp_path, name):
    client = SimpleNamespace(get_model_version_download_uri=lambda *_: tmp_path.as_uri())
    version = SimpleNamespace(name=name, version="1")
    assert missing_file(client, version) == "labels.json"
    (tmp_path / "labels.json").write_text("{}")
    assert missing_file(client, version) is None


def test_another_model_needs_its_mlmodel_and_its_bundle(tmp_path):
    client = SimpleNamespace(get_model_version_download_uri=lambda *_: tmp_path.as_uri())
    version = SimpleNamespace(name="heart-reader-se_resnet1d", version="1")
    (tmp_path / "labels.json").write_text("{}")
    assert missing_file(client, version) == "MLmodel"
    (tmp_path / "MLmodel").write_text("")
    assert missing_file(client, version) == "the bundle"
