"""From folders of files to training batches."""
