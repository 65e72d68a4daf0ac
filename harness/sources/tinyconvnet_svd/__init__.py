"""The source `tinyconvnet_svd`: pipeline, scenario, stages, published values and their audit."""
