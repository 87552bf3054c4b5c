from tests.engines.sentence_transformer.models import bound, make_runtime, model, reranker, runtime

__all__ = ["bound", "make_runtime", "model", "reranker", "runtime"]
