"""What the sources on Keras share."""
