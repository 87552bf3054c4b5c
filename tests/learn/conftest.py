from tests.learning_fixtures import leaves_no_garbage, runtime, stub

__all__ = ["leaves_no_garbage", "runtime", "stub"]
