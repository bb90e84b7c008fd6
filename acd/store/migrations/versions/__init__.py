"""One file a revision; revisions are numbers of one width, in order."""
