from tests.support.shared_storage import postgres, s3  # noqa: F401 - fixtures
