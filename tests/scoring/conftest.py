import pytest


@pytest.fixture(scope="module")
def images(make_images):
    return make_images(size=16, number=60)


@pytest.fixture(scope="module")
def tiny(make_images):
    return make_images(size=8)


@pytest.fixture(scope="session")
def cache(tmp_path_factory):
    return str(tmp_path_factory.mktemp("cache"))
