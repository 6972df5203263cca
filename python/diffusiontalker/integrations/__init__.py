"""A face for agents of other people's frameworks: pipecat, LiveKit (docs/agents.md).

`speech` keeps sound and curves in step and knows no framework; each of the others knows one.
"""
