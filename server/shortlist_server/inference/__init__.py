"""ONNX graphs on onnxruntime, run so that a row's answer never depends on who shares its batch.

session.py      OnnxSession: any graph, any types; the only module that imports onnxruntime
graph.py        Graph: one graph of a package, fed with features, run in one fixed shape
batch_check.py  the proof at load that rows do not disturb each other
probe.py        graphs tried in a process of their own before they are let into this one
"""
