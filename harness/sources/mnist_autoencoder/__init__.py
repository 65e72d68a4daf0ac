"""The source `mnist_autoencoder`: pipeline, scenario, stages, published values and their audit."""
