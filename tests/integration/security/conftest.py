from tests.support.shared_storage import postgres  # noqa: F401 - a fixture
