"""Clone a voice and make it sing, on a laptop CPU, in six steps.

The steps are modules: collect, preprocess, train, generate, postprocess, results.
Importing `vcutils` costs nothing; only what trains or generates loads TensorFlow.
"""
__version__ = "0.1.0"
