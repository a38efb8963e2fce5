"""Where catalogues are found, and what is said when they are not."""

from __future__ import annotations

from pathlib import Path

import pytest

from sustainml_orchestrator.reference_modules import catalog


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder in place of the real catalogues."""
    catalog.published.cache_clear()
    monkeypatch.setattr(catalog, "directory", lambda: tmp_path)
    yield tmp_path
    catalog.published.cache_clear()


def test_a_catalogue_is_read_once(folder: Path) -> None:
    (folder / "some.yaml").write_text("answer: 42\n")
    first = catalog.load("some")
    (folder / "some.yaml").unlink()
    assert first == {"answer": 42}
    assert catalog.load("some") == first


def test_a_file_over_it_is_read_each_time(folder: Path) -> None:
    (folder / "models.yaml").write_text("models: []\n")
    over = folder / "over.yaml"
    for name in ("one", "two"):
        over.write_text(f"models: [{{name: {name}}}]\n")
        assert catalog.load("models", (over,))["models"] == [{"name": name}]


@pytest.mark.parametrize(
    ("text", "said"),
    [(None, "cannot read"), ("a: [1", "not valid YAML"), ("- 1", "mapping"), ("", "mapping")],
)
def test_what_cannot_be_read_is_named(folder: Path, text: str | None, said: str) -> None:
    if text is not None:
        (folder / "some.yaml").write_text(text)
    with pytest.raises(catalog.CatalogError, match=said) as caught:
        catalog.load("some")
    assert str(folder / "some.yaml") in str(caught.value)


def test_installed_code_takes_the_share_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    marker = tmp_path / "share/ament_index/resource_index/packages/sustainml_orchestrator"
    marker.parent.mkdir(parents=True)
    marker.touch()
    monkeypatch.setattr(catalog, "_CHECKOUT", tmp_path / "lib")
    monkeypatch.setenv("AMENT_PREFIX_PATH", str(tmp_path))
    share = tmp_path / "share/sustainml_orchestrator"
    share.mkdir()
    assert catalog.directory() == share / "config/catalog"
    marker.unlink()
    with pytest.raises(catalog.CatalogError, match=r"source install/setup\.sh"):
        catalog.directory()
