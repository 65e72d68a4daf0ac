"""The systems that publications describe, a folder each, and how scenarios are found. Importing this loads none of them."""
