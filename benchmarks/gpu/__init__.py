"""The benchmark on a GPU: a served LLM, four LlamaIndex engines, as they are and accelerated.

The way of the data: ``wheels`` fetches what a machine without a network lacks, ``server`` serves a
model that is made there, ``measured`` has the arms ask it in turns, ``label`` says by which engine
and card a result was made.
"""
