"""The job folder and what lies in it: files, results, predictions, tables. Knows records only."""
