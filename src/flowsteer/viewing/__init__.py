"""One viewer for runs, in the browser or as a file to share; the server needs the extra `view`."""
