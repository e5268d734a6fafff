"""HDF5's metadata read in Python: a file is opened by HDF5 only if every block of it has the form that HDF5 itself writes."""
