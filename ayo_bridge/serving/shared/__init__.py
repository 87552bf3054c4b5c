"""The process that holds models for several others. In: calls over a Unix socket. Out: results.

``python -m ayo_bridge.serving.shared SOCKET GRACE``; applications start it themselves.
"""
