"""The source `kmnist_svd_logreg`: pipeline, scenario, stages, published values and their audit."""
