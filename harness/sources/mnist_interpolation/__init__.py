"""The source `mnist_interpolation`: pipeline, scenario, stages, published values and their audit."""
