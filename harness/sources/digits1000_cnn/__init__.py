"""The source `digits1000_cnn`: pipeline, scenario, stages, published values and their audit."""
